--- Graph's clock, as far as its answers tell it: an interval, carried on this machine's
--- boot clock. A step of this machine's own clock does not move it.
--
-- An answer says the second it was made in (the header Date, RFC 9110, 6.6.1), and that
-- moment lies between sending the request and receiving the answer.

local profile = require "profile.current"
local time = require "time"

local M = {}

local DRIFT = 1e-4 -- seconds a second by which the two clocks may run apart

---@class graph.clock.reading Graph's time minus the boot clock lies between low and high
---@field profile profile
---@field low number
---@field high number
---@field at number when it was read, by the boot clock

local reading ---@type graph.clock.reading?

local function current()
  return reading and reading.profile == profile.current() and reading or nil
end

--- Take note of an answer's date.
---@param date number? whole seconds since 1970, as the answer says
---@param sent number when the request was sent, by time.monotonic, or earlier
function M.note(date, sent)
  if not date then return end
  local now, before = time.monotonic(), current()
  local low, high = date - now, date + 1 - sent
  if before then
    local drift = (now - before.at) * DRIFT
    local both_low, both_high = math.max(low, before.low - drift), math.min(high, before.high + drift)
    -- machines of one service differ: where two answers cannot both be right, the newer one counts
    if both_low <= both_high then low, high = both_low, both_high end
  end
  reading = { profile = profile.current(), low = low, high = high, at = now }
end

--- Graph's time now: no earlier than the first, no later than the second. Nil before its first answer.
---@return number? earliest seconds since 1970
---@return number? latest
function M.range()
  local known = current()
  if not known then return nil end
  local now = time.monotonic()
  local drift = (now - known.at) * DRIFT
  return now + known.low - drift, now + known.high + drift
end

--- Graph's time now, as well as it is known; this machine's before Graph's first answer. To the millisecond.
---@return number seconds since 1970
function M.now()
  local earliest, latest = M.range()
  local now = earliest and (earliest + latest) / 2 or time.now()
  return math.floor(now * 1000 + 0.5) / 1000
end

--- Seconds Graph's clock is ahead of this machine's; negative when behind. Nil before Graph's first answer.
---@return number?
function M.ahead()
  return current() and M.now() - time.now() or nil
end

return M
