--- Sign-ins, uses and changes as rows of one list.

local layout = require "terminal.layout"
local time = require "time"
local who = require "evidence.who"

local M = {}

--- The columns of CSV and JSON.
---@type report.column[]
M.COLUMNS = {
  { key = "time" }, { key = "what" }, { key = "name" }, { key = "result" }, { key = "by" }, { key = "by_id" },
  { key = "address" }, { key = "about" }, { key = "about_id" }, { key = "credential" }, { key = "key_id" },
  { key = "ours" }, { key = "added" }, { key = "removed" }, { key = "reason" }, { key = "correlation_id" },
  { key = "count" },
}

--- The columns for a terminal.
---@type report.column[]
M.FOR_PEOPLE = {
  { key = "time" }, { key = "what" }, { key = "result" }, { key = "by" }, { key = "from" }, { key = "about" },
}

---@class activity.row
---@field at number
---@field time string
---@field what string "sign-in", "sign-ins" (counted), "last use", or the kind of a change
---@field name string? the change's name, as the tenant wrote it
---@field result string "success", or a code
---@field by string? who signed in, or made the change
---@field by_id string? client id of a sign-in; object id of who made a change
---@field address string?
---@field about string? what was changed; the resource that was signed in to
---@field about_id string?
---@field credential string? kind of the credential of a sign-in: "secret", "certificate", …
---@field key_id string? of a sign-in or a use
---@field ours string? "yes" for a sign-in of Moonlatch itself, as far as the journal tells
---@field added string? key ids
---@field removed string? key ids
---@field reason string?
---@field correlation_id string?
---@field count integer? of counted sign-ins

--- The row of a sign-in.
---@param event evidence.sign_in
---@param name string of the application
---@param is_ours boolean
---@return activity.row
function M.sign_in(event, name, is_ours)
  return {
    at = event.at, time = time.iso(event.at), what = "sign-in", by = name, by_id = event.app_id,
    result = event.error == 0 and "success" or tostring(event.error), address = event.address, about = event.resource,
    credential = event.credential, key_id = event.key_id, ours = is_ours and "yes" or "no", reason = event.reason,
    correlation_id = event.correlation_id,
  }
end

--- The row of a key id's last use by the daily report; nil for one that was never used.
---@param use evidence.last_use
---@param name string of the application
---@return activity.row?
function M.last_use(use, name)
  if not use.at then return nil end
  return { at = use.at, time = time.iso(use.at), what = "last use", name = "daily report", result = "unknown",
    by = name, by_id = use.app_id, key_id = use.key_id }
end

--- The row of sign-ins that Entra counted. Its time is the begin of the hour or day.
---@param counted evidence.counted_sign_in
---@param name string of the application
---@return activity.row
function M.counted_sign_in(counted, name)
  return { at = counted.from, time = time.iso(counted.from), what = "sign-ins", by = name, by_id = counted.app_id,
    result = counted.error == 0 and "success" or tostring(counted.error), address = counted.address,
    about = counted.resource, reason = counted.reason, count = counted.count }
end

local KINDS_OF_USE = {
  { "itself", "signed in as itself" }, { "people", "people signed in through it" },
  { "resource", "an application signed in to it" }, { "resource_for_people", "people signed in to it" },
}

--- The rows of an application's last uses, one for each kind, by the daily report on service principals.
---@param use evidence.principal_use
---@param name string of the application
---@return activity.row[]
function M.principal_uses(use, name)
  local list = {}
  for _, kind in ipairs(KINDS_OF_USE) do
    local at = use[kind[1]]
    list[#list + 1] = at and { at = at, time = time.iso(at), what = "last use", name = "daily report",
      result = "unknown", by = name, by_id = use.app_id, about = kind[2] } or nil
  end
  return list
end

--- Has the row the code of a sign-in as its result?
---@param row activity.row
---@return boolean
function M.has_code(row) return row.what == "sign-in" or row.what == "sign-ins" end

-- What a change is about: its first target that has a name, else its first target.
local function main_target(change)
  for _, target in ipairs(change.targets) do
    if target.user_name or target.name then return target end
  end
  return change.targets[1] or {}
end

local function list_text(ids) return #ids > 0 and table.concat(ids, " ") or nil end

--- The row of a change.
---@param change evidence.change
---@return activity.row
function M.change(change)
  local target = main_target(change)
  return {
    at = change.at, time = time.iso(change.at), what = change.kind == "other" and "change" or change.kind,
    name = change.name, result = change.result, by = who.actor(change.by), by_id = change.by.object_id,
    address = change.by.address, about = target.user_name or target.name or target.object_id,
    about_id = target.object_id, added = list_text(change.added), removed = list_text(change.removed),
    correlation_id = change.correlation_id,
  }
end

-- "secret …c7e1": the last characters of its key id.
local function credential_text(row)
  local kind = row.credential and row.credential ~= "unknown" and row.credential or "credential"
  return row.key_id and ("%s …%s"):format(kind, row.key_id:sub(-4)) or kind .. ", its key id is not told"
end

local function what_text(row)
  if row.count then return layout.count(row.count, "sign-in") end
  return (row.what == "sign-in" or row.what == "last use") and row.what or row.name:match "^(.-)%s*$"
end

--- A row for a terminal.
---@param row activity.row
---@return table
function M.for_people(row)
  local is_of_credential = row.credential ~= nil or row.key_id ~= nil
  return {
    time = row.time, what = what_text(row), result = row.result,
    by = row.ours == "yes" and row.by .. " (Moonlatch)" or row.by, from = row.address,
    about = is_of_credential and credential_text(row) or row.about,
  }
end

return M
