--- What another admin does meanwhile, for the control page and for tests. Readers see these changes at once, as if they
--- were made a while ago.

local crypto = require "base.crypto"
local directory = require "emulator.tenant.directory"
local json = require "json"
local moments = require "emulator.moments"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

local function principal_id(tenant, who)
  if tenant.ids[who] then return tenant.ids[who] end
  local person = tenant:person(who)
  if person then return person.id end
  local principal = tenant:principal_of(who)
  return principal and principal.id or who
end

local function role_id(tenant, name)
  local id = tenant.role_ids[name] or tenant.role_names[name] and name
  return id or error(("there is no directory role %q"):format(tostring(name)), 3)
end

--- Assign a directory role; with `days`, PIM ends the assignment after that.
---@param who string person, client id or object id
---@param role string name or template id
---@param options {eligible: boolean?, scope: string?, days: number?}?
---@return string id of the assignment
function M:assign_role(who, role, options)
  options = options or {}
  local id = directory.new_long_id(self) .. (options.eligible and "-1-e" or "-1")
  local collection = options.eligible and self.role_eligibilities or self.role_assignments
  local ends = options.days and self.now() + options.days * 86400
  collection:put(id, { id = id, principalId = principal_id(self, who), roleDefinitionId = role_id(self, role),
    directoryScopeId = options.scope or "/", _ends = ends }, 0)
  if not options.eligible then self:note_end(id, ends) end
  return id
end

--- Make somebody eligible for a group (PIM for Groups).
---@param who string person, or the id of a group
---@param group string its key or object id
---@param as "member"|"owner"|nil
---@return string id of the eligibility
function M:make_eligible(who, group, as)
  local principal, group_id, kind = principal_id(self, who), self.ids[group] or group, as or "member"
  local id = ("%s_%s_%s"):format(group_id, kind, directory.new_id(self))
  self.group_eligibilities:put(id, { id = id, groupId = group_id, principalId = principal, accessId = kind,
    memberType = "direct", startDateTime = time.iso(self.now()), eligibilityScheduleId = id }, 0)
  return id
end

--- Approve a request for a role that waits (PIM).
---@param id string of the request
---@return string id of the assignment
function M:approve_role(id)
  local request = self.role_requests:newest(id)
  self.role_requests:change(id, { status = "Provisioned", completedDateTime = time.iso(self.now()) }, 0)
  return self:provision_role(request, 0)
end

--- Let a request for an active role take effect. The assignment has an id of its own, beside that of its schedule.
---@param request table
---@param delay number?
---@return string id of the assignment
function M:provision_role(request, delay)
  local id = directory.new_long_id(self) .. "-1"
  self.role_assignments:put(id, { id = id, _schedule = request.targetScheduleId,
    principalId = request.principalId, roleDefinitionId = request.roleDefinitionId,
    directoryScopeId = request.directoryScopeId, _starts = request._from, _ends = request._until }, delay)
  self:note_end(id, request._until)
  return id
end

--- Remove a directory role, active and eligible.
---@param who string
---@param role string
---@return integer how many assignments went
function M:remove_role(who, role)
  local principal, wanted, count = principal_id(self, who), role_id(self, role), 0
  for _, collection in ipairs { self.role_assignments, self.role_eligibilities } do
    for _, row, id in collection:scan(math.huge, 1, { "principalId", principal }) do
      if row.principalId == principal and row.roleDefinitionId == wanted then
        collection:drop(id or row.id, 0)
        count = count + 1
      end
    end
  end
  return count
end

--- Activate every role for which a person is eligible.
---@param who string
function M:activate(who)
  local principal = principal_id(self, who)
  for _, row in self.role_eligibilities:scan(math.huge) do
    if row.principalId == principal then self:assign_role(principal, row.roleDefinitionId) end
  end
end

--- Withdraw application permissions, all or one.
---@param client string client id or object id of the service principal
---@param permission string? "User.Read.All"
---@return integer how many went
function M:remove_consent(client, permission)
  local principal, names, count = principal_id(self, client), self:graph_roles(), 0
  for _, row, id in self.app_role_assignments:scan(math.huge) do
    if row.principalId == principal and (not permission or names[row.appRoleId] == permission) then
      self.app_role_assignments:drop(id, 0)
      count = count + 1
    end
  end
  return count
