--- The token endpoint: each grant checks who asks, then makes a token from the present state of the tenant.

local assertion = require "emulator.login.assertion"
local crypto = require "base.crypto"
local json = require "json"
local refusal = require "emulator.login.refusal"
local scopes = require "emulator.login.scopes"
local secret = require "secret.emulator"
local sign_in = require "emulator.login.sign_in"
local time = require "time"

local M = {}

local REFRESH_LIFETIME = 90 * 86400
local REASONS = { invalid = 7000215, expired = 7000222 }

---@class emulator.login.proof how a client signs in; filled in as far as it is known before a refusal
---@field how string? the claim appidacr
---@field credential string a sign-in's clientCredentialType
---@field key string? key id of the credential
---@field thumbprint string? of a certificate
---@field federation string? id of a federated credential
---@field resource string? "graph" or "resource manager"
---@field address string where the request comes from
---@field request string? its client-request-id

--- Raise a refusal unless the secret is the client's.
local function check_secret(login, client_id, value, proof)
  local ok, reason
  ok, reason, proof.key = login.tenant:check_secret(client_id, value) -- the client is there, and not disabled
  if not ok then refusal.raise(REASONS[reason], client_id) end
end

--- The claim appidacr.
local NOTHING, BY_SECRET, BY_ASSERTION = "0", "1", "2"

--- Raise a refusal unless the client proves itself by a secret or an assertion.
---@param proof emulator.login.proof is filled in
---@return string how
local function check_proof(login, client, form, proof)
  if form.client_assertion then
    proof.how = BY_ASSERTION
    assertion.check(login, client, form, proof)
  else
    proof.how, proof.credential = BY_SECRET, "clientSecret"
    check_secret(login, form.client_id, form.client_secret, proof)
  end
  return proof.how
end

--- Check the client: a public client sends no proof, any other has to.
---@return string
local function authenticate(login, client, form, proof)
  local has_proof = form.client_secret or form.client_assertion
  if sign_in.is_public(client) then
    if has_proof then refusal.raise(700025) end
    return NOTHING
  end
  if not has_proof then refusal.raise(7000218) end
  return check_proof(login, client, form, proof)
end

