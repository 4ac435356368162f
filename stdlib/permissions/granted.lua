--- Read what we may do at Graph: the permissions in the token, the permissions with consent, the permissions that the
--- application asks for, and our directory roles. A function returns nil and the reason when we may not read them.

local api_permissions = require "entra.api_permissions"
local fail = require "fail"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"
local oauth = require "oauth.sign_in"
local sets = require "base.sets"
local traceback = require "base.traceback"

local M = {}

---@class permissions.holder the principal of the token in use
---@field principal oauth.principal
---@field kind graph.required.kind
---@field token table<string, boolean> permissions in the token

--- The principal of the token in use, and its permissions. Waits.
---@return permissions.holder
function M.holder_of_token()
  local principal = oauth.principal()
  local is_app = principal.kind == "app"
  return {
    principal = principal, kind = is_app and "application" or "delegated",
    token = sets.of(is_app and principal.roles or principal.scopes),
  }
end

-- Return the value of `read()`; or nil, and why it could not be read.
local function read_unless_denied(read)
  local ok, value = xpcall(read, traceback.keep)
  if ok then return value end
  if fail.is(value, "denied") then return nil, "we may not read it" end
  if fail.is(value) and value.kind ~= "interrupted" then return nil, value.why end
  error(value, 0)
end

-- The object id of Microsoft Graph's service principal, and the names of its application permissions by id.
local function graph_service_principal()
  local found = graph.get(graph.path("/servicePrincipals(appId={id})", microsoft_ids.GRAPH), {
    select = { "id", "appRoles" }, what = "read Microsoft Graph's permissions",
  })
  local names_by_id = {}
  for _, role in ipairs(found.appRoles or {}) do names_by_id[role.id] = role.value end
  return found.id, names_by_id
end

local function granted_app_roles(holder)
  local graph_id, names_by_id = graph_service_principal()
  local set = {}
  for assignment in graph.list(graph.path("/servicePrincipals/{id}/appRoleAssignments", holder.principal.oid), {
    top = 999, what = "read which permissions are granted to us",
  }) do
    local name = assignment.resourceId == graph_id and names_by_id[assignment.appRoleId]
    if name then set[name] = true end
  end
  return set
end

local function granted_delegated_scopes(holder)
  local client = graph.get(graph.path("/servicePrincipals(appId={id})", holder.principal.appid), {
    select = { "id" }, what = "read the client that we signed in with",
  })
  local set = {}
  for grant in graph.list("/oauth2PermissionGrants", {
    filter = { clientId = client.id }, what = "read what was consented to the client that we signed in with",
  }) do
    local ours = grant.consentType == "AllPrincipals" or grant.principalId == holder.principal.oid
    for scope in (ours and grant.scope or ""):gmatch("%S+") do set[scope] = true end
  end
  return set
end

--- The permissions with consent. Waits.
---@param holder permissions.holder
---@return table<string, boolean>?, string? why
function M.consented(holder)
  return read_unless_denied(function()
    return holder.kind == "application" and granted_app_roles(holder) or granted_delegated_scopes(holder)
  end)
end

local function permissions_asked_for(holder)
  local _, names_by_id = graph_service_principal()
  local application = graph.get(graph.path("/applications(appId={id})", holder.principal.appid), {
    select = { "requiredResourceAccess" }, missing = "nil", what = "read what the application asks for",
  })
  if not application then return nil end -- registered in another tenant, or by Microsoft
  local set = {}
  for id in pairs(api_permissions.declared(application)) do
    if names_by_id[id] then set[names_by_id[id]] = true end
  end
  return set
end

--- The permissions that the application asks for. Known only for an application of this tenant that signs in as itself.
--- Waits.
---@param holder permissions.holder
---@return table<string, boolean>?, string? why
function M.requested(holder)
  if holder.kind ~= "application" then return nil, "it is asked for at the sign-in" end
  local set, why = read_unless_denied(function() return permissions_asked_for(holder) or false end)
  if set == false then return nil, "the application is registered elsewhere" end
  return set, why
end

--- Our directory roles: their names where known, else their ids. Waits.
---@param holder permissions.holder
---@return string[]?, string? why
function M.roles(holder)
  if holder.kind == "delegated" then
    local list = {}
    for _, id in ipairs(holder.principal.wids) do list[#list + 1] = microsoft_ids.role_name(id) end
    return list
  end
  return read_unless_denied(function()
    local list = {}
    for assignment in graph.list("/roleManagement/directory/roleAssignments", {
      filter = { principalId = holder.principal.oid }, what = "read which directory roles we hold",
    }) do
      list[#list + 1] = microsoft_ids.role_name(assignment.roleDefinitionId)
    end
    return list
  end)
end

return M
