--- /beta/reports: when credentials and service principals were last used (Microsoft Learn:
--- reportroot-list-appcredentialsigninactivities, reportroot-list-serviceprincipalsigninactivities; recorded 2026:
--- graph2otel@dfd9ef7, signinactivity_test.go). Docs and wire differ; what only a real tenant can tell is a switch.
---
--- Assumptions: a credential that was removed is not in the report any more, one that was made after the last day of
--- the report is not yet.

local answer = require "emulator.graph.answer"
local crypto = require "base.crypto"
local events = require "emulator.tenant.events"
local json = require "json"
local logs = require "emulator.graph.logs"
local moments = require "emulator.moments"
local query = require "emulator.query"
local random = require "emulator.random"
local time = require "time"

local M = {}

local DAY = events.DAY
local CREDENTIALS, PRINCIPALS = "appCredentialSignInActivity", "servicePrincipalSignInActivity"

-- Refuse, as the flags say, where the reports do not exist or the licence is missing. Returns true when the answer is
-- an empty list.
local function is_closed(ctx, name)
  local flags = ctx.tenant.flags
  logs.need_global_cloud(ctx, name)
  logs.need_reader(ctx)
  if not flags.p1 and flags.unlicensed_report == "empty" then return true end
  logs.need_licence(ctx, flags.unlicensed_report)
  return false
end

local function request_id(tenant, use, aggregates)
  if aggregates and random.fraction(tenant.seed, "aggregated", use.n) < 0.4 then return "Aggregated" end
  return random.guid(tenant.seed, "sign-in", use.n)
end

local function activity(tenant, use, aggregates)
  return { lastSignInDateTime = use and moments.milliseconds(use.at) or json.null,
    lastSignInRequestId = use and request_id(tenant, use, aggregates) or json.null }
end

local function is_lost(tenant, id)
  return random.fraction(tenant.seed, "lost rows", tonumber(id:sub(1, 8), 16)) < tenant.flags.report_lost
end

---------------------------------------------------------------------------
-- Credentials

-- A moment as these reports show it.
local function instant(text) return moments.milliseconds(time.parse(text)) end

