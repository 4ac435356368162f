--- Run functions concurrently on one thread: calls that wait let others run meanwhile.
--
-- A task is a coroutine. Cancelling it closes the coroutine: `pcall` cannot catch that, and the `<close>` variables in
-- it are closed. A closing coroutine cannot wait, so the parent undoes what needs the network.

local crew = require "task.crew"
local options_of = require("base.options").of
local scheduler = require "task.scheduler"

local M = {}

---------------------------------------------------------------------------
-- One task

--- Start `fn(...)` as a task; it first runs when the caller next waits. The task inherits the caller's deadline and
--- rights. A finaliser cannot start a task, because it runs inside whichever task is running.
---@param fn function
---@param ... any
---@return Task
M.spawn = scheduler.spawn

--- Wait for some seconds. Raises "interrupted" when the program is asked to stop, "timeout" at the deadline.
---@param seconds number
M.sleep = scheduler.sleep

--- Seconds until the running task's deadline; math.huge without one.
---@return number
M.left = scheduler.left

--- Call `fn(...)` with a time limit in seconds. An earlier deadline of the caller stays in force.
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
M.within = scheduler.within

--- Was the program asked to stop? A caller begins nothing new then.
---@return boolean
M.stopping = scheduler.stopping

--- Raise "interrupted" when the program was asked to stop. Call this where it is safe to stop.
M.check = scheduler.check

---------------------------------------------------------------------------
-- Many at once

--- Call `fn(item)` for every item, at most `limit` at once. Returns the results in the order of the items. For reads:
--- the first error, or a request to stop, cancels the others and is raised here. Waits.
---@param items any[]
---@param limit integer
---@param fn fun(item: any, place: integer): any
---@return any[] results nil for an item for which fn returned nothing
M.map = crew.map

--- Run functions side by side. Returns their first results, in order. For reads: the first error cancels the others and
--- is raised here. Waits.
---@param functions function[]
---@return any ...
M.all = crew.all

---@class task.outcome
---@field item any
---@field ok boolean
---@field result any what fn returned, or the error

local read_each = options_of("task.each", { stop_on_failure = "boolean" })

--- Call `fn(item)` for every item, at most `limit` at once. For changes: every call that began runs to its end. After a
--- failure (with `stop_on_failure`) or a request to stop, no further call begins. When a call fails because the service
--- cannot be reached at all, the items that have not begun fail at once with the same failure. Waits.
---@param items any[]
---@param limit integer
---@param fn fun(item: any, place: integer): any
---@param options { stop_on_failure: boolean? }?
---@return task.outcome[] outcomes in the order of the items; items that did not begin are left out, except after
--- such a failure
---@return integer failures
function M.each(items, limit, fn, options)
  return crew.each(items, limit, fn, read_each(options))
end

return M
