--- Names in one text, as the command line has them, separated by commas. "\\," is a comma in a name, and "\\\\" is a
--- backslash.

local M = {}

--- The names in a text, without the blanks around them.
---@param text string
---@return string[]
function M.read(text)
  local list = {}
  local escaped = text:gsub("\\([\\,])", { ["\\"] = "\0", [","] = "\1" }) -- no argument of a program has these bytes
  for item in (escaped .. ","):gmatch("%s*(.-)%s*,") do
    if item ~= "" then list[#list + 1] = (item:gsub("[\0\1]", { ["\0"] = "\\", ["\1"] = "," })) end
  end
  return list
end

--- The text that `read` reads as these names.
---@param list string[]
---@return string
function M.text(list)
  local parts = {}
  for i, name in ipairs(list) do parts[i] = name:gsub("[\\,]", "\\%0") end
  return table.concat(parts, ",")
end

return M
