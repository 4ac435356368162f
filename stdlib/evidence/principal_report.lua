--- The report of Entra on the use of service principals: when an application signed in last as itself, when people
--- signed in through it, and when it was the resource of a sign-in. A day late or two, as the report on credentials.
---
--- The report is beta, in the global cloud only, and needs a licence Entra ID P1 or P2 (Microsoft Learn, "List
--- servicePrincipalSignInActivities"; answers recorded in rknightion/graph2otel@dfd9ef7,
--- internal/collectors/entra/signinactivity). It names no credential, and our own sign-ins are in it. So nothing is
--- concluded from it but that people sign in through an application, which the sign-ins of applications do not show.

local reading = require "evidence.reading"

local M = {}

local PATH = "/beta/reports/servicePrincipalSignInActivities"
local WHAT = "read the report on the use of service principals"

-- The report's name for each kind of use, without "SignInActivity" at its end.
local NAMES = {
  itself = "applicationAuthenticationClient", people = "delegatedClient",
  resource = "applicationAuthenticationResource", resource_for_people = "delegatedResource", last = "last",
}

--- Make a row from a record of the report. Raises "bad_answer" for a record without an application.
---@param record table
---@return evidence.principal_use
function M.decode(record)
  local row = { app_id = reading.id(record.appId) or reading.raise_unreadable(WHAT, "appId") }
  for kind, name in pairs(NAMES) do
    row[kind] = reading.moment(reading.object(record[name .. "SignInActivity"]).lastSignInDateTime)
  end
  return row
end

--- All rows of the report. Waits.
---@return fun(): evidence.principal_use|nil
function M.read()
  local items = reading.items(PATH, WHAT)
  return function()
    local record = items()
    return record and M.decode(record)
  end
end

--- Join two rows of an application: the later moment of each kind.
---@param use evidence.principal_use?
---@param other evidence.principal_use?
---@return evidence.principal_use?
function M.later(use, other)
  if not use or not other then return use or other end
  local joined = { app_id = use.app_id }
  for kind in pairs(NAMES) do
    local at, also = use[kind], other[kind]
    joined[kind] = at and also and math.max(at, also) or at or also
  end
  return joined
end

--- The rows of one application. None proves nothing. Waits.
---@param app_id string client id
---@return evidence.principal_use[]
function M.of_application(app_id)
  return reading.rows_about { path = PATH, what = WHAT, decode = M.decode, app_id = app_id:lower() }
end

return M
