--- With whose rights a script's functions are called, when the library calls them or when a coroutine of the script
--- goes on. The one place where the border meets the rights of the gate.

local rights = require "task.rights"
local scheduler = require "task.scheduler"

local M = {}

--- The rights that the running task acts with. nil while a script's file is loaded, which may do nothing: its
--- functions are called later, by a library that acts for this script.
---@return host.gate.rights?
function M.now()
  local task = scheduler.current()
  return task and rights.of(task)
end

--- Call `fn(...)` with these rights; nil: with those in force.
---@param with host.gate.rights?
---@param fn function
---@return any ...
function M.with(with, fn, ...)
  if not with then return fn(...) end
  return rights.with(scheduler.current(), with, fn, ...)
end

--- Call `fn(...)` and have the rights in force afterwards that are in force now, whatever `fn` left behind: a coroutine
--- of a script may yield out of a call of the library that acts with other rights.
---@param fn function
---@return any ...
function M.restoring(fn, ...) return rights.restore_after(scheduler.current(), fn, ...) end

return M
