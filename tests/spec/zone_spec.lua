-- takes 5 s: Python and we work out windows in many zones
local fail = require "fail"
local sys = require "host.sys"
local time = require "time"
local window = require "policy.window"
local zone = require "time.zone"
local rule = require "time.zone_rule"
local zones = require "zones"

-- What Python's zoneinfo says of the same moment.
local function python_offsets(name, moments)
  local list = {}
  for i, moment in ipairs(moments) do list[i] = ("%d"):format(moment) end
  local script = ("import datetime, zoneinfo; z = zoneinfo.ZoneInfo('%s'); print(' '.join(str(int(datetime.datetime"
    .. ".fromtimestamp(int(t), z).utcoffset().total_seconds())) for t in '%s'.split()))")
    :format(name, table.concat(list, " "))
  local pipe = assert(io.popen(("python3 -c \"%s\" 2>/dev/null"):format(script)))
  local line = pipe:read("l")
  pipe:close()
  return line
end

local function local_time(name, text)
  local date = zone.load(name):date(time.parse(text))
  return ("%04d-%02d-%02d %02d:%02d %d"):format(date.year, date.month, date.day, date.hour, date.minute, date.weekday)
end

describe("a time zone", function()
  it("tells the local time, in winter, in summer and in years that no table holds", function()
    assert.equal("2026-01-15 07:00 4", local_time("America/Toronto", "2026-01-15T12:00:00Z"))
    assert.equal("2026-07-15 08:00 3", local_time("America/Toronto", "2026-07-15T12:00:00Z"))
    assert.equal("2099-07-15 08:00 3", local_time("America/Toronto", "2099-07-15T12:00:00Z"))
    assert.equal("2026-07-15 17:30 3", local_time("Asia/Kolkata", "2026-07-15T12:00:00Z"))
    assert.equal("2026-01-15 23:00 4", local_time("Australia/Sydney", "2026-01-15T12:00:00Z")) -- summer there
    assert.equal("2026-07-15 12:00 3", local_time("UTC", "2026-07-15T12:00:00Z"))
  end)

  it("says what Python says, around every change and far into the future", function()
    for _, name in ipairs { "America/Toronto", "Europe/Paris", "Australia/Lord_Howe", "Africa/Casablanca",
      "America/Sao_Paulo", "Asia/Tehran", "Europe/Dublin", "Pacific/Apia", "Etc/GMT-14" } do
      local moments, place = {}, 0
      for moment = time.parse "1965-01-01T00:30:00Z", time.parse "2060-01-01T00:30:00Z", 86400 * 11 + 3600 do
        place = place + 1
        moments[place] = moment
      end
      local said = python_offsets(name, moments)
      if not said then return pending("needs python3 with zoneinfo") end
      local here, offsets = zone.load(name), {}
      for i, moment in ipairs(moments) do offsets[i] = ("%d"):format(here:offset(moment)) end
      assert.equal(said, table.concat(offsets, " "), name)
    end
  end)

  it("turns wall-clock time back into a moment, also where the clock jumps", function()
    local toronto = zone.load "America/Toronto"
    local function moment(year, month, day, hour, minute)
      return time.iso(toronto:moment(sys.from_utc(year, month, day, hour, minute, 0)))
    end
    assert.equal("2026-01-15T07:00:00Z", moment(2026, 1, 15, 2, 0))
    assert.equal("2026-07-15T06:00:00Z", moment(2026, 7, 15, 2, 0))
    assert.equal("2026-03-08T07:00:00Z", moment(2026, 3, 8, 2, 30)) -- skipped: the moment of the jump
    assert.equal("2026-11-01T05:30:00Z", moment(2026, 11, 1, 1, 30)) -- twice: the first
    local after = toronto:past(sys.from_utc(2026, 11, 1, 1, 30, 0)) -- and the last
    assert.equal("2026-11-01T06:30:00Z", time.iso(after))
    assert.equal("2026-07-15T06:00:00Z", time.iso(toronto:past(sys.from_utc(2026, 7, 15, 2, 0, 0))))
  end)

  it("follows the rule at the end of its file in all its forms", function()
    local function offsets(text, ...)
      local parsed, list = rule.parse(text), {}
      for i, moment in ipairs { ... } do list[i] = parsed:offset(time.parse(moment)) end
      return list
    end
    assert.same({ -18000, -14400 }, offsets("EST5EDT,M3.2.0,M11.1.0", "2090-03-12T06:59:59Z", "2090-03-12T07:00:00Z"))
    assert.same({ -14400, -18000 }, offsets("EST5EDT,M3.2.0,M11.1.0", "2090-11-05T05:59:59Z", "2090-11-05T06:00:00Z"))
    -- Summer all year long, and winter time that is the shifted one.
    assert.same({ -14400, -14400, -14400 }, offsets("EST5EDT,0/0,J365/25", "2090-01-01T00:00:00Z",
      "2090-12-31T23:00:00Z", "2091-01-01T05:00:00Z"))
    assert.same({ 0, 3600, 0 }, offsets("IST-1GMT0,M10.5.0,M3.5.0/1", "2090-01-15T00:00:00Z", "2090-07-15T00:00:00Z",
      "2090-12-15T00:00:00Z"))
    -- Times before the day's midnight, and days after it: Nuuk, Gaza.
    assert.same({ -7200, -3600 }, offsets("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2090-03-26T00:59:59Z",
      "2090-03-26T01:00:00Z"))
    assert.same({ 7200, 10800 }, offsets("EET-2EEST,M3.4.4/50,M10.4.4/50", "2090-03-24T23:59:59Z",
      "2090-03-25T00:00:00Z"))
    assert.same({ 20700 }, offsets("<+0545>-5:45", "2090-03-26T00:00:00Z"))
    for _, text in ipairs { "", "5", "EST", "EST5EDT", "EST5EDT,M13.1.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0",
      "EST5EDT,M3.2.0", "EST5EDT,J0,J365", "EST5EDT,366,J365", "EST25", "EST5EDT,M3.2.0/168,M11.1.0" } do
      assert.is_nil(rule.parse(text), text)
    end
  end)

  it("is refused by name when there is none", function()
    for _, name in ipairs { "Mars/Olympus", "../etc/passwd", "/etc/passwd", "America/../../../etc/passwd", "",
      "Europe/" } do
      local _, err = pcall(zone.load, name)
      assert.is_true(fail.is(err, "config"), name)
      assert.equal(("use the time zone '%s'"):format(name), err.what)
      assert.equal("Use the name of a file in /usr/share/zoneinfo (package tzdata): America/Toronto, "
        .. "Europe/Paris, UTC.", err.fix)
    end
  end)
end)

