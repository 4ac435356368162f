--- After Entra accepted a value: when the password counts as changed, and whether the value is still in force once it
--- is in the sink.

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
local LAG = 30 -- seconds for which the date of an earlier request of ours is taken for a late read
local STEADY = 5 -- seconds after which a date that is to tell an offset is read once more

---------------------------------------------------------------------------
-- Looking

local function pause_of(look) return LOOKS[math.min(look, #LOOKS)] end

-- Wait until no request without an answer, and none with another value, can still be carried out.
local function await_quiet(job)
  local candidates = job.row.body.candidates
  local quiet = math.max(change_date.quiet_from(candidates) or 0, change_date.void_from(candidates, #candidates))
  while (graph_clock.range() or 0) <= quiet do
    if task.stopping() then scheduler.raise_interrupted() end
    task.sleep(math.min(5, math.max(0.1, quiet - (graph_clock.range() or 0))))
  end
end

-- Does the date tell nothing about the last request? It was there before, or an earlier request of ours explains it and
-- the read is late. A date that still shows after LAG is one that a directory whose clock is behind would show.
local function is_earlier(job, moment, span, offset, waited)
  local body = job.row.body
  if moment <= math.max(body.before, body.shown or 0, body.probe and body.probe.moment or 0) then return true end
  local distance = change_date.distance(span, moment, offset)
  if body.probe or distance >= 0 or waited > LAG and change_date.is_near(distance) then return false end
  for _, candidate in ipairs(body.candidates) do
    local from = candidate.from
    if from and from < span.from and moment >= (from + offset.low) // 1 then return true end
  end
  return false
end

-- The date of the last request, as soon as the directory shows one; nil when it never does. Waits.
local function await_moment(job, span, offset)
  local ends, look = time.monotonic() + BUDGET, 1
  while true do
    local pause = pause_of(look)
    if time.monotonic() + pause > ends then return nil end
    if pause > 0 then task.sleep(pause) end
    local moment = users.password_changed_at(job.row.body.user)
    if not moment then return ending.account_gone(job) end
    if not is_earlier(job, moment, span, offset, time.monotonic() - ends + BUDGET) then return moment end
    look = look + 1
  end
end

---------------------------------------------------------------------------
-- Accepted

-- Send the same value once more: what was seen proves too little.
local function send_again(job, why)
  local body = job.row.body
  local candidate = body.candidates[#body.candidates]
  candidate.state, candidate.why = "open", why
  rotation_account.stage(job, "sent")
end

local function changed(job, moment)
  local candidates = job.row.body.candidates
  local low, high = change_date.offsets(candidates[#candidates].answered, moment)
  job.run.directory:agrees(low, high, graph_clock.now())
  rotation_account.stage(job, "changed", { chosen = #job.row.body.candidates, changed_at = moment, probe = nil })
end

local function not_shown(job)
  local body = job.row.body
  if body.unshown then
    rotation_account.orphan(job, "Entra accepted the new password twice, and after five minutes the directory shows "
      .. "no change")
  end
  body.unshown = true
  send_again(job, "accepted, and not shown after five minutes")
end

local function somebody_else(job, moment, when)
  ending.overtaken(job, ("the password was changed by somebody else on %s, %s"):format(time.iso(moment), when), moment)
end

-- The second of two accepted requests shows who made the change that the first date belongs to.
local function judge_probe(job, moment, span)
  local body = job.row.body
  local first = body.probe
  task.sleep(STEADY) -- reads lag: the first request's own date may be shown late
  moment = math.max(moment, users.password_changed_at(body.user) or moment)
  local offset = change_date.offset_of(first, { span = span, moment = moment })
  if not offset then
    rotation_account.orphan(job, ("somebody else changed the password on %s, while ours was set: it was set once more "
      .. "after that"):format(time.iso(first.moment)))
  end
  job.run.directory:learn(offset, graph_clock.now())
  changed(job, moment)
end

-- The date is outside the span of the answered request.
local function unexpected(job, moment, distance, offset)
  local body = job.row.body
  local candidate = body.candidates[#body.candidates]
  local quiet = change_date.quiet_from(body.candidates)
  if distance > 0 and quiet and moment <= quiet + offset.high then
    return send_again(job, "an earlier request of ours may have been carried out after it")
  end
  local is_odd = offset.known and math.abs(distance) > 1
  if is_odd or not change_date.is_near(distance) then
    return somebody_else(job, moment, distance > 0 and "after ours was set" or "just before ours was set")
  end
  body.probe = { span = candidate.answered, moment = moment }
  task.sleep(1.5) -- dates are whole seconds: the second request must get another date
  send_again(job, "the directory's moment lies outside the request's span")
end

--- Entra accepted the value: wait until the directory shows the change. The row's state is then "changed", or "sent"
--- when the same value has to be sent once more. Waits.
---@param job rotation.job
function M.settle(job)
  local body = job.row.body
  local span = body.candidates[#body.candidates].answered
  await_quiet(job)
  local offset = job.run.directory:offset(graph_clock.now())
  local moment = await_moment(job, span, offset)
  if not moment then return not_shown(job) end
  if body.probe then return judge_probe(job, moment, span) end
  local distance = change_date.distance(span, moment, offset)
  if distance == 0 then return changed(job, moment) end
  unexpected(job, moment, distance, offset)
end

---------------------------------------------------------------------------
-- After storing

--- Is the stored value still in force? Looks at the directory once more. When an earlier request of ours may have been
--- carried out since, the row's state is "sent" again. Waits.
---@param job rotation.job
---@return boolean confirmed
function M.confirm(job)
  local body, looks = job.row.body, 0
  local moment = users.password_changed_at(body.user)
  while moment and moment < body.changed_at and looks < #LOOKS do -- a late read
    looks = looks + 1
    task.sleep(pause_of(looks + 1))
    moment = users.password_changed_at(body.user)
  end
  if not moment then return ending.account_gone(job) end
  if moment == body.changed_at then return true end
  local quiet = change_date.quiet_from(body.candidates)
  if quiet and moment > body.changed_at and moment <= quiet then
    body.seen = body.marker
    send_again(job, "an earlier request of ours may have been carried out after it")
    return false
  end
  somebody_else(job, moment, "after we did")
end

return M
