--- /auditLogs: sign-ins and directory audits (Microsoft Learn: signin-list, signin resource of beta,
--- directoryaudit-list, auditlogroot-getsummarizedserviceprincipalsignins; what differs on the wire:
--- graph2otel@dfd9ef7, 2026).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local crypto = require "base.crypto"
local events = require "emulator.tenant.events"
local query = require "emulator.query"
local time = require "time"

local M = {}

local DAY = events.DAY
local NEWEST = 0xFFFFFFFF -- the place of record n on a page is NEWEST - n: newest first

local READERS = { "Global Administrator", "Global Reader", "Reports Reader", "Security Administrator",
  "Security Operator", "Security Reader" }

--- Refuse a person who has no role that may read logs and reports (the code: several public programs, 2024 to 2026).
---@param ctx emulator.context
function M.need_reader(ctx)
  if not access.is_person(ctx) or access.holds(ctx, READERS) then return end
  answer.refuse(403, "Authentication_RequestFromUnsupportedUserRole", "User is not in the allowed roles")
end

--- Refuse a tenant without Entra ID P1.
---@param ctx emulator.context
---@param status integer?
function M.need_licence(ctx, status)
  if ctx.tenant.flags.p1 then return end
  answer.refuse(status or 403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
    "Neither tenant is B2C or tenant doesn't have premium license")
end

--- Refuse a part of beta that is in the global cloud only.
function M.need_global_cloud(ctx, name)
  if ctx.tenant.flags.national_cloud then answer.bad_query("Resource not found for the segment '%s'.", name) end
end

-- A list of records, newest first.
local function source(list, view, form, only)
  return { scan = function(_, from)
    local step = events.shown(list, view, from > 1 and NEWEST - from or nil)
    return function()
      for n, record in step do
        if not only or only(record) then return NEWEST - n, form(record) end
      end
    end
  end }
end

local function find(id, list, view, form)
  for _, record in events.shown(list, view) do
    local row = form(record)
    if row.id == id then return row end
  end
  answer.missing(id)
end

---------------------------------------------------------------------------
-- Sign-ins

local LONGEST = 90 * DAY -- microsoft-graph-docs#5676: a filter may not begin earlier

-- What v1.0 does not have ("Could not find a property named 'signInEventTypes'", recorded 2026).
local BETA = {}
for name in ("signInEventTypes servicePrincipalCredentialKeyId servicePrincipalCredentialThumbprint "
  .. "clientCredentialType federatedCredentialId uniqueTokenIdentifier homeTenantId resourceTenantId "
  .. "resourceServicePrincipalId servicePrincipalId servicePrincipalName appOwnerTenantId agent"):gmatch("%S+") do
  BETA[name] = true
end

local function check_version(ctx, path)
  local name = path:match("^[^/]+")
  if ctx.version == "v1.0" and BETA[name] then
    answer.bad_query("Could not find a property named '%s' on type 'microsoft.graph.signIn'.", name)
  end
end

local USERS = { interactiveUser = true, nonInteractiveUser = true }

-- One query may not ask for users and for others (recorded 2026).
local function check_kinds(ctx, kind)
  ctx.kinds = ctx.kinds or {}
  for other in pairs(ctx.kinds) do
    if (USERS[other] or false) ~= (USERS[kind] or false) then answer.bad_query("Invalid filter clause") end
  end
  ctx.kinds[kind] = true
end

query.limit("signIn", {
  page = 1000, largest = 1000, order = { createdDateTime = true },
  filter = {
    id = "eq", appId = "eq", appDisplayName = "eq startswith", createdDateTime = "eq le ge",
    ipAddress = "eq startswith", resourceId = "eq", resourceDisplayName = "eq", servicePrincipalId = "eq startswith",
    servicePrincipalName = "eq startswith", correlationId = "eq", conditionalAccessStatus = "eq",
    userId = "eq", userDisplayName = "eq startswith", userPrincipalName = "eq startswith", signInEventTypes = "eq",
    ["status/errorCode"] = "eq", clientAppUsed = "eq",
  },
  check = function(ctx, path, _, value)
    check_version(ctx, path)
    if path == "signInEventTypes" then check_kinds(ctx, value) end
    if path ~= "createdDateTime" then return end
    if type(value) ~= "table" or value.date < ctx:now() - LONGEST then answer.bad_query("Invalid filter clause") end
  end,
})

-- Without a filter on signInEventTypes there are only sign-ins of people at a page (signin resource).
local function is_asked_for(ctx)
  return function(record)
    if not ctx.kinds then return record.kind == "interactiveUser" end
    return ctx.kinds[record.kind] == true
  end
end

local function sign_in_form(ctx)
  return function(record) return ctx.tenant:sign_in_form(record) end
end

local function need_sign_ins(ctx)
  M.need_reader(ctx)
  M.need_licence(ctx)
  ctx.collection = "auditLogs/signIns"
end

-- Remove what v1.0 does not have.
local function in_version(ctx, row)
  for name in pairs(ctx.version == "v1.0" and BETA or {}) do row[name] = nil end
end

local function sign_ins(ctx)
  if ctx.version == "beta" then M.need_global_cloud(ctx, "signIns") end
  need_sign_ins(ctx)
  for name in (ctx.request.query["$select"] or ""):gmatch("[^,%s]+") do check_version(ctx, name) end
  local tenant = ctx.tenant
  local status, body = query.list(ctx, "signIn", source(tenant.sign_ins, tenant:sign_in_view(), sign_in_form(ctx),
    is_asked_for(ctx)))
  for _, row in ipairs(body.value) do in_version(ctx, row) end
  return status, body
