--- Sign-ins of one application, counted by Entra for each hour or day: how many from which address came to which
--- result. One row stands for any number of sign-ins, so it is there for applications with too many to list.
---
--- The count is beta (Microsoft Learn, "getSummarizedServicePrincipalSignIns", 2025). It names no credential, says not
--- whether a sign-in was ours, and no page tells how late it is. So it is shown, and nothing is concluded from it. Its
--- page names no filter and no page size; newer pages filter by `appId`.

local graph = require "graph"
local reading = require "evidence.reading"

local M = {}

local PATH = "/beta/auditLogs/getSummarizedServicePrincipalSignIns(aggregationWindow={id})"
local WHAT = "read the counted sign-ins of application %s"
local WINDOWS = { hour = "h1", day = "d1" }
local SECONDS = { hour = 3600, day = 86400 }

---@class evidence.counted_sign_in
---@field app_id string lower case
---@field from number the begin of the hour or day
---@field first number? the first of its sign-ins
---@field count integer
---@field address string?
---@field error integer 0: these sign-ins succeeded
---@field reason string?
---@field resource string?

--- Make a row from a record. Raises "bad_answer" for a record without a moment, a count or an error code.
---@param record table
---@param app_id string client id
---@return evidence.counted_sign_in
function M.decode(record, app_id)
  local what, status = WHAT:format(app_id), reading.object(record.status)
  local code = math.tointeger(tonumber(status.errorCode)) or reading.raise_unreadable(what, "status.errorCode")
  return {
    app_id = reading.id(record.appId) or app_id:lower(),
    from = reading.moment(record.aggregationDateTime) or reading.raise_unreadable(what, "aggregationDateTime"),
    first = reading.moment(record.firstSignInDateTime), address = reading.text(record.ipAddress),
    count = math.tointeger(tonumber(record.signInCount)) or reading.raise_unreadable(what, "signInCount"),
    error = code, reason = code ~= 0 and reading.text(status.failureReason) or nil,
    resource = reading.text(record.resourceDisplayName),
  }
end

--- The sign-ins of an application from `from` to before `to`, counted for each hour or day that is in that time or
--- partly in it. Waits.
---@param app_id string client id
---@param window "hour"|"day"
---@param from number
---@param to number
---@return evidence.counted_sign_in[]
function M.read(app_id, window, from, to)
  local list = {}
  local rows = reading.rows_about {
    path = graph.path(PATH, WINDOWS[window]), what = WHAT:format(app_id), app_id = app_id:lower(), whole = true,
    decode = function(record) return M.decode(record, app_id) end,
  }
  for _, row in ipairs(rows) do
    if row.from + SECONDS[window] > from and row.from < to then list[#list + 1] = row end
  end
  return list
end

return M
