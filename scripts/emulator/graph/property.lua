--- One property of an object: /servicePrincipals/{id}/oauth2PermissionScopes (OData 4.01 part 2, 4.6). cli-microsoft365
--- reads permissions so.

local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local groups = require "emulator.graph.groups"
local json = require "json"
local principals = require "emulator.graph.principals"
local query = require "emulator.query"
local schema = require "emulator.schema"
local users = require "emulator.graph.users"

local M = {}

local function property(type_name, find)
  return function(ctx, key, name)
    local row, spelt = find(ctx, key), schema.spelling(type_name, name)
    local known = spelt and schema.property(type_name, spelt)
    if not known or known.navigation then answer.bad_query("Resource not found for the segment '%s'.", name) end
    local value = schema.show(type_name, query.dresser(ctx, type_name)(row), { spelt })[spelt]
    if value == nil or value == json.null then return 204 end
    return 200, { ["@odata.context"] = ctx:context(("%ss('%s')/%s"):format(type_name, row.id, spelt)), value = value }
  end
end

M.routes = {
  ["GET /applications/{id}/{property}"] = property("application", applications.visible),
  ["GET /groups/{id}/{property}"] = property("group", groups.find),
  ["GET /servicePrincipals/{id}/{property}"] = property("servicePrincipal", principals.visible),
  ["GET /users/{id}/{property}"] = property("user", users.find),
}

return M
