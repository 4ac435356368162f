--- People who sign in: device codes, the authorize page, admin consent. No person uses the emulator, so one seeded
--- person (`login.approve`) signs in everywhere; or nobody does until the control page says so.

local crypto = require "base.crypto"
local refusal = require "emulator.login.refusal"
local scopes = require "emulator.login.scopes"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

local DEVICE_LIFETIME, CODE_LIFETIME = 900, 600
local LINGER = 86400 -- seconds
local LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" -- without letters that look alike

--- A random text, as a secret and as text.
---@return host.secret value, string text
function M.random()
  local text = crypto.base64url(crypto.random(48))
  return secret.from(text), text
end

--- Keep a record until a day after it expired: then a late caller is told so, and an emulator that runs for weeks does
--- not fill up. The records of a list expire in their order.
---@param record {value: host.secret, ends: number}
---@param lifetime number seconds
function M.keep(list, record, lifetime)
  local now = time.now()
  while list[1] and list[1].ends + LINGER < now do table.remove(list, 1) end
  record.ends = now + lifetime
  list[#list + 1] = record
end

--- Find the record whose `value` is this secret.
---@param list {value: host.secret}[]
---@param value any
---@return table?
function M.find(list, value)
  if not secret.is(value) then return nil end
  for _, record in ipairs(list) do
    if secret.equals(record.value, value) then return record end
  end
end

--- The client of this id as the login pages see it. Raises a refusal.
---@param login emulator.login
---@param client_id string?
---@return table client
function M.client(login, client_id)
  if not client_id then refusal.raise(900144, "client_id") end
  local client = login.tenant:client(client_id)
  if not client then refusal.raise(700016, client_id, login.tenant.name) end
  if not client.service_principal then refusal.raise(7000229, client_id, login.tenant.id) end
  if client.service_principal.accountEnabled == false then
    refusal.raise(7000112, client_id, client.service_principal.displayName)
  end
  return client
end

--- May the client sign people in without a secret?
---@param client table
---@return boolean
function M.is_public(client)
  return client.first_party or (client.application ~= nil and client.application.isFallbackPublicClient == true)
end

--- The person who signs in: `hint` or the one that approves everything. Raises a refusal.
---@param login emulator.login
---@param hint string?
---@return table
function M.person(login, hint)
  local name = hint or login.approve
  local person = login.tenant:person(name)
  if not person then refusal.raise(50034, name, login.tenant.name) end
  if person.accountEnabled == false then refusal.raise(50057) end
  return person
end

local function user_code()
  local letters = {}
  for i, byte in ipairs { crypto.random(9):byte(1, -1) } do
    local at = byte % #LETTERS + 1
    letters[i] = LETTERS:sub(at, at)
  end
  return table.concat(letters)
end

--- POST /devicecode
---@param login emulator.login
---@param form table
---@return table body
function M.device_code(login, form)
  if not M.is_public(M.client(login, form.client_id)) then refusal.raise(7000218) end
  local asked = scopes.read(login, form.scope)
  local value, text = M.random()
  local record = {
    value = value, user_code = user_code(), client_id = form.client_id, asked = asked, interval = login.interval,
    polls = 0, state = "pending",
  }
  M.keep(login.devices, record, DEVICE_LIFETIME)
  local page = login.base .. "/devicelogin"
  return {
    device_code = text, user_code = record.user_code, verification_uri = page,
    expires_in = DEVICE_LIFETIME, interval = login.interval,
    message = ("To sign in, use a web browser to open the page %s and enter the code %s to authenticate."):format(page,
      record.user_code),
  }
end

--- Sign in (or decline) at a device code by its user code, as `POST /emulator/approve` does.
---@param login emulator.login
---@param code string
---@param name string a person, or "decline"
---@return boolean|nil ok, string? message
function M.approve_device(login, code, name)
  for _, record in ipairs(login.devices) do
    if record.user_code == code then
      record.state = name == "decline" and "declined" or "approved"
      record.person = name
      return true
    end
  end
  return nil, ("there is no device code %q"):format(code)
end

--- The person types the code: not before the second poll.
local function approve(login, record)
  if record.state ~= "pending" or record.polls < 2 or login.approve == "none" then return end
  record.state = login.approve == "decline" and "declined" or "approved"
  record.person = login.approve
end

local function check_pace(record)
  local now, before = time.now(), record.polled
  record.polled, record.polls = now, record.polls + 1
  if before and now - before < record.interval - 0.5 then
    record.interval = record.interval + 5
    refusal.raise_as("slow_down", 70016)
  end
end

--- Redeem a device code: the person and what was asked for. Raises a refusal until then.
---@param login emulator.login
---@param form table
---@return table person, emulator.scopes asked
function M.redeem_device(login, form)
  local record = M.find(login.devices, form.device_code or form.code)
  if not record or record.client_id ~= form.client_id then refusal.raise(70018) end
  if time.now() >= record.ends then refusal.raise(70020) end
  if record.state == "used" then refusal.raise(70018) end
  check_pace(record)
  approve(login, record)
  if record.state == "pending" then refusal.raise(70016) end
  if record.state == "declined" then refusal.raise_as("authorization_declined", 65004) end
  local person = M.person(login, record.person)
  scopes.consent(login, form.client_id, person, record.asked)
  record.state = "used"
  return person, record.asked
end

local function redirect_uris(client)
  local application = client.application
  if not application then return client.service_principal.replyUrls or {} end
  local list = {}
  for _, platform in ipairs { "publicClient", "web", "spa" } do
    local uris = type(application[platform]) == "table" and application[platform].redirectUris or {}
    table.move(uris, 1, #uris, #list + 1, list)
  end
  return list
end

--- Loopback addresses are equal whatever their port; an absent path is "/".
local function normal(uri)
  local host, path = uri:match("^http://([%w.]+):?%d*(.*)$")
  if host ~= "localhost" and host ~= "127.0.0.1" then return uri end
  return "http://" .. host .. (path == "" and "/" or path)
end

--- Raise a refusal unless the address is one of the client's.
local function check_redirect(client, uri)
  if not uri then refusal.raise(900971) end
  for _, registered in ipairs(redirect_uris(client)) do
    if normal(registered) == normal(uri) then return end
  end
  refusal.raise(50011, uri, client.service_principal.appId)
end

local function escape(value)
  return (value:gsub("[^%w%-._~]", function(letter) return ("%%%02X"):format(letter:byte()) end))
end

local function encode(fields)
  local parts, names = {}, {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = name .. "=" .. escape(fields[name]) end
  return table.concat(parts, "&")
end

local function post_page(uri, fields)
  local inputs = {}
  for name, value in pairs(fields) do
    inputs[#inputs + 1] = ('<input type="hidden" name="%s" value="%s"/>'):format(name, value:gsub('[<>&"]', ""))
  end
  return ('<html><body onload="document.forms[0].submit()"><form method="POST" action="%s">%s</form></body></html>')
    :format(uri:gsub('[<>&"]', ""), table.concat(inputs))
end

--- Redirect the browser back with these fields.
local function back(uri, mode, fields)
  if mode == "form_post" then return 200, { ["Content-Type"] = "text/html" }, post_page(uri, fields) end
  local mark = mode == "fragment" and "#" or uri:find("?", 1, true) and "&" or "?"
  return 302, { Location = uri .. mark .. encode(fields) }, ""
end

--- GET /authorize
---@param login emulator.login
---@param query table
function M.authorize(login, query)
  local client = M.client(login, query.client_id)
  check_redirect(client, query.redirect_uri)
  local fields = { state = query.state }
  local ok, message = pcall(function()
    if query.response_type ~= "code" then refusal.raise(9002313) end
    if login.approve == "none" or login.approve == "decline" then refusal.raise(65004) end
    local person, asked = M.person(login, query.login_hint), scopes.read(login, query.scope)
    scopes.consent(login, query.client_id, person, asked)
    local value, text = M.random()
    M.keep(login.codes, {
      value = value, client_id = query.client_id, redirect_uri = query.redirect_uri, person = person.id, asked = asked,
      challenge = query.code_challenge, method = query.code_challenge_method or "plain", nonce = query.nonce,
    }, CODE_LIFETIME)
    fields.code = text
  end)
  if not ok then
    if not refusal.is(message) then error(message, 0) end
    fields.error, fields.error_description = message.error, refusal.line(message)
  end
  return back(query.redirect_uri, query.response_mode, fields)
end

local function check_verifier(record, verifier)
  if not record.challenge then return end
  local given = verifier or ""
  if record.method == "S256" then given = crypto.base64url(crypto.digest("sha256", given)) end
  if given ~= record.challenge then refusal.raise(501481) end
end

--- Redeem an authorization code. Raises a refusal.
---@param login emulator.login
---@param form table
---@return table person, emulator.scopes asked, string? nonce
function M.redeem_code(login, form)
  local record = M.find(login.codes, form.code)
  if not record or record.client_id ~= form.client_id then refusal.raise(70000) end
  if record.used then refusal.raise(54005) end
  if time.now() >= record.ends then refusal.raise(70008) end
  if form.redirect_uri ~= record.redirect_uri then refusal.raise(50011, tostring(form.redirect_uri), form.client_id) end
  record.used = true
  check_verifier(record, form.code_verifier)
  return M.person(login, record.person), record.asked, record.nonce
end

--- Grant the permissions that an application lists, as an administrator does on the consent page.
local function grant_listed(login, application)
  local tenant, held, names = login.tenant, {}, {}
  for _, role in ipairs(tenant:app_roles(tenant:principal_of(application.appId).id)) do held[role] = true end
  for _, resource in ipairs(application.requiredResourceAccess or {}) do
    for _, access in ipairs(resource.resourceAppId == tenant.graph.appId and resource.resourceAccess or {}) do
      local role = tenant:graph_roles()[access.id]
      if access.type == "Role" and role and not held[role] then tenant:grant(application.appId, role) end
      for _, scope in ipairs(access.type == "Scope" and tenant.graph.oauth2PermissionScopes or {}) do
        if scope.id == access.id then names[#names + 1] = scope.value end
      end
    end
  end
  if #names > 0 then tenant:consent(application.appId, names) end
end

--- GET /adminconsent (Microsoft Learn: v2-oauth2-client-creds-grant-flow, "Request the permissions from a directory
--- admin").
---@param login emulator.login
---@param query table
function M.admin_consent(login, query)
  local client = M.client(login, query.client_id)
  if query.redirect_uri then check_redirect(client, query.redirect_uri) end
  local fields = { state = query.state, tenant = login.tenant.id }
  local person = login.tenant:person(login.approve)
  if person and login.consents and client.application and scopes.may_consent(login, person) then
    login.tenant:acting({ caller = { oid = person.id, idtyp = "user" } }, function()
      grant_listed(login, client.application)
      login.tenant:record_consent(query.client_id, true)
    end)
    fields.admin_consent = "True"
  else
    fields.error, fields.error_description = "permission_denied", "The administrator did not consent."
  end
  if query.redirect_uri then return back(query.redirect_uri, "query", fields) end
  return 200, { ["Content-Type"] = "text/plain" }, fields.error or "Consent was given."
end

return M
