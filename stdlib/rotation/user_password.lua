--- Change one user's password so that no value is ever lost. We choose the value, so it is sealed, and in the sink as
--- pending, before Entra hears of it.
---
--- States: intent (value sealed), pending (in the sink, read back), sent, changed, current (read back), closed. Any run
--- can go on where another stopped. "changed" needs an answer, the directory's date within the span of that answer, and
--- a look after the value was stored; a change in the directory alone proves nothing. A value that left this machine
--- stays in the journal and in the sink until it is known which value is in force.

local change_date = require "rotation.change_date"
local commit = require "journal.commit"
local due = require "rotation.due"
local ending = require "rotation.ending"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local leases = require "journal.lease"
local lifecycle = require "rotation.lifecycle"
local log = require "log"
local markers = require "journal.marker"
local opening = require "rotation.opening"
local rotation_account = require "rotation.account"
local rows = require("journal.rotations").user_passwords
local scheduler = require "task.scheduler"
local sending = require "rotation.sending"
local settling = require "rotation.settling"
local task = require "task"
local time = require "time"
local users = require "entra.users"

local M = {}

local orphan, stage, what_of = rotation_account.orphan, rotation_account.stage, rotation_account.what

local PAUSES = { 5, 15, 30 } -- seconds before a request with an unknown outcome is repeated
local MOST_VALUES = 4 -- values that Entra may refuse before a person must look
local MOST_CANDIDATES = 32 -- values of one rotation, however often a person has looked
local LISTING = { 0.5, 1, 2, 4, 8, 15, 30 } -- seconds between looks for our own entry in the sink's list
local YIELD = 60 -- seconds for which the rotation with the lower marker waits for the other one to give way
local HOUR = 3600 -- seconds after its first request when a value is not sent again without a person
local SPOILT = "somebody changed its pending entry, which holds something else now"
local SETTLE = 5 -- seconds until an entry must be listed
local YOUNG = 600 -- seconds for which another rotation's pending entry is taken for one that is at work

---------------------------------------------------------------------------
-- Waiting

-- Wait until a moment, by Graph's clock. When the program is asked to stop, it stops here: nothing is left open.
local function pause_until(job, moment, why)
  local left = moment - (graph_clock.range() or graph_clock.now())
  if left > 1 then log.progress(("%s: waiting %s, %s"):format(job.account.upn, time.span(left), why)) end
  while left >= 0 do
    if task.stopping() then scheduler.raise_interrupted() end
    task.sleep(math.min(math.max(left, 0.1), 5))
    left = moment - (graph_clock.range() or graph_clock.now())
  end
end

local function pause(seconds)
  if task.stopping() then scheduler.raise_interrupted() end
  task.sleep(seconds)
end

---------------------------------------------------------------------------
-- Is sending allowed?

local function raise_not_allowed(job, why, code)
  local open = change_date.any_open(job.row.body.candidates)
  fail.raise {
    kind = "refused", what = what_of(job), why = why, code = code,
    fix = open and ("What was sent before may be in force: %s. Nothing more will be sent.")
      :format(rotation_account.places(job)) or "Nothing was sent.",
  }
end

local function check_window(job)
  local window = job.run.terms.window
  if not window or job.run.setting.outside_window then return end
  local open, when = window:at(time.now())
  if open then return end
  raise_not_allowed(job, ("the window %s is closed until %s"):format(window.text, time.iso(when)), "window")
end

-- Check today's rules for a rotation that was begun earlier. Nothing stays open for ever: once no request can be
-- carried out any more, a rotation that is not allowed today ends.
local function check_rails(job, sight)
  local what, why, code = due.why_not(job.run.setting, job.account)
  if what then
    local candidates = job.row.body.candidates
    local is_quiet = (graph_clock.range() or 0) > change_date.void_from(candidates)
    if is_quiet and sight == "unmoved" then ending.give_up(job, why, code) end
    if is_quiet then ending.leave(job, why) end
    raise_not_allowed(job, why, code)
  end
  check_window(job)
end

local function check_age(job)
  if job.run.terms.on_unknown == "repeat" then return end
  local first = change_date.first_sent(job.row.body.candidates)
  if graph_clock.now() - first <= HOUR then return end
  orphan(job, ("the password was changed on %s, when a request of ours from %s may have done it, and more than an hour "
    .. "has passed: it is not known which value is in force"):format(time.iso(job.account.changed), time.iso(first)))
end

-- A person who resets a password by hand usually makes the user change it at the next sign-in. We never do, so this
-- shows another's change.
local function check_not_reset(job)
  if not users.must_change_password(job.row.body.user) then return end
  orphan(job, ("somebody reset the password on %s: it has to be changed at the next sign-in, which we never ask for")
    :format(time.iso(job.account.changed)))
end

