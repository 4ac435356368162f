--- moonlatch journal export: the audit chain as lines of JSON, for whoever collects records of many programs.
---
--- Each line has a cursor, NUMBER:HASH, which is its place in the chain. `--since CURSOR` begins after that record. A
--- reader that keeps the last cursor it has stored gets each record at least once, and sees a gap in the numbers.

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

local function record_line(journal, installation, record)
  local hash = journal:hash(record.seq)
  return json.encode {
    cursor = ("%d:%s"):format(record.seq, hash), seq = record.seq, hash = hash, journal = installation,
    time = time.iso(record.time), kind = record.kind, body = remove_hints(record.body),
  } .. "\n"
end

-- The records of one file of the chain after `last`. Another process may append meanwhile: then they are read anew,
-- because `history` counts from the end.
local function records_after(journal, last)
  while true do
    local head = journal:head()
    local list = journal:history(math.max(0, head - math.max(last, (journal:start()))))
    if #list == 0 or list[#list].seq == head then return list end
  end
end

local function lines_after(journal, installation, last)
  local lines = {}
  for i, record in ipairs(records_after(journal, last)) do lines[i] = record_line(journal, installation, record) end
  return table.concat(lines)
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

--- Write the records after a cursor, or all records, to standard output.
---@param journal host.journal.journal
---@param _ nil
---@param options table of the command line
---@param profile profile
function M.run(journal, _, options, profile)
  local last = options.since and number_of_cursor(profile, journal, options.since) or 0
  local installation, parts = journal:installation(), {}
  parts[1] = lines_after(journal, installation, last)
  if last < (journal:start()) then
    journal_segments.each(profile, journal, function(segment)
      table.insert(parts, 1, lines_after(segment, installation, last))
      return segment:start() <= last or nil
    end)
  end
  for _, part in ipairs(parts) do term.write_data(part) end
end

return M
