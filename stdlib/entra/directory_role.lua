--- A directory role that a service principal holds in the whole tenant. An assignment is identified by principal, role
--- and scope.
---
--- With Privileged Identity Management (PIM), a request makes the assignment, so that the justification is in Entra's
--- audit log. Where the tenant allows no permanent assignment, the request asks for the longest time allowed, and a
--- later run extends the assignment before it expires.

local fail = require "fail"
local graph = require "graph"
local microsoft_ids = require "base.microsoft_ids"
local options_of = require("base.options").of
local ownership = require "resource.ownership"
local pim = require "entra.pim"
local resource = require "resource.new"
local task = require "task"
local time = require "time"
local upsert = require "entra.upsert"

---@class entra.directory_role: resource.Resource
---@field host table the application
---@field principal table its service principal
---@field role string template id
---@field justification string
---@field demanded entra.pim? what the tenant's policy demands of an assignment
---@field with_ends boolean can an assignment expire in this tenant? Then the dates are read, too
---@field by_request boolean make the assignment by a request, also when it is permanent?
---@field refused Failure? why the request was refused and the role was assigned directly
local Role = resource.kind "directory role"
Role.once = "its principal, role and scope"

local M = {}

local KIND = "assignment" -- the kind of the journal's rows that say how a role was assigned
local DAY = 86400
local SOON = 14 * DAY -- an assignment is extended this long before it expires, or when a third of its time is left

---------------------------------------------------------------------------
-- Reading an assignment

-- The active role assignments of a principal.
local function read_active_assignments(principal)
  return graph.all("/roleManagement/directory/roleAssignments", {
    filter = graph.filter("principalId eq %s", principal.id), fresh_write = true,
    what = "read the directory roles of " .. tostring(principal.displayName or principal.id),
  })
end

local function assignment_of_role(list, role)
  for _, one in ipairs(list) do
    if one.roleDefinitionId == role and one.directoryScopeId == "/" then return one end
  end
end

-- The active role assignments of a principal. `starts` and `ends` are set on an assignment that expires.
local function read_assignments_with_expiry(principal, with_ends)
  local held, assigned = task.all {
    function() return read_active_assignments(principal) end,
    function() return with_ends and pim.read_assignments(principal) or {} end,
  }
  for _, one in ipairs(held) do
    local instance = assignment_of_role(assigned, one.roleDefinitionId)
    if instance then one.starts, one.ends = instance.starts, instance.ends end
  end
  return held
end

local function role_expiry_text(ends)
  local left = ends - time.now()
  return "until " .. (left < DAY and time.iso(ends) or time.day(ends))
end

function Role:key() return ("directory role/%s/%s"):format(self.principal.id, self.role) end

function Role:read()
  return assignment_of_role(read_assignments_with_expiry(self.principal, self.with_ends), self.role)
end

---------------------------------------------------------------------------
-- Comparing an assignment

local function role_assignment_length(self, actual)
  return self.demanded and self.demanded.longest or actual.ends - (actual.starts or time.now())
end

local function role_expires_soon(self, actual)
  if not actual.ends then return false end
  return actual.ends - time.now() <= math.min(SOON, role_assignment_length(self, actual) / 3)
end

function Role:differs(actual)
  if not role_expires_soon(self, actual) then return {} end
  local to = time.now() + role_assignment_length(self, actual)
  return { { member = "ends", from = actual.ends, to = to, text = ("ends %s; extended %s"):format(
    role_expiry_text(actual.ends):gsub("^until ", ""), role_expiry_text(to)) } }
end

---------------------------------------------------------------------------
-- Changing an assignment

local function audit_role_assignment(self, how, ends)
  self.run.journal:audit("assignment", {
    workflow = self.run.id, role = self.name, principal = self.principal.id, justification = self.justification,
    how = how, ends = ends,
  }, time.now())
end

local function request_role_assignment(self, action, duration, ends)
  audit_role_assignment(self, action, ends)
  local said = pim.send_request {
    action = action, principal = self.principal.id, role = self.role, name = self.name,
    justification = self.justification, duration = duration,
  }
  self.waits = said ~= nil and pim.waits_for_approval(said.status)
  return said or {}
end

-- Put on record how the assignment was made ("requested" or "assigned"), which decides how it is removed.
local function record_role_assignment_way(self, way)
  self.run.journal:put(KIND, self:key(), way, { role = self.name, principal = self.principal.id }, time.now())
end

-- Request a permanent assignment. Returns nil when the tenant's rules or our rights do not allow the request.
local function request_permanent_role(self)
  record_role_assignment_way(self, "requested")
  local ok, said = pcall(request_role_assignment, self, "adminAssign")
  if ok then return said end
  if not pim.is_refused(said) then error(said, 0) end
  self.refused = said
end

