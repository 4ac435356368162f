--- The facts that the doctor's checks need: how each fact is read, and which check reports it when it cannot be read.
--- Reading them changes nothing.

local api_permissions = require "entra.api_permissions"
local application = require "entra.application"
local client_secret = require "rotation.client_secret"
local credential_policy = require "entra.credential_policy"
local evidence_rules = require "evidence.rules"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local in_use = require "journal.in_use"
local inventory = require "rotation.inventory"
local licence = require "entra.licence"
local oauth = require "oauth.sign_in"
local open_journal = require "doctor.open_journal"
local peers = require "doctor.peers"
local passwords = require("journal.rotations").user_passwords
local prove = require "rotation.prove"
local reach = require "entra.reach"
local refresh = require "evidence.refresh"
local role_holders = require "entra.role_holders"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local service_principal = require "entra.service_principal"
local sign_in_client = require "entra.sign_in_client"
local sink_entry = require "sink.entry"
local states = require "handover.state"
local store = require "evidence.store"
local task = require "task"
local time = require "time"
local use_in_log = require "rotation.use_in_log"
local vault_folder = require "base.vault_folder"

---@class doctor.fact
---@field owner string name of the check that reports why the fact cannot be read
---@field what string the fact in words, for a finding: "whether Graph is reached"
---@field read fun(examination: doctor.examination): any false when the thing does not exist

---@type table<string, doctor.fact>
local M = {}

local function define_fact(name, owner, what, read)
  M[name] = { owner = owner, what = what, read = read }
end

---------------------------------------------------------------------------
-- The services

define_fact("login", "reach", "whether the login service is reached", function(examination)
  return peers.login(examination.profile)
end)
define_fact("graph", "reach", "whether Graph is reached", function(examination)
  return peers.graph(examination.profile)
end)
define_fact("devolutions", "reach", "whether Devolutions Server is reached", function(examination)
  local devolutions = examination.profile.devolutions
  return devolutions and devolutions.server and peers.devolutions(devolutions) or false
end)

local NO_CONSENT = 65001

-- Signs in, unless the command did so before. If consent for all scopes is missing, sign in again with only the
-- consented ones.
define_fact("principal", "sign-in", "who is signed in", function(examination)
  examination:need "login"
  local ok, principal = pcall(oauth.principal)
  if ok then return principal end
  if not fail.is(principal) or principal.code ~= NO_CONSENT then error(principal, 0) end
  oauth.use_scopes {}
  return oauth.sign_in(examination.profile)
end)

-- The signed-in principal, once Graph answers. Every fact that is read from Graph needs both.
define_fact("session", "sign-in", "who is signed in", function(examination)
  local principal = task.all {
    function() return examination:need "principal" end, function() return examination:need "graph" end,
  }
  return principal
end)

---------------------------------------------------------------------------
-- The application

define_fact("application", "application", "the application", function(examination)
  examination:need "session"
  local wanted = application {
    name = examination.args.name, client_id = examination.args.client_id, workflow = examination.workflow,
  }
  return wanted:read() or false
end)

local function fact_of_application(read)
  return function(examination)
    local found = examination:need "application"
    return found and read(found, examination) or false
  end
end

define_fact("principal_of_app", "service principal", "the service principal", fact_of_application(function(found)
  return graph.get(graph.path("/servicePrincipals(appId={appId})", found.appId), {
    select = { "id", "appId", "displayName", "accountEnabled" }, missing = "nil",
    what = "look for the service principal",
  })
end))

define_fact("offered", "permissions", "which permissions Graph offers", function(examination)
  examination:need "session"
  return service_principal.graph()
end)

local function fact_of_principal(read)
  return function(examination)
    local found = examination:need "principal_of_app"
    return found and read(found) or false
  end
end

define_fact("grants", "permissions", "which permissions are granted", fact_of_principal(function(found)
  return graph.all(graph.path("/servicePrincipals/{id}/appRoleAssignments", found.id), {
    top = 999, what = "read which permissions are granted",
  })
end))

