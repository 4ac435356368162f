--- The entry point: find the command, run it, and turn its outcome into messages and an exit status.
---
--- Modules that a quick `moonlatch -e CODE` does not need are required only where they are needed.

local strict = require "base.strict"
local sys = require "host.sys"

local M = {}

-- Add a traceback to a text that has none; failures stay as they are.
local function keep_trace(err)
  if type(err) ~= "string" or err:find("\nstack traceback:", 1, true) then return err end
  return debug.traceback(err, 2)
end

local function dispatch(arguments)
  if arguments[1] == "-e" and #arguments == 2 then
    return require("command.eval").run { code = arguments[2] }
  end
  return require("command.dispatch").run(arguments)
end

--- Run one command.
---@param arguments string[] without the program's name
---@return integer status 0 done, 1 failed or waiting for a person, 2 usage, 3 something to do
function M.main(arguments)
  rawset(string, "dump", nil) -- a script reaches it by any text: ("").dump
  strict.guard(_G)
  sys.catch_interrupts(function() require("task.scheduler").interrupt() end)
  local ok, status = xpcall(dispatch, keep_trace, arguments)
  if not ok then return require("report.failure").print(status) end
  local lost = require("host.term").lost()
  return lost and require("report.failure").print_unwritten_result(lost) or status
end

return M
