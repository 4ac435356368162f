--- The privileged accounts of a tenant: those that hold a directory role actively, by eligibility or through groups
--- (nested groups too), and the owners of role-assignable groups. Of the tenant's accounts, only those with a privilege
--- are read.

local fail = require "fail"
local graph = require "graph"
local groups = require "entra.groups"
local role_holders = require "entra.role_holders"
local sets = require "base.sets"
local task = require "task"

local M = {}

--- The properties to read of each account.
M.SELECT = {
  "id", "userPrincipalName", "displayName", "accountEnabled", "userType", "onPremisesSyncEnabled", "createdDateTime",
  "lastPasswordChangeDateTime",
}

---@class entra.privilege
---@field role string name of the role, or "owner of …"
---@field how string "active", "eligible", "active, through the group 'X'", "owner of the group 'X'"

-- The eligible assignments; none, with a note of the reason in `unread`, when they cannot be read.
local function read_eligible_privileges(unread)
  local ok, list = pcall(role_holders.read_eligible)
  if ok then return list end
  if not fail.is(list) or fail.is(list, "interrupted") then error(list, 0) end
  unread[#unread + 1] = "who is eligible for a role: " .. list.why
  return {}
end

local function add_privilege(held, id, role, how)
  held[id] = held[id] or {}
  table.insert(held[id], { role = role, how = how })
end

local function add_privileges_of_assignments(held, list, named, by_id, how)
  for _, assignment in ipairs(list) do
    local role = named[assignment.roleDefinitionId] or "a custom role"
    local scope = assignment.directoryScopeId ~= "/" and (" on %s"):format(assignment.directoryScopeId) or ""
    local group = by_id[assignment.principalId]
    if not group then add_privilege(held, assignment.principalId, role, how .. scope) end
    for _, member in ipairs(group and group.members or {}) do
      add_privilege(held, member.id, role, ("%s%s, through the group '%s'"):format(how, scope, group.name))
    end
    for _, one in ipairs(group and group.eligible or {}) do
      if one.access == "member" then
        add_privilege(held, one.id, role, ("eligible member of the group '%s'%s"):format(group.name, scope))
      end
    end
    if group then group.roles = (group.roles and group.roles .. ", " or "") .. role end
  end
end

-- Add the owners of role-assignable groups, who can add any account to the group, and those who could become owners.
local function add_privileges_of_owners(held, list)
  for _, group in ipairs(list) do
    for _, owner in ipairs(group.owners) do
      local how = ("owner of the role-assignable group '%s'"):format(group.name)
      add_privilege(held, owner.id, group.roles or "none yet", how)
    end
    for _, one in ipairs(group.eligible) do
      if one.access == "owner" or not group.roles then
        add_privilege(held, one.id, group.roles or "none yet", ("eligible %s of the role-assignable group '%s'")
          :format(one.access, group.name))
      end
    end
  end
end

--- The privileges of every principal, by object id; service principals included. Waits.
---@return table<string, entra.privilege[]> held
---@return string[] unread what could not be read, and why: where there is any, the privileges are not all
function M.holders()
  local unread = {}
  local active, could, named, list = task.all {
    role_holders.read_active, function() return read_eligible_privileges(unread) end, role_holders.read_role_names,
    function() return role_holders.read_role_groups(unread) end,
  }
  local held, by_id = {}, {}
  for _, group in ipairs(list) do by_id[group.id] = group end
  add_privileges_of_assignments(held, active, named, by_id, "active")
  add_privileges_of_assignments(held, could, named, by_id, "eligible")
  add_privileges_of_owners(held, list)
  return held, unread
end

--- The users among these principals. Waits.
---@param held table<string, entra.privilege[]>
---@return table[] sorted by name
function M.users(held)
  local users = graph.by_ids(sets.sorted(held), {
    types = { "user" }, select = M.SELECT, what = "read the accounts that hold roles",
  })
  table.sort(users, function(a, b) return a.userPrincipalName < b.userPrincipalName end)
  return users
end

local function raise_group_or_unit_not_unique(count, name, kind)
  fail.raise {
    kind = count == 0 and "missing" or "conflict", what = ("find the %s '%s'"):format(kind, name),
    why = count == 0 and "there is none of that name" or ("there are %d of that name"):format(count),
    fix = count == 0 and "Copy the name from the Entra admin center."
      or "Rename all but one of them in the Entra admin center; then run the same command again.",
  }
end

--- The users in a group, including nested groups: an iterator that holds at most two pages.
---@param name string
---@return fun(): table?
function M.in_group(name)
  local group, count = groups.find_by_name(name)
  if not group then raise_group_or_unit_not_unique(count, name, "group") end
  return groups.list_users(group.id, M.SELECT, name)
end

--- All users of the tenant: an iterator that holds at most two pages.
---@return fun(): table?
function M.everybody()
  return graph.list("/users", { select = M.SELECT, top = 999, what = "read the users" })
end

--- The users in an administrative unit. Waits.
---@param name string
---@return table[]
function M.in_unit(name)
  local units = graph.all("/directory/administrativeUnits", {
    filter = graph.filter("displayName eq %s", name), select = { "id", "displayName" },
    what = ("find the administrative unit '%s'"):format(name),
  })
  if #units ~= 1 then raise_group_or_unit_not_unique(#units, name, "administrative unit") end
  local ids = {}
  for member in graph.list(graph.path("/directory/administrativeUnits/{id}/members", units[1].id), {
    top = 999, what = ("read the members of the unit '%s'"):format(name),
  }) do
    local type_name = member["@odata.type"]
    if type_name == nil or type_name == "#microsoft.graph.user" then ids[#ids + 1] = member.id end
  end
  return (graph.by_ids(ids, { types = { "user" }, select = M.SELECT, what = "read the accounts in the unit" }))
end

return M
