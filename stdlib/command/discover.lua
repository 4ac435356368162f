--- moonlatch discover: privileged accounts.

local dispatch = require "cli.dispatch"
local http = require "http"
local script = require "script"
local session = require "session"
local task = require "task"

local NAME = "discover"

---@type cli.command
return {
  summary = "privileged accounts: by role and group, managed or not, how old",
  usage = "[--name value …] [options]",
  script = "fixed",
  examples = { "moonlatch discover", "moonlatch discover --all --format csv" },

  help = function()
    local declaration, found = script.load(NAME)
    found.name = ""
    return (script.help(declaration, found, "discover"):gsub("discover  ", "discover "))
  end,

  run = function(options)
    local declaration = script.load(NAME)
    local args = script.arguments(declaration, options.rest)
    if args.format ~= "table" and not options.json then -- what is said goes elsewhere, as with --json
      options.json = true
      dispatch.speak(options)
    elseif options.json then
      args.format = "json"
    end
    local _ <close> = session.start(options, { needs = declaration.needs, reading = true, journal = false })
    return task.run(http.poll, declaration.run, args)
  end,
}
