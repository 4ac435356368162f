--- The answers with which Graph refuses: texts and codes as on Microsoft Learn's error page and in terraform's azuread
--- provider, 2026.

local M = {}

---@class emulator.refusal raised by handlers, turned into an answer by graph.handle
---@field status integer
---@field code string
---@field message string
---@field details table[]?
---@field headers table<string, string>?
local Refusal = { __name = "emulator.refusal" }
Refusal.__index = Refusal

--- Refuse the request.
---@param status integer
---@param code string
---@param message string
---@param more {details: table[]?, headers: table<string, string>?}?
function M.refuse(status, code, message, more)
  more = more or {}
  error(setmetatable({ status = status, code = code, message = message, details = more.details,
    headers = more.headers }, Refusal), 0)
end

--- Is the value a refusal?
---@return boolean
function M.is_refusal(value)
  return getmetatable(value) == Refusal
end

--- 403: no permission, no role, or the target's roles are stronger. Entra answers the same to all three.
function M.denied()
  M.refuse(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
end

--- 404.
---@param id any
function M.missing(id)
  M.refuse(404, "Request_ResourceNotFound", ("Resource '%s' does not exist or one of its queried reference-property "
    .. "objects are not present."):format(tostring(id)))
end

--- 400 of the most common kind.
---@param message string
---@param ... any for message:format
function M.bad(message, ...)
  M.refuse(400, "Request_BadRequest", message:format(...))
end

--- 400 of the query parser.
---@param message string
---@param ... any
function M.bad_query(message, ...)
  M.refuse(400, "BadRequest", message:format(...))
end

--- An object with this key exists. 409 in the field (Azure/reliable-web-app-pattern-java#185, KelvinTegelaar/CIPP#1142,
--- terraform-provider-azuread#690); the flag same_key_status says another status. Whether the answer has details is not
--- known.
---@param tenant emulator.tenant
---@param message string
function M.same_key(tenant, message)
  M.refuse(tenant.flags.same_key_status, "Request_MultipleObjectsWithSameKeyValue", message)
end

--- Another object has this value: what users and unique names get (pnp/cli-microsoft365, user-add.spec.ts, 2023;
--- microsoft-graph-docs#1508: status 400).
---@param property string
function M.same_value(property)
  local message = ("Another object with the same value for property %s already exists."):format(property)
  M.refuse(400, "Request_BadRequest", message,
    { details = { { code = "ObjectConflict", message = message, target = property } } })
end

return M
