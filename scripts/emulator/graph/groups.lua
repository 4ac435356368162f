--- /groups and their members (Microsoft Learn: group-list-members, group-list-transitivemembers, group-post-members,
--- group-post-groups, group-delete).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local head = require "emulator.graph.head"
local json = require "json"
local query = require "emulator.query"
local schema = require "emulator.schema"
local time = require "time"

local M = {}

--- The group of a path segment.
---@param ctx emulator.context
---@param key string
---@return table
function M.find(ctx, key)
  local row = type(key) == "string" and ctx.tenant.groups:get(key:lower(), ctx.at)
  return row or answer.missing(key)
end

local function expand_members(ctx, walk)
  return function(row)
    local list = json.array {}
    for _, id in walk(ctx.tenant, row.id, ctx.at) do
      if #list == 20 then break end
      local object, type_name = directory.object(ctx.tenant, id, ctx.at)
      if object then list[#list + 1] = query.object(ctx, type_name, object) end
    end
    return list
  end
end

local function source(ctx)
  return query.source(ctx.tenant.groups, {
    expand = {
      members = expand_members(ctx, directory.members),
      transitiveMembers = expand_members(ctx, directory.all_members),
    },
  })
end

local function list(ctx)
  return query.list(ctx, "group", source(ctx))
end

local function count(ctx)
  return query.count(ctx, "group", source(ctx))
end

local function get(ctx, key)
  return query.entity(ctx, "group", M.find(ctx, key), source(ctx))
end

local function members(walk, only)
  return function(ctx, key)
    local group = M.find(ctx, key)
    local objects = query.objects(ctx, function(at, from) return walk(ctx.tenant, group.id, at, from) end, only)
    ctx.collection = only and only .. "s" or "directoryObjects"
    return query.list(ctx, only or "directoryObject", objects)
  end
end

local function owners(ctx, key)
  local group, ids = M.find(ctx, key), {}
  local row = ctx.tenant.members:get(group.id, ctx.at)
  for id in pairs(row and row.owners or {}) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  ctx.collection = "directoryObjects"
  return query.list(ctx, "directoryObject", query.objects(ctx, function(_, from)
    local place = from - 1
    return function()
      place = place + 1
      if ids[place] then return place, ids[place] end
    end
  end))
end

--- The object id in {"@odata.id": ".../directoryObjects/<id>"}.
---@param ctx emulator.context
---@return string
function M.reference(ctx)
  local id = tostring(ctx.body["@odata.id"] or ""):match("/(%x+%-%x+%-%x+%-%x+%-%x+)$")
  if not id then answer.bad("A value is required for property '@odata.id'.") end
  local row = directory.object(ctx.tenant, id:lower(), ctx.at)
  return row and row.id or answer.missing(id)
end

local function add(ctx, key)
  local group, id = M.find(ctx, key), M.reference(ctx)
  if directory.is_member(ctx.tenant, group.id, id, math.huge) then
    answer.bad("One or more added object references already exist for the following modified properties: 'members'.")
  end
  ctx.tenant:change_members(group.id, id, true)
  return 204
end

local function remove(ctx, key, id)
  local group = M.find(ctx, key)
  if not directory.is_member(ctx.tenant, group.id, id, math.huge) then answer.missing(id) end
  ctx.tenant:change_members(group.id, id, false)
  return 204
end

---------------------------------------------------------------------------
-- Creating, changing, deleting

local REQUIRED = { "displayName", "mailEnabled", "mailNickname", "securityEnabled" }
local ROLES = { "Global Administrator", "Groups Administrator", "User Administrator" }
local ROLE_GROUPS = { "Global Administrator", "Privileged Role Administrator" }

local function check(body)
  local refusal = schema.refusal("group", body)
  if refusal then answer.bad("%s", refusal) end
end

--- Only who may assign roles may create or change a role-assignable group (Microsoft Learn: groups-concept).
local function need_role_group(ctx, group)
  if group.isAssignableToRole == true then access.need_role(ctx, ROLE_GROUPS) end
end

local function create(ctx)
  check(ctx.body)
  for _, name in ipairs(REQUIRED) do
    if ctx.body[name] == nil or ctx.body[name] == json.null or ctx.body[name] == "" then
      answer.bad("A value is required for property '%s' of resource 'Group'.", name)
    end
  end
  need_role_group(ctx, ctx.body)
  local row = { groupTypes = json.array {} }
  for name, value in pairs(ctx.body) do row[name] = value end
  row.id, row.createdDateTime = directory.new_id(ctx.tenant), time.iso(ctx:now())
  ctx.tenant.groups:put(row.id, directory.group_row(row))
  if access.is_person(ctx) then
    ctx.tenant.members:put(row.id, { list = {}, set = {}, out = {}, owners = { [ctx.caller.oid] = true } })
  end
  local _, shown = query.entity(ctx, "group", row)
  return 201, shown, head.created(ctx, "Group", row.id)
end

local function may_change(ctx, key)
  local group = M.find(ctx, key)
  local who = ctx.tenant.members:get(group.id, ctx.at)
  if not (who and who.owners[ctx.caller.oid]) then
    access.need_role(ctx, ROLES)
    need_role_group(ctx, group)
  end
  return group
end

local function change_owner(ctx, group, id, owner)
  local who = ctx.tenant.members:get(group.id, ctx.at)
  local is_owner = who ~= nil and who.owners[id] == true
  if owner and is_owner then
    answer.bad("One or more added object references already exist for the following modified properties: 'owners'.")
  elseif not owner and not is_owner then
    answer.missing(id)
  end
  ctx.tenant:add_owner(group.id, id, not owner)
  return 204
end

local function add_owner(ctx, key)
  return change_owner(ctx, may_change(ctx, key), M.reference(ctx), true)
end

local function remove_owner(ctx, key, id)
  return change_owner(ctx, may_change(ctx, key), id:lower(), false)
end

local function update(ctx, key)
  check(ctx.body)
  ctx.tenant.groups:change(may_change(ctx, key).id, ctx.body)
  return 204
end

local function delete(ctx, key)
  ctx.tenant:bury("group", may_change(ctx, key))
  return 204
end

M.routes = {
  ["GET /groups"] = list,
  ["POST /groups"] = create,
  ["PATCH /groups/{id}"] = update,
  ["DELETE /groups/{id}"] = delete,
  ["GET /groups/$count"] = count,
  ["GET /groups/{id}"] = get,
  ["GET /groups/{id}/members"] = members(directory.members),
  ["GET /groups/{id}/members/microsoft.graph.user"] = members(directory.members, "user"),
  ["GET /groups/{id}/transitiveMembers"] = members(directory.all_members),
  ["GET /groups/{id}/transitiveMembers/microsoft.graph.user"] = members(directory.all_members, "user"),
  ["GET /groups/{id}/owners"] = owners,
  ["POST /groups/{id}/owners/$ref"] = add_owner,
  ["DELETE /groups/{id}/owners/{id}/$ref"] = remove_owner,
  ["POST /groups/{id}/members/$ref"] = add,
  ["DELETE /groups/{id}/members/{id}/$ref"] = remove,
}

return M
