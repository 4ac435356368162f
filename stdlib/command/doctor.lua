--- moonlatch doctor: why it does not work, what ends when, what is over-privileged.

local http = require "http"
local script = require "script"
local session = require "session"
local task = require "task"

local NAME = "doctor"

---@type cli.command
return {
  summary = "why it does not work, what ends when, what is over-privileged",
  usage = "[--name value …] [options]",
  script = "fixed",
  examples = { "moonlatch doctor", "moonlatch doctor --json" },

  help = function()
    local declaration, found = script.load(NAME)
    found.name = ""
    return (script.help(declaration, found, "doctor"):gsub("doctor  ", "doctor "))
  end,

  run = function(options)
    local declaration = script.load(NAME)
    local args = script.arguments(declaration, options.rest)
    local _ <close> = session.start(options, { needs = declaration.needs, reading = true, journal = false })
    return task.run(http.poll, declaration.run, args)
  end,
}
