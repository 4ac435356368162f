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

--- The same key is taken (400 and 409 were both seen: a flag).
---@param tenant emulator.tenant
---@param message string
---@param property string
function M.same_key(tenant, message, property)
  M.refuse(tenant.flags.same_key_status, "Request_MultipleObjectsWithSameKeyValue", message,
    { details = { { code = "ConflictingObjects", message = message, target = property } } })
end

return M
