--- Who holds power in a tenant: directory roles held actively, by eligibility, through
--- groups and groups in them, and groups that can be assigned roles.
--
-- Assignments are few and people are many: the assignments are read whole, of the
-- people only those who hold something.

local fail = require "fail"
local graph = require "graph"
local log = require "log"
local task = require "task"

local M = {}

local AT_ONCE = 16

--- What is read of each account.
M.SELECT = {
  "id", "userPrincipalName", "displayName", "accountEnabled", "userType", "onPremisesSyncEnabled", "createdDateTime",
  "lastPasswordChangeDateTime",
}

---@class entra.privilege
---@field role string name of the role, or "owner of …"
---@field how string "active", "eligible", "active, through the group 'X'", "owner of the group 'X'"

local function assignments()
  return graph.all("/roleManagement/directory/roleAssignments", { what = "read who holds which directory role" })
end

-- Without the licence nobody is eligible; without the permission it is not known.
local function eligibilities()
  local ok, list = pcall(graph.all, "/roleManagement/directory/roleEligibilityScheduleInstances", {
    what = "read who is eligible for which directory role",
  })
  if ok then return list end
  if not fail.is(list) or fail.is(list, "interrupted") then error(list, 0) end
  if list.code ~= "AadPremiumLicenseRequired" then
    log.warn("who is eligible for a role is left out: " .. list.why)
  end
  return {}
end

local function role_names()
  local named = {}
  for role in graph.list("/roleManagement/directory/roleDefinitions",
    { select = { "id", "displayName" }, what = "read the names of the roles" }) do
    named[role.id] = role.displayName
  end
  return named
end

-- The cast to users reaches into groups in groups, and is an advanced query.
local function ids_in(group)
  local ids = {}
  for user in graph.list(graph.path("/groups/{id}/transitiveMembers/microsoft.graph.user", group.id), {
    select = { "id" }, top = 999, count = true, consistency = "eventual",
    what = ("read the members of the group '%s'"):format(group.displayName),
  }) do
    ids[#ids + 1] = user.id
  end
  return ids
end

local function owners_of(group)
  return graph.all(graph.path("/groups/{id}/owners", group.id), {
    select = { "id" }, what = ("read the owners of the group '%s'"):format(group.displayName),
  })
end

local function role_groups()
  local groups = graph.all("/groups", {
    filter = "isAssignableToRole eq true", select = { "id", "displayName" }, what = "find the role-assignable groups",
  })
  local list = task.map(groups, AT_ONCE, function(group)
    local members, owners = task.all { function() return ids_in(group) end, function() return owners_of(group) end }
    return { id = group.id, name = group.displayName, members = members, owners = owners }
  end)
  local by_id = {}
  for _, group in ipairs(list) do by_id[group.id] = group end
  return by_id, list
end

local function add(held, id, role, how)
  held[id] = held[id] or {}
  table.insert(held[id], { role = role, how = how })
end

local function spread(held, list, named, by_id, how)
  for _, assignment in ipairs(list) do
    local role = named[assignment.roleDefinitionId] or "a custom role"
    local scope = assignment.directoryScopeId ~= "/" and (" on %s"):format(assignment.directoryScopeId) or ""
    local group = by_id[assignment.principalId]
    if not group then add(held, assignment.principalId, role, how .. scope) end
    for _, id in ipairs(group and group.members or {}) do
      add(held, id, role, ("%s%s, through the group '%s'"):format(how, scope, group.name))
    end
    if group then group.roles = (group.roles and group.roles .. ", " or "") .. role end
  end
end

-- An owner of such a group can put anybody into it.
local function spread_owners(held, groups)
  for _, group in ipairs(groups) do
    for _, owner in ipairs(group.owners) do
      add(held, owner.id, group.roles or "none yet", ("owner of the role-assignable group '%s'"):format(group.name))
    end
  end
end

--- What everybody holds, by object id; service principals among them.
---@return table<string, entra.privilege[]>
function M.holders()
  local active, eligible, named, groups = task.all {
    assignments, eligibilities, role_names, function() return table.pack(role_groups()) end,
  }
  local held, by_id, list = {}, groups[1], groups[2]
  spread(held, active, named, by_id, "active")
  spread(held, eligible, named, by_id, "eligible")
  spread_owners(held, list)
  return held
end

--- The users among them.
---@param held table<string, entra.privilege[]>
---@return table[] sorted by name
function M.users(held)
  local ids = {}
  for id in pairs(held) do ids[#ids + 1] = id end
  table.sort(ids)
  local users = graph.by_ids(ids, { types = { "user" }, select = M.SELECT, what = "read the accounts that hold roles" })
  table.sort(users, function(a, b) return a.userPrincipalName < b.userPrincipalName end)
  return users
end

local function the_one(path, name, kind)
  local found = graph.all(path, {
    filter = graph.filter("displayName eq %s", name), select = { "id", "displayName" },
    what = ("find the %s '%s'"):format(kind, name),
  })
  if #found == 1 then return found[1] end
  fail.raise {
    kind = #found == 0 and "missing" or "conflict", what = ("find the %s '%s'"):format(kind, name),
    why = #found == 0 and "there is none of that name" or ("there are %d of that name"):format(#found),
    fix = "Check the name as the Entra admin center shows it.",
  }
end

--- The users in a group, nested ones too: an iterator that holds two pages at most.
---@param name string
---@return fun(): table?
function M.in_group(name)
  local group = the_one("/groups", name, "group")
  return graph.list(graph.path("/groups/{id}/transitiveMembers/microsoft.graph.user", group.id), {
    select = M.SELECT, top = 999, count = true, consistency = "eventual",
    what = ("read the members of the group '%s'"):format(name),
  })
end

--- The users of the whole tenant, likewise.
---@return fun(): table?
function M.everybody()
  return graph.list("/users", { select = M.SELECT, top = 999, what = "read the users" })
end

--- The users in an administrative unit.
---@param name string
---@return table[]
function M.in_unit(name)
  local unit, ids = the_one("/directory/administrativeUnits", name, "administrative unit"), {}
  for member in graph.list(graph.path("/directory/administrativeUnits/{id}/members", unit.id), {
    top = 999, what = ("read the members of the unit '%s'"):format(name),
  }) do
    local type_name = member["@odata.type"]
    if type_name == nil or type_name == "#microsoft.graph.user" then ids[#ids + 1] = member.id end
  end
  return (graph.by_ids(ids, { types = { "user" }, select = M.SELECT, what = "read the accounts in the unit" }))
end

return M
