--- A directory tenant in memory: its objects, who may do what, and when readers see a change. No sockets: the login
--- pages and Graph are functions of this object.

local admin = require "emulator.tenant.admin"
local audits = require "emulator.tenant.audits"
local awkward = require "emulator.tenant.awkward"
local conditional_access = require "emulator.tenant.conditional_access"
local crowd = require "emulator.tenant.crowd"
local crowd_applications = require "emulator.tenant.crowd_applications"
local directory = require "emulator.tenant.directory"
local events = require "emulator.tenant.events"
local fact_tables = require "base.fact_tables"
local flags = require "emulator.tenant.flags"
local graveyard = require "emulator.tenant.graveyard"
local json = require "json"
local lag = require "emulator.lag"
local moments = require "emulator.moments"
local random = require "emulator.random"
local secret = require "secret.emulator"
local seed = require "emulator.tenant.seed"
local sign_ins = require "emulator.tenant.sign_ins"
local uses = require "emulator.tenant.uses"

local M = {}

M.GRAPH_APP, M.CLI_APP = seed.GRAPH_APP, seed.CLI_APP

---@class emulator.tenant
local Tenant = { __name = "emulator.tenant" }
Tenant.__index = Tenant
for _, part in ipairs { admin, audits, awkward, conditional_access, graveyard, sign_ins, uses } do
  for name, method in pairs(part) do
    if type(method) == "function" then Tenant[name] = method end
  end
end

local function flags_of(given)
  local made = {}
  for name, default in pairs(flags.ALL) do
    made[name] = default
  end
  for name, value in pairs(given or {}) do
    if flags.ALL[name] == nil then error(("unknown flag %q of the emulated tenant"):format(name), 3) end
    made[name] = value
  end
  return made
end

local function load_roles(tenant)
  for i, fields in ipairs(fact_tables.rows("scripts/emulator/data/roles.tsv")) do
    local id, name = fields[1], fields[2]
    tenant.role_ids[name] = id
    tenant.role_names[id] = name
    tenant.role_order[i] = id
    local object = random.guid(tenant.seed, "directory role", i)
    tenant.role_objects[id], tenant.role_templates[object] = object, id
  end
end

local COLLECTIONS = { "members", "deleted", "role_eligibilities", "group_eligibilities", "grants", "units",
  "listed_secrets", "working_secrets", "app_policies", "role_requests", "access_policies", "locations", "devices" }

local function open_collections(tenant, options)
  local users = options.users or 0
  local groups = options.groups or (users + 99) // 100
  local holders = options.holders or (users + 199) // 200
  local size = { seed = tenant.seed, domain = tenant.domain, users = users, groups = groups, holders = holders }
  tenant.users = lag.collection(tenant.source, crowd.users(size))
  tenant.groups = lag.collection(tenant.source, crowd.groups(size))
  tenant.role_assignments = lag.collection(tenant.source, crowd.holders(size))
  for _, name in ipairs(COLLECTIONS) do
    tenant[name] = lag.collection(tenant.source)
  end
  for name, rows in pairs(crowd_applications.crowds(tenant, options.applications or 0)) do
    tenant[name] = lag.collection(tenant.source, rows)
  end
end

--- The credential policy of a new tenant: it forbids nothing (Microsoft Learn: tenantappmanagementpolicy).
local function default_policy()
  return {
    id = "00000000-0000-0000-0000-000000000000",
    displayName = "Default app management tenant policy",
    description = "Default tenant policy that enforces app management restrictions on applications and service "
      .. "principals.",
    isEnabled = false,
    applicationRestrictions = { passwordCredentials = json.array {}, keyCredentials = json.array {} },
    servicePrincipalRestrictions = { passwordCredentials = json.array {}, keyCredentials = json.array {} },
  }
end

---@class emulator.tenant.options
---@field now fun(): number the emulator's clock, seconds since 1970
---@field seed integer? 1
---@field users integer? how many besides the named ones
---@field groups integer? one for a hundred users
---@field holders integer? of roles; one of two hundred users
---@field applications integer? how many besides the named ones
---@field lag number[]|false|nil {min, max} seconds; {1, 5}
---@field flags table? see tenant/flags.lua

--- A new tenant.
---@param options emulator.tenant.options
---@return emulator.tenant
function M.new(options)
  local range = options.lag == nil and { 1, 5 } or options.lag or {}
  local tenant = setmetatable({
    seed = options.seed or 1, now = options.now, domain = "contoso.onmicrosoft.com", name = "Contoso",
    flags = flags_of(options.flags), made = 0, ids = {}, keys_of = {}, issuers = {}, former_names = {},
    role_ids = {}, role_names = {}, role_order = {}, role_objects = {}, role_templates = {},
    writes = {}, asked = {},
    sign_ins = events.list(), audits = events.list(), operations = 0, uses = uses.none(), reports = {}, ends = {},
  }, Tenant)
  tenant.id = random.guid(tenant.seed, "tenant", 1)
  tenant.source = lag.source { seed = tenant.seed, now = options.now, min = range[1], max = range[2],
    behind = function() return tenant:behind() end }
  open_collections(tenant, options)
  load_roles(tenant)
  tenant.policy = default_policy()
  seed.fill(tenant)
  tenant:watch_writes()
  return tenant
