--- End the rotation of an account's password, in one of five ways: closed, because its value is in force and stored;
--- given up, because none of its values can be in force; stepped back, because another rotation is at work; left, with
--- an unknown outcome; or orphaned, so that a person must look.

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

---@class rotation.RotationEnd the error that ends a rotation whose outcome is known
---@field done rotation.done
local RotationEnd = class "rotation.RotationEnd"

local function end_rotation(what, why, code)
  error(RotationEnd { done = { what = what, why = why, code = code } }, 0)
end

--- The outcome in an error that one of these functions raised. Nil for any other error.
---@param err any
---@return rotation.done?
function M.outcome_of(err) return class.is(err, RotationEnd) and err.done or nil end

---------------------------------------------------------------------------
-- Closing a rotation

-- The members of a row that have a meaning only while its rotation is open.
local OPEN = { "candidates", "previous", "seen", "shown", "probe", "unshown", "forgiven", "kept", "pending",
  "pending_at", "chosen", "before", "quiet_until" }

local function clear_members_of_open_rotation(body)
  for _, name in ipairs(OPEN) do body[name] = nil end
  body.candidates = {}
end

local function forget_sealed_values(journal, names)
  for _, name in ipairs(names or {}) do journal:forget(name) end
end

local function put_rotation_closed(rotation, more)
  clear_members_of_open_rotation(rotation.row.body)
  more.closed_at = graph_clock.now()
  rotation_account.stage(rotation, "closed", more)
  commit.commit(rotation.run.journal)
end

-- Delete the pending entries of our own rotations that ended with an unknown outcome, because a later rotation
-- succeeded.
local function delete_left_pending(rotation)
  local body = rotation.row.body
  for name, whose in pairs(body.left or {}) do
    if whose == "own" then
      rotation.run.sink:delete_pending(rotation.account, name)
      body.left[name] = nil
    end
  end
end

-- The span of time in which a request with the value in force may be carried out once more.
local function request_span_of_chosen(body)
  local chosen = body.candidates[body.chosen]
  return { number = body.chosen, first = chosen.first, from = chosen.from,
    to = math.max(chosen.to, chosen.last) + change_date.TIMEOUT + change_date.LATE }
end

--- Close a rotation whose value is in force and stored: forget the other values, and remove their pending entries.
---@param rotation rotation.password
function M.close(rotation)
  local body, journal, sink = rotation.row.body, rotation.run.journal, rotation.run.sink
  sink:delete_pending(rotation.account, body.marker)
  delete_left_pending(rotation)
  rotation_account.forget_values(rotation, body.chosen)
  forget_sealed_values(journal, body.kept)
  local earlier = body.previous and body.previous.value
  if earlier and earlier ~= body.value then journal:forget(earlier) end
  put_rotation_closed(rotation, { name = rotation.account.upn, sent = request_span_of_chosen(body) })
  sink:release(rotation.account)
end

-- Close the row with the members that it had before this rotation, because none of the rotation's values can be in
-- force.
local function restore_previous_password(rotation, why)
  local body = rotation.row.body
  rotation.run.sink:delete_pending(rotation.account, body.marker)
  rotation_account.forget_values(rotation)
  local previous = body.previous or {}
  body.marker, body.changed_at, body.value = previous.marker or body.marker, previous.changed_at, previous.value
  body.sent = nil
  put_rotation_closed(rotation, { why = why })
end

--- Close a rotation none of whose values can be in force, and raise its outcome. With a `code`, the account is refused.
---@param rotation rotation.password
---@param why string
---@param code string? of the refusal
function M.give_up(rotation, why, code)
  restore_previous_password(rotation, why)
  end_rotation(rotation.account.outside and "ended" or "refuse", why, code)
end

--- Close a rotation that has sent nothing, because another rotation is at work on the account: delete its pending
--- entry, and raise its outcome.
---@param rotation rotation.password
---@param verdict { what: "busy"|"stop"|"refuse", why: string, code: string?, fix: string? }
function M.step_back(rotation, verdict)
  restore_previous_password(rotation, verdict.why)
  error(RotationEnd { done = verdict }, 0)
end

---------------------------------------------------------------------------
-- With an unknown outcome

