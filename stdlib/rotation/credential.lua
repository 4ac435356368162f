--- The life of one credential of an application, within a workflow. The one in use is found or adopted, or a new one is
--- made, proven by signing in, stored where it is used, and confirmed. Then the earlier ones retire.
---
--- Each state is on record before the next begins, so any run can go on where another stopped. This file has what
--- client secrets and certificates share; rotation.client_secret and rotation.certificate have what differs.

local adopt = require "rotation.adopt"
local class = require "base.class"
local clock_skew = require "rotation.clock_skew"
local existing_secret = require "rotation.existing_secret"
local graph_clock = require "graph.clock"
local in_use = require "journal.in_use"
local inventory = require "rotation.inventory"
local lifecycle = require "rotation.lifecycle"
local lifetime = require "journal.lifetime"
local markers = require "journal.marker"
local owned = require "entra.owned"
local prove = require "rotation.prove"
local resource = require "resource.new"
local retirement = require "rotation.retirement"

local M = {}

---@class rotation.kind what differs between the kinds of credentials
---@field name string "client secret"
---@field rows rotation.Rows
---@field steps table<string, fun(self: rotation.Credential)> state -> the function that leads from it towards "known"
---@field gone integer the AADSTS code for a credential that the application does not have
---@field must_be_listed boolean? is a credential that Entra does not list never adopted?
---@field listed fun(application: table): table[] the credentials that were read before
---@field read fun(application: table): table[] the credentials that Entra lists now; also kept in `application`
---@field find fun(row: rotation.row, list: table[]): table?
---@field fits fun(credential: table, value: host.secret): boolean
---@field body_of fun(value: host.secret, credential: table?): table
---@field is_new fun(row: rotation.row): boolean is the credential so new that a missing entry proves nothing?
---@field prover fun(value: host.secret): host.secret|host.crypto.key|nil what signs in with it
---@field lifetime fun(terms: rotation.terms): number
---@field begin fun(self: rotation.Credential)
---@field remove fun(application, row, credential, value, kept)
---@field give_way nil|fun(self: rotation.Credential) raises "conflict" when another installation made one meanwhile
---@field withdraw nil|fun(self: rotation.Credential, why: string)
---@field look_for nil|fun(journal, row, application): table?
---@field removable nil|fun(credential, newest, held): boolean

---@class rotation.terms: rotation.dates
---@field name string of the application
---@field workflow string
---@field policy entra.credential_policy
---@field wanted number? the lifetime asked for, in seconds
---@field by_hand boolean? does a person have to bring each new credential to where it is used?
---@field grace number seconds
---@field description string?
---@field renew string|boolean|nil make a new credential, whatever the dates say; why
---@field old_now boolean? remove the earlier ones as soon as the new one is in use
---@field in_use string? key id of the one that a person gave the consumer before; "none" when there is none

---@class rotation.place where a value is stored that can be read back
---@field held fun(self, app_id: string): host.secret?
---@field marker fun(self): string?
---@field fetch fun(self): any read it anew
---@field confirms fun(self): boolean does the stored value show that the consumer uses it?

---@class rotation.Credential
---@field kind rotation.kind
---@field run workflow.Run
---@field application table
---@field terms rotation.terms
---@field sink rotation.place? the place where it can be read back, if there is one
---@field view rotation.inventory
---@field row rotation.row? the row of the credential that is to be in use at the end; nil in a plan that would make one
---@field value host.secret|any its value; unknown in such a plan
---@field roles string[] the roles that a token must carry
---@field minted boolean? did this run make it?
---@field seen table<string, boolean> key ids that were listed when this run began
---@field stranger host.secret? a value in the sink that is none of ours, and does not sign in
---@field is_known boolean? did the journal know a credential of the application?
---@field has_asked boolean? was a person asked which one the consumer was given?
local Credential = class("rotation.Credential", { open = {
  "prove", "placed", "confirm", "tidy", "is_held",
} })

