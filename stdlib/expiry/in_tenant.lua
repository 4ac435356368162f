--- Dates that only the tenant knows: role assignments that expire (PIM), of the applications on record and of whoever
--- is signed in; and the client secrets of the application that a profile signs in as.

local graph = require "graph"
local hint = require "log.hint"
local licence = require "entra.licence"
local oauth = require "oauth.sign_in"
local on_machine = require "expiry.on_machine"
local role_holders = require "entra.role_holders"
local sets = require "base.sets"
local time = require "time"

local M = {}

--- The calls that this module makes.
---@type script.needs
M.NEEDS = {
  graph = {
    "GET /applications(appId)", "GET /servicePrincipals(appId)", "GET /roleManagement/directory/roleDefinitions",
    "GET /roleManagement/directory/roleAssignmentScheduleInstances",
    "GET /roleManagement/directory/roleEligibilityScheduleInstances",
  },
  scopes = { "Directory.Read.All", "RoleManagement.Read.Directory" },
}

local INSTANCES = {
  { use = "assigned", path = "/roleManagement/directory/roleAssignmentScheduleInstances",
    what = "read which role assignments expire" },
  { use = "eligible", path = "/roleManagement/directory/roleEligibilityScheduleInstances",
    what = "read which eligible role assignments expire" },
}

-- The instances of one principal. Without a licence for PIM no assignment expires.
local function instances_of(principal, kind)
  local ok, list = pcall(graph.all, kind.path, {
    filter = graph.filter("principalId eq %s", principal.id), what = kind.what,
  })
  if ok then return list end
  if licence.is_missing(list) then return {} end
  error(list, 0)
end

local EXTEND = "Have it renewed: Entra admin center > Privileged Identity Management > Microsoft Entra roles > "
  .. "Assignments > Extend."

local function role_item(principal, kind, instance, names)
  return {
    key = ("role/%s/%s"):format(kind.use, instance.id), kind = "role", use = kind.use, name = principal.name,
    detail = names[instance.roleDefinitionId] or instance.roleDefinitionId, ends = time.parse(instance.endDateTime),
    fix = EXTEND, source = "tenant/role", app_id = principal.app_id,
  }
end

-- Does this assignment expire? An activation by its holder ends by itself after hours, as it should.
local function expires(instance)
  return type(instance.endDateTime) == "string" and instance.assignmentType ~= "Activated"
end

local function add_roles(items, principals)
  local names
  for _, principal in ipairs(principals) do
    for _, kind in ipairs(INSTANCES) do
      for _, instance in ipairs(instances_of(principal, kind)) do
        if expires(instance) then
          names = names or role_holders.read_role_names()
          items[#items + 1] = role_item(principal, kind, instance, names)
        end
      end
    end
  end
end

-- The client ids of applications on record and of the profile's own application.
local function client_ids(items, profile)
  local ids = {}
  for _, item in ipairs(items) do ids[item.app_id or ""] = true end
  if oauth.signed_in().kind ~= "user" then ids[profile.sign_in.client_id or ""] = true end
  ids[""] = nil
  return sets.sorted(ids)
end

-- The principals whose roles are looked at. An application that does not exist any more holds none.
local function find_principals(items, profile)
  local me = oauth.signed_in()
  local principals = { { id = me.oid, name = me.name, app_id = me.kind ~= "user" and me.appid or nil } }
  for _, app_id in ipairs(client_ids(items, profile)) do
    local found = graph.get(graph.path("/servicePrincipals(appId={appId})", app_id), {
      select = { "id", "appId", "displayName" }, missing = "nil", what = "look for the service principal",
    })
    if found and found.id ~= me.oid then
      principals[#principals + 1] = { id = found.id, name = found.displayName, app_id = app_id }
    end
  end
  return principals
end

local function is_known_key(items, key_id)
  for _, item in ipairs(items) do
    if item.key_id == key_id then return true end
  end
  return false
end

-- Add the client secrets of the application that the profile signs in as. Which of them it is, nobody can see.
local function add_own_secrets(items, profile)
  local found = graph.get(graph.path("/applications(appId={appId})", profile.sign_in.client_id), {
    select = { "id", "displayName", "passwordCredentials" }, what = "read the client secrets of this application",
  })
  for _, secret in ipairs(found.passwordCredentials or {}) do
    if not is_known_key(items, secret.keyId) then
      items[#items + 1] = {
        key = "client secret/" .. secret.keyId, kind = "client secret", use = "in use", name = found.displayName,
        short = "…" .. secret.keyId:sub(-4), ends = time.parse(secret.endDateTime), source = "tenant/client secret",
        app_id = profile.sign_in.client_id, key_id = secret.keyId, detail = "this profile may sign in with it",
        fix = hint.text "Make the next one, then: {moonlatch} login --secret client-secret",
      }
    end
  end
end

local function add_all(items, unknown, profile)
  oauth.principal() -- signs in, unless somebody is signed in already
  if profile.sign_in.method == "client_secret" then
    on_machine.look(unknown, "tenant/client secret", "when the client secret expires that this profile signs in with",
      add_own_secrets, items, profile)
  end
  on_machine.look(unknown, "tenant/role", "whether a role assignment expires", function()
    add_roles(items, find_principals(items, profile))
  end)
end

--- Add what the tenant knows. Signs in; waits.
---@param items expiry.item[] those of the journal and of this machine
---@param unknown expiry.unknown[]
---@param profile profile
function M.add(items, unknown, profile)
  on_machine.look(unknown, "tenant", "what expires in the tenant: role assignments, and the client secret of a profile "
    .. "that signs in with one", add_all, items, unknown, profile)
end

return M
