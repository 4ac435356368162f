--- Waits for events: what tests wait for, instead of a time.

local sys = require "host.sys"

local M = {}

--- Seconds after which an event that did not come is a failure, on a machine where twenty others want each processor.
M.PATIENCE = 120

--- Wait until `is_there()` returns a true value; that value. Raises when it does not come in M.PATIENCE seconds.
---@generic T
---@param event string for the error: "the request arrives"
---@param is_there fun(): T?
---@return T
function M.event(event, is_there)
  local deadline = sys.monotonic() + M.PATIENCE
  repeat
    local value = is_there()
    if value then return value end
    sys.sleep(10)
  until sys.monotonic() > deadline
  error(("waited %d seconds in vain until %s"):format(M.PATIENCE, event), 2)
end

--- State of a process and its processor time so far in seconds; nil when there is no such process.
--- Source: proc(5), /proc/PID/stat, fields 3, 14 and 15; a clock tick is 10 ms.
---@param pid integer
---@return string? state "S": it sleeps until an event
---@return number? seconds
function M.process(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a"
  if not text then return end
  local state, user, system = text:match("%) (%S)" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return state, (user + system) / 100
end

return M
