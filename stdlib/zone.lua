--- Time zones by name, from the system's own files (/usr/share/zoneinfo, RFC 8536).
--
-- Such a file holds the changes of the past as a table and the rule for the
-- future as a line of text ("EST5EDT,M3.2.0,M11.1.0"); both are read here.

local fail = require "fail"
local sys = require "host.sys"

local M = {}

local FOLDER = "/usr/share/zoneinfo/"
local LIMIT = 1 << 20 -- bytes of a file
local DAY = 86400

---@class zone
---@field name string
---@field at integer[] moments of change, ascending
---@field offsets integer[] seconds east of UTC from that moment on
---@field first integer before the first change
---@field rule zone.rule? after the last change
local Zone = { __name = "zone" }
Zone.__index = Zone

---------------------------------------------------------------------------
-- The rule for the future (POSIX TZ, as RFC 8536 extends it)

---@class zone.rule
---@field standard integer seconds east of UTC
---@field daylight integer? the same in summer
---@field from table? when summer begins: month, week, day, time in local standard time
---@field to table? when it ends, in local summer time

-- "5", "-3:30", "10:30:15" -> seconds
local function seconds_of(text)
  local sign, hours, minutes, seconds = text:match("^([+-]?)(%d+):?(%d*):?(%d*)$")
  if not sign then return nil end
  local sum = hours * 3600 + (tonumber(minutes) or 0) * 60 + (tonumber(seconds) or 0)
  return math.tointeger(sign == "-" and -sum or sum)
end

-- "M3.2.0/2" -> the second Sunday of March, two o'clock; "J60" and "60" are days of the year
local function moment_of(text)
  local day, at = text:match("^([^/]+)/?(.*)$")
  local time = at == "" and 7200 or seconds_of(at)
  local month, week, weekday = day:match("^M(%d+)%.(%d)%.(%d)$")
  if month then
    return { month = tonumber(month), week = tonumber(week), weekday = tonumber(weekday), time = time }
  end
  local plain, number = day:match("^(J?)(%d+)$")
  return number and { day = tonumber(number), leapless = plain == "J", time = time }
end

local NAME = "^(<[%w+-]+>)(.*)$"

local function take_name(text)
  local name, rest = text:match(NAME)
  if name then return rest end
  return text:match("^%a+(.*)$")
end

local function parse_rule(text)
  local rest = take_name(text)
  local offset, more = (rest or ""):match("^([+-]?[%d:]+)(.*)$")
  if not offset then return nil end
  local rule = { standard = -seconds_of(offset) }
  if more == "" then return rule end
  local own, from, to = (take_name(more) or ""):match("^([^,]*),([^,]+),([^,]+)$")
  if not own then return nil end
  rule.daylight = own == "" and rule.standard + 3600 or -seconds_of(own)
  rule.from, rule.to = moment_of(from), moment_of(to)
  return rule.from and rule.to and rule or nil
end

local function is_leap(year) return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) end

