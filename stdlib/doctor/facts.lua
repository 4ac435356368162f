--- The facts that checks need: how each is read, and which check reports it when it cannot be read. Nothing here
--- changes anything.

local api_permissions = require "entra.api_permissions"
local application = require "entra.application"
local client_secret = require "rotation.client_secret"
local credential_policy = require "entra.credential_policy"
local fail = require "fail"
local graph = require "graph"
local in_use = require "journal.in_use"
local inventory = require "rotation.inventory"
local oauth = require "oauth.sign_in"
local open_journal = require "doctor.open_journal"
local peers = require "doctor.peers"
local prove = require "rotation.prove"
local reach = require "entra.reach"
local role_holders = require "entra.role_holders"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local service_principal = require "entra.service_principal"
local sign_in_client = require "entra.sign_in_client"
local sink_entry = require "sink.entry"
local states = require "handover.state"
local task = require "task"
local time = require "time"
local vault_folder = require "base.vault_folder"

---@class doctor.fact
---@field owner string name of the check that reports why the fact cannot be read
---@field what string
---@field read fun(exam: doctor.examination): any false when the thing does not exist

---@type table<string, doctor.fact>
local M = {}

local function fact(name, owner, what, read)
  M[name] = { owner = owner, what = what, read = read }
end

---------------------------------------------------------------------------
-- The far sides

fact("login", "reach", "whether the login service is reached", function(exam) return peers.login(exam.profile) end)
fact("graph", "reach", "whether Graph is reached", function(exam) return peers.graph(exam.profile) end)
fact("devolutions", "reach", "whether Devolutions Server is reached", function(exam)
  local devolutions = exam.profile.devolutions
  return devolutions and devolutions.server and peers.devolutions(devolutions) or false
end)

local NO_CONSENT = 65001

-- If consent for all scopes is missing, sign in again with only the consented ones.
fact("principal", "sign-in", "who is signed in", function(exam)
  exam:need "login"
  local ok, principal = pcall(oauth.sign_in, exam.profile)
  if ok then return principal end
  if not fail.is(principal) or principal.code ~= NO_CONSENT then error(principal, 0) end
  oauth.use_scopes {}
  return oauth.sign_in(exam.profile)
end)

-- Signed in, and Graph answers: every call to Graph needs both.
fact("session", "sign-in", "who is signed in", function(exam)
  local principal = task.all {
    function() return exam:need "principal" end, function() return exam:need "graph" end,
  }
  return principal
end)

---------------------------------------------------------------------------
-- The application

fact("application", "application", "the application", function(exam)
  exam:need "session"
  local wanted = application {
    name = exam.args.name, client_id = exam.args.client_id, workflow = exam.workflow,
  }
  return wanted:read() or false
end)

local function of_application(read)
  return function(exam)
    local found = exam:need "application"
    return found and read(found, exam) or false
  end
end

fact("principal_of_app", "service principal", "the service principal", of_application(function(found)
  return graph.get(graph.path("/servicePrincipals(appId={appId})", found.appId), {
    select = { "id", "appId", "displayName", "accountEnabled" }, missing = "nil",
    what = "look for the service principal",
  })
end))

fact("offered", "permissions", "which permissions Graph offers", function(exam)
  exam:need "session"
  return service_principal.graph()
end)

local function of_principal(read)
  return function(exam)
    local found = exam:need "principal_of_app"
    return found and read(found) or false
  end
end

fact("grants", "permissions", "which permissions are granted", of_principal(function(found)
  return graph.all(graph.path("/servicePrincipals/{id}/appRoleAssignments", found.id), {
    top = 999, what = "read which permissions are granted",
  })
end))

fact("held", "roles", "which directory roles the application holds", of_principal(function(found)
  return graph.all("/roleManagement/directory/roleAssignments", {
    filter = graph.filter("principalId eq %s", found.id), what = "read the directory roles of the application",
  })
end))

fact("schedules", "roles", "which role assignments end", of_principal(function(found)
  local ok, list = pcall(graph.all, "/roleManagement/directory/roleAssignmentScheduleInstances", {
    filter = graph.filter("principalId eq %s", found.id), what = "read which role assignments end",
  })
  if ok then return list end
  if fail.is(list) and not fail.is(list, "interrupted") then return false end
  error(list, 0)
end))

fact("role_names", "roles", "the names of the roles", function(exam)
  exam:need "session"
  return role_holders.read_role_names()
end)

fact("policy", "policy", "the policy for client secrets", function(exam)
  exam:need "session"
  local policy, found = task.all { credential_policy.read, function() return exam:need "application" end }
  return found and policy:of(found) or policy
end)

fact("accounts", "managed accounts", "the managed accounts", function(exam)
  exam:need "session"
  return reach.find(exam:need("terms").managed)
end)

fact("left_behind", "privilege", "what was consented to the sign-in client", function(exam)
  local principal = exam:need "session"
  if principal.kind ~= "user" then return {} end
  local client = oauth.claims().app_displayname or principal.appid or "the sign-in client"
  return sign_in_client.read_left_consents(principal, client, exam.profile.sign_in.scopes or {})
end)

