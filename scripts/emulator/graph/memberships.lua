--- What an object is a member of: groups and directory roles (Microsoft Learn: user-list-memberof,
--- user-list-transitivememberof, directoryobject-getmembergroups, directoryobject-checkmembergroups).

local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local directory = require "emulator.tenant.directory"
local groups = require "emulator.graph.groups"
local head = require "emulator.graph.head"
local json = require "json"
local principals = require "emulator.graph.principals"
local users = require "emulator.graph.users"

local M = {}

---@param find fun(ctx: emulator.context, key: any): table
---@param all boolean through groups too
---@param only string? a cast: "group"
local function memberships(find, all, only)
  return function(ctx, key)
    local ids = directory.memberships(ctx.tenant, find(ctx, key).id, ctx.at, all)
    return applications.list_objects(ctx, ids, only)
  end
end

local function strings(ctx, list)
  return 200, { ["@odata.context"] = ctx:context("Collection(Edm.String)"), value = json.array(list) }, head.acted(ctx)
end

-- securityEnabledOnly: every group here is a security group.
local function member_groups(find)
  return function(ctx, key) return strings(ctx, directory.all_groups(ctx.tenant, find(ctx, key).id, ctx.at)) end
end

local function check_member_groups(find)
  return function(ctx, key)
    local asked = ctx.body.groupIds
    if not json.is_array(asked) then answer.bad("A value is required for parameter 'groupIds'.") end
    local member, found = {}, {}
    for _, id in ipairs(directory.all_groups(ctx.tenant, find(ctx, key).id, ctx.at)) do member[id] = true end
    for _, id in ipairs(asked) do
      if member[tostring(id):lower()] then found[#found + 1] = id end
    end
    return strings(ctx, found)
  end
end

local function owned(find)
  return function(ctx, key)
    local owner, ids = find(ctx, key), {}
    for _, kind in ipairs { "applications", "service_principals" } do
      for _, row in ctx.tenant[kind]:scan(ctx.at) do
        if row._owners and row._owners[owner.id] then ids[#ids + 1] = row.id end
      end
    end
    return applications.list_objects(ctx, ids)
  end
end

local function any_object(ctx, id)
  return (directory.object(ctx.tenant, tostring(id):lower(), ctx.at)) or answer.missing(id)
end

M.routes = {
  ["GET /me/ownedObjects"] = owned(users.me),
  ["GET /users/{id}/ownedObjects"] = owned(users.find),
  ["GET /servicePrincipals/{id}/ownedObjects"] = owned(principals.visible),
}

for path, find in pairs { ["/users/{id}"] = users.find, ["/directoryObjects/{id}"] = any_object } do
  M.routes[("POST %s/getMemberGroups"):format(path)] = member_groups(find)
  M.routes[("POST %s/checkMemberGroups"):format(path)] = check_member_groups(find)
end

for path, find in pairs { ["/users/{id}"] = users.find, ["/groups/{id}"] = groups.find, ["/me"] = users.me,
  ["/servicePrincipals/{id}"] = principals.visible } do
  M.routes[("GET %s/memberOf"):format(path)] = memberships(find, false)
  M.routes[("GET %s/transitiveMemberOf"):format(path)] = memberships(find, true)
  M.routes[("GET %s/memberOf/microsoft.graph.group"):format(path)] = memberships(find, false, "group")
  M.routes[("GET %s/transitiveMemberOf/microsoft.graph.group"):format(path)] = memberships(find, true, "group")
end

return M
