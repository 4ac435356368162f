---@meta host.secret
--- Values that can be passed on but not read.

error("this describes a native module for editors and help; it is not to be required")

---@class host.secret
--- tostring gives "[secret]"; concatenation and comparison with < raise; == compares identity;
--- # gives its length in bytes. Living secrets share 1 MiB of memory (a token takes 2 to 4 KiB), or what `room` says.
local Secret = {}
--- Wipe it now. Idempotent; a closed secret raises wherever it is used.
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
--- Another one with the same bytes, for who closes what it was given.
---@param secret host.secret
---@param kind host.secret.kind? the same when absent
---@return host.secret
function M.copy(secret, kind) end
--- Where it may go: a "credential" is never part of a body that Lua builds; a "value" goes to the members
--- of a body that are declared to hold a secret; a "proof" to the login service and to Graph's `proof`.
---@alias host.secret.kind "credential"|"value"|"proof"
---@param secret host.secret
---@return host.secret.kind
function M.kind(secret) end
--- Are the two the same bytes? Compared in constant time, as often as the library needs.
---@param a host.secret
---@param b host.secret
---@return boolean
function M.equals(a, b) end
--- The first `count` (at most 3) characters, as Entra's `hint` shows them, but never
--- more than a quarter of the secret.
---@param secret host.secret
---@param count integer
---@return string
function M.hint(secret, count) end
--- How many of the four classes (lower, upper, digit, symbol) it draws on.
---@param secret host.secret
---@return integer
function M.classes(secret) end
--- Is this text in it, whatever the case of its letters?
---@param secret host.secret
---@param text string
---@return boolean
function M.contains(secret, text) end
--- A random password: one character of each class, the rest from all, then shuffled.
---@param length integer 8 to 256
---@param excluded string? characters never used
---@return host.secret
function M.generate(length, excluded) end
--- Random bytes as a secret (keys).
---@param bytes integer
---@return host.secret
function M.random(bytes) end
--- Text with every living secret replaced by [secret], in every encoding, also one that is
--- cut off after 16 characters or more. Secrets shorter than 6 bytes are not looked for:
--- masking them would make other text unreadable.
---@param text string
---@return string
function M.redact(text) end
--- "locked", "unlocked" (usable, but it may be swapped) or "closed" (not yet used).
---@return string
function M.heap() end
--- How much memory all secrets of the process share, where 1 MiB is too little. Raises once there is a secret.
---@param mebibytes integer 1 to 64, a power of two
function M.room(mebibytes) end

return M
