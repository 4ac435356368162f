--- The scheduler of tasks: Lua functions that run concurrently on one thread. Scripts use `task`.
--
-- A task is a coroutine. One function resumes tasks (`resume_task`), and one function suspends them (`M.suspend`).
-- Cancelling a task closes its coroutine: `pcall` cannot catch that, and every `<close>` variable in it is closed. A
-- closing coroutine cannot wait, so the parent task undoes what needs the network.
--
-- With a virtual clock (an emulator's, or a test's) a long wait moves the clock instead of passing in real time, but
-- only when nothing else could happen meanwhile.

local class = require "base.class"
local fail = require "fail"
local rights = require "task.rights"
local sys = require "host.sys"
local time = require "time"
local time_clock = require "time.clock"
local traceback = require "base.traceback"

local M = {}

---@class Task
---@field co thread
---@field crew task.crew? the crew that the task works in
---@field done boolean
---@field ok boolean? once done: did it return?
---@field cancelled boolean? another task stopped it
---@field result any[]? once done: its results, or the error
---@field depth integer requests that had to be answered, one after another, until the task got here
---@field deadline number by time.monotonic
---@field uninterruptible boolean? a request to stop does not interrupt it
local Task = class("Task", { open = { "wait", "cancel", "done" } })

local SUSPEND = {} -- yielded by M.suspend; any other yielded value is a bug
local LONGEST_BLOCK = 0.1 -- seconds that the loop blocks at most, so that Ctrl-C acts at once
local NEVER = math.huge
local TASKS_IN_TURN = 50 -- tasks that run before the network is polled again

local ready, first, last = {}, 1, 0 -- the queue of tasks to run: ready[first] to ready[last]
local timers = {} -- a heap of { at, task, asked }, the earliest first; asked: the seconds of the whole wait
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

-- The earliest timer of a task that has not ended.
local function next_timer()
  while timers[1] and timers[1].task.done do take_timer() end
  return timers[1]
end

---------------------------------------------------------------------------
-- One task

--- Make the task runnable. A task that is runnable already, or has ended, is left as it is.
---@param task Task
function M.wake(task)
  if task.queued or task.done then return end
  task.queued = true
  last = last + 1
  ready[last] = task
end

local function finish_task(task, ok, ...)
  if task.done then return end
  living[task] = nil
  task.done, task.ok, task.result = true, ok, table.pack(...)
  for _, waiter in ipairs(task.waiters) do M.wake(waiter) end
  if task.crew then task.crew:worker_finished(task) end
end

-- After a task was resumed: finish the task, unless it suspended itself. `...` are the results of coroutine.resume.
local function settle_resumed_task(task, ok, ...)
  if ... == SUSPEND then return end
  if not ok then
    local err = traceback.keep_of(task.co, (...))
    coroutine.close(task.co)
    finish_task(task, false, err)
  elseif coroutine.status(task.co) == "dead" then
    finish_task(task, true, ...)
  else
    coroutine.close(task.co)
    finish_task(task, false, "a task may only wait through the task library")
  end
end

local function resume_task(task)
  task.queued = false
  if task.done then return end
  local before = current
  current = task
  local args = task.args
  task.args = nil
  if args then
    settle_resumed_task(task, coroutine.resume(task.co, table.unpack(args, 1, args.n)))
  else
    settle_resumed_task(task, coroutine.resume(task.co))
  end
  current = before
end

-- Raise where the running code cannot wait: outside any task, in a coroutine of its own, or in a finaliser (which runs
-- inside whichever task is running).
local function check_can_wait(level)
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

--- Suspend the running task until it is woken. Wake-ups can be early: callers loop until the awaited event has
--- happened. Raises "timeout" when the task's deadline has passed.
---@param ignore_deadline boolean? do not raise: the caller must not abandon what it waits for
function M.suspend(ignore_deadline)
  check_can_wait(3)
  if not ignore_deadline and current.deadline <= time.monotonic() then raise_timeout() end
  coroutine.yield(SUSPEND)
end

--- The running task; nil outside any task.
---@return Task?
function M.current() return current end

