--- Write calendar files (RFC 5545) with events of whole days. Each event has a name of its own, so a calendar that
--- imports the file again replaces the events.

local own_file = require "machine.own_file"
local time = require "time"

local M = {}

local PRODUCT = "-//Moonlatch//Client secrets//EN"

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
  own_file.write { path = path, text = text, mark = "\r\nPRODID:" .. PRODUCT .. "\r\n", noun = "the calendar",
    command = command }
end

return M
