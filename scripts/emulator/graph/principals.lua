--- /servicePrincipals (Microsoft Learn: serviceprincipal-post-serviceprincipals,
--- serviceprincipal-upsert 2026-03-14; refusals: terraform's azuread provider,
--- service_principal_resource.go).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local directory = require "emulator.tenant.directory"
local head = require "emulator.graph.head"
local json = require "json"
local object_size = require "emulator.graph.object_size"
local query = require "emulator.query"
local schema = require "emulator.schema"
local time = require "time"

local M = {}

--- The service principal of a path segment: object id or {appId = …}.
---@param ctx emulator.context
---@param key string|table
---@return table
function M.visible(ctx, key)
  local row
  if type(key) == "table" then
    if not key.appId then
      answer.bad_query("The key '%s' is not an alternate key of 'microsoft.graph.servicePrincipal'.",
        tostring(next(key)))
    end
    row = ctx.tenant:principal_of(key.appId, ctx.at)
  else
    row = ctx.tenant.service_principals:get(key:lower(), ctx.at)
  end
  return row or answer.missing(type(key) == "table" and key.appId or key)
end

local function dressed(ctx)
  return function(row)
    return setmetatable({
      passwordCredentials = applications.credentials_of(ctx, row),
      appRoleAssignmentRequired = row.appRoleAssignmentRequired or false,
      info = applications.no_info(), verifiedPublisher = applications.no_publisher(),
    }, { __index = row })
  end
end

local function assignments(ctx, property)
  return function(row)
    local list = json.array {}
    for _, assignment in ctx.tenant.app_role_assignments:scan(ctx.at) do
      if assignment[property] == row.id and #list < 20 then
        list[#list + 1] = schema.show("appRoleAssignment", assignment)
      end
    end
    return list
  end
end

local function source(ctx)
  return query.source(ctx.tenant.service_principals, {
    dress = dressed(ctx),
    expand = {
      appRoleAssignments = assignments(ctx, "principalId"),
      appRoleAssignedTo = assignments(ctx, "resourceId"),
    },
  })
end

local function list(ctx)
  return query.list(ctx, "servicePrincipal", source(ctx))
end

local function count(ctx)
  return query.count(ctx, "servicePrincipal", source(ctx))
end

local function get(ctx, key)
  return query.entity(ctx, "servicePrincipal", M.visible(ctx, key), source(ctx))
end

local function check(body, allowed)
  local refusal = schema.refusal("servicePrincipal", body, allowed)
  if refusal then answer.bad("%s", refusal) end
end

--- The application for which a service principal is created. It may not have been replicated yet; then an application
--- as caller gets a misleading text.
local function backing(ctx, app_id)
  local application = ctx.tenant:application_of(app_id, ctx.at)
  if application then return application end
  if not access.is_person(ctx) then
    answer.refuse(403, "Authorization_RequestDenied", "When using this permission, the backing application of the "
      .. "service principal being created must in the local tenant")
  end
  answer.bad("The appId '%s' of the service principal does not reference a valid application object.", app_id)
end

local function create(ctx, app_id)
  local application = backing(ctx, app_id)
  access.need_application(ctx, application)
  local id = directory.new_id(ctx.tenant)
  local row = ctx.tenant:principal_row(id, application)
  for name, value in pairs(ctx.body) do
    if not name:find("@odata.", 1, true) then row[name] = value end
  end
  row.appId = application.appId
  row.createdDateTime = time.iso(ctx:now())
  row._owners, row._owned_from = { [ctx.caller.oid] = true }, ctx.tenant:ownership_from()
  ctx.tenant.service_principals:put(id, row)
  local _, shown = query.entity(ctx, "servicePrincipal", row, { dress = dressed(ctx) })
  return 201, shown, head.created(ctx, "ServicePrincipal", id)
end

local function post(ctx)
  local app_id = type(ctx.body.appId) == "string" and ctx.body.appId:lower()
  if not app_id then answer.bad("A value is required for property 'appId' of resource 'ServicePrincipal'.") end
  check(ctx.body)
  if ctx.tenant:principal_of(app_id) then
    answer.same_key(ctx.tenant, ("The service principal cannot be created, updated, or restored because the service "
      .. "principal name %s is already in use."):format(app_id))
  end
  return create(ctx, app_id)
end

local function change(ctx, row)
  access.need_application(ctx, row)
  local changes = {}
  for name, value in pairs(ctx.body) do
    if name ~= "appId" and not name:find("@odata.", 1, true) then changes[name] = value end
  end
  object_size.check(ctx, row.id, changes)
  ctx.tenant.service_principals:change(row.id, changes)
  return 204
end

--- PATCH /servicePrincipals(appId='x') with Prefer: create-if-missing: 201 or 204.
local function upsert(ctx, app_id)
  local row = ctx.tenant:principal_of(app_id)
  check(ctx.body)
  if row then return change(ctx, row) end
  if not ctx:may_create() then answer.missing(app_id) end
  return create(ctx, app_id:lower())
end

local function patch(ctx, key)
  if type(key) == "table" and key.appId then return upsert(ctx, key.appId) end
  check(ctx.body)
  return change(ctx, M.visible(ctx, key))
end

local function delete(ctx, key)
  local row = M.visible(ctx, key)
  access.need_application(ctx, row)
  ctx.tenant:bury("servicePrincipal", row)
  return 204
end

local function owners(ctx, key)
  local ids = {}
  for id in pairs(M.visible(ctx, key)._owners or {}) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  return applications.list_objects(ctx, ids)
end

query.dress("servicePrincipal", dressed)

M.routes = {
  ["GET /servicePrincipals"] = list,
  ["GET /servicePrincipals/$count"] = count,
  ["POST /servicePrincipals"] = post,
  ["GET /servicePrincipals/{id}"] = get,
  ["PATCH /servicePrincipals/{id}"] = patch,
  ["DELETE /servicePrincipals/{id}"] = delete,
  ["GET /servicePrincipals/{id}/owners"] = owners,
}

return M
