--- What tells the time: this machine, or a clock that is used instead, such as an emulator's or a test's.

local sys = require "host.sys"

local M = {}

--- What tells the time. A host.sys.clock is one; the tests bring their own, which
--- also say what the real time is and move for any wait.
---@class time.clock
---@field offset fun(self): number seconds ahead of real time
---@field advance fun(self, seconds: number) move it
---@field time nil|fun(self): number instead of sys.time
---@field monotonic nil|fun(self): number instead of sys.monotonic
---@field least number? the shortest wait that moves it (1)

local clock ---@type time.clock?

--- Use a clock from now on; nil goes back to real time. Returns the one before.
---@param new time.clock?
---@return time.clock?
function M.use(new)
  local before = clock
  clock = new
  return before
end

--- The shortest wait that moves the clock instead of passing; nil for real time.
---@return number?
function M.least()
  return clock and (clock.least or 1)
end

--- Move a virtual clock.
---@param seconds number
function M.advance(seconds)
  if not clock then error("only a virtual clock can be moved", 2) end
  clock:advance(seconds)
end

--- `time.now` says how.
---@return number
function M.now()
  if not clock then return sys.time() end
  return (clock.time and clock:time() or sys.time()) + clock:offset()
end

--- `time.monotonic` says how.
---@return number
function M.monotonic()
  if not clock then return sys.monotonic() end
  return (clock.monotonic and clock:monotonic() or sys.monotonic()) + clock:offset()
end

return M
