--- Applications in the bin: 30 days long they keep their uniqueName.

local fail = require "fail"
local graph = require "graph"

local M = {}

--- Stop when a deleted application still holds the uniqueName wanted.
---@param application entra.application
function M.check(application)
  if application.client_id then return end
  for item in graph.list("/directory/deletedItems/microsoft.graph.application", {
    select = { "id", "appId", "displayName", "uniqueName", "deletedDateTime" }, top = 999,
    what = "look among the deleted applications",
  }) do
    if item.uniqueName == application.unique_name then
      fail.raise {
        kind = "conflict", what = "create " .. tostring(application),
        why = ("the uniqueName '%s' is still held by the application deleted on %s (client id %s)")
          :format(item.uniqueName, tostring(item.deletedDateTime):sub(1, 10), item.appId),
        fix = "In the Entra admin center under App registrations > Deleted applications: either restore it, "
          .. "and it is used again, or delete it permanently. (Or choose another --name.)",
      }
    end
  end
end

return M
