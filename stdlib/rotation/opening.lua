--- Begin the rotation of an account's password: with a new value, or by opening a closed rotation again.

local change_date = require "rotation.change_date"
local ending = require "rotation.ending"
local rotation_account = require "rotation.account"
local rows = require("journal.rotations").user_passwords

local M = {}

-- The value that was in force before this rotation. It counts again when the rotation is given up.
local function previous_password_value(row, adopt)
  if adopt then return { marker = adopt.marker, changed_at = adopt.since } end
  local body = row and row.body
  if not body or not body.changed_at then return body and body.previous end
  return { marker = body.marker, changed_at = body.changed_at, value = body.value }
end

-- The pending values that do not stop this rotation and stay in the sink: values of other rotations that a person
-- passed over, and values of our own rotation that ended with an unknown outcome.
local function pending_values_to_leave(row)
  local left
  for name, why in pairs(row and row.body.left or {}) do
    left = left or {}
    left[name] = why
  end
  if row and row.state == "left" then
    left = left or {}
    left[row.body.marker] = "own"
  end
  return left
end

--- Convert a row of version 0.1.0, which recorded requests in another form, to the present form.
---@param row rotation.account_row?
---@return rotation.account_row?
function M.upgrade_row(row)
  for _, candidate in ipairs(row and row.body.candidates or {}) do
    if candidate.sent and not candidate.first then
      candidate.first, candidate.last = candidate.sent, candidate.last or candidate.sent
      if candidate.state == "refused" then
        candidate.state, candidate.rejected = "rejected", true
      else
        candidate.from, candidate.to, candidate.unanswered = candidate.sent, candidate.last, candidate.last
      end
    end
  end
  return row
end

-- Delete pending entries of the account's last rotation, which is closed: a request to store one was carried out late,
-- after the rotation had deleted it. The value is stored as the current one, or cannot come into force any more; that
-- is not known of a rotation that was left, whose values were forgotten after thirty days.
local function delete_late_pending(rotation, row)
  if not row or row.state ~= "closed" or (row.body.left or {})[row.body.marker] then return end
  for _, entry in ipairs(rotation.run.sink:slot(rotation.account).pending) do
    if entry.marker and entry.marker == row.body.marker then
      return rotation.run.sink:delete_pending(rotation.account, row.body.marker)
    end
  end
end

--- Begin a new rotation: make its row, and generate and seal its first value.
---@param rotation rotation.password
---@param row rotation.account_row? the account's row so far
---@param verdict rotation.verdict
function M.begin(rotation, row, verdict)
  delete_late_pending(rotation, row)
  local sealed_names = row and row.state == "left" and ending.sealed_names(row) or row and row.body.kept
  rotation.row = rows:new(rotation.run.journal, {
    user = rotation.account.id, name = rotation.account.upn, policy = rotation.run.terms.name, candidates = {},
    before = rotation.account.changed, previous = previous_password_value(row, verdict.adopt),
    left = pending_values_to_leave(row), kept = sealed_names,
    sinks = rotation.run.sink:keys(rotation.account),
    quiet_until = row and change_date.quiet_from(row.body.candidates),
  }, rotation.account.id)
  rotation_account.add_candidate(rotation)
end

--- Open a closed rotation again, so that the value in force is sent once more: either its request was carried out
--- twice, or somebody has changed the password meanwhile.
---@param rotation rotation.password
function M.reopen(rotation)
  local body = rotation.row.body
  local sent, candidates = body.sent, {}
  for number = 1, sent.number - 1 do candidates[number] = { state = "rejected" } end
  local last = sent.to - change_date.TIMEOUT - change_date.LATE
  candidates[sent.number] = { state = "open", first = sent.first, last = last, from = sent.from, to = last,
    unanswered = last }
  body.candidates, body.before = candidates, body.changed_at
  body.previous = { marker = body.marker, changed_at = body.changed_at, value = body.value }
  body.sinks = rotation.run.sink:keys(rotation.account)
  rotation_account.stage(rotation, "intent")
end

return M