--- The running task. Raises where waiting is impossible, so that a call does not begin work that it could not wait for.
---@return Task
function M.require_current()
  check_can_wait(3)
  return current
end

local starts_barred = false

--- Call `fn(...)`; starting a task meanwhile raises an error. A script's file is loaded in this way, because a task
--- that it started would run later, past the limits of loading and beside other scripts. `fn` must not wait.
---@param fn function
---@return any ...
function M.without_starting_tasks(fn, ...)
  local before = starts_barred
  local _ <close> = setmetatable({}, { __close = function() starts_barred = before end })
  starts_barred = true
  return fn(...)
end

--- See `task.spawn`.
function M.spawn(fn, ...)
  if starts_barred then error("a script starts no task while its file is loaded: start it in a step, or in run", 2) end
  if current and not coroutine.isyieldable() then error("a task cannot be started here, as in a finaliser", 2) end
  local task = Task {
    co = coroutine.create(fn), args = table.pack(...), waiters = {}, done = false,
    depth = current and current.depth or 0, deadline = current and current.deadline or NEVER,
    uninterruptible = current and current.uninterruptible,
  }
  if task.deadline < NEVER then add_timer(task, task.deadline, task.deadline - time.monotonic()) end
  rights.inherit(task, current)
  living[task] = true
  M.wake(task)
  return task
end

--- Note that the running task has waited for another task: the running task then depends on every answer that the other
--- task needed.
---@param task Task
function M.note_waited_for(task)
  current.depth = math.max(current.depth, task.depth)
end

--- Wait for the task. Returns its results, or raises its error.
function Task:wait()
  check_can_wait(2)
  if self == current then error("a task cannot wait for itself", 2) end
  table.insert(self.waiters, current)
  while not self.done do M.suspend() end
  M.note_waited_for(self)
  if not self.ok then error(self.result[1], 0) end
  return table.unpack(self.result, 1, self.result.n)
end

--- Stop the task now. Its `<close>` variables are closed, with the task's own rights; no other code of the task runs.
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
  finish_task(self, false, ok and (reason or "cancelled") or err)
end

---------------------------------------------------------------------------
-- Waiting for time

--- See `task.stopping`.
function M.stopping() return stopping end

-- Begin to stop: wake the tasks that wait for a timer, so that they can stop.
local function begin_stopping()
  stopping = true
  for _, entry in ipairs(timers) do M.wake(entry.task) end
end

local ASKED_TO_STOP = { SIGTERM = "it received SIGTERM", SIGHUP = "its terminal was closed (SIGHUP)" }

--- Raise "interrupted".
function M.raise_interrupted()
  fail.raise {
    kind = "interrupted", what = "stopped", why = ASKED_TO_STOP[sys.terminated() or ""] or "Ctrl-C was pressed",
    fix = "Run the same command again to go on.",
  }
end

--- Raise "interrupted" in a script that computes without waiting. The host's debug hook calls this function
--- (runtime/sys_interrupt.c).
function M.interrupt()
  if current and not stopping then begin_stopping() end
  M.raise_interrupted()
end

--- See `task.check`.
function M.check()
  if stopping and not (current and current.uninterruptible) then M.raise_interrupted() end
end

--- Call `fn(...)` to its end, even when the program is asked to stop meanwhile: for work that is better finished than
--- left to the next run. A second request to stop aborts it.
---@param fn function
function M.uninterrupted(fn, ...)
  check_can_wait(2)
  local task, before = current, current.uninterruptible
  local _ <close> = setmetatable({}, { __close = function() task.uninterruptible = before end })
  task.uninterruptible = true
  return fn(...)
end

-- Let the loop run once, so that code which catches "interrupted" and tries again can still be aborted.
local function yield_turn()
  M.wake(current)
  M.suspend(true)
end

--- See `task.sleep`.
function M.sleep(seconds)
  check_can_wait(2)
  local at = time.monotonic() + seconds
  if seconds > 0 then add_timer(current, at, seconds) end
  while time.monotonic() < at do
    if stopping and not current.uninterruptible then yield_turn() end
    M.check()
    M.suspend()
  end