---------------------------------------------------------------------------
-- What is on record, and what is stored

fact("journal", "journal", "what is on record", function(exam) return open_journal.open(exam) or false end)

fact("entry", "entry", "the entry", function(exam)
  if not exam:need "devolutions" then return false end
  local devolutions = exam.profile.devolutions
  local vault, path = vault_folder.vault_and_folder(exam.args, devolutions)
  local to = sink_entry {
    name = exam.args.name, vault = vault, path = path, workflow = exam.workflow, linked = devolutions.linked,
  }
  to:open { profile = exam.profile, meanwhile = function(_, fn) return task.spawn(fn) end }
  to:opened()
  return to
end)

-- How the application's credentials match the journal's rows.
fact("view", "journal", "which secrets are known", of_application(function(found, exam)
  local list = exam:need "journal" and rows:all(exam.journal, found.appId) or {}
  return inventory.of(client_secret, list, found.passwordCredentials or {}, { renew_before = exam.args.renew_before },
    time.now())
end))

---@class doctor.terms
---@field managed string[] groups and user names
---@field permissions string[] the permissions that the application should have
---@field elevation string? the permission for just-in-time elevation, where that is wanted
---@field handover handover.row? the row of the hand-over

-- The hand-over of the application that exists; of a deleted one only when there is no other.
local function living(list)
  local found
  for _, row in ipairs(list) do
    if row.state == "known" or not found or found.state ~= "known" then found = row end
  end
  return found
end

-- The arguments that the setup put on record. Arguments of the doctor replace them.
fact("terms", "journal", "what the setup was told", function(exam)
  local has_journal, records = pcall(exam.need, exam, "journal")
  local args = exam.args
  local row = has_journal and records and living(states.rows(records, args.client_id or args.name)) or nil
  local said, elevation = row and row.body or {}, args.jit_elevation
  if elevation == nil then elevation = said.elevation ~= false end
  return {
    managed = #(args.managed or {}) > 0 and args.managed or said.managed or {}, handover = row,
    permissions = api_permissions.of_provider(elevation), elevation = elevation and api_permissions.ELEVATION or nil,
  }
end)

-- The entry; nil when it cannot be read, which its own check reports.
local function entry_or_nil(exam)
  local ok, to = pcall(exam.need, exam, "entry")
  return ok and to or nil
end

-- A linked entry shows which secret the consumer has: the row whose value is in the entry, if there is one.
local function row_in_entry(exam, found, list, to)
  local held = to:held(found.appId)
  for _, row in ipairs(held and list or {}) do
    local value <close> = rows:value(exam.journal, row)
    if value and secret.equals(value, held) then return row end
  end
end

---@class doctor.use: journal.in_use
---@field who string "Devolutions Cloud"
---@field linked boolean does the consumer read our entry?

-- Which secret the consumer has, and which one waits.
fact("use", "journal", "which client secret is in use", of_application(function(found, exam)
  local list = exam:need "journal" and rows:all(exam.journal, found.appId) or {}
  local use, to = in_use.sort(list), entry_or_nil(exam)
  use.who = in_use.consumer_name(exam.profile.devolutions)
  use.linked = to ~= nil and to:confirms()
  if use.linked then use.has, use.waiting = row_in_entry(exam, found, list, to), nil end
  return use
end))

---@class doctor.values
---@field newest rotation.row?
---@field journal host.secret? of the newest
---@field used host.secret? the value of the secret that the consumer has
---@field entry host.secret? what the entry holds

-- The values that can be read.
fact("values", "journal", "the value of the secret", of_application(function(found, exam)
  local newest, has = exam:need("view").newest, exam:need("use").has
  local to = entry_or_nil(exam)
  return {
    newest = newest, journal = newest and rows:value(exam.journal, newest) or nil,
    used = has and rows:value(exam.journal, has) or nil, entry = to and to:held(found.appId) or nil,
  }
end))

---@class doctor.proof
---@field accepted boolean
---@field claims table?
---@field failure table?

local function prove_value(found, value)
  if not value then return false end
  local accepted, more = prove.once(found.appId, value)
  if not accepted then prove.raise_if_passing(found.appId, more) end
  return { accepted = accepted, claims = accepted and more or nil, failure = not accepted and more or nil }
end

-- Does the newest secret on record sign in? Without a row: does the value in the entry?
fact("proof", "client secret", "whether the client secret works", of_application(function(found, exam)
  local values = exam:need "values"
  return prove_value(found, values.journal or values.entry)
end))

-- Does the secret that the consumer has sign in? False where its value is not kept here.
fact("used_proof", "client secret", "whether the client secret in use works", of_application(function(found, exam)
  local values = exam:need "values"
  if not values.used then return false end
  if values.journal and secret.equals(values.journal, values.used) then return exam:need "proof" end
  return prove_value(found, values.used)
end))

-- Does the value in the entry sign in, when it is another one?
fact("entry_proof", "entry", "whether what the entry holds works", of_application(function(found, exam)
  local values = exam:need "values"
  if not values.entry then return false end
  if not values.journal or secret.equals(values.journal, values.entry) then return exam:need "proof" end
  return prove_value(found, values.entry)
end))

return M
