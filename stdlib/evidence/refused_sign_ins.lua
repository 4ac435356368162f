--- Sign-ins with an application that fail, as the kept summaries show them: from where, with which code, and whether
--- they still go on. Pure functions.

local time = require "time"

local M = {}

local DAY = 86400
local RECENT = 7 * DAY -- seconds for which a failed sign-in is told
local SETTLED = 3600 -- seconds after its first success with a newer secret in which an address may try the old one

---@class evidence.failing
---@field address string? nil: the log does not tell
---@field key_id string? of the credential that is tried; nil: the log does not tell
---@field code integer AADSTS code
---@field last number when it was refused last
---@field unsure boolean may they be our own, from before our own sign-ins were on record?
---@field succeeded number? when the address signed in last, with whichever credential
---@field text string "from 203.0.113.1, last 3 minutes ago; nothing from there succeeded since 2027-05-04"

-- What an address did besides: when it signed in last, and when it first signed in with another credential than this.
local function successes_at(uses, failing)
  local last, first_with_other
  for _, use in ipairs(uses) do
    if not use.ours and use.address == failing.address and use.last_success then
      last = math.max(last or use.last_success, use.last_success)
      if use.key_id ~= failing.key_id then
        first_with_other = math.max(first_with_other or use.first_success, use.first_success)
      end
    end
  end
  return last, first_with_other
end

-- Does the failure go on? It is over once the address signs in; unless a credential is tried whose key id the log
-- tells, long after the address got another one: then another program there has the dead one.
local function goes_on(use, last_success, first_with_other)
  local failed = use.last_error_at
  if not last_success or failed > last_success then return true end
  return use.key_id ~= "" and first_with_other ~= nil and failed > first_with_other + SETTLED
end

local function failing_text(use, succeeded, now)
  local from = use.address ~= "" and use.address or "an address that the log does not tell"
  local since = succeeded and succeeded < use.last_error_at
    and ("; nothing from there succeeded since %s"):format(time.iso(succeeded)) or ""
  return ("from %s, last %s ago%s"):format(from, time.span(math.max(0, now - use.last_error_at)), since)
end

--- The failures of others that go on, the newest first.
---@param uses evidence.use[] of the application
---@param now number server time
---@return evidence.failing[]
function M.of(uses, now)
  local list = {}
  for _, use in ipairs(uses) do
    if not use.ours and use.last_error_at and now - use.last_error_at < RECENT then
      local last_success, first_with_other = successes_at(uses, use)
      if goes_on(use, last_success, first_with_other) then
        list[#list + 1] = {
          address = use.address ~= "" and use.address or nil, key_id = use.key_id ~= "" and use.key_id or nil,
          code = use.last_error, last = use.last_error_at, succeeded = last_success, unsure = use.unsure == true,
          text = failing_text(use, last_success, now),
        }
      end
    end
  end
  table.sort(list, function(a, b) return a.last > b.last end)
  return list
end

return M