---------------------------------------------------------------------------
-- Other rotations

local function describe_other(entry)
  local installation = entry and markers.installation_of(entry.marker)
  return installation and ("another installation of Moonlatch (%s)"):format(installation) or "another rotator"
end

-- Another rotation is at work on the account. A value that never left is removed; a value that left is kept.
local function give_way(job, why)
  if not rotation_account.is_unsent(job) then
    orphan(job, why .. ", and a value of ours was sent before that was seen")
  end
  ending.step_back(job, { what = "busy", why = why })
end

-- Of two rotations that see each other, the one with the lower marker may wait for the other to go.
local function may_outwait(job, other)
  if not rotation_account.is_unsent(job) or not other.marker or job.row.body.marker > other.marker then return false end
  job.yielded = job.yielded or time.monotonic()
  return time.monotonic() - job.yielded < YIELD
end

local function is_old(entry) return entry.since ~= nil and graph_clock.now() - entry.since > YOUNG end

local function meet_other(job, other)
  if rotation_account.is_unsent(job) and is_old(other) then
    ending.step_back(job, due.judge_strange(job.run.setting, job.slot, other))
  end
  if may_outwait(job, other) then return pause(2) end
  give_way(job, ("%s has a pending value in the sink (%s)"):format(describe_other(other), other.marker or other.id))
end

local function meet_taken(job, entry)
  if entry and entry.user and entry.user ~= job.account.id and rotation_account.is_unsent(job) then
    local why = "the entry of this name was written for another account (object id %s)"
    ending.step_back(job, { what = "refuse", why = why:format(entry.user), code = "entry" })
  end
  local why = not entry and "the current entry was removed while this rotation was at work"
    or job.slot.several and "there is more than one entry of this account"
    or ("the current entry was written meanwhile by %s (%s)"):format(describe_other(entry), entry.marker or "no marker")
  give_way(job, why)
end

-- The list does not show the entry that we wrote, so it tells nothing about others either.
local function wait_for_listing(job)
  job.unlisted = (job.unlisted or 0) + 1
  local seconds = LISTING[job.unlisted]
  if seconds then return pause(seconds) end
  if not rotation_account.is_unsent(job) then orphan(job, "its pending value does not lie in the sink any more") end
  ending.step_back(job, { what = "busy", why = "the sink does not list the pending entry that was written to it" })
end

-- The directory shows a change that no request of ours explains.
local function meet_change(job)
  local changed = time.iso(job.account.changed)
  if change_date.any_left(job.row.body.candidates) then
    local after = "the password was changed by somebody else on %s, after ours was sent"
    ending.overtaken(job, after:format(changed), job.account.changed)
  end
  local why = "the password was changed by somebody else on %s, before ours was sent"
  ending.step_back(job, { what = "stop", why = why:format(changed), fix = due.entries_of(job.slot) })
end

---------------------------------------------------------------------------
-- From pending, or sent, to changed

-- Can no request with these values be carried out any more? If one can, wait until then and return false: the caller
-- looks again.
local function is_quiet(job, candidates)
  local quiet = math.max(change_date.quiet_from(candidates) or 0, job.row.body.quiet_until or 0)
  if (graph_clock.range() or 0) > quiet then return true end
  pause_until(job, quiet, "until a request without an answer cannot be carried out any more")
  return false
end

local function refused_values(body)
  local count = 0
  for _, candidate in ipairs(body.candidates) do count = count + (candidate.rejected and 1 or 0) end
  return count
end

-- A vault that allows no two entries of one name refuses the pending entry while another's exists.
local function keep_pending(job)
  local ok, failure = pcall(rotation_account.keep_pending, job)
  if ok then return end
  if fail.is(failure) and failure.code == "spoilt" then orphan(job, SPOILT) end
  if not fail.is(failure, "conflict") or failure.status ~= 409 then error(failure, 0) end
  give_way(job, "the vault holds a pending value of this account already")
end

