--- addPassword and removePassword, and the policies that forbid them (Microsoft Learn: application-addpassword,
--- tenantappmanagementpolicy; error codes: OfficeDev teamsfx, aadErrorCode).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local certificates = require "emulator.graph.certificates"
local directory = require "emulator.tenant.directory"
local head = require "emulator.graph.head"
local json = require "json"
local moments = require "emulator.moments"
local object_size = require "emulator.graph.object_size"
local principals = require "emulator.graph.principals"
local restrictions = require "emulator.graph.restrictions"
local schema = require "emulator.schema"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

local TWO_YEARS = 730 * 86400

local function moment(text, property)
  if text == nil or text == json.null then return nil end
  local ok, at = pcall(time.parse, text)
  if not ok then
    answer.bad("Invalid value specified for property '%s' of resource 'PasswordCredential'.", property)
  end
  return at
end

local function check_policy(ctx, row, seconds)
  for _, rule, policy in restrictions.each(ctx, row, "passwordCredentials") do
    if rule.restrictionType == "passwordAddition" then
      answer.refuse(400, "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed as per assigned policy 'PasswordAddition'.")
    elseif rule.restrictionType == "passwordLifetime" then
      restrictions.check_lifetime(rule, seconds, policy)
    end
  end
end

local MEMBERS = { displayName = true, startDateTime = true, endDateTime = true, customKeyIdentifier = true,
  keyId = true }

local GUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

-- The key id of a new secret. Unknown: what a taken id is answered; here like any that cannot be.
local function key_id(ctx, asked)
  if not schema.is_given(asked.keyId) then return directory.new_id(ctx.tenant) end
  local id, takes = tostring(asked.keyId):lower(), ctx.tenant.flags.own_key_id
  if takes == "ignored" then return directory.new_id(ctx.tenant) end
  if not takes or not id:match(GUID) or ctx.tenant.working_secrets:newest(id) then
    answer.bad("Invalid value specified for property 'keyId' of resource 'PasswordCredential'.")
  end
  return id
end

local function asked_for(ctx)
  local asked = ctx.body.passwordCredential
  if asked == nil or asked == json.null then return {} end
  for name in pairs(asked) do
    if not MEMBERS[name] and not name:find("@odata.", 1, true) then
      answer.bad("Property '%s' cannot be set: the secret is made by the service.", name)
    end
  end
  return asked
end

local function span(ctx, asked)
  local from = moment(asked.startDateTime, "startDateTime") or ctx:now()
  local to = moment(asked.endDateTime, "endDateTime") or ctx:now() + TWO_YEARS -- the service's clock (recorded 2021)
  if to <= from then answer.bad("The end date of the credential must be later than its start date.") end
  return from, to
end

-- The text of a moment that a client sent; nil: the service fills it in.
local function as_sent(value)
  return schema.is_given(value) and moments.as_sent(value) or nil
end

--- Only this answer contains the secret: 40 characters; its hint is the first 3.
local function add(ctx, row)
  access.need_application(ctx, row)
  local asked = asked_for(ctx)
  local from, to = span(ctx, asked)
  check_policy(ctx, row, to - from)
  object_size.check(ctx, row.id, nil, 1)
  local value = secret.generate(40, "\"'`\\ ,;:|^<>{}[]()#%&$@!?/+=*")
  local lag = ctx.tenant.flags.removal_lag
  local stored = ctx.tenant:put_secret(row.id, { keyId = key_id(ctx, asked), displayName = asked.displayName,
    _value = value, _start = from, _end = to, startDateTime = as_sent(asked.startDateTime),
    endDateTime = as_sent(asked.endDateTime), _removable = lag and ctx:now() + ctx.tenant.source:delay(lag) or nil })
  return 200, {
    ["@odata.context"] = ctx:context("microsoft.graph.passwordCredential"),
    customKeyIdentifier = json.null,
    displayName = stored.displayName or json.null,
    endDateTime = stored.endDateTime,
    hint = stored.hint,
    keyId = stored.keyId,
    secretText = value,
    startDateTime = stored.startDateTime,
  }, head.acted(ctx)
end

-- Is there a secret with this key id that can be removed already? See the flag removal_lag.
local function has_key(ctx, owner, key)
  for _, other in ipairs(ctx.tenant.keys_of[owner] or {}) do
    local row = other == key and ctx.tenant.working_secrets:newest(key)
    if row then return (row._removable or 0) <= ctx:now() end
  end
  return false
end

local function remove(ctx, row)
  access.need_application(ctx, row)
  local key = tostring(ctx.body.keyId or ""):lower()
  if not has_key(ctx, row.id, key) then answer.bad("No password credential found with keyId '%s'.", key) end
  ctx.tenant:drop_secret(key)
  return 204
end

-- An application needs no permission to replace a key of its own.
local function add_key(ctx, row)
  if ctx.caller.appid ~= row.appId then access.need_application(ctx, row) end
  return certificates.add(ctx, ctx.tenant.applications:newest(row.id))
end

local function of_application(handler)
  return function(ctx, key) return handler(ctx, applications.visible(ctx, key)) end
end

local function of_principal(handler)
  return function(ctx, key) return handler(ctx, principals.visible(ctx, key)) end
end

M.routes = {
  ["POST /applications/{id}/addPassword"] = of_application(add),
  ["POST /applications/{id}/addKey"] = of_application(add_key),
  ["POST /applications/{id}/removePassword"] = of_application(remove),
  ["POST /servicePrincipals/{id}/addPassword"] = of_principal(add),
  ["POST /servicePrincipals/{id}/removePassword"] = of_principal(remove),
}

return M
