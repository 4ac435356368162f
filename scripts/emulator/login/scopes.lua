--- What a `scope` parameter asks for, and which part of it a client is granted.

local refusal = require "emulator.login.refusal"

local M = {}

local OPENID = { openid = true, profile = true, email = true, offline_access = true }

--- Who may consent for others to delegated permissions (Microsoft Learn: grant-admin-consent).
local MAY_CONSENT = {
  "Global Administrator", "Privileged Role Administrator", "Cloud Application Administrator",
  "Application Administrator",
}

---@class emulator.scopes
---@field resource string as the client named it: the audience
---@field kind "graph"|"resource manager"
---@field prefix string what stood before the names: "", or the resource with its slash
---@field default boolean `.default` was asked for
---@field names string[] permissions by name
---@field openid table<string, boolean> openid, profile, offline_access, email
---@field line table? of the refresh token in use: shared by all refresh tokens of one sign-in

local function split(word)
  local resource, name = word:match("^(.+)/([^/]+)$")
  return resource and resource:gsub("/$", ""), name or word, resource and resource .. "/" or ""
end

--- Read a scope parameter. Raises a refusal.
---@param login emulator.login
---@param text string?
---@return emulator.scopes
function M.read(login, text)
  if not text or text == "" then refusal.raise(900144, "scope") end
  local asked = { default = false, names = {}, openid = {} }
  for word in text:gmatch("%S+") do
    if OPENID[word] then
      asked.openid[word] = true
    else
      local resource, name, prefix = split(word)
      resource, asked.prefix = resource or M.GRAPH, asked.prefix or prefix
      if not login.audiences[resource] then refusal.raise(500011, resource, login.tenant.name) end
      if asked.resource and login.audiences[asked.resource] ~= login.audiences[resource] then refusal.raise(700022) end
      asked.resource = asked.resource or resource
      if name == ".default" then asked.default = true else asked.names[#asked.names + 1] = name end
    end
  end
  if asked.default and #asked.names > 0 then refusal.raise(70011, text) end
  asked.resource = asked.resource or M.GRAPH
  asked.kind, asked.prefix = login.audiences[asked.resource], asked.prefix or ""
  return asked
end

M.GRAPH = "https://graph.microsoft.com"

--- The names of Azure Resource Manager as a resource, which azure-cli signs in to first.
M.RESOURCE_MANAGER = { "https://management.azure.com", "https://management.core.windows.net" }

local MANAGER_SCOPE = "user_impersonation" -- the only permission of Azure Resource Manager

local function set_of(list)
  local set = {}
  for _, value in ipairs(list) do set[value] = true end
  return set
end

--- Delegated scopes of Graph: name -> "User" or "Admin", who may consent to it.
local function known_scopes(login)
  if not login.known_scopes then
    login.known_scopes = {}
    for _, row in ipairs(login.tenant.graph.oauth2PermissionScopes) do login.known_scopes[row.value] = row.type end
  end
  return login.known_scopes
end

--- May this person consent for others?
---@param login emulator.login
---@param person table
---@return boolean
function M.may_consent(login, person)
  local held = set_of(login.tenant:directory_roles(person.id))
  for _, name in ipairs(MAY_CONSENT) do
    if held[login.tenant.role_ids[name]] then return true end
  end
  return false
end

--- The names without consent.
local function missing(login, client_id, person, names)
  local consented, list = set_of(login.tenant:scopes(client_id, person.id)), {}
  for _, name in ipairs(names) do
    if not consented[name] then list[#list + 1] = name end
  end
  return list
end

local function refuse_consent(login, client_id)
  local principal = login.tenant:principal_of(client_id)
  refusal.raise(65001, client_id, principal and principal.displayName or "")
end

--- Let the person consent to what is missing, as on the page after a sign-in. Raises a refusal when the person may not,
--- or does not want to.
---@param login emulator.login
---@param client_id string
---@param person table
---@param asked emulator.scopes
function M.consent(login, client_id, person, asked)
  if asked.kind ~= "graph" then return end
  local known, lacking = known_scopes(login), missing(login, client_id, person, asked.names)
  for _, name in ipairs(lacking) do
    if not known[name] then refusal.raise(70011, name) end
    if known[name] == "Admin" and not M.may_consent(login, person) then refuse_consent(login, client_id) end
  end
  if #lacking == 0 then return end
  if not login.consents then refusal.raise(65004) end
  login.tenant:acting({ caller = { oid = person.id, idtyp = "user" } }, function()
    login.tenant:consent(client_id, lacking, person.userPrincipalName)
    login.tenant:record_consent(client_id, false)
  end)
end

--- The permissions in a token for this client and person: everything that is consented for the resource. Raises a
--- refusal when nothing is, or less than asked for.
---@param login emulator.login
---@param client_id string
---@param person table
---@param asked emulator.scopes
---@return string[]
function M.granted(login, client_id, person, asked)
  if asked.kind ~= "graph" then return { MANAGER_SCOPE } end
  local lacking = missing(login, client_id, person, asked.names)
  if #lacking > 0 then refuse_consent(login, client_id) end
  local granted = login.tenant:scopes(client_id, person.id)
  if #granted == 0 and (asked.default or #asked.names > 0) then refuse_consent(login, client_id) end
  return granted
end

return M
