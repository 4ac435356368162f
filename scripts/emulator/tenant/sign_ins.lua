--- The sign-ins that a tenant records, in the form of Graph's signIn (Microsoft Learn: signin resource, beta; recorded
--- 2026: graph2otel@dfd9ef7, blob_test.go). No record contains a secret.
---
--- Assumptions: a refused sign-in of a person is not recorded; one of a client that the tenant does not know neither.

local events = require "emulator.tenant.events"
local json = require "json"
local moments = require "emulator.moments"
local random = require "emulator.random"
local time = require "time"

local M = {}

local MANAGER = { appId = "797f4846-ba00-4fd7-ba43-dac1f8f63013", displayName = "Azure Resource Manager" }

---@class emulator.sign_in: emulator.event
---@field kind "servicePrincipal"|"managedIdentity"|"interactiveUser"|"nonInteractiveUser"
---@field app string client id
---@field name string of the application
---@field principal string? object id
---@field credential string its clientCredentialType
---@field key string? key id
---@field thumbprint string? of a certificate
---@field federation string? id of a federated credential
---@field address string?
---@field code integer? of the refusal
---@field reason string?
---@field user table? who signed in
---@field resource "graph"|"resource manager"
---@field request string? the client-request-id

--- Record a sign-in.
---@param about emulator.sign_in without number and moment
function M:record_sign_in(about)
  self:note_use(events.add(self.sign_ins, about, self.now()))
end

-- The forms of createdDateTime that were seen.
local FORMS = {
  time.iso,
  moments.ticks,
  function(at) return (time.iso(at):gsub("Z$", "+00:00")) end,
}

local function guid(tenant, kind, record) return random.guid(tenant.seed, kind, record.n) end

local function empty() return json.array {} end

--- The members of a signIn that differ from record to record.
---@type table<string, fun(tenant: emulator.tenant, record: emulator.sign_in): any>
local MEMBERS = {
  id = function(tenant, record) return guid(tenant, "sign-in", record) end,
  createdDateTime = function(tenant, record) return random.pick(FORMS, tenant.seed, "moments", record.n)(record.at) end,
  appId = function(_, record) return record.app end,
  appDisplayName = function(_, record) return record.name end,
  servicePrincipalId = function(_, record) return record.principal or "" end,
  servicePrincipalName = function(_, record) return record.principal and record.name or "" end,
  servicePrincipalCredentialKeyId = function(tenant, record)
    if record.code and not tenant.flags.failed_sign_in_has_key then return nil end
    return record.key
  end,
  servicePrincipalCredentialThumbprint = function(_, record) return record.thumbprint or "" end,
  clientCredentialType = function(_, record) return record.credential end,
  federatedCredentialId = function(_, record) return record.federation end,
  ipAddress = function(_, record) return record.address end,
  correlationId = function(tenant, record)
    return tenant.flags.sign_in_keeps_request_id and record.request or guid(tenant, "correlation of a sign-in", record)
  end,
  uniqueTokenIdentifier = function(tenant, record)
    return random.long_id(tenant.seed, "token", record.n):sub(1, 22)
  end,
  resourceId = function(tenant, record)
    return record.resource == "resource manager" and MANAGER.appId or tenant.graph.appId
  end,
  resourceDisplayName = function(tenant, record)
    return record.resource == "resource manager" and MANAGER.displayName or tenant.graph.displayName
  end,
  resourceServicePrincipalId = function(tenant, record)
    return record.resource ~= "resource manager" and tenant.graph.id or ""
  end,
  signInEventTypes = function(_, record) return json.array { record.kind } end,
  isInteractive = function(_, record) return record.kind == "interactiveUser" end,
  status = function(_, record)
    return { errorCode = record.code or 0, failureReason = record.reason or "Other.", additionalDetails = json.null }
  end,
  conditionalAccessStatus = function(_, record) return record.code == 53003 and "failure" or "notApplied" end,
  userId = function(_, record) return record.user and record.user.id or "" end,
  userDisplayName = function(_, record) return record.user and record.user.displayName or "" end,
  userPrincipalName = function(_, record) return record.user and record.user.userPrincipalName or "" end,
  appOwnerTenantId = function(tenant) return tenant.id end,
  homeTenantId = function(tenant) return tenant.id end,
  resourceTenantId = function(tenant) return tenant.id end,
  appliedConditionalAccessPolicies = empty, riskEventTypes_v2 = empty,
  clientAppUsed = function() return "Unknown" end,
  deviceDetail = function()
    return { deviceId = "", displayName = "", operatingSystem = "", browser = "", isCompliant = false,
      isManaged = false, trustType = "" }
  end,
  location = function()
    return { city = "Montreal", state = "Quebec", countryOrRegion = "CA",
      geoCoordinates = { altitude = json.null, latitude = 45.5, longitude = -73.6 } }
  end,
  agent = function() return { agentType = "notAgentic", agentSubjectType = "notAgentic" } end,
}

--- A record in the form of a signIn. Members are made when they are read.
---@param record emulator.sign_in
---@return table
function M:sign_in_form(record)
  return setmetatable({}, { __index = function(_, name)
    local member = MEMBERS[name]
    return member and member(self, record)
  end })
end

local function whole(tenant, record)
  local form = {}
  for name, member in pairs(MEMBERS) do
    local value = member(tenant, record)
    form[name] = value == nil and json.null or value
  end
  form.createdDateTime = moments.ticks(record.at)
  return form
end

--- What a reader of the sign-in log is shown.
---@return emulator.events.view
function M:sign_in_view()
  return { seed = self.seed, now = self.now(), delay = self.flags.sign_in_delay, lost = self.flags.sign_ins_lost,
    licensed = self.flags.p1 }
end

--- The sign-ins of applications of the last 30 days, oldest first, without delay or loss.
---@return table[]
function M:sign_in_events()
  local list = json.array {}
  for _, row in ipairs(events.all(self.sign_ins, self.now(), function(record) return whole(self, record) end)) do
    if row.userId == "" then list[#list + 1] = row end
  end
  return list
end

return M
