--- moonlatch doctor: why it does not work, what ends when, what is over-privileged.

local fixed = require "command.fixed"

local NAME = "doctor"

---@type cli.command
return {
  summary = "why it does not work, what ends when, what is over-privileged",
  script = "fixed",
  examples = { "moonlatch doctor", "moonlatch doctor --json" },
  help = fixed.help(NAME, "doctor"),

  run = function(options)
    local declaration, args = fixed.load(NAME, options)
    return fixed.read(declaration, args, options)
  end,
}
