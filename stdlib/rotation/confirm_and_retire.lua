--- `moonlatch journal confirm` and `retire`: a person says which credential of an application is in use, and which one
--- to remove.

local client_secret = require "rotation.client_secret"
local commit = require "journal.commit"
local evidence_rules = require "evidence.rules"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local refresh = require "evidence.refresh"
local retirement = require "rotation.retirement"
local rotation_certificate = require "rotation.certificate"
local store = require "evidence.store"
local sys = require "host.sys"
local time = require "time"
local use_in_log = require "rotation.use_in_log"

local M = {}

local KINDS = { client_secret, rotation_certificate }

local function find_credential_row(journal, name)
  for _, kind in ipairs(KINDS) do
    local row = kind.rows:named(journal, name)
    if row then return row, kind end
  end
end

local function raise_credential_unknown(what, name, why)
  fail.raise {
    kind = "missing", what = ("%s %s"):format(what, name), why = why,
    fix = hint.text "Run `{moonlatch} journal` for the ids of the credentials, and name one of these.",
  }
end

---------------------------------------------------------------------------
-- Confirming

local FIXES = {
  known = "Prove it first: run the command that made it again ({moonlatch} apply or {moonlatch} rotate).",
  proven = "Hand it over first: {moonlatch} handover --show shows it in a terminal window, and {moonlatch} handover "
    .. "--secret-file PATH writes it to a new file.",
  confirmed = "Nothing has to be done: it is confirmed already.",
}

local function raise_not_confirmable(row, is_deleted)
  if is_deleted then
    fail.raise {
      kind = "refused", what = "confirm " .. row.body.marker, why = "its application was deleted",
      fix = hint.text("Restore the application within 30 days, and its client secrets with it: run the command again "
        .. "that made it ({moonlatch} apply setup/entra-pam-provider)."),
    }
  end
  fail.raise {
    kind = "refused", what = "confirm " .. row.body.marker, why = ("it is in the state '%s'"):format(row.state),
    fix = hint.text(FIXES[row.state] or "Confirm another one: `{moonlatch} journal` lists them. A credential can be "
      .. "confirmed when its state is stored, handed_over or retiring."),
  }
end

-- The states in which a credential can be confirmed. A retiring credential is among them, because somebody may have
-- confirmed another credential by mistake.
local CONFIRMABLE = { stored = true, handed_over = true, retiring = true }

--- Put on record that the consumer uses this credential. Needs no network.
---@param journal host.journal.journal
---@param name string id, marker or key id
---@param who string? the person's user name; by default who runs this
---@return rotation.row
function M.confirm(journal, name, who)
  local row, kind = find_credential_row(journal, name)
  if not row then raise_credential_unknown("confirm", name, "the journal knows no credential by that id") end
  local is_deleted = kind.rows:is_application_deleted(row)
  local is_by_log = row.state == "confirmed" and use_in_log.is_by_log(row) -- a person's word counts for more
  if not (CONFIRMABLE[row.state] or is_by_log) or is_deleted then raise_not_confirmable(row, is_deleted) end
  retirement.confirm(journal, kind, row, "a person", nil, who or sys.user())
  return row
end

--- Take a confirmation back: the consumer does not use this credential. Needs no network. Raises "refused" for a
--- credential that is not confirmed, or that was read back from where the consumer reads it.
---@param journal host.journal.journal
---@param name string id, marker or key id
---@return rotation.row
function M.take_back(journal, name)
  local row, kind = find_credential_row(journal, name)
  if not row then
    raise_credential_unknown("take back the confirmation of", name, "the journal knows no credential by that id")
  end
  local is_taken_back = row.body.confirmed_by == "a person" or use_in_log.is_by_log(row)
  if row.state ~= "confirmed" or not is_taken_back or row.body.by_person then
    fail.raise {
      kind = "refused", what = "take back the confirmation of " .. row.body.marker,
      why = "neither a person nor Entra's log confirmed it, or a newer credential has replaced it",
      fix = hint.text("Confirm the credential that is in use instead: {moonlatch} journal confirm ID, with an id of "
        .. "`{moonlatch} journal`."),
    }
  end
  retirement.take_back(journal, kind, row)
  journal:audit("take back", { rotation = row.id, name = row.body.marker }, time.now())
  commit.commit(journal)
  return row
