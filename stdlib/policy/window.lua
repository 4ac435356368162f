--- A maintenance window: the times of day at which changes may begin, by an
--- admin's clock. "02:00-04:00 America/Toronto", "Sat,Sun 22:00-06:00 Europe/Paris".

local fail = require "fail"
local zone = require "zone"

local M = {}

local DAY = 86400
local DAYS = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }

---@class policy.window
---@field text string as written
---@field zone zone
---@field from integer seconds after midnight
---@field length integer seconds
---@field days table<integer, boolean> on which it begins, 0 is Sunday
local Window = { __name = "window" }
Window.__index = Window

local function raise(text, why)
  fail.raise {
    kind = "config", what = ('read the window "%s"'):format(text), why = why,
    fix = 'Write it as "02:00-04:00 America/Toronto" or "Mon-Fri 22:00-05:00 Europe/Paris".',
  }
end

local function clock_of(text)
  local hour, minute = text:match("^(%d%d?):(%d%d)$")
  local seconds = hour and hour * 3600 + minute * 60
  if not seconds or tonumber(minute) > 59 or seconds > DAY then return nil end
  return math.tointeger(seconds)
end

local function add_days(text, part, days)
  local from, to = part:lower():match("^(%a%a%a)%-?(%a*)$")
  local first, last = DAYS[from], DAYS[to ~= "" and to or from]
  if not first or not last then raise(text, ("'%s' is neither a day nor days"):format(part)) end
  local day = first
  while true do
    days[day] = true
    if day == last then return end
    day = (day + 1) % 7
  end
end

local function days_of(text, part)
  local days = {}
  if not part then part = "Sun-Sat" end
  for word in part:gmatch("[^,]+") do add_days(text, word, days) end
  return days
end

--- Read a window.
---@param text string
---@return policy.window
function M.parse(text)
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  local days = #words == 3 and table.remove(words, 1) or nil
  local from, to = (words[1] or ""):match("^([%d:]+)%-([%d:]+)$")
  if #words ~= 2 or not from then raise(text, "it is not of the form HH:MM-HH:MM ZONE") end
  local start, finish = clock_of(from), clock_of(to)
  if not start or not finish then raise(text, "there is no such time of day") end
  if start == finish then raise(text, "it begins when it ends") end
  return setmetatable({
    text = text, days = days_of(text, days), from = start, length = (finish - start) % DAY == 0 and DAY
      or (finish - start) % DAY, zone = zone.load(words[2]),
  }, Window)
end

-- The window that begins on the local day `number` (days since 1970); nil when none does.
local function on_day(self, number)
  if not self.days[(number + 4) % 7] then return nil end
  local opens = self.zone:moment(number * DAY + self.from)
  return opens, self.zone:moment(number * DAY + self.from + self.length)
end

--- May changes begin now? When it closes, if so; else when it opens next.
---@param time number
---@return boolean open, number until_when
function Window:at(time)
  local today = (time // 1 + self.zone:offset(time)) // DAY
  for number = today - 1, today + 8 do
    local opens, closes = on_day(self, number)
    if opens and time < opens then return false, opens end
    if opens and time < closes then return true, closes end
  end
  error("a window that never opens")
end

function Window:__tostring() return self.text end

return M
