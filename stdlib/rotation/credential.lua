--- Rotate a credential of an application, within a workflow. The credential in use is found or adopted, or a new one is
--- made, proven by signing in, stored where it is used, and confirmed. Then the earlier credentials retire.
---
--- Each state is on record before the next begins, so any run can go on where another stopped. This file has the rules
--- that client secrets and certificates share; rotation.client_secret and rotation.certificate have the others.

local adopt = require "rotation.adopt"
local class = require "base.class"
local clock_skew = require "rotation.clock_skew"
local credential_changes = require "rotation.credential_changes"
local credential_in_use = require "rotation.credential_in_use"
local existing_secret = require "rotation.existing_secret"
local foreign = require "rotation.foreign"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local inventory = require "rotation.inventory"
local lifecycle = require "rotation.lifecycle"
local lifetime = require "journal.lifetime"
local prove = require "rotation.prove"
local resource = require "resource.new"
local retirement = require "rotation.retirement"
local task = require "task"

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
---@field remove fun(application, row, credential, more: rotation.removal?)
---@field give_way nil|fun(self: rotation.Credential) raises "conflict" when another installation made a credential
--- meanwhile
---@field check_listed nil|fun(self: rotation.Credential) raises "conflict" when the credential was removed after it was
--- proven
---@field withdraw nil|fun(self: rotation.Credential, why: string)
---@field look_for nil|fun(journal, row, application): table?
---@field removable nil|fun(credential, newest, held): boolean

---@class rotation.terms: rotation.dates
---@field name string of the application
---@field workflow string
---@field policy entra.credential_policy
---@field wanted number? the lifetime asked for, in seconds
---@field by_hand boolean? does a person have to give each new credential to its consumer?
---@field grace number seconds
---@field description string?
---@field renew string|boolean|nil make a new credential, whatever the dates say; why
---@field old_now boolean? remove the earlier credentials as soon as the new one is in use
---@field in_use string? key id of the credential that a person gave the consumer before; "none" for no such credential
---@field rhythm number? seconds between two sign-ins of the consumer at most, as declared
---@field retire_unused boolean? remove a replaced credential that nothing uses, as Entra's log shows

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
---@field unknown_values table<rotation.place, host.secret> values in the sinks that this journal does not know
---@field is_in_some_place boolean? is it in one of several sinks already?
---@field is_known boolean? did the journal know a credential of the application when this run began?
---@field has_asked boolean? was a person asked which client secret the consumer was given?
---@field remarks string[] what Entra's log shows of the use of credentials
---@field questions table<string, rotation.credential_question> by key id: who removed or added a credential
---@field before_sending nil|fun(self: rotation.Credential) of a certificate: called when it is sealed, before Entra is
--- asked to add it
---@field is_use_unrecorded boolean? does Entra's log show that it is in use, and is that not on record?
local Credential = class("rotation.Credential", { open = {
  "prove", "placed", "confirm", "tidy", "is_held",
} })

-- Give the rows of a deleted application their former states, because the application is restored, or will be.
local function restore_application_rows(self, list)
  local run, rows = self.run, self.kind.rows
  for _, row in ipairs(list) do
    if rows:is_application_deleted(row) then
      rows:record_application_restored(run:acting() and run.journal or nil, row)
      if not self.is_known then
        run:note("the %s %s comes back with the application%s", self.kind.name, row.body.marker,
          row.state == "confirmed" and "; its consumer still has it, unless it was removed there" or "")
      end
    end
  end
end

--- Sort the credentials by the journal's rows and the list that was read from Entra.
function Credential:sort_credentials()
  local list = self.kind.rows:all(self.run.journal, self.application.appId)
  if self.run.mode ~= "destroy" then restore_application_rows(self, list) end
  if self.is_known == nil then self.is_known = #list > 0 end -- what this run adopts it did not know
  self.view = inventory.take(self.kind, list, self.kind.listed(self.application), self.terms, graph_clock.now())
end

--- Read Entra's list of credentials, and sort the credentials again. Waits.
function Credential:reread_credentials()
  self.kind.read(self.application)
  self:sort_credentials()
end

---------------------------------------------------------------------------
-- Finding or making a credential

--- The value or key that signs in.
---@return host.secret|host.crypto.key
function Credential:prover() return self.kind.prover(self.value) end

-- Where a sign-in with the credential of this row is put on record.
local function own_sign_in(self, row) return { journal = self.run.journal, key_id = row.body.key_id } end

