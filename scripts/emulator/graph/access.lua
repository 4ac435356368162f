--- May this caller make this call? Checks Graph permissions first, then directory roles, as Entra does.

local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local fact_tables = require "base.fact_tables"

local M = {}

local calls ---@type table<string, {app: string[][], user: string[][]}>
local matrix ---@type table<string, table<string, table<string, boolean>>>

local function alternatives(text)
  local list = {}
  for alternative in text:gmatch("[^,]+") do
    local needed = {}
    for name in alternative:gmatch("[^+]+") do
      needed[#needed + 1] = name
    end
    list[#list + 1] = needed
  end
  return list
end

local function load_calls()
  calls = {}
  for _, fields in ipairs(fact_tables.rows("scripts/emulator/data/calls.tsv")) do
    calls[fields[1] .. " " .. fields[2]] = { app = alternatives(fields[3]), user = alternatives(fields[4]) }
  end
end

local function load_matrix()
  matrix = {}
  for _, fields in ipairs(fact_tables.rows("scripts/emulator/data/reset.tsv")) do
    local actors = {}
    for id in fields[3]:gmatch("[^,]+") do
      actors[id] = true
    end
    matrix[fields[1]] = matrix[fields[1]] or {}
    matrix[fields[1]][fields[2]] = actors
  end
end

--- Is the token delegated (a person's), and not an application's own?
---@param ctx emulator.context
---@return boolean
function M.is_person(ctx)
  return ctx.caller.idtyp == "user" or ctx.caller.scp ~= nil
end

local known = setmetatable({}, { __mode = "k" }) -- claims -> set; claims never change

--- The Graph permissions in the token.
---@param ctx emulator.context
---@return table<string, boolean>
function M.permissions(ctx)
  local set = known[ctx.caller]
  if set then return set end
  set = {}
  for name in (M.is_person(ctx) and ctx.caller.scp or ""):gmatch("%S+") do
    set[name] = true
  end
  for _, name in ipairs(not M.is_person(ctx) and ctx.caller.roles or {}) do
    set[name] = true
  end
  known[ctx.caller] = set
  return set
end

local function covers(set, needed)
  for _, name in ipairs(needed) do
    if not set[name] then return false end
  end
  return true
end

-- The part of Graph that is Privileged Identity Management's: there Directory.AccessAsUser.All is not enough, and a
-- missing permission has words of its own (azure-cli#26471, 2023; terraform-provider-azuread#1727, 2025).
local function is_schedule(call) return call:find("/rolemanagement/directory/role%a+schedule") ~= nil end

local function refuse_schedule(row)
  local names, seen = {}, {}
  for _, alternative in ipairs(row) do
    for _, name in ipairs(alternative) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  answer.refuse(403, "UnknownError", ('{"errorCode":"PermissionScopeNotGranted","message":"Authorization failed due to '
    .. 'missing permission scope %s.","instanceAnnotations":[]}'):format(table.concat(names, ",")))
end

--- Do the token's permissions allow the call? A call without a row needs no permission.
---@param ctx emulator.context
---@param call string "PATCH /applications/{id}", path in lower case
---@return boolean
function M.permits(ctx, call)
  if not calls then load_calls() end
  local row = calls[call]
  if not row then return true end
  local is_person = M.is_person(ctx)
  local as_user = is_person and ctx.tenant.flags.access_as_user and not is_schedule(call)
  if as_user and M.permissions(ctx)["Directory.AccessAsUser.All"] then return true end
  for _, needed in ipairs(is_person and row.user or row.app) do
    if covers(M.permissions(ctx), needed) then return true end
  end
  return false
end

--- Is the call one of the logs and reports?
---@param call string
---@return boolean
function M.is_log(call) return call:find("^GET /auditlogs/") ~= nil or call:find("^GET /reports/") ~= nil end

--- Refuse a call that the permissions do not allow.
---@param ctx emulator.context
---@param call string
function M.need(ctx, call)
  if M.permits(ctx, call) then return end
  if M.is_log(call) then -- the text: microsoftgraph/microsoft-graph-explorer-v4#3165, 2024
    answer.refuse(403, "Authentication_MSGraphPermissionMissing",
      "Calling principal does not have required MSGraph permissions AuditLog.Read.All")
  end
  if is_schedule(call) then refuse_schedule(M.is_person(ctx) and calls[call].user or calls[call].app) end
  answer.denied()
end

--- The template ids of the caller's directory roles: those in the token, or without the claim those held now.
---@param ctx emulator.context
---@return table<string, boolean>
function M.roles(ctx)
  if ctx.roles then return ctx.roles end
  ctx.roles = {}
  for _, id in ipairs(ctx.caller.wids or ctx.tenant:directory_roles(ctx.caller.oid)) do
    ctx.roles[id] = true
  end
  return ctx.roles
end

--- Does the caller hold one of these roles?
---@param ctx emulator.context
---@param names string[]
---@return boolean
function M.holds(ctx, names)
  local roles = M.roles(ctx)
  for _, name in ipairs(names) do
    if roles[ctx.tenant.role_ids[name]] then return true end
  end
  return false
end

--- Refuse a person who has none of these roles; an application needs none.
---@param ctx emulator.context
---@param names string[]
function M.need_role(ctx, names)
  if M.is_person(ctx) and not M.holds(ctx, names) then answer.denied() end
end

M.APPLICATION_ROLES = { "Global Administrator", "Application Administrator", "Cloud Application Administrator" }
M.GRANT_ROLES = { "Global Administrator", "Privileged Role Administrator" }

--- Refuse a caller that may not change this application or service principal. Allowed: a person with a role or who owns
--- it, an application that owns it or may change all (Microsoft Learn: application-update, permissions reference).
---@param ctx emulator.context
---@param row table with _owners
function M.need_application(ctx, row)
  local owner = row._owners and row._owners[ctx.caller.oid] and (row._owned_from or 0) <= ctx:now()
  if M.is_person(ctx) then
    if not owner and not M.holds(ctx, M.APPLICATION_ROLES) then answer.denied() end
    return
  end
  local permissions = M.permissions(ctx)
  local all = permissions["Application.ReadWrite.All"] or permissions["Directory.ReadWrite.All"]
  if not owner and not all then answer.denied() end
end

--- May the caller register applications?
---@param ctx emulator.context
function M.need_register(ctx)
  if not M.is_person(ctx) or ctx.tenant.flags.users_register_apps then return end
  if not M.holds(ctx, M.APPLICATION_ROLES) and not M.holds(ctx, { "Application Developer" }) then answer.denied() end
end

--- The rows of the matrix for the roles of a target.
local function rows_of(ctx, what, user)
  local found = {}
  for _, assignment in ipairs(directory.assignments(ctx.tenant, "role_assignments", user.id, ctx.at)) do
    found[#found + 1] = matrix[what][assignment.roleDefinitionId] or matrix[what]["@other"]
  end
  if directory.in_role_group(ctx.tenant, user.id, ctx.at) then found[#found + 1] = matrix[what]["@group"] end
  if #found == 0 then found[1] = matrix[what]["@none"] end
  return found
end

local function any(roles, row)
  for id in pairs(roles) do
    if row[id] then return true end
  end
  return false
end

--- The caller's roles that are scoped to a unit of the user. They reach only users without any role, and an application
--- also needs Directory Readers in the whole tenant (Microsoft Learn: manage-roles-portal, "Service principals and
--- guest users").
local function unit_roles(ctx, user)
  local found = {}
  if not M.is_person(ctx) and not M.holds(ctx, { "Directory Readers" }) then return found end
  for _, unit in ctx.tenant.units:scan(ctx.at) do
    local scope = "/administrativeUnits/" .. unit.id
    for _, id in ipairs(unit._members[user.id] and directory.roles(ctx.tenant, ctx.caller.oid, ctx.at, scope) or {}) do
      found[id] = true
    end
  end
  return found
end

--- Do the caller's roles reach this user, for "password" or "sensitive" (Microsoft Learn:
--- privileged-roles-permissions)?
---@param ctx emulator.context
---@param what "password"|"sensitive"
---@param user table
---@return boolean reaches, boolean ordinary the user holds no role
function M.outranks(ctx, what, user)
  if not matrix then load_matrix() end
  local rows = rows_of(ctx, what, user)
  local ordinary = rows[1] == matrix[what]["@none"]
  if ordinary and any(unit_roles(ctx, user), rows[1]) then return true, true end
  for _, row in ipairs(rows) do
    if not any(M.roles(ctx), row) then return false, ordinary end
  end
  return true, ordinary
end

local function app_may_reset(ctx, permitted, user)
  local reaches, ordinary = M.outranks(ctx, "password", user)
  if ctx.tenant.flags.reset_needs_permission and not permitted then return false end
  if reaches then return true end
  return permitted and ordinary and not ctx.tenant.flags.reset_needs_role
end

--- May the caller set this user's password? See the flags reset_needs_permission and reset_needs_role.
---@param ctx emulator.context
---@param user table
---@return boolean
function M.may_reset(ctx, user)
  local permitted = M.permits(ctx, "PATCH /users/{id}#passwordprofile")
  local may
  if M.is_person(ctx) then
    may = permitted and M.outranks(ctx, "password", user)
  else
    may = app_may_reset(ctx, permitted, user)
  end
  return may and not M.restricted(ctx, user.id)
end

--- Is the object in a restricted unit where the caller holds no role (CSDL: isMemberManagementRestricted)?
---@param ctx emulator.context
---@param id string
---@return boolean
function M.restricted(ctx, id)
  for _, unit in ctx.tenant.units:scan(ctx.at) do
    if unit.isMemberManagementRestricted and unit._members[id] then
      local scope = "/administrativeUnits/" .. unit.id
      return #directory.roles(ctx.tenant, ctx.caller.oid, ctx.at, scope) == 0
    end
  end
  return false
end

--- Refuse PIM calls without Entra ID P2 (400 and 403 were both seen: a flag).
---@param ctx emulator.context
function M.need_premium(ctx)
  if ctx.tenant.flags.premium then return end
  answer.refuse(ctx.tenant.flags.premium_status, "AadPremiumLicenseRequired",
    "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license.")
end

local READERS = {
  user = { "User.Read.All", "User.ReadWrite.All", "User.ReadBasic.All", "Directory.Read.All",
    "Directory.ReadWrite.All" },
  group = { "Group.Read.All", "Group.ReadWrite.All", "GroupMember.Read.All", "Group.ReadBasic.All",
    "Directory.Read.All", "Directory.ReadWrite.All" },
  servicePrincipal = { "Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy",
    "Directory.Read.All", "Directory.ReadWrite.All" },
}
READERS.application = READERS.servicePrincipal
READERS.directoryRole = { "RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "Directory.Read.All",
  "Directory.ReadWrite.All" }

--- May the caller see more of an object than its id? If not, mixed lists show only ids (Microsoft Learn:
--- group-list-members, "limited information").
---@param ctx emulator.context
---@param type_name string
---@return boolean
function M.sees(ctx, type_name)
  local permissions = M.permissions(ctx)
  for _, name in ipairs(READERS[type_name] or {}) do
    if permissions[name] then return true end
  end
  return READERS[type_name] == nil
end

return M
