--- Read something of many objects, twenty in a request, and hold no more than some hundred answers.

local graph = require "graph"

local M = {}

local BLOCK = 400 -- parts: twenty requests

--- Call `use(item, value)` with what each part answers. Waits. Raises the first failure at the end; `use` is not called
--- for an item whose part failed.
---@generic T
---@param items T[]
---@param part_of fun(item: T): graph.part
---@param use fun(item: T, value: any)
function M.each(items, part_of, use)
  local first_failure
  for from = 1, #items, BLOCK do
    local parts = {}
    for place = from, math.min(#items, from + BLOCK - 1) do parts[#parts + 1] = part_of(items[place]) end
    for i, outcome in ipairs((graph.batch(parts))) do
      if outcome.ok then use(items[from + i - 1], outcome.result)
      else first_failure = first_failure or outcome.result end
    end
  end
  if first_failure then error(first_failure, 0) end
end

return M
