--- Making what may be there already: a read that lagged says it is not, the
--- service says it is.

local fail = require "fail"
local graph = require "graph"

local M = {}

--- Post; the value, or nil when it was there already.
---@param path string
---@param body table
---@param options graph.options
---@return table?
function M.post(path, body, options)
  options.repeatable = true -- a second one is refused as a duplicate, which is known to be fine
  local ok, value = pcall(graph.post, path, body, options)
  if ok then return value end
  if fail.is(value) and value.cause and value.cause.exists then return nil end
  error(value, 0)
end

return M
