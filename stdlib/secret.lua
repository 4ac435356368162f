--- Values that can be passed on but not read: passwords and tokens.
---
--- A script can read the length of a secret (#value), and can compare two secrets (value:equals(other)) a few times in
--- a run. A script passes a secret on: a password to `graph.patch`, an entry to the vault. The program turns a secret
--- into bytes only at a place that is declared to hold a secret.

local crypto = require "host.crypto"
local native_secret = require "host.secret"

local M = {}

M.is = native_secret.is
M.generate = native_secret.generate
M.base64 = crypto.base64
M.unbase64 = native_secret.unbase64

local function check_secret(value)
  if not native_secret.is(value) then error("a secret is needed", 3) end
end

local function read_key(value)
  local key, why = crypto.certificate(value)
  if not key then error("a private key with its certificate is needed: " .. why, 3) end
  return key
end

--- A private key and its certificate in PEM, the key first (PKCS#8): the form in which a sink gets a certificate, and
--- returns the certificate from `read`. Made of any PEM or of PKCS#12. Nil when there is no RSA key with its
--- certificate in it.
---@param value any a secret
---@param certificate any text or secret: the certificate in PEM, when the value has the key only
---@param passphrase any a secret: of PKCS#12
---@return any pem a secret
function M.pem(value, certificate, passphrase)
  check_secret(value)
  local key <close> = crypto.certificate(value, passphrase, certificate)
  return key and key:export "pem"
end

--- A private key and its certificate as PKCS#12 (RFC 7292): bytes, so most services take them as `secret.base64`. The
--- key is encrypted with AES-256; without a passphrase, with the empty one, as Azure Key Vault has PKCS#12.
---@param value any a secret, in PEM
---@param passphrase any a secret, such as `secret.generate(24)`
---@return any bytes a secret
function M.pkcs12(value, passphrase)
  check_secret(value)
  local key <close> = read_key(value)
  return key:export("pkcs12", passphrase)
end

--- The private key alone, in PEM (PKCS#8).
---@param value any a secret: a private key and its certificate
---@return any pem a secret
function M.private_key(value)
  check_secret(value)
  local key <close> = read_key(value)
  return key:export "key"
end

--- The certificate alone, in PEM, which is no secret.
---@param value any a secret: a private key and its certificate
---@return string pem
function M.certificate(value)
  check_secret(value)
  local key <close> = read_key(value)
  return key:export "certificate"
end

return M
