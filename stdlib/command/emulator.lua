--- moonlatch emulator: a tenant and a Devolutions Server on this machine.

local script = require "script"

local NAME = "emulator/main"
local EXAMPLES = { "moonlatch emulator", "moonlatch emulator --users 1000 --seed 7" }

---@type cli.command
return {
  summary = "serve an Entra tenant and a Devolutions Server on this machine",
  usage = "[--name value …] [options]",
  script = "fixed",
  examples = EXAMPLES,

  help = function()
    local declaration, found = script.load(NAME)
    declaration.examples = declaration.examples or EXAMPLES
    found.name = ""
    return (script.help(declaration, found, "emulator"):gsub("emulator  ", "emulator "))
  end,

  run = function(options)
    local declaration = script.load(NAME)
    return declaration.run(script.arguments(declaration, options.rest)) or 0
  end,
}
