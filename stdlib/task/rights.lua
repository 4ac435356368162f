--- With whose rights a task acts: those of the script whose code it runs. What a task spawns inherits them.
--
-- The library sets them where it enters a script's code, or works for one. Not for scripts: whoever holds rights
-- could act with them.

local M = {}

local NONE = false -- stands for a task that may do nothing, though there is a default

local held = setmetatable({}, { __mode = "k" }) ---@type table<Task, host.gate.rights|false>
local session ---@type task.rights.session?

---@class task.rights.session
---@field script host.gate.rights? of tasks that nothing was said of; nil where several scripts work side by side
---@field own host.gate.rights of Moonlatch itself: to sign in
---@field look host.gate.rights of Moonlatch itself: to find out why something was refused

--- Let tasks act with these rights from now on (nil: with none). Returns those before.
---@param new task.rights.session?
---@return task.rights.session?
function M.use(new)
  local before = session
  session = new
  return before
end

--- Give a new task the rights of the one that made it.
---@param task Task
---@param from Task?
function M.inherit(task, from)
  held[task] = from and held[from]
end

--- The rights that the task acts with; nil when it may do nothing.
---@param task Task
---@return host.gate.rights?
function M.of(task)
  local rights = held[task]
  if rights == nil then rights = session and session.script end
  return rights or nil
end

--- Moonlatch's own rights: to sign in.
---@return host.gate.rights?
function M.own() return session and session.own end

--- Moonlatch's own rights: to find out why something was refused, changing nothing.
---@return host.gate.rights?
function M.look() return session and session.look end

local function restoring(task)
  local before = held[task]
  return setmetatable({}, { __close = function() held[task] = before end })
end

--- Call `fn(...)` and have the task act afterwards with the rights it acts with now, whatever `fn` leaves behind.
---@param task Task?
---@param fn function
---@return any ...
function M.keeping(task, fn, ...)
  if not task then return fn(...) end
  local _ <close> = restoring(task)
  return fn(...)
end

--- Call `fn(...)` with other rights (nil: with none). Without a task nothing can be sent, so nothing is set.
---@param task Task?
---@param rights host.gate.rights?
---@param fn function
---@return any ...
function M.with(task, rights, fn, ...)
  if not task then return fn(...) end
  local _ <close> = restoring(task)
  held[task] = rights or NONE
  return fn(...)
end

return M
