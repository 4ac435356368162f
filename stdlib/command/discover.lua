--- moonlatch discover: list privileged accounts.

local fixed = require "command.fixed"

local NAME = "discover"

---@type cli.command
return {
  summary = "list privileged accounts, with their roles, their age, and who manages them",
  script = "fixed",
  fixed = NAME,
  examples = { "moonlatch discover", "moonlatch discover --all --format csv" },

  help = fixed.help(NAME, "discover"),

  run = function(options) return fixed.run_list(NAME, options) end,
}