end

--- See `task.left`.
function M.left()
  if not current or current.deadline == NEVER then return NEVER end
  return math.max(0, current.deadline - time.monotonic())
end

--- See `task.within`.
function M.within(seconds, fn, ...)
  check_can_wait(2)
  local task, before = current, current.deadline
  local _ <close> = setmetatable({}, { __close = function() task.deadline = before end })
  local at = time.monotonic() + seconds
  if at < before then
    task.deadline = at
    add_timer(task, at, seconds)
  end
  return fn(...)
end

---------------------------------------------------------------------------
-- The loop

-- Run the tasks that are ready now, at most TASKS_IN_TURN. The other tasks, and tasks that become ready meanwhile, wait
-- for the next turn. So the network is polled however busy the tasks are, and the service works on one half of the
-- requests in flight while the tasks work on the other half.
local function run_ready_tasks()
  local final = math.min(last, first + TASKS_IN_TURN - 1)
  while first <= final do
    local task = ready[first]
    ready[first], first = nil, first + 1
    resume_task(task)
  end
end

-- Wake the tasks whose timers have expired. Returns the seconds until the next timer, at most LONGEST_BLOCK.
local function wake_expired_timers()
  local now, entry = time.monotonic(), next_timer()
  while entry and entry.at <= now do
    M.wake(take_timer().task)
    entry = next_timer()
  end
  return entry and math.min(LONGEST_BLOCK, entry.at - now) or LONGEST_BLOCK
end

-- Move a virtual clock to the next timer. Called when no task is ready and no request is in flight. Returns false when
-- the clock is the machine's, there is no timer, or its wait is too short to move the clock.
local function advance_virtual_clock()
  local entry, least = next_timer(), time_clock.shortest_wait()
  if not entry or not least or entry.asked < least then return false end
  time_clock.advance(math.max(0, entry.at - time.monotonic()))
  return true
end

-- Act on the interrupts since the loop began: the first Ctrl-C asks the program to stop, the second aborts the main
-- task.
local function heed_interrupts(interrupts_before, main)
  local count = sys.interrupts() - interrupts_before
  if count >= 1 and not stopping then begin_stopping() end
  if count < 2 or main.done then return end
  main:cancel(fail.new {
    kind = "interrupted", what = "aborted", why = "Ctrl-C was pressed twice",
    fix = "Run the same command again: what was begun is on record and is finished first.",
  })
end

-- Wait for outside events, at most `wait` seconds; or move a virtual clock to the next timer.
local function wait_for_events(poll, wait, main)
  local running = time_clock.shortest_wait() and poll(0)
  if first <= last or (running == 0 and advance_virtual_clock()) then return end
  running = poll(math.ceil(wait * 1000))
  if running > 0 or first <= last or next_timer() then return end
  main:cancel("every task waits for another task, so nothing can wake them")
end

-- Cancel the tasks that are left when the loop ends.
local function cancel_living_tasks()
  for task in pairs(living) do task:cancel("the program is over") end
  ready, first, last, timers, living, stopping = {}, 1, 0, {}, {}, false
end

--- Run `fn(...)` as the main task, and return its results. The first Ctrl-C asks the program to stop (`stopping`), the
--- second aborts. Tasks that are left at the end are cancelled.
---@param poll fun(ms: integer): integer wait for outside events, at most `ms` milliseconds; wake the tasks that wait
--- for
--- them; return the number of events still awaited. The program blocks in this function only.
---@param fn function
---@return any ...
function M.run(poll, fn, ...)
  if current then error("task.run cannot be used inside a task", 2) end
  local interrupts_before = sys.interrupts()
  local main = M.spawn(fn, ...)
  local _ <close> = setmetatable({}, { __close = cancel_living_tasks })
  while not main.done do
    heed_interrupts(interrupts_before, main)
    run_ready_tasks()
    local wait = wake_expired_timers()
    if main.done then break end
    if first <= last then poll(0) else wait_for_events(poll, wait, main) end
  end
  if not main.ok then error(main.result[1], 0) end
  return table.unpack(main.result, 1, main.result.n)
end

return M
