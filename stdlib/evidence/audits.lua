--- Changes in the directory, from its audit log: who reset which password, who added or removed a credential, gave
--- consent or a role, deleted or disabled something. Some minutes late; the log keeps 7 days, with a licence Entra ID
--- P1 or P2 30 days (Microsoft Learn, "List directoryAudits"; "Microsoft Entra data retention").
---
--- A record names the application that acted by the object id of its service principal: its client id is null in every
--- published record (elastic/integrations@0c1eadf, azure/data_stream/auditlogs; rknightion/graph2otel@dfd9ef7,
--- internal/collectors/entra/directoryaudits). So records are filtered by moment and target there, and by actor here.

local reading = require "evidence.reading"

local M = {}

local WHAT = "read the directory's audit log"

local PATH = "/auditLogs/directoryAudits"
local SPAN = "activityDateTime ge %t and activityDateTime le %t"

---------------------------------------------------------------------------
-- What a record is about

-- Names of a password's change. Which of them a tenant writes differs, and the official list
-- (learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities) lacks the commonest, "Reset user
-- password", which Microsoft's rules for Sentinel look for.
local RESETS = {
  ["reset user password"] = true, ["reset password"] = true, ["reset password (by admin)"] = true,
  ["reset password (self-service)"] = true, ["change password (self-service)"] = true,
  ["update passwordprofile"] = true, ["change user password"] = true,
}

-- Words of a name, in lower case, and the kind; the first that fits.
local KINDS = {
  { "service principal credentials", "credentials" }, { "certificates and secrets", "credentials" },
  { "app role assignment", "consent" }, { "delegated permission grant", "consent" },
  { "consent to application", "consent" },
  { "member to role", "role" }, { "member from role", "role" },
  { "hard delete", "deleted" }, { "delete application", "deleted" }, { "remove service principal", "deleted" },
  { "delete user", "deleted" }, { "disable account", "disabled" },
}

-- The name as it is compared: without blanks and dots at its end, in lower case.
local function plain_name(name) return (name:lower():gsub("[%s.]+$", ""):gsub("^%s+", "")) end

local function kind_of_properties(properties)
  for name, property in pairs(properties) do
    local plain = name:lower()
    if plain:find("password", 1, true) and not plain:find("polic", 1, true) then return "reset" end
    if name == "KeyDescription" or name == "FederatedIdentityCredentials" then return "credentials" end
    local value = tostring(property.newValue):lower()
    if name == "AccountEnabled" and value:find("false", 1, true) then return "disabled" end
  end
end

local function kind_of_change(name, properties)
  local plain = plain_name(name)
  if RESETS[plain] then return "reset" end
  for _, one in ipairs(KINDS) do
    if plain:find(one[1], 1, true) then return one[2] end
  end
  return plain:find("^update ") and kind_of_properties(properties) or "other"
end

---------------------------------------------------------------------------
-- Decoding

-- The modified properties of all targets, by name.
local function properties_of(record)
  local properties = {}
  for _, target in ipairs(reading.object(record.targetResources)) do
    for _, property in ipairs(reading.object(reading.object(target).modifiedProperties)) do
      local name = reading.text(reading.object(property).displayName)
      if name then properties[name] = property end
    end
  end
  return properties
end

-- The key ids in a value of KeyDescription: JSON in a text, "[KeyIdentifier=…,KeyType=Password,…]" for each credential.
local function key_ids_in(value)
  local ids, list = {}, {}
  for id in tostring(reading.text(value) or ""):gmatch "KeyIdentifier=([%x-]+)" do
    ids[id:lower()] = true
    list[#list + 1] = id:lower()
  end
  return ids, list
end

local function difference_of(list, others)
  local found = {}
  for _, id in ipairs(list) do
    if not others[id] then found[#found + 1] = id end
  end
  return found
end

local function key_difference(property)
  property = property or {}
  local old, old_list = key_ids_in(property.oldValue)
  local new, new_list = key_ids_in(property.newValue)
  return difference_of(new_list, old), difference_of(old_list, new)
end

---@return evidence.actor
local function actor_of(record)
  local by = reading.object(record.initiatedBy)
  local app, user = reading.object(by.app), reading.object(by.user)
  if reading.id(app.servicePrincipalId) or reading.text(app.displayName) then
    return { kind = "application", object_id = reading.id(app.servicePrincipalId), name = reading.text(app.displayName),
      address = reading.text(user.ipAddress) }
  elseif reading.id(user.id) or reading.text(user.userPrincipalName) then
    return { kind = "person", object_id = reading.id(user.id), name = reading.text(user.displayName),
      user_name = reading.text(user.userPrincipalName), address = reading.text(user.ipAddress) }
  end
  return { kind = "unknown" }
end

local function targets_of(record)
  local targets = {}
  for _, one in ipairs(reading.object(record.targetResources)) do
    local target = reading.object(one)
    local id = reading.id(target.id)
    if id then
      targets[#targets + 1] = { object_id = id, name = reading.text(target.displayName),
        type = reading.text(target.type) or "unknown", user_name = reading.text(target.userPrincipalName) }
    end
  end
  return targets
end

--- Make a change from a record of the log. Raises "bad_answer" for a record without id, moment or name.
---@param record table
---@return evidence.change
function M.decode(record)
  local properties, name = properties_of(record), reading.text(record.activityDisplayName)
  local added, removed = key_difference(properties.KeyDescription)
  return {
    id = reading.text(record.id) or reading.raise_unreadable(WHAT, "id"),
    at = reading.moment(record.activityDateTime) or reading.raise_unreadable(WHAT, "activityDateTime"),
    name = name or reading.raise_unreadable(WHAT, "activityDisplayName"),
    kind = kind_of_change(name, properties), result = reading.text(record.result) or "unknown",
    by = actor_of(record), targets = targets_of(record), added = added, removed = removed,
    correlation_id = reading.id(record.correlationId),
  }
end

---------------------------------------------------------------------------
-- Reading

---@class evidence.audits.asked
---@field from number
---@field to number
---@field target string? object id of what was changed
---@field category string? one of the store's CATEGORIES

local function filter_of(asked)
  local from, to = math.floor(asked.from), math.ceil(asked.to)
  if asked.target then return { SPAN .. " and targetResources/any(t: t/id eq %s)", from, to, asked.target } end
  if asked.category then return { SPAN .. " and category eq %s", from, to, asked.category } end
  return { SPAN, from, to }
end

--- The changes from `from` to before `to`, newest first as a rule. Waits.
---@param asked evidence.audits.asked
---@return fun(): evidence.change|nil
function M.read(asked)
  local items = reading.items(PATH, WHAT, { filter = filter_of(asked) })
  return function()
    for record in items do
      local change = M.decode(record)
      if change.at >= asked.from and change.at < asked.to then return change end
    end
  end
end

return M
