--- Privileged Identity Management: schedules of role assignments, and requests for active ones (Microsoft Learn:
--- rbacapplication-post-roleassignmentschedulerequests; codes and failing rules as seen in the field).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local crypto = require "base.crypto"
local directory = require "emulator.tenant.directory"
local json = require "json"
local moments = require "emulator.moments"
local policies = require "emulator.graph.policies"
local query = require "emulator.query"
local roles = require "emulator.graph.roles"
local schema = require "emulator.schema"
local time = require "time"

local M = {}

local SHORT = 300 -- seconds that an assignment stays at least, with the flag pim_short

---------------------------------------------------------------------------
-- Views

-- The id of the schedule of an assignment: a GUID (recorded 2024). An assignment made without PIM has one, too.
local function schedule_of(row)
  if row._schedule then return row._schedule end
  local hash = crypto.hex(crypto.digest("sha256", row.id))
  return ("%s-%s-4%s-8%s-%s"):format(hash:sub(1, 8), hash:sub(9, 12), hash:sub(14, 16), hash:sub(18, 20),
    hash:sub(21, 32))
end

---@param kind "assignment"|"eligibility"
---@param of "instance"|"schedule"
local function view_of(kind, of)
  return function(row)
    local shown = { memberType = "Direct", startDateTime = row._starts and moments.milliseconds(row._starts)
      or "2025-01-01T09:14:01.153Z" }
    local schedule_id = schedule_of(row)
    if of == "schedule" then shown.id = schedule_id end
    if kind == "assignment" then
      shown.assignmentType = "Assigned"
      shown.roleAssignmentOriginId, shown.roleAssignmentScheduleId = row.id, schedule_id
    else
      shown.roleEligibilityScheduleId = schedule_id
    end
    shown.scheduleInfo = { startDateTime = shown.startDateTime, recurrence = json.null,
      expiration = { type = "noExpiration", endDateTime = json.null, duration = json.null } }
    if row._ends then
      shown.endDateTime = moments.milliseconds(row._ends)
      shown.scheduleInfo.expiration = { type = "afterDateTime", endDateTime = shown.endDateTime, duration = json.null }
    end
    shown.status, shown.createdUsing = "Provisioned", schedule_id
    return setmetatable(shown, { __index = row })
  end
end

local function schedule(type_name, kind)
  return function(ctx)
    access.need_premium(ctx)
    local collection = ctx.tenant[kind == "assignment" and "role_assignments" or "role_eligibilities"]
    ctx.collection = "roleManagement/directory/" .. type_name:gsub("^unifiedR", "r") .. "s"
    local of = type_name:find("Instance$") and "instance" or "schedule"
    local source = query.source(collection, { dress = view_of(kind, of), expand = roles.expansions(ctx) })
    return query.list(ctx, type_name, source)
  end
end

---------------------------------------------------------------------------
-- Requests: their content

local UNIT = { D = 86400, H = 3600, M = 60, S = 1 }

local function seconds_of(duration)
  local seconds = 0
  for count, unit in tostring(duration):gmatch("(%d+)(%u)") do seconds = seconds + count * (UNIT[unit] or 0) end
  return seconds
end

-- The start and the end; nil: permanent.
local function span_of(ctx, body)
  local info = schema.is_given(body.scheduleInfo) and body.scheduleInfo or {}
  local from = math.max(ctx:now(), schema.is_given(info.startDateTime) and time.parse(info.startDateTime) or 0)
  local expiration = schema.is_given(info.expiration) and info.expiration or {}
  local kind = tostring(expiration.type):lower()
  if kind == "afterduration" then return from, from + seconds_of(expiration.duration) end
  if kind == "afterdatetime" then return from, time.parse(expiration.endDateTime) end
  return from, nil
end

local FAILS = {}

function FAILS.Expiration_Admin_Assignment(rule, _, from, to)
  if not to then return rule.isExpirationRequired and "ExpirationRule" or nil end
  return to - from > seconds_of(rule.maximumDuration) + 1 and "ExpirationRule" or nil
end

function FAILS.Enablement_Admin_Assignment(rule, body)
  for _, enabled in ipairs(rule.enabledRules) do
    if enabled == "Justification" and (not schema.is_given(body.justification) or body.justification == "") then
      return "JustificationRule"
    end
    if enabled == "MultiFactorAuthentication" then return "MfaRule" end
    local ticket = schema.is_given(body.ticketInfo) and body.ticketInfo.ticketNumber
    if enabled == "Ticketing" and (not ticket or ticket == json.null or ticket == "") then return "TicketingRule" end
  end
end

