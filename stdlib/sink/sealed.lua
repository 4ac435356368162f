--- Where a secret goes: a new file that only the holder of a private key can open.
-- Nothing here can read it back, so it confirms nothing.

local crypto = require "host.crypto"
local fail = require "fail"
local sys = require "host.sys"

local M = {}

local LIMIT = 64 << 10 -- bytes of a key file

local function raise(path, why, fix)
  fail.raise { kind = "config", what = "write the sealed secret to " .. path, why = why, fix = fix }
end

--- Seal the value to the public key in the file `key`, and write it to the new file `path`.
---@param path string
---@param key string
---@param value host.secret
function M.write(path, key, value)
  local pem, message = sys.read(key, LIMIT)
  if not pem then raise(path, message, "The policy's sink names the key: a file with a public key in PEM.") end
  local sealed, why = crypto.seal_to(pem, value)
  if not sealed then raise(path, ("%s: %s"):format(key, why)) end
  local ok, reason, kind = sys.write(path, sealed, "new")
  if ok or kind == "exists" then return end -- there already: a run before this one wrote it
  raise(path, reason, "The secret is kept in the journal: make the folder, then run the same command again.")
end

return M