-- The credentials of an application or service principal: key id, kind, start and end as texts, of the crowd?
local function credentials_of(tenant, owner)
  local list = {}
  for _, key in ipairs(tenant.keys_of[owner.id] or {}) do
    local row = tenant.working_secrets:newest(key)
    if row then list[#list + 1] = { key = key, secret = true, starts = row.startDateTime, ends = row.endDateTime } end
  end
  for _, row in ipairs(owner._secrets or {}) do
    list[#list + 1] = { key = row.keyId, secret = true, starts = row.startDateTime, ends = row.endDateTime,
      crowd = true }
  end
  for _, row in ipairs(owner.keyCredentials or {}) do
    list[#list + 1] = { key = row.keyId, starts = row.startDateTime, ends = row.endDateTime,
      crowd = owner._secrets ~= nil }
  end
  return list
end

---@class emulator.reported_credential
---@field owner table
---@field origin "application"|"servicePrincipal"
---@field credential table
---@field use emulator.use?

local function report_owner(ctx, found, owner, origin)
  local tenant = ctx.tenant
  local before = (tenant:reported_day() + 1) * DAY
  for _, credential in ipairs(credentials_of(tenant, owner)) do
    local use = tenant:last_use("keys", credential.key, credential.crowd)
    local is_there = time.parse(credential.starts) < before and (use or tenant.flags.report_has_unused)
    if is_there and not is_lost(tenant, credential.key) then
      found[#found + 1] = { owner = owner, origin = origin, credential = credential, use = use }
      if tenant.flags.report_doubles then
        found[#found + 1] = { owner = owner, origin = "servicePrincipal", credential = credential }
      end
    end
  end
end

local function by_use(a, b)
  local left, right = a.use and a.use.at or 0, b.use and b.use.at or 0
  if left ~= right then return left > right end
  return a.credential.key < b.credential.key
end

-- What a report has, which changes with the day and the flags only. Kept for one day: clients read many pages.
local function of_the_day(tenant, name, make)
  local day = tenant:reported_day()
  if tenant.reports.day ~= day then tenant.reports = { day = day } end
  tenant.reports[name] = tenant.reports[name] or make()
  return tenant.reports[name]
end

-- The newest use first (recorded).
local function sorted_credentials(ctx, app_id)
  local tenant, found = ctx.tenant, {}
  local equals = app_id and { "appId", app_id }
  for collection, origin in pairs { applications = "application", service_principals = "servicePrincipal" } do
    for _, owner in tenant[collection]:scan(ctx.at, 1, equals) do
      if not app_id or owner.appId == app_id then report_owner(ctx, found, owner, origin) end
    end
  end
  table.sort(found, by_use)
  return found
end

local function reported_credentials(ctx, app_id)
  if app_id then return sorted_credentials(ctx, app_id) end
  return of_the_day(ctx.tenant, CREDENTIALS, function() return sorted_credentials(ctx) end)
end

-- A list whose rows are made when they are read; nil: the credential was removed today.
local function source(list, form)
  return { scan = function(_, from)
    local place = from - 1
    return function()
      while true do
        place = place + 1
        if not list[place] then return nil end
        local row = form(list[place])
        if row then return place, row end
      end
    end
  end }
end

local function is_there(tenant, credential)
  return not credential.secret or credential.crowd or tenant.working_secrets:newest(credential.key) ~= nil
end

local function credential_row(tenant, one)
  local flags, credential = tenant.flags, one.credential
  local secret_type = flags.report_key_type
  local row = {
    id = crypto.base64(flags.report_id_has_origin and credential.key .. "|" .. one.origin or credential.key),
    keyId = credential.key, keyType = credential.secret and secret_type or "certificate", keyUsage = "verify",
    appId = one.owner.appId, appObjectId = one.origin == "application" and one.owner.id or json.null,
    servicePrincipalObjectId = one.origin == "servicePrincipal" and one.owner.id or json.null,
    resourceId = one.use and tenant.graph.appId or json.null, credentialOrigin = one.origin,
    createdDateTime = instant(credential.starts), signInActivity = activity(tenant, one.use),
  }
  row[flags.report_end] = instant(credential.ends)
  return row
end

-- What the filter demands: only whole equalities are known.
local function wanted(ctx)
  local found = {}
  local text = ctx.request.query["$filter"] or ""
  for name, value in text:gmatch("(%w+) eq '([^']*)'") do found[name] = value:lower() end
  return found
end

query.limit(CREDENTIALS, {
  page = 100, largest = 999, order = { expirationDateTime = true }, filter = { appId = "eq", keyId = "eq" },
  check = function(ctx)
    if not ctx.tenant.flags.report_filters then answer.bad_query("Invalid filter clause") end
  end,
})

-- The documentation shows a filtered answer as one object.
local function bare(ctx, body)
  local row = body.value[1]
  if not ctx.tenant.flags.report_bare or not row or not ctx.request.query["$filter"] then return 200, body end
  row["@odata.context"] = body["@odata.context"]
  return 200, row
end

local function credentials(ctx)
  local found = is_closed(ctx, "appCredentialSignInActivities") and {} or reported_credentials(ctx, wanted(ctx).appId)
  ctx.collection = "reports/appCredentialSignInActivities"
  local _, body = query.list(ctx, CREDENTIALS, source(found, function(one)
    return is_there(ctx.tenant, one.credential) and credential_row(ctx.tenant, one) or nil
  end))
  return bare(ctx, body)
end

local function credential(ctx, id)
  local found = is_closed(ctx, "appCredentialSignInActivities") and {} or reported_credentials(ctx)
  for _, one in ipairs(found) do
    local row = credential_row(ctx.tenant, one)
    if row.id == id then
      return query.entity(ctx, CREDENTIALS, row, nil, "reports/appCredentialSignInActivities/$entity")
    end
  end
  answer.missing(id)
end

---------------------------------------------------------------------------
-- Service principals

local function later(a, b)
  if a and b then return a.at > b.at and a or b end
  return a or b
end

local function principal_uses(tenant, principal)
  local app_id, by_crowd = principal.appId, principal._secrets ~= nil
  local client, people = tenant:last_use("clients", app_id, by_crowd), tenant:last_use("people", app_id)
  local resource = tenant:last_use("resources", app_id)
  local last = later(later(client, people), resource)
  if not last or is_lost(tenant, app_id) then return nil end
  return { app_id = app_id, client = client, people = people, resource = resource, last = last }
end

local function principal_row(tenant, uses)
  return {
    id = crypto.base64(uses.app_id), appId = uses.app_id,
    applicationAuthenticationClientSignInActivity = activity(tenant, uses.client),
    applicationAuthenticationResourceSignInActivity = activity(tenant, uses.resource),
    delegatedClientSignInActivity = activity(tenant, uses.people, true),
    delegatedResourceSignInActivity = activity(tenant), lastSignInActivity = activity(tenant, uses.last),
  }
end

local function sorted_principals(ctx, app_id)
  local tenant, list = ctx.tenant, {}
  for _, principal in tenant.service_principals:scan(ctx.at, 1, app_id and { "appId", app_id }) do
    list[#list + 1] = (not app_id or principal.appId == app_id) and principal_uses(tenant, principal) or nil
  end
  table.sort(list, function(a, b)
    if a.last.at ~= b.last.at then return a.last.at > b.last.at end
    return a.app_id < b.app_id
  end)
  return list
end

local function reported_principals(ctx, app_id)
  if app_id then return sorted_principals(ctx, app_id) end
  return of_the_day(ctx.tenant, PRINCIPALS, function() return sorted_principals(ctx) end)
end

query.limit(PRINCIPALS, { page = 100, largest = 999, order = {}, filter = { appId = "eq" } })

local function principals(ctx)
  local found = is_closed(ctx, "servicePrincipalSignInActivities") and {}
    or reported_principals(ctx, wanted(ctx).appId)
  ctx.collection = "reports/servicePrincipalSignInActivities"
  return query.list(ctx, PRINCIPALS, source(found, function(uses) return principal_row(ctx.tenant, uses) end))
end

M.routes = {}

M.beta = {
  ["GET /reports/appCredentialSignInActivities"] = credentials,
  ["GET /reports/appCredentialSignInActivities/{id}"] = credential,
  ["GET /reports/servicePrincipalSignInActivities"] = principals,
}

return M
