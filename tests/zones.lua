--- What Python's zoneinfo says of zones and of windows in them: a library that has
--- nothing of ours, so that ours can be held against it.

local sys = require "host.sys"
local window = require "policy.window"

local M = {}

-- Answers each line "ZONE FIRST DAYS FROM LENGTH" with the windows of these days, and each
-- line "ZONE FIRST DAYS" with the days on which the clock changes. A local time that does not
-- come back from UTC as it went there is skipped; the jump is then found by halves.
local SCRIPT = [==[
import datetime, sys, zoneinfo
START = datetime.datetime(1970, 1, 1)
def shown(moment, zone):
    return datetime.datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)
def opening(wall, zone):
    moment = int(wall.replace(tzinfo=zone, fold=0).timestamp())
    if shown(moment, zone) == wall: return moment
    low, high = moment - 90000, moment + 90000
    while low + 1 < high:
        middle = (low + high) // 2
        if shown(middle, zone) < wall: low = middle
        else: high = middle
    return high
def offset(day, zone):
    return datetime.datetime.fromtimestamp(day * 86400, zone).utcoffset()
def windows(zone, days, begin, length):
    for day in days:
        opens = opening(START + datetime.timedelta(days=day, seconds=begin), zone)
        yield f"{opens}:{opens + length}"
def changes(zone, days):
    return (str(day) for day in days if offset(day, zone) != offset(day + 1, zone))
for line in sys.stdin:
    name, first, count, *window = line.split()
    zone, days = zoneinfo.ZoneInfo(name), range(int(first), int(first) + int(count))
    print(" ".join(windows(zone, days, int(window[0]), int(window[1])) if window else changes(zone, days)))
]==]

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  return lines
end

--- Is there such a Python?
---@return boolean
function M.is_possible() return lines_of("python3 -c 'import zoneinfo; print(1)' 2>/dev/null")[1] == "1" end

--- All zones of the system, each under one of its names.
---@return string[]
function M.names()
  local names, seen = {}, {}
  for _, name in ipairs(lines_of [[python3 -c 'import zoneinfo
print("\n".join(sorted(zoneinfo.available_timezones())))']]) do
    local data = name:find "^%u" and sys.read("/usr/share/zoneinfo/" .. name, 1 << 20)
    if data and not seen[data] then names[#names + 1] = name end
    if data then seen[data] = true end
  end
  return names
end

---@class zones.question
---@field zone string
---@field first integer a local day, since 1970
---@field days integer
---@field from integer? seconds after midnight; without, the days on which the clock changes are asked for
---@field length integer? seconds

--- What Python says, a line for each question: "OPENS:CLOSES OPENS:CLOSES …", or "DAY DAY …".
---@param questions zones.question[]
---@return string[]
function M.ask(questions)
  local script, asked = os.tmpname(), os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(SCRIPT):close()
  file = assert(io.open(asked, "w"))
  for _, one in ipairs(questions) do
    file:write(("%s %d %d %s %s\n"):format(one.zone, one.first, one.days, one.from or "", one.length or ""))
  end
  file:close()
  local answers = lines_of(("python3 %s < %s 2>&1"):format(script, asked))
  os.remove(script)
  os.remove(asked)
  return answers
end

-- "OPENS:CLOSES …" as pairs; windows that touch or overlap are one.
local function merged(line)
  local list = {}
  for opens, closes in line:gmatch("(%d+):(%d+)") do
    opens, closes = math.tointeger(opens), math.tointeger(closes)
    local last = list[#list]
    if last and opens <= last[2] then last[2] = math.max(last[2], closes) else list[#list + 1] = { opens, closes } end
  end
  return list
end

local function clock(seconds) return ("%02d:%02d"):format(seconds // 3600, seconds // 60 % 60) end

local function differs(text, here, moment, open, when)
  local is_open, until_when = here:at(moment)
  if is_open == open and until_when == when then return nil end
  return ("%s at %d: %s until %s, but Python says %s until %s")
    :format(text, moment, is_open and "open" or "closed", until_when, open and "open" or "closed", when)
end

--- Hold our window against Python's. Nil when all its moments are the same, else the first that is not.
---@param question zones.question
---@param line string what Python said
---@return string? wrong
function M.compare(question, line)
  local ends = (question.from + question.length) % 86400
  local text = ("%s-%s %s"):format(clock(question.from), clock(ends), question.zone)
  local here, list = window.parse(text), merged(line)
  -- The first and the last may touch one that was not asked for.
  for i = 2, #list - 1 do
    local opens, closes = list[i][1], list[i][2]
    local wrong = differs(text, here, opens - 1, false, opens) or differs(text, here, opens, true, closes)
      or differs(text, here, closes - 1, true, closes) or differs(text, here, closes, false, list[i + 1][1])
    if wrong then return wrong end
  end
  return #list < 3 and text .. ": nothing to compare" or nil
end

return M
