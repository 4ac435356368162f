--- Run programs that the profile names.
--
-- A profile gives a program a name: programs = { tell = { "/usr/local/bin/tell", "--quiet" } }. A script that says
-- needs = { run = { "tell" } } may run it; typed code needs --write.

local options_of = require("base.options").of
local program_run = require "program.run"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local secret = require "host.secret"

local M = {}

---@class program.options
---@field input string? the standard input of the program, at most 64 KiB; for a sink script, a secret, too
---@field timeout number? seconds after which the program is ended (60), at most 3600

local read_options = options_of("program.run", { input = "string|userdata", timeout = "number" })

-- Check the arguments of M.run, and return a copy of the options. A secret may be neither an argument nor the input.
local function read_run_options(name, arguments, options)
  if type(name) ~= "string" then error("program.run needs the name that the profile gives the program", 3) end
  if type(arguments) ~= "table" then error("program.run needs a list of arguments", 3) end
  for _, value in ipairs(arguments) do
    if secret.is(value) then error("a secret must not be an argument: every user could read it", 3) end
    if type(value) ~= "string" then error("an argument is a string", 3) end
  end
  options = read_options(options)
  if secret.is(options.input) and not rights.is_sink(scheduler.require_current()) then
    error("a secret goes to the sinks of its policy only, not to a program", 3)
  end
  return options
end

--- Run a program and wait for its end: `program.run("tell", { "it is done" })`. No shell is used. The program is on
--- record before it starts. Raises a failure of kind "refused" when the script may not run the program, or the program
--- cannot be started, does not end in time, or writes more than a MiB. A status other than 0 is a result, not a
--- failure.
---@param name string the name that the profile gives the program
---@param arguments string[]? added after the arguments in the profile
---@param options program.options?
---@return { status: integer, output: string }
function M.run(name, arguments, options)
  arguments = arguments or {}
  local status, output = program_run.run(name, arguments, read_run_options(name, arguments, options))
  return { status = status, output = output }
end

return M
