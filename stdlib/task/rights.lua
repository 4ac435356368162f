--- The rights that a task acts with: those of the script whose code the task runs. A task that it spawns inherits them.
--
-- The library sets the rights where it enters a script's code, or works for a script. A script cannot require this
-- module: a script that holds the rights of another script could act with them.

local M = {}

local NO_RIGHTS = false -- for a task that may do nothing, although the session has rights for tasks without an entry

local rights_of_task = setmetatable({}, { __mode = "k" }) ---@type table<Task, host.gate.rights|false>
local rights_of_sinks = setmetatable({}, { __mode = "k" }) ---@type table<host.gate.rights, true>
local session ---@type task.rights.session?

---@class task.rights.session
---@field script host.gate.rights? the rights of tasks without an entry; nil where several scripts run side by side
---@field own host.gate.rights Moonlatch's own rights, to sign in
---@field diagnosis host.gate.rights Moonlatch's own rights, to find out why a call was refused

--- Let tasks act with these rights from now on (nil: with none). Returns the rights that were in use before.
---@param new task.rights.session?
---@return task.rights.session?
function M.use(new)
  local before = session
  session = new
  return before
end

--- Give a new task the rights of the task that made it.
---@param task Task
---@param from Task? the task that made it
function M.inherit(task, from)
  rights_of_task[task] = from and rights_of_task[from]
end

--- The rights that the task acts with; nil when it may do nothing.
---@param task Task
---@return host.gate.rights?
function M.of(task)
  local rights = rights_of_task[task]
  if rights == nil then rights = session and session.script end
  return rights or nil
end

--- Let code that acts with these rights give a secret to a program, or to a sealed file: it is a sink.
---@param sink_rights host.gate.rights
function M.mark_sink(sink_rights) rights_of_sinks[sink_rights] = true end

--- Does the task act for a sink?
---@param task Task
---@return boolean
function M.is_sink(task)
  local rights = M.of(task)
  return rights ~= nil and rights_of_sinks[rights] == true
end

--- Moonlatch's own rights, to sign in.
---@return host.gate.rights?
function M.own() return session and session.own end

--- Moonlatch's own rights, to find out why a call was refused. They allow no change.
---@return host.gate.rights?
function M.diagnosis() return session and session.diagnosis end

local function restore_on_close(task)
  local before = rights_of_task[task]
  return setmetatable({}, { __close = function() rights_of_task[task] = before end })
end

--- Call `fn(...)`, and restore the present rights of the task afterwards, even if `fn` changed them.
---@param task Task?
---@param fn function
---@return any ...
function M.restore_after(task, fn, ...)
  if not task then return fn(...) end
  local _ <close> = restore_on_close(task)
  return fn(...)
end

--- Call `fn(...)` with other rights (nil: with none). Code outside a task cannot send anything, so `fn` is then called
--- as it is.
---@param task Task?
---@param rights host.gate.rights?
---@param fn function
---@return any ...
function M.with(task, rights, fn, ...)
  if not task then return fn(...) end
  local _ <close> = restore_on_close(task)
  rights_of_task[task] = rights or NO_RIGHTS
  return fn(...)
end

return M
