--- The login service of the emulated cloud: discovery, keys, tokens, sign-ins.

local crypto = require "base.crypto"
local grants = require "emulator.login.grants"
local identity = require "emulator.login.identity"
local json = require "json"
local refusal = require "emulator.login.refusal"
local resource_manager = require "emulator.login.resource_manager"
local scopes = require "emulator.login.scopes"
local secret = require "secret.emulator"
local sign_in = require "emulator.login.sign_in"
local tokens = require "emulator.tokens"

local M = {}

local ANY_TENANT = { common = true, organizations = true }

---@class emulator.login
---@field tenant emulator.tenant
---@field tokens emulator.tokens
---@field base string "https://127.0.0.1:4711"
---@field audiences table<string, string> name of a resource -> which one it is; the audiences that tokens may have
---@field approve string who signs in: a person's key, "none" or "decline"
---@field consents boolean does that person consent to what is asked for?
---@field identity_header host.secret the secret that App Service's endpoint requires
---@field interval integer seconds between two polls of a device code
---@field refresh "reuse"|"once" how often a refresh token is good
local Login = { __name = "emulator.login" }
Login.__index = Login

---@param options {tenant: emulator.tenant, base: string, graph: string, approve: string, interval: integer?,
--- identity_header: host.secret?, refresh: string?, signing_key: string?}
---@return emulator.login
function M.new(options)
  local graph = "graph"
  local audiences = { [options.graph] = graph, [scopes.GRAPH] = graph, [options.tenant.graph.appId] = graph }
  for _, name in ipairs(scopes.RESOURCE_MANAGER) do audiences[name] = "resource manager" end
  return setmetatable({
    tenant = options.tenant,
    tokens = tokens.new { tenant = options.tenant.id, signing_key = options.signing_key },
    base = options.base,
    graph = options.graph,
    audiences = audiences,
    approve = options.approve,
    consents = true,
    interval = options.interval or 5,
    refresh = options.refresh or "reuse",
    identity_header = options.identity_header or secret.generate(32, "\"\\ "),
    devices = {}, codes = {}, refresh_tokens = {},
  }, Login)
end

--- OpenID discovery (RFC 8414 names, and what Entra adds).
local function discovery(self, asked)
  local tenant = ANY_TENANT[asked] and asked or self.tenant.id
  local root = ("%s/%s"):format(self.base, tenant)
  return {
    issuer = ("%s/%s/v2.0"):format(self.base, ANY_TENANT[asked] and "{tenantid}" or self.tenant.id),
    authorization_endpoint = root .. "/oauth2/v2.0/authorize",
    token_endpoint = root .. "/oauth2/v2.0/token",
    device_authorization_endpoint = root .. "/oauth2/v2.0/devicecode",
    end_session_endpoint = root .. "/oauth2/v2.0/logout",
    jwks_uri = root .. "/discovery/v2.0/keys",
    token_endpoint_auth_methods_supported = json.array { "client_secret_post", "private_key_jwt",
      "client_secret_basic" },
    token_endpoint_auth_signing_alg_values_supported = json.array { "RS256", "PS256" },
    response_modes_supported = json.array { "query", "fragment", "form_post" },
    response_types_supported = json.array { "code" },
    subject_types_supported = json.array { "pairwise" },
    id_token_signing_alg_values_supported = json.array { "RS256" },
    scopes_supported = json.array { "openid", "profile", "email", "offline_access" },
    claims_supported = json.array { "sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid" },
    tenant_region_scope = "NA",
    cloud_instance_name = "emulator",
    msgraph_host = self.graph:gsub("^https://", ""),
  }
end

--- The same for the older endpoints: azure-cli reads the tenant's id from it.
local function old_discovery(self, asked)
  local document = discovery(self, asked)
  local root = document.authorization_endpoint:gsub("/oauth2/v2%.0/authorize$", "")
  document.issuer = ("https://sts.windows.net/%s/"):format(ANY_TENANT[asked] and "{tenantid}" or self.tenant.id)
  document.authorization_endpoint, document.token_endpoint = root .. "/oauth2/authorize", root .. "/oauth2/token"
  document.device_authorization_endpoint = root .. "/oauth2/devicecode"
  return document
end

local function instance_discovery(self, query)
  local host = self.base:gsub("^https://", "")
  local tenant = (query.authorization_endpoint or ""):match("^https://[^/]+/([^/]+)/") or "common"
  return {
    ["api-version"] = "1.1",
    tenant_discovery_endpoint = ("%s/%s/v2.0/.well-known/openid-configuration"):format(self.base, tenant),
    metadata = json.array { { preferred_network = host, preferred_cache = host, aliases = json.array { host } } },
  }
