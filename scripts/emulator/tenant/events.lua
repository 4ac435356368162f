--- What a tenant records: sign-ins of applications and changes of passwords, in the form of Graph's signIn and
--- directoryAudit. No record contains a secret.

local json = require "json"
local random = require "emulator.random"
local time = require "time"

local M = {}

local KEPT = 30 * 86400 -- seconds: the retention with Entra ID P1 or P2 (reference-reports-data-retention)
local MOST = 10000 -- records of a kind

--- A new list without records.
---@return table
function M.list()
  return { first = 1, last = 0 }
end

local function new_id(self)
  self.events = self.events + 1
  return random.guid(self.seed, "event", self.events)
end

local function add(list, row, now)
  list.last = list.last + 1
  list[list.last] = row
  while list.last - list.first >= MOST or list[list.first]._at < now - KEPT do
    list[list.first] = nil
    list.first = list.first + 1
  end
end

local function rows_of(list, now)
  local found = json.array {}
  for i = list.first, list.last do
    if list[i]._at >= now - KEPT then
      local row = {}
      for name, value in pairs(list[i]) do
        if name ~= "_at" then row[name] = value end
      end
      found[#found + 1] = row
    end
  end
  return found
end

--- Put a sign-in of an application on record.
--- Record a sign-in of an application.
---@param about { key: string?, kind: string, address: string?, code: integer?, reason: string? } code: of the refusal
function M:record_sign_in(principal, about)
  local now = self.now()
  local key = about.key
  if about.code and not self.flags.failed_sign_in_has_key then key = nil end
  add(self.sign_ins, {
    _at = now, id = new_id(self), createdDateTime = time.iso(now), correlationId = new_id(self),
    appId = principal.appId, appDisplayName = principal.displayName, servicePrincipalId = principal.id,
    servicePrincipalName = principal.displayName, signInEventTypes = json.array { "servicePrincipal" },
    servicePrincipalCredentialKeyId = key or json.null, clientCredentialType = about.kind,
    resourceId = self.graph.appId, resourceDisplayName = self.graph.displayName, ipAddress = about.address,
    status = { errorCode = about.code or 0, failureReason = about.reason or json.null },
    conditionalAccessStatus = about.code == 53003 and "failure" or "notApplied",
  }, now)
end

local function initiator(self, caller)
  local principal = caller.idtyp ~= "user" and self.service_principals:newest(caller.oid)
  if principal then
    -- appId is null in every recorded answer of Graph that is public.
    return { user = json.null, app = { appId = json.null, displayName = principal.displayName,
      servicePrincipalId = principal.id, servicePrincipalName = json.null } }
  end
  local user = self.users:newest(caller.oid) or {}
  return { app = json.null, user = { id = caller.oid, displayName = user.displayName,
    userPrincipalName = user.userPrincipalName } }
end

--- Record that somebody set a user's password; a flag has the names of the activities.
---@param caller table claims of the token
---@param user table
function M:record_reset(caller, user)
  local now, correlation = self.now(), new_id(self)
  for i, activity in ipairs(self.flags.reset_activities) do
    add(self.audits, {
      _at = now, id = ("Directory_%s_RESET_%d"):format(correlation, i), correlationId = correlation,
      activityDateTime = time.iso(now), activityDisplayName = activity, category = "UserManagement",
      loggedByService = "Core Directory", operationType = i == 1 and "Reset" or "Update", result = "success",
      resultReason = "", initiatedBy = initiator(self, caller), additionalDetails = json.array {},
      targetResources = json.array { { id = user.id, displayName = json.null, type = "User",
        userPrincipalName = user.userPrincipalName, modifiedProperties = json.array {} } },
    }, now)
  end
end

--- The recorded sign-ins of applications, oldest first.
---@return table[]
function M:sign_in_events() return rows_of(self.sign_ins, self.now()) end

--- The recorded changes, oldest first.
---@return table[]
function M:audit_events() return rows_of(self.audits, self.now()) end

return M
