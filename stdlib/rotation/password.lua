--- One user's password, changed by the protocol that loses nothing: we choose it, so
--- it is sealed, and lies in the sink as pending, before Entra hears of it.
--
-- intent (value sealed), pending (in the sink, read back), sent, changed, current
-- (read back), closed. Any run can go on where another stopped. A value that may be
-- in force stays in the journal and in the sink until it is known which one is.

local accounts = require "rotation.accounts"
local due = require "rotation.due"
local fail = require "fail"
local graph = require "graph"
local jobs = require "rotation.job"
local leases = require "lease"
local mint = require "rotation.mint"
local outcome = require "rotation.outcome"
local task = require "task"
local time = require "time"
local users = require "entra.users"

local M = {}

local add_candidate, keep_pending, orphan, stage, value_of, what_of
  = jobs.add_candidate, jobs.keep_pending, jobs.orphan, jobs.stage, jobs.value, jobs.what

local TIMEOUT = 30 -- seconds for one request
local LATE = 120 -- seconds a request that timed out may still take to be carried out
local EARLY = 2 -- seconds the directory's clock may be behind the front's, which we compare with
local BUDGET = 300 -- seconds until a change must be seen
local LOOKS = { 0, 1, 1, 2, 2, 3, 5 } -- seconds between looks; the last goes on
local PAUSES = { 5, 15, 30 } -- seconds before a request with an unknown outcome is repeated
local MOST_VALUES = 4 -- that Entra may refuse before a person must look
local OVERTAKEN = {} -- raised when there is nothing left to do
local MOST_CANDIDATES = 32 -- of one rotation, however often a person has looked

---------------------------------------------------------------------------
-- The record

-- What was in force before, to come back to when nothing comes of it.
local function previous_of(row, adopt)
  if adopt then return { marker = adopt.marker, changed_at = adopt.since } end
  local body = row and row.body
  if not body or not body.changed_at then return body and body.previous end
  return { marker = body.marker, changed_at = body.changed_at, value = body.value }
end

---------------------------------------------------------------------------
-- Sending

local function mark_sending(job, number)
  local now, body = mint.now(), job.row.body
  local candidate = body.candidates[number]
  candidate.state, candidate.sent, candidate.last = "open", candidate.sent or now, now
  stage(job, "sent", { first = body.first or now, last = now })
end

local function snapshot(job, number)
  local body = job.row.body
  local candidate = body.candidates[number]
  return {
    state = job.row.state, first = body.first, last = body.last,
    candidate = { state = candidate.state, sent = candidate.sent, last = candidate.last, why = candidate.why },
  }
end

-- It was certainly not carried out: all is as before it was sent.
local function take_back(job, number, before, why, refused)
  local body, candidate = job.row.body, before.candidate
  if candidate.state == "fresh" and refused then candidate.state = "refused" end
  candidate.why = why
  body.candidates[number], body.first, body.last = candidate, before.first, before.last
  stage(job, before.state)
end

-- Graph has no code for it; the message names the password (facts D).
local function is_refusal(failure)
  local said = failure.cause and failure.cause.message or failure.why
  return failure.status == 400 and tostring(said):lower():find("password", 1, true) ~= nil
end

-- One request. "accepted", "refused" (another value is needed) or "unknown"; raises what is neither.
local function send(job, number)
  local before, body = snapshot(job, number), job.row.body
  local value <close> = value_of(job, number)
  local ok, failure = pcall(graph.patch, graph.path("/users/{id}", body.user), {
    passwordProfile = { forceChangePasswordNextSignIn = false, password = value },
  }, {
    repeatable = false, timeout = TIMEOUT, what = what_of(job), note = ("password %s/%d"):format(body.marker, number),
    sending = function() mark_sending(job, number) end,
  })
  local candidate = body.candidates[number]
  if ok then
    candidate.state = "accepted"
    stage(job, "sent")
    return "accepted"
  end
  if not fail.is(failure) then error(failure, 0) end
  if not outcome.certainly_not(failure) then
    candidate.why = failure.why
    stage(job, "sent")
    return "unknown", failure
  end
  take_back(job, number, before, failure.why, is_refusal(failure))
  if not is_refusal(failure) then error(failure, 0) end
  return "refused", failure
end

