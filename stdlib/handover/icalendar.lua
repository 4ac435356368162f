--- Write calendar files (RFC 5545) with events of whole days. Each event has a name of its own, so a calendar that
--- imports the file again replaces the events.

local fail = require "fail"
local path_fix = require "machine.path_fix"
local sys = require "host.sys"
local time = require "time"

local M = {}

local PRODUCT = "-//Moonlatch//Client secrets//EN"
local LIMIT = 1 << 20

---@class handover.icalendar.event
---@field uid string names the event, in every calendar of this thing
---@field at number a moment of its day, in UTC
---@field summary string
---@field description string

-- Escape a text (RFC 5545, 3.3.11).
local function escape_calendar_text(text)
  return (text:gsub("[\\;,]", "\\%0"):gsub("\r?\n", "\\n"):gsub("%c", " "))
end

-- Break a line after at most 75 octets, never inside a character; the next line begins with a space (RFC 5545, 3.1).
local function fold_calendar_line(line)
  local parts, first = {}, 1
  while #line - first + 1 > (first == 1 and 75 or 74) do
    local stop = first + (first == 1 and 75 or 74)
    while line:byte(stop) & 0xC0 == 0x80 do stop = stop - 1 end
    parts[#parts + 1], first = line:sub(first, stop - 1), stop
  end
  parts[#parts + 1] = line:sub(first)
  return table.concat(parts, "\r\n ")
end

local function calendar_date(moment) return (time.day(moment):gsub("-", "")) end
local function calendar_time(moment) return (time.iso(moment):gsub("[-:]", "")) end

local function add_calendar_event(lines, event, now)
  local summary = escape_calendar_text(event.summary)
  local list = {
    "BEGIN:VEVENT", ("UID:%s@moonlatch"):format(escape_calendar_text(event.uid)), "DTSTAMP:" .. calendar_time(now),
    "DTSTART;VALUE=DATE:" .. calendar_date(event.at), "DTEND;VALUE=DATE:" .. calendar_date(event.at + 86400),
    "SUMMARY:" .. summary, "DESCRIPTION:" .. escape_calendar_text(event.description), "TRANSP:TRANSPARENT",
    "BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-P1D", "DESCRIPTION:" .. summary, "END:VALARM",
    "END:VEVENT",
  }
  for _, line in ipairs(list) do lines[#lines + 1] = line end
end

--- A calendar of these events, each announced the day before.
---@param events handover.icalendar.event[]
---@param now number the moment at which the calendar is made
---@return string
function M.text(events, now)
  local lines = { "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:" .. PRODUCT, "CALSCALE:GREGORIAN", "METHOD:PUBLISH" }
  for _, event in ipairs(events) do add_calendar_event(lines, event, now) end
  lines[#lines + 1] = "END:VCALENDAR"
  for i, line in ipairs(lines) do lines[i] = fold_calendar_line(line) end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- Write a calendar to a new file, or over a calendar of ours.
---@param path string
---@param text string
---@param command string the command with its option, for the fix: "moonlatch handover --calendar FILE"
function M.write(path, text, command)
  local there = sys.stat(path)
  local content = there and sys.read(path, LIMIT)
  if there and not (content and content:find("\r\nPRODID:" .. PRODUCT .. "\r\n", 1, true)) then
    fail.raise {
      kind = "usage", what = "write the calendar " .. path, why = "there is a file that Moonlatch did not write",
      fix = "Name a new file: " .. command,
    }
  end
  local ok, message = sys.write(path, text, there and "replace" or "new")
  if ok then return end
  fail.raise {
    kind = "config", what = "write the calendar " .. path, why = message or "the file cannot be written",
    fix = path_fix.write(path, "name another file: " .. command),
  }
end

return M
