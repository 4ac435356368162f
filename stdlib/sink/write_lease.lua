--- A lease on one entry of a vault: the right to write it, for one machine at a time. Devolutions Server has no lock
--- and no ETag, so the lease is an entry beside the one that is written.
---
--- Each machine creates its lease entry first, and lists then. A machine that sees no other lease entry may write, and
--- deletes its own when the write is over. Two machines cannot both see none: the one that lists later sees the lease
--- entry of the other, or what the other has written. A listing counts only when it shows the machine's own entry.

local change_date = require "rotation.change_date"
local class = require "base.class"
local crypto = require "host.crypto"
local fail = require "fail"
local graph_clock = require "graph.clock"
local log = require "log"
local markers = require "journal.marker"
local server = require "devolutions.server"
local secret = require "host.secret"
local task = require "task"
local time = require "time"

local M = {}

local TAG = "moonlatch-write-lease"
local HOLD = 90 -- seconds for which a lease entry allows a write to leave
local PATIENCE, PAUSE = 60, 2 -- seconds for which other machines are waited for, and between two looks
-- Seconds after which nothing that a lease entry allowed can be carried out any more. Every machine dates and judges
-- lease entries by Graph's time.
local OVER = HOLD + server.TIMEOUT + change_date.LATE
local ROOM = 30 -- seconds by which two machines' knowledge of Graph's time may differ

---@class sink.write_lease
---@field vault_id string
---@field path string
---@field name string of the entry that is written
---@field marker string of the rotation that writes
---@field journal host.journal.journal
---@field id string? of the lease entry
---@field token string? in its description
---@field taken_at number? boot clock, just before the lease entry was created
---@field first_look { others: devolutions.entry[], listed: boolean }? the listing while the lease entry was read back
local Lease = class "sink.write_lease"

local function entry_name(self) return self.name .. " (being written)" end

---------------------------------------------------------------------------
-- Lease entries

local LINE = "Since %s Moonlatch (%s, %s) writes the entry '%s' in this folder, and deletes this one when it is done. "
  .. "If it is more than five minutes old, it may be deleted."

local function created_at(entry)
  local ok, moment = pcall(time.parse, tostring(entry.description):match("Since ([%d:TZ-]+) ") or "")
  return ok and moment or nil
end

local function is_of_this_installation(self, entry)
  return markers.installation_of(markers.find(entry.description)) == self.journal:installation()
end

-- Seconds until nothing that this lease entry allowed can be carried out any more.
local function seconds_left(self, entry)
  local moment = created_at(entry)
  if not moment then return math.huge end
  return OVER + (is_of_this_installation(self, entry) and 0 or ROOM) - (graph_clock.now() - moment)
end

local function is_this_lease(self, entry)
  return self.token ~= nil and tostring(entry.description):find(self.token, 1, true) ~= nil
end

