--- App role assignments and delegated grants: consent (Microsoft Learn:
--- serviceprincipal-post-approleassignedto, oauth2permissiongrant-post;
--- refusals: terraform's azuread provider, app_role_assignment_resource.go).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local groups = require "emulator.graph.groups"
local json = require "json"
local moments = require "emulator.moments"
local principals = require "emulator.graph.principals"
local query = require "emulator.query"
local schema = require "emulator.schema"
local users = require "emulator.graph.users"

local M = {}

local function only(property, id)
  return function(row) return row[property] == id end
end

local LISTS = { principalId = "appRoleAssignments", resourceId = "appRoleAssignedTo" }

local function assignments(property)
  return function(ctx, key)
    local row = principals.visible(ctx, key)
    ctx.collection = ("servicePrincipals('%s')/%s"):format(row.id, LISTS[property])
    local source = query.source(ctx.tenant.app_role_assignments, { only = only(property, row.id) })
    return query.list(ctx, "appRoleAssignment", source)
  end
end

local function role_of(resource, id)
  for _, role in ipairs(resource.appRoles or {}) do
    if role.id == id then return role end
  end
end

--- A grant of Graph's own roles needs a Privileged Role Administrator or Global Administrator; a grant of another
--- resource's roles may also be made by an application administrator.
local function need_grant_role(ctx, resource)
  access.need_role(ctx, resource.id == ctx.tenant.graph.id and access.GRANT_ROLES
    or { "Global Administrator", "Privileged Role Administrator", "Application Administrator",
      "Cloud Application Administrator" })
end

local NO_ROLE = "00000000-0000-0000-0000-000000000000" -- "default access"

local function check_new(ctx, principal_id, resource, role_id)
  if role_id ~= NO_ROLE and not role_of(resource, role_id) then
    answer.bad("Permission being assigned was not found on application '%s'.", resource.appId)
  end
  local taken = ctx.tenant.app_role_assignments:find(function(row)
    return row.principalId == principal_id and row.resourceId == resource.id and row.appRoleId == role_id
  end)
  if taken then answer.bad("Permission being assigned already exists on the object") end
end

local function id_in(body, property)
  local value = body[property]
  if type(value) ~= "string" then
    answer.bad("A value is required for property '%s' of resource 'AppRoleAssignment'.", property)
  end
  return value:lower()
end

local PRINCIPAL_TYPES = { user = "User", group = "Group", servicePrincipal = "ServicePrincipal" }

local function grant(ctx, principal_id, resource_id, context)
  local role_id = id_in(ctx.body, "appRoleId")
  local resource = ctx.tenant.service_principals:get(resource_id, ctx.at) or answer.missing(resource_id)
  local principal, type_name = directory.object(ctx.tenant, principal_id, ctx.at)
  if not principal then answer.bad("Not a valid reference update.") end
  need_grant_role(ctx, resource)
  check_new(ctx, principal_id, resource, role_id)
  local row = { id = directory.new_long_id(ctx.tenant), principalId = principal_id,
    resourceId = resource.id, appRoleId = role_id, principalType = PRINCIPAL_TYPES[type_name],
    principalDisplayName = principal.displayName, resourceDisplayName = resource.displayName,
    createdDateTime = moments.ticks(ctx:now()) }
  ctx.tenant.app_role_assignments:put(row.id, row)
  return query.entity(ctx, "appRoleAssignment", row, nil, context)
end

local function created(status, body)
  return status and 201, body
end

-- "servicePrincipals('<id>')/appRoleAssignments/$entity" (recorded 2020).
local function one_of(id, list)
  return ("servicePrincipals('%s')/%s/$entity"):format(id, list)
end

local function assign_to(ctx, key)
  local resource = principals.visible(ctx, key)
  if id_in(ctx.body, "resourceId") ~= resource.id then answer.bad("Not a valid reference update.") end
  return created(grant(ctx, id_in(ctx.body, "principalId"), resource.id,
    one_of(resource.id, "appRoleAssignedTo")))
end

local function assign(ctx, key)
  local principal = principals.visible(ctx, key)
  if id_in(ctx.body, "principalId") ~= principal.id then answer.bad("Not a valid reference update.") end
  return created(grant(ctx, principal.id, id_in(ctx.body, "resourceId"), one_of(principal.id, "appRoleAssignments")))
end

local function assignment(ctx, property, key, id)
  local principal = principals.visible(ctx, key)
  local row = ctx.tenant.app_role_assignments:get(id, ctx.at)
  if not row or row[property] ~= principal.id then answer.missing(id) end
  return row
end

local function get(property)
  return function(ctx, key, id)
    local row = assignment(ctx, property, key, id)
    return query.entity(ctx, "appRoleAssignment", row, nil, one_of(row[property], LISTS[property]))
  end
end

local function revoke(property)
  return function(ctx, key, id)
    local row = assignment(ctx, property, key, id)
    need_grant_role(ctx, ctx.tenant.service_principals:newest(row.resourceId) or { id = row.resourceId })
    ctx.tenant.app_role_assignments:drop(id)
    return 204
  end
end

-- The app roles that a user or a group has.
local function roles_of(kind, find)
  return function(ctx, key)
    local row = find(ctx, key)
    ctx.collection = ("%s('%s')/appRoleAssignments"):format(kind, row.id)
    return query.list(ctx, "appRoleAssignment", query.source(ctx.tenant.app_role_assignments,
      { only = only("principalId", row.id) }))
  end
end

---------------------------------------------------------------------------
-- Delegated grants

local CONSENT_ROLES = { "Global Administrator", "Privileged Role Administrator", "Application Administrator",
  "Cloud Application Administrator" }

local function list_grants(ctx)
  return query.list(ctx, "oAuth2PermissionGrant", query.source(ctx.tenant.grants))
end

local function grants_of(ctx, key)
  local row = principals.visible(ctx, key)
  return query.list(ctx, "oAuth2PermissionGrant", query.source(ctx.tenant.grants, { only = only("clientId", row.id) }))
end

local function grants_for(ctx, key)
  local user = users.find(ctx, key)
  return query.list(ctx, "oAuth2PermissionGrant",
    query.source(ctx.tenant.grants, { only = only("principalId", user.id) }))
end

local function visible_grant(ctx, id)
  return ctx.tenant.grants:get(id, ctx.at) or answer.missing(id)
end

local function check_grant(ctx, body)
  local refusal = schema.refusal("oAuth2PermissionGrant", body)
  if refusal then answer.bad("%s", refusal) end
  local client = ctx.tenant.service_principals:get(tostring(body.clientId), ctx.at)
  local resource = ctx.tenant.service_principals:get(tostring(body.resourceId), ctx.at)
  if not client or not resource then answer.missing(client and body.resourceId or body.clientId) end
  if body.consentType ~= "AllPrincipals" and body.consentType ~= "Principal" then
    answer.bad("Invalid value specified for property 'consentType' of resource 'OAuth2PermissionGrant'.")
  end
end

local function post_grant(ctx)
  local body = ctx.body
  access.need_role(ctx, CONSENT_ROLES)
  check_grant(ctx, body)
  local principal = body.consentType == "Principal" and body.principalId or json.null
  local taken = ctx.tenant.grants:find(function(row)
    return row.clientId == body.clientId and row.resourceId == body.resourceId and row.principalId == principal
  end)
  if taken then answer.same_key(ctx.tenant, "Permission entry already exists.") end
  local id = directory.new_long_id(ctx.tenant)
  local row = { id = id, clientId = body.clientId, resourceId = body.resourceId, consentType = body.consentType,
    principalId = principal, scope = body.scope or "" }
  ctx.tenant.grants:put(id, row)
  return created(query.entity(ctx, "oAuth2PermissionGrant", row))
end

local function get_grant(ctx, id)
  return query.entity(ctx, "oAuth2PermissionGrant", visible_grant(ctx, id))
end

local function patch_grant(ctx, id)
  visible_grant(ctx, id)
  access.need_role(ctx, CONSENT_ROLES)
  if type(ctx.body.scope) ~= "string" then
    answer.bad("A value is required for property 'scope' of resource 'OAuth2PermissionGrant'.")
  end
  ctx.tenant.grants:change(id, { scope = ctx.body.scope })
  return 204
end

local function delete_grant(ctx, id)
  visible_grant(ctx, id)
  access.need_role(ctx, CONSENT_ROLES)
  ctx.tenant.grants:drop(id)
  return 204
end

M.routes = {
  ["GET /servicePrincipals/{id}/appRoleAssignedTo"] = assignments("resourceId"),
  ["POST /servicePrincipals/{id}/appRoleAssignedTo"] = assign_to,
  ["GET /servicePrincipals/{id}/appRoleAssignedTo/{id}"] = get("resourceId"),
  ["DELETE /servicePrincipals/{id}/appRoleAssignedTo/{id}"] = revoke("resourceId"),
  ["GET /servicePrincipals/{id}/appRoleAssignments"] = assignments("principalId"),
  ["POST /servicePrincipals/{id}/appRoleAssignments"] = assign,
  ["GET /servicePrincipals/{id}/appRoleAssignments/{id}"] = get("principalId"),
  ["DELETE /servicePrincipals/{id}/appRoleAssignments/{id}"] = revoke("principalId"),
  ["GET /servicePrincipals/{id}/oauth2PermissionGrants"] = grants_of,
  ["GET /users/{id}/appRoleAssignments"] = roles_of("users", users.find),
  ["GET /groups/{id}/appRoleAssignments"] = roles_of("groups", groups.find),
  ["GET /users/{id}/oauth2PermissionGrants"] = grants_for,
  ["GET /oauth2PermissionGrants"] = list_grants,
  ["POST /oauth2PermissionGrants"] = post_grant,
  ["GET /oauth2PermissionGrants/{id}"] = get_grant,
  ["PATCH /oauth2PermissionGrants/{id}"] = patch_grant,
  ["DELETE /oauth2PermissionGrants/{id}"] = delete_grant,
}

return M
