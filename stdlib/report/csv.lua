--- CSV (RFC 4180) that is safe to open in a spreadsheet.

local M = {}

--- A field. A text that a spreadsheet would take for a formula gets an apostrophe before it.
---@param value any
---@return string
function M.field(value)
  if type(value) == "number" then return tostring(math.tointeger(value) or value) end
  local text = value == nil and "" or tostring(value)
  if text:find "^[=+@\t\r-]" then text = "'" .. text end
  if text:find '[",\r\n]' then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

--- A row as one line.
---@param columns report.column[]
---@param row table
---@return string
function M.line(columns, row)
  local fields = {}
  for place, column in ipairs(columns) do fields[place] = M.field(row[column.key]) end
  return table.concat(fields, ",") .. "\r\n"
end

--- The line with the names of the columns.
---@param columns report.column[]
---@return string
function M.head(columns)
  local titles = {}
  for _, column in ipairs(columns) do titles[column.key] = column.key end
  return M.line(columns, titles)
end

--- Rows as the text of a CSV file.
---@param columns report.column[]
---@param rows table[]
---@return string
function M.text(columns, rows)
  local lines = { M.head(columns) }
  for i, row in ipairs(rows) do lines[i + 1] = M.line(columns, row) end
  return table.concat(lines)
end

return M