end

---------------------------------------------------------------------------
-- Retiring

---@class rotation.confirm_and_retire.found
---@field application table
---@field kind rotation.kind
---@field credential table of Graph

local MEMBERS = { "id", "appId", "displayName", "passwordCredentials", "keyCredentials" }

local function find_on_application(application_id, key_id)
  local actual = graph.get(graph.path("/applications/{id}", application_id), {
    select = MEMBERS, missing = "nil", what = "look for the credential",
  })
  for _, kind in ipairs(actual and KINDS or {}) do
    local list = kind == rotation_certificate and actual.keyCredentials or actual.passwordCredentials
    for _, credential in ipairs(list or {}) do
      if credential.keyId == key_id then return { application = actual, kind = kind, credential = credential } end
    end
  end
end

-- Find the application that has this credential, among those that the journal knows. Waits.
local function find_on_known_applications(journal, key_id)
  local asked = {}
  local lists = { client_secret.rows:all(journal), rotation_certificate.rows:all(journal), journal:list "adopted" }
  for _, list in ipairs(lists) do
    for _, row in ipairs(list) do
      local id = row.body.application or row.body.id -- the row of a credential, or of an adopted application
      local found = not asked[id] and find_on_application(id, key_id)
      if found then return found end
      asked[id] = true
    end
  end
  raise_credential_unknown("retire", key_id, "no application the journal knows has a credential by that id")
end

-- The credential of a row, without asking Entra: the credential may be gone already, after a lost answer.
local function credential_of_row(row, kind)
  local body = row.body
  return {
    application = { id = body.application, appId = body.app_id, displayName = body.name }, kind = kind,
    credential = { keyId = body.key_id, displayName = body.marker },
  }
end

local function raise_credential_in_use(row)
  fail.raise {
    kind = "refused", what = "retire " .. row.body.marker, why = "it is in use, or will be",
    fix = hint.text("Make a new credential (add --renew to the command that made this one) and confirm it "
      .. "({moonlatch} journal confirm ID). Then this one is removed when its grace is over; if it leaked, run the "
      .. "same command again then."),
  }
end

local READING = 5 -- seconds that reading Entra's sign-in log may take

-- Raise a failure for a credential that somebody used in the last days, as far as Entra's log tells. Waits.
local function refuse_if_used(journal, found)
  local app_id, key_id = found.application.appId, found.credential.keyId
  if not app_id or not key_id then return end -- an old record: the log cannot be asked for it
  refresh.run(journal, { applications = { { app_id = app_id } } }, READING)
  local use = evidence_rules.holding_use(store.uses(journal, app_id), key_id, graph_clock.now())
  if not use then return end
  fail.raise {
    kind = "refused", what = ("retire %s"):format(tostring(found.credential.displayName)),
    why = "it was used " .. use.text,
    fix = hint.text("Find out who that is, and give them the new one. To remove it all the same: {moonlatch} journal "
      .. "retire %s --in-use", key_id),
  }
end

--- Remove a credential. It may be any credential of an application that the journal knows. Raises "refused" for one
--- that is in use, or that was used in the last days. Waits.
---@param journal host.journal.journal
---@param name string key id; or id or marker of a row
---@param although_used boolean? remove it although Entra's log shows a use in the last days
---@return string name of the removed credential
function M.retire(journal, name, although_used)
  local row, kind = find_credential_row(journal, name)
  if row and kind.rows:usable(row) then raise_credential_in_use(row) end
  local found = row and row.body.key_id and credential_of_row(row, kind) or find_on_known_applications(journal, name)
  local credential = found.credential
  if not although_used then refuse_if_used(journal, found) end
  found.kind.remove(found.application, row and row.body.key_id and row or nil, credential)
  if row then kind.rows:close(journal, row, "retired by a person") end
  journal:audit("retire", { key_id = credential.keyId, name = tostring(credential.displayName) }, time.now())
  commit.commit(journal)
  return tostring(credential.displayName)
end

return M
