--- The applications whose client secrets a policy rotates: the application with a client id, the application that the
--- setup made, or all applications that the principal that is signed in owns.

local application = require "entra.application"
local fail = require "fail"
local graph = require "graph"
local hint = require "log.hint"
local oauth = require "oauth.sign_in"
local task = require "task"

local M = {}

local AT_ONCE = 20 -- applications read side by side

--- The id of the workflow with which the setup script marks its application.
M.SETUP = "setup/entra-pam-provider"

---@class entra.owned_application
---@field id string object id
---@field appId string
---@field displayName string
---@field passwordCredentials table[]
---@field keyCredentials table[]
---@field workflow string the workflow that marked it; decides the entry of its secret
---@field ours boolean?

-- The workflow in the line that entra.application writes into the notes.
local function workflow_in_notes(actual)
  return type(actual.notes) == "string" and actual.notes:match("Made by Moonlatch, workflow (%S+)%.") or "rotate"
end

--- The application with this client id.
---@param client_id string
---@return entra.owned_application
function M.by_client_id(client_id)
  local actual = application { name = client_id, workflow = "rotate", client_id = client_id }:read()
  actual.workflow = workflow_in_notes(actual)
  return actual
end

--- The application that setup made for the provider of this name.
---@param name string
---@return entra.owned_application
function M.of_provider(name)
  local wanted = application { name = name, workflow = M.SETUP }
  local actual = wanted:read()
  if not actual then
    fail.raise {
      kind = "missing", what = ("find the application of the provider '%s'"):format(name),
      why = ("there is none with the uniqueName '%s'"):format(wanted.unique_name),
      fix = hint.text("Make it: {moonlatch} apply %s --name '%s'. For an application made by hand, name its "
        .. "client_id.", M.SETUP, name),
    }
  end
  actual.workflow = M.SETUP
  return actual
end

--- All applications that the principal that is signed in owns and that have a client secret (or a certificate). An
--- application without one is left out, because a rotation must not add the first. Waits.
---@param credential "secret"|"certificate"|nil
---@return entra.owned_application[]
function M.all(credential)
  local me, ids, list = oauth.principal(), {}, {}
  local template = me.kind == "app" and "/servicePrincipals/{id}/ownedObjects" or "/users/{id}/ownedObjects"
  for object in graph.list(graph.path(template, me.oid), { what = "list the applications we own" }) do
    if object["@odata.type"] == "#microsoft.graph.application" then ids[#ids + 1] = object.appId end
  end
  for _, found in ipairs(task.map(ids, AT_ONCE, M.by_client_id)) do
    local has = credential == "certificate" and found.keyCredentials or found.passwordCredentials
    if #has > 0 then list[#list + 1] = found end
  end
  return list
end

return M
