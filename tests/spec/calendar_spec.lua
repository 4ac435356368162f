--- handover.calendar: the days of a client secret, as RFC 5545 has calendars.

local calendar = require "handover.calendar"
local sys = require "host.sys"

local NOW = 1796000000
local DAY = 86400

local PYTHON = "/usr/bin/python3"
local READ = [[
import icalendar, sys
for event in icalendar.Calendar.from_ical(sys.stdin.buffer.read()).walk('VEVENT'):
    assert not event.errors
    print(event['UID'], event['DTSTART'].dt, event['SUMMARY'])
]]

local function state_of(more)
  local state = {
    name = "Devolutions PAM", client_id = "c-1", tenant = "t-1",
    secret = { id = "0a1b", short = "…c7e1", ends = NOW + 180 * DAY, renew_at = NOW + 150 * DAY },
  }
  for name, value in pairs(more or {}) do state[name] = value end
  return state
end

-- A strict reader of what RFC 5545 says in 3.1, 3.3.11, 3.6 and 3.8: components in each other, each with its
-- properties in a list.
local function parse(text)
  assert(text:sub(-2) == "\r\n" and not text:gsub("\r\n", ""):find("[\r\n]"), "lines end with CRLF")
  for line in text:gmatch "(.-)\r\n" do
    assert(#line <= 75, "a line of more than 75 octets: " .. line)
    assert(utf8.len(line), "a character cut apart: " .. line)
  end
  local stack = { {} }
  for line in text:gsub("\r\n[ \t]", ""):gmatch "(.-)\r\n" do
    local name, parameters, value = line:match "^([%u-]+)(;?[^:]*):(.*)$"
    assert(name, "no content line: " .. line)
    if name == "BEGIN" then
      local component = { kind = value }
      table.insert(stack[#stack], component)
      table.insert(stack, component)
    elseif name == "END" then
      assert(table.remove(stack).kind == value, "an END without its BEGIN")
    else
      assert(not stack[#stack][name], name .. " stands twice")
      stack[#stack][name], stack[#stack][name .. ";"] = value, parameters
    end
  end
  assert(#stack == 1 and #stack[1] == 1, "one calendar")
  return stack[1][1]
end

local function plain(value)
  assert(not value:gsub("\\[\\;,nN]", ""):find "[\\;,]", "not escaped: " .. value)
  return (value:gsub("\\([\\;,nN])", function(one) return one:lower() == "n" and "\n" or one end))
end

describe("a calendar of a client secret", function()
  it("has two events on the days to renew it and of its end, each told the day before", function()
    local read = parse(calendar.text(state_of(), NOW))
    assert.same({ "VCALENDAR", "2.0", 2 }, { read.kind, read.VERSION, #read })
    local renew, last = read[1], read[2]
    assert.same({ "VEVENT", "20270429", "20270430", ";VALUE=DATE" },
      { renew.kind, renew.DTSTART, renew.DTEND, renew["DTSTART;"] })
    assert.same({ "20270529", "20270530" }, { last.DTSTART, last.DTEND })
    assert.same({ "VALARM", "DISPLAY", "-P1D" }, { renew[1].kind, renew[1].ACTION, renew[1].TRIGGER })
    assert.equal("Renew the client secret …c7e1 of 'Devolutions PAM'", plain(renew.SUMMARY))
    assert.equal("It expires on 2027-05-29. moonlatch apply makes the next one; moonlatch handover shows what to "
      .. "do with "
      .. "it.\nClient ID c-1, tenant t-1.", plain(renew.DESCRIPTION))
    assert.equal("20261130T005320Z", renew.DTSTAMP)
  end)

  it("names the same events for the same secret, and others for another", function()
    local first, again = parse(calendar.text(state_of(), NOW)), parse(calendar.text(state_of(), NOW + DAY))
    assert.same({ "0a1b-renew@moonlatch", "0a1b-last@moonlatch" }, { first[1].UID, first[2].UID })
    assert.equal(first[1].UID, again[1].UID)
    local other = state_of { secret = { id = "0a1c", short = "…9f00", ends = NOW, renew_at = NOW } }
    assert.are_not.equal(first[1].UID, parse(calendar.text(other, NOW))[1].UID)
  end)

  it("escapes and folds what a name may hold", function()
    local name = "a;b,c\\d\r\nBEGIN:VEVENT\n" .. ("é"):rep(60)
    local read = parse(calendar.text(state_of { name = name }, NOW))
    assert.equal(2, #read)
    assert.equal("Last day of the client secret …c7e1 of 'a;b,c\\d\nBEGIN:VEVENT\n" .. ("é"):rep(60) .. "'",
      plain(read[2].SUMMARY))
  end)

  it("is read by a parser of another make as it was meant", function()
    if not os.execute(PYTHON .. " -c 'import icalendar' 2>/dev/null") then
      return pending("is not there: install python3-icalendar to have calendars judged by it")
    end
    local file = os.tmpname()
    local _ <close> = setmetatable({}, { __close = function() os.remove(file) end })
    assert(sys.write(file, calendar.text(state_of { name = "a;b, c" }, NOW), "replace"))
    local pipe <close> = assert(io.popen(("%s -c \"%s\" <%s 2>&1"):format(PYTHON, READ, file)))
    assert.equal("0a1b-renew@moonlatch 2027-04-29 Renew the client secret …c7e1 of 'a;b, c'\n"
      .. "0a1b-last@moonlatch 2027-05-29 Last day of the client secret …c7e1 of 'a;b, c'\n", pipe:read "a")
  end)

  it("is refused where no end is known", function()
    local ok, err = pcall(calendar.text, state_of { secret = { state = "none" } }, NOW)
    assert.same({ false, "there is no client secret with a known expiry date" }, { ok, err.why })
  end)

  it("goes to a new file, or over one of ours, and over no other", function()
    local folder = assert(sys.temporary "calendar")
    local _ <close> = setmetatable({}, { __close = function() sys.remove_tree(folder) end })
    local path = folder .. "/renew.ics"
    calendar.write(path, state_of())
    calendar.write(path, state_of { name = "Another" })
    assert.truthy(sys.read(path, 10000):find("of 'Another'", 1, true))
    assert(sys.write(folder .. "/mine", "BEGIN:VCALENDAR\r\n", "new"))
    local ok, err = pcall(calendar.write, folder .. "/mine", state_of())
    assert.same({ false, "there is a file that Moonlatch did not write" }, { ok, err.why })
    assert.equal("BEGIN:VCALENDAR\r\n", sys.read(folder .. "/mine", 100))
  end)
end)
