--- Check that an answer of Graph has the members that were asked for. An answer without them is an error, and must not
--- pass for "there is nothing".

local fail = require "fail"

local M = {}

--- Return the value when it has these members; else raise a failure.
---@param value table
---@param what string what was being done
---@param ... string names
---@return table value
function M.require_members(value, what, ...)
  for _, name in ipairs { ... } do
    if value[name] == nil then
      fail.raise {
        kind = "bad_answer", what = what, why = ("the answer has no %s"):format(name),
        fix = "Run the same command again. If it stays so, check whether a proxy between this computer and Graph "
          .. "changes answers.",
      }
    end
  end
  return value
end

return M
