---@meta host.oauth
--- Build requests to the Microsoft identity platform, and judge its answers. Nothing is sent here.
--- `authority` is "https://login.microsoftonline.com/contoso.onmicrosoft.com".

error("this describes a native module for editors and help; it is not to be required")

---@class host.oauth.token
---@field credential host.credential for the resource's origin
---@field refresh_token host.secret?
---@field expires_in integer seconds
---@field scope string? as answered
---@field claims table decoded payload (not verified; diagnostics): roles, scp, tid, oid, appid, wids, exp

---@class host.oauth.device_code
---@field device_code host.secret
---@field user_code string
---@field verification_uri string
---@field expires_in integer seconds
---@field interval integer seconds
---@field message string? the service's instructions for the person

---@class host.oauth.failure
---@field error string "invalid_client", …; ours: "not_json", "bad_answer" (wrong shape), "http" (no reason given)
---@field suberror string?
---@field codes integer[]? the AADSTS numbers of the answer's `error_codes`, as answered
---@field policies string[]? ids of the Conditional Access policies that refused (`capolids` in the answer's `claims`)
---@field message string one line, no trace ids
---@field trace_id string?
---@field correlation_id string? by which the sign-in log finds the attempt
---@field status integer
---@field retry_after number? whole seconds, from seconds or a date; a year at most
---@field date number? server time of the answer

local M = {}
--- OpenID discovery of the tenant.
---@param authority string
---@return host.request
function M.discovery(authority) end
--- The tenant's GUID and issuer. Endpoints on another host than the authority's are a failure.
---@param answer host.answer
---@param authority string
---@return {tenant: string, issuer: string}|nil, host.oauth.failure?
function M.judge_discovery(answer, authority) end
--- Ask for a device code.
---@param authority string
---@param client_id string
---@param scope string
---@return host.request
function M.device_code(authority, client_id, scope) end
--- Judge the answer: the code that a person has to enter; or nil and a failure.
---@param answer host.answer
---@return host.oauth.device_code|nil, host.oauth.failure?
function M.judge_device_code(answer) end
--- Redeem a device code.
---@param authority string
---@param client_id string
---@param device_code host.secret
---@return host.request
function M.device_token(authority, client_id, device_code) end
--- Get a token with an application's secret.
---@param authority string
---@param client_id string
---@param client_secret host.secret? nil when the request is sent with the `basic` credential
---@param scope string "https://graph.microsoft.com/.default"
---@return host.request
function M.client_secret(authority, client_id, client_secret, scope) end
--- The client's id and secret as an Authorization header for the authority's host (RFC 6749, 2.3.1).
---@param authority string
---@param client_id string
---@param client_secret host.secret
---@return host.credential
function M.basic(authority, client_id, client_secret) end
--- Client credentials proven by a signed JWT: our own, or a federated issuer's.
---@param authority string
---@param client_id string
---@param assertion host.secret
---@param scope string
---@return host.request
function M.client_assertion(authority, client_id, assertion, scope) end
--- A verifier and its challenge (S256) for one sign-in by code.
---@return host.secret verifier, string challenge
function M.pkce() end
--- Address of the page where a person signs in.
---@param authority string
---@param client_id string
---@param redirect_uri string
---@param scope string
---@param state string
---@param challenge string
---@param login_hint string?
---@return string
function M.authorize(authority, client_id, redirect_uri, scope, state, challenge, login_hint) end
--- Redeem an authorization code. A code works once, so the request is not sent twice.
---@param authority string
---@param client_id string
---@param code host.secret
---@param redirect_uri string as in `authorize`
---@param verifier host.secret
---@param scope string
---@return host.request
function M.code(authority, client_id, code, redirect_uri, verifier, scope) end
--- Ask the endpoint of a virtual machine for its identity's token.
---@param endpoint string "http://169.254.169.254/metadata/identity/oauth2/token"
---@param resource string
---@param which table<string, string> client_id, object_id or msi_res_id of one of several identities
---@return host.request
function M.machine(endpoint, resource, which) end
--- Ask the endpoint of App Service or Container Apps. The request is sent with the `service_credential`.
---@param endpoint string $IDENTITY_ENDPOINT
---@param resource string
---@param which table<string, string> client_id, object_id or mi_res_id
---@return host.request
function M.service(endpoint, resource, which) end
--- The credential for the endpoint of App Service or Container Apps: the header X-IDENTITY-HEADER.
---@param endpoint string
---@param header host.secret $IDENTITY_HEADER
---@return host.credential
function M.service_credential(endpoint, header) end
--- Get a token with a refresh token.
---@param authority string
---@param client_id string
---@param refresh_token host.secret
---@param scope string
---@return host.request
function M.refresh(authority, client_id, refresh_token, scope) end
--- Judge a token answer. The credential is bound to the origin of `resource`.
---@param answer host.answer
---@param resource string URL of the API the token is for
---@return host.oauth.token|nil, host.oauth.failure?
function M.judge_token(answer, resource) end
--- Judge a token answer of a managed identity's endpoint, which may give the moment when the token expires instead of
--- its lifetime.
---@param answer host.answer
---@param resource string
---@param now number
---@return host.oauth.token|nil, host.oauth.failure?
function M.judge_identity(answer, resource, now) end
--- Use an access token that another program got. The token has to say when it expires. The message is the rest of a
--- sentence about "it", the token.
---@param access_token host.secret
---@param resource string
---@param now number
---@return host.oauth.token|nil, string? message
function M.given(access_token, resource, now) end
--- When a token says that it expires: the claim `exp` of a JWT (RFC 7519, 4.1.4). Its signature is not verified.
---@param token host.secret
---@return number|nil seconds since 1970; nil when the token does not say it
function M.expiry(token) end

return M