function Role:create()
  if self.demanded then
    return request_role_assignment(self, "adminAssign", self.demanded.duration, time.now() + self.demanded.longest)
  end
  local requested = self.by_request and request_permanent_role(self)
  if requested then return requested end
  record_role_assignment_way(self, "assigned")
  audit_role_assignment(self)
  local value = upsert.post("/roleManagement/directory/roleAssignments", {
    ["@odata.type"] = "#microsoft.graph.unifiedRoleAssignment",
    principalId = self.principal.id, roleDefinitionId = self.role, directoryScopeId = "/",
  }, { fresh_write = true, what = ("assign the role '%s'"):format(self.name) })
  return value or self:read() or {}
end

function Role:update(actual)
  local length = role_assignment_length(self, actual)
  local duration = self.demanded and self.demanded.duration or pim.iso_duration(length)
  return request_role_assignment(self, "adminExtend", duration, time.now() + length)
end

-- An assignment that waits for an approver is not visible yet, and counts as done here.
function Role:seen()
  if self.waits then return true end
  local actual = self:read()
  return actual ~= nil and #self:differs(actual) == 0
end

function Role:ours(_, run) return ownership.is_ours_on_host(run, self) end

local function request_role_removal(self)
  pim.send_request {
    action = "adminRemove", principal = self.principal.id, role = self.role, name = self.name,
    justification = "taken back by Moonlatch, workflow " .. self.run.id,
  }
end

local function was_role_requested(self)
  local row = self.run.journal and self.run.journal:get(KIND, self:key())
  return row ~= nil and row.state == "requested"
end

-- Request the removal of a permanent assignment that was requested. Returns false when the assignment was not
-- requested, when PIM refuses the request, or when the assignment is younger than five minutes: then it can be removed
-- directly.
local function remove_role_by_request(self)
  if not was_role_requested(self) then return false end
  local ok, failure = pcall(request_role_removal, self)
  if ok then return true end
  if pim.is_refused(failure) or fail.is(failure) and failure.code == "ActiveDurationTooShort" then return false end
  error(failure, 0)
end

-- An assignment that expires, and an assignment that was requested, belong to a PIM schedule: a request removes them.
function Role:delete(actual)
  if actual.ends then return request_role_removal(self) end
  if remove_role_by_request(self) then return end
  graph.delete(graph.path("/roleManagement/directory/roleAssignments/{id}", actual.id), {
    repeatable = true, missing = "nil", what = ("take back the role '%s'"):format(self.name),
  })
end

---------------------------------------------------------------------------
-- What the tenant demands

--- What the tenant demands of an active assignment of this role. Nil when a permanent one is allowed, or when the
--- policy may not be read. Waits.
---@param role string name
---@return entra.pim?
function M.pim_demanded(role) return pim.read_demands(role, microsoft_ids.roles[role]) end

---------------------------------------------------------------------------
-- Ensuring an assignment

