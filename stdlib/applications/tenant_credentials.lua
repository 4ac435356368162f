--- The credentials of all registrations and service principals of the tenant, page by page: only those that are wanted
--- are kept.

local check_answer = require "entra.check_answer"
local credential_list = require "applications.credential_list"
local graph = require "graph"
local task = require "task"
local time = require "time"

local M = {}

-- The properties that are asked for. $select of keyCredentials is limited to 150 requests a minute for a tenant
-- (Microsoft Learn, application-list); a page has 999 objects, so 149,000 objects are read within one minute's limit.
local APPLICATION = { "id", "appId", "displayName", "signInAudience", "passwordCredentials", "keyCredentials" }
local PRINCIPAL = { "id", "appId", "displayName", "servicePrincipalType", "appOwnerOrganizationId",
  "passwordCredentials", "keyCredentials" }

local LONGEST_NAME = 1024 -- bytes; Entra takes 256 characters as the name of an application

local function text(value) return type(value) == "string" and value or "" end

local function name_of(object) return text(object.displayName):sub(1, LONGEST_NAME) end

local function moment(value)
  local ok, at = pcall(time.parse, text(value))
  return ok and at or nil
end

-- One certificate that signs SAML tokens is three entries: a key that signs, a key that verifies with the same
-- customKeyIdentifier, and the password of the first (Microsoft Learn, application-saml-sso-configure-api). Returns the
-- key ids and identifiers of the signing keys.
local function signing_keys(object)
  local ids, identifiers = {}, {}
  for _, key in ipairs(object.keyCredentials or {}) do
    if key.usage == "Sign" then
      ids[text(key.keyId)] = true
      if text(key.customKeyIdentifier) ~= "" then identifiers[key.customKeyIdentifier] = true end
    end
  end
  return ids, identifiers
end

local function credential(kind, entry)
  return {
    kind = kind, name = name_of(entry), key = text(entry.keyId):lower(), from = moment(entry.startDateTime),
    ends = moment(entry.endDateTime),
  }
end

-- The credentials of an object, without what belongs to another entry.
local function credentials_of(object)
  local all, ids, identifiers = {}, signing_keys(object)
  for _, entry in ipairs(object.passwordCredentials or {}) do
    if not ids[text(entry.keyId)] then all[#all + 1] = credential("secret", entry) end
  end
  for _, entry in ipairs(object.keyCredentials or {}) do
    local signs = entry.usage == "Sign"
    if signs or not identifiers[text(entry.customKeyIdentifier)] then
      all[#all + 1] = credential(signs and "signing certificate" or "certificate", entry)
    end
  end
  return all
end

-- Add the wanted ones of an object's credentials, and the object when there is any.
local function add_wanted(list, credentials, is_wanted, new_object)
  local place
  for _, one in ipairs(credentials) do
    if is_wanted(one) then
      place = place or list:add_object(new_object())
      list:add(place, one)
    end
  end
end

-- The objects of a list. One without what was asked for is an error: it must not pass for one without credentials.
local function objects_of(path, select, what)
  local next_object, _, _, pages = graph.list(path, { select = select, top = 999, what = what })
  local function checked()
    local object = next_object()
    return object and check_answer.require_members(object, what, "id", "appId", "passwordCredentials", "keyCredentials")
  end
  return checked, nil, nil, pages
end

local function read_applications(found, options)
  for object in objects_of("/applications", APPLICATION, "read the applications and their credentials") do
    found.applications = found.applications + 1
    local credentials = credentials_of(object)
    local federated = options.federated and options.federated[object.id:lower()]
    for _, name in ipairs(federated or {}) do
      credentials[#credentials + 1] = { kind = "federated", name = name, key = "" }
    end
    add_wanted(found.list, credentials, options.is_wanted, function()
      return { id = object.id, client_id = text(object.appId):lower(), name = name_of(object), origin = "application",
        tenant = "own", federated = federated, other_tenants = object.signInAudience ~= "AzureADMyOrg" }
    end)
  end
end

local function tenant_of(object, tenant)
  if not tenant or type(object.appOwnerOrganizationId) ~= "string" then return "unknown" end
  return object.appOwnerOrganizationId:lower() == tenant and "own" or "foreign"
end

local function add_principal(found, object, options)
  if object.servicePrincipalType == "ManagedIdentity" then
    found.identities = found.identities + 1
    return
  end
  add_wanted(found.list, credentials_of(object), options.is_wanted, function()
    return { id = object.id, client_id = text(object.appId):lower(), name = name_of(object),
      origin = "service principal", tenant = tenant_of(object, options.tenant) }
  end)
end

-- Returns the permissions of service principals by client id: those of a registration are those of its service
-- principal.
local function read_principals(found, options)
  local by_client = {}
  for object in objects_of("/servicePrincipals", PRINCIPAL, "read the service principals and their credentials") do
    local permissions = options.held and options.held[object.id:lower()]
    if permissions then by_client[text(object.appId):lower()] = permissions end
    add_principal(found, object, options)
  end
  return by_client
end

local function add_permissions(list, by_client)
  if not list.permissions or not next(by_client) then return end
  for place = 1, #list.objects do list.permissions[place] = by_client[list:object_at(place).client_id] end
end

---@class applications.reading
---@field tenant string? id of the tenant, lower case; nil: not known
---@field held table<string, string[]>|false permissions by the object id of the service principal; false: not known
---@field federated table<string, string[]>|false names of federated credentials by object id; false: not known
---@field is_wanted fun(credential: applications.credential): boolean is the credential to be kept?

---@class applications.found
---@field list applications.credential_list
---@field applications integer registrations of the tenant
---@field identities integer managed identities, which are left out: Azure renews their certificates

--- Read the credentials that are wanted. Waits.
---@param options applications.reading
---@return applications.found
function M.read(options)
  local list = credential_list.new { permissions = options.held ~= false, federated = options.federated ~= false }
  local found = { list = list, applications = 0, identities = 0 }
  local _, by_client = task.all {
    function() return read_applications(found, options) end,
    function() return read_principals(found, options) end,
  }
  add_permissions(list, by_client)
  return found
end

return M