--- The names under which the values of a rotation with an unknown outcome are sealed.
---@param row rotation.account_row
---@return string[]
function M.sealed_names(row)
  local names = table.move(row.body.kept or {}, 1, #(row.body.kept or {}), 1, {})
  for number in ipairs(row.body.candidates) do names[#names + 1] = rows:sealed_name(row, number) end
  return names
end

--- Record that a rotation ends although it is unknown which value is in force. Its values stay sealed for thirty days.
--- Its pending entries stay until a person removes them or a later rotation succeeds.
---@param journal host.journal.journal
---@param row rotation.account_row
---@param why string
function M.put_left(journal, row, why)
  local body = row.body
  body.changed_at, body.value = (body.previous or {}).changed_at, (body.previous or {}).value
  body.forgiven, body.probe, body.unshown, body.sent = nil, nil, nil, nil
  rows:put(journal, row, "left", { why = why, kept_until = graph_clock.now() + KEPT })
end

--- End a rotation with an unknown outcome, because it is not allowed any more or because the account is gone; and raise
--- that outcome.
---@param rotation rotation.password
---@param why string
function M.leave(rotation, why)
  M.put_left(rotation.run.journal, rotation.row, why)
  end_rotation("left", ("%s; it is not known whether the new password is in force: %s")
    :format(why, rotation_account.value_places(rotation)))
end

--- Erase the values of a rotation that ended with an unknown outcome more than thirty days ago. Its pending entries are
--- still known as its own, and what a person has accepted stays accepted.
---@param journal host.journal.journal
---@param row rotation.account_row
---@return boolean done
function M.forget_expired_values(journal, row)
  if row.state ~= "left" or row.body.kept_until > graph_clock.now() then return false end
  local body, forgiven = row.body, row.body.forgiven
  forget_sealed_values(journal, M.sealed_names(row))
  clear_members_of_open_rotation(body)
  body.left, body.kept_until = body.left or {}, nil
  body.left[body.marker] = "own"
  rows:put(journal, row, "closed", { closed_at = graph_clock.now(), forgiven = forgiven })
  return true
end

--- End a rotation whose account was deleted.
---@param rotation rotation.password
function M.account_gone(rotation)
  local why = "the account was deleted"
  if rotation_account.is_unsent(rotation) then M.give_up(rotation, why) end
  M.leave(rotation, why)
end

--- End the rotation of an account that was deleted before this run began the account. Raises "missing" when no rotation
--- of the account is open.
---@param run rotation.run
---@param account entra.user
---@param row rotation.account_row?
---@return rotation.done
function M.account_missing(run, account, row)
  local is_open = row and row.state ~= "closed" and row.state ~= "left"
  if is_open then
    local ok, err = pcall(M.account_gone, { run = run, account = account, names = {}, row = row })
    return not ok and M.outcome_of(err) or error(err, 0)
  end
  fail.raise {
    kind = "missing", what = ("set a new password for %s"):format(account.upn),
    why = "there is no such account any more",
    fix = "If it is still needed, restore it within 30 days: Entra admin center > Users > Deleted users. Otherwise "
      .. "remove it from the policy. The value that was in force stays in the journal.",
  }
end

---------------------------------------------------------------------------
-- Somebody else's change

-- Was the current entry written by a later rotation of this installation? That happens when the journal was restored
-- from a backup older than that rotation.
local function is_later_own_rotation(rotation, current, moment)
  local installation = current and markers.installation_of(current.marker)
  return installation and rotation.run.setting.installations[installation]
    and current.marker ~= rotation.row.body.marker and current.since == moment
end

local function adopt_later_rotation(rotation, current)
  local body, journal = rotation.row.body, rotation.run.journal
  rotation.run.sink:delete_pending(rotation.account, body.marker)
  rotation_account.forget_values(rotation)
  if body.previous and body.previous.value then journal:forget(body.previous.value) end
  body.value = nil
  put_rotation_closed(rotation, { marker = current.marker, changed_at = current.since, adopted = true })
  end_rotation("idle", "a later rotation of our own is in force, and is adopted")
end

--- End a rotation when the value in force is not one of its values.
---@param rotation rotation.password
---@param why string
---@param moment number? date of the change, by the directory
function M.overtaken(rotation, why, moment)
  local current = rotation.run.sink:look(rotation.account, rotation.row.body.name).current
  if is_later_own_rotation(rotation, current, moment or rotation.account.changed) then
    adopt_later_rotation(rotation, current)
  end
  rotation_account.orphan(rotation, why)
end

return M
