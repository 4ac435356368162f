--- Groups: find one by its display name, and list its users.

local graph = require "graph"

local M = {}

--- Find the group of that name. Waits.
---@param name string
---@return { id: string, displayName: string }|nil group when there is just one
---@return integer count how many groups have this name
function M.find_by_name(name)
  local found = graph.all("/groups", {
    filter = graph.filter("displayName eq %s", name), select = { "id", "displayName" },
    what = ("find the group '%s'"):format(name),
  })
  return #found == 1 and found[1] or nil, #found
end

--- The users in a group, including those in nested groups: an iterator that holds at most two pages. The cast to users
--- is an advanced query: it needs ConsistencyLevel and $count (Microsoft Learn: aad-advanced-queries).
---@param id string
---@param columns string[] properties to read of each user
---@param name string? of the group, for messages
---@return fun(): table?
function M.list_users(id, columns, name)
  return graph.list(graph.path("/groups/{id}/transitiveMembers/microsoft.graph.user", id), {
    select = columns, top = 999, count = true, consistency = "eventual",
    what = "read the members of the group" .. (name and (" '%s'"):format(name) or ""),
  })
end

return M
