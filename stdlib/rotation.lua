--- The client secret of an application, kept by the protocol that loses nothing:
-- intent, sent, known (sealed at once), proven, stored or handed over, confirmed;
-- and the one before it retiring until its date.
--
-- In a workflow it spans steps: made late, proven, brought to where it is used, and
-- only then is the one before let go. Each state is on record before the next is
-- begun, so any run can go on where another stopped.

local adopt = require "rotation.adopt"
local let_go = require "rotation.let_go"
local marker = require "rotation.marker"
local mint = require "rotation.mint"
local prove = require "rotation.prove"
local resource = require "resource"
local rows = require("rotation.store").client_secrets
local upkeep = require "rotation.upkeep"
local view = require "rotation.view"

local M = {}

local KIND = "client secret"
local HIDDEN = 3600 -- seconds a new credential may be missing from what Entra lists

---@class rotation.terms
---@field name string of the application
---@field workflow string
---@field policy entra.credential_policy
---@field wanted number? the lifetime asked for, in seconds
---@field lifetime number? seconds, known once one is to be made
---@field renew_before number seconds
---@field grace number seconds
---@field description string?

---@class rotation.Secret
---@field run workflow.Run
---@field application table
---@field terms rotation.terms
---@field sink table? the readable sink, when there is one
---@field view rotation.view
---@field row rotation.row? the one to be in use when all is done; nil in a plan that has yet to mint
---@field value host.secret|any its value; unknown in such a plan
---@field roles string[] what a token must carry
---@field minted boolean? in this run
---@field seen table<string, boolean>? key ids that were listed just before one was made
---@field is_known boolean? did the journal know of a secret of the application?
local Secret = {}
Secret.__index = Secret

local function look(self)
  local list = rows:all(self.run.journal, self.application.appId)
  self.is_known = self.is_known or #list > 0
  self.view = view.of(list, self.application.passwordCredentials or {}, {
    now = mint.now(), renew_before = self.terms.renew_before,
  })
end

---------------------------------------------------------------------------
-- Having one

-- One that Entra does not list: hidden still, or removed by somebody? A sign-in
-- tells, and only a clear refusal counts.
local function is_gone(self, row, value)
  if view.find(row, self.application.passwordCredentials or {}) then return false end
  if mint.now() - (row.body.known_at or 0) < HIDDEN then return false end
  local accepted, failure = prove.once(self.application.appId, value)
  return not accepted and failure.code == 7000215
end

-- Use the newest there is, or say why that will not do.
local function use_newest(self)
  local newest = self.view.newest
  if not newest then return self.view.due end
  local value = self.adopted_value or rows:value(self.run.journal, newest)
  if not value then return "the journal does not hold the value of the one in use" end
  if self.view.due then return self.view.due end
  if is_gone(self, newest, value) then return "the one in use was removed from the application by somebody" end
  self.row, self.value = newest, value
end

-- What has expired is closed; what is lost is looked for.
local function recover(self)
  if not self.run:acting() then return end
  local journal = self.run.journal
  for _, row in ipairs(self.view.expired) do rows:close(journal, row, "it has expired") end
  for _, lost in ipairs(self.view.lost) do
    lost.credential = lost.credential or mint.look_for(journal, lost.row, self.application)
  end
end

-- The policy counts when one is to be made, not for one that is there.
local function settle_terms(terms)
  terms.lifetime = terms.policy:lifetime(terms.wanted)
  upkeep.must_last(KIND, terms)
end

local function until_when(self, ends)
  return upkeep.until_when(ends, self.terms.renew_before)
end

local function ids_of(credentials)
  local ids = {}
  for _, credential in ipairs(credentials or {}) do ids[credential.keyId] = true end
  return ids
end

