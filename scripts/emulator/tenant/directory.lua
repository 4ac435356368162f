--- Who is in which group and holds which role, as it is visible at a moment.

local random = require "emulator.random"

local M = {}

local NONE = { list = {}, set = {}, out = {}, owners = {} } -- the members of a group that nobody changed

--- The numbers of the crowd's users in a group: first, step, last; nil when there are none.
local function crowd_range(tenant, group_id)
  local users = tenant.users.crowd.size
  if group_id == tenant.everybody then return 1, 1, users end
  local n = tenant.groups.crowd.number(group_id)
  if n and n <= tenant.groups.crowd.size then return n, tenant.groups.crowd.size, users end
end

--- The direct members of a group from a position on: position, id.
---@param tenant emulator.tenant
---@param group_id string
---@param at number
---@param from integer?
---@return fun(): integer?, string?
function M.members(tenant, group_id, at, from)
  local row = tenant.members:get(group_id, at) or NONE
  local first, step, last = crowd_range(tenant, group_id)
  local place = (from or 1) - 1
  return function()
    while true do
      place = place + 1
      if row.list[place] then return place, row.list[place] end
      local n = first and first + (place - #row.list - 1) * step
      if not n or n > last then return nil end
      local id = tenant.users.crowd.id(n)
      if not row.out[id] then return place, id end
    end
  end
end

--- Is the object a user of the crowd that belongs to the group by its number?
---@return boolean
function M.in_crowd(tenant, group_id, id)
  local first, step, last = crowd_range(tenant, group_id)
  local n = first and tenant.users.crowd.number(id)
  return n ~= nil and n <= last and (n - first) % step == 0
end

--- Is the object a direct member of the group?
---@return boolean
function M.is_member(tenant, group_id, id, at)
  local row = tenant.members:get(group_id, at) or NONE
  return row.set[id] or M.in_crowd(tenant, group_id, id) and not row.out[id] or false
end

local function crowd_groups(tenant, id, at)
  local n = tenant.users.crowd.number(id)
  if not n or n > tenant.users.crowd.size then return {} end
  local found = {}
  local groups = tenant.groups.crowd
  local mine = groups.size > 0 and groups.id((n - 1) % groups.size + 1)
  for _, group_id in ipairs { mine or nil, tenant.everybody } do
    if M.is_member(tenant, group_id, id, at) then found[#found + 1] = group_id end
  end
  return found
end

--- The groups that an object is a direct member of.
---@return string[] ids
function M.groups(tenant, id, at)
  local found = {}
  for _, group_id in ipairs(tenant.members.order) do
    local row = tenant.members:get(group_id, at)
    if row and row.set[id] and tenant.groups:get(group_id, at) then found[#found + 1] = group_id end
  end
  table.move(crowd_groups(tenant, id, at), 1, 2, #found + 1, found)
  return found
end

--- The groups that an object is in, directly or through groups.
---@return string[] ids
function M.all_groups(tenant, id, at)
  local found, seen, next_one = { id }, { [id] = true }, 1
  while found[next_one] do
    for _, group_id in ipairs(M.groups(tenant, found[next_one], at)) do
      if not seen[group_id] then
        seen[group_id] = true
        found[#found + 1] = group_id
      end
    end
    next_one = next_one + 1
  end
  table.remove(found, 1)
  return found
end

local function nested_groups(tenant, group_id, at)
  local found, seen, next_one = { group_id }, { [group_id] = true }, 1
  while found[next_one] do
    local row = tenant.members:get(found[next_one], at) or NONE
    for _, id in ipairs(row.list) do
      if not seen[id] and tenant.groups:get(id, at) then
        seen[id] = true
        found[#found + 1] = id
      end
    end
    next_one = next_one + 1
  end
  return found
end

local function deduplicated(tenant, groups, at)
  local list, seen = {}, {}
  for _, group_id in ipairs(groups) do
    for _, id in M.members(tenant, group_id, at) do
      if not seen[id] then list[#list + 1] = id end
      seen[id] = true
    end
  end
  return list
end

--- The members of a group and of its nested groups, each once, from a position on: position, id.
---@return fun(): integer?, string?
function M.all_members(tenant, group_id, at, from)
  local groups = nested_groups(tenant, group_id, at)
  if #groups == 1 then return M.members(tenant, group_id, at, from) end
  local list, place = deduplicated(tenant, groups, at), (from or 1) - 1
  return function()
    place = place + 1
    if list[place] then return place, list[place] end
  end
end

--- Is the object a member or an owner of a role-assignable group?
---@return boolean
function M.in_role_group(tenant, id, at)
  for _, group_id in ipairs(M.groups(tenant, id, at)) do
    if tenant.groups:get(group_id, at).isAssignableToRole then return true end
  end
  for _, group_id in ipairs(tenant.members.order) do
    local group = tenant.groups:get(group_id, at)
    if group and group.isAssignableToRole and (tenant.members:get(group_id, at) or NONE).owners[id] then return true end
  end
  return false
end

local function add_assignments(tenant, collection, principal, at, found)
  for _, row in tenant[collection]:scan(at, 1, { "principalId", principal }) do
    if row.principalId == principal then found[#found + 1] = row end
  end
end

--- The role assignments (or eligibilities) of a principal: its own and those of its role-assignable groups.
---@param collection "role_assignments"|"role_eligibilities"
---@return table[]
function M.assignments(tenant, collection, principal, at)
  local found = {}
  add_assignments(tenant, collection, principal, at, found)
  for _, group_id in ipairs(M.groups(tenant, principal, at)) do
    if tenant.groups:get(group_id, at).isAssignableToRole then
      add_assignments(tenant, collection, group_id, at, found)
    end
  end
  return found
end

--- Template ids of the roles a principal holds at a scope.
---@param scope string? "/"
---@return string[]
function M.roles(tenant, principal, at, scope)
  local found, seen = {}, {}
  for _, row in ipairs(M.assignments(tenant, "role_assignments", principal, at)) do
    if row.directoryScopeId == (scope or "/") and not seen[row.roleDefinitionId] then
      seen[row.roleDefinitionId] = true
      found[#found + 1] = row.roleDefinitionId
    end
  end
  return found
end

--- The object of a directory role in this tenant: its id is another than its template's (Microsoft Learn:
--- directoryRole).
---@param template string
---@return table
function M.role_object(tenant, template)
  local name = tenant.role_names[template]
  return { id = tenant.role_objects[template], roleTemplateId = template, displayName = name, description = name }
end

--- The ids of the directory roles that an object is a member of at the scope of the tenant.
---@param all boolean through groups too
---@return string[]
function M.role_memberships(tenant, id, at, all)
  local found = {}
  if all then
    for i, template in ipairs(M.roles(tenant, id, at)) do found[i] = tenant.role_objects[template] end
    return found
  end
  for _, row in tenant.role_assignments:scan(at, 1, { "principalId", id }) do
    if row.principalId == id and row.directoryScopeId == "/" then
      found[#found + 1] = tenant.role_objects[row.roleDefinitionId]
    end
  end
  return found
end

--- The ids of the groups and directory roles that an object is a member of.
---@param all boolean through groups too
---@return string[]
function M.memberships(tenant, id, at, all)
  local ids = (all and M.all_groups or M.groups)(tenant, id, at)
  local roles = M.role_memberships(tenant, id, at, all)
  return table.move(roles, 1, #roles, #ids + 1, ids)
end

--- The security identifier of an object: its id as four numbers (in each recorded group; the form: Microsoft Learn,
--- assign-local-admin).
---@param id string
---@return string
function M.security_identifier(id)
  local bytes = id:gsub("-", ""):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)
  local a, b, c = (">I4I2I2"):unpack(bytes)
  local d, e = ("<I4I4"):unpack(bytes, 9)
  return ("S-1-12-1-%d-%d-%d-%d"):format(a, c << 16 | b, d, e)
end

--- A security group's row with the members that the service fills in (recorded 2023).
---@param row table with id and createdDateTime
---@return table row
function M.group_row(row)
  row.renewedDateTime, row.securityIdentifier = row.createdDateTime, M.security_identifier(row.id)
  return row
end

local KINDS = { "users", "groups", "service_principals", "applications", "devices" }
local TYPES = { users = "user", groups = "group", service_principals = "servicePrincipal",
  applications = "application", devices = "device" }

--- The directory object with this id, of any type.
---@return table? row, string? type "user", "group", "servicePrincipal", "application", "device", "directoryRole"
function M.object(tenant, id, at)
  if tenant.role_templates[id] then return M.role_object(tenant, tenant.role_templates[id]), "directoryRole" end
  for _, kind in ipairs(KINDS) do
    local row = tenant[kind]:get(id, at)
    if row then return row, TYPES[kind] end
  end
end

--- A new object's GUID.
---@return string
function M.new_id(tenant)
  tenant.made = tenant.made + 1
  return random.guid(tenant.seed, "made", tenant.made)
end

--- A new id of 43 letters, as assignments and grants have them.
---@return string
function M.new_long_id(tenant)
  tenant.made = tenant.made + 1
  return random.long_id(tenant.seed, "made", tenant.made)
end

--- Is the object in a restricted management administrative unit (CSDL: isManagementRestricted)?
---@param tenant emulator.tenant
---@param id string
---@param at number
---@return boolean
function M.is_restricted(tenant, id, at)
  for _, unit in tenant.units:scan(at) do
    if unit.isMemberManagementRestricted and unit._members[id] then return true end
  end
  return false
end

return M
