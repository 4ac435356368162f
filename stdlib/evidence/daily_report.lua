--- The report of Entra on the use of credentials: when each key id was last used. It is computed for each day in UTC,
--- so it is a day late or two. A missing row is unknown, and never "not used".
---
--- The report is beta, in the global cloud only, and needs a licence Entra ID P1 or P2 (Microsoft Learn, "List
--- appCredentialSignInActivities"). Its documentation and its answers differ in the form of `id` and in the names of
--- members (answers recorded in rknightion/graph2otel@dfd9ef7, internal/collectors/entra/signinactivity), so rows are
--- matched by key id and application.

local reading = require "evidence.reading"

local M = {}

local PATH = "/beta/reports/appCredentialSignInActivities"
local WHAT = "read the report on the use of credentials"

--- Make a row from a record of the report. Raises "bad_answer" for a record without key id or application.
---@param record table
---@return evidence.last_use
function M.decode(record)
  local activity = reading.object(record.signInActivity)
  return {
    app_id = reading.id(record.appId) or reading.raise_unreadable(WHAT, "appId"),
    key_id = reading.id(record.keyId) or reading.raise_unreadable(WHAT, "keyId"),
    at = reading.moment(activity.lastSignInDateTime),
    origin = record.credentialOrigin == "servicePrincipal" and "servicePrincipal" or "application",
  }
end

--- All rows of the report. Waits.
---@return fun(): evidence.last_use|nil
function M.read()
  local items = reading.items(PATH, WHAT)
  return function()
    local record = items()
    return record and M.decode(record)
  end
end

--- The rows of one application, the newest for each key id. Waits.
---@param app_id string client id
---@return evidence.last_use[]
function M.of_application(app_id)
  return M.newest(reading.rows_about { path = PATH, what = WHAT, decode = M.decode, app_id = app_id:lower() })
end

--- The newest row for each key id: one key id may have a row for the application and one for its service principal.
---@param rows evidence.last_use[]
---@return evidence.last_use[]
function M.newest(rows)
  local by_key, list = {}, {}
  for _, row in ipairs(rows) do
    local place = by_key[row.key_id]
    if not place then
      list[#list + 1] = row
      by_key[row.key_id] = #list
    elseif (row.at or 0) > (list[place].at or 0) then
      list[place] = row
    end
  end
  return list
end

return M