-- The directory roles in a token, and the id that every token of its kind has besides: see microsoft_ids.not_roles.
local function roles_claim(login, id, implicit)
  local list = json.array(login.tenant:directory_roles(id))
  list[#list + 1] = implicit
  return list
end

local ANY_APPLICATION, ANY_USER = "0997a1d0-0d1d-4acb-b408-d5ca73121e90", "b79fbf4d-3ef9-4689-8143-76b194e85509"

local function app_claims(login, principal, resource, proof)
  local roles = login.tenant:app_roles(principal.id)
  return {
    aud = resource, appid = principal.appId, app_displayname = principal.displayName, appidacr = proof,
    idtyp = "app", oid = principal.id, sub = principal.id,
    roles = #roles > 0 and json.array(roles) or nil,
    wids = roles_claim(login, principal.id, ANY_APPLICATION),
  }
end

local function person_claims(login, client, person, asked, granted, proof)
  return {
    aud = asked.resource, appid = client.service_principal.appId,
    app_displayname = client.service_principal.displayName, appidacr = proof,
    idtyp = "user", oid = person.id, sub = person.id,
    name = person.displayName, upn = person.userPrincipalName, unique_name = person.userPrincipalName,
    scp = table.concat(granted, " "), wids = roles_claim(login, person.id, ANY_USER),
  }
end

local function id_token(login, client, person, nonce)
  return (login.tokens:sign({
    iss = ("%s/%s/v2.0"):format(login.base, login.tenant.id), aud = client.service_principal.appId, ver = "2.0",
    tid = login.tenant.id, oid = person.id, sub = person.id, nonce = nonce, name = person.displayName,
    preferred_username = person.userPrincipalName,
  }))
end

--- MSAL makes its account's name from this value (MSAL calls it client_info).
local function client_info(login, person)
  return crypto.base64url(json.encode { uid = person.id, utid = login.tenant.id })
end

-- The permissions in the form in which the client asked for them, ".default" too: MSAL finds a token in its cache by
-- the words that it asked for.
local function scope_text(asked, granted)
  local words = {}
  for _, name in ipairs { "email", "openid", "profile" } do
    if asked.openid[name] then words[#words + 1] = name end
  end
  for _, name in ipairs(granted) do words[#words + 1] = asked.prefix .. name end
  if asked.default then words[#words + 1] = asked.prefix .. ".default" end
  return table.concat(words, " ")
end

local function answer(login, claims)
  local token, lifetime = login.tokens:access(claims)
  return { token_type = "Bearer", expires_in = lifetime, ext_expires_in = lifetime, access_token = token }
end

--- Keep a refresh token. All refresh tokens of one sign-in share `line`.
local function keep_refresh(login, client, person, line)
  local value, text = sign_in.random()
  sign_in.keep(login.refresh_tokens, {
    value = value, client_id = client.service_principal.appId, person = person.id, issued = time.now(),
    line = line or {},
  }, REFRESH_LIFETIME)
  return text
end

--- The tokens of a person who has signed in.
local function person_answer(login, client, form, person, asked, proof, nonce)
  local granted = scopes.granted(login, form.client_id, person, asked)
  local body = answer(login, person_claims(login, client, person, asked, granted, proof))
  body.scope = scope_text(asked, granted)
  if asked.openid.offline_access then body.refresh_token = keep_refresh(login, client, person, asked.line) end
  if asked.openid.openid then body.id_token = id_token(login, client, person, nonce) end
  if form.client_info == "1" then body.client_info = client_info(login, person) end
  return body
end

-- A sign-in of a person is recorded, too; it does not say with which credential its client proved itself.
local function person_record(login, client, person, proof, kind)
  local principal = client.service_principal
  login.tenant:record_sign_in { kind = kind, app = principal.appId, name = principal.displayName,
    principal = principal.id, credential = proof.credential, address = proof.address, user = person,
    resource = proof.resource, request = proof.request }
end

---@type table<string, fun(login: emulator.login, client: table, form: table, proof: emulator.login.proof): table>
local GRANTS = {}

function GRANTS.client_credentials(login, client, form, proof)
  if not form.client_secret and not form.client_assertion then refusal.raise(7000216) end
  if login.asked_tenant == "common" then refusal.raise(9001023) end
  check_proof(login, client, form, proof)
  local policy = login.tenant:blocked_by(client.service_principal.id)
  if policy then refusal.raise_blocked(policy) end
  if (form.scope or "") == "" then refusal.raise(900144, "scope") end
  if not form.scope:match("^%S+/%.default$") then refusal.raise(1002012, form.scope) end
  local asked = scopes.read(login, form.scope)
  proof.resource = asked.kind
  return answer(login, app_claims(login, client.service_principal, asked.resource, proof.how))
end

--- A token of a managed identity, as the endpoint on its machine returns it.
---@param login emulator.login
---@param principal table
---@param resource string
---@param address string where the machine is
---@return string token, integer expires_in
function M.app_token(login, principal, resource, address)
  login.tenant:record_sign_in { kind = "managedIdentity", app = principal.appId, name = principal.displayName,
    principal = principal.id, credential = "managedIdentity", address = address,
    resource = login.audiences[resource:gsub("/$", "")] }
  return login.tokens:access(app_claims(login, principal, resource, BY_ASSERTION))
end

function GRANTS.device_code(login, client, form, proof)
  if not sign_in.is_public(client) then refusal.raise(7000218) end
  local person, asked = sign_in.redeem_device(login, form)
  person_record(login, client, person, proof, "interactiveUser")
  return person_answer(login, client, form, person, asked, NOTHING)
end

function GRANTS.authorization_code(login, client, form, proof)
  local how = authenticate(login, client, form, proof)
  local person, asked, nonce = sign_in.redeem_code(login, form)
  person_record(login, client, person, proof, "interactiveUser")
  return person_answer(login, client, form, person, asked, how, nonce)
end

--- When something happened to the account that ended its sign-ins; nil: never.
local function revoked_at(person, issued)
  for _, property in ipairs { "signInSessionsValidFromDateTime", "lastPasswordChangeDateTime" } do
    local at = person[property]
    if type(at) == "string" and time.parse(at) > issued then return at end
  end
end

--- Where a refresh token works only once, a second use ends the sign-in: one of the two users was a thief (RFC 9700,
--- 4.14.2).
local function use_up(record)
  if record.used or record.line.ended then
    record.line.ended = true
    refusal.raise(70000)
  end
  record.used = true
end

--- The old token stays valid, as at Entra, unless the emulator was started with --refresh once; the answer contains a
--- newer one.
function GRANTS.refresh_token(login, client, form, proof)
  local how = authenticate(login, client, form, proof)
  local record = sign_in.find(login.refresh_tokens, form.refresh_token)
  if not record or record.client_id ~= form.client_id then refusal.raise(70000) end
  local person = sign_in.person(login, record.person)
  local revoked = revoked_at(person, record.issued)
  if revoked then refusal.raise(50173, time.iso(record.issued), revoked) end
  if time.now() > record.ends then refusal.raise(700082, time.iso(record.issued)) end
  if login.refresh == "once" then use_up(record) end
  local asked = scopes.read(login, form.scope or scopes.GRAPH .. "/.default")
  asked.openid.offline_access, asked.line = true, record.line
  person_record(login, client, person, proof, "nonInteractiveUser")
  return person_answer(login, client, form, person, asked, how)
end

--- Exists so that tests can prove which password is in force.
function GRANTS.password(login, client, form, proof)
  local how = authenticate(login, client, form, proof)
  if not form.username then refusal.raise(900144, "username") end
  local person = sign_in.person(login, form.username)
  if not secret.is(form.password) or not login.tenant:check_password(person.userPrincipalName, form.password) then
    refusal.raise(50126)
  end
  person_record(login, client, person, proof, "nonInteractiveUser")
  return person_answer(login, client, form, person, scopes.read(login, form.scope), how)
end

GRANTS["urn:ietf:params:oauth:grant-type:device_code"] = GRANTS.device_code

-- A sign-in of an application is recorded, refused or not, where the tenant has at least its registration.
local function record(login, client_id, proof, failure)
  local tenant = login.tenant
  local client = tenant:client(client_id or "")
  if not client then return end
  local principal, application = client.service_principal, client.application
  tenant:record_sign_in { kind = "servicePrincipal", app = client_id:lower(),
    name = (principal or application).displayName, principal = principal and principal.id,
    credential = proof.credential, key = proof.key, thumbprint = proof.thumbprint, federation = proof.federation,
    address = proof.address, request = proof.request, resource = proof.resource,
    code = failure and failure.code, reason = failure and failure.text }
end

--- POST /token
---@param login emulator.login
---@param request httpd.request
---@return table body
function M.token(login, request)
  local form = request.form()
  local user, password = request.basic()
  if user then form.client_id, form.client_secret = user, password end
  if not form.grant_type then refusal.raise(900144, "grant_type") end
  local grant = GRANTS[form.grant_type]
  if not grant then refusal.raise(70003, form.grant_type) end
  local proof = { credential = "none", address = request.address, request = request.header("client-request-id") }
  local ok, body = pcall(function() return grant(login, sign_in.client(login, form.client_id), form, proof) end)
  local known = ok or refusal.is(body)
  if known and grant == GRANTS.client_credentials then record(login, form.client_id, proof, not ok and body or nil) end
  if not ok then error(body, 0) end
  return body
end

return M
