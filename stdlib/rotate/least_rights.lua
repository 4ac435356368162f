--- The rights that an application needs to run these policies.

local permissions = require "permissions.least"
local rotate_policies = require "rotate.policies"
local sets = require "base.sets"

local M = {}

local OWNED = "Application.ReadWrite.OwnedBy"

-- Calls that an unattended run can do without: reads that may be refused without harm, and calls that only a person
-- makes.
local DISPENSABLE = {
  ["GET /applications/{id}/appManagementPolicies"] = true, ["GET /policies/defaultAppManagementPolicy"] = true,
  ["GET /applications/{id}/owners"] = true,
  ["GET /users/{id}/ownedObjects"] = true,
}

---@class rotate.least_rights
---@field users policy.terms[]
---@field applications policy.terms[]
---@field permissions string[] application permissions, sorted: the least that are enough
---@field reasons table<string, string[]> permission -> the calls that need it

local function group_policies_by_target(policies)
  local rights = { users = {}, applications = {} }
  for _, terms in ipairs(policies) do table.insert(rights[terms.target], terms) end
  return rights
end

local function indispensable_calls(needs)
  local calls = {}
  for _, call in ipairs(needs.graph) do
    if not DISPENSABLE[call] then calls[#calls + 1] = call end
  end
  return calls
end

--- The rights for the policies of these names; with no name, the right to rotate the applications that it owns.
---@param names string[]
---@param with_evidence boolean may Entra's logs be read?
---@return rotate.least_rights
function M.for_policies(names, with_evidence)
  local loaded = #names > 0 and rotate_policies.load(names, with_evidence) or { policies = {}, needs = { graph = {} } }
  local rights = group_policies_by_target(loaded.policies)
  local least = permissions.least(indispensable_calls(loaded.needs))
  local set, reasons = { [OWNED] = true }, { [OWNED] = { "the client secrets of the applications that it owns" } }
  for _, name in ipairs(least.application) do
    set[name], reasons[name] = true, permissions.reasons(least, "application", name)
  end
  rights.permissions, rights.reasons = sets.sorted(set), reasons
  return rights
end

return M
