--- Begin the rotation of an account's password: with a new value, or by continuing a rotation that was closed.

local change_date = require "rotation.change_date"
local ending = require "rotation.ending"
local rotation_account = require "rotation.account"
local rows = require("journal.rotations").user_passwords

local M = {}

-- The value that was in force before: it counts again when the rotation is given up.
local function previous_of(row, adopt)
  if adopt then return { marker = adopt.marker, changed_at = adopt.since } end
  local body = row and row.body
  if not body or not body.changed_at then return body and body.previous end
  return { marker = body.marker, changed_at = body.changed_at, value = body.value }
end

-- Pending values that stop nothing and stay: of other rotations that a person passed over, and our own of a rotation
-- that was closed with an unknown outcome.
local function left_alone(row)
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

--- Convert a row to the present form: version 0.1.0 recorded its requests in another form.
---@param row rotation.account_row?
---@return rotation.account_row?
function M.upgrade(row)
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

--- Begin a rotation with a value of its own.
---@param job rotation.job
---@param row rotation.account_row? the account's row so far
---@param judged rotation.verdict
function M.begin(job, row, judged)
  local kept = row and row.state == "left" and ending.kept_values(row) or row and row.body.kept
  job.row = rows:new(job.run.journal, {
    user = job.account.id, name = job.account.upn, policy = job.run.terms.name, candidates = {},
    before = job.account.changed, previous = previous_of(row, judged.adopt), left = left_alone(row), kept = kept,
    entry = row and row.body.entry,
    quiet_until = row and change_date.quiet_from(row.body.candidates),
  }, job.account.id)
  rotation_account.add_candidate(job)
end

--- Continue a rotation that was closed, by sending the value in force once more: its request may have been carried out
--- twice, or somebody has changed the password meanwhile.
---@param job rotation.job
function M.reopen(job)
  local body = job.row.body
  local sent, candidates = body.sent, {}
  for number = 1, sent.number - 1 do candidates[number] = { state = "rejected" } end
  local last = sent.to - change_date.TIMEOUT - change_date.LATE
  candidates[sent.number] = { state = "open", first = sent.first, last = last, from = sent.from, to = last,
    unanswered = last }
  body.candidates, body.before = candidates, body.changed_at
  body.previous = { marker = body.marker, changed_at = body.changed_at, value = body.value }
  rotation_account.stage(job, "intent")
end

return M
