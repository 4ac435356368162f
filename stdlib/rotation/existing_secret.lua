--- Adopt a client secret that a person gave to Devolutions and that this journal does not know: it was made in the
--- portal, or by an installation whose journal is lost. A person says which client secret it is. The journal does not
--- have its value, so no sign-in with it is tried, and only a person removes it.

local fail = require "fail"
local graph_clock = require "graph.clock"
local inventory = require "rotation.inventory"
local log = require "log"
local output = require "log.output"
local term = require "host.term"
local time = require "time"

local M = {}

--- The function that asks a person. Tests replace it.
M.ask = term.read_line

local NONE = "none"
local QUESTION = "Which one was pasted into Devolutions? Its number, or Enter to have a new one made:"

---------------------------------------------------------------------------
-- Choosing

local function day_text(moment)
  return moment and moment < math.huge and time.day(moment) or "an unknown day"
end

-- "'PAM', Secret ID …c7e1, begins with "abc", from 2026-01-02 to 2027-01-02"
local function describe_existing_secret(credential)
  local name = type(credential.displayName) == "string" and credential.displayName or "no description"
  local hint = type(credential.hint) == "string" and (', begins with "%s"'):format(credential.hint) or ""
  return ("'%s', Secret ID %s%s, from %s to %s"):format(name, credential.keyId, hint,
    day_text(inventory.credential_start(credential)), day_text(inventory.credential_expiry(credential)))
end

local function raise_secret_id_unknown(self, named)
  local lines = {}
  for _, credential in ipairs(self.view.foreign) do lines[#lines + 1] = describe_existing_secret(credential) end
  fail.raise {
    kind = "usage", what = ("take %s for the client secret that Devolutions has"):format(named),
    why = ("'%s' has no client secret with that Secret ID that could be used still"):format(self.terms.name),
    fix = #lines == 0 and "Leave out --in-use: the application has no client secret of others."
      or "Name the Secret ID of one of these with --in-use: " .. table.concat(lines, "; ") .. ".",
  }
end

local function find_by_secret_id(self, named)
  for _, credential in ipairs(self.view.foreign) do
    if credential.keyId:lower() == named:lower() then return credential end
  end
  raise_secret_id_unknown(self, named)
end

-- Ask at the terminal which client secret Devolutions has. Returns nil without an answer.
local function ask_which_secret(self)
  local foreign = self.view.foreign
  log.prose(("\n'%s' has client secrets that were not made here:"):format(self.terms.name))
  for number, credential in ipairs(foreign) do
    log.prose(("  %d  %s"):format(number, describe_existing_secret(credential)))
  end
  output.end_progress()
  local answer = M.ask(output.wrap_question(QUESTION))
  return foreign[math.tointeger(tonumber(answer or "")) or 0]
end

local function note_choice_of_secrets(self)
  local run = self.run
  if self.terms.every then -- of a policy: `rotate` has no --in-use, because what it replaces stays
    run:warn("'%s' has client secrets that were not made here: they stay, and a new one is made", self.terms.name)
  else
    run:warn("'%s' has client secrets that were not made here. If Devolutions has one of them, say which, with "
      .. "--in-use SECRET-ID; else a new one is made, to be pasted there", self.terms.name)
  end
  for _, credential in ipairs(self.view.foreign) do run:note("%s", describe_existing_secret(credential)) end
end

local function choose_existing_secret(self)
  local named, run = self.terms.in_use, self.run
  if named == NONE then return nil end
  if named then return find_by_secret_id(self, named) end
  if run:acting() and run.interactive then return ask_which_secret(self) end
  note_choice_of_secrets(self)
end

---------------------------------------------------------------------------
-- Adopting

local function existing_secret_row(self, credential)
  local application, terms, ends = self.application, self.terms, inventory.credential_expiry(credential)
  local now, name = graph_clock.now(), credential.displayName
  return self.kind.rows:new(self.run.journal, {
    application = application.id, app_id = application.appId, name = terms.name, workflow = terms.workflow,
    marker = type(name) == "string" and name ~= "" and name or credential.keyId, by_person = true,
    key_id = credential.keyId, hint = credential.hint, grace = terms.grace,
    ends = ends < math.huge and ends or nil, made_at = inventory.credential_start(credential), known_at = now,
    confirmed_at = now, confirmed_by = "a person",
  })
end

--- Adopt the client secret that a person gave to Devolutions, when a person says which one it is. Only for an
--- application of which the journal has no client secret: the application was adopted, or the journal is new. Raises
--- "usage" for a client secret that does not exist.
---@param self rotation.Credential just read
function M.adopt(self)
  local may_be = self.application.adopted or self.terms.by_hand
  if not may_be or self.is_known or #self.view.foreign == 0 or self.view.newest or self.has_asked then return end
  self.has_asked = true
  local credential = choose_existing_secret(self)
  if not credential then return end
  local row, run = existing_secret_row(self, credential), self.run
  self.view.newest = row
  run:change {
    kind = self.kind.name, name = row.body.marker, action = "update",
    made = "made elsewhere, and in use in Devolutions: counted from now on",
    act = function() self.kind.rows:put(run.journal, row, "confirmed") end,
  }
  if not run:acting() then row.state = "confirmed" end
end

return M