-- The lease entries of others that may still write; and is our own one listed?
local function list_others(self)
  local others, listed = {}, false
  for _, entry in ipairs(server.entries(self.vault_id, { name = entry_name(self), path = self.path, tag = TAG })) do
    if is_this_lease(self, entry) then listed, self.id = true, entry.id
    elseif seconds_left(self, entry) > 0 then others[#others + 1] = entry
    else server.delete_entry(self.vault_id, entry.id) end
  end
  return others, listed
end

-- The token finds the entry again when the answer is lost. While the entry is read back, the lease entries are listed.
local function create_lease_entry(self)
  self.taken_at, self.token, self.first_look = time.monotonic(), crypto.hex(crypto.random(4)), nil
  self.id = server.create_entry(self.vault_id, {
    name = entry_name(self), path = self.path, type = "Credential", subType = "Default", tags = { TAG },
    description = LINE:format(time.iso(graph_clock.now()), self.marker, self.token, self.name),
    data = { domain = "", username = "lease", password = secret.generate(16) },
  }, { beside = function()
    local ok, others, listed = pcall(list_others, self)
    self.first_look = ok and { others = others, listed = listed } or nil -- without it, await_turn lists
  end }).id
end

local function has_one_of_this_installation(self, others)
  for _, other in ipairs(others) do
    if is_of_this_installation(self, other) then return true end
  end
  return false
end

-- Wait a little; false when that has lasted too long. What this installation left behind ends by itself.
local function wait_a_little(self, others)
  local is_over = time.monotonic() - self.began + PAUSE > PATIENCE
  if is_over and not has_one_of_this_installation(self, others) then return false end
  log.progress(("waiting until another run has written the entry '%s'; stopping now is safe"):format(self.name))
  task.sleep(PAUSE)
  return true
end

---------------------------------------------------------------------------
-- Taking it

local function what_is_done(self) return ("write the entry '%s'"):format(self.name) end

local function raise_busy(self, others)
  local other = others[1]
  fail.raise {
    kind = "conflict", code = "busy", what = what_is_done(self),
    why = ("another run is writing it: the entry '%s' (%s) says so"):format(entry_name(self), other and other.id
      or "not listed"),
    fix = "Run the same command again in five minutes: by then the other run has ended, or its entry counts no more.",
  }
end

local function raise_unlisted(self)
  fail.raise {
    kind = "transient", what = what_is_done(self),
    why = ("the vault does not list the entry '%s' that was made just now"):format(entry_name(self)),
  }
end

-- Of two that see each other, the one with the lower marker waits with its lease entry in place; the other removes its.
-- A lease entry of this installation is left from a run that was cut short: that takes too long to wait in place.
local function may_wait_in_place(self, others)
  for _, other in ipairs(others) do
    local is_lower = (markers.find(other.description) or "") <= self.marker
    if is_lower or is_of_this_installation(self, other) then return false end
  end
  return true
end

-- The lease entries of others, as listed when the own one was created, or now; and is the own one listed?
local function look_for_others(self)
  local look = self.first_look
  self.first_look = nil
  if look then return look.others, look.listed end
  return list_others(self)
end

-- Look until nobody else may write. False when the own lease entry has to go first.
local function await_turn(self)
  while true do
    local others, listed = look_for_others(self)
    if listed and #others == 0 then return true end
    if listed and not may_wait_in_place(self, others) then return false end
    if not wait_a_little(self, others) then (listed and raise_busy or raise_unlisted)(self, others) end
  end
end

local function await_none(self)
  while true do
    local others = list_others(self)
    if #others == 0 then return end
    if not wait_a_little(self, others) then raise_busy(self, others) end
  end
end

-- A vault that allows no equal names refuses a second lease entry: that is the same as seeing the first. When the
-- answer is lost, the list shows what became of it.
local function create_and_await_turn(self)
  local ok, failure = pcall(create_lease_entry, self)
  if ok or fail.is(failure, "unknown_outcome") then return await_turn(self) end
  if not fail.is(failure, "conflict") or failure.status ~= 409 then error(failure, 0) end
  if not wait_a_little(self, {}) then raise_busy(self, {}) end
  return false
end

---@class sink.write_lease.fields
---@field vault_id string
---@field path string
---@field name string
---@field marker string
---@field journal host.journal.journal

--- Take the lease on an entry. Raises "conflict" with the code "busy" when another machine writes it and does not end
--- within a minute. Waits.
---@param fields sink.write_lease.fields
---@return sink.write_lease
function M.take(fields)
  local self = Lease(fields)
  self.began = time.monotonic()
  while true do
    local ok, result = pcall(create_and_await_turn, self)
    if ok and result then return self end
    local released, trouble = pcall(self.release, self)
    if not ok or not released then error(not ok and result or trouble, 0) end
    await_none(self)
  end
end

--- Give the lease back. Only when no write is on its way any more. Waits.
function Lease:release()
  if self.id then server.delete_entry(self.vault_id, self.id) end
  self.id, self.token = nil, nil
end

--- Call this for each try to write, when it leaves: raises "transient" when the lease is too old by then.
function Lease:check()
  if time.monotonic() - self.taken_at <= HOLD then return end
  fail.raise {
    kind = "transient", resumes = true, what = what_is_done(self),
    why = ("Devolutions Server did not answer within the %d seconds for which this run may write it"):format(HOLD),
    fix = "Run the same command again when it answers faster.",
  }
end

return M