local function mint_now(self, why)
  local run = self.run
  settle_terms(self.terms)
  run:change {
    kind = KIND, name = self.terms.name,
    made = until_when(self, mint.now() + self.terms.lifetime) .. (why and " (" .. why .. ")" or ""),
    act = function()
      self.seen = ids_of(self.application.passwordCredentials)
      local row = mint.mint(run.journal, self.application, self.terms, self.view.intents[1])
      self.minted = true
      table.insert(self.view.older, self.view.newest)
      self.row, self.value, self.view.newest = row, rows:value(run.journal, row), row
    end,
  }
  if not run:acting() then self.value = resource.unknown end
end

-- What another journal had made moments ago cannot be listed yet.
local function note_hidden(self)
  if self.is_known or self.application.made_now then return end
  self.run:note("this journal did not know the application yet: a client secret made elsewhere in the last minutes "
    .. "may be hidden still; moonlatch verify lists it later")
end

local function list_foreign(self)
  local own = self.row and view.find(self.row, self.view.foreign) -- an adopted one
  for _, credential in ipairs(self.view.foreign) do
    local is_minted = marker.of_credential(credential.displayName)
    local why = is_minted and "of another journal, and perhaps in use; once nothing uses it, it goes with: "
      .. "moonlatch journal retire " .. credential.keyId
      or "made by a person"
    if credential ~= own then self.run:leave(KIND, credential.displayName or credential.keyId, why) end
  end
end

-- Before one is made, and under the lease, everything is looked at once more: another run may have ended since.
local function look_once_more(self)
  mint.check_clock "have a client secret made"
  self.application.passwordCredentials = mint.credentials(self.application)
  if self.sink then self.sink:fetch() end
  look(self)
end

-- The one that will do, if there is one; else why one is to be made.
local function choose(self)
  adopt.from_sink(self)
  return use_newest(self)
end

local function find_one(self)
  self.run:lease("application/" .. self.application.appId,
    ("work on the client secret of '%s'"):format(self.terms.name))
  look(self)
  if self.run.mode == "destroy" then return let_go.undo(self) end
  recover(self)
  local why = choose(self)
  if not self.row and self.run:acting() then
    look_once_more(self)
    why = choose(self)
  end
  if self.row then
    local ends = self.row.body.ends
    self.run:found(KIND, self.row.body.marker, ends and until_when(self, ends) or "its end is not known")
  else
    note_hidden(self)
    mint_now(self, why)
  end
  if not self.run:acting() then list_foreign(self) end -- else at the end, when more can be seen
end

local function terms_of(run, fields)
  return {
    name = fields.name, workflow = run.id, renew_before = fields.renew_before, grace = fields.grace,
    policy = fields.policy, wanted = fields.lifetime, description = fields.description,
  }
end

---@class rotation.fields
---@field application table
---@field name string
---@field policy entra.credential_policy
---@field lifetime number? seconds; by default what the policy gives
---@field renew_before number
---@field grace number
---@field description string?
---@field sink table? a readable one

--- The application's client secret: the one in use, or a new one when there is none,
--- it ends soon, or its value is lost. Goes as far as "known".
---@param run workflow.Run
---@param fields rotation.fields
---@return rotation.Secret
function M.client_secret(run, fields)
  local self = setmetatable({
    run = run, application = fields.application, sink = fields.sink, terms = terms_of(run, fields), roles = {},
    view = view.of({}, {}, { now = 0, renew_before = 0 }),
  }, Secret)
  if resource.known(self.application) then find_one(self)
  elseif run.mode ~= "destroy" then mint_now(self) end
  return self
end

---------------------------------------------------------------------------
-- Proving

-- Once more, for one that was proven before: it still signs in, and with these roles.
local function check(self)
  local accepted, more = prove.once(self.application.appId, self.value)
  if not accepted then
    prove.raise_if_passing(self.application.appId, more)
    return prove.await_look(self.run, "find out why the client secret in use is refused", tostring(more.message))
  end
  local missing = prove.missing_roles(more, self.roles)
  if #missing > 0 then
    return prove.await_look(self.run, "find out why a token lacks " .. table.concat(missing, ", "),
      "It is granted, as far as is seen.")
  end
  self.run:found("proof", self.row.body.marker, prove.describe("signs in", self.roles))
