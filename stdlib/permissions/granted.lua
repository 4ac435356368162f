--- What we may do at Graph: by the token, by the consents, by what the application asks for, and by our directory
--- roles. What may not be read is nil, with the reason.

local api_permissions = require "entra.api_permissions"
local fail = require "fail"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"
local oauth = require "oauth.sign_in"
local scheduler = require "task.scheduler"
local sets = require "base.sets"

local M = {}

---@class permissions.granted
---@field principal oauth.principal
---@field kind graph.required.kind
---@field token table<string, boolean> permissions in the token

--- The principal of the token in use, and its permissions. Waits.
---@return permissions.granted
function M.token()
  local principal = oauth.principal()
  local is_app = principal.kind == "app"
  return {
    principal = principal, kind = is_app and "application" or "delegated",
    token = sets.of(is_app and principal.roles or principal.scopes),
  }
end

-- The value of `read()`; or nil, and why it could not be read.
local function ask(read)
  local ok, value = xpcall(read, scheduler.keep_trace)
  if ok then return value end
  if fail.is(value, "denied") then return nil, "we may not read it" end
  if fail.is(value) and value.kind ~= "interrupted" then return nil, value.why end
  error(value, 0)
end

-- Microsoft Graph's own service principal: its permissions by id.
local function graph_principal()
  local found = graph.get(graph.path("/servicePrincipals(appId={id})", microsoft_ids.GRAPH), {
    select = { "id", "appRoles" }, what = "read Microsoft Graph's permissions",
  })
  local named = {}
  for _, role in ipairs(found.appRoles or {}) do named[role.id] = role.value end
  return found.id, named
end

local function assigned(held)
  local graph_id, named = graph_principal()
  local set = {}
  for assignment in graph.list(graph.path("/servicePrincipals/{id}/appRoleAssignments", held.principal.oid), {
    top = 999, what = "read which permissions are granted to us",
  }) do
    local name = assignment.resourceId == graph_id and named[assignment.appRoleId]
    if name then set[name] = true end
  end
  return set
end

local function granted(held)
  local client = graph.get(graph.path("/servicePrincipals(appId={id})", held.principal.appid), {
    select = { "id" }, what = "read the client that we signed in with",
  })
  local set = {}
  for grant in graph.list("/oauth2PermissionGrants", {
    filter = { clientId = client.id }, what = "read what was consented to the client that we signed in with",
  }) do
    local ours = grant.consentType == "AllPrincipals" or grant.principalId == held.principal.oid
    for scope in (ours and grant.scope or ""):gmatch("%S+") do set[scope] = true end
  end
  return set
end

--- The permissions with consent. Waits.
---@param held permissions.granted
---@return table<string, boolean>?, string? why
function M.consented(held)
  return ask(function() return held.kind == "application" and assigned(held) or granted(held) end)
end

local function declared(held)
  local _, named = graph_principal()
  local application = graph.get(graph.path("/applications(appId={id})", held.principal.appid), {
    select = { "requiredResourceAccess" }, missing = "nil", what = "read what the application asks for",
  })
  if not application then return nil end -- of another tenant, or Microsoft's own
  local set = {}
  for id in pairs(api_permissions.declared(application)) do
    if named[id] then set[named[id]] = true end
  end
  return set
end

--- The permissions that the application asks for. Only for an application of this tenant that signs in as itself.
--- Waits.
---@param held permissions.granted
---@return table<string, boolean>?, string? why
function M.requested(held)
  if held.kind ~= "application" then return nil, "it is asked for at the sign-in" end
  local set, why = ask(function() return declared(held) or false end)
  if set == false then return nil, "the application is registered elsewhere" end
  return set, why
end

--- Our directory roles, by name where it is known. Waits.
---@param held permissions.granted
---@return string[]?, string? why
function M.roles(held)
  if held.kind == "delegated" then
    local list = {}
    for _, id in ipairs(held.principal.wids) do list[#list + 1] = microsoft_ids.role(id) end
    return list
  end
  return ask(function()
    local list = {}
    for assignment in graph.list("/roleManagement/directory/roleAssignments", {
      filter = { principalId = held.principal.oid }, what = "read which directory roles we hold",
    }) do
      list[#list + 1] = microsoft_ids.role(assignment.roleDefinitionId)
    end
    return list
  end)
end

return M
