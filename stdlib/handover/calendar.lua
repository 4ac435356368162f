--- The calendar of a client secret: the day to renew it and the day it expires.

local fail = require "fail"
local hint = require "log.hint"
local icalendar = require "handover.icalendar"
local time = require "time"

local M = {}

local function raise_no_expiry_date(state)
  fail.raise {
    kind = "missing", what = ("make a calendar for '%s'"):format(state.name),
    why = "there is no client secret with a known expiry date",
    fix = ("Make one: %s"):format(state.maker),
  }
end

--- A calendar of two events, for the client secret that waits to be confirmed, else for the one that the consumer has.
---@param state handover.state
---@param now number? the moment at which the calendar is made
---@return string
function M.text(state, now)
  local secret = state.secret
  if not secret.ends then raise_no_expiry_date(state) end
  local what = ("the client secret %s of '%s'"):format(secret.short, state.name)
  return icalendar.text({
    { uid = secret.id .. "-renew", at = secret.renew_at, summary = "Renew " .. what,
      description = hint.text(
        "It expires on %s. {moonlatch} apply makes the next one; {moonlatch} handover shows what to do with it.\n"
        .. "Client ID %s, tenant %s.", time.day(secret.ends), state.client_id, state.tenant) },
    { uid = secret.id .. "-last", at = secret.ends, summary = "Last day of " .. what,
      description = hint.text("A service that signs in with it stops working. {moonlatch} doctor says which one uses "
        .. "it.") },
  }, now or time.now())
end

--- Write the calendar to a new file, or over a calendar of ours.
---@param path string
---@param state handover.state
function M.write(path, state)
  icalendar.write(path, M.text(state), hint.text "{moonlatch} handover --calendar FILE")
end

return M
