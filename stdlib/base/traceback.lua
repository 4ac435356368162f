--- Tracebacks of errors that are texts. An error has one traceback: that of the place where it was raised first.

local M = {}

--- Does the error have no traceback though it could have one? Failures and other values are no texts.
---@param err any
---@return boolean
function M.is_missing(err)
  return type(err) == "string" and not err:find("\nstack traceback:", 1, true)
end

--- A message handler for xpcall: add the traceback to a text without one; return any other error as it is.
---@param err any
---@return any
function M.keep(err) return M.is_missing(err) and debug.traceback(err, 2) or err end

--- The same for an error that ended a coroutine.
---@param thread thread
---@param err any
---@return any
function M.keep_of(thread, err) return M.is_missing(err) and debug.traceback(thread, err) or err end

return M