local function role_assignment_in_portal(fields, open, why)
  return {
    what = ("assign %s to the application '%s'"):format(table.concat(open, " and "), fields.name),
    why = why .. ". Only a Privileged Role Administrator or a Global Administrator can do it.",
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

local function new_assignment_text(demanded, by_request)
  if not demanded then
    return by_request and "in the whole tenant, by a request to Privileged Identity Management"
      or "in the whole tenant"
  end
  return ("in the whole tenant, %s, the longest this tenant allows (through Privileged Identity Management)")
    :format(role_expiry_text(time.now() + demanded.longest))
end

local function new_directory_role(run, fields, name, with_ends)
  local demanded = fields.pim and fields.pim[name] or nil
  if demanded and not demanded.longest then demanded = nil end -- then a person has to assign the role
  return Role {
    name = name, role = microsoft_ids.roles[name], host = fields.application, principal = fields.principal,
    from = { fields.principal }, justification = fields.justification, run = run, demanded = demanded,
    with_ends = with_ends, by_request = fields.premium == true, made = new_assignment_text(demanded, fields.premium),
  }
end

-- Can an assignment expire in this tenant? Only where the tenant has PIM.
local function role_assignments_can_expire(fields)
  if fields.premium then return true end
  for _, demanded in pairs(fields.pim or {}) do
    if demanded then return true end
  end
  return false
end

local function roles_to_ensure(run, fields)
  local principal, with_ends = fields.principal, role_assignments_can_expire(fields)
  local is_there = #fields.roles > 0 and resource.known(principal) and not principal.fresh
  local list = is_there and read_assignments_with_expiry(principal, with_ends) or {}
  local role_resources = {}
  for i, name in ipairs(fields.roles) do
    local role_resource = new_directory_role(run, fields, name, with_ends)
    local actual = assignment_of_role(list, role_resource.role)
    role_resource.fetched = { value = actual }
    role_resource.is = actual and actual.ends and role_expiry_text(actual.ends) or nil
    role_resources[i] = role_resource
  end
  return role_resources
end

-- The names of the roles whose assignment is missing or about to expire; and whether one is missing.
local function open_role_assignments(role_resources)
  local open, missing = {}, false
  for _, role_resource in ipairs(role_resources) do
    local actual = role_resource.fetched.value
    missing = missing or not actual
    if not actual or role_expires_soon(role_resource, actual) then open[#open + 1] = role_resource.name end
  end
  return open, missing
end

local function role_assignment_obstacle(fields, open)
  if not fields.admin:may "roles" then return fields.admin:why_not "roles" end
  for _, name in ipairs(open) do
    local demanded = fields.pim and fields.pim[name]
    if demanded and not demanded.longest then
      return ("this tenant's policy for the role '%s' does not say how long an assignment may last"):format(name)
    elseif demanded and demanded.ticket then
      return ("this tenant's policy for the role '%s' wants the number of a ticket"):format(name)
    end
  end
end

local function await_role_approval(run, name)
  run:await {
    what = ("approve the assignment of the role '%s'"):format(name),
    why = "This tenant wants an approver to agree; the request has been made.",
    how = {
      "in the Entra admin center: Privileged Identity Management > Approve requests, by an approver of the role",
      "then run apply again; it goes on from here",
    },
  }
end

-- Leave out the assignments for which a request waits for approval already.
local function leave_out_requested_roles(run, fields, role_resources)
  local missing = select(2, open_role_assignments(role_resources))
  local principal = fields.principal
  if not missing or not role_assignments_can_expire(fields) or not resource.known(principal) or principal.fresh then
    return role_resources
  end
  local waiting, left = pim.read_waiting_requests(principal), {}
  for _, role_resource in ipairs(role_resources) do
    local is_waiting = not role_resource.fetched.value and assignment_of_role(waiting, role_resource.role)
    if not is_waiting then left[#left + 1] = role_resource
    else await_role_approval(run, role_resource.name) end
  end
  return left
end

-- Tell the reader of a plan when assignments expire.
local function warn_of_role_expiry(run, role_resources)
  for _, role_resource in ipairs(role_resources) do
    local actual = role_resource.fetched.value
    if role_resource.demanded or actual and actual.ends then
      local soon = math.min(SOON, role_resource.demanded and role_resource.demanded.longest / 3 or SOON)
      run:warn("the assignment of the role '%s' expires: run apply again in the last %s before that",
        role_resource.name, time.span(soon))
    end
  end
end

local IN_OURS_ONLY = "the justification stands in this journal's record only, not in Entra's audit"

-- Tell where the justification is recorded when the request was refused.
local function warn_of_refused_role_request(run, role_resource)
  run:warn("the role '%s' was assigned directly: a request to Privileged Identity Management was refused (%s); %s",
    role_resource.name, role_resource.refused.why, IN_OURS_ONLY)
end

local function ensure_roles(run, role_resources)
  run:all(role_resources)
  for _, role_resource in ipairs(role_resources) do
    if role_resource.waits then await_role_approval(run, role_resource.name) end
    if role_resource.refused then warn_of_refused_role_request(run, role_resource) end
  end
end

---@class entra.directory_role.fields
---@field name string of the application
---@field application table
---@field principal table
---@field roles string[] names
---@field admin entra.admin
---@field justification string
---@field pim table<string, entra.pim|false>? role -> what the tenant demands of an assignment
---@field premium boolean? has the tenant Privileged Identity Management?

local read_fields = options_of("entra.directory_role.ensure", {
  name = "string", application = "table", principal = "table", roles = "table", admin = "table",
  justification = "string", pim = "table", premium = "boolean",
})

--- Assign these roles. Where the principal that is signed in may not assign them, or the tenant demands more than a
--- program can give, `run:await` tells a person what to do.
---@param run workflow.Run
---@param fields entra.directory_role.fields
---@return string[]? held the roles that the directory shows as held now
function M.ensure(run, fields)
  fields = read_fields(fields)
  local role_resources = roles_to_ensure(run, fields)
  if run.mode == "destroy" then return ensure_roles(run, role_resources) end
  local open, missing = open_role_assignments(role_resources)
  local why = #open > 0 and role_assignment_obstacle(fields, open)
  if why then return run:await(role_assignment_in_portal(fields, open, why)) end
  warn_of_role_expiry(run, role_resources)
  if missing and not role_assignments_can_expire(fields) then run:note("no Entra ID P2 was seen: %s", IN_OURS_ONLY) end
  local before = #run.waiting
  local ok, err = pcall(ensure_roles, run, leave_out_requested_roles(run, fields, role_resources))
  if ok then
    return #run.waiting == before and (run:acting() or not missing) and fields.roles or nil
  end
  if not pim.is_refused(err) then error(err, 0) end
  run:await(role_assignment_in_portal(fields, open, err.why))
end

return M
