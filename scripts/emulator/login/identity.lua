--- The endpoints at which a program on Azure gets the token of its managed identity: that of a machine and that of App
--- Service, over plain HTTP (Microsoft Learn: how-to-use-vm-token, overview-managed-identity of App Service).

local grants = require "emulator.login.grants"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

local MACHINE, SERVICE = "/metadata/identity/oauth2/token", "/msi/token"
local VERSIONS = { [MACHINE] = "2018-02-01", [SERVICE] = "2019-08-01" }

local function refuse(status, error, message)
  return status, {}, { error = error, error_description = message }
end

--- The identity that is asked for: the named one, or the only one.
local function find(login, query)
  local named = query.client_id or query.object_id or query.msi_res_id or query.mi_res_id
  local list = login.tenant:identities()
  if not named then return #list == 1 and list[1] or nil end
  for _, row in ipairs(list) do
    if row.appId == named or row.id == named or row._resource_id == named then return row end
  end
end

--- May the caller ask? A machine's endpoint requires a header that a tricked program does not send; a service's
--- endpoint requires its secret.
local function is_let_in(login, request, path)
  if path == MACHINE then return request.header("metadata") == "true" end
  local given = request.header("x-identity-header")
  return given ~= nil and secret.equals(login.identity_header, secret.from(given))
end

local function answer(login, principal, request)
  local query, path = request.query, request.path
  local token, lifetime = grants.app_token(login, principal, query.resource, request.address)
  local body = {
    access_token = token, expires_on = tostring(math.floor(time.now()) + lifetime), resource = query.resource,
    token_type = "Bearer", client_id = principal.appId,
  }
  if path == MACHINE then
    body.expires_in, body.ext_expires_in, body.refresh_token = tostring(lifetime), tostring(lifetime), ""
    body.not_before = tostring(math.floor(time.now()))
  end
  return 200, {}, body
end

--- Answer one request.
---@param login emulator.login
---@param request httpd.request
---@return integer status, table headers, table body
function M.handle(login, request)
  local path, query = request.path, request.query
  local known = request.method == "GET" and VERSIONS[path]
  if not known then return refuse(404, "not_found", "There is no such endpoint.") end
  if not is_let_in(login, request, path) then
    if path == SERVICE then return refuse(401, "unauthorized", "The X-IDENTITY-HEADER is not the right one.") end
    return refuse(400, "bad_request_102", "Required metadata header not specified")
  end
  if query["api-version"] ~= known then return refuse(400, "bad_request", "The api-version is not known.") end
  if not login.audiences[(query.resource or ""):gsub("/$", "")] then
    return refuse(400, "invalid_resource", "AADSTS500011: The resource principal was not found.")
  end
  local principal = find(login, query)
  if not principal then return refuse(400, "invalid_request", "Identity not found") end
  return answer(login, principal, request)
end

return M
