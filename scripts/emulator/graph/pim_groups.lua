--- PIM for Groups: who is eligible to become a member or an owner of a group (Microsoft Learn:
--- privilegedaccessgroup-list-eligibilityscheduleinstances).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local query = require "emulator.query"

local M = {}

-- "This method requires the $filter (eq) query parameter to scope the request to a principalId or a groupId." What it
-- answers without, the page does not say: an assumption.
local function eligibilities(ctx)
  access.need_premium(ctx)
  local filter = ctx.request.query["$filter"] or ctx.request.query.filter or ""
  if not filter:find "groupId eq " and not filter:find "principalId eq " then
    answer.bad("A filter by groupId or principalId is required.")
  end
  ctx.collection = "identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"
  return query.list(ctx, "privilegedAccessGroupEligibilityScheduleInstance",
    query.source(ctx.tenant.group_eligibilities))
end

M.routes = { ["GET /identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"] = eligibilities }

return M
