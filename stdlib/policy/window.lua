--- Maintenance windows: when changes may begin, in local time ("02:00-04:00 America/Toronto", "Sat,Sun 22:00-06:00
--- Europe/Paris"), and not on excepted days.
---
--- A window opens at the written local time. Where the clock skips that time, the window opens at the jump; where the
--- clock shows the time twice, at the first. The window stays open for its written length, however the clock changes
--- meanwhile.

local class = require "base.class"
local dates = require "policy.dates"
local fail = require "fail"
local layout = require "terminal.layout"
local zone = require "time.zone"

local M = {}

local DAY = 86400
local FAR = 8 * DAY -- seconds for which windows without a gap between them are followed
local DAYS = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }

---@class policy.window.part one window; without days it is open all the time
---@field text string as written
---@field zone zone
---@field from integer? seconds after midnight
---@field length integer? seconds
---@field days table<integer, boolean>? on which it begins, 0 is Sunday
---@field excepted policy.span[] times within which it is closed

---@class policy.window
---@field text string as written
---@field parts policy.window.part[] it is open when one of them is
---@field known { from: number, to: number, open: boolean, moment: number? }? the last answer, and how long it holds
local Window = class "policy.window"

---------------------------------------------------------------------------
-- Reading a window

local function raise_window_malformed(text, why)
  fail.raise {
    kind = "config", what = ('read the window "%s"'):format(text), why = why,
    fix = 'Write the window as "02:00-04:00 America/Toronto" or "Mon-Fri 22:00-05:00 Europe/Paris".',
  }
end

local function parse_time_of_day(text, latest)
  local hour, minute = text:match("^(%d%d?):(%d%d)$")
  local seconds = hour and hour * 3600 + minute * 60
  if not seconds or tonumber(minute) > 59 or seconds > latest then return nil end
  return math.tointeger(seconds)
end

local function add_days_of_week(text, part, days)
  local from, to = part:lower():match("^(%a%a%a)%-?(%a*)$")
  local first, last = DAYS[from], DAYS[to ~= "" and to or from]
  if not first or not last then raise_window_malformed(text, ("'%s' is neither a day nor days"):format(part)) end
  local day = first
  while true do
    days[day] = true
    if day == last then return end
    day = (day + 1) % 7
  end
end

local function parse_days_of_week(text, part)
  local days = {}
  if not part then part = "Sun-Sat" end
  for word in part:gmatch("[^,]+") do add_days_of_week(text, word, days) end
  if next(days) == nil then raise_window_malformed(text, ("'%s' is neither a day nor days"):format(part)) end
  return days
end

local function parse_window_part(text)
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  local days = #words == 3 and table.remove(words, 1) or nil
  local from, to = (words[1] or ""):match("^([%d:]+)%-([%d:]+)$")
  if #words ~= 2 or not from then raise_window_malformed(text, "it is not of the form HH:MM-HH:MM ZONE") end
  local start, finish = parse_time_of_day(from, DAY - 60), parse_time_of_day(to, DAY)
  if not start or not finish then raise_window_malformed(text, "there is no such time of day") end
  if start == finish then raise_window_malformed(text, "it begins when it ends") end
  local length = (finish - start) % DAY
  return {
    text = text, days = parse_days_of_week(text, days), from = start, length = length == 0 and DAY or length,
    zone = zone.load(words[2]),
  }
end

local function join_window_texts(list, of_one)
  local texts = {}
  for i, one in ipairs(list) do texts[i] = of_one(one) end
  return layout.list(texts, "and")
end

local function window_text(parts, excepted)
  local text = join_window_texts(parts, function(part) return part.text end)
  if #excepted == 0 then return text end
  return text .. " except " .. join_window_texts(excepted, function(one)
    return not one.zone and not parts[1].days and one.text .. " UTC" or one.text
  end)
end

local function parse_each_window(value, read)
  local list = {}
  for i, text in ipairs(type(value) == "table" and value or { value }) do list[i] = read(text) end
  return list
end

