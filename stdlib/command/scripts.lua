--- moonlatch scripts: which there are; show one; copy one to edit it.

local fail = require "fail"
local log = require "log"
local report = require "report"
local script = require "script"
local sys = require "host.sys"
local term = require "host.term"

local function summary_of(name)
  local ok, declaration = pcall(script.load, name)
  if ok then return declaration.summary end
  return "does not load: " .. tostring(declaration):match("^[^\n]*")
end

local function list()
  local rows = {}
  for i, name in ipairs(script.names()) do
    local found = script.find(name)
    rows[i] = { name = name, origin = found.origin, summary = summary_of(name), path = found.path }
  end
  report.table(rows, { "name", "origin", "summary" })
end

local function show(name)
  local found = script.find(name)
  if log.json() then return report.json { name = name, path = found.path, origin = found.origin, text = found.text } end
  term.write("out", found.text)
end

local function copy(name)
  local found = script.find(name)
  local path = ("%s/%s.lua"):format(script.own_folder(), name)
  sys.mkdir((path:match("^(.*)/")))
  local ok, message, kind = sys.write(path, found.text, "new")
  if ok then
    log.say(("%s: edit it; it is found before the bundled one."):format(path))
    return
  end
  fail.raise {
    kind = kind == "exists" and "conflict" or "config", what = ("copy %s to %s"):format(name, path), why = message,
    fix = kind == "exists" and "It is yours already: edit it, or move it away first." or nil,
  }
end

local ACTIONS = { list = list, show = show, copy = copy }

---@type cli.command
return {
  summary = "which scripts there are; show one; copy one to edit it",
  usage = "[list | show NAME | copy NAME] [options]",
  arguments = {
    { name = "action", help = "list (the default), show or copy", optional = true },
    { name = "name", help = "of the script", optional = true },
  },
  examples = { "moonlatch scripts", "moonlatch scripts copy setup/entra-pam-provider" },

  run = function(options)
    local action = ACTIONS[options.action or "list"]
    if not action or (action ~= list and not options.name) then
      fail.raise {
        kind = "usage", what = "scripts " .. (options.action or ""),
        why = action and "NAME is missing" or "there is no such action",
        fix = "There are list, show NAME and copy NAME.",
      }
    end
    action(options.name)
    return 0
  end,
}
