--- Directory roles: definitions and assignments (Microsoft Learn: rbacapplication-post-roleassignments; refusals:
--- terraform's azuread provider, odata/errors.go).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local groups = require "emulator.graph.groups"
local json = require "json"
local query = require "emulator.query"
local schema = require "emulator.schema"

local M = {}

local function definition(tenant, id)
  local name = tenant.role_names[id]
  return name and {
    id = id, templateId = id, displayName = name, description = name, isBuiltIn = true, isEnabled = true, version = "1",
    resourceScopes = json.array { "/" },
    rolePermissions = json.array { { allowedResourceActions = json.array {}, condition = json.null } },
  }
end

local function definitions(ctx)
  local rows = {}
  for i, id in ipairs(ctx.tenant.role_order) do
    rows[i] = definition(ctx.tenant, id)
  end
  ctx.collection = "roleManagement/directory/roleDefinitions"
  return query.list(ctx, "unifiedRoleDefinition", query.rows(rows))
end

local function get_definition(ctx, id)
  return query.entity(ctx, "unifiedRoleDefinition", definition(ctx.tenant, id:lower()) or answer.missing(id), nil,
    "roleManagement/directory/roleDefinitions/$entity")
end

local function selected(inner)
  local text = inner:match("%$select=([^;]+)")
  if not text then return nil end
  local list = {}
  for name in text:gmatch("[^,%s]+") do
    list[#list + 1] = name
  end
  return list
end

--- The expansions of a list of assignments.
---@param ctx emulator.context
---@return table<string, function>
function M.expansions(ctx)
  return {
    principal = function(row, inner)
      local object, type_name = directory.object(ctx.tenant, row.principalId, ctx.at)
      return object and query.object(ctx, type_name, object, selected(inner)) or json.null
    end,
    roleDefinition = function(row, inner)
      return schema.show("unifiedRoleDefinition", definition(ctx.tenant, row.roleDefinitionId), selected(inner))
    end,
    directoryScope = function() return json.null end,
  }
end

local function assignments(ctx)
  ctx.collection = "roleManagement/directory/roleAssignments"
  local source = query.source(ctx.tenant.role_assignments, { expand = M.expansions(ctx) })
  return query.list(ctx, "unifiedRoleAssignment", source)
end

local function visible(ctx, id)
  return ctx.tenant.role_assignments:get(id, ctx.at) or answer.missing(id)
end

local function get_assignment(ctx, id)
  return query.entity(ctx, "unifiedRoleAssignment", visible(ctx, id), { expand = M.expansions(ctx) },
    "roleManagement/directory/roleAssignments/$entity")
end

--- A unit or a single object can be a scope, but not for every role.
local SCOPED = "The given built-in role is not supported to be assigned to a single resource scope."

--- Refuse a scope that does not exist.
---@param ctx emulator.context
---@param body table
function M.check_scope(ctx, body)
  local scope = body.directoryScopeId
  if scope == "/" or type(scope) ~= "string" then
    if type(scope) ~= "string" then
      answer.bad("A value is required for property 'directoryScopeId' of resource 'UnifiedRoleAssignment'.")
    end
    return
  end
  local unit = scope:match("^/administrativeUnits/(.+)$")
  if unit then return ctx.tenant.units:get(unit, ctx.at) or answer.missing(unit) end
  local row, type_name = directory.object(ctx.tenant, scope:sub(2), ctx.at)
  if not row then answer.missing(scope:sub(2)) end
  local for_applications = ctx.tenant.role_names[body.roleDefinitionId]:find("Application", 1, true)
  if not for_applications or type_name == "user" then answer.bad(SCOPED) end
end

local function check_principal(ctx, id)
  local row, type_name = directory.object(ctx.tenant, id, ctx.at)
  if not row then answer.missing(id) end
  if type_name == "group" and not row.isAssignableToRole then
    answer.bad("The group is not assignable to a role: isAssignableToRole must be true.")
  end
end

--- Does a flag name this role?
---@param tenant emulator.tenant
---@param flag "pim_only"|"pim_ticket"|"pim_approval"
---@param role string template id
---@return boolean
function M.is_flagged(tenant, flag, role)
  for _, name in ipairs(tenant.flags[flag] or {}) do
    if tenant.role_names[role] == name then return true end
  end
  return false
end

--- Where the policy demands that active assignments expire, refuse a permanent one.
local function check_pim(ctx, role)
  if not M.is_flagged(ctx.tenant, "pim_only", role) then return end
  answer.refuse(400, "RoleAssignmentRequestPolicyValidationFailed",
    'The following policy rules failed: ["ExpirationRule"]')
end

--- An id in a body, in lower case; "" for anything else.
---@param value any
---@return string
function M.id_in(value)
  return type(value) == "string" and value:lower() or ""
end

local function check_new(ctx, body)
  local refusal = schema.refusal("unifiedRoleAssignment", body)
  if refusal then answer.bad("%s", refusal) end
  body.principalId, body.roleDefinitionId = M.id_in(body.principalId), M.id_in(body.roleDefinitionId)
  if not ctx.tenant.role_names[body.roleDefinitionId] then answer.missing(body.roleDefinitionId) end
  check_principal(ctx, body.principalId)
  M.check_scope(ctx, body)
  check_pim(ctx, body.roleDefinitionId)
end

--- The newest assignment of this principal, role and scope.
---@param ctx emulator.context
---@param body table
---@return table?
function M.taken(ctx, body)
  for _, row in ctx.tenant.role_assignments:scan(math.huge, 1, { "principalId", body.principalId }) do
    if row.principalId == body.principalId and row.roleDefinitionId == body.roleDefinitionId
      and row.directoryScopeId == body.directoryScopeId then
      return row
    end
  end
end

local function keep_assignment(ctx, body)
  local id = directory.new_long_id(ctx.tenant) .. "-1"
  local row = { id = id, principalId = body.principalId, roleDefinitionId = body.roleDefinitionId,
    directoryScopeId = body.directoryScopeId }
  ctx.tenant.role_assignments:put(id, row)
  return row
end

local function assign(ctx)
  local body = ctx.body
  access.need_role(ctx, access.GRANT_ROLES)
  check_new(ctx, body)
  if M.taken(ctx, body) then
    answer.bad("A conflicting object with one or more of the specified property values is present in the directory.")
  end
  local row = keep_assignment(ctx, body)
  local _, shown = query.entity(ctx, "unifiedRoleAssignment", row, nil,
    "roleManagement/directory/roleAssignments/$entity")
  return 201, shown
end

local function unassign(ctx, id)
  visible(ctx, id)
  access.need_role(ctx, access.GRANT_ROLES)
  ctx.tenant.role_assignments:drop(id)
  return 204
end

---------------------------------------------------------------------------
-- /directoryRoles: only roles that somebody holds; no paging (merill/msgraph: paging)

local function active_roles(ctx)
  local held, rows = {}, {}
  for _, row in ctx.tenant.role_assignments:scan(ctx.at) do
    held[row.roleDefinitionId] = true
  end
  for _, id in ipairs(ctx.tenant.role_order) do
    if held[id] then rows[#rows + 1] = directory.role_object(ctx.tenant, id) end
  end
  return rows
end

-- Who holds a role in the whole tenant: place, id.
local function walk_members(ctx, role)
  return function(at, from)
    local step = ctx.tenant.role_assignments:scan(at, from)
    return function()
      for place, row in step do
        if row.roleDefinitionId == role and row.directoryScopeId == "/" then return place, row.principalId end
      end
    end
  end
end

-- $expand gives at most 20 members and no next page (Microsoft Learn: query-parameters).
local function expand_members(ctx)
  return function(row)
    local list = json.array {}
    for _, id in walk_members(ctx, row.roleTemplateId)(ctx.at, 1) do
      local object, type_name = directory.object(ctx.tenant, id, ctx.at)
      if object and #list < 20 then list[#list + 1] = query.object(ctx, type_name, object) end
    end
    return list
  end
end

local function list_roles(ctx)
  return query.list(ctx, "directoryRole", query.rows(active_roles(ctx),
    { single_page = true, expand = { members = expand_members(ctx) } }))
end

-- The template of a role that is named by its id in this tenant, or as (roleTemplateId='…').
local function find_role(ctx, key)
  local template
  if type(key) == "table" then
    template = M.id_in(key.roleTemplateId)
    template = ctx.tenant.role_names[template] and template
  else
    template = ctx.tenant.role_templates[M.id_in(key)]
  end
  return template or answer.missing(type(key) == "table" and select(2, next(key)) or key)
end

local function get_role(ctx, key)
  return query.entity(ctx, "directoryRole", directory.role_object(ctx.tenant, find_role(ctx, key)),
    { expand = { members = expand_members(ctx) } })
end

local function role_members(ctx, key)
  ctx.collection = "directoryObjects"
  local source = query.objects(ctx, walk_members(ctx, find_role(ctx, key)))
  source.single_page = true
  return query.list(ctx, "directoryObject", source)
end

-- The older way to assign a role: it makes the same assignment (Microsoft Learn: directoryrole-post-members).
local function add_member(ctx, key)
  local body = { principalId = groups.reference(ctx), roleDefinitionId = find_role(ctx, key), directoryScopeId = "/" }
  access.need_role(ctx, access.GRANT_ROLES)
  check_new(ctx, body)
  if M.taken(ctx, body) then
    answer.bad("One or more added object references already exist for the following modified properties: 'members'.")
  end
  keep_assignment(ctx, body)
  return 204
end

local function remove_member(ctx, key, id)
  local row = M.taken(ctx, { principalId = id:lower(), roleDefinitionId = find_role(ctx, key), directoryScopeId = "/" })
  access.need_role(ctx, access.GRANT_ROLES)
  ctx.tenant.role_assignments:drop(row and row.id or answer.missing(id))
  return 204
end

-- Every role is active here as soon as somebody holds it; activating one changes nothing (directoryrole-post).
local function activate(ctx)
  local template = M.id_in(ctx.body.roleTemplateId)
  if not ctx.tenant.role_names[template] then answer.missing(ctx.body.roleTemplateId) end
  for _, row in ipairs(active_roles(ctx)) do
    if row.roleTemplateId == template then
      answer.bad("A conflicting object with one or more of the specified property values is present in the directory.")
    end
  end
  local _, shown = query.entity(ctx, "directoryRole", directory.role_object(ctx.tenant, template))
  return 201, shown
end

local function templates(ctx)
  local rows = {}
  for i, id in ipairs(ctx.tenant.role_order) do
    local name = ctx.tenant.role_names[id]
    rows[i] = { id = id, displayName = name, description = name }
  end
  return query.list(ctx, "directoryRoleTemplate", query.rows(rows, { single_page = true }))
end

M.routes = {
  ["GET /roleManagement/directory/roleDefinitions"] = definitions,
  ["GET /roleManagement/directory/roleDefinitions/{id}"] = get_definition,
  ["GET /roleManagement/directory/roleAssignments"] = assignments,
  ["POST /roleManagement/directory/roleAssignments"] = assign,
  ["GET /roleManagement/directory/roleAssignments/{id}"] = get_assignment,
  ["DELETE /roleManagement/directory/roleAssignments/{id}"] = unassign,
  ["GET /directoryRoles"] = list_roles,
  ["POST /directoryRoles"] = activate,
  ["POST /directoryRoles/{id}/members/$ref"] = add_member,
  ["DELETE /directoryRoles/{id}/members/{id}/$ref"] = remove_member,
  ["GET /directoryRoles/{id}"] = get_role,
  ["GET /directoryRoles/{id}/members"] = role_members,
  ["GET /directoryRoleTemplates"] = templates,
}

return M
