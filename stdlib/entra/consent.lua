--- Admin consent: the application permissions granted to a service principal
--- (its app role assignments on Microsoft Graph).

local fail = require "fail"
local graph = require "graph"
local options_of = require("base.options").of
local ownership = require "resource.ownership"
local resource = require "resource.new"
local upsert = require "entra.upsert"

---@class entra.grant: resource.Resource
---@field host table the application
---@field principal table its service principal
---@field graph entra.graph_principal
---@field permission { value: string, id: string }
local Grant = resource.kind "admin consent"
Grant.once = "its principal, resource and permission"

local M = {}

local function read_granted_permissions(principal)
  return graph.all(graph.path("/servicePrincipals/{id}/appRoleAssignments", principal.id), {
    top = 999, fresh_write = true, what = "read which permissions are granted to " .. tostring(principal.displayName),
  })
end

local function find_grant(self, list)
  for _, assignment in ipairs(list) do
    if assignment.appRoleId == self.permission.id and assignment.resourceId == self.graph.id then return assignment end
  end
end

function Grant:key() return ("consent/%s/%s"):format(self.principal.id, self.permission.id) end

function Grant:read() return find_grant(self, read_granted_permissions(self.principal)) end

-- Graph says "already exists" when our earlier read was stale.
function Grant:create()
  local value = upsert.post(graph.path("/servicePrincipals/{id}/appRoleAssignedTo", self.graph.id), {
    principalId = self.principal.id, resourceId = self.graph.id, appRoleId = self.permission.id,
  }, { fresh_write = true, what = "grant admin consent for " .. self.permission.value })
  return value or self:read() or {}
end

function Grant:ours(_, run) return ownership.is_ours_on_host(run, self) end

function Grant:delete(actual)
  graph.delete(graph.path("/servicePrincipals/{id}/appRoleAssignedTo/{assignment}", self.graph.id, actual.id), {
    repeatable = true, missing = "nil", what = "take back the consent for " .. self.permission.value,
  })
end

local function consent_in_portal(fields, missing, why)
  local application = fields.application
  return {
    what = ("grant admin consent to '%s' for %s"):format(fields.name, table.concat(missing, ", ")),
    why = why .. ". Only a Privileged Role Administrator or a Global Administrator can do it.",
    how = {
      ("in the Entra admin center: App registrations > %s > API permissions > Grant admin consent"):format(fields.name),
      ("or by this address: %s/%s/adminconsent?client_id=%s")
        :format(fields.login, fields.tenant, tostring(application.appId)),
      "then run apply again; it goes on from here",
    },
  }
end

-- The grants to ensure, each with the assignment that Graph has now; and the list of all assignments of the principal.
local function wanted_grants(fields)
  local principal = fields.principal
  local list = resource.known(principal) and not principal.fresh and read_granted_permissions(principal) or {}
  local grants = {}
  for i, permission in ipairs(fields.permissions) do
    grants[i] = Grant {
      name = permission.value, permission = permission, host = fields.application,
      principal = fields.principal, graph = fields.graph, from = { fields.principal },
    }
    grants[i].fetched = { value = find_grant(grants[i], list) }
  end
  return grants, list
end

-- Note which other permissions of Microsoft Graph the service principal holds. They are not removed.
local function note_other_permissions(run, fields, list)
  local held, names = {}, {}
  for _, assignment in ipairs(list) do held[assignment.appRoleId or ""] = true end
  for _, permission in ipairs(fields.permissions) do held[permission.id] = nil end
  for value, id in pairs(fields.graph.permissions) do
    if held[id] then names[#names + 1] = value end
  end
  table.sort(names)
  if #names > 0 then run:note("granted besides, and not needed by this: %s", table.concat(names, ", ")) end
end

local function missing_grants(grants)
  local names = {}
  for _, thing in ipairs(grants) do
    if not thing.fetched.value then names[#names + 1] = thing.name end
  end
  return names
end

---@class entra.consent.fields
---@field name string of the application
---@field application table
---@field principal table
---@field graph entra.graph_principal
---@field permissions { value: string, id: string }[]
---@field admin entra.admin

local read_fields = options_of("entra.consent.ensure", {
  name = "string", application = "table", principal = "table", graph = "table", permissions = "table", admin = "table",
})

--- Grant these permissions. Where the principal that is signed in may not grant them, `run:await` tells a person what
--- to do.
---@param run workflow.Run
---@param fields entra.consent.fields
function M.ensure(run, fields)
  fields = read_fields(fields)
  fields.login, fields.tenant = run.profile.login, fields.admin.principal.tenant
  local grants, list = wanted_grants(fields)
  note_other_permissions(run, fields, list)
  local missing = missing_grants(grants)
  if run.mode ~= "destroy" and #missing > 0 and not fields.admin:may "consent" then
    return run:await(consent_in_portal(fields, missing, fields.admin:why_not "consent"))
  end
  if not run:acting() then return run:all(grants) end
  local _, denied = fail.catch("denied", run.all, run, grants)
  if denied then run:await(consent_in_portal(fields, missing, denied.why)) end
end

return M
