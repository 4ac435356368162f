--- The public client that people sign in with, and what was consented to it: a
--- consent given for one job stays, for whoever signs in with that client next.

local fail = require "fail"
local graph = require "graph"
local log = require "log"

local M = {}

---@class entra.left_consent
---@field client string name of the client
---@field scopes string[] that let change things
---@field for_all boolean? consented for everybody in the tenant, not only for this person; nil: not known

-- A delegated permission that only reads says so in its name.
local function changes(scope)
  return scope:find("%.ReadWrite") or scope:find("%.Manage") or scope:find("AccessAsUser", 1, true)
    or scope:find("%.Create$") or scope:find("%.Send$") or scope:find("%.RevokeSessions")
end

-- Those that let change things, but for what the profile says it wants.
local function changing(text, wanted)
  local list = {}
  for scope in text:gmatch("%S+") do
    if changes(scope) and not wanted[scope] then list[#list + 1] = scope end
  end
  table.sort(list)
  return list
end

local function read(principal, wanted)
  local client = graph.get(graph.path("/servicePrincipals(appId={appId})", principal.appid), {
    select = { "id", "displayName" }, missing = "nil", what = "read the client that people sign in with",
  })
  if not client then return {} end
  local grants = graph.all("/oauth2PermissionGrants", {
    filter = graph.filter("clientId eq %s", client.id), what = "read what was consented to the sign-in client",
  })
  local left = {}
  for _, grant in ipairs(grants) do
    local scopes, for_all = changing(grant.scope or "", wanted), grant.consentType == "AllPrincipals"
    if #scopes > 0 and (for_all or grant.principalId == principal.oid) then
      left[#left + 1] = { client = client.displayName, scopes = scopes, for_all = for_all }
    end
  end
  return left
end

-- What the token carries was consented to, by whomever.
local function carried(principal, wanted, client)
  local scopes = changing(table.concat(principal.scopes, " "), wanted)
  return #scopes > 0 and { { client = client, scopes = scopes } } or {}
end

--- The consents that let this person change things by signing in: as Graph tells, or
--- where that may not be read, as the token does.
---@param principal oauth.principal a person
---@param client string name of the sign-in client
---@param scopes string[] that are wanted in every sign-in
---@return entra.left_consent[]
function M.left_behind(principal, client, scopes)
  local wanted = {}
  for _, scope in ipairs(scopes) do wanted[scope] = true end
  local ok, found = pcall(read, principal, wanted)
  if ok then return found end
  if not fail.is(found) then error(found, 0) end
  log.detail("what was consented to the sign-in client is told by the token: " .. tostring(found))
  return carried(principal, wanted, client)
end

return M
