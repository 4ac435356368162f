--- Show the progress of a long piece of work: items done, items a second, the write budget, and the time left.

local class = require "base.class"
local http = require "http.client"
local log = require "log"
local time = require "time"

local M = {}

local RATE_WINDOW = 30 -- seconds over which the rate is measured
local DISPLAY_PAUSE = 0.1 -- seconds between two texts

---@class progress
---@field what string
---@field total integer?
---@field done integer
---@field marks { at: number, done: integer }[] one mark for each second of the last half minute
---@field shown number the moment of the last text, by time.monotonic
local Progress = class "progress"

--- Begin a piece of work of `total` items.
---@param what string "reset passwords"
---@param total integer? nil when unknown
---@return progress
function M.of(what, total)
  local now = time.monotonic()
  local marks = { { at = now, done = 0 } }
  return Progress { what = what, total = total, done = 0, marks = marks, shown = now }
end

-- The digits of a number in groups of three: "12,345".
local function group_thousands(number)
  local text, count = ("%d"):format(number), 1
  while count > 0 do text, count = text:gsub("^(%d+)(%d%d%d)", "%1,%2") end
  return text
end

-- The items done in a second; nil when too little was done to tell.
local function measured_rate(self, now)
  local first = self.marks[1]
  if now - first.at < 1 or self.done == first.done then return nil end
  return (self.done - first.done) / (now - first.at)
end

local function add_progress_mark(self, now)
  local marks = self.marks
  if now - marks[#marks].at >= 1 then marks[#marks + 1] = { at = now, done = self.done } end
  while marks[2] and now - marks[1].at > RATE_WINDOW do table.remove(marks, 1) end
end

-- A rate as text: "12.3" or "12,345".
local function format_rate(rate)
  return rate < 100 and ("%.1f"):format(rate) or group_thousands(math.floor(rate + 0.5))
end

--- The progress as a text: "reset passwords: 120 of 1,000, 8.2 a second, 2 minutes left".
---@return string
function Progress:text()
  local now = time.monotonic()
  local text = ("%s: %s"):format(self.what, group_thousands(self.done))
  if self.total then text = ("%s of %s"):format(text, group_thousands(self.total)) end
  local rate, budget = measured_rate(self, now), http.write_budget()
  if rate then text = ("%s, %s a second"):format(text, format_rate(rate)) end
  if budget then text = ("%s, changes at most %s a second"):format(text, format_rate(budget)) end
  if rate and self.total then text = ("%s, %s left"):format(text, time.span((self.total - self.done) / rate)) end
  return text
end

--- Count one more item.
function Progress:step()
  local now = time.monotonic()
  self.done = self.done + 1
  add_progress_mark(self, now)
  if now - self.shown < DISPLAY_PAUSE and self.done ~= self.total then return end
  self.shown = now
  log.progress(self:text())
end

return M
