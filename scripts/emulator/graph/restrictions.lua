--- The policy in force for an application's credentials (Microsoft Learn:
--- tenantappmanagementpolicy; the error codes: OfficeDev teamsfx, aadErrorCode).

local answer = require "emulator.graph.answer"
local json = require "json"
local time = require "time"

local M = {}

local function days_of(duration)
  return tonumber(tostring(duration or ""):match("^P(%d+)D"))
end

local function applies(rule, created)
  if rule.state == "disabled" then return false end
  local since = rule.restrictForAppsCreatedAfterDateTime
  return not since or since == json.null or not created or time.parse(since) <= time.parse(created)
end

-- The application's own policy, else the tenant's.
local function of(ctx, row)
  for _, policy in ctx.tenant.app_policies:scan(ctx.at) do
    if policy._app == row.id and policy.isEnabled then return policy.restrictions end
  end
  return ctx.tenant.policy.isEnabled and ctx.tenant.policy.applicationRestrictions or nil
end

--- Go through the rules that apply to an application.
---@param ctx emulator.context
---@param row table
---@param kind "passwordCredentials"|"keyCredentials"
---@return fun(list: table[], i: integer): integer?, table? step, table[] list, integer start
function M.each(ctx, row, kind)
  local restrictions, list = of(ctx, row), {}
  for _, rule in ipairs(restrictions and restrictions[kind] or {}) do
    if applies(rule, row.createdDateTime) then list[#list + 1] = rule end
  end
  return ipairs(list)
end

--- Refuse a credential that lives longer than a rule allows.
---@param rule table
---@param seconds number
---@param name string of the restriction
function M.check_lifetime(rule, seconds, name)
  local days = days_of(rule.maxLifetime)
  if not days or seconds <= days * 86400 + 1 then return end
  answer.refuse(400, "CredentialInvalidLifetimeAsPerAppPolicy",
    ("Credential lifetime exceeds the max value allowed as per assigned policy '%s'."):format(name))
end

return M
