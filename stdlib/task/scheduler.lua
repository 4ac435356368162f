--- The scheduler of tasks: Lua functions that run concurrently on one thread. Scripts use `task`.
--
-- A task is a coroutine. It is resumed in one place (`step`) and suspends in
-- one place (`M.suspend`). Cancelling a task closes its coroutine: `pcall`
-- cannot swallow that, and every `<close>` variable in it is released. What
-- needs the network to be undone is undone by the parent, for a closing
-- coroutine cannot wait.
--
-- With a virtual clock (an emulator's, or a test's) a long wait moves the clock
-- instead of passing, but only when nothing else could happen meanwhile.

local class = require "base.class"
local fail = require "fail"
local rights = require "task.rights"
local sys = require "host.sys"
local time = require "time"
local time_clock = require "time.clock"

local M = {}

---@class Task
---@field co thread
---@field crew task.crew? it works in
---@field done boolean
---@field ok boolean? once done
---@field cancelled boolean? it was stopped by another
---@field result any[]? once done: results, or the error
---@field depth integer requests that had to be answered, one after another, to get here
---@field deadline number in time.monotonic
---@field patient boolean? it is not to be stopped midway
local Task = class("Task", { open = { "wait", "cancel", "done" } })

local SUSPEND = {} -- yielded by suspend; any other yield is a bug
local LONGEST = 0.1 -- seconds the loop blocks at most, so that Ctrl-C is prompt
local NEVER = math.huge
local TURN = 50 -- tasks run between two looks at the network

local ready, first, last = {}, 1, 0
local timers = {} -- a heap of { at, task, asked }, the earliest first
local living = {} ---@type table<Task, true>
local current ---@type Task?
local stopping = false

---------------------------------------------------------------------------
-- Timers

