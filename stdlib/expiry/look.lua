--- One list of all that expires, from the journal, from this machine and from the tenant; and what of it could not be
--- looked at.

local graph_clock = require "graph.clock"
local icalendar = require "handover.icalendar"
local in_applications = require "expiry.in_applications"
local in_tenant = require "expiry.in_tenant"
local on_machine = require "expiry.on_machine"
local on_record = require "expiry.on_record"
local time = require "time"

local M = {}

---@class expiry.calendar
---@field now number
---@field items expiry.item[] what expires first is first; what has no known date is last
---@field unknown expiry.unknown[]
---@field left_out string[] what is not looked at by this command, or was not asked for

local OTHERS = "applications of the tenant that are not on record here (--applications)"
local OFFLINE = "role assignments, and all else that the tenant knows (--offline)"

local function is_before(a, b)
  local first, second = a.ends or math.huge, b.ends or math.huge
  if first ~= second then return first < second end
  return a.key < b.key
end

--- What an item is, in words, on one line whatever its name holds: "the client secret …c7e1 of 'Devolutions PAM', in
--- use".
---@param item expiry.item
---@return string
function M.words(item)
  local thing = item.short and item.kind .. " " .. item.short or item.kind
  if item.kind == "role" then thing = ("role '%s'"):format(item.detail) end
  return (("the %s of '%s', %s"):format(thing, item.name, item.use):gsub("%c", " "))
end

-- An item without a date says nothing about when it expires, which is something that could not be looked at.
local function add_undated(items, unknown)
  for _, item in ipairs(items) do
    if not item.ends then
      unknown[#unknown + 1] = {
        what = ("when %s, expires"):format(M.words(item)),
        why = "its expiry date is not on record", source = item.key,
        fix = "See it in the Entra admin center: App registrations > the application > Certificates & secrets.",
      }
    end
  end
end

-- Leave out credentials that were replaced and have expired since: nothing depends on them.
local function without_past_replacements(items, now)
  local list = {}
  for _, item in ipairs(items) do
    if item.use ~= "retiring" or (item.ends or math.huge) > now then list[#list + 1] = item end
  end
  return list
end

---@class expiry.options
---@field offline boolean? do not sign in
---@field applications number? seconds: also the credentials of all applications that expire within this time

--- Look at everything. Changes nothing; waits, unless `offline`.
---@param journal host.journal.journal
---@param profile profile
---@param options expiry.options
---@return expiry.calendar
function M.look(journal, profile, options)
  local items, unknown, left_out = on_record.read(journal), {}, {}
  on_machine.add(items, unknown, profile)
  if not options.applications then left_out[1] = OTHERS end
  if options.offline then table.insert(left_out, 1, OFFLINE) else in_tenant.add(items, unknown, profile) end
  if options.applications then in_applications.add(items, unknown, left_out, options.applications) end
  add_undated(items, unknown)
  local now = options.offline and time.now() or graph_clock.now()
  items = without_past_replacements(items, now)
  table.sort(items, is_before)
  return { now = now, items = items, unknown = unknown, left_out = left_out }
end

--- What expires up to a moment, or has expired.
---@param calendar expiry.calendar
---@param limit number
---@return expiry.item[]
function M.until_moment(calendar, limit)
  local list = {}
  for _, item in ipairs(calendar.items) do
    if item.ends and item.ends <= limit then list[#list + 1] = item end
  end
  return list
end

--- How long until a moment, or since: "in 12 days", "3 days ago".
---@param ends number
---@param now number
---@return string
function M.distance(ends, now)
  if ends <= now then return time.span(now - ends) .. " ago" end
  return "in " .. time.span(ends - now)
end

--- A calendar file with the day on which each item expires.
---@param calendar expiry.calendar
---@return string
function M.calendar_text(calendar)
  local events = {}
  for _, item in ipairs(calendar.items) do
    if item.ends then
      events[#events + 1] = { uid = item.key:gsub("[^%w/-]", "_"), at = item.ends, summary = "Last day of "
        .. M.words(item), description = item.fix or "Nothing has to be done: it is replaced." }
    end
  end
  return icalendar.text(events, calendar.now)
end

return M
