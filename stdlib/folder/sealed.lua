--- Write a secret to a file that only the holder of a private key can open, in a folder that the profile names.

local crypto = require "host.crypto"
local fail = require "fail"
local files = require "folder.files"
local sys = require "host.sys"

local M = {}

local LIMIT = 64 << 10 -- bytes of a key file
local FIX = "Make a certificate of the private key (openssl req -x509 -key KEY -subj /CN=reader -days 3650), or name a "
  .. "file with the line age1… that age-keygen printed."

local function raise_cannot_seal(name, why, fix)
  fail.raise { kind = "config", what = "write the sealed secret to " .. name, why = why, fix = fix }
end

--- Encrypt the value for the recipient in the file `key`, and write it.
---@param folder string as the profile calls it
---@param name string of the file
---@param value host.secret
---@param key string
function M.write(folder, name, value, key)
  local pem, message = sys.read(key, LIMIT)
  if not pem then
    raise_cannot_seal(name, message, "The policy's sink names the file: a certificate in PEM, or a recipient of age.")
  end
  local sealed, why = crypto.seal_to(pem, value)
  if not sealed then raise_cannot_seal(name, ("%s: %s"):format(key, why), FIX) end
  files.write(folder, name, sealed)
end

return M
