--- When a service asks one call to wait, the other calls for the same resource wait too: asking early makes the
--- throttling longer (Microsoft Learn: throttling).

local http = require "http.client"
local time = require "time"

local M = {}

local ends = setmetatable({}, { __mode = "k" }) -- door -> key -> moment, monotonic

local function key_of(call)
  return call.peer .. (call.resource and call:resource() or "")
end

--- Note that the service wants no request for so many seconds.
---@param call http.retry.call
---@param seconds number?
function M.note(call, seconds)
  local door = http.door()
  if not door or not seconds then return end
  ends[door] = ends[door] or {}
  local key = key_of(call)
  ends[door][key] = math.max(ends[door][key] or 0, time.monotonic() + seconds)
end

--- Seconds until this call may be tried.
---@param call http.retry.call
---@return number
function M.left(call)
  local door = http.door()
  local of_door = door and ends[door]
  if not of_door then return 0 end -- nothing was ever throttled
  local moment = of_door[key_of(call)]
  return moment and math.max(0, moment - time.monotonic()) or 0
end

return M