-- Sign in once; for an application that was restored just now, repeat until Entra knows the application again.
local function sign_in_with_credential(self, row, proof)
  local own = own_sign_in(self, row)
  if not self.application.restored then return prove.sign_in_once(self.application.appId, proof, own) end
  local shown = prove.await_proof(self.application.appId, proof, {}, own)
  return shown.proven, shown.claims or shown.failure or {}
end

-- Is the credential gone? Entra may not list a credential yet, so only a sign-in that is refused because the credential
-- does not exist counts.
local function is_credential_gone(self, row, proof)
  if self.application.in_bin then return false end
  if self.kind.find(row, self.kind.listed(self.application)) or self.kind.is_new(row) then return false end
  local accepted, failure = sign_in_with_credential(self, row, proof)
  return not accepted and failure.code == self.kind.gone
end

local NOWHERE = { intent = true, sent = true, known = true, proven = true }

-- Why a person asks for a new credential; nil when nobody does. A newest credential that was stored nowhere yet was
-- made by an interrupted run for the same request, so it serves.
local function why_renewal_asked(self, newest)
  return self.terms.renew and not NOWHERE[newest.state]
    and (type(self.terms.renew) == "string" and self.terms.renew or "asked for") or nil
end

local REMOVED = "the one in use was removed from the application by somebody"

-- Why a new one is needed: this one was removed.
local function why_removed(self, row)
  credential_changes.note_gone(self, row)
  return REMOVED
end

-- Use the newest credential, which a person made, or return why it cannot be used. The journal does not have its value,
-- so only Entra's list tells whether it is still there.
local function use_credential_of_person(self, newest)
  if not self.kind.find(newest, self.kind.listed(self.application)) then
    return why_removed(self, newest)
  end
  local why = why_renewal_asked(self, newest) or self.view.due
  if why then return why end
  self.row = newest
end

-- Use the newest credential, or return why it cannot be used.
local function use_newest_credential(self)
  local newest = self.view.newest
  if not newest then return self.view.due end
  if newest.body.by_person then return use_credential_of_person(self, newest) end
  local value = self.adopted_value or self.kind.rows:value(self.run.journal, newest)
  local proof = value and self.kind.prover(value)
  if not proof then return "the journal does not hold the value of the one in use" end
  local why = why_renewal_asked(self, newest) or self.view.due
  if why then return why end
  if is_credential_gone(self, newest, proof) then return why_removed(self, newest) end
  self.row, self.value = newest, value
end

-- Close the rows of expired credentials, and look for the credentials of lost answers.
local function recover_lost_credentials(self)
  if not self.run:acting() then return end
  local journal = self.run.journal
  for _, row in ipairs(self.view.expired) do self.kind.rows:close(journal, row, "it has expired") end
  for _, lost in ipairs(self.view.lost) do
    lost.credential = lost.credential or self.kind.look_for(journal, lost.row, self.application)
  end
end

-- Set the lifetime of a new credential by the tenant's policy. Called only before a credential is made, because the
-- policy does not concern existing credentials.
local function set_credential_lifetime(self)
  local terms = self.terms
  terms.lifetime = self.kind.lifetime(terms)
  lifetime.check_terms(self.kind.name, terms)
  if terms.by_hand and not terms.wanted and not self.run:acting() then
    lifetime.note_proposed_lifetime(self.run, terms.lifetime)
  end
end

local function credential_key_ids(credentials)
  local ids = {}
  for _, credential in ipairs(credentials) do ids[credential.keyId] = true end
  return ids
end

local function begin_credential(self)
  self.kind.begin(self)
  table.insert(self.view.older, self.view.newest)
  self.minted = true
end

-- Run the steps from the present state until Entra has the credential and the journal has its value.
local function make_credential(self)
  lifecycle.drive(self.kind.steps, self, "known")
  self.value = self.kind.rows:value(self.run.journal, self.row)
  self.view.newest = self.row
end

-- The row of the credential that would be made, as far as a plan knows it.
local function planned_credential_row(terms)
  return { body = { lifetime = terms.lifetime, ends = graph_clock.now() + terms.lifetime } }
end

local function change_to_new_credential(self, why)
  local run = self.run
  set_credential_lifetime(self)
  run:change {
    kind = self.kind.name, name = self.terms.name,
    made = lifetime.validity_text(planned_credential_row(self.terms), self.terms) .. (why and " (" .. why .. ")" or ""),
    act = function()
      begin_credential(self)
      make_credential(self)
    end,
  }
  if not run:acting() then self.row, self.value = nil, resource.unknown end
end

-- Continue the credential that an interrupted run began.
local function continue_credential(self)
  self.run:change {
    kind = self.kind.name, name = self.terms.name, made = lifetime.validity_text(self.row, self.terms),
    act = function() make_credential(self) end,
  }
