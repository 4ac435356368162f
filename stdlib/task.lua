--- Run functions concurrently on one thread: calls that wait let others run meanwhile.
--
-- A task is a coroutine. Cancelling a task closes its coroutine: `pcall` cannot swallow that, and every `<close>`
-- variable in it is released. What needs the network to be undone is undone by the parent, for a closing coroutine
-- cannot wait.

local crew = require "task.crew"
local options_of = require("base.options").of
local scheduler = require "task.scheduler"

local M = {}

---------------------------------------------------------------------------
-- One task

--- Start `fn(...)` as a task; it first runs when the caller next waits. It
--- inherits the caller's deadline and rights. Not in a finaliser: the task at work is not the finaliser's.
---@param fn function
---@param ... any
---@return Task
M.spawn = scheduler.spawn

--- Wait for a time. A request to stop ends the wait with "interrupted", a deadline with "timeout".
---@param seconds number
M.sleep = scheduler.sleep

--- Seconds until the running task's deadline; math.huge when it has none.
---@return number
M.left = scheduler.left

--- Call `fn(...)` with at most so many seconds, or fewer when the caller has fewer.
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
M.within = scheduler.within

--- Was the program asked to stop? Then nothing new is to be started.
---@return boolean
M.stopping = scheduler.stopping

--- Raise "interrupted" when the program was asked to stop. Called between things that are safe to stop between.
M.check = scheduler.check

---------------------------------------------------------------------------
-- Many at once

--- Call `fn(item)` for every item, at most `limit` at once; the results in the
--- order of the items. For reads: the first error, or a request to stop, cancels
--- the rest and is raised here.
---@param items any[]
---@param limit integer
---@param fn fun(item: any, place: integer): any
---@return any[] results nil where fn returned nothing
M.map = crew.map

--- Run functions side by side; their first results in order. The first error
--- cancels the rest and is raised here. For reads.
---@param functions function[]
---@return any ...
M.all = crew.all

---@class task.outcome
---@field item any
---@field ok boolean
---@field result any what fn returned, or the error

local read_each = options_of("task.each", { stop_on_failure = "boolean" })

--- Call `fn(item)` for every item, at most `limit` at once. For changes: every
--- started item runs to its end whatever happens to others. After a failure
--- (with `stop_on_failure`) or a request to stop no further item starts. When an item
--- fails because the far side cannot be reached at all, the items not yet started fail
--- with the same failure at once.
---@param items any[]
---@param limit integer
---@param fn fun(item: any, place: integer): any
---@param options { stop_on_failure: boolean? }?
---@return task.outcome[] outcomes of the items, in their order; of those not started only after such a failure
---@return integer failures
function M.each(items, limit, fn, options)
  return crew.each(items, limit, fn, read_each(options))
end

return M