local function sift_up(i)
  local entry = timers[i]
  while i > 1 and timers[i // 2].at > entry.at do
    timers[i] = timers[i // 2]
    i = i // 2
  end
  timers[i] = entry
end

local function sift_down(i)
  local entry, count = timers[i], #timers
  while 2 * i <= count do
    local child = 2 * i
    if child < count and timers[child + 1].at < timers[child].at then child = child + 1 end
    if timers[child].at >= entry.at then break end
    timers[i] = timers[child]
    i = child
  end
  timers[i] = entry
end

local function add_timer(task, at, asked)
  timers[#timers + 1] = { at = at, task = task, asked = asked }
  sift_up(#timers)
end

local function take_timer()
  local entry, final = timers[1], table.remove(timers)
  if entry ~= final then
    timers[1] = final
    sift_down(1)
  end
  return entry
end

-- The next timer somebody still waits for.
local function next_timer()
  while timers[1] and timers[1].task.done do take_timer() end
  return timers[1]
end

---------------------------------------------------------------------------
-- One task

--- Make `task` runnable. Waking twice, or waking a finished task, does nothing.
---@param task Task
function M.wake(task)
  if task.queued or task.done then return end
  task.queued = true
  last = last + 1
  ready[last] = task
end

local function finish(task, ok, ...)
  if task.done then return end
  living[task] = nil
  task.done, task.ok, task.result = true, ok, table.pack(...)
  for _, waiter in ipairs(task.waiters) do M.wake(waiter) end
  if task.crew then task.crew:left(task) end
end

local function settle(task, ok, ...)
  if ... == SUSPEND then return end
  if not ok then
    local err = type(...) == "string" and debug.traceback(task.co, (...)) or ...
    coroutine.close(task.co)
    finish(task, false, err)
  elseif coroutine.status(task.co) == "dead" then
    finish(task, true, ...)
  else
    coroutine.close(task.co)
    finish(task, false, "a task may only wait through the task library")
  end
end

local function step(task)
  task.queued = false
  if task.done then return end
  local before = current
  current = task
  local args = task.args
  task.args = nil
  if args then
    settle(task, coroutine.resume(task.co, table.unpack(args, 1, args.n)))
  else
    settle(task, coroutine.resume(task.co))
  end
  current = before
end

-- Neither in a coroutine of its own nor in a finaliser, which runs in whatever task is at work.
local function check_inside(level)
  if not current or coroutine.running() ~= current.co or not coroutine.isyieldable() then
    error("this call waits, so it must run directly inside a task", level + 1)
  end
end

local function raise_timeout()
  fail.raise {
    kind = "timeout", what = "wait", why = "the time limit has passed",
    fix = "Try again: nothing that was started is lost.",
  }
end

--- Suspend the running task until it is woken. Wake-ups can be early: callers
--- loop until the thing they wait for has happened. Raises a "timeout" when the
--- task's deadline has passed, unless told that what it waits for must not be abandoned.
---@param to_the_end boolean?
function M.suspend(to_the_end)
  check_inside(3)
  if not to_the_end and current.deadline <= time.monotonic() then raise_timeout() end
  coroutine.yield(SUSPEND)
end

--- The running task; nil outside of any.
---@return Task?
function M.current() return current end

--- The running task; raises where waiting is impossible. For calls that must not
--- begin what they could not wait for.
---@return Task
function M.here()
  check_inside(3)
  return current
end

local barred = false

--- Call `fn(...)`, which can start no task meanwhile: what a script's file started when it is loaded would run later,
--- outside of what bounds the loading, and beside other scripts. `fn` must not wait.
---@param fn function
---@return any ...
function M.barring(fn, ...)
  local before = barred
  local _ <close> = setmetatable({}, { __close = function() barred = before end })
  barred = true
  return fn(...)
end

--- `task.spawn` says how.
function M.spawn(fn, ...)
  if barred then error("a script starts no task while its file is loaded: start it in a step, or in run", 2) end
  if current and not coroutine.isyieldable() then error("a task cannot be started here, as in a finaliser", 2) end
  local task = Task {
    co = coroutine.create(fn), args = table.pack(...), waiters = {}, done = false,
    depth = current and current.depth or 0, deadline = current and current.deadline or NEVER,
    patient = current and current.patient,
  }
  if task.deadline < NEVER then add_timer(task, task.deadline, task.deadline - time.monotonic()) end
  rights.inherit(task, current)
  living[task] = true
  M.wake(task)
  return task
end

--- Note that the running task has waited for another: what that one needed, it needed, too.
---@param task Task
function M.join(task)
  current.depth = math.max(current.depth, task.depth)
end

--- Wait for the task; return its results or raise its error.
function Task:wait()
  check_inside(2)
  if self == current then error("a task cannot wait for itself", 2) end
  table.insert(self.waiters, current)
  while not self.done do M.suspend() end
  M.join(self)
  if not self.ok then error(self.result[1], 0) end
  return table.unpack(self.result, 1, self.result.n)
end

--- Stop the task now. Its `<close>` variables run, with its own rights; nothing else of it does.
---@param reason any
function Task:cancel(reason)
  if self.done then return end
  if self == current or coroutine.status(self.co) ~= "suspended" then
    error("a task cannot cancel itself; raise an error", 2)
  end
  local before = current
  current = self
  local ok, err = coroutine.close(self.co)
  current = before
  self.cancelled = true
  finish(self, false, ok and (reason or "cancelled") or err)
end

---------------------------------------------------------------------------
-- Waiting for time

--- `task.stopping` says how.
function M.stopping() return stopping end

-- From now on nothing new starts, and who only waits for time is woken.
local function begin_stopping()
  stopping = true
  for _, entry in ipairs(timers) do M.wake(entry.task) end
end

--- Raise "interrupted".
function M.stop()
  fail.raise {
    kind = "interrupted", what = "stopped", why = sys.terminated() and "it received SIGTERM" or "Ctrl-C was pressed",
    fix = "Run the same command again to go on.",
  }
end

--- Raise "interrupted" in a script that computes and does not come back to the loop. The host's
--- debug hook calls this (runtime/sys_interrupt.c).
function M.interrupt()
  if current and not stopping then begin_stopping() end
  M.stop()
end

--- `task.check` says how.
function M.check()
  if stopping and not (current and current.patient) then M.stop() end
end

--- Call `fn(...)` to its end, though the program be asked to stop: for what is better
--- ended than left to the next run. Asked twice, it is aborted like anything else.
---@param fn function
function M.patiently(fn, ...)
  check_inside(2)
  local task, before = current, current.patient
  local _ <close> = setmetatable({}, { __close = function() task.patient = before end })
  task.patient = true
  return fn(...)
end

-- Let the loop look around, so that code which catches "interrupted" and tries
-- again can still be aborted.
local function yield_turn()
  M.wake(current)
  M.suspend(true)
end

--- `task.sleep` says how.
function M.sleep(seconds)
  check_inside(2)
  local at = time.monotonic() + seconds
  if seconds > 0 then add_timer(current, at, seconds) end
  while time.monotonic() < at do
    if stopping and not current.patient then yield_turn() end
    M.check()
    M.suspend()
  end
end

--- `task.left` says how.
function M.left()
  if not current or current.deadline == NEVER then return NEVER end
  return math.max(0, current.deadline - time.monotonic())
end

--- `task.within` says how.
function M.within(seconds, fn, ...)
  check_inside(2)
  local task, before = current, current.deadline
  local _ <close> = setmetatable({}, { __close = function() task.deadline = before end })
  local at = time.monotonic() + seconds
  if at < before then
    task.deadline = at
    add_timer(task, at, seconds)
  end
  return fn(...)
end

--- For xpcall: add a traceback to an error that is a text, leave others alone.
---@param err any
---@return any
function M.keep_trace(err)
  if type(err) ~= "string" or err:find("\nstack traceback:", 1, true) then return err end
  return debug.traceback(err, 2)
end

---------------------------------------------------------------------------
-- The loop

-- Run who is ready now, but no more than a turn's worth; the others, and who becomes
-- ready meanwhile, wait for the next turn. So the network is looked after however busy
-- the tasks are, and of a hundred requests in flight the far side has one half to work
-- on while we work on the other.
local function run_ready()
  local final = math.min(last, first + TURN - 1)
  while first <= final do
    local task = ready[first]
    ready[first], first = nil, first + 1
    step(task)
  end
end

-- Wake whose time has come; seconds until the next, at most LONGEST.
local function wake_timers()
  local now, entry = time.monotonic(), next_timer()
  while entry and entry.at <= now do
    M.wake(take_timer().task)
    entry = next_timer()
  end
  return entry and math.min(LONGEST, entry.at - now) or LONGEST
end

-- Nothing is ready and nothing runs outside: move a virtual clock to the next sleeper.
local function leap()
  local entry, least = next_timer(), time_clock.shortest_wait()
  if not entry or not least or entry.asked < least then return false end
  time_clock.advance(math.max(0, entry.at - time.monotonic()))
  return true
end

-- The first Ctrl-C since `base` asks to stop, the second aborts.
local function heed_interrupts(base, main)
  local count = sys.interrupts() - base
  if count >= 1 and not stopping then begin_stopping() end
  if count < 2 or main.done then return end
  main:cancel(fail.new {
    kind = "interrupted", what = "aborted", why = "Ctrl-C was pressed twice",
    fix = "Run the same command again: what was begun is on record and is finished first.",
  })
end

-- Wait outside for at most `wait` seconds, or leap.
local function wait_outside(poll, wait, main)
  local running = time_clock.shortest_wait() and poll(0)
  if first <= last or (running == 0 and leap()) then return end
  running = poll(math.ceil(wait * 1000))
  if running > 0 or first <= last or next_timer() then return end
  main:cancel("every task waits for another, and nothing can wake them")
end

-- Nothing outlives the loop.
local function drop_all()
  for task in pairs(living) do task:cancel("the program is over") end
  ready, first, last, timers, living, stopping = {}, 1, 0, {}, {}, false
end

--- Run `fn(...)` to completion. `poll(ms)` waits for outside events, wakes the
--- tasks they belong to and returns how many are still awaited; it is the only
--- place the program blocks. The first Ctrl-C asks to stop (`stopping`), the
--- second aborts. Tasks that are left are cancelled.
---@param poll fun(ms: integer): integer
---@param fn function
---@return any ...
function M.run(poll, fn, ...)
  if current then error("task.run cannot be used inside a task", 2) end
  local base = sys.interrupts()
  local main = M.spawn(fn, ...)
  local _ <close> = setmetatable({}, { __close = drop_all })
  while not main.done do
    heed_interrupts(base, main)
    run_ready()
    local wait = wake_timers()
    if main.done then break end
    if first <= last then poll(0) else wait_outside(poll, wait, main) end
  end
  if not main.ok then error(main.result[1], 0) end
  return table.unpack(main.result, 1, main.result.n)
end

return M
