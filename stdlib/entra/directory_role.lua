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
---@field with_ends boolean can an assignment expire in this tenant? Then read when
---@field by_request boolean make the assignment by a request, also when it is permanent?
---@field refused Failure? why the request was refused and the role was assigned directly
local Role = resource.kind "directory role"
Role.once = "its principal, role and scope"

local M = {}

local KIND = "assignment" -- of the journal's rows: how a role was assigned
local DAY = 86400
local SOON = 14 * DAY -- an assignment is extended this long before it expires, or when a third of its time is left

---------------------------------------------------------------------------
-- Reading

-- The roles a principal holds actively.
local function held_by(principal)
  return graph.all("/roleManagement/directory/roleAssignments", {
    filter = graph.filter("principalId eq %s", principal.id), fresh_write = true,
    what = "read the directory roles of " .. tostring(principal.displayName or principal.id),
  })
end

local function of_role(list, role)
  for _, one in ipairs(list) do
    if one.roleDefinitionId == role and one.directoryScopeId == "/" then return one end
  end
end

-- The roles that a principal holds, each with its end where it has one.
local function held_until(principal, with_ends)
  local held, assigned = task.all {
    function() return held_by(principal) end,
    function() return with_ends and pim.assigned(principal) or {} end,
  }
  for _, one in ipairs(held) do
    local instance = of_role(assigned, one.roleDefinitionId)
    if instance then one.starts, one.ends = instance.starts, instance.ends end
  end
  return held
end

local function text_of(ends)
  local left = ends - time.now()
  return "until " .. (left < DAY and time.iso(ends) or time.day(ends))
end

function Role:key() return ("directory role/%s/%s"):format(self.principal.id, self.role) end

function Role:read() return of_role(held_until(self.principal, self.with_ends), self.role) end

---------------------------------------------------------------------------
-- Comparing

local function length_of(self, actual)
  return self.demanded and self.demanded.longest or actual.ends - (actual.starts or time.now())
end

local function ends_soon(self, actual)
  if not actual.ends then return false end
  return actual.ends - time.now() <= math.min(SOON, length_of(self, actual) / 3)
end

function Role:differs(actual)
  if not ends_soon(self, actual) then return {} end
  local to = time.now() + length_of(self, actual)
  return { { member = "ends", from = actual.ends, to = to, text = ("ends %s; extended %s"):format(
    text_of(actual.ends):gsub("^until ", ""), text_of(to)) } }
end

---------------------------------------------------------------------------
-- Changing

local function on_record(self, how, ends)
  self.run.journal:audit("assignment", {
    workflow = self.run.id, role = self.name, principal = self.principal.id, justification = self.justification,
    how = how, ends = ends,
  }, time.now())
end

local function ask(self, action, duration, ends)
  on_record(self, action, ends)
  local said = pim.ask {
    action = action, principal = self.principal.id, role = self.role, name = self.name,
    justification = self.justification, duration = duration,
  }
  self.waits = said ~= nil and pim.is_waiting(said.status)
  return said or {}
end

-- Put on record how the assignment was made: this decides how it is removed.
local function note_way(self, way)
  self.run.journal:put(KIND, self:key(), way, { role = self.name, principal = self.principal.id }, time.now())
end

-- Request a permanent assignment. Nil where the tenant's rules or our rights do not allow the request.
local function request(self)
  note_way(self, "requested")
  local ok, said = pcall(ask, self, "adminAssign")
  if ok then return said end
  if not pim.is_against(said) then error(said, 0) end
  self.refused = said
end

function Role:create()
  if self.demanded then
    return ask(self, "adminAssign", self.demanded.duration, time.now() + self.demanded.longest)
  end
  local requested = self.by_request and request(self)
  if requested then return requested end
  note_way(self, "assigned")
  on_record(self)
  local value = upsert.post("/roleManagement/directory/roleAssignments", {
    ["@odata.type"] = "#microsoft.graph.unifiedRoleAssignment",
    principalId = self.principal.id, roleDefinitionId = self.role, directoryScopeId = "/",
  }, { fresh_write = true, what = ("assign the role '%s'"):format(self.name) })
  return value or self:read() or {}
end

function Role:update(actual)
  local length = length_of(self, actual)
  return ask(self, "adminExtend", self.demanded and self.demanded.duration or pim.duration(length),
    time.now() + length)
end

-- An assignment that waits for an approver is not visible yet, and counts as done here.
function Role:seen()
  if self.waits then return true end
  local actual = self:read()
  return actual ~= nil and #self:differs(actual) == 0
end

function Role:ours(_, run) return ownership.is_ours_on_host(run, self) end

local function take_back(self)
  pim.ask {
    action = "adminRemove", principal = self.principal.id, role = self.role, name = self.name,
    justification = "taken back by Moonlatch, workflow " .. self.run.id,
  }
end

local function was_requested(self)
  local row = self.run.journal and self.run.journal:get(KIND, self:key())
  return row ~= nil and row.state == "requested"
end