end

--- How far the replicas are behind at most, seconds.
---@return number
function Tenant:behind()
  return self.source.max and self.flags.reads_flip or 0
end

--- Turn the lag on ({min, max} seconds) or off (false), for the writes that follow.
---@param range number[]|false
function Tenant:set_lag(range)
  self.source.min, self.source.max = range and range[1] or nil, range and range[2] or nil
end

--- The moment from which an object made now is known to be its creator's; see the flag owner_delay.
---@return number?
function Tenant:ownership_from()
  local range = self.flags.owner_delay
  return range and self.now() + self.source:delay(range) or nil
end

--- A new service principal's row for an application.
---@param id string
---@param application table
---@return table
function Tenant:principal_row(id, application)
  return {
    id = id,
    appId = application.appId,
    displayName = application.displayName,
    appDisplayName = application.displayName,
    appOwnerOrganizationId = self.id,
    createdDateTime = application.createdDateTime,
    accountEnabled = true,
    appRoleAssignmentRequired = false,
    servicePrincipalType = "Application",
    signInAudience = application.signInAudience,
    servicePrincipalNames = json.array { application.appId },
    tags = json.array {},
    appRoles = application.appRoles,
  }
end

local function by_app_id(collection, app_id, at)
  app_id = tostring(app_id):lower()
  return collection:find(function(row) return row.appId == app_id end, at)
end

--- The service principal of a client id; without a moment, the newest version.
---@param app_id string
---@param at number?
---@return table?
function Tenant:principal_of(app_id, at)
  return (by_app_id(self.service_principals, app_id, at))
end

--- The application with a client id; without a moment, the newest version.
---@param app_id string
---@param at number?
---@return table?
function Tenant:application_of(app_id, at)
  return (by_app_id(self.applications, app_id, at))
end

--- What the token endpoint knows about a client id now; nil when neither an application nor a service principal is
--- visible.
---@param app_id string
---@return {application: table?, service_principal: table?, first_party: boolean}?
function Tenant:client(app_id)
  local at = self.now()
  local application, principal = self:application_of(app_id, at), self:principal_of(app_id, at)
  if not application and not principal then return nil end
  return { application = application, service_principal = principal,
    first_party = principal ~= nil and principal._first_party == true }
end

--- Is this a secret of the client, in force now?
---@param app_id string
---@param value host.secret
---@return boolean? ok, string? reason "unknown_app", "disabled", "expired" or "invalid"
---@return string? key id of the secret, in force or expired
function Tenant:check_secret(app_id, value)
  local client, now = self:client(app_id), self.now()
  if not client or not client.service_principal then return nil, "unknown_app" end
  if client.service_principal.accountEnabled == false then return nil, "disabled" end
  local expired
  for _, owner in ipairs { client.service_principal.id, client.application and client.application.id } do
    for _, key in ipairs(self.keys_of[owner] or {}) do
      local row = self.working_secrets:get(key, now)
      if row and secret.equals(row._value, value) then
        if row._start <= now and now < row._end then return true, nil, key end
        expired = now >= row._end and key or expired
      end
    end
  end
  return nil, expired and "expired" or "invalid", expired
end

--- The federated credentials of a client, as they are visible now.
---@param app_id string
---@return {id: string, issuer: string, subject: string, audience: string, keys: table}[] keys: of the issuer, if known
function Tenant:federations_of(app_id)
  local list = {}
  for _, row in self.federations:scan(self.now()) do
    if row._client == app_id then
      list[#list + 1] = { id = row.id, issuer = row.issuer, subject = row.subject, audience = row.audiences[1],
        keys = self.issuers[row.issuer] or {} }
    end
  end
  return list
end

