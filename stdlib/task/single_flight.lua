--- Let several tasks share one call: the first task that calls makes the call, and the others wait for its outcome.

local scheduler = require "task.scheduler"
local traceback = require "base.traceback"

local M = {}

--- Wrap `fn`. While one task (the leader) runs the wrapped function, other tasks that call it wait for the leader,
--- return when the leader returns, and raise the error that the leader raises. When the leader is cancelled, one of the
--- waiting tasks becomes the leader.
---@param fn fun()
---@return fun()
function M.wrap(fn)
  local flight ---@type table? the list of waiting tasks, with the outcome of the call: done, failure

  local function release_waiters()
    local waiters = flight
    flight = nil
    for _, waiter in ipairs(waiters) do scheduler.wake(waiter) end
  end

  local release_on_close = setmetatable({}, { __close = release_waiters })

  local function call_as_leader()
    flight = {}
    local flight_here, _ <close> = flight, release_on_close
    local ok, err = xpcall(fn, traceback.keep)
    flight_here.done, flight_here.failure = true, not ok and err or nil
    if not ok then error(err, 0) end
  end

  local function wait_for_leader()
    local flight_here = flight
    table.insert(flight_here, scheduler.current())
    while flight == flight_here do scheduler.suspend() end
    if flight_here.failure ~= nil then error(flight_here.failure, 0) end
    return flight_here.done
  end

  return function()
    while flight do
      if wait_for_leader() then return end
    end
    call_as_leader()
  end
end

return M