end

local PROMISE = "the new secret will be proven by three sign-ins on fresh connections, over ten seconds or more"

-- Was this one made at the same time, by another installation, and before ours? Of one second, the lower marker.
local function is_before(credential, own)
  local first, second = tostring(credential.startDateTime), tostring(own.startDateTime)
  if first ~= second then return first < second end
  return credential.displayName < own.displayName
end

-- Another installation that made one meanwhile, unseen when this one looked: the older one stays. Entra shows new
-- ones late, so this is asked when the new one is proven, and only what shows ours, too, counts.
local function give_way(self)
  if not self.minted then return end
  local application, row = self.application, self.row
  application.passwordCredentials = mint.credentials(application)
  look(self)
  local own = view.find(row, application.passwordCredentials)
  for _, other in ipairs(own and self.view.foreign or {}) do
    if not self.seen[other.keyId] and marker.of_credential(other.displayName) and is_before(other, own) then
      let_go.withdraw(self, ("%s made one at the same time, and was first"):format(other.displayName))
    end
  end
end

--- Show that it works: three sign-ins, and the roles a token must carry. One sign-in
--- for what was proven before.
---@param roles string[]
function Secret:prove(roles)
  local run = self.run
  self.roles = roles
  if run.mode == "destroy" then return end
  if not self.row then return run:note(PROMISE) end
  if self.row.state ~= "known" or not run:acting() then return check(self) end
  local proof = prove.run(self.application.appId, self.value, roles)
  if not proof.proven then prove.raise_not_proven(KIND, self.terms.name, proof) end
  rows:put(run.journal, self.row, "proven", { proven_at = mint.now() })
  give_way(self)
  if #proof.missing > 0 then prove.raise_missing(proof.missing) end
  run:found("proof", self.row.body.marker, prove.describe("three sign-ins on fresh connections", roles))
end

---------------------------------------------------------------------------
-- Storing and confirming

--- Have a new one made at once; it goes as far as proven, and the one before stays.
---@param why string
function Secret:replace(why)
  mint_now(self, why)
  self:prove(self.roles)
end

--- On record: it lies where it was to go.
---@param state "stored"|"handed_over"
---@param where string
function Secret:placed(state, where)
  if not self.run:acting() then return end
  local before = self.row.state
  if before == "confirmed" or before == state or (before == "handed_over" and state == "stored") then return end
  rows:put(self.run.journal, self.row, state, { stored_at = mint.now(), where = where })
end

--- Is it known that the consumer uses this one?
---@return boolean
function Secret:is_confirmed() return self.row ~= nil and self.row.state == "confirmed" end

--- The consumer uses it: put that on record, and set the date for the ones before.
---@param how string
function Secret:confirm(how)
  if not self.run:acting() or self:is_confirmed() then return end
  let_go.confirm(self.run.journal, self.row, how)
  look(self)
end

-- By now Entra may show what it hid before: what was made by a run that was cut
-- short, and of which this journal knows nothing if its folder was lost since. On an
-- application of this run there can be nothing but what it lost itself.
local function look_again(self)
  local application = self.application
  look(self)
  if self.minted and (not application.made_now or #self.view.lost > 0) then
    application.passwordCredentials = mint.credentials(application)
    look(self)
  end
  if self.run:acting() then list_foreign(self) end
end

--- Let go of what is replaced and due, and of what was lost, by the rules.
function Secret:tidy()
  if self.run.mode == "destroy" or not self.row then return end
  look_again(self)
  if self.row.body.proven_at then let_go.tidy(self) end
end

M.confirm_by_hand = let_go.confirm_by_hand
M.retire_by_hand = let_go.retire_by_hand

return M
