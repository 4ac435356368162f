--- A lost or restored journal adopts before it makes anything: a value that can be read back and that signs the
--- application in is the credential in use, whoever made it.

local fail = require "fail"
local graph_clock = require "graph.clock"
local inventory = require "rotation.inventory"
local markers = require "journal.marker"
local prove = require "rotation.prove"
local secret = require "host.secret"

local M = {}

-- The value in that place, when it belongs to this application and is none of ours.
local function stranger(self)
  local held = self.sink and self.sink:held(self.application.appId)
  if not held then return nil end
  local rows = self.kind.rows
  for _, row in ipairs(rows:all(self.run.journal, self.application.appId)) do
    local value = rows:value(self.run.journal, row)
    if value and secret.equals(value, held) then return nil end
  end
  return held
end

-- The credentials that the value may belong to: valid ones whose value the journal does not hold.
local function suspects(self, held)
  local list = {}
  for _, credential in ipairs(self.view.foreign) do
    if self.kind.fits(credential, held) then list[#list + 1] = credential end
  end
  return list
end

local function marker_of(credential) return credential and markers.of_credential(credential.displayName) end

-- The credential that the value belongs to: the one named beside the value, or the only one that fits.
local function credential_of(self, list)
  local named = self.sink:marker()
  for _, credential in ipairs(list) do
    if named and marker_of(credential) == named then return credential end
  end
  return #list == 1 and list[1] or nil
end

-- The value may be in force somewhere, so only a person may replace it.
local function raise_unsettled(self, credential)
  fail.raise {
    kind = "conflict", what = ("go on with the %s in %s"):format(self.kind.name, tostring(self.sink)),
    why = ("it is not of this journal, Entra still lists it (%s), but a sign-in with it is refused")
      :format(credential.keyId),
    fix = ("If it is not needed: moonlatch journal retire %s, then run the same command again.")
      :format(credential.keyId),
  }
end

-- Entra may not list the credential yet. Then the marker beside the value names it, unless that is a marker of ours,
-- whose value is known.
local function unclaimed_marker(self)
  local named = self.sink:marker()
  for _, row in ipairs(self.kind.rows:all(self.run.journal, self.application.appId)) do
    if row.body.marker == named then return nil end
  end
  return named
end

-- The row for a credential that was found. Its age counts from Entra's start date.
local function row_for(self, held, credential)
  local application, terms, journal = self.application, self.terms, self.run.journal
  local body = self.kind.body_of(held, credential)
  body.application, body.app_id, body.name = application.id, application.appId, terms.name
  body.workflow, body.grace, body.adopted = terms.workflow, terms.grace, true
  body.marker = marker_of(credential) or unclaimed_marker(self)
  body.key_id, body.known_at = credential and credential.keyId, graph_clock.now()
  body.made_at = credential and inventory.starts(credential) or body.made_at
  if journal then return self.kind.rows:new(journal, body) end
  body.marker = body.marker or "in " .. tostring(self.sink)
  return { id = "", state = "known", body = body, created = graph_clock.now() }
end

local function take(self, held, credential)
  local row, journal = row_for(self, held, credential), self.run.journal
  if self.run:acting() then
    self.kind.rows:seal(journal, row, held)
    self.kind.rows:put(journal, row, "known")
  end
  row.state = "known"
  self.run:note("%s holds a %s this journal does not know; it works, so it is adopted", tostring(self.sink),
    self.kind.name)
  table.insert(self.view.older, self.view.newest)
  self.view.newest, self.adopted_value = row, held
  self.view.due = inventory.why_due(self.view, self.terms, graph_clock.now())
end

--- Adopt the value in the credential's place, when it is unknown here and signs in.
---@param self rotation.Credential
function M.from_place(self)
  local held = stranger(self)
  self.stranger = held
  if not held then return end
  local list = suspects(self, held)
  if #list == 0 and self.kind.must_be_listed then return end
  local accepted, failure = prove.once(self.application.appId, self.kind.prover(held))
  if accepted then return take(self, held, credential_of(self, list)) end
  prove.raise_if_passing(self.application.appId, failure)
  if list[1] then raise_unsettled(self, list[1]) end
end

--- Call this before writing our value, when the place was just read: raises "conflict" when the place does not hold
--- what it held when this run looked first. Then another installation was faster. A credential that this run made was
--- given to nobody yet, and is removed again.
---@param self rotation.Credential
function M.refuse_rival(self)
  local held = stranger(self)
  if not held or self.stranger and secret.equals(held, self.stranger) then return end
  local why = ("another installation has brought one to %s meanwhile (%s)")
    :format(tostring(self.sink), self.sink:marker() or "without a marker")
  if self.minted then self.kind.withdraw(self, why) end
  fail.raise {
    kind = "conflict", what = ("write the %s to %s"):format(self.kind.name, tostring(self.sink)), why = why,
    fix = "Run the same command again: it goes on with what lies there now, if that works.",
  }
end

return M
