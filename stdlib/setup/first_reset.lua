--- Prove that the application can reset passwords, by one real reset of a test user's password with the new client
--- secret: neither Microsoft's table nor a token can show that. The password is random, and nobody keeps it.

local call = require "graph.call"
local fail = require "fail"
local graph = require "graph"
local graph_clock = require "graph.clock"
local log = require "log"
local oauth = require "oauth.sign_in"
local prove = require "rotation.prove"
local reach = require "entra.reach"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local task = require "task"
local time = require "time"
local users = require "entra.users"

local M = {}

local KIND = "password reset"
local LENGTH = 32
local PATIENCE, PAUSE = 120, 15 -- seconds until a new role assignment must count; seconds between tries
local SIGHT, LOOK = 60, 3 -- seconds until the change must show; seconds between looks

---------------------------------------------------------------------------
-- Before anything is made

local function raise_unfit_test_user(name, why, fix)
  fail.raise {
    kind = "usage", what = ("prove the application by resetting %s"):format(name), why = why,
    fix = fix or "Name a cloud-only test account that nobody needs: add --prove-on USER@DOMAIN to the command.",
  }
end

-- Why the account cannot be the test user: its password is kept elsewhere, or a reset would prove nothing.
local function why_unfit_test_user(account, me)
  if account.id == me.oid then return "it is the account that runs this" end
  if account.federated then return "its domain is federated: its password is kept elsewhere" end
  if account.synced then return "its password is kept on-premises (synced account)" end
  if account.guest then return "it is a guest: its password is kept elsewhere" end
  if not account.enabled then return "it is disabled" end
end

--- Check the --prove-on user; raise if it cannot be reset by these roles. Waits.
---@param name string? user name or id; nil: no reset is wanted
---@param me oauth.principal who runs this
---@param roles string[] that the application is to hold
---@return entra.account?
function M.check(name, me, roles)
  if not name then return nil end
  if not name:find("@", 1, true) then raise_unfit_test_user(name, "a user name has an @") end
  local found, federated = task.all { function() return reach.find { name } end, users.federated_domains }
  local account = found[1]
  account.federated = users.is_federated(account.upn, federated)
  local why = why_unfit_test_user(account, me)
  if why then raise_unfit_test_user(account.upn, why) end
  local verdict, because = reach.judge(account, roles)
  if verdict == "no" then
    raise_unfit_test_user(account.upn,
      ("the application's roles (%s) do not reach it: %s"):format(table.concat(roles, ", "), because),
      "Name another test account, or name it in --managed too, so that the roles it takes are assigned.")
  end
  return account
end

---------------------------------------------------------------------------
-- The reset

local function send_reset(account, proof, own)
  local application = proof.application
  local sign_in = prove.sign_in_on_record(application.appId, own, oauth.application, application.appId, proof.value)
  local password <close> = secret.generate(LENGTH)
  call.perform(call.new("PATCH", graph.path("/users/{id}", account.id), {
    passwordProfile = { forceChangePasswordNextSignIn = false, password = password },
  }, {
    repeatable = false, credential = sign_in.credential,
    what = ("set the password of %s as the application '%s'"):format(account.upn, application.displayName),
  }))
end

-- Send the reset until it is not denied any more, because a new role assignment takes a while to count. Each try uses a
-- new token.
local function send_reset_until_role_counts(account, proof, journal)
  local waited, own = 0, { journal = journal, key_id = proof.row.body.key_id }
  while true do
    local _, denied = fail.catch("denied", send_reset, account, proof, own)
    if not denied then return end
    if waited >= PATIENCE then error(denied, 0) end
    log.progress(("resetting %s: refused so far; a new role takes a while"):format(account.upn))
    task.sleep(PAUSE)
    waited = waited + PAUSE
  end
end

-- Wait until the directory shows the change, and return its date; nil when it does not show in SIGHT seconds.
local function await_reset_shown(account, before)
  local waited = 0
  while true do
    local changed = users.password_changed_at(account.id)
    if changed and changed ~= before then return changed end
    if waited >= SIGHT then return nil end
    task.sleep(LOOK)
    waited = waited + LOOK
  end
end

local function perform_reset(run, proof, account)
  local before = users.password_changed_at(account.id)
  send_reset_until_role_counts(account, proof, run.journal)
  local changed = await_reset_shown(account, before)
  rows:put(run.journal, proof.row, proof.row.state, {
    reset = { user = account.id, at = changed or graph_clock.now(), seen = changed ~= nil },
  })
end

---------------------------------------------------------------------------
-- The report: only what was seen

local function test_user_roles_text(account)
  local names = {}
  for i, role in ipairs(account.roles) do names[i] = role.name end
  if account.group then names[#names + 1] = "the role-assignable group '" .. account.group .. "'" end
  return #names == 0 and "no admin role" or table.concat(names, ", ")
end

local function note_reset(run, account, reset)
  if reset.seen then
    run:note("shown: with this secret the application set the password of %s (%s); Entra shows the change at %s",
      account.upn, test_user_roles_text(account), time.iso(reset.at))
  else
    run:note("accepted: a reset of %s (%s) by the application; Entra does not show yet that it took effect",
      account.upn, test_user_roles_text(account))
  end
  run:note "this proves nothing about other accounts: for them only Microsoft's table counts"
end

local function await_person_when_reset_denied(run, account, denied)
  run:await {
    what = ("find out why the application may not reset %s"):format(account.upn), why = denied.why,
    how = {
      "the role is assigned, as far as the directory shows; it can take longer than this to count: run apply again",
      "some of Microsoft's pages say that an application needs User-PasswordProfile.ReadWrite.All besides the role; "
        .. "others do not: it is not known",
    },
  }
end

local WARNING = "the password of %s will really be set, once, to a random value that nobody keeps: "
  .. "whoever uses the account is locked out until it is reset again"

--- Reset the test user's password, unless this secret has done it before. Call this when the secret is proven. Waits.
---@param run workflow.Run
---@param proof rotation.Credential
---@param account entra.account? the test user; nil: no reset is wanted
function M.show(run, proof, account)
  if not account or run.mode == "destroy" then return end
  local done = proof.row and proof.row.body.reset
  if done and done.user == account.id then
    run:found(KIND, account.upn, ("by the application, on %s"):format(time.day(done.at)))
    return note_reset(run, account, done)
  end
  run:warn(WARNING, account.upn)
  local _, denied = fail.catch("denied", run.change, run, {
    kind = KIND, name = account.upn, made = "by the application, with this secret",
    act = function() perform_reset(run, proof, account) end,
  })
  if denied then return await_person_when_reset_denied(run, account, denied) end
  if run:acting() then note_reset(run, account, proof.row.body.reset) end
end

return M
