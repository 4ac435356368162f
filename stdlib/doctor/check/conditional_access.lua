--- Does a Conditional Access policy for workload identities block the application, and from where?

local explain = require "explain.cause"
local fail = require "fail"
local graph = require "graph"
local login_codes = require "explain.login_codes"
local sets = require "base.sets"
local task = require "task"

local WHERE = "Entra admin center > Conditional Access > Policies"

local function members(value) return type(value) == "table" and value or {} end

local function set_of(value) return sets.of(members(value)) end

-- Does the policy include this service principal, and block it? (Graph: conditionalAccessPolicy,
-- conditionalAccessClientApplications)
local function blocks(policy, id)
  local clients = type(policy.conditions) == "table" and policy.conditions.clientApplications
  if policy.state ~= "enabled" or type(clients) ~= "table" then return false end
  local meant = set_of(clients.includeServicePrincipals)
  local included = meant[id] or meant.ServicePrincipalsInMyTenant
  local controls = type(policy.grantControls) == "table" and policy.grantControls.builtInControls
  return included and not set_of(clients.excludeServicePrincipals)[id] and set_of(controls).block
end

---------------------------------------------------------------------------
-- Where

local SPOKEN = { All = "everywhere", AllTrusted = "all trusted locations" }

local function addresses(location)
  local list = {}
  for i, range in ipairs(members(location.ipRanges)) do list[i] = tostring(range.cidrAddress) end
  return #list > 0 and (" (%s)"):format(table.concat(list, ", ")) or ""
end

-- The names of locations, with their addresses where they have some (Graph: ipNamedLocation).
local function spoken(ids, locations)
  local list = {}
  for i, id in ipairs(members(ids)) do
    local known = locations[id]
    list[i] = SPOKEN[id] or known and ("'%s'%s"):format(known.displayName, addresses(known)) or tostring(id)
  end
  return table.concat(list, ", ")
end

--- Where the policy blocks: "everywhere", "everywhere but 'Data centre' (203.0.113.0/24)".
---@param policy table
---@param locations table<string, table> named locations by id
---@return string
local function where(policy, locations)
  local condition = policy.conditions.locations
  if type(condition) ~= "table" then return "everywhere" end
  local text, except = spoken(condition.includeLocations, locations), spoken(condition.excludeLocations, locations)
  if except ~= "" then text = text .. " but " .. except end
  return text
end

-- The other conditions of the policy, in words.
local function when(policy)
  local risks = members(policy.conditions.servicePrincipalRiskLevels)
  return #risks > 0 and (", when Entra sees a risk (%s)"):format(table.concat(risks, ", ")) or ""
end

---------------------------------------------------------------------------
-- Reading

local function read(path, what)
  local ok, list = pcall(graph.all, path, { what = what })
  if ok then return list end
  if not fail.is(list) or fail.is(list, "interrupted") then error(list, 0) end
  return nil, list
end

---@class doctor.access what was read of Conditional Access
---@field policies table[]? those that block the application
---@field failure Failure? why they could not be read
---@field by_id table<string, table> all policies that were read
---@field locations table<string, table>

---@param id string of the service principal
---@return doctor.access
local function find(id)
  local all, failure, named = nil, nil, nil
  task.all {
    function() all, failure = read("/identity/conditionalAccess/policies", "read the policies") end,
    function() named = read("/identity/conditionalAccess/namedLocations", "read the locations") end,
  }
  local found = { failure = failure, locations = {}, policies = all and {}, by_id = {} }
  for _, location in ipairs(named or {}) do found.locations[location.id] = location end
  for _, policy in ipairs(all or {}) do
    found.by_id[policy.id] = policy
    if blocks(policy, id) then table.insert(found.policies, policy) end
  end
  return found
end

---------------------------------------------------------------------------
-- What is reported

local function places(policies, found)
  local list = {}
  for i, policy in ipairs(policies) do
    list[i] = ("The policy '%s' blocks it %s%s.")
      :format(policy.displayName, where(policy, found.locations), when(policy))
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
local function tell_blocked(record, failure, found)
  local named = places(refusing(failure, found), found)
  record:broken {
    evidence = evidence_of(failure), cause = named ~= "" and named or explain.login(failure).cause,
    fix = ("Let the policy exclude this application, or name the address it signs in from as a location that it "
      .. "excludes: %s%s."):format(WHERE, named == "" and "; the sign-in log says which policy it is" or ""),
  }
end

-- The sign-in from this computer was not refused, so a blocking policy applies elsewhere. Where Devolutions signs in
-- from is unknown.
local function tell_elsewhere(record, found, tried)
  for _, policy in ipairs(found.policies) do
    record:unknown {
      evidence = ("the policy '%s' blocks the application %s%s"):format(policy.displayName,
        where(policy, found.locations), when(policy)),
      cause = (tried and "From this computer it is let through; " or "It was not tried from here; ")
        .. "whether Devolutions is, cannot be seen from here.",
      fix = ("See that Devolutions signs in from a location that the policy excludes: %s."):format(WHERE) }
  end
  if #found.policies > 0 then return end
  record:ok("no Conditional Access policy for workload identities blocks the application%s",
    tried and ", and from this computer it signs in" or "")
end

---@type doctor.check
local M = { name = "conditional access", blocks = blocks, where = where, tell_blocked = tell_blocked }

function M.run(record, look)
  local principal, proof = look:want "principal_of_app", look:want "proof"
  local found = principal and find(principal.id) or { locations = {}, by_id = {} }
  local failure = proof and proof.failure
  if failure and login_codes.is_policy(failure.code) then return tell_blocked(record, failure, found) end
  if found.policies then return tell_elsewhere(record, found, proof and proof.accepted) end
  if not found.failure then return end
  record:unknown { evidence = "not checked: the policies for workload identities could not be read",
    cause = found.failure.why,
    fix = proof and proof.accepted and "From this computer the application signs in; whether it may from where "
      .. "Devolutions stands shows when Devolutions tries." or nil }
end

return M
