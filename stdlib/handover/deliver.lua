--- Give a client secret to a person: on a terminal, on a page, or in a file. Before anybody sees the secret, the
--- journal says that it leaves; when a person says that the secret is in use, the journal says so.

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

local function refuse(row, what, why, fix)
  what = ("%s the client secret %s"):format(what, row.body.marker)
  fail.raise { kind = "refused", what = what, why = why, fix = fix }
end

--- Read a row anew: another process may have changed it.
---@param journal host.journal.journal
---@param row rotation.row
function M.refresh(journal, row)
  local now = rows:get(journal, row.id)
  row.state, row.body, row.updated = now.state, now.body, now.updated
end

--- The row of the client secret that a hand-over is about: the secret that waits, else the one in use.
---@param journal host.journal.journal
---@param state handover.state
---@return rotation.row
function M.row_of(journal, state)
  local row = state.secret.id and rows:get(journal, state.secret.id)
  if row then return row end
  fail.raise {
    kind = "missing", what = ("hand over the client secret of '%s'"):format(state.name), why = "there is none yet",
    fix = "moonlatch apply makes it, and proves that it signs in.",
  }
end

--- Take the value out of the journal, to give it to a person. When this returns, the journal says so on disk.
---@param journal host.journal.journal
---@param row rotation.row brought up to date
---@param how string "terminal", "page", "file /path"
---@return host.secret value to be closed
function M.begin(journal, row, how)
  M.refresh(journal, row)
  if NOT_YET[row.state] then
    refuse(row, "give", "it is not proven yet: nobody knows that it signs in", "Run apply: it proves it.")
  end
  local value = rows:value(journal, row)
  if not value then
    refuse(row, "give", row.body.by_person and "it was made elsewhere, and its value is not held here"
      or "the journal does not hold its value any more", "moonlatch apply --renew has a new one made.")
  end
  journal:audit("reveal", { rotation = row.id, marker = row.body.marker, how = how }, time.now())
  commit.commit(journal)
  return value
end

--- Put on record that a person was given the secret. Durable when this returns.
---@param journal host.journal.journal
---@param row rotation.row brought up to date
---@param how string as for `begin`
function M.given(journal, row, how)
  M.refresh(journal, row)
  if states.stage_of(row) ~= "to give" then return end
  rows:put(journal, row, "handed_over", { stored_at = graph_clock.now(), where = how })
end

--- Put on record that a person says that the consumer uses the secret. Earlier secrets get their retirement date.
--- Raises "refused" when nobody was given the secret yet.
---@param journal host.journal.journal
---@param row rotation.row brought up to date
---@param by string who says so
function M.confirm(journal, row, by)
  M.refresh(journal, row)
  if row.state == "confirmed" then return end
  confirm_and_retire.confirm(journal, row.id, by)
  M.refresh(journal, row)
end

--- Show the secret on the terminal, until Enter is pressed.
---@param journal host.journal.journal
---@param row rotation.row
---@param name string of the provider
---@return boolean|nil shown, string? message
function M.show(journal, row, name)
  local value <close> = M.begin(journal, row, "terminal")
  local shown, message = M.reveal(("Client secret for the field '%s' of '%s'"):format(form.SECRET, name), value)
  if shown then M.given(journal, row, "terminal") end
  return shown, message
end

--- Write the secret to a new file that only its owner can read.
---@param journal host.journal.journal
---@param row rotation.row
---@param path string
function M.write(journal, row, path)
  secret_file.check(path)
  local how = "file " .. path
  local value <close> = M.begin(journal, row, how)
  secret_file.write(path, value)
  M.given(journal, row, how)
end

return M
