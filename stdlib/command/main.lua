--- The entry point: run the command, print an error, and return the exit status.
---
--- Modules that `moonlatch -e CODE` does not need are required only where they are used, so that it starts fast.

local strict = require "base.strict"
local sys = require "host.sys"
local traceback = require "base.traceback"

local M = {}

local function run_command(arguments)
  if arguments[1] == "-e" and #arguments == 2 then
    return require("command.eval").run { code = arguments[2] }
  end
  return require("command.dispatch").run(arguments)
end

--- Run one command.
---@param arguments string[] without the program's name
---@return integer status 0 done, 1 failed or waiting for a person, 2 usage, 3 something to do
function M.main(arguments)
  rawset(string, "dump", nil) -- a script could reach it through any string: ("").dump
  strict.guard(_G)
  sys.catch_interrupts(function() require("task.scheduler").interrupt() end)
  local ok, status = xpcall(run_command, traceback.keep, arguments)
  if not ok then return require("report.failure").print(status) end
  local lost = require("host.term").lost()
  return lost and require("report.failure").print_unwritten_result(lost) or status
end

return M
