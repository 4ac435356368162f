--- The application permissions of Microsoft Graph that have been shown to reach the role Global Administrator, and the
--- service principals that hold them.

local fact_tables = require "base.fact_tables"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"

local M = {}

---@class entra.strong_permission
---@field name string "RoleManagement.ReadWrite.Directory"
---@field steps "one"|"several" to the role
---@field how string what its holder does on the way: "assigns the role to anything"

local by_id ---@type table<string, entra.strong_permission>? read when first asked for

--- The permissions, by the id of their app role. A permission that is not among them is not proven harmless.
---@return table<string, entra.strong_permission>
function M.permissions()
  if by_id then return by_id end
  by_id = {}
  for _, row in ipairs(fact_tables.rows "stdlib/data/global-admin-permissions.tsv") do
    local name, id, steps, how = table.unpack(row)
    by_id[id] = { name = name, steps = steps, how = how }
  end
  return by_id
end

local WHAT = "read who holds application permissions of Microsoft Graph"

--- The names of such permissions that each service principal holds, sorted, by its object id in lower case. Only their
--- holders are kept, however many assignments the tenant has. Waits.
---@return table<string, string[]>
function M.holders()
  local known, held = M.permissions(), {}
  local principal = graph.get(graph.path("/servicePrincipals(appId={appId})", microsoft_ids.GRAPH),
    { select = { "id" }, what = WHAT })
  for assignment in graph.list(graph.path("/servicePrincipals/{id}/appRoleAssignedTo", principal.id),
    { top = 999, what = WHAT }) do
    local permission = known[tostring(assignment.appRoleId):lower()]
    if permission then
      local id = tostring(assignment.principalId):lower()
      local list = held[id] or {}
      held[id], list[#list + 1] = list, permission.name
    end
  end
  for _, list in pairs(held) do table.sort(list) end
  return held
end

return M
