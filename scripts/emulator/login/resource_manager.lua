--- As much of Azure Resource Manager as azure-cli asks while it signs in: tenants, and subscriptions, of which there
--- are none (Microsoft Learn: REST reference of Azure, Subscriptions - List, Tenants - List).

local json = require "json"

local M = {}

local function tenants(tenant)
  return { {
    id = "/tenants/" .. tenant.id, tenantId = tenant.id, displayName = tenant.name, defaultDomain = tenant.domain,
    countryCode = "CA", tenantCategory = "Home", tenantType = "AAD", domains = json.array { tenant.domain },
  } }
end

local LISTS = { ["/tenants"] = tenants, ["/subscriptions"] = function() return {} end }

--- Is this a request to Azure Resource Manager? It shares the address of the login service.
---@param request httpd.request
---@return boolean
function M.owns(request)
  return LISTS[request.path] ~= nil and request.query["api-version"] ~= nil
end

--- Answer one request.
---@param login emulator.login
---@param request httpd.request
---@return integer status, table headers, table body
function M.handle(login, request)
  local claims, message = login:claims(request.header("authorization"), "resource manager")
  if not claims then
    return 401, { ["WWW-Authenticate"] = ('Bearer authorization_uri="%s/%s", error="invalid_token"')
      :format(login.base, login.tenant.id) }, { error = { code = "InvalidAuthenticationToken", message = message } }
  end
  local list = LISTS[request.path](login.tenant)
  return 200, {}, { value = json.array(list), count = { type = "Total", value = #list } }
end

return M
