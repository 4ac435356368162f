--- The rights that an application needs to run these policies.

local permissions = require "permissions.least"
local rotate_policies = require "rotate.policies"
local sets = require "base.sets"

local M = {}

local OWNED = "Application.ReadWrite.OwnedBy"

-- Calls that may be missing: the run reads where it is allowed to, or Entra's own refusal says the same; and calls that
-- only a person makes.
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

local function sorted_out(policies)
  local rights = { users = {}, applications = {} }
  for _, terms in ipairs(policies) do table.insert(rights[terms.target], terms) end
  return rights
end

local function calls_of(needs)
  local calls = {}
  for _, call in ipairs(needs.graph) do
    if not DISPENSABLE[call] then calls[#calls + 1] = call end
  end
  return calls
end

--- The rights for the policies of these names; with no name, those to rotate the applications that it owns.
---@param names string[]
---@return rotate.least_rights
function M.of(names)
  local loaded = #names > 0 and rotate_policies.load(names) or { policies = {}, needs = { graph = {} } }
  local rights = sorted_out(loaded.policies)
  local least = permissions.least(calls_of(loaded.needs))
  local set, reasons = { [OWNED] = true }, { [OWNED] = { "the client secrets of what it owns" } }
  for _, name in ipairs(least.application) do
    set[name], reasons[name] = true, permissions.reasons(least, "application", name)
  end
  rights.permissions, rights.reasons = sets.sorted(set), reasons
  return rights
end

return M
