--- Settle a password rotation after Entra accepted a value: wait until the directory shows the change, and check, once
--- the value is in the sink, that it is still in force.

local change_date = require "rotation.change_date"
local ending = require "rotation.ending"
local graph_clock = require "graph.clock"
local rotation_account = require "rotation.account"
local scheduler = require "task.scheduler"
local task = require "task"
local time = require "time"
local users = require "entra.users"

local M = {}

local BUDGET = 300 -- seconds until the directory must show a change that was accepted
local LOOKS = { 0, 1, 1, 2, 2, 3, 5 } -- seconds between looks; the last one repeats
local LAG = 30 -- seconds for which the date of an earlier request of ours is taken for a stale read
local STEADY = 5 -- seconds after which a date that shows the clock's offset is read once more

---------------------------------------------------------------------------
-- Waiting for the directory

local function pause_before_look(look) return LOOKS[math.min(look, #LOOKS)] end

-- Wait until no request without an answer, and none with another value, can still be carried out.
local function await_no_request_pending(rotation)
  local candidates = rotation.row.body.candidates
  local quiet = math.max(change_date.quiet_from(candidates) or 0, change_date.others_void_from(candidates, #candidates))
  while (graph_clock.range() or 0) <= quiet do
    if task.stopping() then scheduler.raise_interrupted() end
    task.sleep(math.min(5, math.max(0.1, quiet - (graph_clock.range() or 0))))
  end
end

-- Is this still the date of an earlier change, so that it tells nothing about the last request? The date was there
-- before, or an earlier request of ours explains it and the read is stale. A date that is still shown after LAG seconds
-- counts: a directory whose clock is behind would show it.
local function is_date_of_earlier_change(rotation, moment, span, offset, waited)
  local body = rotation.row.body
  if moment <= math.max(body.before, body.shown or 0, body.probe and body.probe.moment or 0) then return true end
  local distance = change_date.distance(span, moment, offset)
  if body.probe or distance >= 0 or waited > LAG and change_date.is_near(distance) then return false end
  for _, candidate in ipairs(body.candidates) do
    local from = candidate.from
    if from and from < span.from and moment >= (from + offset.low) // 1 then return true end
  end
  return false
end

-- Wait until the directory shows the date of the last request's change. Nil when it does not within BUDGET seconds.
local function await_change_date(rotation, span, offset)
  local ends, look = time.monotonic() + BUDGET, 1
  while true do
    local pause = pause_before_look(look)
    if time.monotonic() + pause > ends then return nil end
    if pause > 0 then task.sleep(pause) end
    local moment = users.password_changed_at(rotation.row.body.user)
    if not moment then return ending.account_gone(rotation) end
    local waited = time.monotonic() - ends + BUDGET
    if not is_date_of_earlier_change(rotation, moment, span, offset, waited) then return moment end
    look = look + 1
  end
end

---------------------------------------------------------------------------
-- Settling

-- Set the newest value back to "open", so that the caller sends it once more: the evidence proves too little.
local function reopen_candidate(rotation, why)
  local body = rotation.row.body
  local candidate = body.candidates[#body.candidates]
  candidate.state, candidate.why = "open", why
  rotation_account.stage(rotation, "sent")
end

local function record_password_changed(rotation, moment)
  local candidates = rotation.row.body.candidates
  local low, high = change_date.offsets(candidates[#candidates].answered, moment)
  rotation.run.directory:agrees(low, high, graph_clock.now())
  rotation_account.stage(rotation, "changed", { chosen = #candidates, changed_at = moment, probe = nil })
end

local function handle_change_not_shown(rotation)
  local body = rotation.row.body
  if body.unshown then
    rotation_account.orphan(rotation, "Entra accepted the new password twice, and after five minutes the directory "
      .. "shows no change")
  end
  body.unshown = true
  reopen_candidate(rotation, "accepted, and not shown after five minutes")
end

local function end_as_changed_by_other(rotation, moment, when)
  local why = ("the password was changed by somebody else on %s, %s"):format(time.iso(moment), when)
  ending.overtaken(rotation, why, moment)
end

-- Decide by the second of two accepted requests who made the change with the unexpected date: the clock's offset
-- explains both dates, or somebody else changed the password.
local function judge_second_date(rotation, moment, span)
  local body = rotation.row.body
  local first = body.probe
  task.sleep(STEADY) -- reads are stale for a while: the date of the first request may be shown late
  moment = math.max(moment, users.password_changed_at(body.user) or moment)
  local offset = change_date.offset_of_changes(first, { span = span, moment = moment })
  if not offset then
    rotation_account.orphan(rotation, ("somebody else changed the password on %s, while ours was set: it was set once "
      .. "more after that"):format(time.iso(first.moment)))
  end
  rotation.run.directory:learn(offset, graph_clock.now())
  record_password_changed(rotation, moment)
end

-- Decide what to do about a date outside the span of the answered request: send the value again, check the clock's
-- offset by a second request, or end, because somebody else changed the password.
local function judge_unexpected_date(rotation, moment, distance, offset)
  local body = rotation.row.body
  local candidate = body.candidates[#body.candidates]
  local quiet = change_date.quiet_from(body.candidates)
  if distance > 0 and quiet and moment <= quiet + offset.high then
    return reopen_candidate(rotation, "an earlier request of ours may have been carried out after it")
  end
  local is_odd = offset.known and math.abs(distance) > 1
  if is_odd or not change_date.is_near(distance) then
    local when = distance > 0 and "after ours was set" or "just before ours was set"
    return end_as_changed_by_other(rotation, moment, when)
  end
  body.probe = { span = candidate.answered, moment = moment }
  task.sleep(1.5) -- dates are whole seconds: the second request must get another date
  reopen_candidate(rotation, "the directory's moment lies outside the request's span")
end

local NO_OFFSET = { low = 0, high = 0, known = false }

-- The offset of the directory's clock that may explain a date. Bounds that leave room for no offset at all, and that no
-- change of ours agreed with for a day, count as none: somebody else's change just after ours makes bounds too wide,
-- and wide bounds would explain the next such change. If there is an offset, a second request shows it anew.
-- tests/models/directory_clock.py tries both rules against every order of two changes.
local function offset_to_judge_by(rotation)
  local offset = rotation.run.directory:offset(graph_clock.now())
  local may_be_none = offset.low <= 0 and offset.high >= 0
  return not offset.known and may_be_none and NO_OFFSET or offset
end

--- Wait, after Entra accepted the value, until the directory shows the change. The row's state is "changed" afterwards,
--- or "sent" when the same value has to be sent once more.
---@param rotation rotation.password
function M.await_change(rotation)
  local body = rotation.row.body
  local span = body.candidates[#body.candidates].answered
  await_no_request_pending(rotation)
  local offset = offset_to_judge_by(rotation)
  local moment = await_change_date(rotation, span, offset)
  if not moment then return handle_change_not_shown(rotation) end
  if body.probe then return judge_second_date(rotation, moment, span) end
  local distance = change_date.distance(span, moment, offset)
  if distance == 0 then return record_password_changed(rotation, moment) end
  judge_unexpected_date(rotation, moment, distance, offset)
end

---------------------------------------------------------------------------
-- After storing

--- Check in the directory that the stored value is still in force. When an earlier request of ours may have been
--- carried out since, the row's state is "sent" again. Waits.
---@param rotation rotation.password
---@return boolean confirmed
function M.confirm_stored(rotation)
  local body, looks, seen = rotation.row.body, 0, {}
  local moment = users.password_changed_at(body.user)
  while moment and moment < body.changed_at and looks < #LOOKS do -- a stale read
    looks = looks + 1
    task.sleep(pause_before_look(looks + 1))
    moment = users.password_changed_at(body.user)
  end
  if not moment then return ending.account_gone(rotation) end
  if moment == body.changed_at then return true end
  local quiet = change_date.quiet_from(body.candidates)
  if quiet and moment > body.changed_at and moment <= quiet then
    for i in ipairs(rotation.run.sink:keys(rotation.account)) do seen[i] = body.marker end
    body.seen = seen
    reopen_candidate(rotation, "an earlier request of ours may have been carried out after it")
    return false
  end
  end_as_changed_by_other(rotation, moment, "after we did")
end

return M
