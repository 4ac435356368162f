local fail = require "fail"
local sys = require "host.sys"
local time = require "time"
local window = require "policy.window"
local zone = require "zone"

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
    assert.equal("2026-03-08T07:30:00Z", moment(2026, 3, 8, 2, 30)) -- skipped: 02:30 does not exist
    assert.equal("2026-11-01T05:30:00Z", moment(2026, 11, 1, 1, 30)) -- twice: the first
  end)

  it("is refused by name when there is none", function()
    for _, name in ipairs { "Mars/Olympus", "../etc/passwd", "/etc/passwd", "America/../../../etc/passwd", "",
      "Europe/" } do
      local _, err = pcall(zone.load, name)
      assert.is_true(fail.is(err, "config"), name)
      assert.equal(("use the time zone '%s'"):format(name), err.what)
      assert.equal("Zones are called as in /usr/share/zoneinfo: America/Toronto, Europe/Paris, UTC "
        .. "(the package tzdata brings them).", err.fix)
    end
  end)
end)

describe("a window", function()
  local function at(text, moment)
    local open, when = window.parse(text):at(time.parse(moment))
    return (open and "open until " or "opens ") .. time.iso(when)
  end

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
    assert.equal("open until 2026-01-19T00:00:00Z", at("Fri-Mon 00:00-24:00 UTC", "2026-01-18T12:00:00Z"))
  end)

  it("is never shorter than written on the night the clock jumps", function()
    assert.equal("open until 2026-03-08T08:00:00Z", at("01:00-04:00 America/Toronto", "2026-03-08T06:00:00Z"))
    assert.equal("opens 2026-03-08T07:30:00Z", at("02:30-04:00 America/Toronto", "2026-03-08T07:00:00Z"))
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
      ["Someday 02:00-04:00 UTC"] = "'Someday' is neither a day nor days",
    }
    for text, why in pairs(cases) do
      local _, err = pcall(window.parse, text)
      assert.is_true(fail.is(err, "config"), text)
      assert.equal(why, err.why)
      assert.equal(('read the window "%s"'):format(text), err.what)
      assert.equal('Write it as "02:00-04:00 America/Toronto" or "Mon-Fri 22:00-05:00 Europe/Paris".', err.fix)
    end
  end)
end)
