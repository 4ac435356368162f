--- Retire credentials of applications. A replaced credential is removed at its retirement date, once a newer one is
--- confirmed; a credential of a lost answer, when the rules of its kind allow that; any other, only by a person.

local clock_skew = require "rotation.clock_skew"
local commit = require "journal.commit"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local prove = require "rotation.prove"
local time = require "time"
local use_in_log = require "rotation.use_in_log"

local M = {}

--- Record that the consumer uses this credential, and set the retirement date of the earlier credentials.
---@param journal host.journal.journal
---@param kind rotation.kind
---@param row rotation.row
---@param how string how that is known: "a person", "read back from …"
---@param grace number? seconds, where the row does not say
---@param who string? the person's user name
function M.confirm(journal, kind, row, how, grace, who)
  local now, rows = graph_clock.now(), kind.rows
  row.body.retire_at, row.body.why, row.body.from, row.body.successor = nil, nil, nil, nil
  rows:stage(journal, row, "confirmed", { confirmed_at = now, confirmed_by = how, confirmed_who = who })
  rows:supersede(journal, rows:all(journal, row.body.app_id), row, now + (row.body.grace or grace))
  commit.commit(journal)
end

local function clear_confirmation(body) body.confirmed_at, body.confirmed_by, body.confirmed_who = nil, nil, nil end

--- Take a confirmation back: this credential waits to be confirmed again, and the credentials that it replaced get
--- their former states back. The consumer counts as having the credential before, even if that one is gone by now.
---@param journal host.journal.journal
---@param kind rotation.kind
---@param row rotation.row confirmed
function M.take_back(journal, kind, row)
  local rows = kind.rows
  clear_confirmation(row.body)
  rows:stage(journal, row, "handed_over")
  rows:reinstate(journal, rows:all(journal, row.body.app_id), row)
  commit.commit(journal)
end

-- Change the row of a credential whose consumer was deleted. A credential that a person made retires at once; a
-- credential made here can be given to another consumer.
local function remove_consumer_from_row(rows, journal, row)
  local body, state = row.body, row.state
  clear_confirmation(body)
  if rows:is_application_deleted(row) then
    body.before_bin.state = body.before_bin.state == "confirmed" and "handed_over" or body.before_bin.state
  elseif state == "confirmed" and body.by_person then
    state, body.retire_at, body.why = "retiring", graph_clock.now(), "what used it was deleted"
  elseif state == "confirmed" then
    state = "handed_over"
  end
  rows:stage(journal, row, state)
end

--- Record that the consumer of this application's credentials was deleted, so that no credential is in use any more.
---@param journal host.journal.journal
---@param kind rotation.kind
---@param app_id string
function M.consumer_gone(journal, kind, app_id)
  for _, row in ipairs(kind.rows:all(journal, app_id)) do
    if row.body.confirmed_at then remove_consumer_from_row(kind.rows, journal, row) end
  end
  commit.commit(journal)
end

---------------------------------------------------------------------------
-- Removing by the rules

-- Sign in once more with the credential in use, before another credential is removed.
local function is_credential_accepted(self)
  local accepted, failure = prove.sign_in_once(self.application.appId, self:prover(),
    { journal = self.run.journal, key_id = self.row.body.key_id })
  if not accepted then
    prove.raise_if_passing(self.application.appId, failure)
    self.run:warn("the %s in use was not accepted just now (%s), so no other is removed", self.kind.name,
      tostring(failure.message))
  end
  return accepted
end

local function retire_credential(self, row, credential, why)
  self.run:change {
    kind = self.kind.name, name = row.body.marker, action = "delete", made = why,
    act = function()
      local journal, rows = self.run.journal, self.kind.rows
      clock_skew.check("retire a " .. self.kind.name)
      if not row.body.key_id then row.body.key_id = credential.keyId end
      -- Without its value: a sign-in of ours with a retiring credential would look like use by its consumer.
      self.kind.remove(self.application, row, credential, { in_use = self.row })
      rows:close(journal, row, why)
    end,
  }
end

-- Entra's entry for a row, at least its key id; nil when the credential cannot be named to Entra.
local function entra_credential_of_row(self, row)
  return self.kind.find(row, self.kind.listed(self.application)) or row.body.key_id and { keyId = row.body.key_id }
