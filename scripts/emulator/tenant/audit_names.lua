--- Which directory audits a write makes: activity names, categories and modified properties (MicrosoftDocs/entra-docs,
--- reference-audit-activities; names and forms seen in the field: see tenant/audits.lua; PIM's names: Microsoft Learn,
--- pim-how-to-use-audit-log).

local json = require "json"

local M = {}

local CORE, PIM = "Core Directory", "PIM"

---@class emulator.audit.options
---@field category string
---@field operation string
---@field service string?
---@field targets emulator.audit.target[]
---@field details table?
---@field failure string?

---@param options emulator.audit.options
local function audit(tenant, name, options)
  tenant:audit { name = name, category = options.category, operation = options.operation,
    service = options.service or CORE, targets = options.targets, details = options.details,
    failure = options.failure }
end

---------------------------------------------------------------------------
-- Modified properties

-- A value as a property of the directory: JSON of a list, in a text.
local function listed(value)
  if value == nil or value == json.null then return "[]" end
  if type(value) == "table" then return json.encode(value) end
  return json.encode(json.array { value })
end

local function quoted(value) return json.encode(tostring(value or "")) end

local function new_value(name, value) return { name, nil, quoted(value) } end

local function included(names) return { "Included Updated Properties", nil, quoted(table.concat(names, ", ")) } end

local function same(a, b)
  if a == b then return true end
  return type(a) == "table" and type(b) == "table" and json.encode(a) == json.encode(b)
end

-- "accountEnabled" -> "AccountEnabled"
local function spelled(name) return name:sub(1, 1):upper() .. name:sub(2) end

