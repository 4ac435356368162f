--- Adopt the credential of a lost or restored journal, before a new one is made: a value that can be read back from the
--- sink, and that signs the application in, is the credential in use, whoever made it.

local credential_changes = require "rotation.credential_changes"
local fail = require "fail"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local inventory = require "rotation.inventory"
local markers = require "journal.marker"
local prove = require "rotation.prove"
local secret = require "host.secret"

local M = {}

--- The places in which the credential is stored, and that can be read back.
---@param self rotation.Credential
---@return rotation.place[]
function M.places(self) return self.sink and (self.sink.sinks or { self.sink }) or {} end

-- The value that the place holds for this application, when this journal does not know the value. A key id is no value,
-- and is not held on to: what is on record of the application has it as plain text.
local function unknown_value_in_sink(self, place)
  local stored = place:held(self.application.appId)
  if not stored then return nil end
  if inventory.credential_with_id(stored, self.kind.listed(self.application)) then
    place:forget()
    return nil
  end
  local rows = self.kind.rows
  for _, row in ipairs(rows:all(self.run.journal, self.application.appId)) do
    local value = rows:value(self.run.journal, row)
    if value and secret.equals(value, stored) then return nil end
  end
  return stored
end

-- The credentials that the value may belong to: valid credentials that the journal does not know.
local function credentials_of_value(self, value)
  local list = {}
  for _, credential in ipairs(self.view.foreign) do
    if self.kind.fits(credential, value) then list[#list + 1] = credential end
  end
  return list
end

local function credential_marker(credential) return credential and markers.of_credential(credential.displayName) end

-- Choose the credential that the value belongs to: the credential that the entry's marker names, or the only one in the
-- list. Nil when neither decides.
local function credential_of_value(place, list)
  local named = place:marker()
  for _, credential in ipairs(list) do
    if named and credential_marker(credential) == named then return credential end
  end
  return #list == 1 and list[1] or nil
end

-- Raise because the value is refused now, although the consumer may use it: only a person may replace such a value.
local function raise_value_refused(self, place, credential)
  fail.raise {
    kind = "conflict", what = ("go on with the %s in %s"):format(self.kind.name, tostring(place)),
    why = ("this journal does not know it, Entra still lists it (%s), but a sign-in with it is refused")
      :format(credential.keyId),
    fix = hint.text("If no service uses it: {moonlatch} journal retire %s, then run the same command again.",
      credential.keyId),
  }
end

-- The entry's marker, unless a row of this journal has it. The marker names a credential that Entra does not list yet.
local function unclaimed_marker(self, place)
  local named = place:marker()
  for _, row in ipairs(self.kind.rows:all(self.run.journal, self.application.appId)) do
    if row.body.marker == named then return nil end
  end
  return named
end

-- A row for the adopted credential. Its age counts from Entra's start date.
local function adopted_row(self, place, value, credential)
  local application, terms, journal = self.application, self.terms, self.run.journal
  local body = self.kind.body_of(value, credential)
  body.application, body.app_id, body.name = application.id, application.appId, terms.name
  body.workflow, body.grace, body.adopted = terms.workflow, terms.grace, true
  body.marker = credential_marker(credential) or unclaimed_marker(self, place)
  body.key_id, body.known_at = credential and credential.keyId, graph_clock.now()
  body.made_at = credential and inventory.credential_start(credential) or body.made_at
  if journal then return self.kind.rows:new(journal, body) end
  body.marker = body.marker or "in " .. tostring(place)
  return { id = "", state = "known", body = body, created = graph_clock.now() }
end

local function adopt_value(self, place, value, credential)
  local row, journal = adopted_row(self, place, value, credential), self.run.journal
  if self.run:acting() then
    self.kind.rows:seal(journal, row, value)
    self.kind.rows:put(journal, row, "known")
  end
  row.state = "known"
  self.run:note("%s holds a %s that this journal does not know; it signs in, so it is adopted", tostring(place),
    self.kind.name)
  table.insert(self.view.older, self.view.newest)
  self.view.newest, self.adopted_value = row, value
  self.view.due = inventory.why_due(self.view, self.terms, graph_clock.now())
end

-- Adopt the value in this place, when this journal does not know the value and it signs in.
local function adopt_from_place(self, place)
  local value = unknown_value_in_sink(self, place)
  self.unknown_values[place] = value
  if not value then return end
  local list = credentials_of_value(self, value)
  if #list == 0 and self.kind.must_be_listed then return end
  local credential = credential_of_value(place, list)
  local own = { journal = self.run.journal, key_id = credential and credential.keyId }
  local accepted, failure = prove.sign_in_once(self.application.appId, self.kind.prover(value), own)
  if accepted then return adopt_value(self, place, value, credential) end
  prove.raise_if_passing(self.application.appId, failure)
  if list[1] then raise_value_refused(self, place, list[1]) end
end

--- Adopt the value that a sink holds, when this journal does not know the value and it signs in. Waits.
---@param self rotation.Credential
function M.adopt_from_sink(self)
  for _, place in ipairs(M.places(self)) do adopt_from_place(self, place) end
end

--- Call this before storing our value, when the place was just read: raises "conflict" when another installation has
--- stored a value there since this run looked first. A credential that this run made was given to nobody yet, and
--- is removed again, unless another place has it already.
---@param self rotation.Credential
---@param place rotation.place
function M.check_sink_unchanged(self, place)
  local value, known = unknown_value_in_sink(self, place), self.unknown_values[place]
  if not value or known and secret.equals(value, known) then return end
  credential_changes.note_foreign(self)
  local why = ("another installation has brought one to %s meanwhile (%s)")
    :format(tostring(place), place:marker() or "without a marker")
  if self.minted and not self.is_in_some_place then self.kind.withdraw(self, why) end
  fail.raise {
    kind = "conflict", what = ("store the %s in %s"):format(self.kind.name, tostring(place)), why = why,
    fix = "Run the same command again: it goes on with the value that the sink holds now, if that value signs in.",
  }
end

return M
