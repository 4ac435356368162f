--- Write rows as a table, as CSV or as JSON while they arrive, so that memory does not grow with their number.

local class = require "base.class"
local csv = require "report.csv"
local document = require "report.document"
local json = require "host.json"
local log = require "log"
local report = require "report"
local term = require "host.term"

local M = {}

local BLOCK = 500 -- rows of a table that are measured together
local AT_ONCE = 64 -- rows of CSV and JSON that are written together

---@class report.writer
---@field columns report.column[]
---@field count integer
---@field pending string[] what is written next
---@field row fun(self: report.writer, row: table) one more
---@field close fun(self: report.writer) the last was written

-- The text of rows that are written together.
local function add_text(self, text, write)
  local pending = self.pending
  pending[#pending + 1] = text
  if #pending < AT_ONCE then return end
  write(table.concat(pending))
  self.pending = {}
end

local Csv = class "report.csv_writer"

function Csv:row(row)
  self.count = self.count + 1
  add_text(self, csv.line(self.columns, row), term.write_data)
end

function Csv:close() term.write_data(table.concat(self.pending)) end

local Json = class "report.json_writer"

local function write_out(text) term.write("out", text) end

function Json:row(row)
  document.mark_written()
  local picked = {}
  for _, column in ipairs(self.columns) do picked[column.key] = row[column.key] end
  add_text(self, (self.count == 0 and "[\n  " or ",\n  ") .. json.encode(picked), write_out)
  self.count = self.count + 1
end

function Json:close()
  document.mark_written()
  write_out(table.concat(self.pending) .. (self.count == 0 and "[]\n" or "\n]\n"))
end

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
  local out = WRITERS[format] { columns = columns, count = 0, block = {}, pending = {} }
  if format == "csv" then out.pending[1] = csv.head(columns) end
  return out
end

return M