-- The names of the public members in which two rows differ, sorted.
local function differing(before, after)
  local names = {}
  for name, value in pairs(after) do
    if name:sub(1, 1) ~= "_" and not same(before[name], value) then names[#names + 1] = name end
  end
  for name in pairs(before) do
    if name:sub(1, 1) ~= "_" and after[name] == nil then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function changes(before, after, names)
  local list, spelt = {}, {}
  for i, name in ipairs(names) do
    spelt[i] = spelled(name)
    list[i] = { spelt[i], listed(before[name]), listed(after[name]) }
  end
  list[#list + 1] = included(spelt)
  return list
end

---------------------------------------------------------------------------
-- Targets

local function user_target(row, changed)
  return { id = row.id, type = "User", user_name = row.userPrincipalName, changed = changed }
end

local function named_target(kind)
  return function(row, changed) return { id = row.id, type = kind, name = row.displayName, changed = changed } end
end

local application_target, principal_target = named_target "Application", named_target "ServicePrincipal"
local group_target = named_target "Group"

local function with_name(list, app_id)
  list[#list + 1] = new_value("TargetId.ServicePrincipalNames", app_id)
  return list
end

-- The target that has this id; any kind of principal.
local function target_of(tenant, id, changed)
  local user = tenant.users:newest(id)
  if user then return user_target(user, changed) end
  local principal = tenant.service_principals:newest(id)
  if principal then return principal_target(principal, with_name(changed or {}, principal.appId)) end
  local group = tenant.groups:newest(id)
  if group then return group_target(group, changed) end
  return { id = id, type = "Other", changed = changed }
end

---------------------------------------------------------------------------
-- Users

local USERS = "UserManagement"

local function user_record(tenant, name, operation, row, changed, failure)
  audit(tenant, name, { category = USERS, operation = operation, targets = { user_target(row, changed) },
    failure = failure })
end

--- Record that somebody set a user's password, or with a reason that it was refused.
---@param tenant emulator.tenant
---@param row table
---@param failure string?
function M.reset(tenant, row, failure)
  for _, name in ipairs(tenant.flags.reset_activities) do
    local is_update = name == "Update user"
    local changed = is_update and tenant.flags.reset_names_password and { included { "PasswordProfile" } } or nil
    user_record(tenant, name, is_update and "Update" or "Reset", row, changed, failure)
  end
end

local function is_reset(before, after)
  return before._password ~= after._password or before.lastPasswordChangeDateTime ~= after.lastPasswordChangeDateTime
end

local SESSIONS, ENABLED = "signInSessionsValidFromDateTime", "accountEnabled"
local APART = { [SESSIONS] = true, lastPasswordChangeDateTime = true }

local function user_changed(tenant, before, after)
  if is_reset(before, after) then M.reset(tenant, after) end
  if before[SESSIONS] ~= after[SESSIONS] then
    user_record(tenant, "Update StsRefreshTokenValidFrom Timestamp", "Update", after,
      { { "StsRefreshTokensValidFrom", listed(before[SESSIONS]), listed(after[SESSIONS]) } })
  end
  if before[ENABLED] ~= after[ENABLED] then
    user_record(tenant, after[ENABLED] and "Enable account" or "Disable account", "Update", after,
      changes(before, after, { ENABLED }))
  end
  local names = {}
  for _, name in ipairs(differing(before, after)) do
    if not APART[name] then names[#names + 1] = name end
  end
  if #names > 0 then user_record(tenant, "Update user", "Update", after, changes(before, after, names)) end
end

---------------------------------------------------------------------------
-- Applications and service principals

local APPLICATIONS = "ApplicationManagement"

local function application_record(tenant, name, operation, target, app_id)
  audit(tenant, name, { category = APPLICATIONS, operation = operation, targets = { target },
    details = app_id and { { "AppId", app_id } } })
end

local function owners_changed(tenant, before, after, kind)
  local was, is = before._owners or {}, after._owners or {}
  local function each(set, other, name, operation)
    for id in pairs(set) do
      if not other[id] then
        local target = target_of(tenant, id)
        audit(tenant, name:format(kind == "Application" and "application" or "service principal"), {
          category = APPLICATIONS, operation = operation,
          targets = { target, named_target(kind)(after) } })
      end
    end
  end
  each(is, was, "Add owner to %s", "Assign")
  each(was, is, "Remove owner from %s", "Unassign")
end

-- A credential as the property KeyDescription names it.
local function key_text(row)
  local name = row.displayName
  return ("[KeyIdentifier=%s,KeyType=%s,KeyUsage=%s,DisplayName=%s]"):format(row.keyId, row.type or "Password",
    row.usage or "Verify", name ~= json.null and name or "")
end

local function texts_of(certificates, secrets)
  local list = json.array {}
  for _, rows in ipairs { certificates or {}, secrets } do
    for _, row in ipairs(rows) do list[#list + 1] = key_text(row) end
  end
  return list
end

local function secrets_of(tenant, owner, but)
  local rows = {}
  for _, key in ipairs(tenant.keys_of[owner] or {}) do
    local row = key ~= but and tenant.working_secrets:newest(key)
    if row then rows[#rows + 1] = row end
  end
  return rows
end

local function key_description(old, new) return { "KeyDescription", json.encode(old), json.encode(new) } end

-- Two records with the names of the key ids, as recorded of a service principal.
local function application_keys(tenant, row, old, new)
  application_record(tenant, tenant.flags.credentials_activity, "Update",
    application_target(row, { key_description(old, new), included { "KeyDescription" } }), row.appId)
  application_record(tenant, "Update application", "Update",
    application_target(row, { key_description(old, new), included { "KeyDescription" } }), row.appId)
end

local function principal_keys(tenant, row, old, new)
  local name = #new > #old and "Add service principal credentials" or "Remove service principal credentials"
  application_record(tenant, name, "Update", principal_target(row, with_name({ key_description(old, new),
    included { "KeyDescription" } }, row.appId)), row.appId)
  application_record(tenant, "Update service principal", "Update", principal_target(row,
    with_name({ included { "KeyDescription" } }, row.appId)), row.appId)
end

local function keys_changed(tenant, owner, old, new)
  local application = tenant.applications:newest(owner)
  if application then return application_keys(tenant, application, old, new) end
  local principal = tenant.service_principals:newest(owner)
  if principal then principal_keys(tenant, principal, old, new) end
end

local function application_changed(tenant, before, after)
  owners_changed(tenant, before, after, "Application")
  if not same(before.keyCredentials, after.keyCredentials) then
    local secrets = secrets_of(tenant, after.id)
    application_keys(tenant, after, texts_of(before.keyCredentials, secrets), texts_of(after.keyCredentials, secrets))
  end
  local names = {}
  for _, name in ipairs(differing(before, after)) do
    if name ~= "keyCredentials" then names[#names + 1] = name end
  end
  if #names == 0 then return end
  application_record(tenant, "Update application", "Update", application_target(after,
    changes(before, after, names)), after.appId)
end

local function principal_changed(tenant, before, after)
  owners_changed(tenant, before, after, "ServicePrincipal")
  local names = differing(before, after)
  if #names == 0 then return end
  application_record(tenant, "Update service principal", "Update", principal_target(after,
    with_name(changes(before, after, names), after.appId)), after.appId)
end

---------------------------------------------------------------------------
-- Objects that can be deleted softly

local KINDS = {
  users = { name = "user", category = USERS, target = user_target, changed = user_changed },
  groups = { name = "group", category = "GroupManagement", target = group_target, changed = function(tenant, was, is)
    audit(tenant, "Update group", { category = "GroupManagement", operation = "Update",
      targets = { group_target(is, changes(was, is, differing(was, is))) } })
  end },
  applications = { name = "application", category = APPLICATIONS, target = application_target,
    changed = application_changed },
  service_principals = { name = "service principal", category = APPLICATIONS, target = principal_target,
    changed = principal_changed, delete = "Remove" },
}

local function object_judge(kind)
  return function(tenant, id, before, after)
    if before and after then return kind.changed(tenant, before, after) end
    local name, operation = "Add", "Add"
    if not after then
      name, operation = kind.delete or "Delete", "Delete"
    elseif tenant.deleted:newest(id) then
      name, operation = "Restore", "Restore"
    end
    local row = after or before
    audit(tenant, ("%s %s"):format(name, kind.name), { category = kind.category, operation = operation,
      targets = { kind.target(row) }, details = row.appId and { { "AppId", row.appId } } })
  end
end

local DELETED = { user = KINDS.users, group = KINDS.groups, application = KINDS.applications,
  servicePrincipal = KINDS.service_principals }

local function deleted_judge(tenant, _, before, after)
  if after then return end
  local kind = DELETED[before.type]
  audit(tenant, "Hard Delete " .. kind.name, { category = kind.category, operation = "Delete",
    targets = { kind.target(before.row) } })
end

local function secret_judge(tenant, id, before, after)
  local row = after or before
  local others = secrets_of(tenant, row._owner, id)
  local application = tenant.applications:newest(row._owner)
  local certificates = application and application.keyCredentials
  local with = { table.unpack(others) }
  with[#with + 1] = row
  local less, more = texts_of(certificates, others), texts_of(certificates, with)
  if before and after then return end
  keys_changed(tenant, row._owner, after and less or more, after and more or less)
end

local function federations_of(tenant, client, but)
  local list = json.array {}
  for _, row in tenant.federations:scan(math.huge) do
    if row._client == client and row.id ~= but then list[#list + 1] = { Name = row.name, Issuer = row.issuer,
      Subject = row.subject, Audiences = row.audiences } end
  end
  return list
end

-- One record, with the property FederatedIdentityCredentials (DataDog/stratus-red-team@7c9a7a5, entra-id.persistence.
-- backdoor-application-fic).
local function federation_judge(tenant, id, before, after)
  local client = (after or before)._client
  local application = tenant:application_of(client)
  if not application then return end
  local others = federations_of(tenant, client, id)
  local function with(row)
    local list = json.array { table.unpack(others) }
    if row then
      list[#list + 1] = { Name = row.name, Issuer = row.issuer, Subject = row.subject, Audiences = row.audiences }
    end
    return json.encode(list)
  end
  application_record(tenant, "Update application", "Update", application_target(application,
    { { "FederatedIdentityCredentials", with(before), with(after) }, included { "FederatedIdentityCredentials" } }),
    client)
end

---------------------------------------------------------------------------
-- Consent

local GRANTED = { ServicePrincipal = "service principal", Group = "group" }

-- The target is the resource; the principal is among the properties (recorded 2026).
local function assignment_judge(tenant, _, before, after)
  local row = after or before
  local resource, principal = tenant.service_principals:newest(row.resourceId), tenant.service_principals:newest(
    row.principalId)
  local role = {}
  for _, one in ipairs(resource and resource.appRoles or {}) do
    if one.id == row.appRoleId then role = one end
  end
  local changed = {
    new_value("AppRole.Id", row.appRoleId), new_value("AppRole.Value", role.value),
    new_value("AppRole.DisplayName", role.displayName),
    new_value("AppRoleAssignment.CreatedDateTime", row.createdDateTime),
    new_value("ServicePrincipal.DisplayName", row.principalDisplayName),
    principal and new_value("ServicePrincipal.AppId", principal.appId) or new_value("User.ObjectID", row.principalId),
  }
  local whom = GRANTED[row.principalType]
  local name = (after and "Add" or "Remove") .. " app role assignment grant to user"
  if whom then name = after and "Add app role assignment to " .. whom or "Remove app role assignment from " .. whom end
  audit(tenant, name, { category = whom and APPLICATIONS or USERS, operation = after and "Assign" or "Unassign",
    targets = { principal_target(resource or { id = row.resourceId, displayName = row.resourceDisplayName },
      changed) } })
end

local function grant_judge(tenant, _, before, after)
  local row = after or before
  local resource, client = tenant.service_principals:newest(row.resourceId), tenant.service_principals:newest(
    row.clientId)
  if not resource or not client then return end
  audit(tenant, after and "Add delegated permission grant" or "Remove delegated permission grant", {
    category = APPLICATIONS, operation = after and "Assign" or "Unassign",
    targets = { principal_target(resource, {
      { "DelegatedPermissionGrant.Scope", before and quoted(before.scope), after and quoted(after.scope) },
      new_value("DelegatedPermissionGrant.ConsentType", row.consentType),
      new_value("ServicePrincipal.ObjectID", client.id), new_value("ServicePrincipal.AppId", client.appId),
    }), principal_target(client) } })
end

--- Record what an administrator or a person does on the page that asks for consent, beside the grants themselves.
---@param tenant emulator.tenant
---@param client table service principal
---@param is_admin boolean for everybody
function M.consent(tenant, client, is_admin)
  application_record(tenant, "Consent to application", "Assign", principal_target(client, with_name({
    { "ConsentContext.IsAdminConsent", nil, quoted(is_admin and "True" or "False") },
    { "ConsentContext.OnBehalfOfAll", nil, quoted(is_admin and "True" or "False") },
  }, client.appId)), client.appId)
end

---------------------------------------------------------------------------
-- Roles and members

local ROLES = "RoleManagement"

local function role_properties(tenant, row)
  local name = tenant.role_names[row.roleDefinitionId] or ""
  return { new_value("Role.ObjectID", row.roleDefinitionId), new_value("Role.DisplayName", name),
    new_value("Role.TemplateId", row.roleDefinitionId),
    new_value("Role.WellKnownObjectName", (name:gsub("%W", ""))) }
end

local function role_record(tenant, name, row, assigned, service)
  audit(tenant, name, { category = ROLES, operation = assigned and "Assign" or "Unassign", service = service,
    targets = { target_of(tenant, row.principalId, role_properties(tenant, row)),
      { id = row.roleDefinitionId, type = "Role" } } })
end

-- PIM writes a record of its own, also of an assignment that was made without it.
local function role_judge(tenant, _, before, after)
  local row = after or before
  local scoped = row.directoryScopeId ~= "/" and "scoped " or ""
  role_record(tenant, after and ("Add %smember to role"):format(scoped)
    or ("Remove %smember from role"):format(scoped), row, after ~= nil)
  if not tenant.flags.premium or not after then return end
  local kind = row._ends and "timebound" or "permanent"
  role_record(tenant, ("Add member to role %s (%s)"):format(row._schedule and "in PIM completed" or "outside of PIM",
    kind), row, true, PIM)
end

--- Record that an assignment ended by itself.
---@param tenant emulator.tenant
---@param row table
function M.role_ended(tenant, row)
  role_record(tenant, "Remove member from role", row, false)
  role_record(tenant, "Remove member from role (PIM activation expired)", row, false, PIM)
end

local function eligibility_judge(tenant, _, before, after)
  local row = after or before
  role_record(tenant, after and "Add eligible member to role" or "Remove eligible member from role", row,
    after ~= nil)
  if not after then return end
  role_record(tenant, ("Add eligible member to role in PIM completed (%s)"):format(row._ends and "timebound"
    or "permanent"), row, true, PIM)
end

local function request_judge(tenant, _, before, after)
  if not after or before then return end
  role_record(tenant, ("Add member to role in PIM requested (%s)"):format(after._until and "timebound"
    or "permanent"), after, true, PIM)
end

local NOBODY = { set = {}, out = {}, owners = {} }

local function member_record(tenant, name, group, id)
  audit(tenant, name, { category = "GroupManagement", operation = name:find("^Add") and "Assign" or "Unassign",
    targets = { target_of(tenant, id, { new_value("Group.ObjectID", group.id),
      new_value("Group.DisplayName", group.displayName) }), group_target(group) } })
end

-- `out` has the members by number who were removed.
local function member_judge(tenant, id, before, after)
  local group = tenant.groups:newest(id) or { id = id }
  local function each(set, other, name)
    for member in pairs(set) do
      if not other[member] then member_record(tenant, name, group, member) end
    end
  end
  before, after = before or NOBODY, after or NOBODY
  each(after.set, before.set, "Add member to group")
  each(before.out, after.out, "Add member to group")
  each(before.set, after.set, "Remove member from group")
  each(after.out, before.out, "Remove member from group")
  each(after.owners, before.owners, "Add owner to group")
  each(before.owners, after.owners, "Remove owner from group")
end

---------------------------------------------------------------------------
-- Policies

local function policy_judge(name)
  return function(tenant, _, before, after)
    local row, verb = after or before, "Update"
    if not before then verb = "Add" end
    if not after then verb = "Delete" end
    audit(tenant, ("%s %s"):format(verb, name), { category = "Policy", operation = verb,
      targets = { { id = row.id, type = "Policy", name = row.displayName } } })
  end
end

--- The collections whose writes are audited: what tells of one write.
---@type table<string, fun(tenant: emulator.tenant, id: string, before: table?, after: table?)>
M.JUDGES = {
  users = object_judge(KINDS.users), groups = object_judge(KINDS.groups),
  applications = object_judge(KINDS.applications), service_principals = object_judge(KINDS.service_principals),
  deleted = deleted_judge,
  working_secrets = secret_judge, federations = federation_judge,
  app_role_assignments = assignment_judge, grants = grant_judge,
  role_assignments = role_judge, role_eligibilities = eligibility_judge, role_requests = request_judge,
  members = member_judge,
  app_policies = policy_judge "policy", access_policies = policy_judge "Conditional Access policy",
  locations = policy_judge "named location", units = policy_judge "administrative unit",
}

return M
