--- The public client through which people sign in, and the consents given to that client. A consent that was given for
--- one job stays, and serves everybody who signs in with that client later.

local fail = require "fail"
local graph = require "graph"
local log = require "log"

local M = {}

---@class entra.left_consent
---@field client string name of the client
---@field scopes string[] the delegated permissions that can change something
---@field for_all boolean? consented for everybody in the tenant, not only for this person; nil: unknown

-- Can this delegated permission change something, to judge by its name?
local function is_changing_scope(scope)
  return scope:find("%.ReadWrite") or scope:find("%.Manage") or scope:find("AccessAsUser", 1, true)
    or scope:find("%.Create$") or scope:find("%.Send$") or scope:find("%.RevokeSessions")
end

-- The permissions in `text` that can change something, without those that the profile asks for.
local function changing_scopes(text, wanted)
  local list = {}
  for scope in text:gmatch("%S+") do
    if is_changing_scope(scope) and not wanted[scope] then list[#list + 1] = scope end
  end
  table.sort(list)
  return list
end

local function read_consents_from_graph(principal, wanted)
  local client = graph.get(graph.path("/servicePrincipals(appId={appId})", principal.appid), {
    select = { "id", "displayName" }, missing = "nil", what = "read the client that people sign in with",
  })
  if not client then return {} end
  local grants = graph.all("/oauth2PermissionGrants", {
    filter = graph.filter("clientId eq %s", client.id), what = "read what was consented to the sign-in client",
  })
  local left = {}
  for _, grant in ipairs(grants) do
    local scopes, for_all = changing_scopes(grant.scope or "", wanted), grant.consentType == "AllPrincipals"
    if #scopes > 0 and (for_all or grant.principalId == principal.oid) then
      left[#left + 1] = { client = client.displayName, scopes = scopes, for_all = for_all }
    end
  end
  return left
end

-- The permissions in the token: somebody consented to each of them.
local function consents_in_token(principal, wanted, client)
  local scopes = changing_scopes(table.concat(principal.scopes, " "), wanted)
  return #scopes > 0 and { { client = client, scopes = scopes } } or {}
end

--- The consents, beyond the permissions that every sign-in asks for, by which this person can change something. Read
--- from Graph, or from the token where Graph refuses to tell. Waits.
---@param principal oauth.principal a person
---@param client string name of the sign-in client
---@param scopes string[] the permissions that every sign-in asks for
---@return entra.left_consent[]
function M.read_left_consents(principal, client, scopes)
  local wanted = {}
  for _, scope in ipairs(scopes) do wanted[scope] = true end
  local ok, found = pcall(read_consents_from_graph, principal, wanted)
  if ok then return found end
  if not fail.is(found) then error(found, 0) end
  log.detail("what was consented to the sign-in client is told by the token: " .. tostring(found))
  return consents_in_token(principal, wanted, client)
end

return M
