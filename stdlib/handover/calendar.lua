--- A calendar file (RFC 5545) with the day to renew a client secret and the day it expires. Each secret has its own
--- events, so a calendar that imports the file again replaces them.

local fail = require "fail"
local hint = require "log.hint"
local path_fix = require "machine.path_fix"
local sys = require "host.sys"
local time = require "time"

local M = {}

local PRODUCT = "-//Moonlatch//Client secrets//EN"
local LIMIT = 1 << 20

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

local function add_calendar_event(lines, name, event)
  local summary = escape_calendar_text(event.summary)
  local list = {
    "BEGIN:VEVENT", ("UID:%s-%s@moonlatch"):format(event.id, name), "DTSTAMP:" .. calendar_time(event.now),
    "DTSTART;VALUE=DATE:" .. calendar_date(event.at), "DTEND;VALUE=DATE:" .. calendar_date(event.at + 86400),
    "SUMMARY:" .. summary, "DESCRIPTION:" .. escape_calendar_text(event.description), "TRANSP:TRANSPARENT",
    "BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-P1D", "DESCRIPTION:" .. summary, "END:VALARM",
    "END:VEVENT",
  }
  for _, line in ipairs(list) do lines[#lines + 1] = line end
end

local function raise_no_expiry_date(state)
  fail.raise {
    kind = "missing", what = ("make a calendar for '%s'"):format(state.name),
    why = "there is no client secret with a known expiry date",
    fix = ("Make one: %s"):format(state.maker),
  }
end

--- A calendar of two events, for the client secret that waits to be confirmed, else for the one that the consumer has.
---@param state handover.state
---@param now number? the moment at which the calendar is made
---@return string
function M.text(state, now)
  local secret = state.secret
  if not secret.ends then raise_no_expiry_date(state) end
  now = now or time.now()
  local what = ("the client secret %s of '%s'"):format(secret.short, state.name)
  local lines = { "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:" .. PRODUCT, "CALSCALE:GREGORIAN", "METHOD:PUBLISH" }
  add_calendar_event(lines, "renew", {
    id = secret.id, now = now, at = secret.renew_at, summary = "Renew " .. what,
    description = hint.complete((
      "It expires on %s. moonlatch apply makes the next one; moonlatch handover shows what to do with it.\n"
      .. "Client ID %s, tenant %s."):format(time.day(secret.ends), state.client_id, state.tenant)),
  })
  add_calendar_event(lines, "last", {
    id = secret.id, now = now, at = secret.ends, summary = "Last day of " .. what,
    description = hint.complete(
      "A service that signs in with it stops working. moonlatch doctor says which one uses it."),
  })
  lines[#lines + 1] = "END:VCALENDAR"
  for i, line in ipairs(lines) do lines[i] = fold_calendar_line(line) end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- Write the calendar to a new file, or over a calendar of ours.
---@param path string
---@param state handover.state
function M.write(path, state)
  local text, there = M.text(state), sys.stat(path)
  local content = there and sys.read(path, LIMIT)
  if there and not (content and content:find("\r\nPRODID:" .. PRODUCT .. "\r\n", 1, true)) then
    fail.raise {
      kind = "usage", what = "write the calendar " .. path, why = "there is a file that Moonlatch did not write",
      fix = "Name a new file: moonlatch handover --calendar FILE",
    }
  end
  local ok, message = sys.write(path, text, there and "replace" or "new")
  if ok then return end
  fail.raise {
    kind = "config", what = "write the calendar " .. path, why = message or "the file cannot be written",
    fix = path_fix.write(path, "name another file: moonlatch handover --calendar FILE"),
  }
end

return M
