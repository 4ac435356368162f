---@meta host.secret
--- Values that can be passed on but not read.

error("this describes a native module for editors and help; it is not to be required")

---@class host.secret
--- tostring gives "[secret]"; concatenation and comparison with < raise an error; == compares identity; # is the length
--- in bytes. All open secrets share 1 MiB of memory (a token takes 2 to 4 KiB), or the amount that `room` sets.
local Secret = {}
--- Wipe the secret now. Idempotent. Using a closed secret raises an error.
function Secret:close() end
--- Are the two the same bytes? Compared in constant time. For scripts: the 17th comparison of a
--- run raises, so that nobody finds a secret by guessing.
---@param other host.secret
---@return boolean
function Secret:equals(other) end

local M = {}
--- Is the value a secret (open or closed)?
---@param value any
---@return boolean
function M.is(value) end
--- Wrap text that is already in Lua's memory as a secret: for tests, and for form fields that the emulator received.
---@param text string
---@param kind host.secret.kind? "value" when absent
---@return host.secret
function M.from(text, kind) end
--- Copy a secret, for a function that closes the secret that it gets.
---@param secret host.secret
---@param kind host.secret.kind? the same kind when absent
---@return host.secret
function M.copy(secret, kind) end
--- The kind of a secret says where the secret may go: a "credential" is never part of a body that Lua builds; a "value"
--- goes to the members of a body that are declared to hold a secret; a "proof" goes to the login service and to Graph's
--- member `proof`.
---@alias host.secret.kind "credential"|"value"|"proof"
---@param secret host.secret
---@return host.secret.kind
function M.kind(secret) end
--- Are the two the same bytes? Compared in constant time, as often as the library needs.
---@param a host.secret
---@param b host.secret
---@return boolean
function M.equals(a, b) end
--- The first `count` characters (at most 3), as Entra's member `hint` shows them; never more than a quarter of the
--- secret.
---@param secret host.secret
---@param count integer
---@return string
function M.hint(secret, count) end
--- The number of character classes (lower case, upper case, digit, symbol) in the secret.
---@param secret host.secret
---@return integer
function M.classes(secret) end
--- Does the secret contain this text, in upper or lower case?
---@param secret host.secret
---@param text string
---@return boolean
function M.contains(secret, text) end
--- The bytes of a secret in base64, with padding, as a secret of the same kind.
---@param secret host.secret
---@return host.secret
function M.base64(secret) end
--- The bytes that a secret means in base64, as a secret of the same kind; nil when the secret is not base64.
---@param secret host.secret
---@return host.secret?
function M.unbase64(secret) end
--- A random password: one character of each class, the rest from all, then shuffled.
---@param length integer 8 to 256
---@param excluded string? characters never used
---@return host.secret
function M.generate(length, excluded) end
--- Random bytes as a secret (keys).
---@param bytes integer
---@return host.secret
function M.random(bytes) end
--- Replace every open secret in a text by [secret]: in every encoding, and also a secret that is cut off after 16
--- characters or more. Secrets of less than 6 bytes are not replaced, because other text would become unreadable.
---@param text string
---@return string
function M.redact(text) end
--- "locked", "unlocked" (usable, but it may be swapped) or "closed" (not yet used).
---@return string
function M.heap() end
--- Set the amount of memory that all secrets of the process share, when 1 MiB is too little. Raises once there is a
--- secret.
---@param mebibytes integer 1 to 64, a power of two
function M.room(mebibytes) end

return M