--- The managed identities that are turned on.
---@return table[] service principals
function Tenant:identities()
  local list = {}
  for _, row in self.service_principals:scan(self.now()) do
    if row.servicePrincipalType == "ManagedIdentity" then list[#list + 1] = row end
  end
  return list
end

--- The Graph permissions (values of app roles) that a token issued to a service principal now contains.
---@param principal_id string
---@return string[] sorted
function Tenant:app_roles(principal_id)
  local names, found = self:graph_roles(), {}
  for _, row in self.app_role_assignments:scan(self.now() - self.flags.token_delay) do
    if row.principalId == principal_id and row.resourceId == self.graph.id and names[row.appRoleId] then
      found[#found + 1] = names[row.appRoleId]
    end
  end
  table.sort(found)
  return found
end

--- Values of Graph's app roles by id.
---@return table<string, string>
function Tenant:graph_roles()
  if not self.graph_role_names then
    self.graph_role_names = {}
    for _, role in ipairs(self.graph.appRoles) do
      self.graph_role_names[role.id] = role.value
    end
  end
  return self.graph_role_names
end

--- The id of an application permission of Graph; nil when there is none of that name.
---@param name string "User.Read.All"
---@return string?
function Tenant:graph_role_id(name)
  if not self.graph_role_ids then
    self.graph_role_ids = {}
    for id, value in pairs(self:graph_roles()) do self.graph_role_ids[value] = id end
  end
  return self.graph_role_ids[name]
end

--- Delegated Graph scopes consented to a client, for everybody or for one person.
---@param app_id string
---@param person_id string?
---@return string[] sorted
function Tenant:scopes(app_id, person_id)
  local at, set, found = self.now(), {}, {}
  local principal = self:principal_of(app_id, at)
  for _, scope in ipairs(principal and principal._scopes or {}) do set[scope] = true end
  for _, row in self.grants:scan(at) do
    local for_them = row.consentType == "AllPrincipals" or row.principalId == person_id
    if principal and row.clientId == principal.id and row.resourceId == self.graph.id and for_them then
      for scope in (row.scope or ""):gmatch("%S+") do
        set[scope] = true
      end
    end
  end
  for scope in pairs(set) do
    found[#found + 1] = scope
  end
  table.sort(found)
  return found
end

--- Template ids of the directory roles a principal holds now, itself or through a group.
---@param principal_id string
---@return string[]
function Tenant:directory_roles(principal_id)
  return directory.roles(self, principal_id, self.now())
end

--- A user by user principal name, id or the short name of a seeded person.
---@param name string
---@return table?
function Tenant:person(name)
  local at = self.now()
  local row = self.users:get(self.ids[name] or name, at)
  if row then return row end
  local wanted = tostring(name):lower()
  for _, user in self.users:scan(at, 1, { "userPrincipalName", name }) do
    if user.userPrincipalName:lower() == wanted then return user end
  end
end

--- Remember the name of a user who gets another one, or is deleted.
---@param row table as it was
function Tenant:remember_name(row)
  self.former_names[row.userPrincipalName:lower()] = row.id
end

--- The user who had this name once.
---@param name string
---@return table? row, boolean? deleted
function Tenant:former_person(name)
  local id = self.former_names[name:lower()]
  if not id then return nil end
  local row, item = self.users:newest(id), self.deleted:newest(id)
  return row or item and item.row, not row and item ~= nil or nil
end

--- The seeded people, for a person who asks how to sign in.
---@return {key: string, upn: string, name: string, about: string}[]
function Tenant:people()
  local list = {}
  for i, person in ipairs(seed.PEOPLE) do
    local row = self.users:newest(self.ids[person.key])
    list[i] = { key = person.key, upn = row and row.userPrincipalName, name = person.name, about = person.about }
  end
  return list
end

--- Is this the person's password?
---@param upn string
---@param value host.secret
---@return boolean
function Tenant:check_password(upn, value)
  local row = self:person(upn)
  return row ~= nil and row._password ~= nil and secret.equals(row._password, value)
end

--- The password credentials of an application or service principal that GET shows at a moment.
---@param owner string
---@param at number
---@return table[]
function Tenant:passwords(owner, at)
  local list = json.array {}
  local keys = self.keys_of[owner] or {}
  for i = #keys, 1, -1 do -- the newest comes first (recorded 2021)
    local row = self.listed_secrets:get(keys[i], at)
    if row then list[#list + 1] = row end
  end
  return list
end

-- The keys of an owner that a reader can still ask for.
local function known_keys(self, owner)
  local known = {}
  for _, key in ipairs(self.keys_of[owner] or {}) do
    if self.listed_secrets:knows(key) or self.working_secrets:knows(key) then known[#known + 1] = key end
  end
  return known
end

--- Store a new secret of an application or service principal.
---@param owner string
---@param row {keyId: string, displayName: any, _value: host.secret, _start: number, _end: number,
--- startDateTime: string?, endDateTime: string?} the texts as the client sent them
---@param listed number? seconds until GET shows it; by default the flag `secret_hidden` says
---@param working number? seconds until the token endpoint accepts it
---@return table row as Graph shows it
function Tenant:put_secret(owner, row, listed, working)
  row.hint = secret.hint(row._value, 3)
  row.startDateTime = row.startDateTime or moments.ticks(row._start)
  row.endDateTime = row.endDateTime or moments.ticks(row._end)
  local keys = known_keys(self, owner)
  self.keys_of[owner] = keys
  keys[#keys + 1] = row.keyId
  row._owner = owner
  self.listed_secrets:put(row.keyId, row, listed or self.source:delay(self.flags.secret_hidden or nil))
  self.working_secrets:put(row.keyId, row, working)
  return row
end

--- Remove a secret.
---@param key string
---@param delay number?
function Tenant:drop_secret(key, delay)
  self.listed_secrets:drop(key, delay)
  self.working_secrets:drop(key, delay)
  self:forget_use(key)
end

return M
