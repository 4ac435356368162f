--- The refusals of the identity platform: the numbers and the form of the answers are Microsoft's (Microsoft Learn:
--- reference-error-codes), the texts are ours.

local crypto = require "base.crypto"
local json = require "json"
local time = require "time"

local M = {}

--- code -> error, HTTP status, text, suberror.
---@type table<integer, {[1]: string, [2]: integer, [3]: string, [4]: string?}>
local CODES = {
  [28002] = { "invalid_scope", 400, "The scope '%s' is not valid for this grant." },
  [50011] = { "invalid_request", 400, "The redirect URI '%s' is not registered for the application." },
  [50034] = { "invalid_grant", 400, "The user account '%s' does not exist in this tenant." },
  [50057] = { "invalid_grant", 400, "The user account '%s' is disabled." },
  [50126] = { "invalid_grant", 400, "Invalid user name or password." },
  [50173] = { "invalid_grant", 400, "The grant was revoked: the password or sessions changed since.", "bad_token" },
  [500011] = { "invalid_resource", 400, "The resource principal named '%s' was not found in this tenant." },
  [501481] = { "invalid_grant", 400, "The code_verifier does not match the code_challenge." },
  [53003] = { "invalid_grant", 400, "Access was blocked by Conditional Access policies: no token is issued." },
  [54005] = { "invalid_grant", 400, "The authorization code was already redeemed." },
  [65001] = { "invalid_grant", 400, "The user or an administrator has not consented to '%s' for the application '%s'.",
    "consent_required" },
  [65004] = { "access_denied", 400, "The user declined to consent." },
  [700016] = { "unauthorized_client", 400, "Application with identifier '%s' was not found in the directory." },
  [700022] = { "invalid_scope", 400, "The scope names more than one resource." },
  [700025] = { "invalid_client", 401, "The client is public: it must send no 'client_assertion' or 'client_secret'." },
  [700023] = { "invalid_client", 401, "The audience of the client assertion is not this endpoint." },
  [700024] = { "invalid_client", 401, "The client assertion is not within its valid time range." },
  [700027] = { "invalid_client", 401, "The client assertion could not be verified. [Reason - %s]" },
  [700082] = { "invalid_grant", 400, "The refresh token expired due to inactivity." },
  [700211] = { "invalid_client", 401, "No federated identity record has the issuer '%s' of the assertion." },
  [700212] = { "invalid_client", 401, "No federated identity record has the audience '%s' of the assertion." },
  [700213] = { "invalid_client", 401, "No federated identity record has the subject '%s' of the assertion." },
  [7000112] = { "unauthorized_client", 400, "Application '%s' is disabled." },
  [7000215] = { "invalid_client", 401, "Invalid client secret for the application '%s'. Send its value, not its id." },
  [7000216] = { "invalid_request", 400, "'client_assertion' or 'client_secret' is required for this grant." },
  [7000218] = { "invalid_client", 401, "The request must contain 'client_assertion' or 'client_secret'." },
  [7000222] = { "invalid_client", 401, "The client secrets of application '%s' are expired." },
  [70000] = { "invalid_grant", 400, "The grant is not one this tenant issued to this client." },
  [70003] = { "unsupported_grant_type", 400, "The grant type '%s' is not supported." },
  [70008] = { "invalid_grant", 400, "The authorization code expired." },
  [70011] = { "invalid_scope", 400, "The scope '%s' is not valid or does not exist." },
  [70016] = { "authorization_pending", 400, "The sign-in is pending: the user has not entered the code yet." },
  [70018] = { "bad_verification_code", 400, "The device code is not known." },
  [70020] = { "expired_token", 400, "The device code expired." },
  [90002] = { "invalid_tenant", 400, "Tenant '%s' was not found. Check the tenant id and the cloud." },
  [90033] = { "temporarily_unavailable", 503, "A transient error occurred. Try again." },
  [900023] = { "invalid_tenant", 400, "The tenant identifier '%s' is neither a GUID nor a domain name." },
  [900144] = { "invalid_request", 400, "The request must contain the parameter '%s'." },
  [900561] = { "invalid_request", 400, "The endpoint accepts POST only, not %s." },
  [900971] = { "invalid_request", 400, "No redirect URI was given." },
  [9001023] = { "invalid_request", 400, "This grant is not supported over /common; name the tenant." },
  [9002313] = { "invalid_request", 400, "The request is malformed: %s." },
  [1002012] = { "invalid_scope", 400, "The scope '%s' is not valid for client credentials: it must end in /.default." },
}

---@class emulator.login.refusal
---@field code integer
---@field error string
---@field status integer
---@field text string
---@field suberror string?
local Refusal = { __name = "emulator.login.refusal" }
Refusal.__index = Refusal

--- Refuse the request being handled.
---@param code integer AADSTS number
---@param ... string the names in its text
function M.raise(code, ...)
  local row = CODES[code]
  local text = row[3]:format(...)
  error(setmetatable({ code = code, error = row[1], status = row[2], text = text, suberror = row[4] }, Refusal), 0)
end

--- Refuse with another error name: "slow_down", "authorization_declined".
---@param name string
---@param code integer
function M.raise_as(name, code)
  local row = CODES[code]
  error(setmetatable({ code = code, error = name, status = row[2], text = row[3] }, Refusal), 0)
end

---@return boolean
function M.is(value)
  return getmetatable(value) == Refusal
end

--- The time in the form of these answers: "2016-01-09 02:02:12Z".
local function stamp()
  return (time.iso(time.now()):gsub("T", " "))
end

--- The refusal as one line for a page.
---@param refusal emulator.login.refusal
---@return string
function M.line(refusal)
  return ("AADSTS%d: %s"):format(refusal.code, refusal.text)
end

--- The refusal as the body of an answer.
---@param refusal emulator.login.refusal
---@param correlation string?
---@return table
function M.body(refusal, correlation)
  local trace, at = crypto.uuid(), stamp()
  correlation = correlation or crypto.uuid()
  return {
    error = refusal.error,
    error_description = ("%s Trace ID: %s Correlation ID: %s Timestamp: %s"):format(M.line(refusal), trace,
      correlation, at),
    error_codes = json.array { refusal.code },
    timestamp = at,
    trace_id = trace,
    correlation_id = correlation,
    error_uri = ("https://login.microsoftonline.com/error?code=%d"):format(refusal.code),
    suberror = refusal.suberror,
  }
end

return M
