--- The clock in use: this machine's, or another one, such as an emulator's or a test's.

local sys = require "host.sys"

local M = {}

--- A clock. host.sys.clock is one. The tests have their own, which also replace the machine's time and move at any
--- wait.
---@class time.clock
---@field offset fun(self): number seconds by which it is ahead of real time
---@field advance fun(self, seconds: number) move it forward
---@field time nil|fun(self): number replaces sys.time
---@field monotonic nil|fun(self): number replaces sys.monotonic
---@field least number? seconds: the shortest wait that moves the clock (1)

local clock ---@type time.clock?

--- Use this clock from now on; nil: the machine's clock. Returns the clock that was in use before.
---@param new time.clock?
---@return time.clock?
function M.use(new)
  local before = clock
  clock = new
  return before
end

--- The shortest wait, in seconds, that moves a virtual clock instead of passing in real time; nil for the machine's
--- clock.
---@return number?
function M.shortest_wait()
  return clock and (clock.least or 1)
end

--- Move the clock in use forward.
---@param seconds number
function M.advance(seconds)
  if not clock then error("the machine's clock cannot be moved: only a virtual clock can", 2) end
  clock:advance(seconds)
end

--- See `time.now`.
---@return number
function M.now()
  if not clock then return sys.time() end
  return (clock.time and clock:time() or sys.time()) + clock:offset()
end

--- See `time.monotonic`.
---@return number
function M.monotonic()
  if not clock then return sys.monotonic() end
  return (clock.monotonic and clock:monotonic() or sys.monotonic()) + clock:offset()
end

return M
