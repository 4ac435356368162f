--- Letting go of client secrets: by their date once something newer is confirmed,
-- of lost ones by the rules, of others only when a person says so.

local fail = require "fail"
local graph = require "graph"
local mint = require "rotation.mint"
local prove = require "rotation.prove"
local record = require "record"
local removal = require "rotation.removal"
local rows = require("rotation.store").client_secrets
local time = require "time"
local view = require "rotation.view"

local M = {}

local KIND = "client secret"

---------------------------------------------------------------------------
-- Confirming

--- The consumer uses this one: put that on record, and set the date for those before it.
---@param journal host.journal.journal
---@param row rotation.row
---@param how string
function M.confirm(journal, row, how)
  local now = mint.now()
  rows:stage(journal, row, "confirmed", { confirmed_at = now, confirmed_by = how })
  rows:supersede(journal, rows:all(journal, row.body.app_id), row, now + row.body.grace)
  record.commit(journal)
end

---------------------------------------------------------------------------
-- By the rules

-- The new one is proven once more just before another goes.
local function still_works(self)
  local accepted, failure = prove.once(self.application.appId, self.value)
  if not accepted then
    prove.raise_if_passing(self.application.appId, failure)
    self.run:warn("the secret in use was not accepted just now (%s), so no other is removed", tostring(failure.message))
  end
  return accepted
end

local function retire(self, row, key_id, why)
  self.run:change {
    kind = KIND, name = row.body.marker, action = "delete", made = why,
    act = function()
      mint.check_clock "retire a client secret"
      removal.run(self.application, key_id, row.body.marker, row, rows:value(self.run.journal, row))
      rows:close(self.run.journal, row, why)
    end,
  }
end

local function retire_overdue(self)
  for _, row in ipairs(self.view.overdue) do
    local credential = view.find(row, self.application.passwordCredentials or {})
    local key_id = row.body.key_id or (credential and credential.keyId)
    local why = ("replaced, and its grace ended on %s"):format(time.day(row.body.retire_at))
    if key_id then retire(self, row, key_id, why) end
  end
end

local function tell_retiring(self)
  for _, row in ipairs(self.view.retiring) do
    self.run:note("%s was replaced and is retired on %s", row.body.marker, time.day(row.body.retire_at))
  end
end

local function clear_lost(self, held)
  for _, lost in ipairs(self.view.lost) do
    local row, credential = lost.row, lost.credential
    local is_listed = view.find(row, self.application.passwordCredentials or {}) ~= nil
    if not credential or not is_listed and removal.is_new(row) then
      self.run:note("the answer to %s was lost; so far Entra does not show it", row.body.marker)
    elseif view.removable(credential, self.row, held) then
      retire(self, row, credential.keyId, "its answer was lost, its value is known to nobody")
    else
      self.run:leave(KIND, row.body.marker,
        "its answer was lost; goes with: moonlatch journal retire " .. credential.keyId)
    end
  end
end