end

-- Note that Entra may not list yet a credential that another journal made a moment ago.
local function note_unlisted_credentials(self)
  if self.is_known or self.application.made_now or self.kind.must_be_listed then return end
  self.run:note(hint.text("this journal did not know the application yet: Entra may not list yet a client secret "
    .. "that was made elsewhere in the last minutes; {moonlatch} verify lists it later"))
end

-- Read what Entra lists now and, side by side, what is in the sink.
local function reread_beside_sink(self, read_place)
  task.all {
    function() self:reread_credentials() end,
    function() for _, place in ipairs(adopt.places(self)) do read_place(place) end end,
  }
end

-- Read everything once more under the lease, before a new credential is made: another run may have ended since.
local function reread_before_making(self)
  clock_skew.check(("have a %s made"):format(self.kind.name))
  reread_beside_sink(self, function(place) place:fetch() end)
  if self.kind.give_way then self.kind.give_way(self) end
end

-- Choose the credential to use and set `row`, or return why a new credential is made.
local function choose_credential_to_use(self)
  adopt.adopt_from_sink(self)
  existing_secret.adopt(self)
  return use_newest_credential(self)
end

local function find_or_make_credential(self)
  local run = self.run
  run:lease("application/" .. self.application.appId,
    ("work on the %s of '%s'"):format(self.kind.name, self.terms.name))
  self:sort_credentials()
  self.seen = credential_key_ids(self.kind.listed(self.application))
  if run.mode == "destroy" then return retirement.register_removal(self) end
  credential_in_use.note(self)
  recover_lost_credentials(self)
  local why = choose_credential_to_use(self)
  if not self.row and run:acting() then
    reread_before_making(self)
    why = choose_credential_to_use(self)
  end
  if not self.row then
    note_unlisted_credentials(self)
    change_to_new_credential(self, why)
  elseif self.kind.steps[self.row.state] then
    continue_credential(self)
  else
    run:found(self.kind.name, self.row.body.marker, lifetime.validity_text(self.row, self.terms))
    credential_in_use.confirm_by_log(self)
  end
  if not run:acting() then foreign.report(self) end -- else at the end, when the list shows more
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
---@field by_hand boolean? does a person have to give each new credential to its consumer?
---@field sink rotation.place? a place that can be read back
---@field renew string|boolean|nil make a new one, whatever the dates say; by default as the run was told
---@field old_now boolean? remove the earlier ones as soon as the new one is in use; by default as the run was told
---@field in_use string? key id of the one that a person gave the consumer before; "none" when there is none
---@field rhythm number? seconds between two sign-ins of the consumer at most, as declared
---@field retire_unused boolean? remove a replaced one that nothing uses, as Entra's log shows
---@field questions table<string, rotation.credential_question>? filled in: who removed or added a credential
---@field before_sending nil|fun(credential: rotation.Credential) of a certificate

--- Find the credential of an application; make a new one when there is none, when it is due, when somebody removed it,
--- or when its value is lost. The credential is in the state "known" or later afterwards. Waits.
---@param kind rotation.kind
---@param run workflow.Run
---@param fields rotation.fields
---@return rotation.Credential
function M.ensure(kind, run, fields)
  run.keeps_credentials = true
  local self = Credential {
    kind = kind, run = run, application = fields.application, sink = fields.sink, roles = {}, seen = {}, remarks = {},
    unknown_values = {}, questions = fields.questions or {}, before_sending = fields.before_sending,
    terms = {
      name = fields.name, workflow = run.id, renew_before = fields.renew_before, every = fields.every,
      grace = fields.grace, policy = fields.policy, wanted = fields.lifetime, description = fields.description,
      in_use = fields.in_use, by_hand = fields.by_hand, rhythm = fields.rhythm, retire_unused = fields.retire_unused,
      renew = fields.renew or run.renew, old_now = fields.old_now or run.old_now,
    },
  }
  self.view = inventory.take(kind, {}, {}, self.terms, 0)
  if resource.known(self.application) then find_or_make_credential(self)
  elseif run.mode ~= "destroy" then change_to_new_credential(self) end
  return self
end

---------------------------------------------------------------------------
-- Proving

-- Wait until a token carries all roles, because a permission that was granted a moment ago is not in every token yet.
-- Returns the roles that are still missing after five minutes.
local function await_token_roles(self, claims)
  local missing = prove.missing_roles(claims, self.roles)
  if #missing == 0 or not self.run:acting() then return missing end
  return prove.await_proof(self.application.appId, self:prover(), self.roles, own_sign_in(self, self.row)).missing
