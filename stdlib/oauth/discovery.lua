--- Find out which tenant an address of the login service stands for, by OpenID discovery.

local ask = require "oauth.ask"
local native_oauth = require "host.oauth"

local M = {}

local tenants = {} ---@type table<string, string> authority -> GUID

--- The tenant's GUID. Asked for once. Waits.
---@param settings profile
---@return string
function M.tenant(settings)
  local authority = ask.authority(settings)
  if not tenants[authority] then
    tenants[authority] = ask.ask({
      what = ("find the tenant '%s' at %s"):format(settings.tenant, settings.login),
      build = function() return native_oauth.discovery(authority) end,
      judge = function(answer) return native_oauth.judge_discovery(answer, authority) end,
    }).tenant
  end
  return tenants[authority]
end

return M
