--- Create an object, and treat "already exists" as success, because our earlier read may have been stale.

local fail = require "fail"
local graph = require "graph"

local M = {}

--- Post `body`. Returns the new object, or nil when it exists already.
---@param path string
---@param body table
---@param options graph.options
---@return table?
function M.post(path, body, options)
  options.repeatable = true -- a repeated request is refused as a duplicate, and that counts as success
  local ok, value = pcall(graph.post, path, body, options)
  if ok then return value end
  if fail.is(value) and value.cause and value.cause.exists then return nil end
  error(value, 0)
end

return M
