--- The seeded tenant: people by name with their roles and groups, Microsoft's own service principals, and an
--- application that somebody made by hand.

local directory = require "emulator.tenant.directory"
local fact_tables = require "base.fact_tables"
local json = require "json"
local random = require "emulator.random"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

M.GRAPH_APP = "00000003-0000-0000-c000-000000000000"
--- Microsoft Graph Command Line Tools, a public client of Microsoft (merill/msgraph documentation).
M.CLI_APP = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
--- Azure CLI, a public client of Microsoft (azure-cli: azure/cli/core/auth/constants.py), and the permissions of Graph
--- that Microsoft gave it in advance, as its tokens show them in public notes.
M.AZURE_CLI_APP = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
local AZURE_CLI_SCOPES = { "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "AuditLog.Read.All",
  "DelegatedPermissionGrant.ReadWrite.All", "Directory.AccessAsUser.All", "Group.ReadWrite.All", "User.Read.All",
  "User.ReadWrite.All" }
local MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a" -- the tenant Microsoft's own applications belong to
local FOUNDED = 1609459200 -- 2021-01-01

---@class emulator.person
---@field key string the name in tests and in the ready line
---@field name string
---@field upn string? without the domain; the key when absent
---@field roles string[]? active directory roles
---@field eligible string[]? roles for which the person is eligible
---@field manager string? key of a person before this one
---@field about string

---@type emulator.person[]
M.PEOPLE = {
  { key = "adele", name = "Adele Arden", roles = { "Global Administrator" }, about = "Global Administrator" },
  { key = "priya", name = "Priya Raman", roles = { "Privileged Role Administrator", "Application Administrator" },
    about = "Privileged Role Administrator and Application Administrator: enough for the whole setup" },
  { key = "arno", name = "Arno Visser", roles = { "Application Administrator" },
    about = "Application Administrator: may not grant Graph permissions, nor assign roles" },
  { key = "rita", name = "Rita Solberg", roles = { "Privileged Role Administrator" },
    about = "Privileged Role Administrator: may grant and assign, but not register applications" },
  { key = "elias", name = "Elias Moreno", eligible = { "Privileged Role Administrator", "Application Administrator" },
    about = "eligible for what Priya has, but not activated" },
  { key = "henry", name = "Henry Osei", roles = { "Helpdesk Administrator" }, about = "Helpdesk Administrator" },
  { key = "uma", name = "Uma Keller", manager = "henry", about = "no role" },
  { key = "breakglass", name = "Break Glass", roles = { "Global Administrator" }, about = "break-glass account" },
  { key = "sven", name = "Sven Lund", about = "synced from on-premises" },
  { key = "gail", name = "Gail Gardner", upn = "gail_fabrikam.com#EXT#", about = "guest" },
  { key = "dora", name = "Dora Quinn", about = "disabled" },
  { key = "t0-anna", name = "Anna Berg (tier 0)", roles = { "User Administrator" }, about = "tier 0, holds a role" },
  { key = "t0-boris", name = "Boris Petrov (tier 0)", roles = { "Helpdesk Administrator" },
    about = "tier 0, holds a role that Helpdesk Administrators may reset" },
  { key = "t0-chen", name = "Chen Li (tier 0)", about = "tier 0, holds no role" },
  { key = "t0-dana", name = "Dana Wolff (tier 0)", eligible = { "Privileged Authentication Administrator" },
    about = "tier 0, eligible only" },
  { key = "t0-emil", name = "Emil Sand (tier 0)", about = "tier 0, holds a role through a role-assignable group" },
}

M.GROUPS = {
  { key = "tier0", name = "PAM managed tier 0", description = "Accounts whose passwords PAM manages",
    members = { "t0-anna", "t0-boris", "t0-chen", "t0-dana", "t0-emil" } },
  { key = "security-admins", name = "Security administrators", role_assignable = true,
    roles = { "Security Administrator" }, members = { "t0-emil" }, owners = { "adele" } },
  { key = "managed", name = "PAM managed", description = "All accounts PAM manages", members = { "uma" },
    groups = { "tier0" } },
  { key = "ordinary", name = "PAM managed service accounts", members = { "uma", "t0-chen" } },
  { key = "everybody", name = "All staff" },
}

