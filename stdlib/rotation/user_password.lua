--- Rotate one user's password so that no value is ever lost. We choose the value, so it is sealed in the journal, and
--- stored in the sink as pending, before it is sent to Entra.
---
--- States: intent (value sealed), pending (in the sink, read back), sent, changed, current (read back), closed. Any run
--- can go on where another stopped. "changed" needs an answer of Entra in time, and the directory's date within the
--- span of that request; a change in the directory alone proves nothing. A value that was sent stays in the journal and
--- in the sink until it is known which value is in force.

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
local repeat_rules = require "rotation.repeat_rules"
local rotation_account = require "rotation.account"
local rows = require("journal.rotations").user_passwords
local scheduler = require "task.scheduler"
local sending = require "rotation.sending"
local settling = require "rotation.settling"
local storing = require "rotation.storing"
local task = require "task"
local time = require "time"
local traceback = require "base.traceback"
local users = require "entra.users"

local M = {}

local orphan, change_text = rotation_account.orphan, rotation_account.change_text

local PAUSES = { 5, 15, 30 } -- seconds before a request with an unknown outcome is repeated
local MOST_VALUES = 4 -- values that Entra may refuse before a person must look
local MOST_CANDIDATES = 32 -- values of one rotation, however often a person has looked
local LISTING = { 0.5, 1, 2, 4, 8, 15, 30 } -- seconds between looks for our own entry in the sink's list
local YIELD = 60 -- seconds for which the rotation with the lower marker waits until the other one gives way
local SPOILT = "somebody changed its pending entry, which holds another value now"
local SETTLE = 5 -- seconds until an entry must be listed
local YOUNG = 600 -- seconds for which the rotation of another pending entry is taken to be at work

---------------------------------------------------------------------------
-- Waiting

-- Wait until a moment, by Graph's clock. A program that is asked to stop ends here, where no request is open.
local function pause_rotation_until(rotation, moment, why)
  local left = moment - (graph_clock.range() or graph_clock.now())
  if left > 1 then log.progress(("%s: waiting %s, %s"):format(rotation.account.upn, time.span(left), why)) end
  while left >= 0 do
    if task.stopping() then scheduler.raise_interrupted() end
    task.sleep(math.min(math.max(left, 0.1), 5))
    left = moment - (graph_clock.range() or graph_clock.now())
  end
end

local function pause_rotation(seconds)
  if task.stopping() then scheduler.raise_interrupted() end
  task.sleep(seconds)
end

---------------------------------------------------------------------------
-- Is sending allowed?

local function raise_change_not_allowed(rotation, why, code)
  local open = change_date.may_be_in_force(rotation.row.body.candidates)
  fail.raise {
    kind = "refused", what = change_text(rotation), why = why, code = code,
    fix = open and ("Find out which password is in force, because the one that was sent before may be: %s. Nothing "
      .. "more is sent."):format(rotation_account.value_places(rotation))
      or code == "window" and "Nothing was sent. Run the same command again when the window is open, or with "
        .. "--outside-window."
      or "Nothing was sent. If this account is to be rotated, remove the reason or change the policy; then run the "
        .. "same command again.",
  }
end

local function check_policy_window(rotation)
  local window = rotation.run.terms.window
  if not window or rotation.run.setting.outside_window then return end
  local open, when = window:at(time.now())
  if open then return end
  raise_change_not_allowed(rotation, ("the window %s is closed until %s"):format(window.text, time.iso(when)), "window")
end

-- Check today's rules for a rotation that was begun earlier. A rotation that is not allowed today ends as soon as none
-- of its requests can be carried out any more.
local function check_todays_rules(rotation, finding)
  local what, why, code = due.why_not_changed(rotation.run.setting, rotation.account)
  if what then
    local candidates = rotation.row.body.candidates
    local is_quiet = (graph_clock.range() or 0) > change_date.others_void_from(candidates)
    if is_quiet and finding == "unmoved" then ending.give_up(rotation, why, code) end
    if is_quiet then ending.leave(rotation, why) end
    raise_change_not_allowed(rotation, why, code)
  end
  check_policy_window(rotation)
end