-- The application was deleted and is restored, or will be: its credentials count as they did before.
local function come_back(self, list)
  local run, rows = self.run, self.kind.rows
  for _, row in ipairs(list) do
    if rows:is_application_deleted(row) then
      rows:record_application_restored(run:acting() and run.journal or nil, row)
      if not self.is_known then
        run:note("the %s %s comes back with the application%s", self.kind.name, row.body.marker,
          row.state == "confirmed" and "; whoever was given it still has it, unless it was removed there" or "")
      end
    end
  end
end

--- Sort the credentials by what the journal and Entra's list say.
function Credential:look()
  local list = self.kind.rows:all(self.run.journal, self.application.appId)
  if self.run.mode ~= "destroy" then come_back(self, list) end
  self.is_known = self.is_known or #list > 0
  self.view = inventory.of(self.kind, list, self.kind.listed(self.application), self.terms, graph_clock.now())
end

--- The same, with what Entra lists now. Waits.
function Credential:look_anew()
  self.kind.read(self.application)
  self:look()
end

---------------------------------------------------------------------------
-- Finding or making one

--- The value or key that signs in.
---@return host.secret|host.crypto.key
function Credential:prover() return self.kind.prover(self.value) end

-- Sign in once. After the application was restored, repeat it until Entra knows the application again.
local function sign_in(self, proof)
  if not self.application.restored then return prove.once(self.application.appId, proof) end
  local shown = prove.run(self.application.appId, proof, {})
  return shown.proven, shown.claims or shown.failure or {}
end

-- Is a credential that Entra does not list gone, or only not listed yet? A sign-in decides, and only a clear refusal
-- counts.
local function is_gone(self, row, proof)
  if self.application.in_bin then return false end
  if self.kind.find(row, self.kind.listed(self.application)) or self.kind.is_new(row) then return false end
  local accepted, failure = sign_in(self, proof)
  return not accepted and failure.code == self.kind.gone
end

local NOWHERE = { intent = true, sent = true, known = true, proven = true }

-- Why a person asks for a new one. One that was made and stored nowhere yet comes from an interrupted run of the same
-- request.
local function why_asked(self, newest)
  return self.terms.renew and not NOWHERE[newest.state]
    and (type(self.terms.renew) == "string" and self.terms.renew or "asked for") or nil
end

-- A credential that a person made, and whose value is not kept here: only Entra's list tells whether it is still there.
local function use_theirs(self, newest)
  if not self.kind.find(newest, self.kind.listed(self.application)) then
    return "the one in use was removed from the application by somebody"
  end
  local why = why_asked(self, newest) or self.view.due
  if why then return why end
  self.row = newest
end

-- Use the newest one, or return why it cannot be used.
local function use_newest(self)
  local newest = self.view.newest
  if not newest then return self.view.due end
  if newest.body.by_person then return use_theirs(self, newest) end
  local value = self.adopted_value or self.kind.rows:value(self.run.journal, newest)
  local proof = value and self.kind.prover(value)
  if not proof then return "the journal does not hold the value of the one in use" end
  local why = why_asked(self, newest) or self.view.due
  if why then return why end
  if is_gone(self, newest, proof) then return "the one in use was removed from the application by somebody" end
  self.row, self.value = newest, value
end

-- Close what has expired, and look for what is lost.
local function recover(self)
  if not self.run:acting() then return end
  local journal = self.run.journal
  for _, row in ipairs(self.view.expired) do self.kind.rows:close(journal, row, "it has expired") end
  for _, lost in ipairs(self.view.lost) do
    lost.credential = lost.credential or self.kind.look_for(journal, lost.row, self.application)
  end
end

-- The tenant's policy decides only when a new one is made, not about one that exists.
local function settle_terms(self)
  local terms = self.terms
  terms.lifetime = self.kind.lifetime(terms)
  lifetime.check_terms(self.kind.name, terms)
  if terms.by_hand and not terms.wanted and not self.run:acting() then
    lifetime.note_proposed_lifetime(self.run, terms.lifetime)
  end