local function check_rules(ctx, body, from, to)
  local failed = {}
  for _, rule in ipairs(policies.rules_of(ctx.tenant, body.roleDefinitionId)) do
    local name = FAILS[rule.id] and FAILS[rule.id](rule, body, from, to)
    if name then failed[#failed + 1] = ('"%s"'):format(name) end
  end
  if #failed == 0 then return end
  answer.refuse(400, "RoleAssignmentRequestPolicyValidationFailed",
    ("The following policy rules failed: [%s]"):format(table.concat(failed, ",")))
end

---------------------------------------------------------------------------
-- Requests: their effect

-- The end as it was asked for, in the service's spelling (recorded 2024).
local KINDS = { noexpiration = "noExpiration", afterdatetime = "afterDateTime", afterduration = "afterDuration" }

local function expiration_of(body)
  local info = schema.is_given(body.scheduleInfo) and body.scheduleInfo or {}
  local asked = schema.is_given(info.expiration) and info.expiration or {}
  local at = schema.is_given(asked.endDateTime) and moments.as_sent(asked.endDateTime) or json.null
  return { type = KINDS[tostring(asked.type):lower()] or "noExpiration", endDateTime = at,
    duration = asked.duration or json.null }
end

local function new_request(ctx, body, from, to)
  local id, now = directory.new_id(ctx.tenant), ctx:now()
  local row = { id = id, status = from > now and "Granted" or "Provisioned", createdDateTime = moments.ticks(now),
    completedDateTime = moments.ticks(math.max(from, now)), targetScheduleId = id, _from = from, _until = to }
  for name, value in pairs(body) do row[name] = value end
  row.isValidationOnly = false
  row.ticketInfo = { ticketNumber = json.null, ticketSystem = json.null }
  local ticket = schema.is_given(body.ticketInfo) and body.ticketInfo or {}
  for name, value in pairs(ticket) do row.ticketInfo[name] = value end
  row.scheduleInfo = { startDateTime = moments.ticks(from), recurrence = json.null, expiration = expiration_of(body) }
  row.createdBy = { application = json.null, device = json.null,
    user = { id = ctx.caller.oid, displayName = json.null } }
  return row
end

local ACT = {}

function ACT.adminAssign(ctx, body, request)
  if roles.taken(ctx, body) then
    answer.refuse(400, "RoleAssignmentExists", "The Role assignment already exists.")
  end
  check_rules(ctx, body, request._from, request._until)
  if roles.is_flagged(ctx.tenant, "pim_approval", body.roleDefinitionId) then
    request.status, request.completedDateTime = "PendingApproval", nil
    return
  end
  ctx.tenant:provision_role(request)
end

local function there(ctx, body)
  local row = roles.taken(ctx, body)
  if row then return row end
  answer.refuse(400, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.")
end

-- An assignment with an end gets a later end; it stays the same assignment.
function ACT.adminExtend(ctx, body, request)
  local row = there(ctx, body)
  check_rules(ctx, body, request._from, request._until)
  request.targetScheduleId = schedule_of(row)
  ctx.tenant.role_assignments:change(row.id, { _ends = request._until })
end

ACT.adminUpdate = ACT.adminExtend

function ACT.adminRemove(ctx, body, request)
  local row = there(ctx, body)
  if ctx.tenant.flags.pim_short and row._starts and ctx:now() - row._starts < SHORT then
    answer.refuse(400, "ActiveDurationTooShort", "The active duration is too short.")
  end
  request.targetScheduleId, request.status = schedule_of(row), "Revoked"
  ctx.tenant.role_assignments:drop(row.id)
end

local function check(ctx, body)
  local refusal = schema.refusal("unifiedRoleAssignmentScheduleRequest", body)
  if refusal then answer.bad("%s", refusal) end
  body.principalId, body.roleDefinitionId = roles.id_in(body.principalId), roles.id_in(body.roleDefinitionId)
  if not ctx.tenant.role_names[body.roleDefinitionId] then
    answer.refuse(404, "RoleNotFound", "The role is not found.")
  end
  if not directory.object(ctx.tenant, body.principalId, ctx.at) then
    answer.refuse(404, "SubjectNotFound", "The subject is not found.")
  end
  roles.check_scope(ctx, body)
end

local COLLECTION = "roleManagement/directory/roleAssignmentScheduleRequests"
local TYPE = "unifiedRoleAssignmentScheduleRequest"

local function post(ctx)
  local body = ctx.body
  access.need_premium(ctx)
  access.need_role(ctx, access.GRANT_ROLES)
  check(ctx, body)
  local act = ACT[body.action]
  if not act then answer.bad("The action '%s' is not emulated.", tostring(body.action)) end
  if body.isValidationOnly == true then answer.bad("A request that only validates is not emulated.") end
  local request = new_request(ctx, body, span_of(ctx, body))
  act(ctx, body, request)
  ctx.tenant.role_requests:put(request.id, request)
  local _, shown = query.entity(ctx, TYPE, request, nil, COLLECTION .. "/$entity")
  return 201, shown
end

local function list(ctx)
  access.need_premium(ctx)
  ctx.collection = COLLECTION
  return query.list(ctx, TYPE, query.source(ctx.tenant.role_requests, { expand = roles.expansions(ctx) }))
end

local function get(ctx, id)
  access.need_premium(ctx)
  return query.entity(ctx, TYPE, ctx.tenant.role_requests:get(id, ctx.at) or answer.missing(id),
    { expand = roles.expansions(ctx) }, COLLECTION .. "/$entity")
end

M.routes = {
  ["GET /roleManagement/directory/roleEligibilityScheduleInstances"] =
    schedule("unifiedRoleEligibilityScheduleInstance", "eligibility"),
  ["GET /roleManagement/directory/roleAssignmentScheduleInstances"] =
    schedule("unifiedRoleAssignmentScheduleInstance", "assignment"),
  ["GET /roleManagement/directory/roleEligibilitySchedules"] =
    schedule("unifiedRoleEligibilitySchedule", "eligibility"),
  ["GET /roleManagement/directory/roleAssignmentSchedules"] =
    schedule("unifiedRoleAssignmentSchedule", "assignment"),
  ["GET /roleManagement/directory/roleAssignmentScheduleRequests"] = list,
  ["POST /roleManagement/directory/roleAssignmentScheduleRequests"] = post,
  ["GET /roleManagement/directory/roleAssignmentScheduleRequests/{id}"] = get,
}

return M
