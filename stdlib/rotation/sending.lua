--- Send one value of a password rotation to Entra: read the account and its entries before the request leaves, and
--- record what the answer shows.

local call = require "graph.call"
local change_date = require "rotation.change_date"
local change_outcome = require "rotation.change_outcome"
local commit = require "journal.commit"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local markers = require "journal.marker"
local rotation_account = require "rotation.account"
local task = require "task"
local time = require "time"
local users = require "entra.users"

local M = {}

local FRESH = 5 -- seconds for which a look at the sink and the directory counts
local STALE = {} -- raised when the look is too old at the moment when the request could leave

---------------------------------------------------------------------------
-- Looking at the account

local function read_account_to_send_to(rotation)
  local now, names = users.read_with_names(rotation.run, rotation.row.body.user)
  return { now, names }
end

-- The slots of the account in its sinks, in order.
local function slots_of(rotation) return rotation.slot.parts or { rotation.slot } end

local function find_own_pending(rotation, slot)
  local body = rotation.row.body
  for _, entry in ipairs(slot.pending) do
    if entry.marker == body.marker and entry.number == #body.candidates then return entry end
  end
end

-- Do all sinks list the pending entry of the newest value?
local function is_own_pending_listed(rotation)
  for _, slot in ipairs(slots_of(rotation)) do
    if not find_own_pending(rotation, slot) then return false end
  end
  return true
end

-- Read the pending entry of the newest value in each sink again when it was modified since it was read back, and set
-- `is_spoilt` when it holds another value.
local function check_pending_content(rotation)
  local number, checked = #rotation.row.body.candidates, rotation.checked
  local before = checked and checked.number == number and checked.modified or {}
  rotation.is_spoilt, rotation.checked = false, { number = number, modified = {} }
  for i, slot in ipairs(slots_of(rotation)) do
    local entry = find_own_pending(rotation, slot)
    rotation.checked.modified[i] = entry and entry.modified or before[i] or false
    if entry and not (entry.modified and entry.modified == before[i]) then
      local value <close> = rotation_account.unseal_value(rotation, number)
      rotation.is_spoilt = rotation.is_spoilt or not rotation.run.sink:holds(rotation.account, entry, value)
    end
  end
end

--- Read the account's entries in the sink and the account in the directory, side by side. Sets `slot`, `account` and
--- `looked_at` of the rotation; `is_gone` when the account was deleted. Waits.
---@param rotation rotation.password
function M.look_at_account(rotation)
  local began, account = time.monotonic(), rotation.account
  local slot, read = task.all {
    function() return rotation.run.sink:look(account, rotation.row.body.name) end,
    function() return read_account_to_send_to(rotation) end,
  }
  local now = read[1]
  if now then now.roles, now.group, now.outside = account.roles, account.group, account.outside end
  rotation.slot, rotation.is_gone, rotation.looked_at = slot, now == nil, began
  if now then rotation.account, rotation.names = now, read[2] end
  -- The entries were listed by the account's former name.
  if now and now.upn:lower() ~= account.upn:lower() then return M.look_at_account(rotation) end
  check_pending_content(rotation)
end

local function find_other_pending(rotation)
  local body = rotation.row.body
  for _, entry in ipairs(rotation.slot.pending) do
    local is_known = entry.marker == body.marker or (body.left or {})[entry.marker or entry.id]
    if not is_known then return entry end
  end
end

-- The current entry that another rotation has written since this rotation began, or nil for one that was removed; and
-- whether there is one.
local function find_entry_taken(rotation)
  local body = rotation.row.body
  for i, slot in ipairs(slots_of(rotation)) do
    local marked = slot.current and slot.current.marker or false
    local is_known = marked == M.seen_markers(body)[i] or marked == body.marker
    if slot.several or not is_known then return true, slot.current end
  end
  return false
end

-- The offset of the directory's clock: the known offset, or, while a change with an unexpected date is being checked,
-- the offset that this date suggests.
local function clock_offset_to_use(rotation)
  local probe = rotation.row.body.probe
  if not probe then return rotation.run.directory:offset(graph_clock.now()) end
  local low, high = change_date.offsets(probe.span, probe.moment)
  return { low = low, high = high }
end

--- The marker that the account's current entry in each sink had when the rotation was judged; false for no entry, and
--- for one without a marker. A row of an earlier version has the marker of one sink.
---@param body table
---@return (string|false)[]
function M.seen_markers(body)
  if type(body.seen) == "table" then return body.seen end
  return { body.seen or false }
end

---@alias rotation.finding
---| "gone"      the account was deleted
---| "unlisted"  the sink does not list our own pending entry, so its listing tells nothing
---| "spoilt"    somebody changed our own pending entry
---| "pending"   there is a pending entry of another rotation
---| "taken"     the current entry is another rotation's
---| "unmoved"   the password was not changed since the rotation began
---| "explained" it was changed when a request of ours may have changed it
---| "moved"     it was changed when no request of ours can have

--- What the last look shows; and the entry of another rotation when the look found one.
---@param rotation rotation.password
---@return rotation.finding
---@return sink.passwords.entry?
function M.finding(rotation)
  if rotation.is_gone then return "gone" end
  if not is_own_pending_listed(rotation) then return "unlisted" end
  if rotation.is_spoilt then return "spoilt" end
  local other = find_other_pending(rotation)
  if other then return "pending", other end
  local is_taken, current = find_entry_taken(rotation)
  if is_taken then return "taken", current end
  local body, changed = rotation.row.body, rotation.account.changed
  if changed == body.before then return "unmoved" end
  if body.probe and changed == body.probe.moment then return "explained" end
  if body.probe and not change_date.quiet_from(body.candidates) then return "moved" end
  return change_date.explains(body.candidates, changed, clock_offset_to_use(rotation)) and "explained" or "moved"
