--- moonlatch doctor: find out what is wrong, what expires when, and which rights are not needed.

local fixed = require "command.fixed"

local NAME = "doctor"

local function run_doctor_command(options)
  local declaration, args = fixed.load(NAME, options)
  return fixed.run_reading(declaration, args, options)
end

---@type cli.command
return {
  summary = "find out what is wrong, what expires when, and which rights are not needed",
  script = "fixed",
  examples = { "moonlatch doctor", "moonlatch doctor --json" },
  help = fixed.help(NAME, "doctor"),

  run = run_doctor_command,
}
