--- Which use of an application's credentials is not in this tenant's log of applications? That log shows only what an
--- application does as itself, in this tenant. Where it redeems people's sign-ins with its client secret, or signs in
--- to another tenant, that use is not in it.

local check_answer = require "entra.check_answer"
local graph = require "graph"

local M = {}

local MEMBERS = { "id", "web", "spa", "publicClient", "api", "requiredResourceAccess", "signInAudience" }
local ONE_TENANT = "AzureADMyOrg"

local function is_filled(list) return type(list) == "table" and #list > 0 end

-- The redirect URIs of a platform: people who signed in come back to them.
local function has_redirects(platform) return type(platform) == "table" and is_filled(platform.redirectUris) end

-- Does it ask for a permission that it uses on behalf of people? Those are of the type "Scope".
-- https://learn.microsoft.com/graph/api/resources/resourceaccess
local function asks_for_delegated(access)
  for _, resource in ipairs(access or {}) do
    for _, permission in ipairs(resource.resourceAccess or {}) do
      if permission.type == "Scope" then return true end
    end
  end
  return false
end

-- What shows that an application signs in on behalf of people; nil when nothing does.
local function sign_of_people(actual)
  if has_redirects(actual.web) or has_redirects(actual.spa) or has_redirects(actual.publicClient) then
    return "it has redirect URIs"
  end
  if type(actual.api) == "table" and is_filled(actual.api.oauth2PermissionScopes) then return "it exposes an API" end
  if asks_for_delegated(actual.requiredResourceAccess) then return "it asks for delegated permissions" end
end

---@class entra.unseen_use which use the log of this tenant does not show
---@field for_people boolean does it sign in on behalf of people, as far as the registration shows?
---@field why_people string? what shows it: "it has redirect URIs"
---@field other_tenants boolean? may it sign in to other tenants? nil: the registration does not say

--- Which use of an application's credentials is not in the log, as far as its registration shows? Waits.
---@param id string object id of the application
---@return entra.unseen_use
function M.of(id)
  local what = "read whose sign-ins the application is for"
  local actual = graph.get(graph.path("/applications/{id}", id), { select = MEMBERS, what = what })
  check_answer.require_members(actual, what, "id")
  local why, audience = sign_of_people(actual), actual.signInAudience
  local unseen = { for_people = why ~= nil, why_people = why }
  if type(audience) == "string" then unseen.other_tenants = audience ~= ONE_TENANT end
  return unseen
end

return M
