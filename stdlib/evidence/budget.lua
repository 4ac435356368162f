--- The limit for everything below /reports and /auditLogs: five requests in ten seconds for each application and tenant
--- (Microsoft Learn, "Microsoft Graph service-specific throttling limits": identity and access reports). The service
--- refuses more without saying when to ask again, so requests wait here.

local http = require "http.client"
local task = require "task"
local time = require "time"

local M = {}

local MOST, SPAN = 5, 10 -- requests in seconds

local sent_through = setmetatable({}, { __mode = "k" }) ---@type table<host.gate.door, number[]> moments, monotonic

local function drop_old_moments(moments)
  local now = time.monotonic()
  while moments[1] and moments[1] + SPAN <= now do table.remove(moments, 1) end
  return now
end

--- Wait until one more request may leave, and count it. For `ready` of a call: it is called before each try.
function M.wait()
  local door = http.door()
  local moments = sent_through[door] or {}
  sent_through[door] = moments
  local now = drop_old_moments(moments)
  while #moments >= MOST do
    task.sleep(moments[1] + SPAN - now)
    now = drop_old_moments(moments)
  end
  moments[#moments + 1] = now
end

return M
