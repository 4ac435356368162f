--- Client secrets, as a kind of credential. Entra chooses the value, and shows it once.
---
--- The intent is on record before the request leaves, and the value is sealed before anything else is done with it.
--- After a lost answer another client secret is made, whether Entra lists the first one or not, because its value is
--- lost in either case.

local call = require "graph.call"
local change_outcome = require "rotation.change_outcome"
local check_answer = require "entra.check_answer"
local clock_skew = require "rotation.clock_skew"
local credential_changes = require "rotation.credential_changes"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local inventory = require "rotation.inventory"
local lifetime = require "journal.lifetime"
local log = require "log"
local markers = require "journal.marker"
local prove = require "rotation.prove"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local task = require "task"
local time = require "time"

---@type rotation.kind
local M = { name = "client secret", rows = rows, gone = 7000215 }

local LOOKS = { 0, 120, 900 } -- seconds after sending at which the credential of a lost answer is looked for
local TRIES = 2 -- lost answers in one run
local HIDDEN = 3600 -- seconds for which Entra's list may lack a new client secret
local PATIENCE, PAUSE = 120, 5 -- seconds for a removal to be accepted, and to show

---------------------------------------------------------------------------
-- Reading the client secrets

--- The client secrets that were read with the application.
---@param application table
---@return table[]
function M.listed(application) return application.passwordCredentials or {} end

--- The client secrets that Entra lists now; also kept in `application`. New ones may be missing for a while. Waits.
---@param application table
---@return table[]
function M.read(application)
  local what = ("read the client secrets of '%s'"):format(application.displayName)
  local actual = graph.get(graph.path("/applications/{id}", application.id), {
    select = { "id", "passwordCredentials" }, fresh_write = true, what = what,
  })
  check_answer.require_members(actual, what, "passwordCredentials")
  application.passwordCredentials = actual.passwordCredentials
  return application.passwordCredentials
end

--- The listed client secret of a row; see `inventory.find`.
---@param row rotation.row
---@param list table[]
---@return table?
function M.find(row, list) return inventory.find(row, list) end

--- Is the client secret so new that a missing entry proves nothing?
---@param row rotation.row
---@return boolean
function M.is_new(row)
  local since = row.body.known_at or row.body.sent_at
  return not since or graph_clock.now() - since <= HIDDEN
end

