--- What is wrong with a configuration, each with its line.

local line_numbers = require "profile.line_numbers"
local profile_file = require "profile.file"

local M = {}

---@class profile.problem
---@field where string the path of the member: "profiles.contoso.tenant"; "" for the whole file
---@field line integer? of the member, or of the table around it
---@field why string
---@field fix string

--- Everything that is wrong with the text of a configuration, by line. No file or service that it names is looked at.
---@param text string
---@param file string the path of the file
---@return profile.problem[] problems
---@return string[] profiles the names of the profiles that were checked
function M.list(text, file)
  local violations, names = profile_file.violations(text, file)
  local lines, list = line_numbers.of(text), {}
  for i, violation in ipairs(violations) do
    -- Lua names the line of an error of its own.
    local named = violation.where == "" and violation.why:match ":(%d+): "
    list[i] = { where = violation.where, why = violation.why, fix = violation.fix,
      line = math.tointeger(named) or line_numbers.nearest(lines, violation.where) }
  end
  table.sort(list, function(a, b)
    if a.line ~= b.line then return (a.line or 0) < (b.line or 0) end
    return a.where < b.where
  end)
  return list, names
end

return M
