--- The rule by which a time zone's clock changes in years that the table does not hold: the last line of a zone's file
--- ("EST5EDT,M3.2.0,M11.1.0", POSIX TZ as extended by RFC 8536).

local sys = require "host.sys"

local M = {}

local DAY = 86400

---@class time.zone.change
---@field at integer the moment
---@field offset integer seconds east of UTC from that moment on

---@class time.zone_rule
---@field standard integer seconds east of UTC
---@field daylight integer? seconds east of UTC in summer; nil when the clock never changes
---@field from time.zone_rule.moment? when summer time begins, in local standard time
---@field to time.zone_rule.moment? when summer time ends, in local summer time
---@field years table<integer, time.zone.change[]> year -> its changes, once computed
local Rule = {}
local RULE = { __name = "time.zone_rule", __metatable = "time.zone_rule", __index = Rule }

---@class time.zone_rule.moment
---@field time integer seconds after the day's midnight, may be negative or more than a day
---@field month integer? with week (5 is the last one) and weekday (0 is Sunday)
---@field week integer?
---@field weekday integer?
---@field day integer? day of the year, instead of month, week and weekday: 1 to 365 when leapless (POSIX Jn), else 0 to
--- 365 (POSIX n)
---@field leapless boolean? the count leaves out the 29th of February

---------------------------------------------------------------------------
-- Parsing a rule

-- Parse "5", "-3:30" or "10:30:15" into seconds; nil for any other text, and for more than `most_hours` hours.
local function parse_rule_seconds(text, most_hours)
  local sign, hours, minutes, seconds = text:match("^([+-]?)(%d+):?(%d*):?(%d*)$")
  if not sign or tonumber(hours) > most_hours then return nil end
  local sum = hours * 3600 + (tonumber(minutes) or 0) * 60 + (tonumber(seconds) or 0)
  return math.tointeger(sign == "-" and -sum or sum)
end

local function is_between(value, least, most) return value and value >= least and value <= most end

-- Parse the day of a rule: "M3.2.0" is the second Sunday of March; "J60" and "60" are days of the year. Returns nil for
-- any other text.
local function parse_rule_day(text)
  local month, week, weekday = text:match("^M(%d+)%.(%d)%.(%d)$")
  if month then
    local day = { month = math.tointeger(month), week = math.tointeger(week), weekday = math.tointeger(weekday) }
    return is_between(day.month, 1, 12) and is_between(day.week, 1, 5) and is_between(day.weekday, 0, 6) and day or nil
  end
  local plain, number = text:match("^(J?)(%d+)$")
  local day = { day = math.tointeger(number), leapless = plain == "J" }
  return is_between(day.day, day.leapless and 1 or 0, 365) and day or nil
end

-- Parse "M3.2.0/2": a day, and the time of day where it is not 02:00.
local function parse_rule_moment(text)
  local day, at = text:match("^([^/]+)/?(.*)$")
  local when = day and parse_rule_day(day)
  if not when then return nil end
  when.time = at == "" and 7200 or parse_rule_seconds(at, 167)
  return when.time and when
end

-- The text after the zone's name at its front: ",M3.2.0,M11.1.0" after "EDT"; nil when no name is in front.
local function without_zone_name(text)
  return text:match("^<[%w+-]+>(.*)$") or text:match("^%a+(.*)$")
end

-- Add the part about summer time ("EDT,M3.2.0,M11.1.0") to the rule. Returns nil for any other text.
local function parse_daylight_rule(rule, text)
  local own, from, to = (without_zone_name(text) or ""):match("^([^,]*),([^,]+),([^,]+)$")
  if not own then return nil end
  local east = own == "" and -rule.standard - 3600 or parse_rule_seconds(own, 24)
  rule.from, rule.to = parse_rule_moment(from), parse_rule_moment(to)
  if not (east and rule.from and rule.to) then return nil end
  rule.daylight = -east
  return rule
end

--- Parse a rule; nil for any other text.
---@param text string
---@return time.zone_rule?
function M.parse(text)
  local west, more = (without_zone_name(text) or ""):match("^([+-]?[%d:]+)(.*)$")
  local seconds = west and parse_rule_seconds(west, 24)
  if not seconds then return nil end
  local rule = setmetatable({ standard = -seconds, years = {} }, RULE)
  if more == "" then return rule end
  return parse_daylight_rule(rule, more)
end

---------------------------------------------------------------------------
-- Changes and offsets

local function is_leap(year) return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) end

local function weekday_of(time) return (time // DAY + 4) % 7 end -- 1970 began on a Thursday

local function midnight_of_rule_day(when, year)
  local leap = when.leapless and is_leap(year) and when.day >= 60 and 1 or 0
  return sys.from_utc(year, 1, 1, 0, 0, 0) + (when.day + (when.leapless and leap - 1 or 0)) * DAY
end

-- The local midnight of the rule's day, as if local time were UTC.
local function midnight_of_rule(when, year)
  if when.day then return midnight_of_rule_day(when, year) end
  local first = sys.from_utc(year, when.month, 1, 0, 0, 0)
  local day = first + (when.weekday - weekday_of(first)) % 7 * DAY + (when.week - 1) * 7 * DAY
  local december = when.month == 12
  local month_after = sys.from_utc(december and year + 1 or year, december and 1 or when.month + 1, 1, 0, 0, 0)
  while day >= month_after do day = day - 7 * DAY end
  return day
end

--- The changes of a year, in the order of time. Near New Year the moments may be in the year before or after.
---@param year integer
---@return time.zone.change[]
function Rule:changes(year)
  if not self.daylight then return {} end
  local known = self.years[year]
  if known then return known end
  local from = { at = midnight_of_rule(self.from, year) + self.from.time - self.standard, offset = self.daylight }
  local to = { at = midnight_of_rule(self.to, year) + self.to.time - self.daylight, offset = self.standard }
  known = from.at < to.at and { from, to } or { to, from }
  self.years[year] = known
  return known
end

--- How far local time is ahead of UTC at this moment, in seconds.
---@param time integer
---@return integer
function Rule:offset(time)
  local year, last = sys.utc(time).year, nil
  for number = year - 1, year + 1 do
    for _, change in ipairs(self:changes(number)) do
      -- Summer all year long ends and begins again in one moment: of two, the later counts.
      if change.at <= time and (not last or change.at >= last.at) then last = change end
    end
  end
  return last and last.offset or self.standard
end

return M
