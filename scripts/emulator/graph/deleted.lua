--- /directory/deletedItems: what was deleted in the last 30 days (Microsoft Learn:
--- directory-deleteditems-list, -get, -restore, -delete).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local query = require "emulator.query"

local M = {}

-- The call whose permission a change to a deleted object of the type needs.
local CHANGES = {
  application = "DELETE /applications/{id}", servicePrincipal = "DELETE /serviceprincipals/{id}",
  user = "DELETE /users/{id}", group = "DELETE /groups/{id}",
}

local function need_change(ctx, item)
  access.need(ctx, CHANGES[item.type])
  if item.type ~= "user" and item.type ~= "group" then access.need_application(ctx, item.row) end
end

local function list(type_name)
  return function(ctx)
    local source = query.source(ctx.tenant.deleted, { only = function(item) return item.type == type_name end,
      dress = function(item) return item.row end })
    ctx.collection = "directoryObjects/microsoft.graph." .. type_name
    return query.list(ctx, type_name, source)
  end
end

local function find(ctx, id)
  return ctx.tenant.deleted:get(id:lower(), ctx.at) or answer.missing(id)
end

local function show(ctx, kind, row)
  local body = query.object(ctx, kind, row)
  body["@odata.context"] = ctx:context("directoryObjects/$entity")
  return 200, body
end

local function get(ctx, id)
  local item = find(ctx, id)
  return show(ctx, item.type, item.row)
end

local function restore(ctx, id)
  local item = find(ctx, id)
  need_change(ctx, item)
  ctx.tenant:exhume(item)
  return show(ctx, item.type, ctx.tenant:newest(item.type, item.row.id))
end

local function erase(ctx, id)
  local item = find(ctx, id)
  need_change(ctx, item)
  ctx.tenant.deleted:drop(item.row.id)
  return 204
end

M.routes = {
  ["GET /directory/deletedItems/microsoft.graph.application"] = list("application"),
  ["GET /directory/deletedItems/microsoft.graph.servicePrincipal"] = list("servicePrincipal"),
  ["GET /directory/deletedItems/microsoft.graph.user"] = list("user"),
  ["GET /directory/deletedItems/microsoft.graph.group"] = list("group"),
  ["GET /directory/deletedItems/{id}"] = get,
  ["DELETE /directory/deletedItems/{id}"] = erase,
  ["POST /directory/deletedItems/{id}/restore"] = restore,
}

return M
