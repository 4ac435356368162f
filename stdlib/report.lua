--- Results: tables and values, for a person, or with --json as one document.

local document = require "report.document"
local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local options_of = require("base.options").of
local term = require "host.term"

local M = {}

local GAP = "  "
local LEAST = 24 -- columns that the last column needs beside the others; with fewer it is printed below them
local BELOW = "    "

---@class report.column
---@field key string member of a row
---@field title string? (the key)
---@field align "left"|"right"|nil (right where every value is a number)

local read_column = options_of("report.table, with a column,", { key = "any", title = "string", align = "string" })

-- The columns as given, or all members of the rows by name.
local function settle(rows, columns)
  local settled, seen = {}, {}
  for i, column in ipairs(columns or {}) do
    settled[i] = type(column) == "string" and { key = column } or read_column(column)
  end
  if columns then return settled end
  for _, row in ipairs(rows) do
    for key in pairs(row) do
      if not seen[key] then settled[#settled + 1] = { key = key } end
      seen[key] = true
    end
  end
  table.sort(settled, function(a, b) return tostring(a.key) < tostring(b.key) end)
  return settled
end

local function text_of(value)
  if value == nil then return "" end
  if type(value) == "table" then return json.encode(value) end
  return (tostring(value):gsub("%c", " "))
end

local function title_of(column) return (column.title or column.key):upper() end

local function measure(rows, column)
  local width, numbers = layout.width(title_of(column)), #rows > 0
  for _, row in ipairs(rows) do
    width = math.max(width, layout.width(text_of(row[column.key])))
    numbers = numbers and type(row[column.key]) == "number"
  end
  local align = column.align or (numbers and "right" or "left")
  return width, align == "right"
end

-- All columns of all rows except the last column, the titles first; and their width.
local function left_of(rows, columns)
  local lines, total = {}, 0
  for place = 1, #columns - 1 do
    local column = columns[place]
    local width, right = measure(rows, column)
    for i = 0, #rows do
      local text = i == 0 and title_of(column) or text_of(rows[i][column.key])
      lines[i] = (lines[i] or "") .. layout.pad(text, width, right) .. GAP
    end
    total = total + width + #GAP
  end
  return lines, total
end

local function add(lines, line) lines[#lines + 1] = line:gsub("%s+$", "") end

-- Add a row whose last cell takes several lines.
local function add_beside(lines, left, text, room)
  for i, part in ipairs(layout.wrap(text, room)) do
    add(lines, (i == 1 and left or (" "):rep(layout.width(left))) .. part)
  end
end

local function add_below(lines, left, text, room)
  add(lines, left)
  for _, part in ipairs(text ~= "" and layout.wrap(text, room) or {}) do add(lines, BELOW .. part) end
end

-- On a narrow terminal, the last column takes several lines, beside the others or below them.
local function lines_of(rows, columns, width)
  local last, left, used = columns[#columns], left_of(rows, columns)
  local widest, right = measure(rows, last)
  local lines, room = {}, width - used
  for i = 0, #rows do
    local text = i == 0 and title_of(last) or text_of(rows[i][last.key])
    if widest <= room or #columns == 1 then add(lines, (left[i] or "") .. layout.pad(text, widest, right))
    elseif room >= LEAST then add_beside(lines, left[i], text, room)
    else add_below(lines, left[i], text, width - #BELOW) end
  end
  return lines
end

local function pick(rows, columns)
  local picked = json.array {}
  for i, row in ipairs(rows) do
    picked[i] = {}
    for _, column in ipairs(columns) do picked[i][column.key] = row[column.key] end
  end
  return picked
end

--- Print rows as a table. By default the columns are all members, by name.
---@param rows table[]
---@param columns (string|report.column)[]?
function M.table(rows, columns)
  local settled = settle(rows, columns)
  if log.json() then return M.json(pick(rows, settled)) end
  if #rows == 0 then return log.say("(nothing)") end
  local width = term.is_terminal("out") and term.width() or math.huge
  log.say(table.concat(lines_of(rows, settled, width), "\n"))
end

--- Print a value as JSON. With --json it becomes part of the document.
---@param value any
M.json = document.add

return M
