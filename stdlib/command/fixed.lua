--- Commands that are always the same script: doctor, discover, emulator. A person's
--- copy of it is found first, like any other's.

local dispatch = require "command.dispatch"
local script = require "script.load"

local M = {}

-- The emulator's own files are the far side, and run in this process only.
local function load(name) return script.load(name, name == "emulator/main") end

--- Load the script and read its arguments.
---@param name string of the script
---@param options table of the command line
---@return script.declaration declaration, table args
function M.load(name, options)
  local declaration, found = load(name)
  require("script.copies").tell_replacement(found)
  return declaration, script.arguments(declaration, options.rest)
end

--- Run it in a session in which nothing is changed, nor put on record.
---@param declaration script.declaration
---@param args table
---@param options table of the command line
---@return any ...
function M.read(declaration, args, options)
  local _ <close> = require("session.open").start(options, {
    owner = declaration.id, needs = script.needs(declaration, args), reading = true, journal = false,
  })
  return require("cli.command_task").run(declaration.run, args)
end

--- The help of the command: the script's, with the options that every command has.
---@param name string of the script
---@param command string
---@param examples string[]? where the script has none
---@return fun(): string
function M.help(name, command, examples)
  return function()
    local declaration, found = load(name)
    declaration.examples = declaration.examples or examples
    return script.help(declaration, found, command, dispatch.options_help())
  end
end

return M
