--- Results: tables and values, for a person or, with --json, as one document.

local json = require "host.json"
local log = require "log"
local term = require "host.term"

local M = {}

local GAP = "  "

local documents = {}

---@class report.column
---@field key string member of a row
---@field title string? (the key)
---@field align "left"|"right"|nil (right where every value is a number)

-- Columns as given, or all members of the rows by name.
local function settle(rows, columns)
  local settled, seen = {}, {}
  for i, column in ipairs(columns or {}) do
    settled[i] = type(column) == "string" and { key = column } or column
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

local function width_of(text) return utf8.len(text) or #text end

local function pad(text, width, right)
  local space = (" "):rep(width - width_of(text))
  return right and space .. text or text .. space
end

local function measure(rows, column)
  local width, numbers = width_of(column.title or column.key), #rows > 0
  for _, row in ipairs(rows) do
    width = math.max(width, width_of(text_of(row[column.key])))
    numbers = numbers and type(row[column.key]) == "number"
  end
  local align = column.align or (numbers and "right" or "left")
  return width, align == "right"
end

local function lines_of(rows, columns)
  local lines = {}
  for place, column in ipairs(columns) do
    local width, right = measure(rows, column)
    local gap = place == 1 and "" or GAP
    lines[1] = (lines[1] or "") .. gap .. pad((column.title or column.key):upper(), width, right)
    for i, row in ipairs(rows) do
      lines[i + 1] = (lines[i + 1] or "") .. gap .. pad(text_of(row[column.key]), width, right)
    end
  end
  for i, line in ipairs(lines) do lines[i] = line:gsub("%s+$", "") end
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

--- Show rows as a table. Without columns: all members, by name.
---@param rows table[]
---@param columns (string|report.column)[]?
function M.table(rows, columns)
  local settled = settle(rows, columns)
  if log.json() then return M.json(pick(rows, settled)) end
  if #rows == 0 then return log.say("(nothing)") end
  log.say(table.concat(lines_of(rows, settled), "\n"))
end

--- Show a value as JSON. With --json it becomes part of the document.
---@param value any
function M.json(value)
  if log.json() then
    documents[#documents + 1] = value
  else
    term.write("out", json.encode(value, true) .. "\n")
  end
end

--- Write the one document of --json: the only value, or the list of all.
function M.flush()
  if not log.json() or #documents == 0 then return end
  local document = documents[1]
  if #documents > 1 then document = json.array(documents) end
  documents = {}
  term.write("out", json.encode(document, true) .. "\n")
end

return M