end

--- "method path below the tenant" -> the function that answers: a body, or status, headers and body.
---@type table<string, fun(self: emulator.login, request: httpd.request, asked: string)>
local ROUTES = {
  ["GET /.well-known/openid-configuration"] = function(self, _, asked) return old_discovery(self, asked) end,
  ["GET /v2.0/.well-known/openid-configuration"] = function(self, _, asked) return discovery(self, asked) end,
  ["GET /discovery/v2.0/keys"] = function(self) return self.tokens:keys() end,
  ["GET /discovery/instance"] = function(self, request) return instance_discovery(self, request.query) end,
  ["POST /oauth2/v2.0/token"] = grants.token,
  ["POST /oauth2/v2.0/devicecode"] = function(self, request) return sign_in.device_code(self, request.form()) end,
  ["GET /oauth2/v2.0/authorize"] = function(self, request) return sign_in.authorize(self, request.query) end,
  ["GET /adminconsent"] = function(self, request) return sign_in.admin_consent(self, request.query) end,
  ["GET /v2.0/adminconsent"] = function(self, request) return sign_in.admin_consent(self, request.query) end,
}

local PAGES = { ["/oauth2/v2.0/authorize"] = true, ["/adminconsent"] = true, ["/v2.0/adminconsent"] = true }

local function check_tenant(self, name)
  local wanted = name:lower()
  if ANY_TENANT[wanted] or wanted == self.tenant.id or wanted == self.tenant.domain then return end
  local guid = wanted:match("^%x+%-%x+%-%x+%-%x+%-%x+$") and #wanted == 36
  refusal.raise((guid or wanted:find(".", 1, true)) and 90002 or 900023, name)
end

--- Headers and body of a page with this text.
local function page(text)
  return { ["Content-Type"] = "text/html" }, "<html><body>" .. text:gsub("[<>&]", "") .. "</body></html>"
end

local function route(self, request, name, path)
  check_tenant(self, name)
  local handler = ROUTES[request.method .. " " .. path]
  if not handler and ROUTES["POST " .. path] then refusal.raise(900561, request.method) end
  if not handler then return 404, page("There is no such page.") end
  self.asked_tenant = name:lower()
  local status, headers, body = handler(self, request, name:lower())
  if type(status) == "table" then return 200, {}, status end
  return status, headers, body
end

local function refused(failure, path, correlation)
  if not PAGES[path] then return failure.status, {}, refusal.body(failure, correlation) end
  return failure.status, page(refusal.line(failure))
end

--- Answer one request.
---@param request httpd.request
---@return integer status, table headers, string|table body
function Login:handle(request)
  if resource_manager.owns(request) then return resource_manager.handle(self, request) end
  local name, path = request.path:match("^/([^/]+)(/.*)$")
  if not name then
    return 200, page("This is an emulator; sign-ins happen by themselves.")
  end
  local correlation = request.header("client-request-id") or request.query["client-request-id"]
  local ok, status, headers, body = pcall(route, self, request, name, path)
  if not ok then
    if not refusal.is(status) then error(status, 0) end
    status, headers, body = refused(status, path, correlation)
  end
  headers["Cache-Control"], headers["x-ms-request-id"] = "no-store, no-cache", crypto.uuid()
  headers["client-request-id"] = correlation
  return status, headers, body
end

--- Answer one request to the endpoint of managed identities.
---@param request httpd.request
---@return integer status, table headers, string|table body
function Login:identity(request)
  return identity.handle(self, request)
end

--- The refusal with this status, for a fault rule.
---@param status integer
---@return httpd.answer
function Login.refuse(_, status)
  local _, failure = pcall(refusal.raise, 90033)
  return { status = status, headers = {}, body = refusal.body(failure) }
end

--- The claims of the token for Graph in an Authorization header; or nil and what is wrong with the token.
---@param header string?
---@return table|nil claims, string? message
function Login:caller(header) return self:claims(header, "graph") end

--- The same for a token for another resource.
---@param header string?
---@param resource "graph"|"resource manager"
---@return table|nil claims, string? message
function Login:claims(header, resource)
  local token = header and header:match("^[Bb]earer (.+)$")
  if not token then return nil, "Access token is empty." end
  return self.tokens:verify(token, function(audience) return self.audiences[audience] == resource end)
end

--- A person signs in at a device code: see sign_in.approve_device.
---@param code string
---@param name string
function Login:approve_device(code, name)
  return sign_in.approve_device(self, code, name)
end

return M
