--- What Graph answered has to be what was asked for: an answer that lacks it is
--- no answer, and must not be taken for absence.

local fail = require "fail"

local M = {}

--- The value, if it has these members; else a failure.
---@param value table
---@param what string what was being done
---@param ... string names
---@return table value
function M.with(value, what, ...)
  for _, name in ipairs { ... } do
    if value[name] == nil then
      fail.raise {
        kind = "bad_answer", what = what, why = ("the answer has no %s"):format(name),
        fix = "Something between here and Graph spoils answers. Run the same command again.",
      }
    end
  end
  return value
end

return M
