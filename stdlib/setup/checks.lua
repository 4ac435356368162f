--- The checks that both setups make before they change anything: the application, the tenant, and the abilities of the
--- signed-in principal.

local credential_policy = require "entra.credential_policy"
local deleted = require "entra.deleted"
local fail = require "fail"
local graph = require "graph"
local hint = require "log.hint"
local task = require "task"

local M = {}

--- Read the tenant's name; nil when it may not be read, because it is needed for messages only. Waits.
---@return table?
function M.read_organization()
  return fail.catch("denied", function()
    return graph.first("/organization", { select = { "id", "displayName" }, what = "read the tenant's name" })
  end)
end

--- Read the names of the service plans in the tenant's licences; nil when they may not be read. Waits.
---@return table<string, true>?
function M.read_licences()
  return fail.catch("denied", function()
    local plans = {}
    for sku in graph.list("/subscribedSkus", { select = { "skuPartNumber", "servicePlans" },
      what = "read the tenant's licences" }) do
      for _, plan in ipairs(sku.servicePlans or {}) do plans[plan.servicePlanName] = true end
    end
    return plans
  end)
end

-- Restore the deleted application that holds the uniqueName, or raise a failure when it is not ours. In `destroy`,
-- purge it when a person asked for that.
local function restore_or_purge_deleted(run, wanted, item, purge)
  if run.mode == "destroy" then return purge and deleted.purge_on_destroy(run, wanted, item) end
  deleted.require_ours(wanted, item, run.journal)
  wanted:restore_instead(item)
end

--- Read the application, if there is one, and the credential policy that applies to it: its own policy, or the tenant's
--- when there is no application yet. Waits.
---@param run workflow.Run
---@param wanted entra.application
---@param purge boolean? shall `destroy` delete the application for good?
---@return { application: table?, policy: entra.credential_policy }
function M.read_application_and_policy(run, wanted, purge)
  local application, policy, item = task.all {
    function() return wanted:fetch() or false end, credential_policy.read,
    function() return not wanted.client_id and deleted.find_by_unique_name(wanted.unique_name) or false end,
  }
  if application then
    if run.mode == "destroy" and purge then deleted.purge_on_destroy(run, wanted, application) end
    return { application = application, policy = policy:of(application) }
  end
  if item then restore_or_purge_deleted(run, wanted, item, purge) end
  return { policy = policy }
end

--- Note which tenant this is, and whether it has Privileged Identity Management.
---@param run workflow.Run
---@param have table admin
---@param company table?
---@param plans table<string, true>?
function M.note_tenant(run, have, company, plans)
  local tenant = have.admin.principal.tenant
  run:note("tenant %s (%s)", company and company.displayName or run.profile.tenant, tenant)
  if not plans then return end
  run:note(plans.AAD_PREMIUM_P2 and "licence: Entra ID P2"
    or plans.AAD_PREMIUM and "licence: Entra ID P1, so there are no eligible roles"
    or "licence: neither Entra ID P1 nor P2, so there are no eligible roles")
end

--- Note what Entra's logs will not tell, because the tenant lacks the licence for it or its licences could not be read.
---@param run workflow.Run
---@param plans table<string, true>|false
function M.note_evidence(run, plans)
  if not plans then
    return run:note("the tenant's licences could not be read: whether Entra will tell who signs in with the client "
      .. "secret is unknown (it takes Entra ID P1 or P2)")
  end
  if plans.AAD_PREMIUM or plans.AAD_PREMIUM_P2 then return end
  run:note("without Entra ID P1 or P2 Entra does not tell who signs in with the client secret: a person says when it "
    .. "is in use (%s), and changes are known for 7 days", hint.text "{moonlatch} handover --confirm")
end

--- Note which abilities the signed-in principal lacks. Raises a failure when the application has to be registered and
--- the principal cannot do that.
---@param run workflow.Run
---@param have table admin
---@param found { application: table? }
function M.check_admin(run, have, found)
  have.admin:check_eligible_roles()
  if run.mode == "destroy" then return end
  if not found.application then have.admin:require_ability "applications" end
  for _, ability in ipairs { "applications", "consent", "roles" } do
    local why = have.admin:why_not(ability)
    if why then run:note("another admin has to do this part: %s (%s)", have.admin.what(ability), why) end
  end
end

--- Do the licences include Privileged Identity Management?
---@param plans table<string, true>?
---@return boolean
function M.is_premium(plans) return plans and plans.AAD_PREMIUM_P2 or false end

--- Read the tenant's name and licences, and note them. Waits.
---@param run workflow.Run
---@param have table admin
---@return boolean premium
function M.read_tenant(run, have)
  local company, plans = task.all {
    function() return M.read_organization() or false end, function() return M.read_licences() or false end,
  }
  M.note_tenant(run, have, company, plans)
  return M.is_premium(plans)
end

return M
