--- One task does what several want done now; the others wait for its outcome.

local scheduler = require "task.scheduler"

local M = {}

--- Wrap `fn` so that while one task is in it, the others who call it wait for
--- that one and take its outcome: they return when it returns, and raise what it
--- raises. When it is cancelled, one who waited does it instead.
---@param fn fun()
---@return fun()
function M.wrap(fn)
  local running ---@type table? those who wait, and the outcome for them

  local function release()
    local waiters = running
    running = nil
    for _, waiter in ipairs(waiters) do scheduler.wake(waiter) end
  end

  local released = setmetatable({}, { __close = release })

  local function lead()
    running = {}
    local mine, _ <close> = running, released
    local ok, err = xpcall(fn, scheduler.keep_trace)
    mine.done, mine.failure = true, not ok and err or nil
    if not ok then error(err, 0) end
  end

  local function follow()
    local mine = running
    table.insert(mine, scheduler.current())
    while running == mine do scheduler.suspend() end
    if mine.failure ~= nil then error(mine.failure, 0) end
    return mine.done
  end

  return function()
    while running do
      if follow() then return end
    end
    lead()
  end
end

return M
