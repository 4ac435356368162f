--- Find the registration of an application by its name or client id.

local check_answer = require "entra.check_answer"
local fail = require "fail"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"

local M = {}

local SELECT = { "id", "appId", "displayName" }

local function raise_not_one(name, count)
  fail.raise {
    kind = count == 0 and "missing" or "conflict", what = ("find the application '%s'"):format(name),
    why = count == 0 and "there is no registration of that name in this tenant"
      or ("there are %d registrations of that name"):format(count),
    fix = count == 0 and "Copy the name, or the Application (client) ID: Entra admin center > App registrations > All "
      .. "applications." or "Name it by its Application (client) ID: Entra admin center > App registrations > the "
      .. "application > Overview.",
  }
end

--- The registration with this name, or with this client id. Waits. Raises a failure when there is none, or several.
---@param name string
---@return { id: string, appId: string, displayName: string }
function M.find(name)
  local what = ("find the application '%s'"):format(name)
  if microsoft_ids.is_id(name) then
    local path = graph.path("/applications(appId={appId})", name)
    local actual = graph.get(path, { select = SELECT, missing = "nil", what = what }) or raise_not_one(name, 0)
    check_answer.require_members(actual, what, "id", "appId", "displayName")
    return actual
  end
  local found = graph.all("/applications",
    { filter = graph.filter("displayName eq %s", name), select = SELECT, what = what })
  if #found ~= 1 then raise_not_one(name, #found) end
  check_answer.require_members(found[1], what, "id", "appId", "displayName")
  return found[1]
end

return M
