--- Send one value of a rotation to Entra: the look before the request leaves, and what the answer shows.

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
local STALE = {} -- raised when the look is too old at the time the request could leave

---------------------------------------------------------------------------
-- The look

local function read_account(job)
  local now, names = users.read_with_names(job.run, job.row.body.user)
  return { now, names }
end

local function own_pending(job)
  local body = job.row.body
  for _, entry in ipairs(job.slot.pending) do
    if entry.marker == body.marker and entry.number == #body.candidates then return entry end
  end
end

-- Did somebody change the entry of the newest value since it was read back?
local function check_content(job)
  local entry, checked = own_pending(job), job.checked
  if not entry then return end
  local is_as_read = checked and checked.number == entry.number and checked.modified == entry.modified
  if is_as_read and entry.modified then return end
  local value <close> = rotation_account.value(job, entry.number)
  job.is_spoilt = not job.run.sink:holds(entry.id, value)
  job.checked = { number = entry.number, modified = entry.modified }
end

--- Look at the account's entries in the sink and at the directory, side by side. Sets the job's `slot` and `account` to
--- what they are now; `account` is nil when it was deleted. Waits.
---@param job rotation.job
function M.look(job)
  local began, account = time.monotonic(), job.account
  local slot, read = task.all {
    function() return job.run.sink:look(account, job.row.body.name) end,
    function() return read_account(job) end,
  }
  local now = read[1]
  if now then now.roles, now.group, now.outside = account.roles, account.group, account.outside end
  job.slot, job.is_gone, job.looked_at = slot, now == nil, began
  if now then job.account, job.names = now, read[2] end
  check_content(job)
end

local function other_pending(job)
  local body = job.row.body
  for _, entry in ipairs(job.slot.pending) do
    local is_known = entry.marker == body.marker or (body.left or {})[entry.marker or entry.id]
    if not is_known then return entry end
  end
end

-- Was the current entry written by another rotation than the one this rotation judged?
local function is_taken(job)
  local body, current = job.row.body, job.slot.current
  local marked = current and current.marker or false
  return job.slot.several or marked ~= (body.seen or false) and marked ~= body.marker
end

-- The offset of the directory's clock: the known one, or the one that a change suggests which is being checked.
local function offset_of(job)
  local probe = job.row.body.probe
  if not probe then return job.run.directory:offset(graph_clock.now()) end
  local low, high = change_date.offsets(probe.span, probe.moment)
  return { low = low, high = high }
end

---@alias rotation.sight
---| "gone"      the account was deleted
---| "unlisted"  the listing does not show our own pending entry, so it does not count
---| "spoilt"    somebody changed our own pending entry
---| "pending"   there is a pending entry of another rotation
---| "taken"     the current entry is another rotation's
---| "unmoved"   the password was not changed since the rotation began
---| "explained" it was changed when a request of ours may have changed it
---| "moved"     it was changed when no request of ours can have

--- What the last look shows; with it, the entry of another rotation when it found one.
---@param job rotation.job
---@return rotation.sight
---@return sink.passwords.entry?
function M.sight(job)
  if job.is_gone then return "gone" end
  if not own_pending(job) then return "unlisted" end
  if job.is_spoilt then return "spoilt" end
  local other = other_pending(job)
  if other then return "pending", other end
  if is_taken(job) then return "taken", job.slot.current end
  local body, changed = job.row.body, job.account.changed
  if changed == body.before then return "unmoved" end
  if body.probe and changed == body.probe.moment then return "explained" end
  if body.probe and not change_date.quiet_from(body.candidates) then return "moved" end
  return change_date.explains(body.candidates, changed, offset_of(job)) and "explained" or "moved"
end

---------------------------------------------------------------------------
-- Sending

local function copy(candidate)
  local made = {}
  for name, value in pairs(candidate) do made[name] = value end
  return made
end

-- Graph's time as an interval, rounded outwards to milliseconds so that the record stays short.
local function range()
  local earliest, latest = graph_clock.range()
  return math.floor(earliest * 1000) / 1000, math.ceil(latest * 1000) / 1000
end

