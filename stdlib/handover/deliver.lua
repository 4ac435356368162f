--- Deliver a client secret to a person: on a terminal, on a page, or in a file. The journal records the delivery before
--- anybody sees the secret, and later the person's confirmation that the secret is in use.

local commit = require "journal.commit"
local confirm_and_retire = require "rotation.confirm_and_retire"
local fail = require "fail"
local form = require "devolutions.form"
local graph_clock = require "graph.clock"
local rows = require("journal.rotations").client_secrets
local secret_file = require "machine.secret_file"
local states = require "handover.state"
local term = require "host.term"
local time = require "time"

local M = {}

--- The function that shows a secret. Tests replace it.
M.reveal = term.reveal

local NOT_YET = { intent = true, sent = true, known = true }

local function raise_delivery_refused(row, what, why, fix)
  what = ("%s the client secret %s"):format(what, row.body.marker)
  fail.raise { kind = "refused", what = what, why = why, fix = fix }
end

--- Read a row again from the journal, because another process may have changed it.
---@param journal host.journal.journal
---@param row rotation.row
function M.reread_row(journal, row)
  local now = rows:get(journal, row.id)
  row.state, row.body, row.updated = now.state, now.body, now.updated
end

--- The row of the client secret of a hand-over: the secret that waits to be confirmed, else the one in use.
---@param journal host.journal.journal
---@param state handover.state
---@return rotation.row
function M.secret_row(journal, state)
  local row = state.secret.id and rows:get(journal, state.secret.id)
  if row then return row end
  fail.raise {
    kind = "missing", what = ("hand over the client secret of '%s'"):format(state.name), why = "there is none yet",
    fix = ("Make it: %s"):format(state.maker),
  }
end

--- Take the value out of the journal, to give it to a person. The journal's record of that is durable when this
--- returns.
---@param journal host.journal.journal
---@param row rotation.row brought up to date
---@param how string "terminal", "page", "file /path"
---@return host.secret value to be closed
function M.take_value(journal, row, how)
  M.reread_row(journal, row)
  if NOT_YET[row.state] then
    raise_delivery_refused(row, "give", "it is not proven yet that it signs in",
      ("Prove it: %s"):format(states.maker_of_secret(journal, row)))
  end
  local value = rows:value(journal, row)
  if not value then
    local why = row.body.by_person and "it was made elsewhere, and the journal does not have its value"
      or "the journal does not hold its value any more"
    raise_delivery_refused(row, "give", why,
      ("Have a new one made: %s"):format(states.renewal_of_secret(journal, row)))
  end
  journal:audit("reveal", { rotation = row.id, marker = row.body.marker, how = how }, time.now())
  commit.commit(journal)
  return value
end

--- Record that a person was given the secret. Durable when this returns.
---@param journal host.journal.journal
---@param row rotation.row brought up to date
---@param how string as for `take_value`
function M.record_given(journal, row, how)
  M.reread_row(journal, row)
  if states.delivery_stage(row) ~= "to give" then return end
  rows:put(journal, row, "handed_over", { stored_at = graph_clock.now(), where = how })
end

--- Record a person's confirmation that the consumer uses the secret. Earlier secrets get their retirement date. Raises
--- "refused" when the secret was not handed over yet.
---@param journal host.journal.journal
---@param row rotation.row brought up to date
---@param by string the person
function M.confirm(journal, row, by)
  M.reread_row(journal, row)
  if row.state == "confirmed" then return end
  confirm_and_retire.confirm(journal, row.id, by)
  M.reread_row(journal, row)
end

--- Show the secret on the terminal, until Enter is pressed.
---@param journal host.journal.journal
---@param row rotation.row
---@param name string of the provider
---@return boolean|nil shown, string? message
function M.show(journal, row, name)
  local value <close> = M.take_value(journal, row, "terminal")
  local shown, message = M.reveal(("Client secret for the field '%s' of '%s'"):format(form.SECRET, name), value)
  if shown then M.record_given(journal, row, "terminal") end
  return shown, message
end

--- Write the secret to a new file that only its owner can read.
---@param journal host.journal.journal
---@param row rotation.row
---@param path string
function M.write(journal, row, path)
  secret_file.check(path)
  local how = "file " .. path
  local value <close> = M.take_value(journal, row, how)
  secret_file.write(path, value)
  M.record_given(journal, row, how)
end

return M
