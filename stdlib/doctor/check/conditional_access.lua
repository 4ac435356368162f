--- Does a Conditional Access policy for workload identities stand in the way?

local explain = require "explain"
local fail = require "fail"
local graph = require "graph"

local BLOCKED = { [53003] = true, [53004] = true, [530032] = true, [530034] = true, [530035] = true }

local function has(list, value)
  for _, one in ipairs(type(list) == "table" and list or {}) do
    if one == value then return true end
  end
  return false
end

-- Does the policy speak of this service principal, and block it? (conditionalAccessPolicy,
-- conditionalAccessClientApplications in Graph's schema)
local function blocks(policy, id)
  local clients = type(policy.conditions) == "table" and policy.conditions.clientApplications
  if policy.state ~= "enabled" or type(clients) ~= "table" then return false end
  local included = has(clients.includeServicePrincipals, id)
    or has(clients.includeServicePrincipals, "ServicePrincipalsInMyTenant")
  local controls = type(policy.grantControls) == "table" and policy.grantControls.builtInControls
  return included and not has(clients.excludeServicePrincipals, id) and has(controls, "block")
end

local function where(policy)
  local locations = policy.conditions.locations
  if type(locations) ~= "table" then return "everywhere" end
  return ("from %s but %s"):format(table.concat(locations.includeLocations or {}, ", "),
    table.concat(locations.excludeLocations or {}, ", "))
end

local function read_policies(record, id)
  local ok, list = pcall(graph.all, "/identity/conditionalAccess/policies", { what = "read the policies" })
  if not ok then
    if not fail.is(list) or fail.is(list, "interrupted") then error(list, 0) end
    return record:unknown { evidence = "not checked: the policies for workload identities could not be read",
      cause = list.why }
  end
  local count = 0
  for _, policy in ipairs(list) do
    if blocks(policy, id) then
      count = count + 1
      record:warning {
        evidence = ("the policy '%s' blocks the application %s"):format(policy.displayName, where(policy)),
        cause = "From where this computer stands it may be let through while Devolutions is not, or the reverse.",
        fix = "Compare the locations with where Devolutions signs in from." }
    end
  end
  if count == 0 then record:ok "no Conditional Access policy for workload identities blocks the application" end
end

---@type doctor.check
local M = { name = "conditional access", blocks = blocks }

function M.run(record, look)
  local principal, proof = look:want "principal_of_app", look:want "proof"
  local code = proof and proof.failure and proof.failure.code
  if BLOCKED[code] then
    local reason = explain.aadsts(code)
    return record:broken { evidence = ("AADSTS%d: the sign-in of the application is blocked"):format(code),
      cause = reason and reason.cause,
      fix = "Let the policy exclude this application, or name the address it signs in from as a trusted location: "
        .. "Entra admin center > Conditional Access > Policies; the sign-in log says which policy it is." }
  end
  if principal then read_policies(record, principal.id) end
end

return M
