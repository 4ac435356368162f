--- The emulated Entra tenant, Devolutions Server and Devolutions Cloud, as a command.

local document = require "report.document"
local httpd = require "http.server"
local json = require "json"
local log = require "log"
local profile = require "emulator.profile"
local report = require "report"
local world = require "emulator.world"

local STANDARD_INPUT = 0

-- One line for a program that started this; text for a person.
local function announce(ready)
  if log.person() then return log.say(profile.text(ready)) end
  if not log.json() then return log.say(json.encode(ready)) end
  report.json(ready)
  document.flush()
end

local function run(args)
  local emulator <close> = world.open(args)
  if args.private then emulator.service:watch(STANDARD_INPUT) end
  announce(emulator.ready)
  httpd.serve(emulator.service)
end

return {
  summary = "Serve an Entra tenant, Graph and Devolutions Server and Cloud on this machine, to try things out",
  args = {
    listen = { type = "string", default = "127.0.0.1",
      help = "loopback address, with a port for the login service (the others take the next three); without one any" },
    behind = { type = "list", default = {}, help = "addresses of a proxy before it: for the login service, Graph and "
      .. "Devolutions Server" },
    devolutions = { type = "string", choices = { "server", "cloud" }, default = "server",
      help = "whose profile commands use when none is named" },
    users = { type = "integer", default = 200, help = "how many besides the named people; a million cost nothing" },
    seed = { type = "integer", default = 1, help = "the same seed makes the same tenant" },
    latency = { type = "integer", default = 0, help = "milliseconds added to each answer" },
    lag = { type = "string", default = "1-5", help = "seconds until what was written is visible; 0 for at once" },
    fault = { type = "list", default = {},
      help = "what goes wrong: [PEER] METHOD PATH KIND[:ARGUMENT] [COUNT] [@NTH]" },
    clock = { type = "path", help = "file of the emulator's clock; in the folder by default" },
    directory = { type = "path", help = "new or own folder for the authority, the clock and the ready profile" },
    approve = { type = "string", help = "who signs in by device code or browser: a person, none, or decline; "
      .. "by default the Global Administrator" },
    interval = { type = "integer", default = 5, help = "seconds between two polls of a device code" },
    exchanges = { type = "boolean", default = false,
      help = "keep what is said, secrets masked, on the control page under requests" },
    refresh = { type = "string", choices = { "reuse", "once" }, default = "reuse",
      help = "may a refresh token be used again, as Entra's may, or does that end the sign-in" },
    private = { type = "boolean", default = false, help = "end when standard input does" },
  },
  needs = {},
  run = run,
}