-- One value at a time: another value only when no request with an earlier one can be carried out any more.
local function another_value(job)
  local body = job.row.body
  if refused_values(body) >= MOST_VALUES or #body.candidates >= MOST_CANDIDATES then
    orphan(job, ("Entra refused %d generated passwords: %s"):format(refused_values(body),
      body.candidates[#body.candidates].why or "it does not say why"))
  end
  if not is_quiet(job, body.candidates) then return end
  rotation_account.add_candidate(job)
  keep_pending(job)
end

local function raise_unknown(job, failure)
  fail.raise {
    kind = "unknown_outcome", what = what_of(job),
    why = ("it is not known whether Entra set it (%s)"):format(failure and failure.why or "its answers are too slow"),
    fix = ("The value is kept: %s. Run the same command again: it looks, and sends the same value if need be.")
      :format(rotation_account.places(job)),
    cause = failure,
  }
end

-- The look must be at most five seconds old when a request leaves.
local function raise_too_slow(job)
  fail.raise {
    kind = "transient", resumes = true, what = what_of(job),
    why = "reading the sink and the directory takes more than five seconds, or their content keeps changing",
    fix = "Run the same command again when they answer faster; nothing is sent after an old look.",
  }
end

local function passes_over(job)
  local left = job.row.body.left or {}
  for _, entry in ipairs(job.slot.pending) do
    if left[entry.marker or entry.id] == true then return true end
  end
  return false
end

-- A person passed over another rotation's pending value. Wait as long as that rotation could still send.
local function is_over_wait(job)
  local body = job.row.body
  if not passes_over(job) then return false end
  local from = body.pending_at + SETTLE + change_date.TIMEOUT + change_date.LATE
  if (graph_clock.range() or 0) > from then return false end
  pause_until(job, from, "until the rotation that was passed over cannot send any more")
  return true
end

-- May the same value be sent once more? A request with it may explain the change.
local function may_repeat(job)
  if not is_quiet(job, job.row.body.candidates) then return false end
  check_age(job)
  check_not_reset(job)
  return true
end

-- All values except the newest.
local function earlier_values(job)
  local candidates = job.row.body.candidates
  return table.move(candidates, 1, #candidates - 1, 1, {})
end

local function send(job, tries)
  local outcome, failure = sending.send(job)
  if outcome == "unknown" or outcome == "slow" then
    tries.unknown = tries.unknown + 1
    if tries.unknown > #PAUSES then raise_unknown(job, failure) end
    pause(PAUSES[tries.unknown])
  elseif outcome == "throttled" then
    tries.throttled = tries.throttled + 1
    if tries.throttled > 10 then error(failure, 0) end
  elseif outcome == "again" then
    tries.again = tries.again + 1
    if tries.again > 10 then raise_too_slow(job) end
  end
end

-- Do what the last look shows is needed. After it returns, the caller looks again.
local function step(job, tries)
  local sight, other = sending.sight(job)
  if sight == "gone" then return ending.account_gone(job) end
  if sight == "unlisted" then return wait_for_listing(job) end
  if sight == "spoilt" then orphan(job, SPOILT) end
  if sight == "pending" then return meet_other(job, other) end
  if sight == "taken" then return meet_taken(job, other) end
  check_rails(job, sight)
  local newest = job.row.body.candidates[#job.row.body.candidates]
  if sight == "moved" or sight == "explained" and not newest.from then return meet_change(job) end
  if sight == "explained" and newest.rejected then
    orphan(job, ("the password was changed on %s, when a request of ours may have done it, and Entra does not take the "
      .. "same value again: %s"):format(time.iso(job.account.changed), newest.why or "it does not say why"))
  end
  if sight == "explained" and not may_repeat(job) then return end
  if newest.rejected and sight == "unmoved" then return another_value(job) end
  if is_over_wait(job) or not is_quiet(job, earlier_values(job)) then return end
  send(job, tries)
end

local function set(job)
  local tries = { unknown = 0, throttled = 0, again = 0 }
  repeat
    local candidates = job.row.body.candidates
    if candidates[#candidates].state == "accepted" then
      settling.settle(job)
    else
      if task.stopping() then scheduler.raise_interrupted() end -- the last point at which stopping leaves nothing open
      sending.look(job)
      step(job, tries)
    end
  until job.row.state == "changed"
end

---------------------------------------------------------------------------
-- After it

local function keep_current(job)
  local body = job.row.body
  local value <close> = rotation_account.value(job, body.chosen)
  local ok, failure = pcall(job.run.sink.store_current, job.run.sink, job.account, {
    name = job.account.upn, value = value, marker = body.marker, number = body.chosen, since = body.changed_at,
    before = body.seen or nil, again = not job.is_new,
  })
  if not ok and fail.is(failure) and (failure.code == "taken" or failure.status == 409) then
    orphan(job, "the new password is in force, and cannot be stored in the account's entry: " .. failure.why)
  end
  if not ok then error(failure, 0) end
  local current = job.run.sink:slot(job.account).current
  stage(job, "current", {
    value = rows:sealed_name(job.row, body.chosen), entry = current.id, modified = current.modified,
    where = job.run.sink:where(job.account.upn),
  })
end

local function revoke_sessions(job)
  if not job.run.terms.after.revoke_sessions then return end
  local ok, failure = pcall(graph.post, graph.path("/users/{id}/revokeSignInSessions", job.row.body.user), nil, {
    repeatable = true, what = ("end the sessions of %s"):format(job.row.body.name),
  })
  if ok then return end
  if not fail.is(failure) or fail.is(failure, "interrupted") then error(failure, 0) end
  job.warning = tostring(failure)
end

local STEPS = {}

function STEPS.intent(job)
  local current = job.run.sink:slot(job.account).current
  job.row.body.seen = current and current.marker or false
  keep_pending(job)
end

STEPS.pending, STEPS.sent, STEPS.changed = set, set, keep_current

function STEPS.current(job)
  if not settling.confirm(job) then return end
  revoke_sessions(job)
  ending.close(job)
end

---------------------------------------------------------------------------
-- Interface

-- A person should have looked, and the account was deleted meanwhile: it is unknown which value is in force.
local function leave_orphan(job)
  local _, why, code = due.why_not(job.run.setting, job.account)
  local is_void = (graph_clock.range() or 0) > change_date.void_from(job.row.body.candidates)
  if not is_void then raise_not_allowed(job, why, code) end
  ending.leave(job, why)
end

-- Go on with a rotation. One that was never sent goes on only while it is wanted.
local function resume(job)
  local state = job.row.state
  if state == "orphaned" then leave_orphan(job) end
  if state ~= "intent" and state ~= "pending" or not rotation_account.is_unsent(job) then return end
  local what, why, code = due.why_not(job.run.setting, job.account)
  if not what then return end
  ending.give_up(job, why, code)
end

local function drive(job, judged)
  if judged.what == "change" then opening.begin(job, job.row, judged)
  elseif judged.reopens then opening.reopen(job)
  else resume(job) end
  lifecycle.drive(STEPS, job, "closed")
end

---@class rotation.done
---@field what "changed"|"busy"|"idle"|"ended"|"left"|"refuse"|"stop" idle: another process has done it; ended: an
--- earlier run began it, and it was closed without a change; left: closed, and it is unknown which value is in force
---@field why string?
---@field fix string?
---@field code string? of a refusal
---@field row rotation.account_row?
---@field warning string?

-- Judge by the last listing; unless the verdict is simply to go on, judge again by what the sink holds now.
local function judge(run, now, row)
  local judged = due.judge(run.setting, now, row, run.sink:slot(now))
  if judged.what == "change" or judged.what == "recover" then return judged end
  return due.judge(run.setting, now, row, run.sink:look(now, row and row.body.name))
end

local function refuse(account, judged)
  fail.raise {
    kind = judged.what == "stop" and "person" or "refused", what = ("set a new password for %s"):format(account.upn),
    why = judged.why, fix = judged.fix, code = judged.code,
  }
end

-- Wait for an account that a person named, when it has to rest.
local function rest(job, judged)
  if not judged.rests or judged.what ~= "change" then return false end
  pause_until(job, judged.due, "until the change before it cannot be overtaken any more")
  return true
end

local function attempt(run, account)
  run.setting.now = graph_clock.now() -- a run may take hours
  local row = opening.upgrade(rows:get(run.journal, account.id))
  local now, names = users.read_with_names(run, account.id)
  if not now then return ending.missing(run, account, row) end
  now.roles, now.group, now.outside = account.roles, account.group, account.outside
  local job = { run = run, account = now, names = names, row = row, is_new = row == nil }
  local judged = judge(run, now, row)
  if rest(job, judged) then return attempt(run, account) end
  if judged.what == "wait" then return { what = "idle", why = judged.why } end
  if judged.what == "busy" then return { what = "busy", why = judged.why } end
  if judged.what ~= "change" and judged.what ~= "recover" then refuse(now, judged) end
  local ok, err = xpcall(scheduler.uninterrupted, scheduler.keep_trace, drive, job, judged)
  if ok then return { what = "changed", row = job.row, warning = job.warning } end
  return ending.outcome_of(err) or error(err, 0)
end

local function lease_of(run, account)
  return leases.take(run.journal, "user/" .. account.id, ("set a new password for %s"):format(account.upn))
end

--- Change the account's password, or end an unfinished rotation. One process at a time may do this. Waits.
---@param run rotation.run
---@param account entra.user with the roles it holds
---@return rotation.done
function M.work(run, account)
  local lease <close>, held_by = lease_of(run, account)
  if not lease then return { what = "busy", why = held_by } end
  return attempt(run, account)
end

--- Put on record that the value in the sink is in force, though this journal did not set it.
---@param run rotation.run
---@param account entra.user
---@param adopt { marker: string, since: number }
function M.adopt(run, account, adopt)
  local lease <close> = lease_of(run, account)
  if not lease then return end
  local row = rows:get(run.journal, account.id)
    or rows:new(run.journal, { user = account.id, name = account.upn, policy = run.terms.name, candidates = {} },
      account.id)
  if row.body.value then run.journal:forget(row.body.value) end -- replaced by the value in force
  row.body.marker, row.body.changed_at, row.body.adopted, row.body.value = adopt.marker, adopt.since, true, nil
  rows:stage(run.journal, row, "closed")
  commit.commit(run.journal)
end

return M
