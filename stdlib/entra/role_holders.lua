--- Who holds which directory role: actively, by eligibility, and through role-assignable groups. All assignments of the
--- tenant are read at once, because a tenant has few assignments and many users.

local fail = require "fail"
local graph = require "graph"
local groups = require "entra.groups"
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
function M.read_active()
  return graph.all("/roleManagement/directory/roleAssignments", { what = "read who holds which directory role" })
end

--- Read the eligible assignments; none where the tenant lacks the licence. Waits.
---@return table[]
function M.read_eligible()
  local ok, list = pcall(graph.all, "/roleManagement/directory/roleEligibilityScheduleInstances", {
    what = "read who is eligible for which directory role",
  })
  if ok then return list end
  if fail.is(list) and list.code == "AadPremiumLicenseRequired" then return {} end
  error(list, 0)
end

--- The names of the tenant's roles, by id. Waits.
---@return table<string, string>
function M.read_role_names()
  local named = {}
  for role in graph.list("/roleManagement/directory/roleDefinitions",
    { select = { "id", "displayName" }, what = "read the names of the roles" }) do
    named[role.id] = role.displayName
  end
  return named
end

local function read_role_group_members(group)
  local members = {}
  for user in groups.list_users(group.id, { "id" }, group.displayName) do members[#members + 1] = user end
  return members
end

local function read_role_group_owners(group)
  return graph.all(graph.path("/groups/{id}/owners", group.id), {
    select = { "id" }, what = ("read the owners of the group '%s'"):format(group.displayName),
  })
end

--- Read the role-assignable groups with their members and owners. Waits.
---@return entra.role_group[]
function M.read_role_groups()
  local found = graph.all("/groups", {
    filter = "isAssignableToRole eq true", select = { "id", "displayName" }, what = "find the role-assignable groups",
  })
  return task.map(found, AT_ONCE, function(group)
    local members, owners = task.all {
      function() return read_role_group_members(group) end,
      function() return read_role_group_owners(group) end,
    }
    return { id = group.id, name = group.displayName, members = members, owners = owners }
  end)
end

--- Read all assignments, role names and role-assignable groups. Waits; reads side by side.
---@return entra.holders
function M.read_holders()
  local active, eligible, named, found = task.all {
    M.read_active, M.read_eligible, M.read_role_names, M.read_role_groups,
  }
  return { active = active, eligible = eligible, named = named, groups = found }
end

---------------------------------------------------------------------------
-- The roles of an account

local function add_role_to_account(account, id, named, how)
  if not account then return end
  table.insert(account.roles, { id = id, name = named[id] or "a custom role", how = how })
end

local function add_roles_of_assignments(by_id, groups_by_id, list, named, how)
  for _, assignment in ipairs(list) do
    local group = groups_by_id[assignment.principalId]
    add_role_to_account(by_id[assignment.principalId], assignment.roleDefinitionId, named, how)
    for _, member in ipairs(group and group.members or {}) do
      add_role_to_account(by_id[member.id], assignment.roleDefinitionId, named,
        ("%s, through the group '%s'"):format(how, group.name))
    end
  end
end

-- Set `group` on the accounts that are members or owners of a role-assignable group. Returns the groups by id.
local function mark_accounts_of_role_groups(by_id, list)
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
function M.add_roles_to_accounts(holders, by_id)
  local by_group = mark_accounts_of_role_groups(by_id, holders.groups)
  add_roles_of_assignments(by_id, by_group, holders.active, holders.named, "active")
  add_roles_of_assignments(by_id, by_group, holders.eligible, holders.named, "eligible")
end

--- The roles that a principal holds actively in the whole tenant, by direct assignment.
---@param holders entra.holders
---@param id string object id of a user or service principal
---@return table<string, boolean> template ids
function M.roles_of_principal(holders, id)
  local held = {}
  for _, assignment in ipairs(holders.active) do
    if assignment.principalId == id and (assignment.directoryScopeId or "/") == "/" then
      held[assignment.roleDefinitionId] = true
    end
  end
  return held
end

return M
