--- Find look-alikes: applications that somebody probably made by the vendor's how-to. A look-alike holds one of the
--- how-to's roles, has at least its permissions and a client secret, and does not carry our mark. That proves nothing,
--- so a person is warned, and nothing is changed.

local api_permissions = require "entra.api_permissions"
local fail = require "fail"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"
local ownership = require "resource.ownership"
local sets = require "base.sets"
local task = require "task"

local M = {}

local ROLES = { "Helpdesk Administrator", "Privileged Authentication Administrator" }
local AT_ONCE = 4 -- candidates read side by side
local MOST = 20 -- candidates read in all

-- The service principals that hold the role in the whole tenant.
local function principals_with_how_to_role(role)
  local found = {}
  for _, one in ipairs(graph.all("/roleManagement/directory/roleAssignments", {
    filter = graph.filter("roleDefinitionId eq %s", microsoft_ids.roles[role]), expand = "principal",
    what = "read who holds the role " .. role,
  })) do
    local principal = one.principal or {}
    if principal["@odata.type"] == "#microsoft.graph.servicePrincipal" and one.directoryScopeId == "/" then
      found[#found + 1] = principal
    end
  end
  return found
end

-- The service principals that may be look-alikes, each once, and at most MOST.
local function find_look_alike_candidates()
  local list, seen = {}, {}
  for _, holders in ipairs(table.pack(task.all {
    function() return principals_with_how_to_role(ROLES[1]) end,
    function() return principals_with_how_to_role(ROLES[2]) end,
  })) do
    for _, principal in ipairs(holders) do
      if not seen[principal.id] and principal.appId and #list < MOST then list[#list + 1] = principal end
      seen[principal.id] = true
    end
  end
  return list
end

-- Has the service principal the permissions that one of the how-to's versions asks for?
local function looks_alike_by_permissions(principal, offered)
  local ids = {}
  for i, grant in ipairs(graph.all(graph.path("/servicePrincipals/{id}/appRoleAssignments", principal.id), {
    top = 999, what = "read which permissions are granted to " .. tostring(principal.displayName),
  })) do
    ids[i] = grant.appRoleId
  end
  local granted = sets.of(ids)
  local function has_all(values)
    for _, permission in ipairs(api_permissions.look_up(offered, values)) do
      if not granted[permission.id] then return false end
    end
    return true
  end
  return has_all(api_permissions.of_provider(true)) or has_all(api_permissions.of_provider(false))
end

local function read_unmarked_application(principal)
  local actual = graph.get(graph.path("/applications(appId={appId})", principal.appId), {
    select = { "id", "appId", "displayName", "notes", "passwordCredentials" }, missing = "nil",
    what = "read the application " .. tostring(principal.displayName),
  })
  if not actual or #(actual.passwordCredentials or {}) == 0 or ownership.is_marked(actual) then return nil end
  return actual
end

local function find_look_alikes(offered)
  local found = {}
  for _, one in ipairs(task.map(find_look_alike_candidates(), AT_ONCE, function(principal)
    return looks_alike_by_permissions(principal, offered) and read_unmarked_application(principal) or false
  end)) do
    if one then found[#found + 1] = one end
  end
  return found
end

--- Find the look-alikes; none where they may not be read. Waits.
---@param offered table Microsoft Graph's service principal
---@return { appId: string, displayName: string }[]
function M.find(offered)
  return fail.catch("denied", find_look_alikes, offered) or {}
end

--- Warn a person of the look-alikes.
---@param run workflow.Run
---@param found { appId: string, displayName: string }[]
function M.warn(run, found)
  for _, one in ipairs(found) do
    run:warn("an application '%s' (client id %s) looks like one that was made by the how-to: --client-id %s goes on "
      .. "with it instead of making a second one", one.displayName, one.appId, one.appId)
  end
end

return M
