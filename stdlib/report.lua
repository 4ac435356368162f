--- Results: tables and values, for a person, or with --json as one document.

local csv = require "report.csv"
local document = require "report.document"
local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local options_of = require("base.options").of
local term = require "host.term"

local M = {}

local COLUMN_GAP = "  "
local LEAST_COLUMN_WIDTH = 24 -- a last column that has less space beside the others is printed below them
local BELOW_INDENT = "    "

---@class report.column
---@field key string member of a row
---@field title string? (the key)
---@field align "left"|"right"|nil (right where every value is a number)

local read_column = options_of("report.table, with a column,", { key = "any", title = "string", align = "string" })

-- The columns as tables; without given columns, one column for each member of the rows, sorted by name.
local function describe_columns(rows, columns)
  local described, seen = {}, {}
  for i, column in ipairs(columns or {}) do
    described[i] = type(column) == "string" and { key = column } or read_column(column)
  end
  if columns then return described end
  for _, row in ipairs(rows) do
    for key in pairs(row) do
      if not seen[key] then described[#described + 1] = { key = key } end
      seen[key] = true
    end
  end
  table.sort(described, function(a, b) return tostring(a.key) < tostring(b.key) end)
  return described
end

local function table_cell_text(value)
  if value == nil then return "" end
  if type(value) == "table" then return json.encode(value) end
  if type(value) == "number" then return tostring(math.tointeger(value) or value) end
  return (tostring(value):gsub("%c", " "))
end

local function table_column_title(column) return (column.title or column.key):upper() end

-- The width of a column, and whether its cells are aligned to the right.
local function measure_table_column(rows, column)
  local width, numbers = layout.width(table_column_title(column)), #rows > 0
  for _, row in ipairs(rows) do
    width = math.max(width, layout.width(table_cell_text(row[column.key])))
    numbers = numbers and type(row[column.key]) == "number"
  end
  local align = column.align or (numbers and "right" or "left")
  return width, align == "right"
end

-- The lines of the first of these columns, as many as fit into `limit`, with the line of the titles at index 0; the
-- width of all columns; and how many fit.
local function lines_of_columns(rows, columns, limit)
  local lines, total, fit = {}, 0, 0
  for place, column in ipairs(columns) do
    local width, right = measure_table_column(rows, column)
    total = total + width + #COLUMN_GAP
    if place == 1 or fit == place - 1 and total - #COLUMN_GAP <= limit then
      fit = place
      for i = 0, #rows do
        local text = i == 0 and table_column_title(column) or table_cell_text(rows[i][column.key])
        lines[i] = (lines[i] or "") .. layout.pad(text, width, right) .. COLUMN_GAP
      end
    end
  end
  return lines, total, fit
end

local function add_table_line(lines, line) lines[#lines + 1] = line:gsub("%s+$", "") end

-- Add a row whose last cell takes several lines.
local function add_cell_beside(lines, left, text, width)
  for i, part in ipairs(layout.wrap(text, width)) do
    add_table_line(lines, (i == 1 and left or (" "):rep(layout.width(left))) .. part)
  end
end

-- Add a row, if there is one, and a text on lines of its own below it.
local function add_cell_below(lines, left, text, width)
  if left then add_table_line(lines, left) end
  if text == "" then return end
  for _, part in ipairs(layout.wrap(text, width)) do add_table_line(lines, BELOW_INDENT .. part) end
end

-- The cells of a row that do not fit beside its first cells: "by: adele@contoso.com; age: 5 years".
local function named_cells(row, columns, from, to)
  local parts = {}
  for place = from, to do
    local text = table_cell_text(row[columns[place].key])
    if text ~= "" then parts[#parts + 1] = ("%s: %s"):format(table_column_title(columns[place]):lower(), text) end
  end
  return table.concat(parts, "; ")
end

-- Can the cells of a column be wrapped to this width without breaking a word?
local function can_be_wrapped(rows, column, width)
  if width < LEAST_COLUMN_WIDTH then return false end
  for _, row in ipairs(rows) do
    for word in table_cell_text(row[column.key]):gmatch "%S+" do
      if layout.width(word) > width then return false end
    end
  end
  return true
end

-- The lines of a table. On a narrow terminal, a cell of the last column takes several lines, beside the other cells or
-- below them; and where the other cells do not fit either, those that do not are named on a line below.
local function table_lines(rows, columns, width)
  local last = columns[#columns]
  local left, used, fit = lines_of_columns(rows, table.move(columns, 1, #columns - 1, 1, {}), width)
  local widest, right = measure_table_column(rows, last)
  local beside = width - used -- the space for the last column beside the others
  local lines, wraps = {}, can_be_wrapped(rows, last, beside)
  for i = 0, #rows do
    local text = i == 0 and table_column_title(last) or table_cell_text(rows[i][last.key])
    if widest <= beside or #columns == 1 then add_table_line(lines, (left[i] or "") .. layout.pad(text, widest, right))
    elseif wraps then add_cell_beside(lines, left[i], text, beside)
    else
      local more = i > 0 and named_cells(rows[i], columns, fit + 1, #columns - 1) or ""
      add_cell_below(lines, left[i], more, width - #BELOW_INDENT)
      add_cell_below(lines, nil, text, width - #BELOW_INDENT)
    end
  end
  return lines
end

local function records_of_columns(rows, columns)
  local records = json.array {}
  for i, row in ipairs(rows) do
    records[i] = {}
    for _, column in ipairs(columns) do records[i][column.key] = row[column.key] end
  end
  return records
end

--- Print rows as a table. Without `columns`, every member of the rows is a column, sorted by name.
---@param rows table[]
---@param columns (string|report.column)[]?
function M.table(rows, columns)
  local described = describe_columns(rows, columns)
  if log.json() then return M.json(records_of_columns(rows, described)) end
  if #rows == 0 then return log.say("(nothing)") end
  local width = term.is_terminal("out") and term.width() or math.huge
  log.say(table.concat(table_lines(rows, described, width), "\n"))
end

--- Rows as CSV (RFC 4180), with a first line of names, to write into a file: `folder.write("reports", "ages.csv",
--- report.csv(rows, { "name", "ends" }))`. A text that a spreadsheet would take for a formula gets an apostrophe before
--- it. Without `columns`, every member of the rows is a column, sorted by name.
---@param rows table[]
---@param columns string[]?
---@return string
function M.csv(rows, columns) return csv.text(describe_columns(rows, columns), rows) end

--- Print a value as JSON. With --json the value becomes part of the one document.
---@param value any
M.json = document.add

return M