end

-- Report a credential that a person made, instead of removing it, because others may use it.
local function leave_credential_of_person(self, row)
  if not self.kind.find(row, self.kind.listed(self.application)) then return end
  self.run:leave(self.kind.name, row.body.marker,
    hint.text "made elsewhere and replaced; once nothing uses it, remove it with: {moonlatch} journal retire "
      .. row.body.key_id)
end

local function retire_credentials(self, rows, why)
  for _, row in ipairs(rows) do
    local credential = entra_credential_of_row(self, row)
    if row.body.by_person then leave_credential_of_person(self, row)
    elseif credential then retire_credential(self, row, credential, why(row)) end
  end
end

local AT_ONCE = "removed at once, as a person asked"

local function why_retirement_is_due(row)
  return ("replaced, and its grace ended on %s"):format(time.day(row.body.retire_at))
end

-- Every credential before the one in use, for a person who asked to remove them now.
local function all_earlier_credentials(self)
  local list = {}
  for _, rows in ipairs { self.view.older, self.view.retiring, self.view.overdue } do
    table.move(rows, 1, #rows, #list + 1, list)
  end
  return list
end

-- "until it expires on 2027-05-04"
local function until_expiry(row)
  return row.body.ends and "until it expires on " .. time.day(row.body.ends) or "until somebody removes it"
end

-- Tell why a credential whose grace is over is not removed.
local function tell_kept_credential(self, kept)
  local row = kept.row
  if kept.is_used then
    return use_in_log.tell(self, true, "%s is not removed, although its grace ended on %s: %s. If that use is not "
      .. "wanted: %s", row.body.marker, time.day(row.body.retire_at), kept.why,
      hint.text("{moonlatch} journal retire %s --in-use", row.body.key_id))
  end
  use_in_log.tell(self, false, "%s stays %s, because the log, and no person, confirmed the new one: %s; %s",
    row.body.marker, until_expiry(row), kept.why, use_in_log.last_use_text(self, row))
end

local function note_retirement_dates(self)
  local is_by_log = self.row ~= nil and use_in_log.is_by_log(self.row)
  for _, row in ipairs(self.view.retiring) do
    self.run:note(is_by_log and "%s was replaced; it stays until %s at least" or "%s was replaced and is retired on %s",
      row.body.marker, time.day(row.body.retire_at))
  end
end

-- Warn how long the earlier credentials still work, because a person who renews early may do so after a leak.
local function warn_earlier_still_valid(self)
  for _, row in ipairs(self.view.retiring) do
    self.run:warn("%s still signs in, until %s. If it leaked: %s removes it at once", row.body.marker,
      time.day(row.body.retire_at), hint.text("{moonlatch} journal retire %s", row.body.key_id))
  end
  for _, row in ipairs(self.view.older) do
    self.run:warn("%s still signs in, until somebody confirms the new one and %s more. If it leaked: once the new one "
      .. "is confirmed, %s removes it at once", row.body.marker, time.span(row.body.grace or self.terms.grace),
      hint.text("{moonlatch} journal retire %s", row.body.key_id))
  end
end

-- Warn of who may be cut off. The log tells only what was read of it.
local function warn_of_refused_sign_ins(self, list)
  for _, row in ipairs(list) do
    use_in_log.tell(self, true, "%s is removed: %s. Whoever signs in with it is refused from now on",
      row.body.marker, use_in_log.last_use_text(self, row))
  end
end

local function note_retirement(self, list, kept)
  for _, one in ipairs(kept) do tell_kept_credential(self, one) end
  if self.terms.old_now and self:is_confirmed() then return warn_of_refused_sign_ins(self, list) end
  if self.terms.old_now then self.run:warn "nothing is removed before somebody confirmed that the new one is in use" end
  if self.terms.renew and self.run:acting() then return warn_earlier_still_valid(self) end
  note_retirement_dates(self)
end

local function retire_lost_credentials(self, value)
  for _, lost in ipairs(self.view.lost) do
    local row, credential = lost.row, lost.credential
    local is_listed = self.kind.find(row, self.kind.listed(self.application)) ~= nil
    if not credential or not is_listed and self.kind.is_new(row) then
      self.run:note("the answer to %s was lost; so far Entra does not show it", row.body.marker)
    elseif self.kind.removable(credential, self.row, value) then
      retire_credential(self, row, credential, "its answer was lost, its value is known to nobody")
    else
      self.run:leave(self.kind.name, row.body.marker,
        hint.text "its answer was lost; remove it with: {moonlatch} journal retire " .. credential.keyId)
    end
  end
end

local function why_log_allows(row)
  return ("replaced, and Entra's log shows no use any more; its grace ended on %s"):format(time.day(row.body.retire_at))
end

-- Sort the credentials whose grace is over: those that are removed, and those that are kept all the same. Waits.
local function sort_overdue_credentials(self)
  local list, kept = {}, {}
  for _, row in ipairs(self.view.overdue) do
    local why, is_used = use_in_log.why_kept(self, row)
    if why then kept[#kept + 1] = { row = row, why = why, is_used = is_used } else list[#list + 1] = row end
  end
  return list, kept
end

-- Which of the earlier credentials are removed in this run; a function that says why; and which are kept although their
-- grace is over.
local function credentials_to_retire(self)
  if not self:is_confirmed() then return {}, why_retirement_is_due, {} end
  if self.terms.old_now then return all_earlier_credentials(self), function() return AT_ONCE end, {} end
  local list, kept = sort_overdue_credentials(self)
  return list, use_in_log.is_by_log(self.row) and why_log_allows or why_retirement_is_due, kept
end

--- Remove replaced credentials whose retirement date has passed, and credentials of lost answers. Waits.
---@param self rotation.Credential
function M.retire_due(self)
  local list, why, kept = credentials_to_retire(self)
  note_retirement(self, list, kept)
  local anything = #list > 0 or #self.view.lost > 0
  if anything and self.run:acting() and not is_credential_accepted(self) then return end
  retire_credentials(self, list, why)
  retire_lost_credentials(self, self.sink and self.sink:held(self.application.appId) or nil)
end

-- Which credentials are removed once the new one that a plan shows is in use; and a function that says why.
local function credentials_to_retire_later(self)
  if not self.sink:confirms() then return {}, why_retirement_is_due end
  if self.terms.old_now then
    local list = all_earlier_credentials(self)
    return table.move({ self.view.newest }, 1, 1, #list + 1, list), function() return AT_ONCE end
  end
  return self.view.overdue, why_retirement_is_due
end

--- Show in a plan which credentials will be removed after a new one was made. Nothing is shown where a person pastes
--- the new one, because then the date is unknown.
---@param self rotation.Credential
function M.note_planned_retirement(self)
  if not self.sink then return end
  retire_credentials(self, credentials_to_retire_later(self))
end

---------------------------------------------------------------------------
-- For `destroy`

--- May `destroy` remove the credential?
---@param self rotation.Credential
---@param row rotation.row
---@return boolean, string why
function M.is_ours_to_remove(self, row)
  if self.application.ours then return true, "deleted with the application" end
  if row.body.by_person then return false, "it was made elsewhere, and is in use, as a person said" end
  if row.body.adopted then return false, "it was adopted, not made here" end
  if row.body.key_id then return true, "the journal says it was made here" end
  return false, "its answer was lost; what the portal lists by this name may be removed there"
end

local function remove_on_destroy(self, row)
  local journal, rows = self.run.journal, self.kind.rows
  if self.application.ours then return rows:record_application_deleted(journal, row, graph_clock.now()) end
  self.kind.remove(self.application, row, nil, { value = rows:value(journal, row), journal = journal })
  rows:close(journal, row, "destroyed")
end

--- Register the application's credentials with the run, so that `destroy` removes those that are ours.
---@param self rotation.Credential
function M.register_removal(self)
  for _, row in ipairs(self.kind.rows:all(self.run.journal, self.application.appId)) do
    if row.state ~= "closed" and (row.state ~= "intent" or self.kind.rows:usable(row)) then
      self.run:add_removal({
        kind = self.kind.name, name = row.body.marker, gone = false,
        ours = function() return M.is_ours_to_remove(self, row) end,
        delete = function() remove_on_destroy(self, row) end,
      }, row)
    end
  end
end

return M