local roles_held = "which directory roles the application holds"
define_fact("role_assignments", "roles", roles_held, fact_of_principal(function(found)
  return graph.all("/roleManagement/directory/roleAssignments", {
    filter = graph.filter("principalId eq %s", found.id), what = "read the directory roles of the application",
  })
end))

define_fact("schedules", "roles", "which role assignments end", fact_of_principal(function(found)
  local ok, list = pcall(graph.all, "/roleManagement/directory/roleAssignmentScheduleInstances", {
    filter = graph.filter("principalId eq %s", found.id), what = "read which role assignments end",
  })
  if ok then return list end
  if licence.is_missing(list) then return {} end -- without PIM no assignment ends
  if fail.is(list) and not fail.is(list, "interrupted") then return { unread = list } end
  error(list, 0)
end))

define_fact("role_names", "roles", "the names of the roles", function(examination)
  examination:need "session"
  return role_holders.read_role_names()
end)

define_fact("policy", "policy", "the policy for client secrets", function(examination)
  examination:need "session"
  local policy, found = task.all { credential_policy.read, function() return examination:need "application" end }
  return found and policy:of(found) or policy
end)

define_fact("accounts", "managed accounts", "the managed accounts", function(examination)
  examination:need "session"
  return reach.find(examination:need("terms").managed)
end)

define_fact("left_consents", "privilege", "what was consented to the sign-in client", function(examination)
  local principal = examination:need "session"
  if principal.kind ~= "user" then return {} end
  local client = oauth.claims().app_displayname or principal.appid or "the sign-in client"
  return sign_in_client.read_left_consents(principal, client, examination.profile.sign_in.scopes or {})
end)

---------------------------------------------------------------------------
-- The journal and the entry

define_fact("journal", "journal", "what is on record", function(examination)
  return open_journal.open(examination) or false
end)

define_fact("entry", "entry", "the entry", function(examination)
  if not examination:need "devolutions" then return false end
  local devolutions = examination.profile.devolutions
  local vault, path = vault_folder.vault_and_folder(examination.args, devolutions)
  local entry = sink_entry {
    name = examination.args.name, vault = vault, path = path, workflow = examination.workflow,
    linked = devolutions.linked,
  }
  entry:open { profile = examination.profile, meanwhile = function(_, fn) return task.spawn(fn) end }
  entry:opened()
  return entry
end)

-- The entry; nil when it cannot be read, which its own check reports.
local function entry_if_readable(examination)
  local ok, to = pcall(examination.need, examination, "entry")
  return ok and to or nil
end

-- The credential whose key id somebody pasted into the entry, in place of its value; false when there is none. The
-- entry forgets the id then: while it was held as a secret, no record could name the credential.
define_fact("pasted", "entry", "whether the entry holds a key id", fact_of_application(function(found, examination)
  local to = entry_if_readable(examination)
  local value = to and to:held(found.appId)
  local credential = value and inventory.credential_with_id(value, found.passwordCredentials or {})
  if credential then to:forget() end
  return credential or false
end))

-- How the application's credentials match the journal's rows.
define_fact("view", "journal", "which secrets are known", fact_of_application(function(found, examination)
  local list = examination:need "journal" and rows:all(examination.journal, found.appId) or {}
  return inventory.take(client_secret, list, found.passwordCredentials or {},
    { renew_before = examination.args.renew_before }, time.now())
end))

---------------------------------------------------------------------------
-- Entra's logs

local READING = 2 -- seconds for Entra's logs

