--- A directory role held by a service principal, in the whole tenant. An
--- assignment is its tuple: principal, role, scope.

local fail = require "fail"
local graph = require "graph"
local names = require "entra.names"
local ownership = require "workflow.ownership"
local resource = require "resource"
local time = require "time"
local upsert = require "entra.upsert"

---@class entra.directory_role: resource.Resource
---@field host table the application
---@field principal table its service principal
---@field role string template id
---@field justification string
local Role = resource.kind "directory role"

local M = {}

-- The roles a principal holds actively.
local function held_by(principal)
  return graph.all("/roleManagement/directory/roleAssignments", {
    filter = graph.filter("principalId eq %s", principal.id), fresh_write = true,
    what = "read the directory roles of " .. tostring(principal.displayName or principal.id),
  })
end

local function find(self, list)
  for _, assignment in ipairs(list) do
    if assignment.roleDefinitionId == self.role and assignment.directoryScopeId == "/" then return assignment end
  end
end

function Role:key() return ("directory role/%s/%s"):format(self.principal.id, self.role) end

function Role:read() return find(self, held_by(self.principal)) end

function Role:create()
  self.run.journal:audit("assignment", {
    workflow = self.run.id, role = self.name, principal = self.principal.id, justification = self.justification,
  }, time.now())
  local value = upsert.post("/roleManagement/directory/roleAssignments", {
    ["@odata.type"] = "#microsoft.graph.unifiedRoleAssignment",
    principalId = self.principal.id, roleDefinitionId = self.role, directoryScopeId = "/",
  }, { fresh_write = true, what = ("assign the role '%s'"):format(self.name) })
  return value or self:read() or {}
end

function Role:ours(_, run) return ownership.through(run, self) end

function Role:delete(actual)
  graph.delete(graph.path("/roleManagement/directory/roleAssignments/{id}", actual.id), {
    repeatable = true, missing = "nil", what = ("take back the role '%s'"):format(self.name),
  })
end

---------------------------------------------------------------------------
-- What the tenant demands

local function demands(policy)
  for _, rule in ipairs(policy and policy.rules or {}) do
    if rule.id == "Expiration_Admin_Assignment" and rule.isExpirationRequired then
      return "active assignments that never end are not allowed"
    end
  end
end

-- Not every tenant lets everybody read this; not knowing is no refusal.
local function read_policy(role)
  local ok, list = pcall(graph.all, "/policies/roleManagementPolicyAssignments", {
    filter = graph.filter("scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq %s",
      names.roles[role]),
    expand = "policy($expand=rules)", what = ("read what the tenant demands for the role '%s'"):format(role),
  })
  if not ok then
    if not fail.is(list) then error(list, 0) end
    return nil
  end
  return list[1] and demands(list[1].policy)
end

--- Why the tenant wants this role assigned through Privileged Identity Management; nil
--- when it does not, or does not say.
---@param role string name
---@return string?
function M.pim_demanded(role)
  return read_policy(role)
end

---------------------------------------------------------------------------
-- Ensuring

local function portal(fields, missing, why)
  return {
    what = ("assign %s to the application '%s'"):format(table.concat(missing, " and "), fields.name),
    why = why .. ". It takes a Privileged Role Administrator or a Global Administrator.",
    how = {
      "in the Entra admin center: Roles and administrators (the directory's, not the application's) > "
        .. "All roles > the role's name > Add assignments",
      ("choose the application '%s' (%s) as member; Active, permanently if the tenant allows it")
        :format(fields.name, tostring(fields.application.appId)),
      ("justification: %s"):format(fields.justification),
      "then run apply again; it goes on from here",
    },
  }
end

local function roles(run, fields)
  local principal = fields.principal
  local list = resource.known(principal) and not principal.fresh and held_by(principal) or {}
  local things = {}
  for i, name in ipairs(fields.roles) do
    things[i] = Role {
      name = name, role = names.roles[name], host = fields.application, principal = fields.principal,
      from = { fields.principal }, justification = fields.justification, run = run, made = "in the whole tenant",
    }
    things[i].fetched = { value = find(things[i], list) }
  end
  return things
end

local function missing_of(things)
  local missing = {}
  for _, thing in ipairs(things) do
    if not thing.fetched.value then missing[#missing + 1] = thing.name end
  end
  return missing
end

local function obstacle(fields, missing)
  if not fields.admin:may "roles" then return fields.admin:why_not "roles" end
  for _, name in ipairs(missing) do
    local demand = fields.pim and fields.pim[name]
    if demand then
      return ("this tenant's policy for the role '%s' demands Privileged Identity Management (%s)"):format(name, demand)
    end
  end
end

-- Codes by which Entra says that PIM has rules for this.
local PIM_CODES = { RoleAssignmentRequestPolicyValidationFailed = true,
  RoleAssignmentRequestAcrsValidationFailed = true }

local function by_other_means(failure)
  return fail.is(failure) and (failure.kind == "denied" or PIM_CODES[failure.code])
end

---@class entra.directory_role.fields
---@field name string of the application
---@field application table
---@field principal table
---@field roles string[] names
---@field admin entra.admin
---@field justification string
---@field pim table<string, string|false>? role -> why it is to go through PIM

--- Have these roles assigned; where this person may not, or the tenant wants it done otherwise, say who has to do what.
---@param run workflow.Run
---@param fields entra.directory_role.fields
---@return string[]? held the roles it is known to hold now
function M.ensure(run, fields)
  local things = roles(run, fields)
  local missing = missing_of(things)
  local why = run.mode ~= "destroy" and #missing > 0 and obstacle(fields, missing)
  if why then return run:await(portal(fields, missing, why)) end
  local ok, err = pcall(run.all, run, things)
  if ok then return (run:acting() or #missing == 0) and fields.roles or nil end
  if not by_other_means(err) then error(err, 0) end
  run:await(portal(fields, missing, err.why))
end

return M
