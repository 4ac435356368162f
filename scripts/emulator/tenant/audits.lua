--- The directory audits of a tenant: each write to a collection becomes records in the form of Graph's directoryAudit
--- (recorded 2026: graph2otel@dfd9ef7, directoryaudits_test.go; 2022: elastic/integrations@0c1eadf,
--- test-audit-logs-sample.log). tenant/audit_names.lua says which records a write makes.
---
--- What one request writes has one correlationId, and one initiator: the caller. Without a request it is the seeded
--- Global Administrator, or whom POST /emulator/tenant names with "as".

local audit_names = require "emulator.tenant.audit_names"
local events = require "emulator.tenant.events"
local json = require "json"
local moments = require "emulator.moments"
local random = require "emulator.random"

local M = {}

---@class emulator.audit.target
---@field id string
---@field name string?
---@field type "User"|"ServicePrincipal"|"Application"|"Role"|"Group"|"Policy"|"Other"
---@field user_name string?
---@field changed { [1]: string, [2]: string?, [3]: string? }[]? property, old and new value as JSON

---@class emulator.audit: emulator.event
---@field name string activityDisplayName
---@field category string
---@field operation string operationType
---@field service string loggedByService
---@field targets emulator.audit.target[]
---@field details { [1]: string, [2]: string }[]?
---@field failure string? resultReason of what was refused
---@field by table initiatedBy
---@field operation_number integer records of one operation share a correlationId

---@class emulator.actor who makes the next writes
---@field caller table? claims of the token
---@field address string?
---@field agent string? its User-Agent
---@field by table? initiatedBy, when it is known
---@field number integer? of the operation

--- The claims that name an initiator: a person, or the application of a client id.
---@param who string
---@return { oid: string?, idtyp: "user"|"app" }
function M:claims_of(who)
  local principal = self:principal_of(who)
  if principal then return { oid = principal.id, idtyp = "app" } end
  local person = self:person(who)
  return { oid = person and person.id, idtyp = "user" }
end

local function initiator(tenant, actor)
  local caller = actor.caller or { oid = tenant.ids.adele, idtyp = "user" }
  local principal = caller.idtyp ~= "user" and tenant.service_principals:newest(caller.oid)
  if principal then
    -- appId is null in every recorded answer of Graph that is public
    return { user = json.null, app = { appId = json.null, displayName = principal.displayName,
      servicePrincipalId = principal.id, servicePrincipalName = json.null } }
  end
  local user = tenant.users:newest(caller.oid) or {}
  return { app = json.null, user = { id = caller.oid, displayName = user.displayName or json.null,
    userPrincipalName = user.userPrincipalName or json.null, ipAddress = actor.address or "127.0.0.1",
    userType = json.null, homeTenantId = json.null, homeTenantName = json.null } }
end

-- Call a function while a member of the tenant has another value.
local function call_with_member(self, member, value, act)
  local before = self[member]
  self[member] = value
  local ok, message = pcall(act)
  self[member] = before
  if not ok then error(message, 0) end
end

--- Let somebody be the initiator of what a function writes.
---@param actor emulator.actor
---@param act fun()
function M:acting(actor, act) call_with_member(self, "actor", actor, act) end

--- Call a function whose writes leave no audits: what the directory does by itself.
---@param act fun()
function M:unaudited(act) call_with_member(self, "silent", true, act) end

--- Put a record into the log. Without an actor it is an operation of its own.
---@param record emulator.audit without number, moment and initiator
function M:audit(record)
  local actor = self.actor or {}
  if not actor.number then
    self.operations = self.operations + 1
    actor.number, actor.by = self.operations, actor.by or initiator(self, actor)
  end
  record.by, record.operation_number, record.agent = actor.by, actor.number, actor.agent
  events.add(self.audits, record, self.now())
end

local function note(tenant, judge, id, before, after)
  if tenant.silent or not before and not after then return end
  local actor = tenant.actor
  if not actor then tenant.actor = {} end
  judge(tenant, id, before, after)
  tenant.actor = actor
end

--- Make records of all writes from now on.
function M:watch_writes()
  for name, judge in pairs(audit_names.JUDGES) do
    self[name].watch = function(id, before, after) note(self, judge, id, before, after) end
  end
end

