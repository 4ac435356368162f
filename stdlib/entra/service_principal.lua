--- A service principal: the representation of an application in this tenant. It is found by its appId.

local check_answer = require "entra.check_answer"
local class = require "base.class"
local deleted = require "entra.deleted"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"
local options_of = require("base.options").of
local ownership = require "resource.ownership"
local resource = require "resource.new"

---@class entra.service_principal: resource.Resource
---@field host table the application
local ServicePrincipal = resource.kind "service principal"
ServicePrincipal.once = "its appId"

local MEMBERS = { "id", "appId", "displayName", "accountEnabled", "servicePrincipalType" }

---@class entra.graph_principal Microsoft Graph's own service principal
---@field id string
---@field appId string
---@field permissions table<string, string> the application permissions that it offers: value -> id. Scripts cannot
--- read them, because over a thousand would be copied at each call.
local GraphPrincipal = class("entra.graph_principal", { open = { "id", "appId" } })

local M = {}

local read_fields = options_of("entra.service_principal.of", { application = "table", name = "string" })

--- The service principal of an application.
---@param fields { application: table, name: string }
---@return entra.service_principal
function M.of(fields)
  fields = read_fields(fields)
  return ServicePrincipal { name = fields.name, host = fields.application, from = { fields.application } }
end

--- Microsoft Graph's own service principal, with its application permissions. Waits.
---@return entra.graph_principal
function M.graph()
  local what = "read the permissions Microsoft Graph offers"
  local principal = graph.get(graph.path("/servicePrincipals(appId={appId})", microsoft_ids.GRAPH), {
    select = { "id", "appId", "appRoles" }, what = what,
  })
  check_answer.require_members(principal, what, "id", "appRoles")
  local permissions = {}
  for _, role in ipairs(principal.appRoles) do
    if type(role.value) == "string" then permissions[role.value] = role.id end
  end
  return GraphPrincipal { id = principal.id, appId = principal.appId, permissions = permissions }
end

local function service_principal_path(self)
  return graph.path("/servicePrincipals(appId={appId})", self.host.appId)
end

function ServicePrincipal:key() return "service principal/" .. self.host.appId end

function ServicePrincipal:read()
  if self.host.fresh then
    self.host.fresh = nil
    return nil
  end
  local what = "look for " .. tostring(self)
  local actual = graph.get(service_principal_path(self), { select = MEMBERS, missing = "nil", what = what })
  return actual and check_answer.require_members(actual, what, "id")
end

local function reread_service_principal(self)
  local what = "read " .. tostring(self)
  local actual = graph.get(service_principal_path(self), { select = MEMBERS, fresh_write = true, what = what })
  return check_answer.require_members(actual, what, "id")
end

-- A deleted service principal keeps its grants, so it is restored. The tag makes the portal list it among the
-- enterprise applications.
function ServicePrincipal:create()
  if not self.host.made_now and deleted.restore_principal(self.host.appId) then
    return reread_service_principal(self)
  end
  local actual = graph.patch(service_principal_path(self), { tags = { "WindowsAzureActiveDirectoryIntegratedApp" } }, {
    prefer = "create-if-missing", fresh_write = true, repeatable = true, what = "create " .. tostring(self),
  })
  if actual.id then
    actual.fresh = true -- it holds no grants yet
    return actual
  end
  return reread_service_principal(self)
end

function ServicePrincipal:ours(_, run) return ownership.is_ours_on_host(run, self) end

function ServicePrincipal:delete(actual)
  graph.delete(graph.path("/servicePrincipals/{id}", actual.id), {
    repeatable = true, missing = "nil", what = "delete " .. tostring(self),
  })
end

return M