end

local function ids_of(credentials)
  local ids = {}
  for _, credential in ipairs(credentials) do ids[credential.keyId] = true end
  return ids
end

local function begin(self)
  self.kind.begin(self)
  table.insert(self.view.older, self.view.newest)
  self.minted = true
end

-- Go on from the present state until Entra has the credential and its value is kept here.
local function make(self)
  lifecycle.drive(self.kind.steps, self, "known")
  self.value = self.kind.rows:value(self.run.journal, self.row)
  self.view.newest = self.row
end

-- The credential that would be made, as far as a plan knows.
local function planned(terms)
  return { body = { lifetime = terms.lifetime, ends = graph_clock.now() + terms.lifetime } }
end

local function make_now(self, why)
  local run = self.run
  settle_terms(self)
  run:change {
    kind = self.kind.name, name = self.terms.name,
    made = lifetime.validity_text(planned(self.terms), self.terms) .. (why and " (" .. why .. ")" or ""),
    act = function()
      begin(self)
      make(self)
    end,
  }
  if not run:acting() then self.row, self.value = nil, resource.unknown end
end

-- Go on with what another run began.
local function go_on(self)
  self.run:change {
    kind = self.kind.name, name = self.terms.name, made = lifetime.validity_text(self.row, self.terms),
    act = function() make(self) end,
  }
end

-- Tell that a credential which another journal made a moment ago may not be listed yet.
local function note_hidden(self)
  if self.is_known or self.application.made_now or self.kind.must_be_listed then return end
  self.run:note("this journal did not know the application yet: a client secret made elsewhere in the last minutes "
    .. "may be hidden still; moonlatch verify lists it later")
end

-- Who made a credential, as far as its name tells.
local function whose(self, credential)
  local made = markers.of_credential(credential.displayName)
  if not made then return "made by a person" end
  local retire = "moonlatch journal retire " .. credential.keyId
  local journal, installation = self.run.journal, markers.installation_of(made)
  for _, own in ipairs(journal and journal.installations and journal:installations() or {}) do
    if own == installation then
      return "made here, and not on record any more; perhaps in use. Once nothing uses it, it goes with: " .. retire
    end
  end
  return "of another journal, and perhaps in use; once nothing uses it, it goes with: " .. retire
end

local function list_foreign(self)
  local own = self.row and self.kind.find(self.row, self.view.foreign) -- an adopted one
  for _, credential in ipairs(self.view.foreign) do
    local name = type(credential.displayName) == "string" and credential.displayName or credential.keyId
    if credential ~= own then self.run:leave(self.kind.name, name, whose(self, credential)) end
  end
end

-- Look at everything once more under the lease, before a new one is made: another run may have ended since.
local function look_once_more(self)
  clock_skew.check(("have a %s made"):format(self.kind.name))
  self:look_anew()
  if self.kind.give_way then self.kind.give_way(self) end
  if self.sink then self.sink:fetch() end
end

-- Choose the credential to use, if there is one; else return why a new one is made.
local function choose(self)
  adopt.from_place(self)
  existing_secret.take(self)
  return use_newest(self)
end

-- Tell which credential the consumer has, and when that one expires. The newest one may be another.
local function tell_in_use(self)
  local run, use = self.run, in_use.sort(self.kind.rows:all(self.run.journal, self.application.appId))
  local has = use.has
  if not has then return end
  local who = in_use.consumer_name(run.id == owned.SETUP and run.profile.devolutions or nil)
  if in_use.is_expired(has, graph_clock.now()) then
    return run:alarm(in_use.consumer_sentence(use, who, graph_clock.now()))
  end
  if not self.kind.find(has, self.kind.listed(self.application)) and not self.kind.is_new(has) then
    return run:alarm(("%s was given %s, which Entra does not list"):format(who, in_use.short_key_id(has)))
  end
  if has.body.confirmed_by == "a person" then run.on_word = who end
  if use.waiting or has.body.confirmed_by == "a person" then
    run:note("%s", in_use.consumer_sentence(use, who, graph_clock.now()) .. in_use.confirmation_text(has))
  end
