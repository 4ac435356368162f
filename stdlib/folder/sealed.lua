--- Write a secret to a file that only the holder of a private key can open, in a folder that the profile names.

local crypto = require "host.crypto"
local fail = require "fail"
local files = require "folder.files"
local sys = require "host.sys"

local M = {}

local LIMIT = 64 << 10 -- bytes of a key file

local function raise_cannot_seal(name, why, fix)
  fail.raise { kind = "config", what = "write the sealed secret to " .. name, why = why, fix = fix }
end

--- Encrypt the value for the public key in the file `key`, and write it.
---@param folder string as the profile calls it
---@param name string of the file
---@param value host.secret
---@param key string
function M.write(folder, name, value, key)
  local pem, message = sys.read(key, LIMIT)
  if not pem then
    raise_cannot_seal(name, message, "The policy's sink names the key: a file with a public key in PEM.")
  end
  local sealed, why = crypto.seal_to(pem, value)
  if not sealed then raise_cannot_seal(name, ("%s: %s"):format(key, why)) end
  files.write(folder, name, sealed)
end

return M
