--- Moments and durations. A moment is a number of seconds since 1970, a duration a number of seconds. With an emulator,
--- all moments are those of the emulator's clock.

local fail = require "fail"
local sys = require "host.sys"
local time_clock = require "time.clock"

local M = {}

--- Now, in seconds since 1970.
---@return number
M.now = time_clock.now

--- Seconds since some start; never goes back. For deadlines.
---@return number
M.monotonic = time_clock.monotonic

--- A moment as text: "2026-11-23T05:00:00Z". Fractions are cut off.
---@param time number
---@return string
function M.iso(time)
  local at = sys.utc(time // 1)
  return ("%04d-%02d-%02dT%02d:%02d:%02dZ"):format(at.year, at.month, at.day, at.hour, at.minute, at.second)
end

--- The day of a moment in UTC: "2026-11-23".
---@param time number
---@return string
function M.day(time)
  return M.iso(time):sub(1, 10)
end

local WRITE_TIME = "Write it as 2026-11-23T05:00:00Z."

local function raise_unreadable_time(what, value, why, fix)
  fail.raise { kind = "usage", what = ("read the %s %q"):format(what, tostring(value)), why = why, fix = fix }
end

local MONTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_in_month(year, month)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and leap and 29 or MONTHS[month]
end

local function utc_offset_of(text)
  if text == "Z" or text == "z" then return 0 end
  local sign, hours, minutes = text:match("^([+-])(%d%d):(%d%d)$")
  if not sign then return nil end
  local seconds = hours * 3600 + minutes * 60
  return sign == "-" and -seconds or seconds
end

--- Parse a moment in Graph's form: any number of fraction digits, "Z" or an offset.
---@param text string
---@return number
function M.parse(text)
  local y, mo, d, h, mi, s, fraction, zone = tostring(text)
    :match("^(%d%d%d%d)-(%d%d)-(%d%d)[Tt](%d%d):(%d%d):(%d%d)(%.?%d*)(.*)$")
  local offset = y and utc_offset_of(zone)
  if not offset then raise_unreadable_time("time", text, "it is not of the form 2026-11-23T05:00:00Z", WRITE_TIME) end
  local year, month, day = math.tointeger(y), math.tointeger(mo), math.tointeger(d)
  local hour, minute, second = math.tointeger(h), math.tointeger(mi), math.tointeger(s)
  local is_date = month >= 1 and month <= 12 and day >= 1 and day <= days_in_month(year, month)
  if not is_date or hour > 23 or minute > 59 or second > 60 then
    raise_unreadable_time("time", text, "there is no such moment", WRITE_TIME)
  end
  return sys.from_utc(year, month, day, hour, minute, second) + (tonumber("0" .. fraction) or 0) - offset
end

local UNITS = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }

--- Parse a duration: "180d", "7d12h", "30m", "45s", "2w", or a number of seconds.
---@param value string|number
---@return number
function M.duration(value)
  if type(value) == "number" and value >= 0 then return value end
  local text, seconds, after = tostring(value), 0, 1
  for from, count, unit, to in text:gmatch("()(%d+)([smhdw])()") do
    if from ~= after then break end
    seconds, after = seconds + count * UNITS[unit], to
  end
  if after == 1 or after <= #text then
    raise_unreadable_time("duration", value, "it is not of the form 180d, 7d12h, 30m or 45s",
      "Write it as 180d, 7d12h, 30m or 45s.")
  end
  return math.tointeger(seconds) or seconds
end

local STEPS = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } }

--- A duration as text: "30 days", "1 hour", "90 seconds". Uses the largest unit of which there are at least two, or
--- exactly one.
---@param seconds number
---@return string
function M.span(seconds)
  seconds = math.abs(seconds)
  for _, step in ipairs(STEPS) do
    local size, name = step[1], step[2]
    local count = math.tointeger((seconds + size / 2) // size)
    if seconds >= 2 * size or seconds == size then return ("%d %s%s"):format(count, name, count == 1 and "" or "s") end
  end
  return seconds < 0.5 and "0 seconds" or seconds < 1.5 and "1 second" or "2 seconds"
end

return M