--- Record that a change of somebody's password was refused, if the flag says so.
---@param user table
function M:record_refused_reset(user)
  if not self.flags.audits_refusals then return end
  audit_names.reset(self, user, "Insufficient privileges to complete the operation.")
end

--- Record that somebody consented on a page.
---@param app_id string
---@param is_admin boolean for everybody
function M:record_consent(app_id, is_admin)
  local client = self:principal_of(app_id)
  if client then audit_names.consent(self, client, is_admin) end
end

---------------------------------------------------------------------------
-- What ends by itself

--- Remember when a role assignment ends.
---@param id string
---@param ends number?
function M:note_end(id, ends)
  if ends then self.ends[id] = ends end
end

-- PIM itself is the initiator.
local function end_assignment(tenant, id)
  local row = tenant.role_assignments:newest(id)
  tenant.ends[id] = nil
  if not row then return end
  local by = { user = json.null, app = { appId = json.null, displayName = "MS-PIM",
    servicePrincipalId = random.guid(tenant.seed, "MS-PIM", 1), servicePrincipalName = json.null } }
  tenant:acting({ by = by }, function() audit_names.role_ended(tenant, row) end)
end

--- The next end of an assignment; see emulator.schedule.
---@return number moment, function? act, string? id
function M:next_act()
  local moment, found = math.huge, nil
  for id, ends in pairs(self.ends) do
    if ends < moment or ends == moment and id < found then moment, found = ends, id end
  end
  return moment, end_assignment, found
end

---------------------------------------------------------------------------
-- The form in Graph

local LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

local function five_letters(tenant, number)
  local letters = {}
  for i = 1, 5 do
    local at = 1 + random.fraction(tenant.seed, "letters" .. i, number) * #LETTERS // 1 | 0
    letters[i] = LETTERS:sub(at, at)
  end
  return table.concat(letters)
end

local function correlation(tenant, record) return random.guid(tenant.seed, "operation", record.operation_number) end

local function target_form(target)
  local changed = json.array {}
  for i, one in ipairs(target.changed or {}) do
    changed[i] = { displayName = one[1], oldValue = one[2] or json.null, newValue = one[3] or json.null }
  end
  return { id = target.id, displayName = target.name or json.null, type = target.type, groupType = json.null,
    userPrincipalName = target.user_name or json.null, modifiedProperties = changed }
end

local function mapped(list, form)
  local made = json.array {}
  for i, one in ipairs(list or {}) do made[i] = form(one) end
  return made
end

---@type table<string, fun(tenant: emulator.tenant, record: emulator.audit): any>
local MEMBERS = {
  id = function(tenant, record)
    local service = record.service == "Core Directory" and "Directory" or record.service
    return ("%s_%s_%s_%d"):format(service, correlation(tenant, record), five_letters(tenant, record.operation_number),
      100000000 + record.n)
  end,
  category = function(_, record) return record.category end,
  correlationId = correlation,
  result = function(_, record) return record.failure and "failure" or "success" end,
  resultReason = function(_, record) return record.failure or "" end,
  activityDisplayName = function(_, record) return record.name end,
  activityDateTime = function(_, record) return moments.ticks(record.at) end,
  loggedByService = function(_, record) return record.service end,
  operationType = function(_, record) return record.operation end,
  initiatedBy = function(_, record) return record.by end,
  targetResources = function(_, record) return mapped(record.targets, target_form) end,
  additionalDetails = function(_, record)
    local details = mapped(record.details, function(one) return { key = one[1], value = one[2] } end)
    if record.agent then table.insert(details, 1, { key = "User-Agent", value = record.agent }) end
    return details
  end,
}

--- A record in the form of a directoryAudit. Members are made when they are read.
---@param record emulator.audit
---@return table
function M:audit_form(record)
  return setmetatable({}, { __index = function(_, name)
    local member = MEMBERS[name]
    return member and member(self, record)
  end })
end

--- What a reader of the audit log is shown.
---@return emulator.events.view
function M:audit_view()
  return { seed = self.seed, now = self.now(), delay = self.flags.audit_delay, lost = self.flags.audits_lost,
    licensed = self.flags.p1 }
end

--- The changes of the last 30 days, oldest first, without delay or loss.
---@return table[]
function M:audit_events()
  return json.array(events.all(self.audits, self.now(), function(record)
    local form = {}
    for name, member in pairs(MEMBERS) do form[name] = member(self, record) end
    return form
  end))
end

return M
