--- A client secret that Devolutions was given before this journal knew of it: a person made it in the portal, or an
--- installation did whose journal is lost. A person says which one it is; then it counts like one made here. Its value
--- is not kept here, so it is never tried, and never removed without a person.

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
-- Which one

local function day_of(moment)
  return moment and moment < math.huge and time.day(moment) or "an unknown day"
end

-- "'PAM', Secret ID …c7e1, begins with "abc", from 2026-01-02 to 2027-01-02"
local function describe(credential)
  local name = type(credential.displayName) == "string" and credential.displayName or "no description"
  local hint = type(credential.hint) == "string" and (', begins with "%s"'):format(credential.hint) or ""
  return ("'%s', Secret ID %s%s, from %s to %s"):format(name, credential.keyId, hint,
    day_of(inventory.starts(credential)), day_of(inventory.ends(credential)))
end

local function raise_unknown(self, named)
  local lines = {}
  for _, credential in ipairs(self.view.foreign) do lines[#lines + 1] = describe(credential) end
  fail.raise {
    kind = "usage", what = ("take %s for the client secret that Devolutions has"):format(named),
    why = ("'%s' has no client secret with that Secret ID that could be used still"):format(self.terms.name),
    fix = "There are: " .. table.concat(lines, "; ") .. ".",
  }
end

local function named_one(self, named)
  for _, credential in ipairs(self.view.foreign) do
    if credential.keyId:lower() == named:lower() then return credential end
  end
  raise_unknown(self, named)
end

-- Ask which client secret it is. Without an answer none is adopted.
local function ask(self)
  local foreign = self.view.foreign
  log.prose(("\n'%s' has client secrets that were not made here:"):format(self.terms.name))
  for place, credential in ipairs(foreign) do log.prose(("  %d  %s"):format(place, describe(credential))) end
  output.end_progress()
  local answer = M.ask(output.wrap_question(QUESTION))
  return foreign[math.tointeger(tonumber(answer or "")) or 0]
end

local function tell_choice(self)
  local run = self.run
  run:warn("'%s' has client secrets that were not made here. If Devolutions has one of them, say which, with "
    .. "--in-use SECRET-ID; else a new one is made, to be pasted there", self.terms.name)
  for _, credential in ipairs(self.view.foreign) do run:note("%s", describe(credential)) end
end

local function chosen(self)
  local named, run = self.terms.in_use, self.run
  if named == NONE then return nil end
  if named then return named_one(self, named) end
  if run:acting() and run.interactive then return ask(self) end
  tell_choice(self)
end

---------------------------------------------------------------------------
-- On record

local function row_of(self, credential)
  local application, terms, ends = self.application, self.terms, inventory.ends(credential)
  local now, name = graph_clock.now(), credential.displayName
  return self.kind.rows:new(self.run.journal, {
    application = application.id, app_id = application.appId, name = terms.name, workflow = terms.workflow,
    marker = type(name) == "string" and name ~= "" and name or credential.keyId, by_person = true,
    key_id = credential.keyId, hint = credential.hint, grace = terms.grace,
    ends = ends < math.huge and ends or nil, made_at = inventory.starts(credential), known_at = now,
    confirmed_at = now, confirmed_by = "a person",
  })
end

--- Adopt the client secret that a person gave the consumer before, when somebody says which one it is. Called for an
--- application of which the journal has nothing: it was adopted, or the journal is new. Raises "usage" for a client
--- secret that does not exist.
---@param self rotation.Credential as just looked at
function M.take(self)
  local may_be = self.application.adopted or self.terms.by_hand
  if not may_be or self.is_known or #self.view.foreign == 0 or self.view.newest or self.has_asked then return end
  self.has_asked = true
  local credential = chosen(self)
  if not credential then return end
  local row, run = row_of(self, credential), self.run
  self.view.newest = row
  run:change {
    kind = self.kind.name, name = row.body.marker, action = "update",
    made = "made elsewhere, and in use in Devolutions: counted from now on",
    act = function() self.kind.rows:put(run.journal, row, "confirmed") end,
  }
  if not run:acting() then row.state = "confirmed" end
end

return M
