--- With whose rights a script's functions are called, when the library calls them or when a coroutine of the script
--- goes on. The one place where the border meets the rights of the gate.

local M = {}

--- The rights in force; nil outside of any task.
---@return any
function M.now() return nil end

--- Call `fn(...)` with these rights; nil: with those in force.
---@param rights any
---@param fn function
---@return any ...
function M.with(_, fn, ...) return fn(...) end

--- Call `fn(...)` and have the rights in force afterwards that are in force now, whatever `fn` left behind: a coroutine
--- of a script may yield out of a call of the library that acts with other rights.
---@param fn function
---@return any ...
function M.restoring(fn, ...) return fn(...) end

return M
