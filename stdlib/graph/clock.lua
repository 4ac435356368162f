--- Estimate Graph's clock from its answers. The estimate is an interval, carried forward by this machine's boot clock,
--- so that setting this machine's clock does not move the estimate.
---
--- An answer contains the second in which it was made (the header Date, RFC 9110, 6.6.1). That moment lies between
--- sending the request and receiving the answer.

local profiles = require "profile.current"
local time = require "time"

local M = {}

local DRIFT = 1e-4 -- seconds in a second by which the two clocks may drift apart

---@class graph.clock.reading Graph's time minus the boot clock is between low and high
---@field profile profile
---@field low number
---@field high number
---@field at number the moment of the reading, by the boot clock

local reading ---@type graph.clock.reading?

local function reading_of_profile()
  return reading and reading.profile == profiles.current() and reading or nil
end

--- Note the date of an answer.
---@param date number? whole seconds since 1970, as the answer says
---@param sent number the moment when the request was sent, by time.monotonic; an earlier moment is right, too
function M.note(date, sent)
  if not date then return end
  local now, before = time.monotonic(), reading_of_profile()
  local low, high = date - now, date + 1 - sent
  if before then
    local drift = (now - before.at) * DRIFT
    local both_low, both_high = math.max(low, before.low - drift), math.min(high, before.high + drift)
    -- the machines of one service differ: when two answers contradict each other, the newer one counts
    if both_low <= both_high then low, high = both_low, both_high end
  end
  reading = { profile = profiles.current(), low = low, high = high, at = now }
end

--- Graph's time now, as an interval; nil before Graph's first answer.
---@return number? earliest seconds since 1970
---@return number? latest
function M.range()
  local known = reading_of_profile()
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

--- The seconds by which Graph's clock is ahead of this machine's clock; negative when it is behind; nil before Graph's
--- first answer.
---@return number?
function M.seconds_ahead()
  return reading_of_profile() and M.now() - time.now() or nil
end

return M
