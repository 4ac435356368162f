--- Sign-ins of one application: key id, address and error code of each, some minutes late.
---
--- The v1.0 of the log has no sign-ins of applications (it does not know `signInEventTypes`), so this is beta. The log
--- is in the global cloud, needs a licence Entra ID P1 or P2, and keeps 30 days (Microsoft Learn, "List signIns";
--- "Microsoft Entra data retention"). Sign-ins on behalf of people are not in it.

local reading = require "evidence.reading"

local M = {}

local WHAT = "read the sign-ins of application %s"

local FILTER = "signInEventTypes/any(t: t eq 'servicePrincipal') and appId eq %s and createdDateTime ge %t and "
  .. "createdDateTime le %t"

-- clientCredentialType (Microsoft Learn, "signIn resource type")
local CREDENTIALS = {
  clientSecret = "secret", certificate = "certificate", clientAssertion = "certificate",
  federatedIdentityCredential = "federated", managedIdentity = "managed_identity",
}

local EMPTY_ID = "00000000-0000-0000-0000-000000000000"

--- Make an event from a record of the log. Raises "bad_answer" for a record that has no moment or no error code.
---@param record table
---@param app_id string client id
---@return evidence.sign_in
function M.decode(record, app_id)
  local what = WHAT:format(app_id)
  local status, key_id = reading.object(record.status), reading.id(record.servicePrincipalCredentialKeyId)
  local code = math.tointeger(tonumber(status.errorCode))
  return {
    id = reading.text(record.id) or reading.raise_unreadable(what, "id"),
    at = reading.moment(record.createdDateTime) or reading.raise_unreadable(what, "createdDateTime"),
    app_id = reading.id(record.appId) or app_id:lower(),
    key_id = key_id ~= EMPTY_ID and key_id or nil,
    credential = CREDENTIALS[record.clientCredentialType] or "unknown", address = reading.text(record.ipAddress),
    error = code or reading.raise_unreadable(what, "status.errorCode"),
    reason = code ~= 0 and reading.text(status.failureReason) or nil,
    resource = reading.text(record.resourceDisplayName), correlation_id = reading.id(record.correlationId),
  }
end

--- The sign-ins of an application from `from` to before `to`, newest first as a rule. Sends one request for each page,
--- and raises the failure of a page. Waits.
---@param app_id string client id
---@param from number
---@param to number
---@return fun(): evidence.sign_in|nil
function M.read(app_id, from, to)
  local filter = { FILTER, app_id:lower(), math.floor(from), math.ceil(to) }
  local items = reading.items("/beta/auditLogs/signIns", WHAT:format(app_id), { filter = filter })
  return function()
    for record in items do
      local event = M.decode(record, app_id)
      if event.app_id == app_id:lower() and event.at >= from and event.at < to then return event end
    end
  end
end

return M
