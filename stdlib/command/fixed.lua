--- Commands that always run the same script: doctor, discover, emulator. A person's copy of the script is found before
--- the bundled script.

local dispatch = require "command.dispatch"
local command_help = require "manual.command_help"
local script = require "script.load"

local M = {}

-- Load the script. Only in this process, the emulator's files may require the modules of the emulator.
local function load_fixed_script(name) return script.load(name, name == "emulator/main") end

--- Load the script and read its arguments.
---@param name string of the script
---@param options table of the command line
---@return script.declaration declaration, table args
function M.load(name, options)
  local declaration, found = load_fixed_script(name)
  require("script.copies").tell_replacement(found)
  return declaration, script.arguments(declaration, options.rest)
end

--- Run the script in a session that may change nothing, and has no journal.
---@param declaration script.declaration
---@param args table
---@param options table of the command line
---@return any ...
function M.run_reading(declaration, args, options)
  local _ <close> = require("session.open").start(options, {
    owner = declaration.id, needs = script.needs(declaration, args), reading = true, journal = false,
  })
  return require("cli.command_task").run(declaration.run, args)
end

--- Run a script that lists things of a tenant in the format of its argument `format`. When that is not a table, what is
--- said goes to standard error, as with --json.
---@param name string of the script
---@param options table of the command line
---@return integer exit_status
function M.run_list(name, options)
  local declaration, args = M.load(name, options)
  if args.format ~= "table" and not options.json then
    options.json = true
    dispatch.configure_output(options)
  elseif options.json then
    args.format = "json"
  end
  return M.run_reading(declaration, args, options)
end

--- Run the script in a session that has a journal, and may make the changes that the script needs with these arguments.
---@param declaration script.declaration
---@param args table
---@param options table of the command line
---@return any ...
function M.run_changing(declaration, args, options)
  local _ <close> = require("session.open").start(options, {
    owner = declaration.id, needs = script.needs(declaration, args),
  })
  return require("cli.command_task").run(declaration.run, args)
end

--- Make the function that returns the help of the command: the help of the script, with the options of every command.
---@param name string of the script
---@param command string
---@param examples string[]? the examples when the script has none
---@return fun(): string
function M.help(name, command, examples)
  return function()
    local declaration, found = load_fixed_script(name)
    declaration.examples = declaration.examples or examples
    return script.help(declaration, found, command, command_help.common_options())
  end
end

return M