-- Put on record, before the request leaves, that it may be carried out from now on.
local function note_sending(job, sent)
  if time.monotonic() - job.looked_at > FRESH then error(STALE, 0) end
  local candidate = job.row.body.candidates[sent.number]
  local earliest, latest = range()
  sent.before, sent.state, sent.from, sent.left_at = copy(candidate), job.row.state, earliest, time.monotonic()
  candidate.state = "open"
  candidate.first, candidate.from = candidate.first or earliest, candidate.from or earliest
  job.row.body.shown = job.account.changed
  candidate.last, candidate.to, candidate.unanswered = latest, latest, latest
  rotation_account.stage(job, "sent")
end

-- The request did not leave: the candidate is as it was before.
local function note_unsent(job, sent)
  if not sent.before then return end
  job.row.body.candidates[sent.number] = sent.before
  rotation_account.stage(job, sent.state)
end

-- The request was answered with success: in time, or so late that the answer proves too little.
local function note_accepted(job, sent)
  local candidate = job.row.body.candidates[sent.number]
  local _, latest = range()
  candidate.to, candidate.unanswered, candidate.why = latest, sent.before.unanswered, nil
  local prompt = time.monotonic() - sent.left_at <= change_date.PROMPT
  if prompt then
    candidate.state, candidate.answered = "accepted", { from = sent.from, to = latest }
  else
    candidate.why = "the answer took too long to prove anything"
  end
  rotation_account.stage(job, "sent")
  return prompt and "accepted" or "slow"
end

-- The request was refused, and certainly not carried out. Earlier requests with the same value still count.
local function note_refused(job, sent, state, why)
  local candidate = job.row.body.candidates[sent.number]
  candidate.from, candidate.to, candidate.unanswered = sent.before.from, sent.before.to, sent.before.unanswered
  candidate.state, candidate.why = sent.before.from and "open" or state, why
  candidate.rejected = state == "rejected" or nil
  rotation_account.stage(job, "sent")
end

-- Graph has no code for a refused password: the message of the 400 names the password.
local function is_rejection(failure)
  local said = failure.cause and failure.cause.message or failure.why
  return failure.status == 400 and tostring(said):lower():find("password", 1, true) ~= nil
end

local DENIED = { [401] = true, [403] = true, [429] = true }

local function judge_failure(job, sent, failure)
  if not sent.before or change_outcome.never_left(failure) then
    note_unsent(job, sent)
    error(failure, 0)
  end
  if is_rejection(failure) then
    note_refused(job, sent, "rejected", failure.why)
    return "rejected", failure
  end
  if DENIED[failure.status] then
    note_refused(job, sent, "denied", failure.why)
    if failure.status ~= 429 then error(failure, 0) end
    return "throttled", failure
  end
  job.row.body.candidates[sent.number].why = failure.why
  rotation_account.stage(job, "sent")
  return "unknown", failure
end

-- Look again before a request leaves that had to wait for the write budget or for a retry. The look must show what the
-- one before showed.
local function look_again(job)
  local _, ahead = require("http.client").write_budget()
  if (ahead or 0) > 0 and time.monotonic() - job.looked_at <= FRESH then return end -- it waits first
  if time.monotonic() - job.looked_at <= FRESH / 2 then return end
  local sight, moment = M.sight(job), job.account.changed
  M.look(job)
  if M.sight(job) ~= sight or job.account.changed ~= moment then error(STALE, 0) end
end

--- Send the newest value once. Raises a failure that tells nothing about the value. Waits.
---@param job rotation.job with a look that allows it
---@return "accepted"|"slow"|"rejected"|"throttled"|"unknown"|"again" outcome again: nothing left, the look was too old
---@return Failure?
function M.send(job)
  local body, sent = job.row.body, { number = #job.row.body.candidates }
  local value <close> = rotation_account.value(job, sent.number)
  local ok, failure = pcall(call.perform, call.new("PATCH", graph.path("/users/{id}", body.user), {
    passwordProfile = { forceChangePasswordNextSignIn = false, password = value },
  }, {
    repeatable = false, once = true, timeout = change_date.TIMEOUT, what = rotation_account.what(job),
    note = "password " .. markers.of_value(body.marker, sent.number),
    ready = function() look_again(job) end, sending = function() note_sending(job, sent) end,
  }))
  if ok then return note_accepted(job, sent) end
  if failure == STALE then
    note_unsent(job, sent)
    return "again"
  end
  if not fail.is(failure) then error(failure, 0) end
  local result = table.pack(judge_failure(job, sent, failure))
  commit.commit(job.run.journal)
  return table.unpack(result)
end

return M
