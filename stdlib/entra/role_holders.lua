--- Who holds which directory role: actively, by eligibility, and through role-assignable groups. All assignments of the
--- tenant are read at once: they are few, and its users are many.

local graph = require "graph"
local groups = require "entra.groups"
local licence = require "entra.licence"
local task = require "task"

local M = {}

local AT_ONCE = 16 -- groups read side by side

---@class entra.role_group a role-assignable group
---@field id string
---@field name string
---@field members { id: string }[] users, including those in nested groups
---@field owners { id: string }[]

---@class entra.holders who holds which directory role, in the whole tenant
---@field active table[] assignments
---@field eligible table[]
---@field named table<string, string> role id -> name
---@field groups entra.role_group[]

---------------------------------------------------------------------------
-- Reading

--- Read the active assignments. Waits.
---@return table[]
function M.active()
  return graph.all("/roleManagement/directory/roleAssignments", { what = "read who holds which directory role" })
end

--- Read the eligible assignments; none where the tenant lacks the licence. Waits.
---@return table[]
function M.eligible()
  local ok, list = pcall(graph.all, "/roleManagement/directory/roleEligibilityScheduleInstances", {
    what = "read who is eligible for which directory role",
  })
  if ok then return list end
  if licence.is_missing(list) then return {} end
  error(list, 0)
end

--- The names of the tenant's roles, by id. Waits.
---@return table<string, string>
function M.role_names()
  local named = {}
  for role in graph.list("/roleManagement/directory/roleDefinitions",
    { select = { "id", "displayName" }, what = "read the names of the roles" }) do
    named[role.id] = role.displayName
  end
  return named
end

local function members_of(group)
  local members = {}
  for user in groups.users(group.id, { "id" }, group.displayName) do members[#members + 1] = user end
  return members
end

local function owners_of(group)
  return graph.all(graph.path("/groups/{id}/owners", group.id), {
    select = { "id" }, what = ("read the owners of the group '%s'"):format(group.displayName),
  })
end

--- Read the role-assignable groups with their members and owners. Waits.
---@return entra.role_group[]
function M.groups()
  local found = graph.all("/groups", {
    filter = "isAssignableToRole eq true", select = { "id", "displayName" }, what = "find the role-assignable groups",
  })
  return task.map(found, AT_ONCE, function(group)
    local members, owners = task.all { function() return members_of(group) end, function() return owners_of(group) end }
    return { id = group.id, name = group.displayName, members = members, owners = owners }
  end)
end

--- Read all of this. Waits; reads side by side.
---@return entra.holders
function M.read()
  local active, eligible, named, found = task.all { M.active, M.eligible, M.role_names, M.groups }
  return { active = active, eligible = eligible, named = named, groups = found }
end

---------------------------------------------------------------------------
-- What it says of somebody

local function hold(account, id, named, how)
  if not account then return end
  table.insert(account.roles, { id = id, name = named[id] or "a custom role", how = how })
end

local function spread(by_id, groups_by_id, list, named, how)
  for _, assignment in ipairs(list) do
    local group = groups_by_id[assignment.principalId]
    hold(by_id[assignment.principalId], assignment.roleDefinitionId, named, how)
    for _, member in ipairs(group and group.members or {}) do
      hold(by_id[member.id], assignment.roleDefinitionId, named, ("%s, through the group '%s'"):format(how, group.name))
    end
  end
end

local function mark_groups(by_id, list)
  local by_group = {}
  for _, group in ipairs(list) do
    by_group[group.id] = group
    for _, people in ipairs { group.members, group.owners } do
      for _, user in ipairs(people) do
        if by_id[user.id] then by_id[user.id].group = group.name end
      end
    end
  end
  return by_group
end

--- Add to each account the admin roles that it holds.
---@param holders entra.holders
---@param by_id table<string, entra.account>
function M.note(holders, by_id)
  local by_group = mark_groups(by_id, holders.groups)
  spread(by_id, by_group, holders.active, holders.named, "active")
  spread(by_id, by_group, holders.eligible, holders.named, "eligible")
end

--- The roles that a principal holds actively in the whole tenant, by direct assignment.
---@param holders entra.holders
---@param id string object id of a user or service principal
---@return table<string, boolean> template ids
function M.held_by(holders, id)
  local held = {}
  for _, assignment in ipairs(holders.active) do
    if assignment.principalId == id and (assignment.directoryScopeId or "/") == "/" then
      held[assignment.roleDefinitionId] = true
    end
  end
  return held
end

return M
