--- moonlatch doctor: why it does not work, what ends when, what is over-privileged.

local fixed = require "cli.fixed"
local http = require "http"
local session = require "session"
local task = require "task"

local NAME = "doctor"

---@type cli.command
return {
  summary = "why it does not work, what ends when, what is over-privileged",
  script = "fixed",
  examples = { "moonlatch doctor", "moonlatch doctor --json" },
  help = fixed.help(NAME, "doctor"),

  run = function(options)
    local declaration, args = fixed.load(NAME, options)
    local _ <close> = session.start(options, { needs = declaration.needs, reading = true, journal = false })
    return task.run(http.poll, declaration.run, args)
  end,
}
