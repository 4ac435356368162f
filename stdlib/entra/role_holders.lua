--- Who holds which directory role: actively, by eligibility, and through role-assignable groups, of which somebody may
--- be an eligible member (PIM for Groups). All assignments of the tenant are read at once, because a tenant has few
--- assignments and many users.

local fail = require "fail"
local graph = require "graph"
local groups = require "entra.groups"
local kinds = require "fail.kinds"
local licence = require "entra.licence"
local task = require "task"

local M = {}

local AT_ONCE = 16 -- groups read side by side

---@class entra.role_group a role-assignable group
---@field id string
---@field name string
---@field members { id: string }[] users, including those in nested groups
---@field owners { id: string }[]
---@field eligible entra.eligible_member[] who could become a member or owner of it, by PIM for Groups

---@class entra.eligible_member
---@field id string of a user
---@field access "member"|"owner"

---@class entra.holders who holds which directory role, in the whole tenant
---@field active table[] assignments
---@field eligible table[]
---@field named table<string, string> role id -> name
---@field groups entra.role_group[]
---@field unread string[] what could not be read, and why: where there is any, the list of holders is not whole

---------------------------------------------------------------------------
-- Reading role assignments

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
  if licence.is_missing(list) then return {} end
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

-- The call needs the filter (Microsoft Learn: privilegedaccessgroup-list-eligibilityscheduleinstances).
local ELIGIBLE_IN_GROUPS = "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"

-- Who is eligible for a group; none without the licence.
local function eligible_for(group)
  local ok, list = pcall(graph.all, ELIGIBLE_IN_GROUPS, {
    filter = graph.filter("groupId eq %s", group.id),
    what = ("read who is eligible for the group '%s'"):format(group.displayName),
  })
  if ok then return list end
  if licence.is_missing(list) then return {} end
  error(list, 0)
end

-- The users that an eligible principal stands for: a group stands for its members.
local function users_of(id)
  local group = graph.get(graph.path("/groups/{id}", id), {
    select = { "id", "displayName" }, missing = "nil", what = "look whether an eligible principal is a group",
  })
  return group and read_role_group_members(group) or { { id = id } }
end

local function as_users(instances)
  local list = {}
  for _, instance in ipairs(instances) do
    for _, user in ipairs(users_of(instance.principalId)) do
      list[#list + 1] = { id = user.id, access = instance.accessId == "owner" and "owner" or "member" }
    end
  end
  return list
end

-- Add who is eligible to the groups. Where that may not be read, the reason is noted in `unread`.
local function add_eligible(found, list, unread)
  local outcomes = task.each(found, AT_ONCE, function(group) return as_users(eligible_for(group)) end)
  local first
  for i, outcome in ipairs(outcomes) do
    local failure = not outcome.ok and outcome.result
    if failure and not (fail.is(failure) and kinds.of(failure.kind).unreadable) then error(failure, 0) end
    first = first or failure
    list[i].eligible = outcome.ok and outcome.result or {}
  end
  if first then
    unread[#unread + 1] = ("who is eligible for role-assignable groups (PIM for Groups): %s"):format(first.why)
  end
end

--- Read the role-assignable groups with their members, their owners and, where `unread` is given, who is eligible for
--- them. Waits.
---@param unread string[]? gets what could not be read
---@return entra.role_group[]
function M.read_role_groups(unread)
  local found = graph.all("/groups", {
    filter = "isAssignableToRole eq true", select = { "id", "displayName" }, what = "find the role-assignable groups",
  })
  local list = task.map(found, AT_ONCE, function(group)
    local members, owners = task.all {
      function() return read_role_group_members(group) end,
      function() return read_role_group_owners(group) end,
    }
    return { id = group.id, name = group.displayName, members = members, owners = owners, eligible = {} }
  end)
  if unread then add_eligible(found, list, unread) end
  return list
end

--- Read all assignments, role names and role-assignable groups; who is eligible for a group only when asked to. Waits;
--- reads side by side.
---@param options { eligible_for_groups: boolean }?
---@return entra.holders
function M.read_holders(options)
  local unread, asked = {}, options and options.eligible_for_groups
  local active, eligible, named, found = task.all {
    M.read_active, M.read_eligible, M.read_role_names,
    function() return M.read_role_groups(asked and unread or nil) end,
  }
  return { active = active, eligible = eligible, named = named, groups = found, unread = unread }
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
    for _, one in ipairs(group and group.eligible or {}) do
      add_role_to_account(by_id[one.id], assignment.roleDefinitionId, named,
        ("as eligible %s of the group '%s'"):format(one.access, group.name))
    end
  end
end

-- Set `group` on the accounts that are members or owners of a role-assignable group. Returns the groups by id.
local function mark_accounts_of_role_groups(by_id, list)
  local by_group = {}
  for _, group in ipairs(list) do
    by_group[group.id] = group
    for _, people in ipairs { group.members, group.owners, group.eligible } do
      for _, user in ipairs(people) do
        local account, eligible_only = by_id[user.id], people == group.eligible
        if account and not (eligible_only and account.group) then
          account.group, account.eligible_only = group.name, eligible_only or nil
        end
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