---------------------------------------------------------------------------
-- Which value is in force?

--- Where a moment of change lies: before our first send, in the time when it can only
--- be ours, or later; "other" for a change by somebody else before we sent.
---@param body rotation.account
---@param changed number?
---@return "before"|"ours"|"after"|"other"
function M.place_of(body, changed)
  local previous = body.previous and body.previous.changed_at
  if not changed or changed == body.before or changed == previous then return "before" end
  if changed < body.first // 1 - EARLY then return changed > (body.before or 0) and "other" or "before" end
  return changed <= body.last + TIMEOUT + LATE and "ours" or "after"
end

-- The candidate in force if ours is: the one that was answered, or the only one that was sent.
local function candidate_in_force(body)
  local open
  for number = #body.candidates, 1, -1 do
    local state = body.candidates[number].state
    if state == "accepted" then return number, true end
    if state == "open" then
      if open then return nil end
      open = number
    end
  end
  return open
end

-- Let go of a rotation that something newer of our own has overtaken.
local function overtaken(job, current)
  local body, journal = job.row.body, job.run.journal
  job.run.sink:drop_pending(body.name, body.marker)
  for number in ipairs(body.candidates) do journal:forget(accounts.name_of(job.row, number)) end
  if body.previous and body.previous.value then journal:forget(body.previous.value) end
  body.candidates, body.previous, body.first, body.last, body.value = {}, nil, nil, nil, nil
  stage(job, "closed", { marker = current.marker, changed_at = current.since, adopted = true, closed_at = mint.now() })
  accounts.settle(journal)
  error(OVERTAKEN, 0)
end

-- What is in force is not what this rotation set. A journal that is older than what it
-- did finds its own later rotation in the sink; anything else a person must look at.
local function superseded(job, changed, when)
  local current = job.run.sink:slot(job.row.body.name).current
  local own = current and current.marker and current.marker:match("^ml:(%x+):") == job.run.journal:installation()
  if own and current.since == changed then overtaken(job, current) end
  orphan(job, ("the password was changed by somebody else on %s, %s"):format(time.iso(changed), when))
end

local function observe(job)
  local changed = users.changed(job.row.body.user)
  local place = M.place_of(job.row.body, changed)
  if place == "after" then superseded(job, changed, "after ours was sent") end
  if place == "other" then superseded(job, changed, "just before ours was sent") end
  return place == "ours", changed
end

local function changed_now(job, number, changed)
  stage(job, "changed", { chosen = number, changed_at = changed })
end

