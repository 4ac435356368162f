--- Access tokens as Entra ID signs them for Graph: JWTs with RS256 and a published key.
---
--- The emulator remembers the digest of each token that it issued. A token with a known digest is genuine: that is the
--- same as checking its signature, and cheaper.

local crypto = require "base.crypto"
local json = require "json"
local time = require "time"

local M = {}

local LIFETIME = 3599 -- seconds, as the answers say; Entra varies it between 60 and 90 minutes
local SWEEP = 5000 -- issued tokens between two sweeps of expired ones

---@class emulator.tokens
---@field tenant string GUID
---@field key host.crypto.key
---@field kid string
---@field issued table<string, table> digest -> claims
---@field count integer
local Tokens = { __name = "emulator.tokens" }
Tokens.__index = Tokens

--- The issuer of one tenant, with a new key or the one of a PEM text.
---@param options {tenant: string, signing_key: string?}
---@return emulator.tokens
function M.new(options)
  local key = options.signing_key and assert(crypto.private_key(options.signing_key)) or crypto.key()
  local kid = crypto.base64url(crypto.digest("sha1", (key:public())))
  return setmetatable({ tenant = options.tenant, key = key, kid = kid, issued = {}, count = 0 }, Tokens)
end

local function digest(token)
  return crypto.digest("sha256", token)
end

local function sweep(self)
  local now = time.now()
  for id, claims in pairs(self.issued) do
    if claims.exp < now then self.issued[id] = nil end
  end
end

--- Sign a JWT with these claims; the times are added.
---@param claims table
---@param lifetime number? seconds
---@return string token, integer expires_in
function Tokens:sign(claims, lifetime)
  local now = math.floor(time.now())
  lifetime = lifetime or LIFETIME
  claims.iat, claims.nbf, claims.exp = now, now, now + lifetime
  local header = json.encode { typ = "JWT", kid = self.kid, x5t = self.kid }
  return self.key:sign("RS256", header, json.encode(claims)), lifetime
end

--- An access token (version 1.0, as Graph's are), remembered until it expires.
---@param claims table
---@return string token, integer expires_in
function Tokens:access(claims)
  claims.iss = ("https://sts.windows.net/%s/"):format(self.tenant)
  claims.tid, claims.ver, claims.uti = self.tenant, "1.0", crypto.base64url(crypto.random(16))
  local token, lifetime = self:sign(claims)
  self.issued[digest(token)] = claims
  self.count = self.count + 1
  if self.count % SWEEP == 0 then sweep(self) end
  return token, lifetime
end

--- The claims of a token that this emulator issued for one of these audiences; or nil, and what Graph says about it.
---@param token string
---@param accepts fun(audience: string): boolean
---@return table|nil claims, string? message
function Tokens:verify(token, accepts)
  local claims = self.issued[digest(token)]
  if not claims and not token:match("^[%w_-]+%.[%w_-]+%.[%w_-]+$") then
    return nil, "IDX14100: JWT is not well formed, there are no dots (.)."
  end
  if not claims then return nil, "Access token validation failure. Invalid signature." end
  if claims.exp <= time.now() then return nil, "Lifetime validation failed, the token is expired." end
  if not accepts(claims.aud) then return nil, "Access token validation failure. Invalid audience." end
  return claims
end

--- The published keys (JWKS).
---@return table
function Tokens:keys()
  local n, e = self.key:public()
  local key = { kty = "RSA", use = "sig", alg = "RS256", kid = self.kid, x5t = self.kid, n = n, e = e }
  return { keys = json.array { key } }
end

return M
