--- Clients that sign in with a signed JWT (RFC 7523): signed with the key of one of their certificates, or a token of
--- an issuer that they trust (Microsoft Learn: certificate-credentials, workload-identity-federation-considerations).

local crypto = require "base.crypto"
local moments = require "emulator.moments"
local refusal = require "emulator.login.refusal"
local time = require "time"

local M = {}

local TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
local SKEW = 300 -- seconds by which the client's clock may differ

local function text(value)
  return type(value) == "string" and value or ""
end

--- Raise a refusal unless the assertion is valid now.
local function check_time(claims)
  local now, ends, begins = time.now(), claims.exp, claims.nbf or claims.iat or 0
  if type(ends) ~= "number" or type(begins) ~= "number" or now > ends + SKEW or now < begins - SKEW then
    local function text_of(at) return type(at) == "number" and moments.ticks(at) or "?" end
    refusal.raise(700024, moments.ticks(now), text_of(begins), text_of(ends))
  end
end

--- Is the assertion's audience this endpoint, by any name of the tenant?
local function is_for_us(login, aud)
  for _, name in ipairs { login.tenant.id, login.tenant.domain, "common" } do
    if aud == ("%s/%s/oauth2/v2.0/token"):format(login.base, name) then return true end
  end
  return false
end

---------------------------------------------------------------------------
-- Certificates

--- Does the header name this certificate: by x5t#S256, the older x5t, or kid?
local function is_named(header, about)
  if header["x5t#S256"] then return header["x5t#S256"] == crypto.base64url(about.sha256) end
  if header.x5t then return text(header.x5t):gsub("=+$", "") == crypto.base64url(about.sha1) end
  return text(header.kid):lower() == crypto.hex(about.sha1)
end

local function certificates_of(client)
  local found = {}
  for _, row in ipairs(client.application and client.application.keyCredentials or {}) do
    local der = type(row.key) == "string" and crypto.unbase64(row.key)
    local key = der and crypto.x509(der)
    if key then found[#found + 1] = { key = key, about = key:describe(), id = row.keyId } end
  end
  return found
end

local function check_own(login, client, proof, signed)
  local header, claims, assertion = signed.header, signed.claims, signed.text
  if not is_for_us(login, claims.aud) then refusal.raise(700023) end
  for _, certificate in ipairs(certificates_of(client)) do
    if is_named(header, certificate.about) and certificate.key:verify(text(header.alg), assertion) then
      proof.key, proof.thumbprint = certificate.id, crypto.hex(certificate.about.sha1):upper()
      if time.now() > certificate.about.not_after then refusal.raise(700027, "The key used is expired.") end
      return
    end
  end
  refusal.raise(700027, "The key was not found.")
end

---------------------------------------------------------------------------
-- Federated credentials

--- The federated credentials whose `member` has this value. Raises a refusal when there is none.
local function fitting(list, member, value, code)
  local found = {}
  for _, row in ipairs(list) do
    if row[member] == value then found[#found + 1] = row end
  end
  if #found == 0 then refusal.raise(code, tostring(value)) end
  return found
end

local function check_foreign(login, client, proof, signed)
  local header, claims, assertion = signed.header, signed.claims, signed.text
  local list = login.tenant:federations_of(client.service_principal.appId)
  list = fitting(list, "issuer", claims.iss, 700211)
  list = fitting(list, "subject", claims.sub, 700213)
  list = fitting(list, "audience", claims.aud, 700212)
  for _, row in ipairs(list) do
    for _, numbers in ipairs(row.keys) do
      local key = crypto.public_key(numbers.n, numbers.e)
      if key and key:verify(text(header.alg), assertion) then
        proof.federation = row.id
        return
      end
    end
  end
  refusal.raise(700027, "The key was not found.")
end

--- Raise a refusal unless the form's assertion proves the client.
---@param login emulator.login
---@param client table
---@param form table
---@param proof emulator.login.proof gets key id and thumbprint, or the id of the federated credential
function M.check(login, client, form, proof)
  if form.client_assertion_type ~= TYPE then refusal.raise(900144, "client_assertion_type") end
  local header, claims = crypto.jws(form.client_assertion)
  if not header then refusal.raise(700027, "It is no JWT.") end
  check_time(claims)
  local client_id, signed = client.service_principal.appId, { header = header, claims = claims,
    text = form.client_assertion }
  if claims.iss == client_id and claims.sub == client_id then
    proof.credential = login.tenant.flags.certificate_type
    return check_own(login, client, proof, signed)
  end
  proof.credential = "federatedIdentityCredential"
  check_foreign(login, client, proof, signed)
end

return M