local function at(text, moment, except)
  local open, when = window.parse(text, except):at(time.parse(moment))
  return (open and "open until " or "opens ") .. time.iso(when)
end

describe("a window", function()

  it("is open by the admin's clock, in winter and in summer", function()
    local nights = "02:00-04:00 America/Toronto"
    assert.equal("opens 2026-01-15T07:00:00Z", at(nights, "2026-01-15T06:59:59Z"))
    assert.equal("open until 2026-01-15T09:00:00Z", at(nights, "2026-01-15T07:00:00Z"))
    assert.equal("opens 2026-01-16T07:00:00Z", at(nights, "2026-01-15T09:00:00Z"))
    assert.equal("open until 2026-07-15T08:00:00Z", at(nights, "2026-07-15T06:30:00Z"))
  end)

  it("may go past midnight, and counts for the day it begins on", function()
    local weekend = "Sat,Sun 22:00-06:00 Europe/Paris"
    assert.equal("open until 2026-01-19T05:00:00Z", at(weekend, "2026-01-19T04:00:00Z")) -- Monday, from Sunday on
    assert.equal("opens 2026-01-24T21:00:00Z", at(weekend, "2026-01-20T04:00:00Z"))
    assert.equal("opens 2026-01-19T21:00:00Z", at("Mon-Fri 22:00-06:00 Europe/Paris", "2026-01-17T12:00:00Z"))
  end)

  it("is one with those that follow it without a gap", function()
    assert.equal("open until 2026-01-20T00:00:00Z", at("Fri-Mon 00:00-24:00 UTC", "2026-01-18T12:00:00Z"))
    local two = { "22:00-02:00 UTC", "01:00-06:00 UTC" }
    assert.equal("open until 2026-01-15T06:00:00Z", at(two, "2026-01-14T23:00:00Z"))
    assert.same({ true }, { window.parse("00:00-24:00 UTC"):at(0) }) -- no end in sight
  end)

  it("lasts as long as written on the night the clock jumps, and opens though its hour is skipped", function()
    local skipped = "Sun 02:00-03:00 America/Toronto"
    assert.equal("opens 2026-03-08T07:00:00Z", at(skipped, "2026-03-08T06:59:59Z"))
    assert.equal("open until 2026-03-08T08:00:00Z", at(skipped, "2026-03-08T07:00:00Z"))
    assert.equal("open until 2026-03-08T09:00:00Z", at("01:00-04:00 America/Toronto", "2026-03-08T06:00:00Z"))
    assert.equal("open until 2026-03-08T08:30:00Z", at("02:30-04:00 America/Toronto", "2026-03-08T07:00:00Z"))
    -- The doubled hour is not counted twice.
    local doubled = "Sun 01:00-02:00 America/Toronto"
    assert.equal("open until 2026-11-01T06:00:00Z", at(doubled, "2026-11-01T05:00:00Z"))
    assert.equal("opens 2026-11-08T06:00:00Z", at(doubled, "2026-11-01T06:00:00Z"))
    -- Half an hour on Lord Howe, two hours at Troll.
    assert.equal("open until 2026-10-03T16:00:00Z", at("02:00-02:30 Australia/Lord_Howe", "2026-10-03T15:30:00Z"))
    assert.equal("open until 2026-03-29T03:00:00Z", at("01:30-03:30 Antarctica/Troll", "2026-03-29T01:00:00Z"))
  end)

  it("is open on a short day still when it opened the day before yesterday", function()
    assert.equal("open until 2026-03-09T04:30:00Z", at("Sat 23:40-23:30 America/Toronto", "2026-03-09T04:10:00Z"))
  end)

  it("opens and closes when Python's zoneinfo says, where clocks are changed strangely", function()
    if not zones.is_possible() then return pending("needs python3 with zoneinfo") end
    local questions = {}
    for _, name in ipairs { "America/Toronto", "Europe/Paris", "Europe/Dublin", "Australia/Lord_Howe",
      "Antarctica/Troll", "Africa/Casablanca", "America/Santiago", "Asia/Gaza", "America/Nuuk", "Africa/Cairo",
      "Pacific/Chatham", "Asia/Beirut", "America/Havana", "America/St_Johns" } do
      for _, minutes in ipairs { { 0, 60 }, { 60, 60 }, { 120, 60 }, { 150, 30 }, { 1380, 1380 } } do
        for _, first in ipairs { 20600, 44000 } do -- 2026, and 2090, which no table holds
          questions[#questions + 1] = {
            zone = name, first = first, days = 380, from = minutes[1] * 60, length = minutes[2] * 60,
          }
        end
      end
    end
    local answers = zones.ask(questions)
    for i, question in ipairs(questions) do assert.is_nil(zones.compare(question, answers[i])) end
  end)

  it("is read as the examples write it", function()
    local texts = { require("rehearse.templates").users.policy "mine", sys.embedded "scripts/policies/tier0-users.lua" }
    for _, text in ipairs(texts) do
      local written = text:match('window = "([^"]+)"')
      assert.equal(written, tostring(window.parse(written)))
    end
  end)

  it("says what is wrong with it", function()
    local cases = {
      ["02:00-04:00"] = "it is not of the form HH:MM-HH:MM ZONE",
      ["2-4 UTC"] = "there is no such time of day",
      ["02:00-25:00 UTC"] = "there is no such time of day",
      ["02:00-02:00 UTC"] = "it begins when it ends",
      ["24:00-02:00 UTC"] = "there is no such time of day",
      ["Someday 02:00-04:00 UTC"] = "'Someday' is neither a day nor days",
      [", 02:00-04:00 UTC"] = "',' is neither a day nor days",
    }
    for text, why in pairs(cases) do
      local _, err = pcall(window.parse, text)
      assert.is_true(fail.is(err, "config"), text)
      assert.equal(why, err.why)
      assert.equal(('read the window "%s"'):format(text), err.what)
      assert.equal('Write the window as "02:00-04:00 America/Toronto" or "Mon-Fri 22:00-05:00 Europe/Paris".', err.fix)
    end
  end)
end)

