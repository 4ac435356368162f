--- The refusals of the identity platform. Numbers, form and sentences are Microsoft's, because an administrator
--- searches for them (Microsoft Learn: reference-error-codes, 2026; answers quoted in public issues, 2019 to 2026). The
--- sentences in OWN are ours: no quoted one is known.

local crypto = require "base.crypto"
local json = require "json"
local time = require "time"

local M = {}

local CHECK_FEDERATION = " Please check your federated identity credential Subject, Audience and Issuer against the "
  .. "presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
local WRONG_TENANT = " This can happen if the application has not been installed by the administrator of the tenant or "
  .. "consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."

--- code -> error, HTTP status, text, suberror.
---@type table<integer, {[1]: string, [2]: integer, [3]: string, [4]: string?}>
local CODES = {
  [50011] = { "invalid_request", 400, "The redirect URI '%s' specified in the request does not match the redirect "
    .. "URIs configured for the application '%s'. Make sure the redirect URI sent in the request matches one added "
    .. "to your application in the Azure portal." },
  [50034] = { "invalid_grant", 400, "The user account %s does not exist in the %s directory. To sign into this "
    .. "application, the account must be added to the directory." },
  [50057] = { "invalid_grant", 400, "The user account is disabled." },
  [50126] = { "invalid_grant", 400, "Error validating credentials due to invalid username or password." },
  [50173] = { "invalid_grant", 400, "The provided grant has expired due to it being revoked, a fresh auth token is "
    .. "needed. The user might have changed or reset their password. The grant was issued on '%s' and the "
    .. "TokensValidFrom date (before which tokens are not valid) for this user is '%s'.", "bad_token" },
  [500011] = { "invalid_resource", 400, "The resource principal named %s was not found in the tenant named %s."
    .. WRONG_TENANT:gsub("may", "might") },
  [501481] = { "invalid_grant", 400, "The Code_Verifier does not match the code_challenge supplied in the "
    .. "authorization request." },
  [53003] = { "invalid_grant", 400, "Access has been blocked by Conditional Access policies. The access policy does "
    .. "not allow token issuance.", "message_only" },
  [54005] = { "invalid_grant", 400, "OAuth2 Authorization code was already redeemed, please retry with a new valid "
    .. "code or use an existing refresh token." },
  [65001] = { "invalid_grant", 400, "The user or administrator has not consented to use the application with ID '%s' "
    .. "named '%s'. Send an interactive authorization request for this user and resource.", "consent_required" },
  [65004] = { "access_denied", 400, "User declined to consent to access the app." },
  [700016] = { "unauthorized_client", 400, "Application with identifier '%s' was not found in the directory '%s'."
    .. WRONG_TENANT },
  [700022] = { "invalid_scope", 400, "The scope names more than one resource." },
  [700023] = { "invalid_client", 401, "The audience of the client assertion is not this endpoint." },
  [700024] = { "invalid_client", 401, "Client assertion is not within its valid time range. Current time: %s, "
    .. "assertion valid from %s, expiry time of assertion %s. Review the documentation at "
    .. "https://learn.microsoft.com/entra/identity-platform/certificate-credentials ." },
  [700025] = { "invalid_client", 401, "Client is public so neither 'client_assertion' nor 'client_secret' should be "
    .. "presented." },
  [700027] = { "invalid_client", 401, "Client assertion contains an invalid signature. [Reason - %s]" },
  [700082] = { "invalid_grant", 400, "The refresh token has expired due to inactivity. The token was issued on %s "
    .. "and was inactive for 90.00:00:00." },
  [700211] = { "invalid_client", 401, "No matching federated identity record found for presented assertion issuer '%s'."
    .. CHECK_FEDERATION },
  [700212] = { "invalid_client", 401, "No matching federated identity record found for presented assertion audience "
    .. "'%s'." .. CHECK_FEDERATION },
  [700213] = { "invalid_client", 401, "No matching federated identity record found for presented assertion subject "
    .. "'%s'." .. CHECK_FEDERATION },
  [7000112] = { "unauthorized_client", 400, "Application '%s'(%s) is disabled." },
  [7000215] = { "invalid_client", 401, "Invalid client secret provided. Ensure the secret being sent in the request "
    .. "is the client secret value, not the client secret ID, for a secret added to app '%s'." },
  [7000216] = { "invalid_client", 401, "'client_assertion', 'client_secret' or 'request' is required for the "
    .. "'client_credentials' grant type." },
  [7000218] = { "invalid_client", 401, "The request body must contain the following parameter: 'client_assertion' or "
    .. "'client_secret'." },
  [7000222] = { "invalid_client", 401, "The provided client secret keys for app '%s' are expired. Visit the Azure "
    .. "portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate "
    .. "credentials for added security: https://aka.ms/certCreds." },
  [7000229] = { "invalid_client", 401, "The client application %s is missing service principal in the tenant %s." },
  [70000] = { "invalid_grant", 400, "The provided access grant is invalid or malformed." },
  [70003] = { "unsupported_grant_type", 400, "The app requested an unsupported grant type '%s'." },
  [70008] = { "invalid_grant", 400, "The provided authorization code or refresh token has expired due to inactivity. "
    .. "Send a new interactive authorization request for this user and resource." },
  [70011] = { "invalid_scope", 400, "The provided request must include a 'scope' input parameter. The provided value "
    .. "for the input parameter 'scope' is not valid. The scope %s is not valid." },
  [70016] = { "authorization_pending", 400, "OAuth 2.0 device flow error. Authorization is pending. Continue "
    .. "polling." },
  [70018] = { "bad_verification_code", 400, "Invalid verification code due to User typing in wrong user code for "
    .. "device code flow. Authorization isn't approved." },
  [70020] = { "expired_token", 400, "The device code expired." },
  [90002] = { "invalid_request", 400, "Tenant '%s' not found. This may happen if there are no active subscriptions "
    .. "for the tenant. Check with your subscription administrator." },
  [90033] = { "temporarily_unavailable", 503, "A transient error has occurred. Please try again." },
  [900023] = { "invalid_request", 400, "Specified tenant identifier '%s' is neither a valid DNS name, nor a valid "
    .. "external domain." },
  [900144] = { "invalid_request", 400, "The request body must contain the following parameter: '%s'." },
  [900561] = { "invalid_request", 400, "The endpoint only accepts POST requests. Received a %s request." },
  [900971] = { "invalid_request", 400, "No reply address provided." },
  [9001023] = { "invalid_request", 400, "The grant type isn't supported over the /common or /consumers endpoints. "
    .. "Please use the /organizations or tenant-specific endpoint." },
  [9002313] = { "invalid_request", 400, "Invalid request. Request is malformed or invalid." },
  [1002012] = { "invalid_scope", 400, "The provided value for scope %s is not valid. Client credential flows must "
    .. "have a scope value with /.default suffixed to the resource identifier (application ID URI)." },
}

--- The codes whose sentences are ours.
M.OWN = { [700022] = true, [700023] = true, [70020] = true }

---@class emulator.login.refusal
---@field code integer
---@field error string
---@field status integer
---@field text string
---@field suberror string?
---@field claims string? JSON
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

--- Refuse a sign-in that a Conditional Access policy blocks; the answer names the policy (seen 2025).
---@param policy string id
function M.raise_blocked(policy)
  local row = CODES[53003]
  error(setmetatable({ code = 53003, error = row[1], status = row[2], text = row[3], suberror = row[4],
    claims = json.encode { access_token = { capolids = { essential = true, values = json.array { policy } } } } },
    Refusal), 0)
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
    claims = refusal.claims,
  }
end

return M
