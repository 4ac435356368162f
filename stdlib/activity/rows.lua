--- Sign-ins, uses and changes as rows of one list.

local time = require "time"
local who = require "evidence.who"

local M = {}

--- The columns of CSV and JSON.
---@type report.column[]
M.COLUMNS = {
  { key = "time" }, { key = "what" }, { key = "name" }, { key = "result" }, { key = "by" }, { key = "by_id" },
  { key = "address" }, { key = "about" }, { key = "about_id" }, { key = "credential" }, { key = "key_id" },
  { key = "ours" }, { key = "added" }, { key = "removed" }, { key = "reason" }, { key = "correlation_id" },
}

--- The columns for a terminal.
---@type report.column[]
M.FOR_PEOPLE = {
  { key = "time" }, { key = "what" }, { key = "result" }, { key = "by" }, { key = "from" }, { key = "about" },
}

---@class activity.row
---@field at number
---@field time string
---@field what string "sign-in", "last use", or the kind of a change
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

--- A row for a terminal.
---@param row activity.row
---@return table
function M.for_people(row)
  local is_use = row.what == "sign-in" or row.what == "last use"
  return {
    time = row.time, what = is_use and row.what or row.name:match "^(.-)%s*$", result = row.result,
    by = row.ours == "yes" and row.by .. " (Moonlatch)" or row.by, from = row.address,
    about = is_use and credential_text(row) or row.about,
  }
end

return M