end

local function find_one(self)
  local run = self.run
  run:lease("application/" .. self.application.appId,
    ("work on the %s of '%s'"):format(self.kind.name, self.terms.name))
  self:look()
  self.seen = ids_of(self.kind.listed(self.application))
  if run.mode == "destroy" then return retirement.undo(self) end
  tell_in_use(self)
  recover(self)
  local why = choose(self)
  if not self.row and run:acting() then
    look_once_more(self)
    why = choose(self)
  end
  if not self.row then
    note_hidden(self)
    make_now(self, why)
  elseif self.kind.steps[self.row.state] then
    go_on(self)
  else
    run:found(self.kind.name, self.row.body.marker, lifetime.validity_text(self.row, self.terms))
  end
  if not run:acting() then list_foreign(self) end -- else at the end, when the list shows more
end

---@class rotation.fields
---@field application table
---@field name string
---@field policy entra.credential_policy
---@field lifetime number? seconds; by default what the policy gives
---@field renew_before number? seconds before its expiry date from which it is replaced; by default what
--- `lifetime.renew_before` says
---@field every number? age in seconds from which it is replaced
---@field grace number
---@field description string?
---@field by_hand boolean? does a person have to bring each new credential to where it is used?
---@field sink rotation.place? a place that can be read back
---@field renew string|boolean|nil make a new one, whatever the dates say; by default as the run was told
---@field old_now boolean? remove the earlier ones as soon as the new one is in use; by default as the run was told
---@field in_use string? key id of the one that a person gave the consumer before; "none" when there is none

--- Find the credential of an application, or make a new one when there is none, it is due, somebody removed it, or its
--- value is lost. Ends in the state "known" or later. Waits.
---@param kind rotation.kind
---@param run workflow.Run
---@param fields rotation.fields
---@return rotation.Credential
function M.ensure(kind, run, fields)
  run.keeps_credentials = true
  local self = Credential {
    kind = kind, run = run, application = fields.application, sink = fields.sink, roles = {}, seen = {},
    terms = {
      name = fields.name, workflow = run.id, renew_before = fields.renew_before, every = fields.every,
      grace = fields.grace, policy = fields.policy, wanted = fields.lifetime, description = fields.description,
      in_use = fields.in_use, by_hand = fields.by_hand,
      renew = fields.renew or run.renew, old_now = fields.old_now or run.old_now,
    },
  }
  self.view = inventory.of(kind, {}, {}, self.terms, 0)
  if resource.known(self.application) then find_one(self)
  elseif run.mode ~= "destroy" then make_now(self) end
  return self
end

---------------------------------------------------------------------------
-- Proving

-- A permission that was granted a moment ago takes a while to be in a token. Returns the roles that are missing after
-- that.
local function missing_after_a_while(self, claims)
  local missing = prove.missing_roles(claims, self.roles)
  if #missing == 0 or not self.run:acting() then return missing end
  return prove.run(self.application.appId, self:prover(), self.roles).missing
end

-- Sign in once with a credential that was proven before, and check its roles.
local function check(self)
  local run, roles = self.run, self.roles
  local accepted, more = sign_in(self, self:prover())
  if not accepted then
    prove.raise_if_passing(self.application.appId, more)
    return prove.await_look(run, ("find out why the %s in use is refused"):format(self.kind.name),
      tostring(more.message))
  end
  local missing = missing_after_a_while(self, more)
  if #missing > 0 and run:has_plans() then
    return run:note("a token does not carry %s yet", table.concat(missing, ", "))
  elseif #missing > 0 then
    return prove.await_look(run, "find out why a token lacks " .. table.concat(missing, ", "),
      "It is granted, as far as is seen.")
  end
  run:found("proof", self.row.body.marker, prove.describe("signs in", roles))