end

---------------------------------------------------------------------------
-- Sending a password

local function copy_candidate(candidate)
  local made = {}
  for name, value in pairs(candidate) do made[name] = value end
  return made
end

-- Graph's time now, as an interval, rounded outwards to milliseconds so that the record stays short.
local function graph_time_range()
  local earliest, latest = graph_clock.range()
  return math.floor(earliest * 1000) / 1000, math.ceil(latest * 1000) / 1000
end

-- Record, before the request leaves, that the request may be carried out from now on.
local function record_value_sending(rotation, sent)
  if time.monotonic() - rotation.looked_at > FRESH then error(STALE, 0) end
  local candidate = rotation.row.body.candidates[sent.number]
  local earliest, latest = graph_time_range()
  sent.before, sent.state, sent.from = copy_candidate(candidate), rotation.row.state, earliest
  sent.left_at = time.monotonic()
  candidate.state = "open"
  candidate.first, candidate.from = candidate.first or earliest, candidate.from or earliest
  rotation.row.body.shown = rotation.account.changed
  candidate.last, candidate.to, candidate.unanswered = latest, latest, latest
  rotation_account.stage(rotation, "sent")
end

-- Record that the request did not leave: the candidate gets its former state back.
local function record_value_unsent(rotation, sent)
  if not sent.before then return end
  rotation.row.body.candidates[sent.number] = sent.before
  rotation_account.stage(rotation, sent.state)
end

-- Record that the request was answered with success: within PROMPT seconds, or so late that the answer proves too
-- little.
local function record_value_accepted(rotation, sent)
  local candidate = rotation.row.body.candidates[sent.number]
  local _, latest = graph_time_range()
  candidate.to, candidate.unanswered, candidate.why = latest, sent.before.unanswered, nil
  local prompt = time.monotonic() - sent.left_at <= change_date.PROMPT
  if prompt then
    candidate.state, candidate.answered = "accepted", { from = sent.from, to = latest }
  else
    candidate.why = "the answer took too long to prove anything"
  end
  rotation_account.stage(rotation, "sent")
  return prompt and "accepted" or "slow"
end

-- Record that the request was refused, and certainly not carried out. Earlier requests with the same value still count.
local function record_value_refused(rotation, sent, state, why)
  local candidate = rotation.row.body.candidates[sent.number]
  candidate.from, candidate.to, candidate.unanswered = sent.before.from, sent.before.to, sent.before.unanswered
  candidate.state, candidate.why = sent.before.from and "open" or state, why
  candidate.rejected = state == "rejected" or nil
  rotation_account.stage(rotation, "sent")
end

-- Did Entra refuse the value as a password? Graph has no code for that: the message of the status 400 has the word
-- "password".
local function is_password_rejected(failure)
  local said = failure.cause and failure.cause.message or failure.why
  return failure.status == 400 and tostring(said):lower():find("password", 1, true) ~= nil
end

local DENIED = { [401] = true, [403] = true, [429] = true }

local function record_sending_failure(rotation, sent, failure)
  if not sent.before or change_outcome.never_left(failure) then
    record_value_unsent(rotation, sent)
    error(failure, 0)
  end
  if is_password_rejected(failure) then
    record_value_refused(rotation, sent, "rejected", failure.why)
    return "rejected", failure
  end
  if DENIED[failure.status] then
    record_value_refused(rotation, sent, "denied", failure.why)
    if failure.status ~= 429 then error(failure, 0) end
    return "throttled", failure
  end
  rotation.row.body.candidates[sent.number].why = failure.why
  rotation_account.stage(rotation, "sent")
  return "unknown", failure
end

-- Look at the account again before a request leaves that had to wait for the write budget or for a retry. Raises STALE
-- unless the new look shows the same as the look before.
local function look_again_when_stale(rotation)
  local _, ahead = require("http.client").write_budget()
  if (ahead or 0) > 0 and time.monotonic() - rotation.looked_at <= FRESH then return end -- the request waits first
  if time.monotonic() - rotation.looked_at <= FRESH / 2 then return end
  local finding, moment = M.finding(rotation), rotation.account.changed
  M.look_at_account(rotation)
  if M.finding(rotation) ~= finding or rotation.account.changed ~= moment then error(STALE, 0) end
end

--- Send the newest value once. Raises failures that tell nothing about the value. Waits.
---@param rotation rotation.password whose last look allows sending
---@return "accepted"|"slow"|"rejected"|"throttled"|"unknown"|"again" outcome again: nothing left, the look was too old
---@return Failure?
function M.send(rotation)
  local body, sent = rotation.row.body, { number = #rotation.row.body.candidates }
  local value <close> = rotation_account.unseal_value(rotation, sent.number)
  local ok, failure = pcall(call.perform, call.new("PATCH", graph.path("/users/{id}", body.user), {
    passwordProfile = { forceChangePasswordNextSignIn = false, password = value },
  }, {
    repeatable = false, once = true, timeout = change_date.TIMEOUT, what = rotation_account.change_text(rotation),
    note = "password " .. markers.of_value(body.marker, sent.number),
    ready = function() look_again_when_stale(rotation) end,
    sending = function() record_value_sending(rotation, sent) end,
  }))
  if ok then return record_value_accepted(rotation, sent) end
  if failure == STALE then
    record_value_unsent(rotation, sent)
    return "again"
  end
  if not fail.is(failure) then error(failure, 0) end
  local result = table.pack(record_sending_failure(rotation, sent, failure))
  commit.commit(rotation.run.journal)
  return table.unpack(result)
end

return M
