--- Write rows as a table, as CSV or as JSON while they arrive, so that memory does not grow with their number.

local class = require "base.class"
local json = require "host.json"
local log = require "log"
local report = require "report"
local term = require "host.term"

local M = {}

local BLOCK = 500 -- rows of a table that are measured together

---@class report.writer
---@field columns report.column[]
---@field count integer
---@field row fun(self: report.writer, row: table) one more
---@field close fun(self: report.writer) the last was written

--- A field as RFC 4180 has it. A text that a spreadsheet would take for a formula gets a quote before it.
---@param value any
---@return string
function M.field(value)
  if type(value) == "number" then return tostring(value) end
  local text = value == nil and "" or tostring(value)
  if text:find "^[=+@\t\r-]" then text = "'" .. text end
  if text:find '[",\r\n]' then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

local function csv_line(columns, value_of)
  local fields = {}
  for place, column in ipairs(columns) do fields[place] = M.field(value_of(column)) end
  term.write_data(table.concat(fields, ",") .. "\r\n")
end

local Csv = class "report.csv_writer"

function Csv:row(row)
  self.count = self.count + 1
  csv_line(self.columns, function(column) return row[column.key] end)
end

function Csv.close() end

local Json = class "report.json_writer"

function Json:row(row)
  local picked = {}
  for _, column in ipairs(self.columns) do picked[column.key] = row[column.key] end
  term.write("out", (self.count == 0 and "[\n  " or ",\n  ") .. json.encode(picked))
  self.count = self.count + 1
end

function Json:close() term.write("out", self.count == 0 and "[]\n" or "\n]\n") end

local Table = class "report.table_writer"

local function flush(self)
  if #self.block > 0 then report.table(self.block, self.columns) end
  self.block = {}
end

function Table:row(row)
  self.count = self.count + 1
  table.insert(self.block, row)
  if #self.block == BLOCK then flush(self) end
end

function Table:close()
  if self.count == 0 then return log.say "(nothing)" end
  flush(self)
end

local WRITERS = { csv = Csv, json = Json, table = Table }

--- A writer for these columns.
---@param format "table"|"csv"|"json"
---@param columns report.column[]
---@return report.writer
function M.new(format, columns)
  if format == "csv" then csv_line(columns, function(column) return column.key end) end
  return WRITERS[format] { columns = columns, count = 0, block = {} }
end

return M