--- The special members of some people.
local PECULIAR = {
  sven = { onPremisesSyncEnabled = true, onPremisesSamAccountName = "sven", onPremisesDomainName = "corp.contoso.com",
    onPremisesImmutableId = "c3ZlbkBjb3JwLmNvbnRvc28=", onPremisesLastSyncDateTime = "2026-11-20T03:14:15Z" },
  gail = { userType = "Guest", externalUserState = "Accepted", mail = "gail@fabrikam.com",
    creationType = "Invitation" },
  dora = { accountEnabled = false },
  breakglass = { passwordPolicies = "DisablePasswordExpiration" },
}

local function number_of(key)
  local number = 0
  for i = 1, #key do
    number = (number * 131 + key:byte(i)) & 0xFFFFFFFF
  end
  return number
end

local function guid(tenant, kind, key) return random.guid(tenant.seed, kind, number_of(key)) end

local function long_id(tenant, kind, key) return random.long_id(tenant.seed, kind, number_of(key)) end

local function identities(tenant, person, upn)
  if person.key ~= "gail" then
    return json.array { { signInType = "userPrincipalName", issuer = tenant.domain, issuerAssignedId = upn } }
  end
  return json.array { { signInType = "federated", issuer = "ExternalAzureAD", issuerAssignedId = json.null } }
end

local function seed_person(tenant, person)
  local upn = (person.upn or person.key) .. "@" .. tenant.domain
  local given, family = person.name:match("^(%S+) (%S+)")
  local row = {
    id = guid(tenant, "person", person.key),
    displayName = person.name,
    givenName = given,
    surname = family,
    userPrincipalName = upn,
    mailNickname = (person.upn or person.key):gsub("#EXT#", ""),
    mail = upn,
    accountEnabled = true,
    userType = "Member",
    createdDateTime = time.iso(FOUNDED),
    lastPasswordChangeDateTime = time.iso(FOUNDED + 86400),
    identities = identities(tenant, person, upn),
    _password = secret.generate(24),
    _manager = person.manager and tenant.ids[person.manager] or nil,
  }
  for property, value in pairs(PECULIAR[person.key] or {}) do
    row[property] = value
  end
  tenant.users:seed(row.id, row)
  tenant.ids[person.key] = row.id
end

local function seed_roles(tenant, key, names, collection)
  for _, name in ipairs(names or {}) do
    local role = assert(tenant.role_ids[name], name)
    local id = long_id(tenant, collection, key .. name) .. (collection == "role_eligibilities" and "-1-e" or "-1")
    tenant[collection]:seed(id, {
      id = id,
      principalId = tenant.ids[key],
      roleDefinitionId = role,
      directoryScopeId = "/",
    })
  end
end

--- The stored form of a group's members. Members from the crowd are not in it.
---@param list string[] ids
---@param owners table<string, boolean>?
---@param out table<string, boolean>? members from the crowd that were removed
---@return table
function M.membership(list, owners, out)
  local set = {}
  for _, id in ipairs(list) do
    set[id] = true
  end
  return { list = list, set = set, owners = owners or {}, out = out or {} }
end

local function ids_of(tenant, keys)
  local list = {}
  for i, key in ipairs(keys or {}) do
    list[i] = tenant.ids[key]
  end
  return list
end