end

local function graph_role_id(tenant, permission)
  return tenant:graph_role_id(permission) or error(("Graph has no application permission %q"):format(permission), 3)
end

--- Grant an application permission of Graph.
---@param client string client id or object id of the service principal
---@param permission string
function M:grant(client, permission)
  local principal = self.service_principals:newest(principal_id(self, client))
  local id = directory.new_long_id(self)
  self.app_role_assignments:put(id, { id = id, principalId = principal.id, resourceId = self.graph.id,
    appRoleId = graph_role_id(self, permission), principalType = "ServicePrincipal",
    principalDisplayName = principal.displayName, resourceDisplayName = self.graph.displayName,
    createdDateTime = moments.ticks(self.now()) }, 0)
end

--- Consent to delegated Graph scopes: what happens at an admin's first sign-in with a client.
---@param client string client id
---@param scopes string[]
---@param person string? only for this person
function M:consent(client, scopes, person)
  local principal = assert(self:principal_of(client), "no such client")
  local user = person and principal_id(self, person)
  for _, row, id in self.grants:scan(math.huge) do
    if row.clientId == principal.id and row.principalId == (user or json.null) then
      self.grants:change(id, { scope = row.scope .. " " .. table.concat(scopes, " ") }, 0)
      return
    end
  end
  local id = directory.new_long_id(self)
  self.grants:put(id, { id = id, clientId = principal.id, resourceId = self.graph.id,
    consentType = user and "Principal" or "AllPrincipals", principalId = user or json.null,
    scope = table.concat(scopes, " ") }, 0)
end

local function set_enabled(tenant, who, enabled)
  local id = principal_id(tenant, who)
  local collection = tenant.users:newest(id) and tenant.users or tenant.service_principals
  collection:change(id, { accountEnabled = enabled }, 0)
end

--- Disable a user or a service principal.
---@param who string
function M:disable(who)
  set_enabled(self, who, false)
end

--- Enable it again.
---@param who string
function M:enable(who)
  set_enabled(self, who, true)
end

local function key_restrictions(rule, since)
  local list = json.array {}
  if rule.certificate_days then
    list[#list + 1] = { restrictionType = "asymmetricKeyLifetime", state = "enabled",
      maxLifetime = ("P%dD"):format(rule.certificate_days), restrictForAppsCreatedAfterDateTime = since }
  end
  if rule.authority then
    list[#list + 1] = { restrictionType = "trustedCertificateAuthority", state = "enabled", maxLifetime = json.null,
      restrictForAppsCreatedAfterDateTime = since }
  end
  return list
end

--- Restrict the credentials of applications, in the whole tenant or of one application. secrets = false forbids client
--- secrets, days is their longest lifetime, certificate_days that of certificates; authority = true demands
--- certificates of an authority.
---@param rule {secrets: boolean?, days: integer?, certificate_days: integer?, authority: boolean?, app: string?,
--- since: string?}
function M:set_policy(rule)
  local since = rule.since or "2020-01-01T00:00:00Z"
  local list = json.array {}
  if rule.secrets == false then
    list[#list + 1] = { restrictionType = "passwordAddition", state = "enabled", maxLifetime = json.null,
      restrictForAppsCreatedAfterDateTime = since }
  end
  if rule.days then
    list[#list + 1] = { restrictionType = "passwordLifetime", state = "enabled",
      maxLifetime = ("P%dD"):format(rule.days), restrictForAppsCreatedAfterDateTime = since }
  end
  local keys = key_restrictions(rule, since)
  local restrictions = { passwordCredentials = list, keyCredentials = keys }
  if not rule.app then
    self.policy.isEnabled, self.policy.applicationRestrictions = #list + #keys > 0, restrictions
    self:audit { name = "Update policy", category = "Policy", operation = "Update", service = "Core Directory",
      targets = { { id = self.policy.id, type = "Policy", name = self.policy.displayName } } }
    return
  end
  local id = directory.new_id(self)
  self.app_policies:put(id, { id = id, displayName = "Custom app management policy", isEnabled = true,
    restrictions = restrictions, _app = principal_id(self, rule.app) }, 0)
end

