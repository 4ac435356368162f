--- A lost journal adopts before it mints: what a readable sink holds, and what
-- signs the application in, is the secret in use, whoever made it.

local fail = require "fail"
local markers = require "rotation.marker"
local mint = require "rotation.mint"
local prove = require "rotation.prove"
local rows = require("rotation.store").client_secrets
local view = require "rotation.view"

local M = {}

-- The value in the sink, when it is of this application and none of ours.
local function stranger(self)
  local held = self.sink and self.sink:held(self.application.appId)
  if not held then return nil end
  for _, row in ipairs(rows:all(self.run.journal, self.application.appId)) do
    local value = rows:value(self.run.journal, row)
    if value and value:equals(held) then return nil end
  end
  return held
end

-- Credentials the value may be of: live, and none whose value we hold.
local function suspects(self, held)
  local list = {}
  for _, credential in ipairs(self.view.foreign) do
    if view.same_hint(credential, held) then list[#list + 1] = credential end
  end
  return list
end

local function marker_of(credential) return credential and markers.of_credential(credential.displayName) end

-- The one it is of: named beside it in the sink, or the only one that fits.
local function credential_of(self, list)
  local marker = self.sink:marker()
  for _, credential in ipairs(list) do
    if marker and marker_of(credential) == marker then return credential end
  end
  return #list == 1 and list[1] or nil
end

-- It may be in force somewhere, so it is not replaced without a person.
local function raise_unsettled(self, credential)
  fail.raise {
    kind = "conflict", what = ("go on with the client secret in %s"):format(tostring(self.sink)),
    why = ("it is not of this journal, Entra still lists it (%s), but a sign-in with it is refused")
      :format(credential.keyId),
    fix = ("If it is not needed: moonlatch journal retire %s, then run the same command again.")
      :format(credential.keyId),
  }
end

-- Entra may not list the credential yet: then what is written beside the value names
-- it, unless that is a rotation of ours, whose value this is not.
local function unclaimed_marker(self)
  local marker = self.sink:marker()
  for _, row in ipairs(rows:all(self.run.journal, self.application.appId)) do
    if row.body.marker == marker then return nil end
  end
  return marker
end

local function row_for(self, held, credential)
  local application, terms, journal = self.application, self.terms, self.run.journal
  local body = {
    application = application.id, app_id = application.appId, name = terms.name, workflow = terms.workflow,
    grace = terms.grace, adopted = true, marker = marker_of(credential) or unclaimed_marker(self),
    key_id = credential and credential.keyId, hint = held:hint(3), known_at = mint.now(),
    ends = credential and view.ends(credential) or nil,
  }
  if journal then return rows:new(journal, body) end
  body.marker = body.marker or "in " .. tostring(self.sink)
  return { id = "", state = "known", body = body }
end

--- Adopt what the sink holds, if it is unknown here and works.
---@param self rotation.Secret
function M.from_sink(self)
  local held = stranger(self)
  if not held then return end
  local list = suspects(self, held)
  local accepted, failure = prove.once(self.application.appId, held)
  if not accepted then
    prove.raise_if_passing(self.application.appId, failure)
    return list[1] and raise_unsettled(self, list[1])
  end
  local credential = credential_of(self, list)
  local row = row_for(self, held, credential)
  if self.run:acting() then
    rows:seal(self.run.journal, row, held)
    rows:put(self.run.journal, row, "known")
  else
    row.state = "known"
  end
  self.run:note("%s holds a client secret this journal does not know; it works, so it is adopted", tostring(self.sink))
  table.insert(self.view.older, self.view.newest)
  self.view.newest, self.adopted_value = row, held
  self.view.due = view.why_due(self.view, { now = mint.now(), renew_before = self.terms.renew_before })
end

return M
