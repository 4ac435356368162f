--- The pre-flight checks of the provider's setup: read everything side by side, before anything is changed.

local checks = require "setup.checks"
local directory_role = require "entra.directory_role"
local disk_space = require "machine.disk_space"
local first_reset = require "setup.first_reset"
local lifetime = require "journal.lifetime"
local look_alike = require "setup.look_alike"
local reach = require "entra.reach"
local secret_file = require "machine.secret_file"
local service_principal = require "entra.service_principal"
local task = require "task"
local time = require "time"
local use_in_log = require "rotation.use_in_log"

local M = {}

---@class entra.found
---@field application table?
---@field graph entra.graph_principal
---@field tenant string GUID
---@field policy entra.credential_policy
---@field accounts entra.account[]
---@field test_user entra.account? the test user for --prove-on
---@field pim table<string, entra.pim|false> role -> what the tenant demands of an assignment
---@field premium boolean does the tenant have Privileged Identity Management, as far as it can be read?

---------------------------------------------------------------------------
-- Before the network

local function check_setup_arguments(args)
  lifetime.check_arguments("client secret", args)
  use_in_log.check_arguments(args)
  if args.secret_file then secret_file.check(args.secret_file) end
end

---------------------------------------------------------------------------
-- Reading the tenant's demands

local function read_provider_role_demands()
  local helpdesk, privileged = task.all {
    function() return directory_role.pim_demanded "Helpdesk Administrator" or false end,
    function() return directory_role.pim_demanded "Privileged Authentication Administrator" or false end,
  }
  return { ["Helpdesk Administrator"] = helpdesk, ["Privileged Authentication Administrator"] = privileged }
end

---------------------------------------------------------------------------
-- Noting what was found

local function note_setup_environment(run, have, info, company, plans)
  checks.note_tenant(run, have, company, plans)
  if info then run:note("Devolutions Server %s, vault '%s'", info.version, have.entry.vault) end
  if not run.profile.devolutions then run:note("the profile names no Devolutions: the secret is handed to a person") end
end

local function note_secret_policy(run, policy)
  if not policy.checked then
    return run:unseen "the policies for client secrets could not be read; Entra may still refuse a client secret"
  end
  if policy.forbidden then run:warn("%s forbids new client secrets", policy.says) end
  if policy.longest then run:note("%s limits client secrets to %s", policy.says, time.span(policy.longest)) end
end

local function note_adopted_application(run, application)
  if not application or not application.adopted then return end
  run:note("'%s' is adopted: it was there before, so it is never destroyed", application.displayName)
  if application.signInAudience ~= "AzureADMyOrg" then
    run:warn("'%s' accepts accounts of other tenants (%s); single tenant would be AzureADMyOrg",
      application.displayName, tostring(application.signInAudience))
  end
end

-- Warn in a plan before a second application is made beside one that somebody made by hand.
local function warn_of_look_alikes(run, have, found)
  local wanted = have.wanted
  if run.mode ~= "plan" or found.application or wanted.client_id or wanted.returning then return end
  look_alike.warn(run, look_alike.find(found.graph))
end

--- Read and check everything. Raises a failure where the setup could not succeed. Waits.
---@param run workflow.Run
---@param have table admin, wanted, entry
---@param args table
---@return entra.found
function M.look(run, have, args)
  check_setup_arguments(args)
  local both, principal, company, plans, accounts, info, pim = task.all {
    function() return checks.read_application_and_policy(run, have.wanted, args.purge) end,
    service_principal.graph,
    function() return checks.read_organization() or false end,
    function() return checks.read_licences() or false end,
    function() return reach.find(args.managed) end,
    function() return have.entry and have.entry:opened() or false end,
    read_provider_role_demands,
  }
  local found = {
    application = both.application, policy = both.policy, graph = principal, accounts = accounts, pim = pim,
    tenant = have.admin.principal.tenant, premium = checks.is_premium(plans),
  }
  found.test_user = run.mode ~= "destroy"
    and first_reset.check(args.prove_on, have.admin.principal, (reach.roles_for(accounts))) or nil
  note_setup_environment(run, have, info, company, plans)
  if args.evidence and run.mode ~= "destroy" then checks.note_evidence(run, plans) end
  note_secret_policy(run, found.policy)
  note_adopted_application(run, found.application)
  warn_of_look_alikes(run, have, found)
  checks.check_admin(run, have, found)
  if run.mode ~= "destroy" and not found.application then found.policy:lifetime(args.lifetime) end
  run:before_change(function()
    disk_space.check(run.profile)
    if have.entry and run:acting() then have.entry:probe(run.journal) end
  end)
  return found
end

return M
