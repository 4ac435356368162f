--- Collect the values of a command into the one document that --json writes at the end. Scripts use `report`.

local json = require "host.json"
local log = require "log"
local term = require "host.term"
local time = require "time"

local M = {}

local documents = {}
local is_written = false -- was a document, or what a command writes in its place, written to standard output?

--- Print a value as JSON; with --json, keep it for the one document that the command prints at its end.
---@param value any
function M.add(value)
  if log.json() then
    documents[#documents + 1] = value
  else
    term.write("out", json.encode(value, true) .. "\n")
  end
end

-- Members of records that are moments, besides members whose name ends with "_at".
local MOMENTS = { created = true, updated = true, time = true, ends = true, at = true, since = true }

--- Write the moments of a record, and of the records in it, as texts ("2026-11-23T05:00:00Z"). Changes the record in
--- place.
---@param fields table
---@return table
function M.write_moments_as_text(fields)
  for name, value in pairs(fields) do
    local is_moment = MOMENTS[name] or tostring(name):find("_at$")
    if type(value) == "table" then
      M.write_moments_as_text(value)
    elseif is_moment and type(value) == "number" then
      fields[name] = time.iso(value)
    end
  end
  return fields
end

--- Note that a command writes its document, or data in another format, itself.
function M.mark_written() is_written = true end

--- Write the document of --json: the value when there is only one, else the list of all values.
function M.flush()
  if not log.json() or #documents == 0 then return end
  is_written = true
  local document = documents[1]
  if #documents > 1 then document = json.array(documents) end
  documents = {}
  term.write("out", json.encode(document, true) .. "\n")
end

--- Write the document of --json at the end of a command. A command that has none gets one with its exit status, so that
--- a program that reads it always finds one.
---@param status integer?
function M.finish(status)
  if log.json() and not is_written and #documents == 0 then M.add { status = status or 0 } end
  M.flush()
end

return M
