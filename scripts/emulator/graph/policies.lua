--- Policies: which credentials applications may have, what PIM demands of a role, and what Conditional Access blocks
--- (Microsoft Learn: tenantappmanagementpolicy, unifiedrolemanagementpolicyassignment, identity-governance rules,
--- conditionalaccesspolicy).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local json = require "json"
local query = require "emulator.query"
local roles = require "emulator.graph.roles"
local schema = require "emulator.schema"

local M = {}

local function default_policy(ctx)
  return query.entity(ctx, "tenantAppManagementPolicy", ctx.tenant.policy, nil,
    "policies/defaultAppManagementPolicy/$entity")
end

-- What members may do by themselves (Microsoft Learn: authorizationPolicy; the values of a new tenant).
local GUEST_ROLE = "10dae51f-b6af-4016-8d66-8c2a99b929b3" -- guests see less than members

local function authorization_policy(ctx)
  local row = {
    id = "authorizationPolicy", displayName = "Authorization Policy",
    description = "Used to manage authorization related settings across the company.",
    allowInvitesFrom = "everyone", allowedToSignUpEmailBasedSubscriptions = true, allowedToUseSSPR = true,
    allowEmailVerifiedUsersToJoinOrganization = false, allowUserConsentForRiskyApps = json.null,
    blockMsolPowerShell = false, guestUserRoleId = GUEST_ROLE,
    defaultUserRolePermissions = { allowedToCreateApps = ctx.tenant.flags.users_register_apps,
      allowedToCreateSecurityGroups = false, allowedToCreateTenants = false,
      allowedToReadBitlockerKeysForOwnedDevice = true, allowedToReadOtherUsers = true,
      permissionGrantPoliciesAssigned = json.array {} },
  }
  return query.entity(ctx, "authorizationPolicy", row, nil, "policies/authorizationPolicy/$entity")
end

local function app_policies(ctx)
  ctx.collection = "policies/appManagementPolicies"
  return query.list(ctx, "appManagementPolicy", query.source(ctx.tenant.app_policies))
end

local function policies_of(ctx, key)
  local row = applications.visible(ctx, key)
  ctx.collection = "policies/appManagementPolicies"
  return query.list(ctx, "appManagementPolicy", query.source(ctx.tenant.app_policies, {
    only = function(policy) return policy._app == row.id end,
  }))
end

local function target(caller, level)
  return { ["@odata.type"] = "microsoft.graph.unifiedRoleManagementPolicyRuleTarget", caller = caller,
    operations = json.array { "all" }, level = level, inheritableSettings = json.array {},
    enforcedSettings = json.array {} }
end

local function rule(kind, id, level, caller, more)
  more["@odata.type"] = ("#microsoft.graph.unifiedRoleManagementPolicy%sRule"):format(kind)
  more.id, more.target = id, target(caller, level)
  return more
end

--- What PIM demands of a role.
---@param tenant emulator.tenant
---@param role string template id
---@return table[] rules
function M.rules_of(tenant, role)
  local demanded = roles.is_flagged(tenant, "pim_only", role)
  local enabled = json.array { "Justification" }
  if roles.is_flagged(tenant, "pim_ticket", role) then enabled[#enabled + 1] = "Ticketing" end
  if roles.is_flagged(tenant, "pim_mfa", role) then enabled[#enabled + 1] = "MultiFactorAuthentication" end
  return json.array {
    rule("Expiration", "Expiration_Admin_Eligibility", "Eligibility", "Admin",
      { isExpirationRequired = false, maximumDuration = "P365D" }),
    rule("Expiration", "Expiration_Admin_Assignment", "Assignment", "Admin",
      { isExpirationRequired = demanded, maximumDuration = demanded and tenant.flags.pim_longest or "P180D" }),
    rule("Enablement", "Enablement_Admin_Assignment", "Assignment", "Admin",
      { enabledRules = enabled }),
    rule("Expiration", "Expiration_EndUser_Assignment", "Assignment", "EndUser",
      { isExpirationRequired = true, maximumDuration = "PT8H" }),
    rule("Enablement", "Enablement_EndUser_Assignment", "Assignment", "EndUser",
      { enabledRules = json.array { "MultiFactorAuthentication", "Justification" } }),
  }
end

local function policy_of(tenant, role)
  local id = ("DirectoryRole_%s_%s"):format(tenant.id, role)
  return { id = id, displayName = "DirectoryRole", description = "DirectoryRole", isOrganizationDefault = false,
    scopeId = "/", scopeType = "DirectoryRole", lastModifiedDateTime = json.null,
    lastModifiedBy = { displayName = json.null, id = json.null } }
end

local function expand_policy(ctx)
  return function(row, inner)
    local policy = schema.show("unifiedRoleManagementPolicy", policy_of(ctx.tenant, row.roleDefinitionId))
    if inner:find("rules", 1, true) then policy.rules = M.rules_of(ctx.tenant, row.roleDefinitionId) end
    return policy
  end
end

--- The service requires scopeId and scopeType in the filter.
local function role_policies(ctx)
  access.need_premium(ctx)
  local wanted = ctx.request.query["$filter"] or ""
  if not wanted:find("scopeId", 1, true) or not wanted:find("scopeType", 1, true) then
    answer.bad_query("The scopeId and scopeType filters are required.")
  end
  local rows = {}
  for i, role in ipairs(ctx.tenant.role_order) do
    local policy = policy_of(ctx.tenant, role)
    rows[i] = { id = policy.id .. "_" .. role, policyId = policy.id, roleDefinitionId = role, scopeId = "/",
      scopeType = "DirectoryRole" }
  end
  ctx.collection = "policies/roleManagementPolicyAssignments"
  return query.list(ctx, "unifiedRoleManagementPolicyAssignment",
    query.rows(rows, { expand = { policy = expand_policy(ctx) } }))
end

-- Microsoft Learn: conditionalaccessroot-list-policies, conditionalaccessroot-list-namedlocations. Of the two types of
-- locations only the one with addresses exists here.
local function access_policies(ctx)
  ctx.collection = "identity/conditionalAccess/policies"
  return query.list(ctx, "conditionalAccessPolicy", query.source(ctx.tenant.access_policies))
end

local function access_policy(ctx, id)
  local row = ctx.tenant.access_policies:get(id:lower(), ctx.at) or answer.missing(id)
  return query.entity(ctx, "conditionalAccessPolicy", row, nil, "identity/conditionalAccess/policies/$entity")
end

local function locations(ctx)
  ctx.collection = "identity/conditionalAccess/namedLocations"
  local source = query.source(ctx.tenant.locations)
  source.mixed = true
  return query.list(ctx, "namedLocation", source)
end

M.routes = {
  ["GET /identity/conditionalAccess/policies"] = access_policies,
  ["GET /identity/conditionalAccess/policies/{id}"] = access_policy,
  ["GET /policies/authorizationPolicy"] = authorization_policy,
  ["GET /identity/conditionalAccess/namedLocations"] = locations,
  ["GET /policies/defaultAppManagementPolicy"] = default_policy,
  ["GET /policies/appManagementPolicies"] = app_policies,
  ["GET /applications/{id}/appManagementPolicies"] = policies_of,
  ["GET /policies/roleManagementPolicyAssignments"] = role_policies,
}

return M
