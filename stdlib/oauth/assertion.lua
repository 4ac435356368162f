--- The signed assertion (a JWT) by which an application signs in with a certificate (Microsoft Learn,
--- certificate-credentials: PS256, x5t#S256, ten minutes at most).

local ask = require "oauth.ask"
local crypto = require "host.crypto"
local json = require "host.json"
local native_oauth = require "host.oauth"
local time = require "time"

local M = {}

local LIFETIME = 600 -- seconds of an assertion

--- The header that names the certificate.
---@param about { sha256: string } what the key says about its certificate
---@return string JSON
function M.header(about)
  return json.encode { typ = "JWT", ["x5t#S256"] = crypto.base64url(about.sha256) }
end

local function claims(authority, client_id)
  local now = math.floor(time.now())
  return json.encode {
    aud = authority .. "/oauth2/v2.0/token", iss = client_id, sub = client_id, jti = crypto.uuid(),
    nbf = now, iat = now, exp = now + LIFETIME,
  }
end

--- A request for a token, signed with this key. Each request has an assertion of its own.
---@param settings profile
---@param client_id string
---@param key host.crypto.key with its certificate
---@param header string of M.header
---@return host.request
function M.request(settings, client_id, key, header)
  local authority = ask.authority(settings)
  local signed = key:assertion("PS256", header, claims(authority, client_id))
  return native_oauth.client_assertion(authority, client_id, signed, ask.app_scope(settings))
end

return M
