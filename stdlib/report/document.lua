--- The one document that --json writes at the end, and records as people read them. Scripts use `report`.

local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local term = require "host.term"
local time = require "time"

local M = {}

local documents = {}

--- `report.json` says how.
---@param value any
function M.add(value)
  if log.json() then
    documents[#documents + 1] = value
  else
    term.write("out", json.encode(value, true) .. "\n")
  end
end

-- Members of records that are moments, besides those in _at.
local MOMENTS = { created = true, updated = true, time = true, ends = true, at = true, since = true }

--- A record with its moments as people read them, changed in place.
---@param fields table
---@return table
function M.with_moments(fields)
  for name, value in pairs(fields) do
    local is_moment = MOMENTS[name] or tostring(name):find("_at$")
    if type(value) == "table" then
      M.with_moments(value)
    elseif is_moment and type(value) == "number" then
      fields[name] = time.iso(value)
    end
  end
  return fields
end

--- Write the one document of --json: the only value, or the list of all.
function M.flush()
  if not log.json() or #documents == 0 then return end
  local document = documents[1]
  if #documents > 1 then document = json.array(documents) end
  documents = {}
  term.write("out", json.encode(hint.complete_all(document), true) .. "\n")
end

return M