local function object_ids(found, principal, accounts)
  local ids = { found.id, principal and principal.id or nil }
  for _, account in ipairs(accounts) do ids[#ids + 1] = account.id end
  return ids
end

-- A fact that another check reports when it cannot be read; `instead` then.
local function need_or(examination, name, instead)
  local ok, value = pcall(examination.need, examination, name)
  if ok then return value end
  if fail.is(value) and not fail.is(value, "interrupted") then return instead end
  error(value, 0)
end

---@class doctor.logs
---@field journal host.journal.journal
---@field gaps evidence.gap[] what could not be read now
---@field uses evidence.use[] of the application
---@field coverage evidence.coverage
---@field age number? seconds since the sign-in log was read
---@field rhythm number? of the consumer in seconds, as it was declared last
---@field actors evidence.actors
---@field earlier fun(row: rotation.row): string[] key ids of the client secrets that were made before

local function earlier_key_ids(list, found)
  return function(row)
    local ids = {}
    for _, other in ipairs(list) do
      if other.id == row.id then break end
      ids[#ids + 1] = other.body.key_id
    end
    for _, credential in ipairs(found.passwordCredentials or {}) do
      if credential.keyId ~= row.body.key_id then ids[#ids + 1] = credential.keyId end
    end
    return ids
  end
end

-- Who may reset passwords here. A person who runs Moonlatch also resets passwords in other ways.
local function actors_of(principal, me)
  return {
    providers = principal and { [principal.id:lower()] = true } or {},
    self = me.kind ~= "user" and me.oid and me.oid:lower() or nil,
  }
end

-- What Entra's logs show, as far as two seconds suffice; the rest is what was read before.
define_fact("logs", "evidence", "what Entra's logs show", fact_of_application(function(found, examination)
  local journal = examination:need "journal" and examination.journal
  if not journal then return false end
  local accounts = #examination:need("terms").managed > 0 and need_or(examination, "accounts", {}) or {}
  local principal, me = need_or(examination, "principal_of_app"), examination:need "session"
  examination:need "pasted"
  local gaps = refresh.run(journal, {
    applications = { { app_id = found.appId } }, objects = object_ids(found, principal, accounts),
  }, READING)
  return {
    journal = journal, gaps = gaps, uses = store.uses(journal, found.appId),
    coverage = store.coverage(journal, found.appId), age = (store.age(journal, "sign_ins", found.appId)),
    rhythm = store.read_application(journal, found.appId).rhythm, actors = actors_of(principal, me),
    earlier = earlier_key_ids(rows:all(journal, found.appId), found),
  }
end))

-- Which use of the application is not in the log? Unknown where that may not be read.
define_fact("unseen", "journal", "which use of the application the log does not show",
  fact_of_application(function(found, examination)
    local ok, unseen = pcall(use_in_log.unseen, examination.journal, found)
    if ok then return unseen end
    if not fail.is(unseen) or fail.is(unseen, "interrupted") then error(unseen, 0) end
    return {}
  end))

-- When Moonlatch itself set passwords, by the object id of the account.
define_fact("own_changes", "journal", "which passwords Moonlatch set", function(examination)
  local moments = {}
  for _, row in ipairs(examination:need "journal" and passwords:all(examination.journal) or {}) do
    moments[row.id] = row.body.changed_at
  end
  return moments
end)

---@class doctor.terms
---@field managed string[] groups and user names
---@field permissions string[] the permissions that the application should have
---@field elevation string? the permission for just-in-time elevation, where that is wanted
---@field handover handover.row? the row of the hand-over

-- Choose the hand-over of the application that exists; the hand-over of a deleted application only when there is no
-- other.
local function choose_handover_row(list)
  local found
  for _, row in ipairs(list) do
    if row.state == "known" or not found or found.state ~= "known" then found = row end
  end
  return found
end

-- Which accounts are managed: as the command says, else the profile, else the setup's record.
local function managed_of(profile, args, said)
  if #(args.managed or {}) > 0 then return args.managed end
  return profile.managed and profile.managed.select or said.managed or {}
end

-- The arguments of the setup, from the journal. Arguments of the doctor replace them.
define_fact("terms", "journal", "what the setup was told", function(examination)
  local has_journal, records = pcall(examination.need, examination, "journal")
  local args = examination.args
  local row = has_journal and records and choose_handover_row(states.rows(records, args.client_id or args.name)) or nil
  local said, elevation = row and row.body or {}, args.jit_elevation
  if elevation == nil then elevation = said.elevation ~= false end
  return {
    managed = managed_of(examination.profile, args, said), handover = row,
    permissions = api_permissions.of_provider(elevation), elevation = elevation and api_permissions.ELEVATION or nil,
  }
end)

-- The row whose value is in the linked entry, which the consumer reads; nil when no row has that value.
local function row_in_entry(examination, found, list, to)
  local value_in_entry = to:held(found.appId)
  for _, row in ipairs(value_in_entry and list or {}) do
    local value <close> = rows:value(examination.journal, row)
    if value and secret.equals(value, value_in_entry) then return row end
  end
end

---@class doctor.use: journal.in_use
---@field who string "Devolutions Cloud"
---@field linked boolean does the consumer read our entry?

-- Which secret the consumer has, and which one waits.
define_fact("use", "journal", "which client secret is in use", fact_of_application(function(found, examination)
  local list = examination:need "journal" and rows:all(examination.journal, found.appId) or {}
  local use, to = in_use.sort(list), entry_if_readable(examination)
  use.who = in_use.consumer_name(examination.profile.devolutions)
  use.linked = to ~= nil and to:confirms()
  examination:need "pasted"
  if use.linked then use.has, use.waiting = row_in_entry(examination, found, list, to), nil end
  return use
end))

---@class doctor.values
---@field newest rotation.row?
---@field journal host.secret? the value of the newest row
---@field used host.secret? the value of the secret that the consumer has
---@field entry host.secret? the value in the entry

-- Does Entra's log show that the consumer uses the secret that waits for a person's word? False where no secret waits.
define_fact("waiting_verdict", "evidence", "whether the newest client secret is in use",
  fact_of_application(function(_, examination)
    local logs, waiting = examination:need "logs", examination:need("use").waiting
    if not logs or not waiting or not waiting.body.key_id or #logs.coverage.spans == 0 then return false end
    return evidence_rules.confirmed {
      uses = logs.uses, coverage = logs.coverage, new = waiting.body.key_id, olds = logs.earlier(waiting),
      rhythm = logs.rhythm, now = graph_clock.now(),
    }
  end))

-- The values of client secrets that can be read.
define_fact("values", "journal", "the value of the secret", fact_of_application(function(found, examination)
  local newest, has = examination:need("view").newest, examination:need("use").has
  local to = entry_if_readable(examination)
  examination:need "pasted"
  return {
    newest = newest, journal = newest and rows:value(examination.journal, newest) or nil,
    used = has and rows:value(examination.journal, has) or nil, entry = to and to:held(found.appId) or nil,
  }
end))

---@class doctor.proof
---@field accepted boolean
---@field claims table?
---@field failure table?

-- Try a value to sign in; `row` is the row of its client secret, where that is known.
local function try_secret_value(found, value, examination, row)
  if not value then return false end
  local accepted, more = prove.sign_in_once(found.appId, value,
    { journal = examination.journal, key_id = row and row.body.key_id })
  if not accepted then prove.raise_if_passing(found.appId, more) end
  return { accepted = accepted, claims = accepted and more or nil, failure = not accepted and more or nil }
end

-- Does the newest secret on record sign in? Without a row: does the value in the entry?
local works = "whether the client secret works"
define_fact("proof", "client secret", works, fact_of_application(function(found, examination)
  local values = examination:need "values"
  return try_secret_value(found, values.journal or values.entry, examination, values.journal and values.newest)
end))

-- Does the secret that the consumer has sign in? False where the journal does not have its value.
local used_works = "whether the client secret in use works"
define_fact("used_proof", "client secret", used_works, fact_of_application(function(found, examination)
  local values = examination:need "values"
  if not values.used then return false end
  if values.journal and secret.equals(values.journal, values.used) then return examination:need "proof" end
  return try_secret_value(found, values.used, examination, examination:need("use").has)
end))

-- Does the value in the entry sign in?
local entry_works = "whether the client secret in the entry works"
define_fact("entry_proof", "entry", entry_works, fact_of_application(function(found, examination)
  local values = examination:need "values"
  if not values.entry then return false end
  if not values.journal or secret.equals(values.journal, values.entry) then return examination:need "proof" end
  return try_secret_value(found, values.entry, examination)
end))

return M
