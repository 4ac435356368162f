--- Certificates of one RSA key that was made before the tests: to make a key takes up to a second.

local crypto = require "host.crypto"

local M = {}

local KEY_FILE = os.getenv "EMULATOR_SIGNING_KEY"

local function shell(line, ...)
  local pipe <close> = assert(io.popen(line:format(...)))
  return pipe:read "a"
end

--- Write NAME.key and NAME.crt, a key and a new certificate of it, to a folder.
---@param folder string
---@param name string also the name in the certificate
---@param days integer
---@param is_new_key boolean? of a key that nothing else is signed with
function M.write(folder, name, days, is_new_key)
  local base = ("%s/%s"):format(folder, name)
  if is_new_key or not KEY_FILE then
    shell("openssl genrsa -out '%s.key' 2048 2>&1", base)
  else
    shell("cp '%s' '%s.key'", KEY_FILE, base)
  end
  shell("openssl req -x509 -key '%s.key' -subj /CN=%s -days %d -out '%s.crt' 2>&1", base, name, days, base)
end

--- An entry of `keyCredentials`: a certificate that somebody made by hand and added in the portal.
---@return table
function M.made_by_hand()
  local key = KEY_FILE and ("-key '%s'"):format(KEY_FILE) or "-newkey rsa:2048 -nodes -keyout /dev/null"
  local der = shell("openssl req -x509 %s -subj '/CN=made by hand' -days 9000 -outform der 2>/dev/null", key)
  return {
    type = "AsymmetricX509Cert", usage = "Verify", displayName = "made by hand", keyId = crypto.uuid(),
    key = crypto.base64(der), customKeyIdentifier = crypto.hex(crypto.digest("sha1", der)):upper(),
    startDateTime = "2026-01-01T00:00:00Z", endDateTime = "2096-01-01T00:00:00Z",
  }
end

return M
