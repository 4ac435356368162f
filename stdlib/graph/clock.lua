--- Graph's clock, as far as its answers show it: an interval, carried forward on this machine's boot clock. Setting
--- this machine's clock does not move it.
---
--- An answer contains the second in which it was made (the header Date, RFC 9110, 6.6.1). That moment is between
--- sending the request and receiving the answer.

local profiles = require "profile.current"
local time = require "time"

local M = {}

local DRIFT = 1e-4 -- seconds in a second by which the two clocks may drift apart

---@class graph.clock.reading Graph's time minus the boot clock is between low and high
---@field profile profile
---@field low number
---@field high number
---@field at number when it was read, by the boot clock

local reading ---@type graph.clock.reading?

local function current()
  return reading and reading.profile == profiles.current() and reading or nil
end

--- Note the date of an answer.
---@param date number? whole seconds since 1970, as the answer says
---@param sent number when the request was sent, by time.monotonic, or earlier
function M.note(date, sent)
  if not date then return end
  local now, before = time.monotonic(), current()
  local low, high = date - now, date + 1 - sent
  if before then
    local drift = (now - before.at) * DRIFT
    local both_low, both_high = math.max(low, before.low - drift), math.min(high, before.high + drift)
    -- the machines of one service differ: when two answers contradict each other, the newer one counts
    if both_low <= both_high then low, high = both_low, both_high end
  end
  reading = { profile = profiles.current(), low = low, high = high, at = now }
end

--- Graph's time now, as an interval. Nil before its first answer.
---@return number? earliest seconds since 1970
---@return number? latest
function M.range()
  local known = current()
  if not known then return nil end
  local now = time.monotonic()
  local drift = (now - known.at) * DRIFT
  return now + known.low - drift, now + known.high + drift
end

--- The best estimate of Graph's time now, to the millisecond; this machine's time before Graph's first answer.
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
