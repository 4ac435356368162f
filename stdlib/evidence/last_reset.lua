--- Who changed an account's password last: the provider, Moonlatch, another application, a person, or a directory sync.
--- The date comes from the directory; who did it, from the audit log as far as it still tells.

local time = require "time"

local M = {}

local NEAR = 120 -- seconds between the directory's date of a change and the audit record of it, at most
local SAME = 1 -- seconds between two readings of one date of the directory, at most

---@class evidence.actors whom this tenant's accounts belong to
---@field providers table<string, boolean> object ids of the service principals of the providers, in lower case
---@field self string? object id of the principal that Moonlatch signs in as

---@class evidence.account
---@field id string object id
---@field changed number? when its password changed last, by the directory
---@field synced boolean? is its password kept on-premises?
---@field own_at number? when Moonlatch set its password last, by the directory's date on record

---@class evidence.reset
---@field at number? when the password changed last; nil: unknown
---@field by "provider"|"Moonlatch"|"application"|"person"|"holder"|"sync"|"unknown"
---@field name string? of the application or the person
---@field provider_at number? when the provider reset it last, as far as the log tells

-- A directory sync acts as a user "Sync_SERVER_…@…", or changes what is kept on-premises anyway.
-- https://learn.microsoft.com/entra/identity/hybrid/connect/reference-connect-accounts-permissions
local function is_sync(by, account) return account.synced or tostring(by.user_name):find "^Sync_" ~= nil end

local function who_is(by, account, actors)
  local id = by.object_id and by.object_id:lower()
  if by.kind == "application" then
    if id and actors.providers[id] then return "provider" end
    return id and id == actors.self and "Moonlatch" or "application"
  end
  if by.kind ~= "person" then return account.synced and "sync" or "unknown" end
  if is_sync(by, account) then return "sync" end
  if id == account.id:lower() then return "holder" end
  return id and id == actors.self and "Moonlatch" or "person"
end

-- The resets that succeeded, newest first.
local function resets_in(changes)
  local list = {}
  for _, change in ipairs(changes) do
    if change.kind == "reset" and change.result == "success" then list[#list + 1] = change end
  end
  table.sort(list, function(a, b) return a.at > b.at end)
  return list
end

-- The record of the change at this moment: the nearest one; without a moment, the newest one. One reset has several
-- records: one that names who did it counts more.
local function record_of(resets, at)
  local found, nearest
  for _, change in ipairs(resets) do
    local distance = math.abs(change.at - (at or resets[1].at))
    local is_named = change.by.kind ~= "unknown"
    local is_better = not found or is_named and found.by.kind == "unknown"
      or is_named == (found.by.kind ~= "unknown") and distance < nearest
    if (not at or distance <= NEAR) and is_better then found, nearest = change, distance end
  end
  return found
end

local function last_of_provider(resets, account, actors)
  for _, change in ipairs(resets) do
    if who_is(change.by, account, actors) == "provider" then return change.at end
  end
end

--- Who changed the password last, as far as the record of Moonlatch and the audit log tell.
---@param account evidence.account
---@param changes evidence.change[] of the account
---@param actors evidence.actors
---@return evidence.reset
function M.of(account, changes, actors)
  local resets = resets_in(changes)
  local found = { at = account.changed, by = "unknown", provider_at = last_of_provider(resets, account, actors) }
  if account.changed and account.own_at and math.abs(account.changed - account.own_at) <= SAME then
    found.by = "Moonlatch"
    return found
  end
  local record = record_of(resets, account.changed)
  if not record then
    if account.synced then found.by = "sync" end
    return found
  end
  found.at = found.at or record.at
  found.by, found.name = who_is(record.by, account, actors), record.by.user_name or record.by.name
  return found
end

local WORDS = {
  provider = "the provider", Moonlatch = "Moonlatch", holder = "its holder", sync = "the directory sync",
  unknown = "unknown",
}

--- Who it was, for people: "the provider", "the application 'Rotator'", "anna@contoso.com".
---@param reset evidence.reset
---@return string
function M.who(reset)
  if WORDS[reset.by] then return WORDS[reset.by] end
  if reset.by == "application" then return ("the application '%s'"):format(reset.name or "without a name") end
  return reset.name or "a person"
end

--- Is the reset overdue? Only a reset by a program counts; where it is unknown who it was, the directory's date alone.
---@param reset evidence.reset
---@param every number seconds
---@param now number server time
---@return number? seconds since the last reset that counts; math.huge when there was none
function M.overdue(reset, every, now)
  local by_program = reset.by == "provider" or reset.by == "Moonlatch" or reset.by == "unknown"
  local last = by_program and reset.at or reset.provider_at
  local age = last and now - last or math.huge
  return age > every and age or nil
end

--- The reset in one line: "5 days ago by the provider".
---@param reset evidence.reset
---@param now number server time
---@return string
function M.text(reset, now)
  if not reset.at then return "when it was reset is unknown" end
  local who = reset.by == "unknown" and "whom the log does not tell" or M.who(reset)
  return ("%s ago by %s"):format(time.span(now - reset.at), who)
end

return M
