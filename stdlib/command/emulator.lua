--- moonlatch emulator: serve an emulated tenant, Devolutions Server and Devolutions Cloud on this machine.

local fixed = require "command.fixed"
local secret = require "host.secret"

local ROOM = 16 -- MiB for secrets: all passwords of the tenant and all that its vaults hold

local NAME = "emulator/main"
local EXAMPLES = { "moonlatch emulator", "moonlatch emulator --devolutions cloud",
  "moonlatch emulator --users 1000 --seed 7" }

---@type cli.command
return {
  summary = "serve an emulated Entra tenant, Devolutions Server and Devolutions Cloud on this machine",
  script = "fixed",
  examples = EXAMPLES,
  help = fixed.help(NAME, "emulator", EXAMPLES),

  run = function(options)
    secret.room(ROOM)
    local declaration, args = fixed.load(NAME, options)
    return declaration.run(args) or 0
  end,
}