local function weekday_of(time) return (time // DAY + 4) % 7 end -- 1970 began on a Thursday

-- The local midnight on which the rule's day falls, as if local time were UTC.
local function day_of(when, year)
  if when.day then
    local leap = when.leapless and is_leap(year) and when.day >= 60 and 1 or 0
    return sys.from_utc(year, 1, 1, 0, 0, 0) + (when.day + (when.leapless and leap - 1 or 0)) * DAY
  end
  local first = sys.from_utc(year, when.month, 1, 0, 0, 0)
  local day = first + (when.weekday - weekday_of(first)) % 7 * DAY + (when.week - 1) * 7 * DAY
  local month_after = when.month == 12 and sys.from_utc(year + 1, 1, 1, 0, 0, 0)
    or sys.from_utc(year, when.month + 1, 1, 0, 0, 0)
  while day >= month_after do day = day - 7 * DAY end -- the fifth means the last
  return day
end

local function offset_by_rule(rule, time)
  if not rule.daylight then return rule.standard end
  local year = sys.utc(time + rule.standard).year
  local from = day_of(rule.from, year) + rule.from.time - rule.standard
  local to = day_of(rule.to, year) + rule.to.time - rule.daylight
  local summer
  if from < to then summer = time >= from and time < to else summer = time >= from or time < to end
  return summer and rule.daylight or rule.standard
end

---------------------------------------------------------------------------
-- The file

local HEADER = ">c4 c1 c15 I4 I4 I4 I4 I4 I4"

-- Sizes of the block that begins at `place`; and where its data begins.
local function header_at(data, place)
  local magic, version, _, utc, std, leap, times, types, chars, next_place = HEADER:unpack(data, place)
  if magic ~= "TZif" then return nil end
  return { version = version, utc = utc, std = std, leap = leap, times = times, types = types, chars = chars },
    next_place
end

local function size_of(header, width)
  return header.times * (width + 1) + header.types * 6 + header.chars + header.leap * (width + 4) + header.std
    + header.utc
end

-- The block of 64-bit times, which every file since version 2 has after that of 32-bit ones.
local function read_block(data)
  local header, place = header_at(data, 1)
  if not header or header.version < "2" then return nil end
  header, place = header_at(data, place + size_of(header, 4))
  if not header then return nil end
  local zone, kinds = { at = {}, offsets = {} }, place + header.times * 8
  local types = kinds + header.times
  local function offset_of(kind) return (string.unpack(">i4", data, types + kind * 6)) end
  for i = 1, header.times do
    zone.at[i] = string.unpack(">i8", data, place + (i - 1) * 8)
    zone.offsets[i] = offset_of(data:byte(kinds + i - 1))
  end
  zone.first = offset_of(0)
  local footer = data:sub(place + size_of(header, 8)):match("^\n([^\n]*)\n")
  zone.rule = footer and parse_rule(footer)
  return zone
end

local function raise(name, why)
  fail.raise {
    kind = "config", what = ("use the time zone '%s'"):format(name), why = why,
    fix = "Zones are called as in /usr/share/zoneinfo: America/Toronto, Europe/Paris, UTC "
      .. "(the package tzdata brings them).",
  }
end

--- The time zone of this name. Fails with "config" when there is none.
---@param name string "America/Toronto", "UTC"
---@return zone
function M.load(name)
  if name == "UTC" then return setmetatable({ name = name, at = {}, offsets = {}, first = 0 }, Zone) end
  local is_name = name:match("^%u[%w_+-]*$") or name:match("^%u[%w_+/-]*%w$")
  if not is_name then raise(name, "that is no zone's name") end
  local data, message = sys.read(FOLDER .. name, LIMIT)
  if not data then raise(name, message) end
  local ok, zone = pcall(read_block, data)
  if not ok or not zone then raise(name, "the file holds no time zone that can be read") end
  zone.name = name
  return setmetatable(zone, Zone)
end

---------------------------------------------------------------------------
-- Asking

local function last_before(at, time)
  local low, high = 0, #at
  while low < high do
    local middle = (low + high + 1) // 2
    if at[middle] <= time then low = middle else high = middle - 1 end
  end
  return low
end

--- Seconds that local time is ahead of UTC at this moment.
---@param time number
---@return integer
function Zone:offset(time)
  local place = last_before(self.at, time)
  if place == #self.at and self.rule then return offset_by_rule(self.rule, time // 1) end
  return place == 0 and self.first or self.offsets[place]
end

--- The local date and time of this moment, and its day of the week (0 is Sunday).
---@param time number
---@return { year: integer, month: integer, day: integer, hour: integer, minute: integer, second: integer,
--- weekday: integer }
function Zone:date(time)
  local there = time // 1 + self:offset(time)
  local date = sys.utc(there)
  date.weekday = math.tointeger(weekday_of(there))
  return date
end

--- The moment of a local wall-clock time, given as seconds since a local
--- 1970-01-01. What the clock skips over in spring is taken as an hour later; of
--- what comes twice in autumn, the first.
---@param wall number
---@return number
function Zone:moment(wall)
  local early = wall - self:offset(wall - DAY)
  local late = wall - self:offset(wall + DAY)
  if early + self:offset(early) == wall then return early end
  if late + self:offset(late) == wall then return late end
  return math.max(early, late)
end

return M