--- Change a switch (tenant/flags.lua).
---@param name string
---@param value any
function M:set_flag(name, value)
  if self.flags[name] == nil then error(("unknown flag %q of the emulated tenant"):format(tostring(name)), 2) end
  self.flags[name], self.reports = value, {}
end

--- Add somebody to a group.
---@param group string group key or id
---@param who string
function M:add_member(group, who)
  self:change_members(principal_id(self, group), principal_id(self, who), true, 0)
end

--- Remove somebody from a group.
---@param group string
---@param who string
function M:remove_member(group, who)
  self:change_members(principal_id(self, group), principal_id(self, who), false, 0)
end

--- Change whether somebody is in a group.
---@param group string id
---@param id string
---@param member boolean
---@param delay number?
function M:change_members(group, id, member, delay)
  local row = self.members:newest(group) or { list = {}, set = {}, out = {}, owners = {} }
  local new = { list = {}, set = {}, out = {}, owners = row.owners }
  for _, other in ipairs(row.list) do
    if other ~= id then new.list[#new.list + 1] = other end
  end
  for other in pairs(row.out) do
    new.out[other] = true
  end
  new.out[id] = not member or nil
  if member and not directory.in_crowd(self, group, id) then new.list[#new.list + 1] = id end
  for _, other in ipairs(new.list) do
    new.set[other] = true
  end
  self.members:put(group, new, delay)
end

--- Make somebody an owner of a group, or remove the owner.
---@param group string group key or id
---@param who string
---@param no_longer boolean?
function M:add_owner(group, who, no_longer)
  local id = principal_id(self, group)
  local row = self.members:newest(id) or { list = {}, set = {}, out = {}, owners = {} }
  local owners = {}
  for owner in pairs(row.owners) do owners[owner] = true end
  owners[principal_id(self, who)] = not no_longer or nil
  self.members:put(id, { list = row.list, set = row.set, out = row.out, owners = owners }, 0)
end

--- Create a group of these people.
---@param name string
---@param members string[]
---@return string id
function M:add_group(name, members)
  local id = directory.new_id(self)
  self.groups:put(id, directory.group_row {
    id = id, displayName = name, mailNickname = name:gsub("%W", ""), mailEnabled = false, securityEnabled = true,
    groupTypes = json.array {}, createdDateTime = time.iso(self.now()),
  }, 0)
  for _, who in ipairs(members) do self:add_member(id, who) end
  return id
end

--- Create a user whose password is kept in the cloud.
---@param upn string
---@param name string?
---@return string id
function M:add_person(upn, name)
  local id, now = directory.new_id(self), time.iso(self.now())
  self.users:put(id, {
    id = id, displayName = name or upn, userPrincipalName = upn, mail = upn, mailNickname = upn:match("^[^@]*"),
    accountEnabled = true, userType = "Member", createdDateTime = now, lastPasswordChangeDateTime = now,
    identities = json.array { { signInType = "userPrincipalName", issuer = self.domain, issuerAssignedId = upn } },
    _password = secret.generate(24),
  }, 0)
  return id
end

--- Remove an administrative unit.
---@param id string
function M:remove_unit(id)
  self.units:drop(id, 0)
end

--- Create an administrative unit.
---@param options {name: string, restricted: boolean?, members: string[]}
---@return string id
function M:add_unit(options)
  local id, members = directory.new_id(self), {}
  for _, who in ipairs(options.members) do
    members[principal_id(self, who)] = true
  end
  self.units:put(id, { id = id, displayName = options.name, isMemberManagementRestricted = options.restricted or false,
    _members = members }, 0)
  return id
end

--- Change a user, an application or a service principal.
---@param who string
---@param changes table properties
function M:change(who, changes)
  local id = principal_id(self, who)
  for _, collection in ipairs { self.users, self.service_principals, self.applications, self.groups } do
    local row = collection:newest(id)
    if row then
      if changes.userPrincipalName and collection == self.users then self:remember_name(row) end
      collection:change(id, changes, 0)
      return
    end
  end
  error(("there is no %q"):format(who), 2)
end

--- Set somebody's password, as a person does in the portal.
---@param who string
---@param value host.secret?
function M:change_password(who, value)
  self:change(who, { _password = value or secret.generate(24), lastPasswordChangeDateTime = time.iso(self.now()) })
end

--- Add a secret of an application that exists from the start.
---@param owner string id
---@param name string
---@param from number
---@param to number
---@param value host.secret?
---@return host.secret
function M:seed_secret(owner, name, from, to, value)
  value = value or secret.generate(40)
  local row = { keyId = directory.new_id(self), displayName = name, _value = value, _start = from, _end = to }
  self:put_secret(owner, row, 0, 0)
  return value
end

--- The certificates of an application in Graph's form (keyCredential resource).
local function key_credentials(tenant, certificate)
  if not certificate then return nil end
  local der = crypto.unbase64(certificate)
  local key = assert(der and crypto.x509(der), "the certificate is no DER in base64")
  local about = key:describe()
  return json.array { {
    customKeyIdentifier = crypto.hex(about.sha1):upper(), displayName = about.subject, key = certificate,
    keyId = directory.new_id(tenant), type = "AsymmetricX509Cert", usage = "Verify",
    startDateTime = time.iso(about.not_before), endDateTime = time.iso(about.not_after),
  } }
end

-- Give a principal the permissions and roles of these options.
local function give_rights(self, principal, options)
  for _, permission in ipairs(options.permissions or {}) do
    self:grant(principal, permission)
  end
  for _, role in ipairs(options.roles or {}) do
    self:assign_role(principal, role)
  end
end

--- Register an application with a secret, permissions and roles, and with a certificate (DER in base64) if one is
--- given.
---@param options {name: string, client_id: string?, permissions: string[]?, roles: string[]?, days: integer?,
--- secret: host.secret?, certificate: string?}
---@return {id: string, appId: string, principal: string, secret: host.secret}
function M:add_app(options)
  local id, principal = directory.new_id(self), directory.new_id(self)
  local app_id = options.client_id and options.client_id:lower() or directory.new_id(self)
  self.applications:put(id, { id = id, appId = app_id, displayName = options.name, signInAudience = "AzureADMyOrg",
    publisherDomain = self.domain, createdDateTime = time.iso(self.now()),
    keyCredentials = key_credentials(self, options.certificate) }, 0)
  self.service_principals:put(principal, self:principal_row(principal, self.applications:newest(id)), 0)
  give_rights(self, principal, options)
  local now = self.now()
  local value = self:seed_secret(id, options.name, now - 60, now + (options.days or 180) * 86400, options.secret)
  return { id = id, appId = app_id, principal = principal, secret = value }
end

--- Turn on a managed identity. When there is only one, it is the machine's own.
---@param options {name: string, permissions: string[]?, roles: string[]?, resource_id: string?}
---@return {appId: string, principal: string}
function M:add_identity(options)
  local app_id, principal = directory.new_id(self), directory.new_id(self)
  local row = self:principal_row(principal, { appId = app_id, displayName = options.name })
  row.servicePrincipalType, row._resource_id = "ManagedIdentity", options.resource_id
  self.service_principals:put(principal, row, 0)
  give_rights(self, principal, options)
  return { appId = app_id, principal = principal }
end

--- Let an application trust the tokens of another issuer; `keys` are its public keys as in a JWKS.
---@param client string client id
---@param credential {issuer: string, subject: string, audience: string?, keys: {n: string, e: string}[]}
function M:add_federation(client, credential)
  local id = directory.new_id(self)
  self.federations:put(id, { id = id, _client = client, name = "federated-" .. id:sub(1, 8),
    issuer = credential.issuer, subject = credential.subject,
    audiences = json.array { credential.audience or "api://AzureADTokenExchange" } }, 0)
  self:add_issuer(credential.issuer, credential.keys)
end

--- Publish the keys of an issuer of tokens: the emulator fetches none.
---@param issuer string
---@param keys {n: string, e: string}[]
function M:add_issuer(issuer, keys)
  self.issuers[issuer] = keys
end

--- Remove a secret by its key id.
---@param key string
function M:remove_secret(key)
  self:drop_secret(key, 0)
end

--- Delete an application for good, its service principal too.
---@param app_id string client id
function M:erase_application(app_id)
  local application, principal = self:application_of(app_id), self:principal_of(app_id)
  if application then self.applications:drop(application.id, 0) end
  if principal then self.service_principals:drop(principal.id, 0) end
end

return M
