--- Make reading or writing an unknown global an error.

local function refuse(verb)
  return function(_, name)
    error(("%s the undeclared global '%s'"):format(verb, tostring(name)), 2)
  end
end

local M = {}

--- Make a table of globals strict: neither unknown names nor new ones.
---@param globals table
---@return table
function M.guard(globals)
  return setmetatable(globals, { __index = refuse "reads", __newindex = refuse "writes", __metatable = false })
end

return M
