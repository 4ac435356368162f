--- Does a Conditional Access policy for workload identities block the application, and from where?

local explain = require "explain.cause"
local fail = require "fail"
local graph = require "graph"
local login_codes = require "explain.login_codes"
local sets = require "base.sets"
local task = require "task"

local WHERE = "Entra admin center > Conditional Access > Policies"

local function policy_members(value) return type(value) == "table" and value or {} end

local function policy_member_set(value) return sets.of(policy_members(value)) end

-- Does the policy include this service principal, and block it? (Graph: conditionalAccessPolicy,
-- conditionalAccessClientApplications)
local function does_policy_block(policy, id)
  local clients = type(policy.conditions) == "table" and policy.conditions.clientApplications
  if policy.state ~= "enabled" or type(clients) ~= "table" then return false end
  local meant = policy_member_set(clients.includeServicePrincipals)
  local included = meant[id] or meant.ServicePrincipalsInMyTenant
  local controls = type(policy.grantControls) == "table" and policy.grantControls.builtInControls
  return included and not policy_member_set(clients.excludeServicePrincipals)[id] and policy_member_set(controls).block
end

---------------------------------------------------------------------------
-- Locations that a policy blocks

local LOCATION_NAMES = { All = "everywhere", AllTrusted = "all trusted locations" }

local function location_addresses(location)
  local list = {}
  for i, range in ipairs(policy_members(location.ipRanges)) do list[i] = tostring(range.cidrAddress) end
  return #list > 0 and (" (%s)"):format(table.concat(list, ", ")) or ""
end

-- The names of locations, with their addresses where they have some (Graph: ipNamedLocation).
local function location_names(ids, locations)
  local list = {}
  for i, id in ipairs(policy_members(ids)) do
    local known = locations[id]
    list[i] = LOCATION_NAMES[id] or known and ("'%s'%s"):format(known.displayName, location_addresses(known))
      or tostring(id)
  end
  return table.concat(list, ", ")
end

--- Where the policy blocks: "everywhere", "everywhere but 'Data centre' (203.0.113.0/24)".
---@param policy table
---@param locations table<string, table> named locations by id
---@return string
local function blocked_locations(policy, locations)
  local condition = policy.conditions.locations
  if type(condition) ~= "table" then return "everywhere" end
  local text = location_names(condition.includeLocations, locations)
  local except = location_names(condition.excludeLocations, locations)
  if except ~= "" then text = text .. " but " .. except end
  return text
end

-- The other conditions of the policy, in words.
local function blocked_risks(policy)
  local risks = policy_members(policy.conditions.servicePrincipalRiskLevels)
  return #risks > 0 and (", when Entra sees a risk (%s)"):format(table.concat(risks, ", ")) or ""
end

---------------------------------------------------------------------------
-- Reading the policies

local function read_access_policies(path, what)
  local ok, list = pcall(graph.all, path, { what = what })
  if ok then return list end
  if not fail.is(list) or fail.is(list, "interrupted") then error(list, 0) end
  return nil, list
end

---@class doctor.access what was read of Conditional Access
---@field policies table[]? the policies that block the application
---@field failure Failure? why the policies could not be read
---@field by_id table<string, table> all policies that were read
---@field locations table<string, table>

---@param id string of the service principal
---@return doctor.access
local function find_blocking_policies(id)
  local all, failure, named = nil, nil, nil
  task.all {
    function() all, failure = read_access_policies("/identity/conditionalAccess/policies", "read the policies") end,
    function() named = read_access_policies("/identity/conditionalAccess/namedLocations", "read the locations") end,
  }
  local found = { failure = failure, locations = {}, policies = all and {}, by_id = {} }
  for _, location in ipairs(named or {}) do found.locations[location.id] = location end
  for _, policy in ipairs(all or {}) do
    found.by_id[policy.id] = policy
    if does_policy_block(policy, id) then table.insert(found.policies, policy) end
  end
  return found
end

---------------------------------------------------------------------------
-- What is reported

local function blocking_text(policies, found)
  local list = {}
  for i, policy in ipairs(policies) do
    list[i] = ("The policy '%s' blocks it %s%s.")
      :format(policy.displayName, blocked_locations(policy, found.locations), blocked_risks(policy))
  end
  return table.concat(list, " ")
end

-- The policies that refused the sign-in: those that the answer names, else those that should by their conditions.
local function refusing(failure, found)
  local ids, list = failure.policies or {}, {}
  for _, id in ipairs(ids) do list[#list + 1] = found.by_id[id] end
  return #ids > 0 and list or found.policies or {}
end

local function evidence_of(failure)
  local text = ("AADSTS%d: the sign-in of the application is blocked"):format(failure.code)
  return failure.correlation_id and ("%s (correlation id %s)"):format(text, failure.correlation_id) or text
end

-- Report that the sign-in from this computer was refused.
local function report_blocked(findings, failure, found)
  local named = blocking_text(refusing(failure, found), found)
  findings:broken {
    id = "blocked",
    evidence = evidence_of(failure), cause = named ~= "" and named or explain.login(failure).cause,
    fix = ("Let the policy exclude this application, or name the address it signs in from as a location that it "
      .. "excludes: %s%s."):format(WHERE, named == "" and "; the sign-in log says which policy it is" or ""),
  }
end

-- Report blocking policies that do not apply to this computer, whose sign-in was not refused. They may apply to
-- Devolutions: it is unknown from which address Devolutions signs in.
local function report_blocked_elsewhere(findings, found, tried)
  for _, policy in ipairs(found.policies) do
    findings:unknown {
      id = "policy " .. policy.id,
      evidence = ("the policy '%s' blocks the application %s%s"):format(policy.displayName,
        blocked_locations(policy, found.locations), blocked_risks(policy)),
      cause = (tried and "The sign-in from this computer is not blocked; " or "No sign-in was tried from here; ")
        .. "whether the sign-in of Devolutions is blocked, cannot be seen from here.",
      fix = ("See that Devolutions signs in from a location that the policy excludes: %s."):format(WHERE) }
  end
  if #found.policies > 0 then return end
  findings:ok("no Conditional Access policy for workload identities blocks the application%s",
    tried and ", and from this computer it signs in" or "")
end

---@type doctor.check
local M = { name = "conditional access", blocks = does_policy_block, where = blocked_locations,
  report_blocked = report_blocked }

function M.run(findings, facts)
  local principal, proof = facts:want "principal_of_app", facts:want "proof"
  local found = principal and find_blocking_policies(principal.id) or { locations = {}, by_id = {} }
  local failure = proof and proof.failure
  if failure and login_codes.is_policy(failure.code) then return report_blocked(findings, failure, found) end
  if found.policies then return report_blocked_elsewhere(findings, found, proof and proof.accepted) end
  if not found.failure then return end
  findings:unknown { id = "unread", evidence = "not checked: the policies for workload identities could not be read",
    cause = found.failure.why,
    fix = proof and proof.accepted and "The application signs in from this computer. To see whether it may sign in "
      .. "from where Devolutions runs, reset a password there." or nil }
end

return M
