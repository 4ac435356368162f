--- Call a script's functions with the rights of that script: when the library calls them, and when a coroutine of the
--- script is resumed. Of the border's modules, only this one uses task.rights.

local rights = require "task.rights"
local scheduler = require "task.scheduler"

local M = {}

--- The rights that the running task acts with. nil while a script's file is loaded: loading may send nothing, and the
--- library calls the functions of the file later, with the script's rights.
---@return host.gate.rights?
function M.current_rights()
  local task = scheduler.current()
  return task and rights.of(task)
end

--- Call `fn(...)` with these rights; nil: with the present rights.
---@param script_rights host.gate.rights?
---@param fn function
---@return any ...
function M.with(script_rights, fn, ...)
  if not script_rights then return fn(...) end
  return rights.with(scheduler.current(), script_rights, fn, ...)
end

--- Call `fn(...)`, and restore the present rights afterwards: a coroutine of a script may yield out of a call of the
--- library that acts with other rights.
---@param fn function
---@return any ...
function M.restore_rights_after(fn, ...) return rights.restore_after(scheduler.current(), fn, ...) end

return M
