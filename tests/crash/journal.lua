--- One backup, restore, change of keys or compaction of a journal, stopped at a system call or
--- made to see it fail; then the same command again, which must finish, and nothing may be lost.

local journal = require "host.journal"
local journals = require "journals"
local moonlatch = require "moonlatch"
local sealed = require "profile.sealed_file"
local secret = require "host.secret"
local strace = require "crash.strace"
local sys = require "host.sys"

local M = {}

local MOST_RUNS = 3 -- after the blow

---@class crash.journal.act
---@field words fun(path: string): string[] what is run
---@field prepare fun(place: moonlatch.place)
---@field key fun(path: string): host.secret of the journal in the end
---@field done fun(outcome: moonlatch.outcome): boolean is the end reached?
---@field check fun(place: moonlatch.place, complain: fun(text: string, ...)) besides the journal itself

local function key_in(path)
  return assert(sys.read_secret(path))
end

local function old_key(path) return key_in(path .. "/key") end
local function is_done(outcome) return outcome.status == 0 end

local function fill(place)
  journals.profile(place)
  journals.fill(place)
end

local function with_backup(place)
  fill(place)
  local j <close> = journals.open(place)
  assert(j:backup(place.path .. "/backup"))
end

local SEALED = "client-secret"

local function profile_of(place)
  local key = { from = "file", path = place.path .. "/key" }
  return { state = place.path .. "/j", binding = journals.BINDING, key = key }
end

local function check_copy(path, key, complain, least)
  local copy <close>, message = journal.read(path, key, journals.BINDING)
  if not copy then return complain("UNREADABLE: %s: %s", path, message) end
  local count, why = copy:verify()
  if not count or (copy:head()) < least then complain("LOST: %s: %s", path, why or "it is older") end
end

---@type table<string, crash.journal.act>
M.ACTS = {
  backup = {
    prepare = fill, key = old_key,
    words = function(path) return { "backup", path .. "/backup" } end,
    done = function(outcome) return outcome.status == 0 or outcome.err:find("it exists already", 1, true) ~= nil end,
    check = function(place, complain)
      local key <close> = old_key(place.path)
      check_copy(place.path .. "/backup", key, complain, 8)
    end,
  },
  restore = {
    prepare = with_backup, key = old_key, done = is_done,
    words = function(path) return { "restore", path .. "/backup", "--set-aside", "--yes" } end,
    check = function(place, complain)
      local key <close> = old_key(place.path)
      if not sys.stat(place.path .. "/j/journal.db.before-1") then return complain "LOST: what was there before" end
      check_copy(place.path .. "/j/journal.db.before-1", key, complain, 8)
    end,
  },
  restore_lost = {
    key = old_key, done = is_done,
    prepare = function(place)
      with_backup(place)
      assert(sys.remove(place.path .. "/j/journal.db"))
    end,
    words = function(path) return { "restore", path .. "/backup", "--yes", "--set-aside" } end,
    check = function() end,
  },
  rekey = {
    done = is_done,
    prepare = function(place)
      fill(place)
      local j <close> = journals.open(place)
      assert(j:compact(1001.5, 5000, {}))
      local value <close> = secret.from "what a sealed file holds"
      sealed.write(profile_of(place), SEALED, {}, value)
      assert(os.rename(place.path .. "/key", place.path .. "/old.key"))
    end,
    key = function(path) return key_in(path .. "/key") end,
    words = function(path) return { "rekey", "--old-key", "file:" .. path .. "/old.key", "--yes" } end,
    check = function(place, complain)
      local key <close> = key_in(place.path .. "/key")
      for _, name in ipairs(sys.list(place.path .. "/j")) do
        if name:find "%.segment$" then check_copy(place.path .. "/j/" .. name, key, complain, 2) end
      end
      local ok, value = pcall(sealed.read, profile_of(place), SEALED)
      if not ok then return complain("LOST: the sealed file: %s", tostring(value)) end
      if #value ~= 24 then complain "LOST: what the sealed file held" end
      value:close()
    end,
  },
  compact = {
    prepare = fill, key = old_key, done = is_done,
    words = function() return { "compact", "--before", "1970-01-02", "--yes" } end,
    check = function(place, complain)
      local outcome = place:run { "journal", "verify" }
      if not outcome.out:find("The 3 before them lie in 1 segment", 1, true) then
        complain("LOST: %s%s", outcome.out, outcome.err)
      end
    end,
  },
}

