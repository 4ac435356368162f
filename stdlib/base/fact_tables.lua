--- Tables of facts that are embedded in the binary. A line is a row, tabs separate its fields, "#" begins a remark, and
--- "-" is an empty field.

local sys = require "host.sys"

local M = {}

--- The lines of a table, each a list of fields; "-" becomes an empty text.
---@param name string "scripts/emulator/data/roles.tsv"
---@return string[][]
function M.rows(name)
  local text = sys.embedded(name)
  if not text then error(("there is no table %q in the binary"):format(name), 2) end
  local rows = {}
  for line in text:gmatch("[^\n]+") do
    if line:sub(1, 1) ~= "#" then
      local fields = {}
      for field in (line .. "\t"):gmatch("(.-)\t") do
        fields[#fields + 1] = field == "-" and "" or field
      end
      rows[#rows + 1] = fields
    end
  end
  return rows
end

return M