--- May the value belong to this credential? Compares Entra's hint, which is shorter for a short value. True when the
--- hint cannot tell.
---@param credential table
---@param value host.secret
---@return boolean
function M.fits(credential, value)
  local shown = secret.hint(value, 3)
  return type(credential.hint) == "string" and credential.hint:sub(1, #shown) == shown
end

--- The members of a row for a value that was found somewhere.
---@param value host.secret
---@param credential table? the credential that the value belongs to, when Entra lists it
---@return table body
function M.body_of(value, credential)
  return { hint = secret.hint(value, 3), ends = credential and inventory.credential_expiry(credential) or nil }
end

--- The value that signs in.
---@param value host.secret
---@return host.secret
function M.prover(value) return value end

--- How long a new client secret lives, in seconds.
---@param terms rotation.terms
---@return number seconds
function M.lifetime(terms)
  return terms.policy:lifetime(terms.wanted, terms.by_hand and lifetime.LONGEST_BY_HAND or nil)
end

---------------------------------------------------------------------------
-- Making a client secret

--- Begin: put the intent on record, before the request leaves. The row of an intent that was never sent is used again.
---@param self rotation.Credential
function M.begin(self)
  clock_skew.check "have a client secret made"
  local application, terms = self.application, self.terms
  self.tries = (self.tries or 0) + 1
  self.row = table.remove(self.view.intents, 1) or rows:new(self.run.journal, {
    application = application.id, app_id = application.appId, name = application.displayName, workflow = terms.workflow,
  })
  rows:put(self.run.journal, self.row, "intent", { lifetime = terms.lifetime, grace = terms.grace })
end

local function request_client_secret(self)
  local row, application, description = self.row, self.application, self.terms.description
  local name = description and (row.body.marker .. " " .. description) or row.body.marker
  return call.perform(call.new("POST", graph.path("/applications/{id}/addPassword", application.id), {
    passwordCredential = { displayName = name, endDateTime = time.iso(row.body.ends) },
  }, {
    repeatable = false, fresh_write = true, what = ("add a client secret to '%s'"):format(application.displayName),
    note = ("client secret %s of %s"):format(row.body.marker, application.appId),
  }))
end

-- Seal the new value and commit the journal, before anything else is done with the value.
local function seal_client_secret(journal, row, made)
  if not secret.is(made.secretText) or type(made.keyId) ~= "string" then
    fail.raise {
      kind = "bad_answer", what = "read the new client secret", why = "the answer does not hold it",
      fix = "Run the same command again: it looks for the client secret that was made, and replaces it.",
    }
  end
  rows:seal(journal, row, made.secretText)
  rows:put(journal, row, "known", {
    key_id = made.keyId, hint = made.hint, known_at = graph_clock.now(),
    ends = type(made.endDateTime) == "string" and time.parse(made.endDateTime) or row.body.ends,
  })
end

local function send_add_password(self)
  local journal, row = self.run.journal, self.row
  rows:stage(journal, row, "sent", { sent_at = graph_clock.now(), ends = (graph_clock.now() + row.body.lifetime) // 1 })
  local ok, result = pcall(request_client_secret, self)
  if ok then return seal_client_secret(journal, row, result) end
  if not fail.is(result) then error(result, 0) end
  if change_outcome.certainly_not(result) then
    rows:close(journal, row, "refused: " .. result.why)
    error(result, 0)
  end
  rows:put(journal, row, "sent", { why = result.why })
  log.warn(("the answer that held the new client secret was lost (%s)"):format(result.why))
end

local function look_for_lost_secret(journal, row, application)
  local credential = M.find(row, M.read(application)) or {}
  rows:put(journal, row, "sent", { looked_at = graph_clock.now(), key_id = credential.keyId, hint = credential.hint })
  return credential.keyId and credential
end

--- Look for the client secret of a lost answer: at once, after 2 and after 15 minutes, until Entra lists it. Stopping
--- meanwhile is safe. Waits.
---@param journal host.journal.journal
---@param row rotation.row in state sent
---@param application table
---@return table? credential
function M.look_for(journal, row, application)
  for _, after in ipairs(LOOKS) do
    local wait = row.body.sent_at + after - graph_clock.now()
    if wait > 0 then
      log.progress(("looking again for the client secret %s in %s; stopping now is safe")
        :format(row.body.marker, time.span(wait)))
      task.sleep(wait)
    end
    if (row.body.looked_at or 0) < row.body.sent_at + after then
      local credential = look_for_lost_secret(journal, row, application)
      if credential then return credential end
    end
  end
end

-- The value is lost with the answer, so another client secret is made.
local function make_another_secret(self)
  M.look_for(self.run.journal, self.row, self.application)
  if self.tries < TRIES then return M.begin(self) end
  fail.raise {
    kind = "transient", resumes = true, what = ("add a client secret to '%s'"):format(self.application.displayName),
    why = "the answer that holds the new value was lost twice",
    fix = "Something between this computer and Entra cuts answers. Run the same command again later: the lost client "
      .. "secrets are on record, and are removed when that is safe.",
  }
end

M.steps = { intent = send_add_password, sent = make_another_secret }

---------------------------------------------------------------------------
-- Two installations at once

-- Was the credential made before ours? Of two credentials of the same second, the one with the lower marker counts as
-- the earlier one.
local function was_secret_made_before(credential, own)
  local first, second = tostring(credential.startDateTime), tostring(own.startDateTime)
  if first ~= second then return first < second end
  return credential.displayName < own.displayName
end

local function raise_secret_made_twice(self, why)
  fail.raise {
    kind = "conflict", what = ("make a client secret for '%s'"):format(self.terms.name), why = why,
    fix = "Run the same command again: it goes on with the other client secret, if a sink holds its value.",
  }
end

--- Remove the client secret that this run made and stored nowhere yet. Raises "conflict".
---@param self rotation.Credential
---@param why string
function M.withdraw(self, why)
  local row, journal = self.row, self.run.journal
  M.remove(self.application, row, nil, { value = rows:value(journal, row), journal = journal })
  rows:close(journal, row, why)
  raise_secret_made_twice(self, why .. "; the client secret made here was removed again")
end

-- Client secrets that other installations made since this run began.
local function secrets_of_rivals(self)
  local list = {}
  for _, other in ipairs(self.view.foreign) do
    if not self.seen[other.keyId] and markers.of_credential(other.displayName) then list[#list + 1] = other end
  end
  return list
end

--- Give way to another installation that made a client secret meanwhile: ours is removed when it is the newer one, and
--- "conflict" raised. Called before a client secret is made, and once more when it is proven, because Entra lists new
--- client secrets late. Decides only when ours is listed, too.
---@param self rotation.Credential just read
function M.give_way(self)
  local own = self.minted and M.find(self.row, M.listed(self.application))
  credential_changes.note_foreign(self)
  for _, other in ipairs((own or not self.minted) and secrets_of_rivals(self) or {}) do
    if not own then raise_secret_made_twice(self, other.displayName .. " was made by another installation just now") end
    if was_secret_made_before(other, own) then
      M.withdraw(self, other.displayName .. " was made at the same time, and before it")
    end
  end
end

---------------------------------------------------------------------------
-- Lost answers

--- May the credential of a lost answer be removed without a person? Only when a readable sink holds another value, and
--- another credential of ours is proven. The caller knows that the credential's marker is an open intent of this
--- journal.
---@param credential table
---@param newest rotation.row?
---@param value host.secret? that the readable sink holds
---@return boolean
function M.removable(credential, newest, value)
  local another_is_proven = newest and newest.body.proven_at and newest.body.key_id ~= credential.keyId
  if not value or not another_is_proven then return false end
  return type(credential.hint) == "string" and not M.fits(credential, value)
end

---------------------------------------------------------------------------
-- Removing a client secret

-- Is a client secret that is not listed really gone? A new client secret may be missing from the list, so only refused
-- sign-ins show that it is gone, and only when its sign-in was accepted before.
local function is_secret_surely_gone(application, row, more)
  if not row then return false end
  if not M.is_new(row) then return true end
  if not more.value or not row.body.proven_at then return false end
  return prove.is_refused(application.appId, more.value, { journal = more.journal, key_id = row.body.key_id }, M.gone)
end

local function is_client_secret_listed(application, key_id)
  for _, credential in ipairs(M.read(application)) do
    if credential.keyId == key_id then return true end
  end
  return false
end

local function raise_secret_removal_uncertain(what)
  fail.raise {
    kind = "transient", resumes = true, what = what,
    why = "Entra refuses the request and does not list it; it is so new that this does not show that it is gone",
    fix = "Run the same command again in an hour.",
  }
end

-- Is a credential that no row has so new that a missing entry proves nothing?
local function is_new_credential(credential)
  local since = type(credential.startDateTime) == "string" and time.parse(credential.startDateTime)
  return not since or graph_clock.now() - since <= HIDDEN
end

local UNLISTED = 6 -- reads in a row that do not list a new credential, after one that did

-- Repeat the removal while the credential is listed. For some seconds Entra may answer "no such credential" about
-- one that exists and is listed. A new one may also be missing from single reads, which come from different replicas:
-- that is no sign that it is gone. Returns true when it is gone, false when that is not known.
local function remove_secret_while_listed(application, key_id, is_new, send_again)
  local was_listed, unlisted, err = false, 0, nil
  for waited = 0, PATIENCE, PAUSE do
    local ok
    ok, err = send_again()
    if ok or fail.is(err, "missing") then return true end
    if not fail.is(err, "refused") or err.status ~= 400 then error(err, 0) end
    local listed = is_client_secret_listed(application, key_id)
    unlisted = listed and 0 or unlisted + 1
    if not listed and not (was_listed and is_new) then return was_listed end
    if unlisted == UNLISTED then return false end
    was_listed = was_listed or listed
    if waited < PATIENCE then task.sleep(PAUSE) end
  end
  error(err, 0)
end

---@class rotation.removal
---@field value host.secret? of the credential that is removed, where the journal has it. Left out for a retiring one: a
--- sign-in with it would look like use by its consumer
---@field in_use rotation.row? of a certificate that must be listed, else nothing is removed
---@field journal host.journal.journal? where a sign-in that shows that the credential is gone is put on record

--- Remove a client secret. No failure when it is gone already. Waits.
---@param application { id: string, appId: string, displayName: string }
---@param row rotation.row? of the client secret
---@param credential { keyId: string, displayName: string? }? Entra's entry, where no row has the key id
---@param more rotation.removal?
function M.remove(application, row, credential, more)
  local key_id = row and row.body.key_id or credential.keyId
  local name = row and row.body.marker or tostring(credential.displayName)
  local what = ("remove the client secret '%s'"):format(name)
  local is_new = not row and is_new_credential(credential) or row ~= nil and M.is_new(row)
  local seen = remove_secret_while_listed(application, key_id, is_new, function()
    return pcall(call.perform, call.new("POST", graph.path("/applications/{id}/removePassword", application.id),
      { keyId = key_id }, { repeatable = true, what = what, note = "client secret " .. key_id }))
  end)
  if not seen and not is_secret_surely_gone(application, row, more or {}) then raise_secret_removal_uncertain(what) end
end

return M