local function seed_group(tenant, group)
  local id = guid(tenant, "named group", group.key)
  tenant.ids[group.key] = id
  tenant.groups:seed(id, directory.group_row {
    id = id,
    displayName = group.name,
    description = group.description,
    mailNickname = group.key:gsub("%W", ""),
    mailEnabled = false,
    securityEnabled = true,
    isAssignableToRole = group.role_assignable,
    groupTypes = json.array {},
    createdDateTime = time.iso(FOUNDED),
  })
  local list = ids_of(tenant, group.members)
  table.move(ids_of(tenant, group.groups), 1, #(group.groups or {}), #list + 1, list)
  tenant.members:seed(id, M.membership(list, M.membership(ids_of(tenant, group.owners)).set))
  seed_roles(tenant, group.key, group.roles, "role_assignments")
end

local function permission(name, id)
  return { id = id, value = name, isEnabled = true, origin = "Application" }
end

--- Graph's app roles and delegated scopes.
local function graph_permissions()
  local roles, scopes = json.array {}, json.array {}
  for _, fields in ipairs(fact_tables.rows("scripts/emulator/data/permissions.tsv")) do
    local name, role, scope, admin = fields[1], fields[2], fields[3], fields[4]
    if role ~= "" then
      local row = permission(name, role)
      row.displayName, row.description = name, name
      row.allowedMemberTypes = json.array { "Application" }
      roles[#roles + 1] = row
    end
    if scope ~= "" then
      local row = permission(name, scope)
      row.adminConsentDisplayName, row.adminConsentDescription = name, name
      row.type = admin == "true" and "Admin" or "User"
      scopes[#scopes + 1] = row
    end
  end
  return roles, scopes
end

local function microsoft_principal(tenant, app_id, name, more)
  local row = {
    id = guid(tenant, "microsoft", app_id),
    appId = app_id,
    displayName = name,
    appDisplayName = name,
    appOwnerOrganizationId = MICROSOFT,
    accountEnabled = true,
    appRoleAssignmentRequired = false,
    servicePrincipalType = "Application",
    signInAudience = "AzureADMultipleOrgs",
    servicePrincipalNames = json.array { app_id },
    tags = json.array {},
  }
  for property, value in pairs(more or {}) do
    row[property] = value
  end
  tenant.service_principals:seed(row.id, row)
  return row
end

local function seed_microsoft(tenant)
  local roles, scopes = graph_permissions()
  tenant.graph = microsoft_principal(tenant, M.GRAPH_APP, "Microsoft Graph",
    { appRoles = roles, oauth2PermissionScopes = scopes,
      servicePrincipalNames = json.array { M.GRAPH_APP, "https://graph.microsoft.com" } })
  microsoft_principal(tenant, M.CLI_APP, "Microsoft Graph Command Line Tools",
    { replyUrls = json.array { "http://localhost" }, _first_party = true })
  microsoft_principal(tenant, M.AZURE_CLI_APP, "Microsoft Azure CLI",
    { replyUrls = json.array { "http://localhost" }, _first_party = true, _scopes = AZURE_CLI_SCOPES })
end

--- An application that a person made by hand, with a secret that nobody recorded.
local function seed_handmade(tenant)
  local id, app_id = guid(tenant, "handmade", "application"), guid(tenant, "handmade", "client")
  tenant.ids.handmade, tenant.ids["handmade-client"] = id, app_id
  tenant.applications:seed(id, {
    id = id,
    appId = app_id,
    displayName = "Legacy PAM connector",
    signInAudience = "AzureADMyOrg",
    publisherDomain = tenant.domain,
    createdDateTime = time.iso(FOUNDED),
  })
  local principal = guid(tenant, "handmade", "principal")
  tenant.ids["handmade-principal"] = principal
  tenant.service_principals:seed(principal, tenant:principal_row(principal, tenant.applications:newest(id)))
  tenant:seed_secret(id, "made by hand", FOUNDED + 5 * 365 * 86400, FOUNDED + 7 * 365 * 86400)
end

local function seed_device(tenant)
  local id = guid(tenant, "device", "laptop")
  tenant.ids.laptop = id
  tenant.devices:seed(id, { id = id, deviceId = guid(tenant, "device id", "laptop"), displayName = "LAPTOP-ADELE",
    accountEnabled = true, operatingSystem = "Windows", operatingSystemVersion = "10.0.26100.1", trustType = "AzureAd",
    isCompliant = true, isManaged = true, profileType = "RegisteredDevice", deviceVersion = 2,
    registrationDateTime = time.iso(FOUNDED), createdDateTime = time.iso(FOUNDED), _owner = tenant.ids.adele })
end

local function seed_unit(tenant)
  local id = guid(tenant, "unit", "restricted")
  tenant.ids.restricted = id
  tenant.units:seed(id, { id = id, displayName = "Restricted accounts", isMemberManagementRestricted = true,
    description = "Only roles scoped to this unit may change its members", _members = {} })
end

--- Fill a new tenant.
---@param tenant emulator.tenant
function M.fill(tenant)
  for _, person in ipairs(M.PEOPLE) do
    seed_person(tenant, person)
    seed_roles(tenant, person.key, person.roles, "role_assignments")
    seed_roles(tenant, person.key, person.eligible, "role_eligibilities")
  end
  for _, group in ipairs(M.GROUPS) do
    seed_group(tenant, group)
  end
  tenant.everybody = tenant.ids.everybody
  seed_microsoft(tenant)
  seed_handmade(tenant)
  seed_unit(tenant)
  seed_device(tenant)
end

return M
