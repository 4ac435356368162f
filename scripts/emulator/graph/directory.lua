--- The tenant itself, its licences, units, and objects of any type (Microsoft
--- Learn: organization-list, subscribedsku-list, directoryobject-getbyids).

local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local directory = require "emulator.tenant.directory"
local head = require "emulator.graph.head"
local json = require "json"
local query = require "emulator.query"
local schema = require "emulator.schema"

local M = {}

local function organization_row(tenant)
  return {
    id = tenant.id, displayName = tenant.name, tenantType = "AAD", countryLetterCode = "CA",
    createdDateTime = "2021-01-01T00:00:00Z", preferredLanguage = "en", onPremisesSyncEnabled = true,
    mobileDeviceManagementAuthority = "unknown",
    directorySizeQuota = { used = 1234, total = 300000 }, isMultipleDataLocationsForServicesEnabled = json.null,
    technicalNotificationMails = json.array { "adele@" .. tenant.domain },
    verifiedDomains = json.array { { capabilities = "Email, OfficeCommunicationsOnline", isDefault = true,
      isInitial = true, name = tenant.domain, type = "Managed" } },
  }
end

local function organizations(ctx)
  ctx.collection = "organization"
  return query.list(ctx, "organization", query.rows { organization_row(ctx.tenant) })
end

local function organization(ctx, id)
  if id ~= ctx.tenant.id then answer.missing(id) end
  return query.entity(ctx, "organization", organization_row(ctx.tenant), nil, "organization/$entity")
end

-- The ids of products and plans (Microsoft Learn: licensing-service-plan-reference).
local function sku(tenant, id, name, plans)
  local list = json.array {}
  for i, plan in ipairs(plans) do
    list[i] = { servicePlanId = plan[1], servicePlanName = plan[2], provisioningStatus = "Success", appliesTo = "User" }
  end
  return { id = tenant.id .. "_" .. id, skuId = id, skuPartNumber = name, accountId = tenant.id,
    accountName = tenant.name, appliesTo = "User", capabilityStatus = "Enabled", consumedUnits = 12,
    servicePlans = list,
    prepaidUnits = { enabled = 25, suspended = 0, warning = 0, lockedOut = 0 } }
end

local function licences(ctx)
  local rows = {
    sku(ctx.tenant, "3b555118-da6a-4418-894f-7df1e2096870", "O365_BUSINESS_ESSENTIALS",
      { { "9aaf7827-d63c-4b61-89c3-182f06f82e5c", "EXCHANGE_S_STANDARD" } }),
  }
  local flags = ctx.tenant.flags
  if flags.p1 and not flags.premium then
    rows[2] = sku(ctx.tenant, "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", "AAD_PREMIUM", {
      { "41781fb2-bc02-4b7c-bd55-b576c07bb09d", "AAD_PREMIUM" },
    })
  elseif flags.premium then
    rows[2] = sku(ctx.tenant, "84a661c4-e949-4bd2-a560-ed7766fcaf2b", "AAD_PREMIUM_P2", {
      { "41781fb2-bc02-4b7c-bd55-b576c07bb09d", "AAD_PREMIUM" },
      { "eec0eb4f-6444-4f95-aba0-50c24d67f998", "AAD_PREMIUM_P2" },
    })
  end
  return query.list(ctx, "subscribedSku", query.rows(rows, { single_page = true }))
end

-- Partners of the tenant: it has none.
local function contracts(ctx)
  return query.list(ctx, "contract", query.rows {})
end

local function domain_row(ctx)
  return {
    id = ctx.tenant.domain, authenticationType = "Managed", isAdminManaged = true, isDefault = true, isInitial = true,
    isRoot = true, isVerified = true, passwordNotificationWindowInDays = 14, passwordValidityPeriodInDays = 2147483647,
    supportedServices = json.array { "Email", "OfficeCommunicationsOnline" },
  }
end

local function domains(ctx)
  return query.list(ctx, "domain", query.rows({ domain_row(ctx) }, { single_page = true }))
end

local function domain(ctx, id)
  if id:lower() ~= ctx.tenant.domain then answer.missing(id) end
  return query.entity(ctx, "domain", domain_row(ctx))
end

---------------------------------------------------------------------------
-- Administrative units

local function units(ctx)
  ctx.collection = "directory/administrativeUnits"
  return query.list(ctx, "administrativeUnit", query.source(ctx.tenant.units))
end

local function find_unit(ctx, id)
  return ctx.tenant.units:get(id, ctx.at) or answer.missing(id)
end

local function unit(ctx, id)
  return query.entity(ctx, "administrativeUnit", find_unit(ctx, id), nil, "directory/administrativeUnits/$entity")
end

local function unit_members(ctx, id)
  local ids = {}
  for member in pairs(find_unit(ctx, id)._members) do
    ids[#ids + 1] = member
  end
  table.sort(ids)
  return applications.list_objects(ctx, ids)
end

local function scoped_members(ctx, id)
  find_unit(ctx, id)
  local rows = {}
  for _, row in ctx.tenant.role_assignments:scan(ctx.at) do
    if row.directoryScopeId == "/administrativeUnits/" .. id then
      local object = directory.object(ctx.tenant, row.principalId, ctx.at)
      rows[#rows + 1] = { id = row.id, roleId = row.roleDefinitionId, administrativeUnitId = id,
        roleMemberInfo = { id = row.principalId, displayName = object and object.displayName or json.null } }
    end
  end
  ctx.collection = "scopedRoleMemberships"
  return query.list(ctx, "scopedRoleMembership", query.rows(rows))
end

---------------------------------------------------------------------------
-- Objects of any type

local function object(ctx, id)
  local row, type_name = directory.object(ctx.tenant, id:lower(), ctx.at)
  if not row then answer.missing(id) end
  local body = query.object(ctx, type_name, row)
  body["@odata.context"] = ctx:context("directoryObjects/$entity")
  return 200, body
end

local function wanted_types(body)
  if type(body.types) ~= "table" or #body.types == 0 then return nil end
  local set = {}
  for _, name in ipairs(body.types) do
    set[name] = true
  end
  return set
end

--- At most 1000 ids; missing objects are left out (directoryobject-getbyids).
local function by_ids(ctx)
  local ids = ctx.body.ids
  if type(ids) ~= "table" then answer.bad("A value is required for parameter 'ids'.") end
  if #ids > 1000 then answer.bad("The number of ids must not exceed 1000.") end
  local types, list = wanted_types(ctx.body), json.array {}
  local select = ctx.request.query["$select"]
  for _, id in ipairs(ids) do
    local row, type_name = directory.object(ctx.tenant, tostring(id):lower(), ctx.at)
    if row and (not types or types[type_name] or types.directoryObject) then
      list[#list + 1] = query.object(ctx, type_name, row, select and schema.names(type_name, select))
    end
  end
  return 200, { ["@odata.context"] = ctx:context("directoryObjects"), value = list }, head.acted(ctx)
end

M.routes = {
  ["GET /organization"] = organizations,
  ["GET /organization/{id}"] = organization,
  ["GET /subscribedSkus"] = licences,
  ["GET /contracts"] = contracts,
  ["GET /domains"] = domains,
  ["GET /domains/{id}"] = domain,
  ["GET /directory/administrativeUnits"] = units,
  ["GET /directory/administrativeUnits/{id}"] = unit,
  ["GET /directory/administrativeUnits/{id}/members"] = unit_members,
  ["GET /directory/administrativeUnits/{id}/scopedRoleMembers"] = scoped_members,
  ["GET /directoryObjects/{id}"] = object,
  ["POST /directoryObjects/getByIds"] = by_ids,
}

return M
