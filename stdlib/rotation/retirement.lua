--- Remove credentials of applications: replaced ones by their date, once a newer one is confirmed; those of lost
--- answers by the rules; others only when a person says so.

local clock_skew = require "rotation.clock_skew"
local commit = require "journal.commit"
local graph_clock = require "graph.clock"
local prove = require "rotation.prove"
local time = require "time"

local M = {}

--- Put on record that the consumer uses this credential, and set the retirement date of the earlier ones.
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

local function unconfirm(body) body.confirmed_at, body.confirmed_by, body.confirmed_who = nil, nil, nil end

--- Take a confirmation back: the consumer does not have this credential, which waits again. The credentials that it
--- replaced are as they were before. The consumer has the one before, even if that one is gone by now.
---@param journal host.journal.journal
---@param kind rotation.kind
---@param row rotation.row confirmed
function M.take_back(journal, kind, row)
  local rows = kind.rows
  unconfirm(row.body)
  rows:stage(journal, row, "handed_over")
  rows:reinstate(journal, rows:all(journal, row.body.app_id), row)
  commit.commit(journal)
end

-- A credential that a person made ends with the consumer. One made here can be given to another consumer.
local function without_consumer(rows, journal, row)
  local body, state = row.body, row.state
  unconfirm(body)
  if rows:is_application_deleted(row) then
    body.before_bin.state = body.before_bin.state == "confirmed" and "handed_over" or body.before_bin.state
  elseif state == "confirmed" and body.by_person then
    state, body.retire_at, body.why = "retiring", graph_clock.now(), "what used it was deleted"
  elseif state == "confirmed" then
    state = "handed_over"
  end
  rows:stage(journal, row, state)
end

--- The consumer of this application's credentials was deleted: it has none of them any more.
---@param journal host.journal.journal
---@param kind rotation.kind
---@param app_id string
function M.consumer_gone(journal, kind, app_id)
  for _, row in ipairs(kind.rows:all(journal, app_id)) do
    if row.body.confirmed_at then without_consumer(kind.rows, journal, row) end
  end
  commit.commit(journal)
end

---------------------------------------------------------------------------
-- By the rules

-- Before another credential is removed, the new one is proven once more.
local function still_works(self)
  local accepted, failure = prove.once(self.application.appId, self:prover())
  if not accepted then
    prove.raise_if_passing(self.application.appId, failure)
    self.run:warn("the %s in use was not accepted just now (%s), so no other is removed", self.kind.name,
      tostring(failure.message))
  end
  return accepted
end

local function retire(self, row, credential, why)
  self.run:change {
    kind = self.kind.name, name = row.body.marker, action = "delete", made = why,
    act = function()
      local journal, rows = self.run.journal, self.kind.rows
      clock_skew.check("retire a " .. self.kind.name)
      if not row.body.key_id then row.body.key_id = credential.keyId end
      self.kind.remove(self.application, row, credential, rows:value(journal, row), self.row)
      rows:close(journal, row, why)
    end,
  }
end

-- Entra's entry for a row: without it the credential cannot be removed.
local function credential_of(self, row)
  return self.kind.find(row, self.kind.listed(self.application)) or row.body.key_id and { keyId = row.body.key_id }
end

-- A credential that a person made may have other users: only a person removes it.
local function leave_theirs(self, row)
  if not self.kind.find(row, self.kind.listed(self.application)) then return end
  self.run:leave(self.kind.name, row.body.marker,
    "made elsewhere and replaced; once nothing uses it, it goes with: moonlatch journal retire " .. row.body.key_id)
end

local function retire_all(self, rows, why)
  for _, row in ipairs(rows) do
    local credential = credential_of(self, row)
    if row.body.by_person then leave_theirs(self, row)
    elseif credential then retire(self, row, credential, why(row)) end
  end
end

local AT_ONCE = "removed at once, as was asked for"

local function why_overdue(row) return ("replaced, and its grace ended on %s"):format(time.day(row.body.retire_at)) end

