--- Moments with the fractions of a second that Graph shows (recorded 2021 to 2025): what the service fills in has up to
--- seven digits, without zeros at the end; schedules have up to three; what a client sent keeps its own.

local time = require "time"

local M = {}

local function with_fraction(second, digits)
  digits = digits:gsub("0+$", "")
  if digits == "" then return time.iso(second) end
  return ("%s.%sZ"):format(time.iso(second):sub(1, -2), digits)
end

local function rounded(at, places)
  local second, scale = at // 1, 10 ^ places
  local count = math.min((at - second) * scale // 1, scale - 1)
  return with_fraction(second, ("%0" .. places .. "d"):format(count // 1 | 0))
end

--- "2025-04-08T09:40:20.2882444Z"
---@param at number
---@return string
function M.ticks(at) return rounded(at, 7) end

--- "2024-04-08T10:14:01.153Z"
---@param at number
---@return string
function M.milliseconds(at) return rounded(at, 3) end

--- What a client sent, in UTC, with its own fraction.
---@param text string a moment that time.parse accepts
---@return string
function M.as_sent(text)
  local fraction = text:match("%.(%d+)") or ""
  return with_fraction(time.parse((text:gsub("%.%d+", ""))), fraction:sub(1, 7))
end

return M
