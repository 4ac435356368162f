--- When a service asks one call to wait, let the other calls for the same resource wait, too: a request that comes too
--- early lengthens the throttling (Microsoft Learn, "Microsoft Graph throttling guidance").

local http = require "http.client"
local time = require "time"

local M = {}

local throttled_until = setmetatable({}, { __mode = "k" }) -- door -> key -> moment, monotonic

local function throttle_key(call)
  return call.peer .. (call.resource and call:resource() or "")
end

--- Note that the service asked for no request during the next `seconds`.
---@param call http.retry.call
---@param seconds number?
function M.note(call, seconds)
  local door = http.door()
  if not door or not seconds then return end
  throttled_until[door] = throttled_until[door] or {}
  local key = throttle_key(call)
  throttled_until[door][key] = math.max(throttled_until[door][key] or 0, time.monotonic() + seconds)
end

--- The seconds until this call may be tried.
---@param call http.retry.call
---@return number
function M.seconds_left(call)
  local door = http.door()
  local of_door = door and throttled_until[door]
  if not of_door then return 0 end -- nothing was ever throttled
  local moment = of_door[throttle_key(call)]
  return moment and math.max(0, moment - time.monotonic()) or 0
end

return M