describe("excepted days", function()
  local nights, holidays = "22:00-04:00 America/Toronto", "2026-12-15..2027-01-05"

  it("close a window from the first one's midnight to the last one's, by its clock", function()
    assert.equal("open until 2026-12-15T05:00:00Z", at(nights, "2026-12-15T04:00:00Z", holidays))
    assert.equal("opens 2027-01-06T05:00:00Z", at(nights, "2026-12-15T05:00:00Z", holidays)) -- what began on the 5th
    assert.equal("opens 2027-01-06T05:00:00Z", at(nights, "2026-12-20T05:00:00Z", holidays))
    assert.equal("open until 2027-01-06T09:00:00Z", at(nights, "2027-01-06T05:00:00Z", holidays))
  end)

  it("may be single ones, may touch, overlap and repeat, and lie in another zone", function()
    local several = { "2026-12-26", "2026-12-24..2026-12-25", "2026-12-25", "2026-12-27 UTC" }
    assert.equal("opens 2026-12-28T03:00:00Z", at(nights, "2026-12-24T05:00:00Z", several))
    assert.equal("open until 2026-12-26T16:00:00Z", at("00:00-24:00 Asia/Tokyo", "2026-12-26T15:30:00Z",
      "2026-12-27 Asia/Singapore"))
  end)

  it("close all the time there is when no window is named", function()
    assert.equal("open until 2026-12-15T00:00:00Z", at(nil, "2026-11-01T00:00:00Z", holidays))
    assert.equal("opens 2027-01-06T00:00:00Z", at(nil, "2026-12-15T00:00:00Z", holidays))
    assert.equal("opens 2027-01-06T05:00:00Z", at(nil, "2026-12-16T00:00:00Z", holidays .. " America/Toronto"))
    assert.same({ true }, { window.parse(nil, holidays):at(time.parse "2027-01-06T00:00:00Z") })
  end)

  it("hold on both sides of a midnight that comes twice or never", function()
    -- In Santiago clocks go from 24:00 to 23:00 in April and from 00:00 to 01:00 in September.
    local santiago = { "00:00-24:00 America/Santiago" }
    assert.equal("open until 2026-09-06T04:00:00Z", at(santiago, "2026-09-06T03:59:59Z", "2026-09-06"))
    assert.equal("opens 2026-04-05T04:00:00Z", at("23:00-02:00 America/Santiago", "2026-04-05T02:30:00Z", "2026-04-04"))
  end)

  it("tell how much of a time they take", function()
    local from, to = time.parse "2026-12-10T00:00:00Z", time.parse "2027-02-01T00:00:00Z"
    assert.equal(22 * 86400, window.parse(nights, holidays):excepted(from, to))
    assert.equal(86400, window.parse(nil, holidays):excepted(from, time.parse "2026-12-16T00:00:00Z"))
    assert.equal(0, window.parse({ nights, "01:00-02:00 UTC" }):excepted(from, to))
  end)

  it("are refused when there are no such days, with the way to write them", function()
    local cases = {
      ["2026-02-29"] = "there is no day 2026-02-29", ["2026-13-01"] = "there is no day 2026-13-01",
      ["2026-12-15..2026-12-32"] = "there is no day 2026-12-32", ["2026-00-10"] = "there is no day 2026-00-10",
      ["15.12.2026"] = "'15.12.2026' is not of the form YYYY-MM-DD",
      ["2026-12-15-2027-01-05"] = "'2026-12-15-2027-01-05' is not of the form YYYY-MM-DD",
      ["2026-12-15.."] = "'' is not of the form YYYY-MM-DD", [""] = "it is not of the form FIRST..LAST ZONE",
      ["2026-12-15 .. 2027-01-05"] = "it is not of the form FIRST..LAST ZONE",
      ["2027-01-05..2026-12-15"] = "the last day is before the first",
    }
    for text, why in pairs(cases) do
      local _, err = pcall(window.parse, nil, text)
      assert.is_true(fail.is(err, "config"), text)
      assert.equal(why, err.why)
      assert.equal(('read the dates "%s"'):format(text), err.what)
      assert.equal('Write the dates as "2026-12-24", "2026-12-15..2027-01-05" or "2026-12-15..2027-01-05 '
        .. 'Europe/Paris".', err.fix)
    end
    local _, err = pcall(window.parse, nil, "2026-12-24 Mars/Olympus")
    assert.equal("use the time zone 'Mars/Olympus'", err.what)
  end)
end)