end

local function sign_in(ctx, id)
  need_sign_ins(ctx)
  local tenant = ctx.tenant
  local row = find(id, tenant.sign_ins, tenant:sign_in_view(), sign_in_form(ctx))
  local status, body = query.entity(ctx, "signIn", row, nil, "auditLogs/signIns/$entity")
  in_version(ctx, body)
  return status, body
end

---------------------------------------------------------------------------
-- Counted sign-ins

local WINDOWS = { h1 = 3600, h6 = 6 * 3600, d1 = DAY }

-- The key of the row that counts a sign-in.
local function key_of(row, moment)
  return table.concat({ moment, row.appId, row.ipAddress or "", row.resourceId, row.status.errorCode,
    row.conditionalAccessStatus }, "|")
end

local function counted(key, row, moment)
  return { id = crypto.base64(key), signInCount = 0, aggregationDateTime = time.iso(moment), appId = row.appId,
    appDisplayName = row.appDisplayName, ipAddress = row.ipAddress, resourceId = row.resourceId,
    resourceDisplayName = row.resourceDisplayName, servicePrincipalId = row.servicePrincipalId,
    servicePrincipalName = row.servicePrincipalName, status = row.status,
    conditionalAccessStatus = row.conditionalAccessStatus, agent = row.agent }
end

local function count_sign_ins(ctx, seconds)
  local tenant, rows, by_key = ctx.tenant, {}, {}
  for _, record in events.shown(tenant.sign_ins, tenant:sign_in_view()) do
    if record.kind == "servicePrincipal" then
      local row = tenant:sign_in_form(record)
      local moment = record.at // seconds * seconds
      local key = key_of(row, moment)
      if not by_key[key] then
        by_key[key] = counted(key, row, moment)
        rows[#rows + 1] = by_key[key]
      end
      by_key[key].signInCount = by_key[key].signInCount + 1
      by_key[key].firstSignInDateTime = row.createdDateTime
    end
  end
  return rows
end

query.limit("summarizedSignIn", {
  page = 1000, largest = 1000, order = { aggregationDateTime = true },
  filter = { appId = "eq", servicePrincipalId = "eq", ipAddress = "eq", aggregationDateTime = "eq le ge" },
  check = function(ctx)
    if not ctx.tenant.flags.counted_filters then answer.bad_query("Invalid filter clause") end
  end,
})

local function summarized(ctx, key)
  M.need_global_cloud(ctx, "getSummarizedServicePrincipalSignIns")
  need_sign_ins(ctx)
  local seconds = type(key) == "table" and WINDOWS[key.aggregationWindow]
  if not seconds then answer.bad_query("Invalid value specified for parameter 'aggregationWindow'.") end
  ctx.collection = "Collection(microsoft.graph.summarizedSignIn)"
  return query.list(ctx, "summarizedSignIn", query.rows(count_sign_ins(ctx, seconds)))
end

---------------------------------------------------------------------------
-- Directory audits

query.limit("directoryAudit", {
  page = 1000, largest = 1000, order = { activityDateTime = true },
  filter = {
    activityDateTime = "eq le ge", activityDisplayName = "eq startswith", correlationId = "eq", id = "eq",
    loggedByService = "eq", category = "eq", result = "eq",
    ["initiatedBy/user/id"] = "eq", ["initiatedBy/user/displayName"] = "eq startswith",
    ["initiatedBy/user/userPrincipalName"] = "eq startswith", ["initiatedBy/app/appId"] = "eq",
    ["initiatedBy/app/displayName"] = "eq startswith", ["initiatedBy/app/servicePrincipalId"] = "eq",
    ["targetResources/id"] = "eq", ["targetResources/displayName"] = "eq startswith",
  },
  check = function(ctx, path, _, value)
    local dated = path ~= "activityDateTime" or type(value) == "table"
    local allowed = path ~= "initiatedBy/app/servicePrincipalId" or ctx.tenant.flags.audit_filter_principal
    if not dated or not allowed then answer.bad_query("Invalid filter clause") end
  end,
})

local function audit_form(ctx)
  return function(record) return ctx.tenant:audit_form(record) end
end

local function audits(ctx)
  M.need_reader(ctx)
  local tenant = ctx.tenant
  ctx.collection = "auditLogs/directoryAudits"
  return query.list(ctx, "directoryAudit", source(tenant.audits, tenant:audit_view(), audit_form(ctx)))
end

local function audit(ctx, id)
  M.need_reader(ctx)
  local tenant = ctx.tenant
  local row = find(id, tenant.audits, tenant:audit_view(), audit_form(ctx))
  return query.entity(ctx, "directoryAudit", row, nil, "auditLogs/directoryAudits/$entity")
end

M.routes = {
  ["GET /auditLogs/signIns"] = sign_ins,
  ["GET /auditLogs/signIns/{id}"] = sign_in,
  ["GET /auditLogs/directoryAudits"] = audits,
  ["GET /auditLogs/directoryAudits/{id}"] = audit,
}

M.beta = {
  ["GET /auditLogs/signIns"] = sign_ins,
  ["GET /auditLogs/signIns/{id}"] = sign_in,
  ["GET /auditLogs/directoryAudits"] = audits,
  ["GET /auditLogs/getSummarizedServicePrincipalSignIns/{id}"] = summarized,
}

return M