-- Can the assignment be removed directly? A permanent one can, where PIM refuses the request or the assignment is
-- younger than five minutes.
local function may_take_back(self)
  if not was_requested(self) then return false end
  local ok, failure = pcall(take_back, self)
  if ok then return true end
  if pim.is_against(failure) or fail.is(failure) and failure.code == "ActiveDurationTooShort" then return false end
  error(failure, 0)
end

-- An assignment with an end, or one that was requested, belongs to a PIM schedule: remove it by a request.
function Role:delete(actual)
  if actual.ends then return take_back(self) end
  if may_take_back(self) then return end
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
function M.pim_demanded(role) return pim.demanded(role, microsoft_ids.roles[role]) end

---------------------------------------------------------------------------
-- Ensuring

local function portal(fields, open, why)
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

local function made_text(demanded, by_request)
  if not demanded then
    return by_request and "in the whole tenant, by a request to Privileged Identity Management"
      or "in the whole tenant"
  end
  return ("in the whole tenant, %s, the longest this tenant allows (through Privileged Identity Management)")
    :format(text_of(time.now() + demanded.longest))
end

local function new(run, fields, name, with_ends)
  local demanded = fields.pim and fields.pim[name] or nil
  if demanded and not demanded.longest then demanded = nil end -- then a person has to assign the role
  return Role {
    name = name, role = microsoft_ids.roles[name], host = fields.application, principal = fields.principal,
    from = { fields.principal }, justification = fields.justification, run = run, demanded = demanded,
    with_ends = with_ends, by_request = fields.premium == true, made = made_text(demanded, fields.premium),
  }
end

-- Can an assignment expire here? Only with PIM.
local function may_end(fields)
  if fields.premium then return true end
  for _, demanded in pairs(fields.pim or {}) do
    if demanded then return true end
  end
  return false
end

local function roles(run, fields)
  local principal, with_ends = fields.principal, may_end(fields)
  local is_there = #fields.roles > 0 and resource.known(principal) and not principal.fresh
  local list = is_there and held_until(principal, with_ends) or {}
  local things = {}
  for i, name in ipairs(fields.roles) do
    local thing = new(run, fields, name, with_ends)
    local actual = of_role(list, thing.role)
    thing.fetched, thing.is = { value = actual }, actual and actual.ends and text_of(actual.ends) or nil
    things[i] = thing
  end
  return things
end

-- The assignments that are missing, or about to expire.
local function open_of(things)
  local open, missing = {}, false
  for _, thing in ipairs(things) do
    local actual = thing.fetched.value
    missing = missing or not actual
    if not actual or ends_soon(thing, actual) then open[#open + 1] = thing.name end
  end
  return open, missing
end

local function obstacle(fields, open)
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

local function await_approval(run, name)
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
local function without_waiting(run, fields, things)
  local missing = select(2, open_of(things))
  if not missing or not may_end(fields) or not resource.known(fields.principal) or fields.principal.fresh then
    return things
  end
  local waiting, left = pim.waiting(fields.principal), {}
  for _, thing in ipairs(things) do
    if thing.fetched.value or not of_role(waiting, thing.role) then left[#left + 1] = thing
    else await_approval(run, thing.name) end
  end
  return left
end

-- Tell the reader of a plan when assignments expire.
local function tell_ends(run, things)
  for _, thing in ipairs(things) do
    local actual = thing.fetched.value
    if thing.demanded or actual and actual.ends then
      local soon = math.min(SOON, thing.demanded and thing.demanded.longest / 3 or SOON)
      run:warn("the assignment of the role '%s' expires: run apply again in the last %s before that", thing.name,
        time.span(soon))
    end
  end
end

local IN_OURS_ONLY = "the justification stands in this journal's record only, not in Entra's audit"

-- Tell where the justification is recorded when the request was refused.
local function tell_refused(run, thing)
  run:warn("the role '%s' was assigned directly: a request to Privileged Identity Management was refused (%s); %s",
    thing.name, thing.refused.why, IN_OURS_ONLY)
end

local function all(run, things)
  run:all(things)
  for _, thing in ipairs(things) do
    if thing.waits then await_approval(run, thing.name) end
    if thing.refused then tell_refused(run, thing) end
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

--- Assign these roles. Where whoever is signed in may not, or the tenant demands another way, say who has to do what.
---@param run workflow.Run
---@param fields entra.directory_role.fields
---@return string[]? held the roles that the directory shows as held now
function M.ensure(run, fields)
  fields = read_fields(fields)
  local things = roles(run, fields)
  if run.mode == "destroy" then return all(run, things) end
  local open, missing = open_of(things)
  local why = #open > 0 and obstacle(fields, open)
  if why then return run:await(portal(fields, open, why)) end
  tell_ends(run, things)
  if missing and not may_end(fields) then run:note("no Entra ID P2 was seen: %s", IN_OURS_ONLY) end
  local before = #run.waiting
  local ok, err = pcall(all, run, without_waiting(run, fields, things))
  if ok then
    return #run.waiting == before and (run:acting() or not missing) and fields.roles or nil
  end
  if not pim.is_against(err) then error(err, 0) end
  run:await(portal(fields, open, err.why))
end

return M
