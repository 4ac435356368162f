--- moonlatch activity: list what Entra's logs tell.

local fixed = require "command.fixed"

local NAME = "activity"

---@type cli.command
return {
  summary = "list what Entra's logs tell: sign-ins by secret and address, and who changed what",
  script = "fixed",
  fixed = NAME,
  examples = { "moonlatch activity --app \"Devolutions PAM\"", "moonlatch activity --user anna@contoso.com" },

  help = fixed.help(NAME, "activity"),

  run = function(options) return fixed.run_list(NAME, options) end,
}
