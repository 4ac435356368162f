--- The token endpoint: each grant checks who asks, then a token is made of what
--- the tenant knows at this moment.

local crypto = require "crypto"
local json = require "json"
local refusal = require "emulator.login.refusal"
local scopes = require "emulator.login.scopes"
local secret = require "secret"
local sign_in = require "emulator.login.sign_in"
local time = require "time"

local M = {}

local REFRESH_LIFETIME = 90 * 86400

local REASONS = { invalid = 7000215, expired = 7000222, unknown_app = 700016, disabled = 7000112 }

--- Raises a refusal unless the secret is the client's.
local function check_secret(login, client_id, value)
  local ok, reason = login.tenant:check_secret(client_id, value)
  if not ok then refusal.raise(REASONS[reason], client_id) end
end

--- A public client sends no secret, another has to: checks whichever it is.
local function authenticate(login, client, form)
  if form.client_assertion then refusal.raise(700027) end
  if sign_in.is_public(client) then
    if form.client_secret then refusal.raise(700025) end
  elseif not form.client_secret then
    refusal.raise(7000218)
  else
    check_secret(login, form.client_id, form.client_secret)
  end
end

local function app_claims(login, client, asked)
  local principal = client.service_principal
  local roles = login.tenant:app_roles(principal.id)
  return {
    aud = asked.resource, appid = principal.appId, app_displayname = principal.displayName, appidacr = "1",
    idtyp = "app", oid = principal.id, sub = principal.id,
    roles = #roles > 0 and json.array(roles) or nil,
    wids = json.array(login.tenant:directory_roles(principal.id)),
  }
end

local function person_claims(login, client, person, asked, granted)
  return {
    aud = asked.resource, appid = client.service_principal.appId,
    app_displayname = client.service_principal.displayName, appidacr = sign_in.is_public(client) and "0" or "1",
    idtyp = "user", oid = person.id, sub = person.id,
    name = person.displayName, upn = person.userPrincipalName, unique_name = person.userPrincipalName,
    scp = table.concat(granted, " "), wids = json.array(login.tenant:directory_roles(person.id)),
  }
end

local function id_token(login, client, person, nonce)
  return (login.tokens:sign({
    iss = ("%s/%s/v2.0"):format(login.base, login.tenant.id), aud = client.service_principal.appId, ver = "2.0",
    tid = login.tenant.id, oid = person.id, sub = person.id, nonce = nonce, name = person.displayName,
    preferred_username = person.userPrincipalName,
  }))
end

--- MSAL builds its account's name from this (its own name for it: client_info).
local function client_info(login, person)
  return crypto.base64url(json.encode { uid = person.id, utid = login.tenant.id })
end

local function scope_text(asked, granted)
  local words = {}
  for _, name in ipairs { "email", "openid", "profile" } do
    if asked.openid[name] then words[#words + 1] = name end
  end
  for _, name in ipairs(granted) do words[#words + 1] = asked.resource .. "/" .. name end
  return table.concat(words, " ")
end

local function answer(login, claims)
  local token, lifetime = login.tokens:access(claims)
  return { token_type = "Bearer", expires_in = lifetime, ext_expires_in = lifetime, access_token = token }
end

local function keep_refresh(login, client, person)
  local value, text = sign_in.random()
  table.insert(login.refresh_tokens, {
    value = value, client_id = client.service_principal.appId, person = person.id, issued = time.now(),
  })
  return text
end

--- Tokens of a person who has signed in.
local function person_answer(login, client, form, person, asked, nonce)
  local granted = scopes.granted(login, form.client_id, person, asked)
  local body = answer(login, person_claims(login, client, person, asked, granted))
  body.scope = scope_text(asked, granted)
  if asked.openid.offline_access then body.refresh_token = keep_refresh(login, client, person) end
  if asked.openid.openid then body.id_token = id_token(login, client, person, nonce) end
  if form.client_info == "1" then body.client_info = client_info(login, person) end
  return body
end

---@type table<string, fun(login: emulator.login, client: table, form: table): table>
local GRANTS = {}

function GRANTS.client_credentials(login, client, form)
  if form.client_assertion then refusal.raise(700027) end
  if not form.client_secret then refusal.raise(7000216) end
  if login.asked_tenant == "common" then refusal.raise(9001023) end
  check_secret(login, form.client_id, form.client_secret)
  if (form.scope or "") == "" then refusal.raise(900144, "scope") end
  if not form.scope:match("^%S+/%.default$") then refusal.raise(1002012, form.scope) end
  return answer(login, app_claims(login, client, scopes.read(login, form.scope)))
end

function GRANTS.device_code(login, client, form)
  if not sign_in.is_public(client) then refusal.raise(7000218) end
  local person, asked = sign_in.redeem_device(login, form)
  return person_answer(login, client, form, person, asked)
end

function GRANTS.authorization_code(login, client, form)
  authenticate(login, client, form)
  local person, asked, nonce = sign_in.redeem_code(login, form)
  return person_answer(login, client, form, person, asked, nonce)
end

--- Did something happen to the account since that ends its sign-ins?
local function is_revoked(person, issued)
  for _, property in ipairs { "signInSessionsValidFromDateTime", "lastPasswordChangeDateTime" } do
    local at = person[property]
    if type(at) == "string" and time.parse(at) > issued then return true end
  end
  return false
end

--- The old token stays valid, as Entra's do; the answer carries a newer one.
function GRANTS.refresh_token(login, client, form)
  authenticate(login, client, form)
  local record = sign_in.find(login.refresh_tokens, form.refresh_token)
  if not record or record.client_id ~= form.client_id then refusal.raise(70000) end
  local person = sign_in.person(login, record.person)
  if is_revoked(person, record.issued) then refusal.raise(50173) end
  if time.now() - record.issued > REFRESH_LIFETIME then refusal.raise(700082) end
  local asked = scopes.read(login, form.scope or scopes.GRAPH .. "/.default")
  asked.openid.offline_access = true
  return person_answer(login, client, form, person, asked)
end

--- Here so that tests can prove which password is in force.
function GRANTS.password(login, client, form)
  authenticate(login, client, form)
  if not form.username then refusal.raise(900144, "username") end
  local person = sign_in.person(login, form.username)
  if not secret.is(form.password) or not login.tenant:check_password(person.userPrincipalName, form.password) then
    refusal.raise(50126)
  end
  return person_answer(login, client, form, person, scopes.read(login, form.scope))
end

GRANTS["urn:ietf:params:oauth:grant-type:device_code"] = GRANTS.device_code

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
  return grant(login, sign_in.client(login, form.client_id), form)
end

return M
