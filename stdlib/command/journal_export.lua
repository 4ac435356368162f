--- moonlatch journal export: the audit chain as lines of JSON, for whoever collects records of many programs.
---
--- Each line has a cursor, NUMBER:HASH, which is its place in the chain. `--since CURSOR` begins after that record. A
--- reader that keeps the last cursor it has stored gets each record at least once, and sees a gap in the numbers.

local document = require "report.document"
local fail = require "fail"
local hint = require "log.hint"
local journal_segments = require "command.journal_segments"
local json = require "json"
local term = require "host.term"
local time = require "time"

local M = {}

-- Remove the first characters of client secrets, which rows have for people at the portal. Changes the record in place.
local function remove_hints(body)
  body.hint = nil
  for _, value in pairs(body) do
    if type(value) == "table" then remove_hints(value) end
  end
  return body
end

local function record_line(installation, record)
  return json.encode {
    cursor = ("%d:%s"):format(record.seq, record.hash), seq = record.seq, hash = record.hash, journal = installation,
    time = time.iso(record.time), kind = record.kind, body = remove_hints(record.body),
  }
end

local PAGE = 500 -- records in memory

-- Write the records of one file of the chain after `last`, page by page. Returns the number of the last record that was
-- written, and whether the next one is not in this file. Nil when nobody reads any more.
local function write_records(journal, installation, last)
  document.mark_written()
  while true do
    local list, lines = journal:records_after(last, PAGE), {}
    for i, record in ipairs(list) do
      if record.seq ~= last + i then break end
      lines[i] = record_line(installation, record) .. "\n"
    end
    if #lines == 0 then return last, #list > 0 end
    if not term.write_data(table.concat(lines)) then return nil end
    last = last + #lines
  end
end

local function raise_not_in_chain(text, why)
  fail.raise {
    kind = "journal", what = "export the journal since " .. text, why = why,
    fix = hint.text("The journal is an older copy, or another one: {moonlatch} journal verify --head %s. To begin "
      .. "anew: leave out --since.", text),
  }
end

-- The number in a cursor. Raises "journal" when the chain does not contain that record.
local function number_of_cursor(profile, journal, text)
  local seq, hash = tostring(text):match("^(%d+):(%x+)$")
  if not seq then
    fail.raise { kind = "usage", what = "journal export --since " .. text, why = "it is not of the form NUMBER:HASH",
      fix = "Copy the member `cursor` of the last line that was stored." }
  end
  local number = math.tointeger(tonumber(seq))
  local there = journal:hash(number) or journal_segments.each(profile, journal, function(segment)
    return segment:hash(number)
  end)
  if there ~= hash:lower() then
    raise_not_in_chain(text, there and ("record %s is not the one it was"):format(seq)
      or ("it ends before record %s"):format(seq))
  end
  return number
end

-- Write the records of the segments after `last`, then those of the journal. Returns as write_records does.
local function write_chain(profile, journal, last)
  local installation = journal:installation()
  journal_segments.each_from(profile, journal, last, function(segment)
    last = write_records(segment, installation, last)
    return not last or nil
  end)
  if last then return write_records(journal, installation, last) end
end

--- Write the records after a cursor, or all records, to standard output.
---@param journal host.journal.journal
---@param _ nil
---@param options table of the command line
---@param profile profile
function M.run(journal, _, options, profile)
  local last = options.since and number_of_cursor(profile, journal, options.since) or 0
  local began, has_gap
  repeat
    began = last
    last, has_gap = write_chain(profile, journal, last)
  until not has_gap or last == began -- another process may have moved records into a segment meanwhile
  if not has_gap then return end
  fail.raise {
    kind = "journal", what = "export the journal", why = ("record %d is not there"):format(last + 1),
    fix = hint.text "See what is wrong: {moonlatch} journal verify",
  }
end

return M