---------------------------------------------------------------------------
-- Other rotations

local function name_other_rotator(entry)
  local installation = entry and markers.installation_of(entry.marker)
  return installation and ("another installation of Moonlatch (%s)"):format(installation) or "another rotator"
end

-- End this rotation because another rotation is at work on the account. When a value was sent, a person must look.
local function give_way_to_other(rotation, why)
  if not rotation_account.is_unsent(rotation) then
    orphan(rotation, why .. ", and a value of ours was sent before that was seen")
  end
  ending.step_back(rotation, { what = "busy", why = why })
end

-- May this rotation wait until the other one gives way? Of two rotations that see each other, the one with the lower
-- marker may, for YIELD seconds, while it has sent nothing.
local function may_wait_for_other(rotation, other)
  local is_unsent = rotation_account.is_unsent(rotation)
  if not is_unsent or not other.marker or rotation.row.body.marker > other.marker then return false end
  rotation.yielded = rotation.yielded or time.monotonic()
  return time.monotonic() - rotation.yielded < YIELD
end

local function is_other_pending_old(entry) return entry.since ~= nil and graph_clock.now() - entry.since > YOUNG end

local function handle_other_pending(rotation, other)
  if rotation_account.is_unsent(rotation) and is_other_pending_old(other) then
    ending.step_back(rotation, due.judge_foreign_pending(rotation.run.setting, rotation.slot, other))
  end
  if may_wait_for_other(rotation, other) then return pause_rotation(2) end
  give_way_to_other(rotation,
    ("%s has a pending value in the sink (%s)"):format(name_other_rotator(other), other.marker or other.id))
end

local function handle_entry_taken(rotation, entry)
  if entry and entry.user and entry.user ~= rotation.account.id and rotation_account.is_unsent(rotation) then
    local why = "the entry of this name was written for another account (object id %s)"
    ending.step_back(rotation, { what = "refuse", why = why:format(entry.user), code = "entry" })
  end
  local moved = rotation.slot.moved
  local why = moved and ("the current entry was moved to the folder '%s' while this rotation was at work"):format(moved)
    or not entry and "the current entry was removed while this rotation was at work"
    or rotation.slot.several and "there is more than one entry of this account"
    or ("the current entry was written meanwhile by %s (%s)")
      :format(name_other_rotator(entry), entry.marker or "no marker")
  give_way_to_other(rotation, why)
end

-- Wait until the sink lists our own pending entry. Until then its list tells nothing about other entries, either.
local function wait_for_own_pending(rotation)
  rotation.unlisted = (rotation.unlisted or 0) + 1
  local seconds = LISTING[rotation.unlisted]
  if seconds then return pause_rotation(seconds) end
  if not rotation_account.is_unsent(rotation) then
    orphan(rotation, "the sink does not have its pending value any more")
  end
  ending.step_back(rotation, { what = "busy", why = "the sink does not list the pending entry that was written to it" })
end

-- End this rotation because the directory shows a change that no request of ours explains.
local function handle_foreign_change(rotation)
  local changed = time.iso(rotation.account.changed)
  if change_date.any_sent(rotation.row.body.candidates) then
    local after = "the password was changed by somebody else on %s, after ours was sent"
    ending.overtaken(rotation, after:format(changed), rotation.account.changed)
  end
  local why = "the password was changed by somebody else on %s, before ours was sent"
  ending.step_back(rotation, { what = "stop", why = why:format(changed), fix = due.entries_text(rotation.slot) })
end

---------------------------------------------------------------------------
-- From pending, or sent, to changed

-- Is this moment over, and can no request of an earlier rotation be carried out any more? If not, this waits, and then
-- returns false, so that the caller looks again.
local function are_password_requests_over(rotation, moment)
  local quiet = math.max(moment or 0, rotation.row.body.quiet_until or 0)
  if (graph_clock.range() or 0) > quiet then return true end
  pause_rotation_until(rotation, quiet, "until an earlier request cannot be carried out any more")
  return false
end

local function count_refused_values(body)
  local count = 0
  for _, candidate in ipairs(body.candidates) do count = count + (candidate.rejected and 1 or 0) end
  return count
end

