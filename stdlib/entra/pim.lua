--- Privileged Identity Management: what a tenant's policy demands of an active role assignment, when an assignment
--- expires, and requests to assign, extend and remove (Microsoft Learn:
--- rbacapplication-post-roleassignmentschedulerequests, identity-governance rules).

local credential_policy = require "entra.credential_policy"
local fail = require "fail"
local graph = require "graph"
local licence = require "entra.licence"
local sets = require "base.sets"
local time = require "time"
local upsert = require "entra.upsert"

local M = {}

local REQUESTS = "/roleManagement/directory/roleAssignmentScheduleRequests"

---@class entra.pim what a policy demands
---@field why string in words
---@field duration string? the longest that is allowed, as the policy writes it: "P15D"
---@field longest number? the same in seconds; nil when it cannot be read
---@field ticket boolean must a ticket be named?

-- Call `read`. Returns nil when the tenant lacks the licence or we lack the right to read: the policy is unknown then,
-- and the caller goes on.
local function read_pim_unless_denied(read)
  local ok, value = pcall(read)
  if ok then return value end
  if licence.is_missing(value) or fail.is(value, "denied") then return nil end
  error(value, 0)
end

---------------------------------------------------------------------------
-- What a policy demands

local function assignment_demands(policy)
  local found, ticket = nil, false
  for _, rule in ipairs(policy and policy.rules or {}) do
    if rule.id == "Expiration_Admin_Assignment" and rule.isExpirationRequired then
      found = {
        why = "active assignments that never expire are not allowed", duration = rule.maximumDuration,
        longest = credential_policy.seconds(rule.maximumDuration),
      }
    elseif rule.id == "Enablement_Admin_Assignment" then
      ticket = sets.of(rule.enabledRules).Ticketing == true
    end
  end
  if found then found.ticket = ticket end
  return found
end

--- What the tenant demands of an active assignment of this role. Nil when a permanent one is allowed, or when the
--- policy may not be read. Waits.
---@param name string of the role
---@param id string template id
---@return entra.pim?
function M.read_demands(name, id)
  local list = read_pim_unless_denied(function()
    return graph.all("/policies/roleManagementPolicyAssignments", {
      filter = graph.filter("scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq %s", id),
      expand = "policy($expand=rules)", what = ("read what the tenant demands for the role '%s'"):format(name),
    })
  end)
  return list and list[1] and assignment_demands(list[1].policy) or nil
end

---------------------------------------------------------------------------
-- Assignments and requests

---@class entra.pim.assigned
---@field roleDefinitionId string
---@field directoryScopeId string
---@field starts number?
---@field ends number? nil: permanent

local function parse_assignment_date(text) return type(text) == "string" and time.parse(text) or nil end

--- The active assignments of a principal, with the dates when they expire; none where they may not be read. Waits.
---@param principal { id: string }
---@return entra.pim.assigned[]
function M.read_assignments(principal)
  local list = read_pim_unless_denied(function()
    return graph.all("/roleManagement/directory/roleAssignmentScheduleInstances", {
      filter = graph.filter("principalId eq %s", principal.id), fresh_write = true,
      what = "read when the directory roles of the application expire",
    })
  end) or {}
  for _, instance in ipairs(list) do
    instance.starts = parse_assignment_date(instance.startDateTime)
    instance.ends = parse_assignment_date(instance.endDateTime)
  end
  return list
end

local WAITING = { PendingApproval = true, PendingAdminDecision = true }

--- Does a request with this status wait for an approver?
---@param status string?
---@return boolean
function M.waits_for_approval(status) return WAITING[status] == true end

--- The requests of a principal that wait for an approver. Waits.
---@param principal { id: string }
---@return table[]
function M.read_waiting_requests(principal)
  local list = read_pim_unless_denied(function()
    return graph.all(REQUESTS, {
      filter = graph.filter("principalId eq %s", principal.id), what = "read which role requests wait for approval",
    })
  end) or {}
  local waiting = {}
  for _, request in ipairs(list) do
    if M.waits_for_approval(request.status) then waiting[#waiting + 1] = request end
  end
  return waiting
end

---------------------------------------------------------------------------
-- Sending requests

---@class entra.pim.request
---@field action "adminAssign"|"adminExtend"|"adminRemove"
---@field principal string id
---@field role string template id
---@field name string of the role
---@field justification string
---@field duration string? ISO 8601; nil: permanent

local WORDS = {
  adminAssign = "assign the role '%s' through Privileged Identity Management",
  adminExtend = "extend the assignment of the role '%s' through Privileged Identity Management",
  adminRemove = "take back the role '%s' through Privileged Identity Management",
}

local function raise_request_not_granted(what, status)
  fail.raise {
    kind = "refused", what = what, why = ("the request ended as '%s'"):format(status),
    fix = "See why in the Entra admin center under Identity Governance > Privileged Identity Management, then run the "
      .. "same command again.",
  }
end

local OVER = { Denied = true, Failed = true, Canceled = true, AdminDenied = true, TimedOut = true, Invalid = true }

local function raise_removal_too_early(failure)
  fail.raise {
    kind = "transient", resumes = true, what = failure.what,
    why = "an assignment cannot be removed in its first five minutes",
    fix = "Run the same command again in five minutes.", cause = failure.cause, code = failure.code,
  }
end

-- The schedule: from now on, for the duration of the request.
local function request_schedule(request)
  if request.action == "adminRemove" then return nil end
  return { startDateTime = time.iso(time.now()), expiration = request.duration
    and { type = "afterDuration", duration = request.duration } or { type = "noExpiration" } }
end

-- The codes by which Entra says that the tenant's rules do not allow the request.
local AGAINST = { RoleAssignmentRequestPolicyValidationFailed = true, RoleAssignmentRequestAcrsValidationFailed = true }

--- Was a request refused by the tenant's rules, or for lack of rights? Then a direct assignment may work.
---@param failure any
---@return boolean
function M.is_refused(failure)
  return licence.is_missing(failure) or fail.is(failure, "denied") or fail.is(failure) and AGAINST[failure.code] == true
end

--- Send the request. Returns the request as Graph answers it; nil when the assignment was made or removed before.
--- Waits.
---@param request entra.pim.request
---@return table?
function M.send_request(request)
  local what = WORDS[request.action]:format(request.name)
  local ok, answer = pcall(upsert.post, REQUESTS, {
    action = request.action, justification = request.justification, principalId = request.principal,
    roleDefinitionId = request.role, directoryScopeId = "/",
    scheduleInfo = request_schedule(request),
  }, { fresh_write = true, what = what })
  if ok and answer and OVER[answer.status] then raise_request_not_granted(what, answer.status) end
  if ok then return answer end
  local is_failure = fail.is(answer)
  if is_failure and request.action == "adminRemove" and answer.code == "RoleAssignmentDoesNotExist" then return nil end
  if is_failure and answer.code == "ActiveDurationTooShort" then raise_removal_too_early(answer) end
  error(answer, 0)
end

--- Seconds as an ISO 8601 duration: "P15D", "PT8H", "P1DT1H".
---@param seconds number
---@return string
function M.iso_duration(seconds)
  local days, rest = seconds // 86400, seconds % 86400
  local hours, minutes = rest // 3600, rest % 3600 // 60
  local clock = (hours > 0 and ("%dH"):format(hours) or "") .. (minutes > 0 and ("%dM"):format(minutes) or "")
  if clock == "" then return ("P%dD"):format(days) end
  return (days > 0 and ("P%dDT"):format(days) or "PT") .. clock
end

return M