-- A person asked for it: every credential before the one in use is removed now.
local function before_now(self)
  local list = {}
  for _, rows in ipairs { self.view.older, self.view.retiring, self.view.overdue } do
    table.move(rows, 1, #rows, #list + 1, list)
  end
  return list
end

local function tell_retiring(self)
  for _, row in ipairs(self.view.retiring) do
    self.run:note("%s was replaced and is retired on %s", row.body.marker, time.day(row.body.retire_at))
  end
end

local RETIRE = "moonlatch journal retire %s removes it at once"

-- Tell how long the old credential still works. A person who makes a new one early has a reason to know.
local function tell_still_good(self)
  for _, row in ipairs(self.view.retiring) do
    self.run:warn("%s still signs in, until %s. If it leaked: " .. RETIRE, row.body.marker,
      time.day(row.body.retire_at), row.body.key_id)
  end
  for _, row in ipairs(self.view.older) do
    self.run:warn("%s still signs in, until somebody confirms the new one and %s more. If it leaked: once the new one "
      .. "is confirmed, " .. RETIRE, row.body.marker, time.span(row.body.grace or self.terms.grace), row.body.key_id)
  end
end

local function tell_going(self, list)
  if #list == 0 then return end
  self.run:warn("who signs in with %s is not known here: nothing reads the sign-in logs. Whoever does is refused from "
    .. "now on", #list == 1 and "the one that is removed" or "those that are removed")
end

local function tell(self, list)
  if self.terms.old_now and self:is_confirmed() then return tell_going(self, list) end
  if self.terms.old_now then self.run:warn "nothing is removed before somebody confirmed that the new one is in use" end
  if self.terms.renew and self.run:acting() then return tell_still_good(self) end
  tell_retiring(self)
end

local function clear_lost(self, held)
  for _, lost in ipairs(self.view.lost) do
    local row, credential = lost.row, lost.credential
    local is_listed = self.kind.find(row, self.kind.listed(self.application)) ~= nil
    if not credential or not is_listed and self.kind.is_new(row) then
      self.run:note("the answer to %s was lost; so far Entra does not show it", row.body.marker)
    elseif self.kind.removable(credential, self.row, held) then
      retire(self, row, credential, "its answer was lost, its value is known to nobody")
    else
      self.run:leave(self.kind.name, row.body.marker,
        "its answer was lost; goes with: moonlatch journal retire " .. credential.keyId)
    end
  end
end

-- Which of the earlier credentials are removed in this run, and why.
local function going(self)
  if not self:is_confirmed() then return {}, why_overdue end
  if self.terms.old_now then return before_now(self), function() return AT_ONCE end end
  return self.view.overdue, why_overdue
end

--- Remove credentials that are replaced and due, and those of lost answers. Waits.
---@param self rotation.Credential
function M.tidy(self)
  local list, why = going(self)
  tell(self, list)
  local anything = #list > 0 or #self.view.lost > 0
  if anything and self.run:acting() and not still_works(self) then return end
  retire_all(self, list, why)
  clear_lost(self, self.sink and self.sink:held(self.application.appId) or nil)
end

-- The credentials that will be removed once the new one, which a plan would make, is in use.
local function going_then(self)
  if not self.sink:confirms() then return {}, why_overdue end
  if self.terms.old_now then
    local list = before_now(self)
    return table.move({ self.view.newest }, 1, 1, #list + 1, list), function() return AT_ONCE end
  end
  return self.view.overdue, why_overdue
end

--- Tell in a plan what will be removed after a new one was made. Where a person pastes the new one, nobody knows when.
---@param self rotation.Credential
function M.foretell(self)
  if not self.sink then return end
  retire_all(self, going_then(self))
end

---------------------------------------------------------------------------
-- For `destroy`

--- Is the credential ours to remove, and why?
---@param self rotation.Credential
---@param row rotation.row
---@return boolean, string
function M.whose(self, row)
  if self.application.ours then return true, "goes with the application" end
  if row.body.by_person then return false, "it was made elsewhere, and is in use by a person's word" end
  if row.body.adopted then return false, "it was adopted with what was found where it lies" end
  if row.body.key_id then return true, "the journal says it was made here" end
  return false, "its answer was lost; what the portal lists by this name may be removed there"
end

local function take_away(self, row)
  local journal, rows = self.run.journal, self.kind.rows
  if self.application.ours then return rows:record_application_deleted(journal, row, graph_clock.now()) end
  self.kind.remove(self.application, row, nil, rows:value(journal, row))
  rows:close(journal, row, "destroyed")
end

--- Have `destroy` remove the credentials that are ours.
---@param self rotation.Credential
function M.undo(self)
  for _, row in ipairs(self.kind.rows:all(self.run.journal, self.application.appId)) do
    if row.state ~= "closed" and (row.state ~= "intent" or self.kind.rows:usable(row)) then
      self.run:undoing({
        kind = self.kind.name, name = row.body.marker, gone = false,
        ours = function() return M.whose(self, row) end,
        delete = function() take_away(self, row) end,
      }, row)
    end
  end
end

return M