end

-- Sign in once with a credential that was proven before, and check its roles.
local function check_credential_sign_in(self)
  local run, roles = self.run, self.roles
  local accepted, more = sign_in_with_credential(self, self.row, self:prover())
  if not accepted then
    prove.raise_if_passing(self.application.appId, more)
    return prove.await_person(run, ("find out why the %s in use is refused"):format(self.kind.name),
      tostring(more.message))
  end
  local missing = await_token_roles(self, more)
  if #missing > 0 and run:has_plans() then
    return run:note("a token does not carry %s yet", table.concat(missing, ", "))
  elseif #missing > 0 then
    return prove.await_person(run, "find out why a token lacks " .. table.concat(missing, ", "),
      "Entra lists it as granted.")
  end
  run:found("proof", self.row.body.marker, prove.proof_text("signs in", roles))
end

local PROMISE = "the new %s will be proven by three sign-ins on fresh connections, over ten seconds or more"

--- Prove that the credential signs in and that its token carries the roles: by three sign-ins, or by one sign-in for a
--- credential that was proven before. Waits.
---@param roles string[]
function Credential:prove(roles)
  local run, row = self.run, self.row
  self.roles = roles
  if run.mode == "destroy" then return end
  if not row or self.kind.steps[row.state] then return run:note(PROMISE:format(self.kind.name)) end
  if self.application.in_bin then return run:note("the %s is proven once the application is back", self.kind.name) end
  if row.body.by_person then
    return run:unseen("the journal does not have its value, so no sign-in with it was tried; resetting a password in "
      .. "Devolutions shows that it works")
  end
  if row.state ~= "known" or not run:acting() then return check_credential_sign_in(self) end
  local proof = prove.await_proof(self.application.appId, self:prover(), roles, own_sign_in(self, row))
  if not proof.proven then prove.raise_not_proven(self.kind.name, self.terms.name, proof) end
  self.kind.rows:put(run.journal, row, "proven", { proven_at = graph_clock.now() })
  if self.minted and self.kind.give_way then
    reread_beside_sink(self, function(place) run:look(place) end) -- the value is stored there next
    self.kind.give_way(self)
  end
  if self.minted and self.kind.check_listed then self.kind.check_listed(self) end
  if #proof.missing > 0 then prove.raise_missing(proof.missing) end
  run:found("proof", row.body.marker, prove.proof_text("three sign-ins on fresh connections", roles))
end

---------------------------------------------------------------------------
-- Storing and confirming

--- Make a new credential now, and prove it. The credential before it stays.
---@param why string
function Credential:replace(why)
  change_to_new_credential(self, why)
  self:prove(self.roles)
end

--- Raise "conflict" when another value was stored in the sink since this run looked first. Called before the value is
--- stored there, when the sink was just read.
---@param place rotation.place
function Credential:check_place(place)
  if self.sink then adopt.check_sink_unchanged(self, place) end
end

--- Record that the value was stored or handed over, and where. Durable when the call returns.
---@param state "stored"|"handed_over"
---@param where string
---@param delivered table<string, boolean>? the sinks that got it, and that cannot be read back
function Credential:placed(state, where, delivered)
  if not self.run:acting() then return end
  local before = self.row.state
  if before == "confirmed" or before == state or (before == "handed_over" and state == "stored") then return end
  self.kind.rows:put(self.run.journal, self.row, state,
    { stored_at = graph_clock.now(), where = where, delivered = delivered })
end

--- Does the journal have the value? No when a person made the credential.
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

--- Record that the consumer uses the credential, and set the retirement date of the earlier credentials.
---@param how string how that is known: "read back from …"
function Credential:confirm(how)
  if not self.run:acting() or self:is_confirmed() then return end
  retirement.confirm(self.run.journal, self.kind, self.row, how, self.terms.grace)
  self:sort_credentials()
end

-- Read Entra's list once more. By now the list may show a credential of an interrupted run that this journal does not
-- know, because the journal's folder was lost. An application that this run made can only have credentials of this run.
local function reread_before_retiring(self)
  self:sort_credentials()
  if self.minted and (not self.application.made_now or #self.view.lost > 0) then
    self:reread_credentials()
  end
  if self.run:acting() then foreign.report(self) end
end

--- Remove replaced credentials whose retirement date has passed, and credentials of lost answers, by the rules of
--- rotation.retirement. Waits.
function Credential:tidy()
  if self.run.mode == "destroy" then return end
  if not self.row then return retirement.note_planned_retirement(self) end
  reread_before_retiring(self)
  if self.row.body.proven_at then retirement.retire_due(self) end
end

return M