--- Read the windows and the excepted days of a policy. Raises "config" when they are malformed.
---@param windows string|string[]|nil one window or several; without any the window is open all the time
---@param except string|string[]|nil days on which it is closed, by the clock of each window's zone (else by UTC)
---@return policy.window
function M.parse(windows, except)
  local parts, excepted = parse_each_window(windows, parse_window_part), parse_each_window(except, dates.parse)
  if #parts == 0 then parts[1] = { text = "any time", zone = zone.load "UTC" } end
  for _, part in ipairs(parts) do part.excepted = dates.spans(excepted, part.zone) end
  return Window { text = window_text(parts, excepted), parts = parts }
end

---------------------------------------------------------------------------
-- When a window is open

local function local_day_of_window(part, time) return (time // 1 + part.zone:offset(time)) // DAY end

-- When the window opens on the local day `number` (days since 1970); nil on a day on which it does not.
local function window_opening_on(part, number)
  return part.days[(number + 4) % 7] and part.zone:moment(number * DAY + part.from) or nil
end

-- When the window closes, excepted days aside; nil when it is closed now. The search begins two days back, because on a
-- day of 23 hours a window that opened the day before yesterday may still be open.
local function window_closing_unexcepted(part, time)
  if not part.days then return math.huge end
  local today, last = local_day_of_window(part, time), nil
  for number = today - 2, today + 1 do
    local opens = window_opening_on(part, number)
    if opens and opens <= time and time < opens + part.length then last = opens + part.length end
  end
  return last
end

-- The first moment from `time` on at which the window is open, excepted days aside.
local function window_opening_unexcepted(part, time)
  if window_closing_unexcepted(part, time) then return time end
  local today = local_day_of_window(part, time)
  for number = today - 1, today + 8 do
    local opens = window_opening_on(part, number)
    if opens and opens > time then return opens end
  end
  error("a window that never opens")
end

local function window_open_until(part, time)
  local closes = window_closing_unexcepted(part, time)
  for _, span in ipairs(closes and part.excepted or {}) do
    if span.from <= time and time < span.to then return nil end
    if span.from > time then closes = math.min(closes, span.from) end
  end
  return closes
end

local function next_window_opening(part, time)
  local opens = window_opening_unexcepted(part, time)
  for _, span in ipairs(part.excepted) do
    if span.from <= opens and opens < span.to then opens = window_opening_unexcepted(part, span.to) end
  end
  return opens
end

local function latest_window_closing(self, time)
  local last
  for _, part in ipairs(self.parts) do
    local closes = window_open_until(part, time)
    last = closes and math.max(last or closes, closes) or last
  end
  return last
end

-- Whether a window is open at a moment, and how long that answer holds. Windows without a gap between them count as
-- one, for FAR seconds at most.
local function window_state_at(self, time)
  local closes = latest_window_closing(self, time)
  if closes then
    local more = latest_window_closing(self, closes)
    while more and closes - time < FAR do closes, more = more, latest_window_closing(self, more) end
    return { open = true, from = time, to = closes, moment = not more and closes or nil }
  end
  local opens = math.huge
  for _, part in ipairs(self.parts) do opens = math.min(opens, next_window_opening(part, time)) end
  return { open = false, from = time, to = opens, moment = opens }
end

--- May changes begin at this moment? With true: when the window closes, nil when it stays open for a week and more.
--- With false: when it opens next.
---@param time number
---@return boolean open, number? until_when
function Window:at(time)
  local known = self.known
  if not known or time < known.from or time >= known.to then known = window_state_at(self, time) end
  self.known = known
  return known.open, known.moment
end

--- How many seconds between two moments are on excepted days, so that no window can open.
---@param from number
---@param to number
---@return number
function Window:excepted(from, to)
  local least = to - from
  for _, part in ipairs(self.parts) do
    local sum = 0
    for _, span in ipairs(part.excepted) do
      sum = sum + math.max(0, math.min(to, span.to) - math.max(from, span.from))
    end
    least = math.min(least, sum)
  end
  return least
end

--- The window in a sentence: "in the window …", "at any time …".
---@return string
function Window:phrase()
  return (self.parts[1].days and "in the window " or "at ") .. self.text
end

function Window:__tostring() return self.text end

return M
