--- The command that serves an emulated Entra tenant, Devolutions Server and Devolutions Cloud.

local document = require "report.document"
local http_server = require "http.server"
local json = require "json"
local log = require "log"
local profile = require "emulator.profile"
local report = require "report"
local world = require "emulator.world"

local STANDARD_INPUT = 0

-- One line for a program that started this; text for a person.
local function announce(ready)
  if log.person() then return profile.tell(ready) end
  if not log.json() then return log.say(json.encode(ready)) end
  report.json(ready)
  document.flush()
end

local function run(args)
  local emulator <close> = world.open(args)
  if args.private then emulator.service:watch(STANDARD_INPUT) end
  announce(emulator.ready)
  http_server.serve(emulator.service)
end

return {
  summary = "Serve an emulated Entra tenant with Graph, Devolutions Server and Devolutions Cloud on this machine",
  args = {
    listen = { type = "string", default = "127.0.0.1",
      help = "loopback address; with a port, the services listen on that port and the next three, without one on free "
        .. "ports" },
    behind = { type = "list", default = {}, help = "addresses of a proxy in front: for the login service, Graph and "
      .. "Devolutions Server" },
    devolutions = { type = "string", choices = { "server", "cloud" }, default = "server",
      help = "whose profile commands use by default" },
    users = { type = "integer", default = 200,
      help = "number of users besides the named people; a million cost nothing" },
    applications = { type = "integer", default = 0,
      help = "number of applications besides the named ones; they are there for lists, and cost nothing" },
    seed = { type = "integer", default = 1, help = "the same seed makes the same tenant" },
    latency = { type = "integer", default = 0, help = "milliseconds added to each answer" },
    lag = { type = "string", default = "1-5", help = "seconds until a change is visible; 0 for at once" },
    fault = { type = "list", default = {},
      help = "make requests fail: [PEER] METHOD PATH KIND[:ARGUMENT] [COUNT] [@NTH]" },
    clock = { type = "path", help = "file of the emulator's clock; by default in the folder of --directory" },
    directory = { type = "path",
      help = "folder for the certificate authority, the clock and the profiles; new, or made by an emulator" },
    approve = { type = "string", help = "who signs in by device code or browser: a person, none, or decline; "
      .. "by default the Global Administrator" },
    interval = { type = "integer", default = 5, help = "seconds between two polls of a device code" },
    exchanges = { type = "boolean", default = false,
      help = "keep headers and bodies on the control page, under requests; secrets are masked" },
    refresh = { type = "string", choices = { "reuse", "once" }, default = "reuse",
      help = "refresh tokens: reuse (as Entra), or once (a second use revokes the sign-in)" },
    signing_key = { type = "path",
      help = "PEM file with the RSA key that signs tokens; by default a new key" },
    private = { type = "boolean", default = false, help = "exit when standard input closes (--emulator uses this)" },
  },
  needs = {},
  run = run,
}
