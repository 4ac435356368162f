--- The lists in which a tenant keeps what happened in it: bounded, oldest first. A record is kept as facts; its form in
--- Graph is made when somebody reads it.

local random = require "emulator.random"

local M = {}

M.DAY = 86400

local KEPT = 30 * M.DAY -- with Entra ID P1 or P2 (reference-reports-data-retention, 2026-01)
local KEPT_FREE = 7 * M.DAY
local MOST = 10000 -- records in a list; the oldest go first

---@class emulator.event
---@field n integer its number in the list
---@field at number when it happened

---@class emulator.events
---@field first integer
---@field last integer

--- A new list without records.
---@return emulator.events
function M.list()
  return { first = 1, last = 0 }
end

--- Put a record at the end of a list. It gets its number and its moment.
---@param list emulator.events
---@param record table
---@param now number
---@return emulator.event
function M.add(list, record, now)
  list.last = list.last + 1
  record.n, record.at = list.last, now
  list[list.last] = record
  while list.last - list.first >= MOST or list[list.first].at < now - KEPT do
    list[list.first] = nil
    list.first = list.first + 1
  end
  return record
end

---@class emulator.events.view what a reader of a list is shown
---@field seed integer
---@field now number
---@field delay number[]|false seconds {min, max} until a record is shown
---@field lost number the share of the records that never are
---@field licensed boolean Entra ID P1

local function is_shown(view, record)
  local range = view.delay
  local share = random.fraction(view.seed, "delay of events", record.n)
  local delay = range and range[1] + (range[2] - range[1]) * share or 0
  return record.at + delay <= view.now and random.fraction(view.seed, "lost events", record.n) >= view.lost
end

--- Go through the records that a reader is shown, newest first: number, record. A page may begin at a number.
---@param list emulator.events
---@param view emulator.events.view
---@param from integer? by default the newest
---@return fun(): integer?, emulator.event?
function M.shown(list, view, from)
  local n, since = math.min(from or list.last, list.last) + 1, view.now - (view.licensed and KEPT or KEPT_FREE)
  return function()
    while true do
      n = n - 1
      local record = list[n]
      if not record or record.at < since then return nil end
      if is_shown(view, record) then return n, record end
    end
  end
end

--- All records of the last 30 days, oldest first, each in the form that `form` gives it.
---@param list emulator.events
---@param now number
---@param form fun(record: emulator.event): table
---@return table[]
function M.all(list, now, form)
  local found = {}
  for n = list.first, list.last do
    if list[n].at >= now - KEPT then found[#found + 1] = form(list[n]) end
  end
  return found
end

return M
