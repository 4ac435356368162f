--- Groups: one by the name people know it by, and the users in it.

local graph = require "graph"

local M = {}

--- The group of that name. Waits.
---@param name string
---@return { id: string, displayName: string }|nil group when there is just one
---@return integer count of those there are
function M.named(name)
  local found = graph.all("/groups", {
    filter = graph.filter("displayName eq %s", name), select = { "id", "displayName" },
    what = ("find the group '%s'"):format(name),
  })
  return #found == 1 and found[1] or nil, #found
end

--- The users in a group, those in groups within it included: an iterator that holds two pages at most.
--- The cast to users is an advanced query (facts: ConsistencyLevel and $count).
---@param id string
---@param columns string[] what is read of each
---@param name string? of the group, for messages
---@return fun(): table?
function M.users(id, columns, name)
  return graph.list(graph.path("/groups/{id}/transitiveMembers/microsoft.graph.user", id), {
    select = columns, top = 999, count = true, consistency = "eventual",
    what = "read the members of the group" .. (name and (" '%s'"):format(name) or ""),
  })
end

return M