-- Store the newest value in the sink as pending. A vault that allows no two entries of one name refuses the entry while
-- another rotation has one; then this rotation gives way.
local function store_pending_value(rotation)
  local ok, failure = pcall(rotation_account.store_pending, rotation)
  if ok then return end
  if fail.is(failure) and failure.code == "spoilt" then orphan(rotation, SPOILT) end
  if not fail.is(failure, "conflict") or failure.status ~= 409 then error(failure, 0) end
  give_way_to_other(rotation, "the vault holds a pending value of this account already")
end

-- Generate and store another value, because Entra refused the newest one. This waits first until no request with an
-- earlier value can be carried out any more.
local function try_another_value(rotation)
  local body = rotation.row.body
  if count_refused_values(body) >= MOST_VALUES or #body.candidates >= MOST_CANDIDATES then
    orphan(rotation, ("Entra refused %d generated passwords: %s"):format(count_refused_values(body),
      body.candidates[#body.candidates].why or "it does not say why"))
  end
  if not are_password_requests_over(rotation, change_date.another_value_from(body.candidates)) then return end
  rotation_account.add_candidate(rotation)
  store_pending_value(rotation)
end

local function raise_change_unknown(rotation, failure)
  fail.raise {
    kind = "unknown_outcome", what = change_text(rotation),
    why = ("it is not known whether Entra set it (%s)"):format(failure and failure.why or "its answers are too slow"),
    fix = ("Run the same command again: it looks, and sends the same value if need be. The value is kept: %s.")
      :format(rotation_account.value_places(rotation)),
    cause = failure,
  }
end

-- Raise a failure because no look was recent enough: it must be at most five seconds old when a request leaves.
local function raise_look_too_slow(rotation)
  fail.raise {
    kind = "transient", resumes = true, what = change_text(rotation),
    why = "reading the sink and the directory takes more than five seconds, or their content keeps changing",
    fix = "Run the same command again when they answer faster. A password is only sent right after they were read.",
  }
end

local function passes_over_pending(rotation)
  local left = rotation.row.body.left or {}
  for _, entry in ipairs(rotation.slot.pending) do
    if left[entry.marker or entry.id] == true then return true end
  end
  return false
end

-- Wait while a rotation whose pending value a person passed over could still send. Returns whether this waited.
local function wait_for_passed_over(rotation)
  local body = rotation.row.body
  if not passes_over_pending(rotation) then return false end
  local from = body.pending_at + SETTLE + change_date.TIMEOUT + change_date.LATE
  if (graph_clock.range() or 0) > from then return false end
  pause_rotation_until(rotation, from, "until the rotation that was passed over cannot send any more")
  return true
end

-- May the same value be sent once more? A request with it may explain the change.
local function may_send_same_value(rotation)
  local quiet = change_date.quiet_from(rotation.row.body.candidates)
  if not are_password_requests_over(rotation, quiet) then return false end
  if repeat_rules.check(rotation) then return true end
  rotation.stale_readings = (rotation.stale_readings or 0) + 1
  if rotation.stale_readings > #LISTING then raise_look_too_slow(rotation) end
  pause_rotation(LISTING[rotation.stale_readings])
  return false
end

-- All values except the newest.
local function earlier_candidates(rotation)
  local candidates = rotation.row.body.candidates
  return table.move(candidates, 1, #candidates - 1, 1, {})
end

local function send_password_value(rotation, tries)
  local outcome, failure = sending.send(rotation)
  if outcome == "unknown" or outcome == "slow" then
    tries.unknown = tries.unknown + 1
    if tries.unknown > #PAUSES then raise_change_unknown(rotation, failure) end
    pause_rotation(PAUSES[tries.unknown])
  elseif outcome == "throttled" then
    tries.throttled = tries.throttled + 1
    if tries.throttled > 10 then error(failure, 0) end
  elseif outcome == "again" then
    tries.again = tries.again + 1
    if tries.again > 10 then raise_look_too_slow(rotation) end
  end
end

-- Act on the last look at the account. The caller looks again afterwards.
local function act_on_account_look(rotation, tries)
  local finding, other = sending.finding(rotation)
  if finding == "gone" then return ending.account_gone(rotation) end
  if finding == "unlisted" then return wait_for_own_pending(rotation) end
  if finding == "spoilt" then orphan(rotation, SPOILT) end
  if finding == "pending" then return handle_other_pending(rotation, other) end
  if finding == "taken" then return handle_entry_taken(rotation, other) end
  check_todays_rules(rotation, finding)
  local newest = rotation.row.body.candidates[#rotation.row.body.candidates]
  if finding == "moved" or finding == "explained" and not newest.from then return handle_foreign_change(rotation) end
  if finding == "explained" and newest.rejected then
    orphan(rotation, ("the password was changed on %s, when a request of ours may have done it, and Entra does not "
      .. "accept the same value again: %s")
      :format(time.iso(rotation.account.changed), newest.why or "it does not say why"))
  end
  if finding == "explained" and not may_send_same_value(rotation) then return end
  if newest.rejected and finding == "unmoved" then return try_another_value(rotation) end
  if wait_for_passed_over(rotation) then return end
  local quiet = change_date.another_value_from(earlier_candidates(rotation))
  if not are_password_requests_over(rotation, quiet) then return end
  send_password_value(rotation, tries)
end

local function set_password(rotation)
  local tries = { unknown = 0, throttled = 0, again = 0 }
  repeat
    local candidates = rotation.row.body.candidates
    if candidates[#candidates].state == "accepted" then
      settling.await_change(rotation)
    else
      if task.stopping() then scheduler.raise_interrupted() end -- the last point at which stopping leaves nothing open
      sending.look_at_account(rotation)
      act_on_account_look(rotation, tries)
    end
  until rotation.row.state == "changed"
end

---------------------------------------------------------------------------
-- The states

local function revoke_sessions(rotation)
  if not rotation.run.terms.after.revoke_sessions then return end
  local ok, failure = pcall(graph.post, graph.path("/users/{id}/revokeSignInSessions", rotation.row.body.user), nil, {
    repeatable = true, what = ("end the sessions of %s"):format(rotation.row.body.name),
  })
  if ok then return end
  if not fail.is(failure) or fail.is(failure, "interrupted") then error(failure, 0) end
  rotation.warning = tostring(failure)
end

local STEPS = {}

function STEPS.intent(rotation)
  local slot, seen = rotation.run.sink:slot(rotation.account), {}
  for i, one in ipairs(slot.parts or { slot }) do seen[i] = one.current and one.current.marker or false end
  rotation.row.body.seen = seen
  store_pending_value(rotation)
end

STEPS.pending, STEPS.sent, STEPS.changed = set_password, set_password, storing.store_current

function STEPS.current(rotation)
  if not settling.confirm_stored(rotation) then return end
  revoke_sessions(rotation)
  ending.close(rotation)
end

---------------------------------------------------------------------------
-- Interface

-- End an orphaned rotation whose account is not rotated any more, with an unknown outcome.
local function leave_orphaned(rotation)
  local _, why, code = due.why_not_changed(rotation.run.setting, rotation.account)
  local is_void = (graph_clock.range() or 0) > change_date.others_void_from(rotation.row.body.candidates)
  if not is_void then raise_change_not_allowed(rotation, why, code) end
  ending.leave(rotation, why)
end

-- End a rotation of an earlier run that may not go on: an orphaned rotation, or a rotation that has sent nothing and is
-- not allowed any more.
local function check_rotation_resumable(rotation)
  local state = rotation.row.state
  if state == "orphaned" then leave_orphaned(rotation) end
  if state ~= "intent" and state ~= "pending" or not rotation_account.is_unsent(rotation) then return end
  local what, why, code = due.why_not_changed(rotation.run.setting, rotation.account)
  if not what then return end
  ending.give_up(rotation, why, code)
end

local function drive_password_rotation(rotation, verdict)
  if verdict.what == "change" then opening.begin(rotation, rotation.row, verdict)
  elseif verdict.reopens then opening.reopen(rotation)
  else check_rotation_resumable(rotation) end
  lifecycle.drive(STEPS, rotation, "closed")
end

---@class rotation.done
---@field what "changed"|"stored"|"busy"|"idle"|"ended"|"left"|"refuse"|"stop" stored: the value in force was stored in
--- a sink that did not have it; idle: the account is not due any more; ended: a rotation of an earlier run was closed
--- without a change; left: closed, and it is unknown which value is in force
---@field why string?
---@field fix string?
---@field code string? of a refusal
---@field row rotation.account_row?
---@field warning string?

-- Judge the account by the last listing of the sink. A verdict that stops the rotation is judged again by a new
-- listing.
local function judge_account_now(run, now, row)
  local verdict = due.judge_account(run.setting, now, row, run.sink:slot(now), run.sink:keys(now))
  if verdict.what == "change" or verdict.what == "recover" then return verdict end
  return due.judge_account(run.setting, now, row, run.sink:look(now, row and row.body.name), run.sink:keys(now))
end

local function raise_rotation_refusal(account, verdict)
  fail.raise {
    kind = verdict.what == "stop" and "person" or "refused", what = ("set a new password for %s"):format(account.upn),
    why = verdict.why, fix = verdict.fix, code = verdict.code,
  }
end

-- Wait until an account that a person named may be rotated again. Returns whether this waited.
local function rest_before_change(rotation, verdict)
  if not verdict.rests or verdict.what ~= "change" then return false end
  pause_rotation_until(rotation, verdict.due, "until the change before it cannot be overtaken any more")
  return true
end

local function rotate_account(run, account)
  run.setting.now = graph_clock.now() -- a run may take hours
  local row = opening.upgrade_row(rows:get(run.journal, account.id))
  local why, fix = rotation_account.keep_sinks(run.sink, account, row)
  if why then raise_rotation_refusal(account, { what = "stop", why = why, fix = fix }) end
  local now, names = users.read_with_names(run, account.id)
  if not now then return ending.account_missing(run, account, row) end
  now.roles, now.group, now.outside = account.roles, account.group, account.outside
  local rotation = { run = run, account = now, names = names, row = row, is_new = row == nil }
  local verdict = judge_account_now(run, now, row)
  if rest_before_change(rotation, verdict) then return rotate_account(run, account) end
  if verdict.what == "wait" then return { what = "idle", why = verdict.why } end
  if verdict.what == "busy" then return { what = "busy", why = verdict.why } end
  if verdict.what ~= "change" and verdict.what ~= "recover" then raise_rotation_refusal(now, verdict) end
  local drive = verdict.stores and storing.store_where_missing or drive_password_rotation
  local ok, err = xpcall(scheduler.uninterrupted, traceback.keep, drive, rotation, verdict)
  if ok and verdict.stores then return { what = "stored", why = "the value in force is in all its sinks now" } end
  if ok then return { what = "changed", row = rotation.row, warning = rotation.warning } end
  return ending.outcome_of(err) or error(err, 0)
end

local function take_rotation_lease(run, account)
  return leases.take(run.journal, "user/" .. account.id, ("set a new password for %s"):format(account.upn))
end

--- Rotate the account's password, or end an unfinished rotation, under a lease on the account. Waits.
---@param run rotation.run
---@param account entra.user with the roles it holds
---@return rotation.done
function M.rotate(run, account)
  local lease <close>, held_by = take_rotation_lease(run, account)
  if not lease then return { what = "busy", why = held_by } end
  return rotate_account(run, account)
end

--- Record that the value in the sink is in force, although this journal did not set it.
---@param run rotation.run
---@param account entra.user
---@param adopt { marker: string, since: number }
function M.adopt(run, account, adopt)
  local lease <close> = take_rotation_lease(run, account)
  if not lease then return end
  local row = rows:get(run.journal, account.id)
    or rows:new(run.journal, { user = account.id, name = account.upn, policy = run.terms.name, candidates = {} },
      account.id)
  if row.body.value then run.journal:forget(row.body.value) end -- replaced by the value in force
  row.body.marker, row.body.changed_at, row.body.adopted, row.body.value = adopt.marker, adopt.since, true, nil
  row.body.sinks = run.sink:keys(account)
  rows:stage(run.journal, row, "closed")
  commit.commit(run.journal)
end

return M
