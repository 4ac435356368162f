--- Make reading or writing an unknown global an error.

local function refuse_global(verb)
  return function(_, name)
    error(("%s the undeclared global '%s'"):format(verb, tostring(name)), 2)
  end
end

local M = {}

--- Make a table of globals strict: reading an unknown global and setting a new global raise an error.
---@param globals table
---@return table
function M.guard(globals)
  return setmetatable(globals, {
    __index = refuse_global "reads", __newindex = refuse_global "writes", __metatable = false,
  })
end

return M
