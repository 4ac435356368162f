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

-- The restrictions of the application's own policy, else of the tenant's, and that policy's id.
local function of(ctx, row)
  for _, policy in ctx.tenant.app_policies:scan(ctx.at) do
    if policy._app == row.id and policy.isEnabled then return policy.restrictions, policy.id end
  end
  local policy = ctx.tenant.policy
  return policy.isEnabled and policy.applicationRestrictions or nil, policy.id
end

--- Go through the rules that apply to an application: place, rule, id of the policy.
---@param ctx emulator.context
---@param row table
---@param kind "passwordCredentials"|"keyCredentials"
---@return fun(): integer?, table?, string?
function M.each(ctx, row, kind)
  local restrictions, policy = of(ctx, row)
  local list, place = {}, 0
  for _, rule in ipairs(restrictions and restrictions[kind] or {}) do
    if applies(rule, row.createdDateTime) then list[#list + 1] = rule end
  end
  return function()
    place = place + 1
    if list[place] then return place, list[place], policy end
  end
end

--- Refuse a credential that lives longer than a rule allows.
---@param rule table
---@param seconds number
---@param policy string id of the rule's policy, which the answer names (OfficeDev/microsoft-365-agents-toolkit#10998)
function M.check_lifetime(rule, seconds, policy)
  local days = days_of(rule.maxLifetime)
  if not days or seconds <= days * 86400 + 1 then return end
  local message = ("Credential lifetime exceeds the max value allowed as per assigned policy '%s'."):format(policy)
  answer.refuse(400, "CredentialInvalidLifetimeAsPerAppPolicy", message,
    { details = { { code = "InvalidKeyEndDate", message = message, target = "EndDate" } } })
end

return M
