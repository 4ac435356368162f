--- The segments of a journal: files beside it that hold older records. Each segment continues the one before.

local commit = require "journal.commit"
local fail = require "fail"
local hint = require "log.hint"
local in_use = require "journal.in_use"
local layout = require "terminal.layout"
local log = require "log"
local native_journal = require "host.journal"
local path_fix = require "machine.path_fix"
local profiles = require "profile.current"
local report = require "report"
local rotations = require "journal.rotations"
local sys = require "host.sys"
local time = require "time"
local workflow_command = require "cli.workflow_command"

local M = {}

---------------------------------------------------------------------------
-- Listing

--- The names of the segments in a folder, oldest first.
---@param folder string
---@return string[]
function M.names(folder)
  local list = {}
  for _, name in ipairs(sys.list(folder) or {}) do
    local first = name:match("^journal%-(%d+)%-%d+%-%x+%.segment$")
    if first then list[#list + 1] = { name = name, first = tonumber(first) } end
  end
  table.sort(list, function(a, b) return a.first < b.first end)
  for i, entry in ipairs(list) do list[i] = entry.name end
  return list
end

local REKEY = "Change the key of this segment, too: {moonlatch} journal rekey --old-key file:PATH, with the old key. "
  .. "It goes on where an earlier change of the key was interrupted."

local function raise_unreadable_segment(folder, seq, why, kind)
  fail.raise {
    kind = "journal", what = "look at the journal's older records",
    why = ("the segment that ends with record %d, in %s: %s. What it said is unknown; the journal itself is whole")
      :format(seq, folder, why),
    fix = (kind == "key" or kind == "interrupted") and hint.text(REKEY)
      or "Copy the segment from a backup into that folder: each backup has files journal-N-M-HASH.segment beside it.",
  }
end

-- Open the segment in `folder` that ends with this record; the caller closes it. Raises "journal" when it is missing or
-- damaged.
local function open_segment_ending_with(folder, keys, seq, hash)
  for _, name in ipairs(M.names(folder)) do
    if name:find(("-%d-%s.segment"):format(seq, hash:sub(1, 8)), 1, true) then
      local segment, message, kind = native_journal.read(folder .. "/" .. name, keys.key, keys.binding)
      if not segment then raise_unreadable_segment(folder, seq, message, kind) end
      local ok, last, last_hash = pcall(segment.head, segment)
      if ok and last == seq and last_hash == hash and segment:is_segment() then return segment, name end
      segment:close()
      raise_unreadable_segment(folder, seq, ok and "it is another one" or tostring(last))
    end
  end
  raise_unreadable_segment(folder, seq, "it is not there")
end

--- Call `fn(segment, name)` for each segment of a chain, the newest first, until `fn` returns a value; return that
--- value. Each segment is checked to end where the next one begins; its records are not verified. Raises "journal" when
--- a segment is missing.
---@param profile profile
---@param journal host.journal.journal
---@param fn fun(segment: host.journal.journal, name: string): any
---@param folder string? where the segments are; nil: beside the journal
---@return any
function M.each(profile, journal, fn, folder)
  local key <close> = profiles.key(profile)
  local keys, seq, hash = { key = key, binding = profile.binding }, journal:start()
  while seq > 0 do
    local segment <close>, name = open_segment_ending_with(folder or profile.state, keys, seq, hash)
    local found = fn(segment, name)
    if found then return found end
    seq, hash = segment:start()
  end
end

--- Call `fn(segment)` for each segment with records after the number `last`, the oldest first, until `fn` returns a
--- value. Raises "journal" when a segment is missing.
---@param profile profile
---@param journal host.journal.journal
---@param last integer
---@param fn fun(segment: host.journal.journal): any
function M.each_from(profile, journal, last, fn)
  local seq, hash = journal:start()
  if seq <= last then return end
  local key <close> = profiles.key(profile)
  local keys = { key = key, binding = profile.binding }
  local ends = { { seq = seq, hash = hash } }
  while seq > last do
    local segment <close> = open_segment_ending_with(profile.state, keys, seq, hash)
    seq, hash = segment:start()
    if seq > last then table.insert(ends, 1, { seq = seq, hash = hash }) end
  end
  for _, one in ipairs(ends) do
    local segment <close> = open_segment_ending_with(profile.state, keys, one.seq, one.hash)
    if fn(segment) then return end
  end
end

--- Copy the segments that another folder lacks. Each copied segment is verified.
---@param profile profile
---@param from string
---@param to string
---@return integer copied
function M.copy(profile, from, to)
  local key <close> = profiles.key(profile)
  local count = 0
  for _, name in ipairs(from ~= to and M.names(from) or {}) do
    local segment <close> = not sys.stat(to .. "/" .. name)
      and native_journal.read(from .. "/" .. name, key, profile.binding) or nil
    if segment then
      local seq, message = segment:backup(to .. "/" .. name)
      if not seq then
        fail.raise { kind = "journal", what = ("copy the segment %s to %s"):format(name, to), why = message,
          fix = ("Copy the file by hand, because it never changes: cp '%s/%s' '%s/'"):format(from, name, to) }
      end
      count = count + 1
    end
  end
  return count
end

---------------------------------------------------------------------------
-- Compacting

local function journal_rows_by_application(rows)
  local lists = {}
  for _, row in ipairs(rows) do
    local id = row.body.app_id or row.id
    lists[id] = lists[id] or {}
    table.insert(lists[id], row)
  end
  return lists
end

-- The rows of closed rotations that are neither the newest row of their application nor the row of the secret that the
-- consumer has.
local function superseded_journal_rows(journal)
  local rows = {}
  for _, kind in ipairs { rotations.client_secrets, rotations.certificates } do
    for _, list in pairs(journal_rows_by_application(kind:all(journal))) do
      local has = in_use.sort(list).has
      for place, row in ipairs(list) do
        local is_over = row.state == "closed" and place < #list and row ~= has
        if is_over and not journal:unseal(kind:sealed_name(row)) then rows[#rows + 1] = { row.kind, row.id } end
      end
    end
  end
  return rows
end

local function parse_compaction_day(text)
  local year, month, day = tostring(text or ""):match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  local at = year and sys.from_utc(tonumber(year), tonumber(month), tonumber(day), 0, 0, 0)
  if at and time.iso(at):sub(1, 10) == text then return at end
  fail.raise {
    kind = "usage", what = "journal compact",
    why = text and ("'%s' is not a date"):format(text) or "--before is missing",
    fix = hint.text("Name a day: {moonlatch} journal compact --before 2026-01-31 moves the records made before that "
      .. "day, in UTC."),
  }
end

--- Move the records made before a date out of the journal, into a segment beside it.
---@param journal host.journal.journal
---@param _ nil
---@param options { before: string?, yes: boolean? }
---@return integer? exit status
function M.compact(journal, _, options)
  local before = parse_compaction_day(options.before)
  local question = ("Move what was put on record before %s to a file beside the journal?"):format(options.before)
  if not options.yes and not workflow_command.ask_yes_or_no(question) then
    log.prose("Nothing was changed.")
    return 1
  end
  commit.commit(journal)
  local done, message, kind = journal:compact(before, time.now(), superseded_journal_rows(journal))
  if kind then
    fail.raise { kind = "journal", what = "compact the journal", why = message, fix = kind == "io"
      and path_fix.write(profiles.current().state .. "/journal.db") or nil }
  end
  if log.json() then return report.json(done or {}) end
  if not done then return log.prose("Nothing is that old: the journal is as it was.") end
  log.prose(("Records %d to %d lie in %s/%s now. What is still needed of them was put on record again (%s)."):format(
    done.first, done.last, profiles.current().state, done.segment, layout.count(done.carried, "record")))
  log.prose(hint.text "`{moonlatch} journal verify FILE` looks at it. Backups take it along.")
end

return M
