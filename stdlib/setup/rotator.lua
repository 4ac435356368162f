--- The pre-flight checks of the rotator's setup: which permissions the application needs, which accounts it must reach,
--- and which applications it must own.

local checks = require "setup.checks"
local directory_role = require "entra.directory_role"
local disk_space = require "machine.disk_space"
local fail = require "fail"
local least_rights = require "rotate.least_rights"
local lifetime = require "journal.lifetime"
local log = require "log"
local options_of = require("base.options").of
local owned = require "entra.owned"
local policy_select = require "policy.select"
local reach = require "entra.reach"
local role_holders = require "entra.role_holders"
local service_principal = require "entra.service_principal"
local task = require "task"
local time = require "time"
local users = require "entra.users"

local M = {}

---@class setup.rotator.found
---@field application table?
---@field graph entra.graph_principal
---@field tenant string GUID
---@field policy entra.credential_policy
---@field permissions string[] application permissions
---@field owned entra.owned_application[] the applications that it should own
---@field accounts entra.user[] the accounts whose passwords it will set
---@field roles string[] the directory roles that it should hold
---@field beyond entra.user[] accounts that these roles are not sure to reach
---@field pim table<string, entra.pim|false> role -> what the tenant demands of an assignment
---@field premium boolean

---------------------------------------------------------------------------
-- The applications to own and the accounts to reach

-- The provider's application, and the applications that policies name. In `destroy` the provider's may be gone.
local function applications_for_rotator(run, args, needed)
  local provider, missing = fail.catch("missing", owned.of_provider, args.provider)
  if missing and run.mode ~= "destroy" then error(missing, 0) end
  local lists = { { provider } }
  for _, terms in ipairs(needed.applications) do
    lists[#lists + 1] = policy_select.find_named_applications(terms.select)
  end
  return policy_select.union(lists)
end

local function accounts_for_rotator(needed)
  if #needed.users == 0 then return {} end
  local by_role = false
  for _, terms in ipairs(needed.users) do by_role = by_role or policy_select.by_role(terms.select) end
  local federated, holders = task.all {
    users.federated_domains, function() return role_holders.read_holders { eligible_for_groups = by_role } end,
  }
  for _, unread in ipairs(holders.unread) do
    log.warn("a selection by role may leave accounts out, as this could not be read: " .. unread)
  end
  local lists = {}
  for i, terms in ipairs(needed.users) do
    lists[i] = policy_select.find_accounts(terms.select, federated, holders).accounts
  end
  return policy_select.union(lists)
end

local function roles_for_rotator(needed, accounts)
  if #needed.users == 0 then return {}, {} end
  local role, beyond = reach.weakest_for(accounts)
  return { role }, beyond
end

local function read_rotator_role_demands(roles)
  local pim = {}
  for _, role in ipairs(roles) do pim[role] = directory_role.pim_demanded(role) or false end
  return pim
end

---------------------------------------------------------------------------
-- Noting what was found

local function note_rotator_permissions(run, needed)
  for _, name in ipairs(needed.permissions) do
    local calls = needed.reasons[name]
    run:note("%s: %s%s", name, calls[1], #calls > 1 and (" and %d more"):format(#calls - 1) or "")
  end
end

local function note_certificate_policy(run, policy)
  if not policy.checked then
    return run:unseen "the policies for certificates could not be read; Entra may still refuse a certificate"
  end
  if policy.longest_key then
    run:note("%s limits certificates to %s", policy.says_of_keys, time.span(policy.longest_key))
  end
end

local MOST_LINES = 10

--- Note which role is needed, and warn of the accounts that the role may not reach.
---@param run workflow.Run
---@param found setup.rotator.found
function M.explain_roles(run, found)
  if #found.roles == 0 then
    return run:note "no policy for users is named (--policies): the application needs no directory role"
  end
  run:note("%s is the weakest role that reaches these %d accounts, by Microsoft's table", found.roles[1],
    #found.accounts)
  for i, account in ipairs(found.beyond) do
    if i > MOST_LINES then return run:note("… and %d more", #found.beyond - MOST_LINES) end
    run:warn("%s may be beyond its reach: %s", account.upn, select(2, reach.judge(account, found.roles)))
  end
end

---------------------------------------------------------------------------
-- Reading the rotator

--- Read and check everything. Raises a failure where the setup could not succeed. Waits.
---@param run workflow.Run
---@param have table admin, wanted
---@param args table
---@return setup.rotator.found
function M.look(run, have, args)
  lifetime.check_arguments("certificate", args)
  local needed = least_rights.for_policies(args.policies or {}, args.evidence)
  local both, principal, accounts, targets, premium = task.all {
    function() return checks.read_application_and_policy(run, have.wanted, args.purge) end,
    service_principal.graph,
    function() return accounts_for_rotator(needed) end,
    function() return applications_for_rotator(run, args, needed) end,
    function() return checks.read_tenant(run, have) end,
  }
  local roles, beyond = roles_for_rotator(needed, accounts)
  local found = {
    application = both.application, policy = both.policy, graph = principal, tenant = have.admin.principal.tenant,
    accounts = accounts, owned = targets, roles = roles, beyond = beyond, permissions = needed.permissions,
    pim = read_rotator_role_demands(roles), premium = premium,
  }
  note_certificate_policy(run, found.policy)
  note_rotator_permissions(run, needed)
  checks.check_admin(run, have, found)
  run:before_change(function() disk_space.check(run.profile) end)
  return found
end

---------------------------------------------------------------------------
-- The profile for unattended runs

local function quote_lua(text) return ("%q"):format(text) end

local GLOBAL_LOGIN, GLOBAL_GRAPH = "https://login.microsoftonline.com", "https://graph.microsoft.com/v1.0"

local function rotator_profile_cloud_line(profile)
  if profile.login == GLOBAL_LOGIN and profile.graph == GLOBAL_GRAPH then return nil end
  local ca = profile.ca and (", ca = " .. quote_lua(profile.ca)) or ""
  return ("  cloud = { login = %s, graph = %s%s },"):format(quote_lua(profile.login), quote_lua(profile.graph), ca)
end

-- The lines of a profile that signs in with the certificate, and is otherwise like the profile in use.
local function rotator_profile_lines(profile, fields)
  local lines = { "rotator = {", ("  tenant = %s,"):format(quote_lua(profile.tenant)) }
  lines[#lines + 1] = rotator_profile_cloud_line(profile)
  lines[#lines + 1] = ("  sign_in = { method = \"certificate\", client_id = %s,"):format(quote_lua(fields.client_id))
  local source = fields.path and "path = " .. quote_lua(fields.path) or 'from = "sealed"'
  lines[#lines + 1] = ("    certificate = { %s } },"):format(source)
  lines[#lines + 1] = ("  -- key, devolutions and all else: as in the profile %s"):format(quote_lua(profile.name))
  lines[#lines + 1] = "},"
  return lines
end

local read_fields = options_of("setup.rotator.tell_profile", { client_id = "string", path = "string" })

--- Note the section of the configuration with which unattended runs sign in.
---@param run workflow.Run
---@param fields { client_id: string, path: string? } path: of a key file in clear; nil: the sealed one
function M.tell_profile(run, fields)
  local read = read_fields(fields)
  run:note "unattended runs sign in by this section of the configuration's profiles:"
  for _, line in ipairs(rotator_profile_lines(run.profile, read)) do run:note("  %s", line) end
end

return M