-- Entra said yes: wait until the directory shows it.
local function prove(job, number)
  local ends, look = time.monotonic() + BUDGET, 1
  while true do
    local pause = LOOKS[math.min(look, #LOOKS)]
    if time.monotonic() + pause > ends then break end
    if pause > 0 then task.sleep(pause) end
    local ours, changed = observe(job)
    if ours then return changed_now(job, number, changed) end
    look = look + 1
  end
  fail.raise {
    kind = "transient", what = what_of(job),
    why = "Entra accepted it, but after five minutes the directory does not show the change",
    fix = "Nothing is lost: the value is kept. Run the same command again in a while; it goes on from here.",
  }
end

local function raise_unknown(job, failure)
  fail.raise {
    kind = "unknown_outcome", what = what_of(job),
    why = ("no answer came, and the directory does not show a change (%s)"):format(failure.why),
    fix = "The value is kept, in the journal and in the sink. Run the same command again: it asks, and sends the same "
      .. "value if need be.",
    cause = failure,
  }
end

---------------------------------------------------------------------------
-- May it be sent?

-- Close a rotation of which nothing can be in force.
local function give_up(job, why)
  local body, journal = job.row.body, job.run.journal
  job.run.sink:drop_pending(body.name, body.marker)
  for number in ipairs(body.candidates) do journal:forget(accounts.name_of(job.row, number)) end
  local previous = body.previous or {}
  body.marker, body.changed_at, body.value = previous.marker or body.marker, previous.changed_at, previous.value
  body.candidates, body.previous = {}, nil
  stage(job, "closed", { why = why, closed_at = mint.now() })
end

local IN_QUESTION = { open = true, accepted = true, passed = true }

-- May one of its values be in force? With `ours`: one that a run sent and nobody passed over.
local function may_be_in_force(body, ours)
  for _, candidate in ipairs(body.candidates) do
    if IN_QUESTION[candidate.state] and not (ours and candidate.state == "passed") then return true end
  end
  return false
end

local function raise_not_allowed(job, why, code)
  local open = may_be_in_force(job.row.body)
  fail.raise {
    kind = "refused", what = what_of(job), why = why, code = code,
    fix = open and "What was sent before may be in force: it stays where it is, and nothing more is sent."
      or "Nothing was sent.",
  }
end

local function check_window(job)
  local window = job.run.terms.window
  if not window then return end
  local open, when = window:at(time.now())
  if open then return end
  raise_not_allowed(job, ("the window %s is closed until %s"):format(window.text, time.iso(when)), "window")
end

-- Today's rails, for what was not begun today.
local function check_may_send(job)
  local what, why = due.why_not(job.run.setting, job.account)
  if what then
    if not may_be_in_force(job.row.body) then give_up(job, why) end
    raise_not_allowed(job, why)
  end
  check_window(job)
  local body = job.row.body
  if not job.run.sink:names(body.name, body.marker, #body.candidates) then
    orphan(job, "its pending value does not lie in the sink any more")
  end
end

local function refused_values(body)
  local count = 0
  for _, candidate in ipairs(body.candidates) do count = count + (candidate.state == "refused" and 1 or 0) end
  return count
end

local function another_value(job, failure)
  if refused_values(job.row.body) >= MOST_VALUES or #job.row.body.candidates >= MOST_CANDIDATES then
    orphan(job, ("Entra refused %d generated passwords: %s"):format(refused_values(job.row.body), failure.why))
  end
  add_candidate(job)
  keep_pending(job)
end

-- Moments of change are whole seconds: ours must be another than the one before it.
local function keep_apart(job)
  local wait = (job.row.body.before or 0) + EARLY + 1 - mint.now()
  if wait > 0 and wait <= EARLY + 1 then task.sleep(wait) end
end

-- From pending, or sent with an unknown outcome, to changed.
local function set(job)
  local body, tries = job.row.body, 0
  while true do
    local number, answered = candidate_in_force(body)
    if answered then return prove(job, number) end
    if may_be_in_force(body, "ours") then
      local ours, changed = observe(job)
      if ours and number then return changed_now(job, number, changed) end
    end
    if task.stopping() then task.stop() end -- the last place where nothing is left open
    check_may_send(job)
    keep_apart(job)
    local result, failure = send(job, #body.candidates)
    if result == "refused" then
      another_value(job, failure)
    elseif result == "unknown" then
      tries = tries + 1
      if tries > #PAUSES then raise_unknown(job, failure) end
      task.sleep(PAUSES[tries])
    end
  end
end

---------------------------------------------------------------------------
-- After it

local function keep_current(job)
  local body = job.row.body
  local value <close> = value_of(job, body.chosen)
  job.run.sink:keep_current(body.name, {
    value = value, marker = body.marker, number = body.chosen, since = body.changed_at, is_new = job.is_new,
  })
  stage(job, "current", { value = accounts.name_of(job.row, body.chosen) })
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

-- The value in force is known and stored: what else there was is let go.
local function close(job)
  local body, journal = job.row.body, job.run.journal
  job.run.sink:drop_pending(body.name, body.marker)
  for number in ipairs(body.candidates) do
    if number ~= body.chosen then journal:forget(accounts.name_of(job.row, number)) end
  end
  local earlier = body.previous and body.previous.value
  if earlier and earlier ~= body.value then journal:forget(earlier) end
  body.candidates, body.previous, body.first, body.last, body.forgiven = {}, nil, nil, nil, nil
  stage(job, "closed", { closed_at = mint.now() })
  accounts.settle(journal)
  job.run.sink:release(body.name)
end

-- Values that a person passed over stay where they are; one more is made beside them.
local function renew_intent(job)
  local body = job.row.body
  local newest = body.candidates[#body.candidates]
  if newest and newest.state ~= "passed" then return end
  body.before = job.account.changed
  add_candidate(job)
end

-- From whatever state it is in to the end.
local function go_on(job)
  if job.row.state == "intent" then
    renew_intent(job)
    keep_pending(job)
  end
  if job.row.state == "pending" or job.row.state == "sent" then set(job) end
  if job.row.state == "changed" then keep_current(job) end
  if job.row.state == "current" then
    revoke_sessions(job)
    close(job)
  end
end

---------------------------------------------------------------------------
-- Public

-- Pending values of other rotations that a person has seen: they stay, and stop nothing.
local function left_alone(job, row)
  local left = row and row.body.left
  for _, one in ipairs(row and row.body.forgiven and job.run.sink:slot(job.account.upn).pending or {}) do
    left = left or {}
    left[one.marker or one.id] = true
  end
  return left
end

local function begin(job, row, judged)
  local policy = job.run.terms.name
  job.row = accounts.new(job.run.journal, job.account, policy, previous_of(row, judged.adopt))
  job.row.body.left = left_alone(job, row)
  add_candidate(job)
end

-- Did the password change since this rotation was begun, as far as that is not its own doing?
local function changed_since(job)
  local body, changed = job.row.body, job.account.changed
  if not changed or body.forgiven or changed == body.before then return false end
  return not body.previous or changed ~= body.previous.changed_at
end

-- What was begun and not sent goes on only while it is wanted, and what was changed is
-- stored only while it is in force.
local function resume(job)
  local body, state = job.row.body, job.row.state
  if state == "changed" or state == "current" then
    local later = (job.account.changed or 0) > body.changed_at
    return later and superseded(job, job.account.changed, "after we did")
  end
  if may_be_in_force(body, "ours") then return end
  if changed_since(job) then superseded(job, job.account.changed, "before ours was sent") end
  if may_be_in_force(body) then return end
  local what, why = due.why_not(job.run.setting, job.account)
  if what then
    give_up(job, why)
    raise_not_allowed(job, why)
  end
end

local function drive(job, judged)
  if judged.what == "change" then begin(job, job.row, judged) else resume(job) end
  go_on(job)
end

local function what_for(account) return ("set a new password for %s"):format(account.upn) end

local function raise_gone(account)
  fail.raise {
    kind = "missing", what = what_for(account),
    why = "there is no such account any more",
    fix = "If it is only deleted, it can be restored for 30 days; what was in force is kept.",
  }
end

---@class rotation.done
---@field what "changed"|"busy"|"idle" idle: another process has done it
---@field why string?
---@field row rotation.account_row?
---@field warning string?

--- Change the account's password, or end what was begun. One process at a time does.
---@param run rotation.run
---@param account entra.user with the roles it holds
---@return rotation.done
function M.work(run, account)
  local lease <close>, held_by = leases.take(run.journal, "user/" .. account.id, what_for(account))
  if not lease then return { what = "busy", why = held_by } end
  local row = accounts.get(run.journal, account.id)
  local now, names = users.fresh(run, account.id)
  if not now then raise_gone(account) end
  now.roles, now.group, now.outside = account.roles, account.group, account.outside
  local judged = due.judge(run.setting, now, row, run.sink:slot(now.upn))
  local job = { run = run, account = now, names = names, row = row, is_new = row == nil }
  if judged.what == "wait" then return { what = "idle", why = judged.why } end
  if judged.what ~= "change" and judged.what ~= "recover" then
    fail.raise { kind = "refused", what = what_for(now), why = judged.why }
  end
  local ok, err = xpcall(task.patiently, task.keep_trace, drive, job, judged)
  if ok then return { what = "changed", row = job.row, warning = job.warning } end
  if err ~= OVERTAKEN then error(err, 0) end
  return { what = "idle", why = "a later rotation of our own is in force, and is adopted" }
end

--- Put on record that what lies in the sink is in force, though this journal did not set it.
---@param run rotation.run
---@param account entra.user
---@param adopt { marker: string, since: number }
function M.adopt(run, account, adopt)
  local lease <close> = leases.take(run.journal, "user/" .. account.id, what_for(account))
  if not lease then return end
  local row = accounts.get(run.journal, account.id) or accounts.new(run.journal, account, run.terms.name)
  if row.body.value then run.journal:forget(row.body.value) end -- superseded by what is in force
  row.body.marker, row.body.changed_at, row.body.adopted, row.body.value = adopt.marker, adopt.since, true, nil
  accounts.stage(run.journal, row, "closed")
end

return M