M.ORDER = { "backup", "restore", "restore_lost", "rekey", "compact" }

-- Calls that change what lies on the disk, or may fail without the program being unable to start.
local FAILING = { pwrite64 = true, fdatasync = true, fsync = true, ftruncate = true, rename = true, renameat2 = true,
  pread64 = true }

M.BLOWS = { { name = "killed", inject = "signal=KILL", kills = true }, { name = "EIO", inject = "error=EIO" },
  { name = "ENOSPC", inject = "error=ENOSPC" } }

local function words_of(act, place)
  return { "journal", table.unpack(act.words(place.path)) }
end

local function new_place(act)
  local place = moonlatch.place()
  act.prepare(place)
  return place
end

-- The system calls that a run makes.
local function record_calls(act)
  local place <close> = new_place(act)
  local trace = place.path .. "/trace"
  local outcome = place:run(words_of(act, place), { before = strace.recording(trace) })
  assert(outcome.status == 0, outcome.err)
  return strace.calls(trace)
end

---@class crash.journal.point
---@field name string
---@field call string
---@field place integer
---@field inject string

local function struck_calls(blow, calls, every)
  if blow.kills then return every and calls or strace.different_worlds(calls) end
  local found = {}
  for _, call in ipairs(calls) do found[#found + 1] = FAILING[call.name] and call or nil end
  return found
end

--- All points of an act.
---@param act crash.journal.act
---@param every boolean? kills at every system call, not only where a kill leaves a world of its own
---@return crash.journal.point[]
function M.points(act, every)
  local calls, points = record_calls(act), {}
  for _, blow in ipairs(M.BLOWS) do
    for _, call in ipairs(struck_calls(blow, calls, every)) do
      points[#points + 1] = { name = ("%s at %s %d"):format(blow.name, call.name, call.nth), call = call.name,
        place = call.nth, inject = blow.inject }
    end
  end
  return points
end

-- Whatever it ended with, a person is told what to do, and no journal is unreadable without that being said.
local function check_words(outcome, complain)
  if outcome.err:find("traceback", 1, true) or outcome.err:find("attempt to", 1, true) then
    complain("TRACEBACK: %s", outcome.err)
  elseif outcome.err:find("error: ", 1, true) and not outcome.err:find("\n  fix: ", 1, true) then
    complain("NO ADVICE: %s", outcome.err)
  end
end

local function check_journal(act, place, complain)
  local key <close> = act.key(place.path)
  local j <close>, message = journal.open(place.path .. "/j", key, journals.BINDING)
  if not j then return complain("UNREADABLE: %s", message) end
  local count, why = j:verify()
  if not count then complain("LOST: %s", why) end
  local value <close>, trouble = j:unseal("b")
  local expected <close> = secret.from "new value of it"
  if not value or not secret.equals(value, expected) then complain("LOST: the sealed value: %s", tostring(trouble)) end
  local row = j:get("intent", "a")
  if not row or row.state ~= "sent" then complain "LOST: a row" end
end

--- Play a point; what is wrong, or an empty list.
---@param act crash.journal.act
---@param point crash.journal.point
---@return string[] complaints
function M.play(act, point)
  local place <close> = new_place(act)
  local complaints = {}
  local function complain(text, ...) complaints[#complaints + 1] = text:format(...) end
  local before = strace.striking("/dev/null", point.call, point.place, point.inject)
  check_words(place:run(words_of(act, place), { before = before }), complain)
  check_words(place:run { "journal", "verify" }, complain) -- at any moment it works, or says what to do
  local outcome
  for _ = 1, MOST_RUNS do
    outcome = place:run(words_of(act, place))
    if act.done(outcome) then break end
  end
  if not act.done(outcome) then
    complain("STUCK: %s%s", outcome.out, outcome.err)
  else
    check_journal(act, place, complain)
    act.check(place, complain)
  end
  return complaints
end

return M