end

local PROMISE = "the new %s will be proven by three sign-ins on fresh connections, over ten seconds or more"

--- Prove that the credential works: three sign-ins, and the roles that a token must carry. One sign-in is enough for a
--- credential that was proven before. Waits.
---@param roles string[]
function Credential:prove(roles)
  local run, row = self.run, self.row
  self.roles = roles
  if run.mode == "destroy" then return end
  if not row or self.kind.steps[row.state] then return run:note(PROMISE:format(self.kind.name)) end
  if self.application.in_bin then return run:note("the %s is proven once the application is back", self.kind.name) end
  if row.body.by_person then
    return run:unseen("its value is not held here, so no sign-in with it was tried; resetting a password in "
      .. "Devolutions shows that it works")
  end
  if row.state ~= "known" or not run:acting() then return check(self) end
  local proof = prove.run(self.application.appId, self:prover(), roles)
  if not proof.proven then prove.raise_not_proven(self.kind.name, self.terms.name, proof) end
  self.kind.rows:put(run.journal, row, "proven", { proven_at = graph_clock.now() })
  if self.minted and self.kind.give_way then
    self:look_anew()
    self.kind.give_way(self)
  end
  if #proof.missing > 0 then prove.raise_missing(proof.missing) end
  run:found("proof", row.body.marker, prove.describe("three sign-ins on fresh connections", roles))
end

---------------------------------------------------------------------------
-- Storing and confirming

--- Make a new credential now, and prove it. The one before stays.
---@param why string
function Credential:replace(why)
  make_now(self, why)
  self:prove(self.roles)
end

--- Raise "conflict" when another value was stored in the place since this run looked first. Called before the value is
--- written there, when the place was just read.
function Credential:check_place()
  if self.sink then adopt.refuse_rival(self) end
end

--- Put on record that the value was stored, or handed over, where it belongs.
---@param state "stored"|"handed_over"
---@param where string
function Credential:placed(state, where)
  if not self.run:acting() then return end
  local before = self.row.state
  if before == "confirmed" or before == state or (before == "handed_over" and state == "stored") then return end
  self.kind.rows:put(self.run.journal, self.row, state, { stored_at = graph_clock.now(), where = where })
end

--- Is the value kept here? Not when a person made the credential.
---@return boolean
function Credential:is_held() return not (self.row and self.row.body.by_person) end

--- Was the value stored or handed over, by this run or an earlier one?
---@return boolean
function Credential:is_placed()
  return self.row ~= nil and not NOWHERE[self.row.state]
end

--- Is it known that the consumer uses this credential?
---@return boolean
function Credential:is_confirmed() return self.row ~= nil and self.row.state == "confirmed" end

--- Put on record that the consumer uses the credential, and set the retirement date of the earlier ones.
---@param how string
function Credential:confirm(how)
  if not self.run:acting() or self:is_confirmed() then return end
  retirement.confirm(self.run.journal, self.kind, self.row, how, self.terms.grace)
  self:look()
end

-- Look at Entra's list once more. By now it may show a credential that a run made which was cut short, and which this
-- journal does not know because its folder was lost. An application that this run made can only have credentials of
-- this run.
local function look_again(self)
  self:look()
  if self.minted and (not self.application.made_now or #self.view.lost > 0) then
    self:look_anew()
  end
  if self.run:acting() then list_foreign(self) end
end

--- Remove credentials that are replaced and due, and those of lost answers, by the rules of rotation.retirement.
function Credential:tidy()
  if self.run.mode == "destroy" then return end
  if not self.row then return retirement.foretell(self) end
  look_again(self)
  if self.row.body.proven_at then retirement.tidy(self) end
end

return M
