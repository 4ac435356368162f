--- The ways in which the rotation of an account's password ends: changed; given up, because no value of it can be in
--- force; stepped back, because another rotation is at work; left, with its outcome unknown; or handed to a person.

local change_date = require "rotation.change_date"
local class = require "base.class"
local commit = require "journal.commit"
local fail = require "fail"
local graph_clock = require "graph.clock"
local markers = require "journal.marker"
local rotation_account = require "rotation.account"
local rows = require("journal.rotations").user_passwords

local M = {}

local KEPT = 30 * 86400 -- seconds for which the values of a rotation with an unknown outcome stay sealed

---@class rotation.End raised when nothing more is to be done
---@field done rotation.done
local End = class "rotation.End"

local function finish(what, why, code)
  error(End { done = { what = what, why = why, code = code } }, 0)
end

--- The outcome in an error that one of these functions raised. Nil for any other error.
---@param err any
---@return rotation.done?
function M.outcome_of(err) return class.is(err, End) and err.done or nil end

---------------------------------------------------------------------------
-- Closing

-- Members of the row that have a meaning only while a rotation is open.
local OPEN = { "candidates", "previous", "seen", "shown", "probe", "unshown", "forgiven", "kept", "pending",
  "pending_at", "chosen", "before", "quiet_until" }

local function clear(body)
  for _, name in ipairs(OPEN) do body[name] = nil end
  body.candidates = {}
end

local function forget(journal, names)
  for _, name in ipairs(names or {}) do journal:forget(name) end
end

local function closed(job, more)
  clear(job.row.body)
  more.closed_at = graph_clock.now()
  rotation_account.stage(job, "closed", more)
  commit.commit(job.run.journal)
end

-- Remove our own pending entries of rotations with an unknown outcome. The next rotation that succeeds does this.
local function drop_left(job)
  local body = job.row.body
  for name, whose in pairs(body.left or {}) do
    if whose == "own" then
      job.run.sink:delete_pending(job.account, name)
      body.left[name] = nil
    end
  end
end

-- The span in which a request with the value in force may be carried out once more.
local function sent_of(body)
  local chosen = body.candidates[body.chosen]
  return { number = body.chosen, first = chosen.first, from = chosen.from,
    to = math.max(chosen.to, chosen.last) + change_date.TIMEOUT + change_date.LATE }
end

--- Close a rotation whose value is in force and stored: forget the other values, and remove their pending entries.
---@param job rotation.job
function M.close(job)
  local body, journal, sink = job.row.body, job.run.journal, job.run.sink
  sink:delete_pending(job.account, body.marker)
  drop_left(job)
  rotation_account.forget_values(job, body.chosen)
  forget(journal, body.kept)
  local earlier = body.previous and body.previous.value
  if earlier and earlier ~= body.value then journal:forget(earlier) end
  closed(job, { name = job.account.upn, sent = sent_of(body) })
  sink:release(job.account)
end

-- Set the row to what it was before this rotation: none of its values can be in force.
local function restore(job, why)
  local body = job.row.body
  job.run.sink:delete_pending(job.account, body.marker)
  rotation_account.forget_values(job)
  local previous = body.previous or {}
  body.marker, body.changed_at, body.value = previous.marker or body.marker, previous.changed_at, previous.value
  body.sent = nil
  closed(job, { why = why })
end

--- Close a rotation none of whose values can be in force. With a `code`, the account is refused.
---@param job rotation.job
---@param why string
---@param code string? of the refusal
function M.give_up(job, why, code)
  restore(job, why)
  finish(job.account.outside and "ended" or "refuse", why, code)
end

--- Another rotation is at work on the account, and no request of ours has left: remove the pending entry.
---@param job rotation.job
---@param verdict { what: "busy"|"stop"|"refuse", why: string, code: string?, fix: string? }
function M.step_back(job, verdict)
  restore(job, verdict.why)
  error(End { done = verdict }, 0)
end

---------------------------------------------------------------------------
-- With an unknown outcome

--- The names under which the values of a rotation with an unknown outcome are sealed.
---@param row rotation.account_row
---@return string[]
function M.kept_values(row)
  local names = table.move(row.body.kept or {}, 1, #(row.body.kept or {}), 1, {})
  for number in ipairs(row.body.candidates) do names[#names + 1] = rows:sealed_name(row, number) end
  return names
end

--- Put on record that a rotation ends though it is unknown which value is in force. Its values stay sealed for thirty
--- days, and its pending entries until a person removes them.
---@param journal host.journal.journal
---@param row rotation.account_row
---@param why string
function M.put_left(journal, row, why)
  local body = row.body
  body.changed_at, body.value = (body.previous or {}).changed_at, (body.previous or {}).value
  body.forgiven, body.probe, body.unshown, body.sent = nil, nil, nil, nil
  rows:put(journal, row, "left", { why = why, kept_until = graph_clock.now() + KEPT })
end

--- End a rotation in that way because it is not allowed any more today, or because the account is gone.
---@param job rotation.job
---@param why string
function M.leave(job, why)
  M.put_left(job.run.journal, job.row, why)
  finish("left", ("%s; it is not known whether the new password is in force: %s")
    :format(why, rotation_account.places(job)))
end

--- Forget the values of a rotation that ended with an unknown outcome more than thirty days ago.
---@param journal host.journal.journal
---@param row rotation.account_row
---@return boolean done
function M.expire(journal, row)
  if row.state ~= "left" or row.body.kept_until > graph_clock.now() then return false end
  forget(journal, M.kept_values(row))
  clear(row.body)
  rows:put(journal, row, "closed", { closed_at = graph_clock.now(), kept_until = nil })
  return true
end

--- End a rotation whose account was deleted.
---@param job rotation.job
function M.account_gone(job)
  local why = "the account was deleted"
  if rotation_account.is_unsent(job) then M.give_up(job, why) end
  M.leave(job, why)
end

--- The same, when the deletion is found before anything was judged.
---@param run rotation.run
---@param account entra.user
---@param row rotation.account_row?
---@return rotation.done
function M.missing(run, account, row)
  local is_open = row and row.state ~= "closed" and row.state ~= "left"
  if is_open then
    local ok, err = pcall(M.account_gone, { run = run, account = account, names = {}, row = row })
    return not ok and M.outcome_of(err) or error(err, 0)
  end
  fail.raise {
    kind = "missing", what = ("set a new password for %s"):format(account.upn),
    why = "there is no such account any more",
    fix = "If it is only deleted, it can be restored for 30 days; what was in force is kept.",
  }
end

---------------------------------------------------------------------------
-- Somebody else's change

-- A restored journal is older than what it did: then the sink holds a later rotation of its own.
local function is_own_later(job, current, moment)
  local installation = current and markers.installation_of(current.marker)
  return installation and job.run.setting.installations[installation] and current.marker ~= job.row.body.marker
    and current.since == moment
end

local function adopt_later(job, current)
  local body, journal = job.row.body, job.run.journal
  job.run.sink:delete_pending(job.account, body.marker)
  rotation_account.forget_values(job)
  if body.previous and body.previous.value then journal:forget(body.previous.value) end
  body.value = nil
  closed(job, { marker = current.marker, changed_at = current.since, adopted = true })
  finish("idle", "a later rotation of our own is in force, and is adopted")
end

--- End a rotation when the value in force is not one of its values.
---@param job rotation.job
---@param why string
---@param moment number? date of the change, by the directory
function M.overtaken(job, why, moment)
  local current = job.run.sink:look(job.account, job.row.body.name).current
  if is_own_later(job, current, moment or job.account.changed) then adopt_later(job, current) end
  rotation_account.orphan(job, why)
end

return M
