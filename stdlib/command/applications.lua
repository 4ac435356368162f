--- moonlatch applications: list the credentials of all applications.

local fixed = require "command.fixed"

local NAME = "applications"

---@type cli.command
return {
  summary = "list the credentials of all applications: expiry, last use, owners, and what they could do",
  script = "fixed",
  fixed = NAME,
  examples = { "moonlatch applications --expiring 30d", "moonlatch applications --format csv" },

  help = fixed.help(NAME, "applications"),

  run = function(options) return fixed.run_list(NAME, options) end,
}