--- Let go of what is replaced and due, and of what was lost.
---@param self rotation.Secret
function M.tidy(self)
  local confirmed = self:is_confirmed()
  local anything = (confirmed and #self.view.overdue > 0) or #self.view.lost > 0
  tell_retiring(self)
  if anything and self.run:acting() and not still_works(self) then return end
  if confirmed then retire_overdue(self) end
  clear_lost(self, self.sink and self.sink:held(self.application.appId) or nil)
end

--- Remove the one that was made in this run and brought nowhere yet, and raise "conflict".
---@param self rotation.Secret
---@param why string
function M.withdraw(self, why)
  local row, journal = self.row, self.run.journal
  removal.run(self.application, row.body.key_id, row.body.marker, row, rows:value(journal, row))
  rows:close(journal, row, why)
  fail.raise {
    kind = "conflict", what = ("make a client secret for '%s'"):format(self.terms.name),
    why = why .. "; the one made here was removed again",
    fix = "Run the same command again: it goes on with the one that stayed, as far as a sink holds it.",
  }
end

---------------------------------------------------------------------------
-- With `destroy`

local function whose(self, row)
  if self.application.ours then return true, "goes with the application" end
  if row.body.adopted then return false, "it was adopted with what a sink held" end
  if row.body.key_id then return true, "the journal says it was made here" end
  return false, "its answer was lost; what the portal lists by this name may be removed there"
end

local function take_away(self, row)
  local journal = self.run.journal
  if self.application.ours then return rows:go_with_application(journal, row, mint.now()) end
  removal.run(self.application, row.body.key_id, row.body.marker, row, rows:value(journal, row))
  rows:close(journal, row, "destroyed")
end

--- Have destroy take away what is ours.
---@param self rotation.Secret
function M.undo(self)
  for _, row in ipairs(rows:all(self.run.journal, self.application.appId)) do
    if row.state ~= "closed" and row.state ~= "intent" then
      self.run:undoing({
        kind = KIND, name = row.body.marker, gone = false,
        ours = function() return whose(self, row) end,
        delete = function() take_away(self, row) end,
      }, row)
    end
  end
end

---------------------------------------------------------------------------
-- By hand: moonlatch journal confirm | retire

local function row_named(journal, name)
  for _, row in ipairs(rows:all(journal)) do
    if row.id == name or row.body.marker == name or row.body.key_id == name then return row end
  end
end

local function raise_unknown(what, name, why)
  fail.raise {
    kind = "missing", what = ("%s %s"):format(what, name), why = why, fix = "`moonlatch journal` lists them.",
  }
end

local FIXES = {
  known = "It is not proven yet: run apply first.",
  proven = "Nobody was given it yet: apply shows it on a terminal, or writes it with --secret-file PATH.",
}

local function refuse_confirm(row)
  fail.raise {
    kind = "refused", what = "confirm " .. row.body.marker, why = ("it is in the state '%s'"):format(row.state),
    fix = FIXES[row.state] or "Only what was stored or handed over can be confirmed, once.",
  }
end

--- A person says: the consumer uses this one. Needs no network.
---@param journal host.journal.journal
---@param name string id, marker or key id
---@return rotation.row
function M.confirm_by_hand(journal, name)
  local row = row_named(journal, name)
    or raise_unknown("confirm", name, "the journal knows no client secret by that id")
  if row.state ~= "stored" and row.state ~= "handed_over" then refuse_confirm(row) end
  M.confirm(journal, row, "a person")
  return row
end

---@class rotation.let_go.found
---@field application rotation.removal.of
---@field key_id string
---@field name string

local function credential_on(application_id, key_id)
  local actual = graph.get(graph.path("/applications/{id}", application_id), {
    select = { "id", "appId", "displayName", "passwordCredentials" }, missing = "nil", what = "look for the credential",
  })
  for _, credential in ipairs(actual and actual.passwordCredentials or {}) do
    if credential.keyId == key_id then
      return { application = actual, key_id = key_id, name = tostring(credential.displayName) }
    end
  end
end

-- The application that has this credential, among those the journal knows.
local function search(journal, key_id)
  local asked = {}
  for _, kind in ipairs { rows:all(journal), journal:list "adopted" } do
    for _, row in ipairs(kind) do
      local id = row.body.application or row.body.id -- a secret's row, or an adopted application's
      local found = not asked[id] and credential_on(id, key_id)
      if found then return found end
      asked[id] = true
    end
  end
  raise_unknown("retire", key_id, "no application the journal knows has a credential by that id")
end

-- One of the journal's own need not be listed: it may be gone since an answer was lost.
local function of_row(row)
  local body = row.body
  return {
    application = { id = body.application, appId = body.app_id, displayName = body.name }, key_id = body.key_id,
    name = body.marker,
  }
end

local function refuse_in_use(row)
  fail.raise {
    kind = "refused", what = "retire " .. row.body.marker, why = "it is in use, or on its way to be",
    fix = "Have a new one made and confirmed first; then this one is let go by itself.",
  }
end

--- A person says: this credential goes. Any credential of an application the journal knows.
---@param journal host.journal.journal
---@param name string key id; or id or marker of a row
---@return string name of what went
function M.retire_by_hand(journal, name)
  local row = row_named(journal, name)
  if row and rows:usable(row) then refuse_in_use(row) end
  local found = row and row.body.key_id and of_row(row) or search(journal, name)
  removal.run(found.application, found.key_id, found.name, row)
  if row then rows:close(journal, row, "retired by a person") end
  journal:audit("retire", { key_id = found.key_id, name = found.name }, time.now())
  record.commit(journal)
  return found.name
end

return M
