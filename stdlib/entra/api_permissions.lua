--- The application permissions that an application declares (requiredResourceAccess). Declaring a permission grants
--- nothing; entra.consent grants it.

local check_answer = require "entra.check_answer"
local fail = require "fail"
local graph = require "graph"
local json = require "host.json"
local microsoft_ids = require "base.microsoft_ids"
local options_of = require("base.options").of
local ownership = require "resource.ownership"
local resource = require "resource.new"

---@class entra.api_permissions: resource.Resource
---@field host table the application
---@field permissions { value: string, id: string }[]
local ApiPermissions = resource.kind "API permissions"

local M = {}

--- The permission that just-in-time elevation needs. Its holder can make itself Global Administrator.
M.ELEVATION = "RoleManagement.ReadWrite.Directory"

--- The application permissions that a Devolutions provider needs: to find accounts, groups and roles, and, with
--- `elevation`, to assign roles for a limited time. (The vendor's how-to of 2024 asks for the permission that only
--- reads roles, the one of 2026 for the permission that assigns them.)
---@param elevation boolean
---@return string[]
function M.of_provider(elevation)
  return { "Group.Read.All", "User.Read.All", elevation and M.ELEVATION or "RoleManagement.Read.Directory" }
end

-- Permission -> a permission that includes it.
local STRONGER = { ["RoleManagement.Read.Directory"] = M.ELEVATION }

--- Does `granted` contain this permission, or a permission that includes it?
---@param granted table<string, any> by value
---@param value string
---@return boolean
function M.is_held(granted, value) return granted[value] ~= nil or granted[STRONGER[value] or ""] ~= nil end

local DECISION = "%s is for just-in-time elevation only, and can make its holder Global Administrator; with "
  .. "--no-jit-elevation it is RoleManagement.Read.Directory, which only reads"

--- Note in the run's output what granting just-in-time elevation means. Without `elevation` nothing is noted.
---@param run workflow.Run
---@param elevation boolean
function M.tell_elevation(run, elevation)
  if not elevation or run.mode == "destroy" then return end
  if run.mode == "plan" then return run:warn("to decide: " .. DECISION, M.ELEVATION) end
  run:note(DECISION, M.ELEVATION)
end

--- Look up the ids of application permissions by their values ("User.Read.All").
---@param graph_principal entra.graph_principal
---@param values string[]
---@return { value: string, id: string }[]
function M.look_up(graph_principal, values)
  local ids, found = graph_principal.permissions, {}
  for i, value in ipairs(values) do
    if not ids[value] then
      fail.raise {
        kind = "missing", what = ("look up the application permission %s"):format(value),
        why = "Microsoft Graph offers none of that name in this tenant's cloud",
        fix = "Correct the name in the script: https://learn.microsoft.com/graph/permissions-reference lists all of "
          .. "them.",
      }
    end
    found[i] = { value = value, id = ids[value] }
  end
  return found
end

--- The application permissions of Microsoft Graph that an application declares, as a set of ids.
---@param application table
---@return table<string, boolean> ids
function M.declared(application)
  local ids = {}
  for _, access in ipairs(application.requiredResourceAccess or {}) do
    for _, entry in ipairs(access.resourceAppId == microsoft_ids.GRAPH and access.resourceAccess or {}) do
      if entry.type == "Role" then ids[entry.id] = true end
    end
  end
  return ids
end

local read_fields = options_of("entra.api_permissions.of", {
  application = "table", name = "string", permissions = "table",
})

--- The resource: the application declares these permissions of Microsoft Graph. Other declared permissions stay.
---@param fields { application: table, name: string, permissions: { value: string, id: string }[] }
---@return entra.api_permissions
function M.of(fields)
  fields = read_fields(fields)
  local values = {}
  for i, permission in ipairs(fields.permissions) do values[i] = permission.value end
  return ApiPermissions {
    name = fields.name, host = fields.application, from = { fields.application }, permissions = fields.permissions,
    made = table.concat(values, ", "), is = table.concat(values, ", "),
    part = true, -- deleting the application deletes its declared permissions, too
  }
end

function ApiPermissions:key() return "API permissions/" .. self.host.appId end

-- The application was read a moment ago, with its declared permissions.
function ApiPermissions:read() return self.host end

function ApiPermissions:differs(application)
  local there, changes = M.declared(application), {}
  for _, permission in ipairs(self.permissions) do
    if not there[permission.id] then
      changes[#changes + 1] = { member = permission.value, to = permission.id, text = "+ " .. permission.value }
    end
  end
  return changes
end

function ApiPermissions.entries(_, changes)
  local ids = {}
  for i, change in ipairs(changes) do ids[i] = change.to end
  return ids
end

-- Return requiredResourceAccess, changed: of the permissions of Microsoft Graph, `keep` chooses those that stay, and
-- `more` lists ids to add. The permissions of other APIs stay as they are.
local function change_declared_permissions(application, keep, more)
  local list, own = json.array {}, nil
  for _, access in ipairs(application.requiredResourceAccess or {}) do
    local copy = { resourceAppId = access.resourceAppId, resourceAccess = json.array {} }
    local graphs = access.resourceAppId == microsoft_ids.GRAPH
    for _, entry in ipairs(access.resourceAccess) do
      if not graphs or keep(entry) then table.insert(copy.resourceAccess, { id = entry.id, type = entry.type }) end
    end
    if graphs then own = copy end
    if not graphs or #copy.resourceAccess > 0 or #more > 0 then list[#list + 1] = copy end
  end
  if not own and #more > 0 then
    own = { resourceAppId = microsoft_ids.GRAPH, resourceAccess = json.array {} }
    list[#list + 1] = own
  end
  for _, id in ipairs(more) do table.insert(own.resourceAccess, { id = id, type = "Role" }) end
  return list
end

local function write_declared_permissions(self, list, what)
  graph.patch(graph.path("/applications/{id}", self.host.id), { requiredResourceAccess = list }, {
    repeatable = true, fresh_write = true, what = what .. " of " .. tostring(self.host.displayName),
  })
end

-- Read the application's declared permissions again. An update replaces the whole list, so the list must include the
-- permissions that others declared meanwhile.
local function read_declared_permissions(self, application)
  if application.made_now then return application end
  local what = "read the API permissions of " .. tostring(application.displayName)
  return check_answer.require_members(graph.get(graph.path("/applications/{id}", self.host.id), {
    select = { "id", "requiredResourceAccess" }, fresh_write = true, what = what,
  }), what, "id")
end

function ApiPermissions:update(application)
  local now = read_declared_permissions(self, application)
  local list = change_declared_permissions(now, function() return true end, self:entries(self:differs(now)))
  write_declared_permissions(self, list, "declare the API permissions")
  application.requiredResourceAccess = list
  return application
end

function ApiPermissions:seen()
  local application = graph.get(graph.path("/applications/{id}", self.host.id), {
    select = { "requiredResourceAccess" }, missing = "nil", what = "read the API permissions",
  })
  return application ~= nil and #self:differs(application) == 0
end

function ApiPermissions:ours(_, run) return ownership.is_ours_on_host(run, self) end

-- Called only for an adopted application: remove the ids that the journal says this workflow added.
function ApiPermissions:delete(application, run)
  local added = {}
  for _, id in ipairs((ownership.added_record(run, self) or {}).entries or {}) do added[id] = true end
  local list = change_declared_permissions(application, function(entry) return not added[entry.id] end, {})
  write_declared_permissions(self, list, "take back the API permissions")
end

ApiPermissions.gone = false -- the list itself stays, without our ids

return M
