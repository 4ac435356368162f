--- moonlatch help [COMMAND]: show the help of the program or of a command; write the manual pages.

local dispatch = require "command.dispatch"
local hint = require "log.hint"
local log = require "log"
local own_file = require "machine.own_file"
local sys = require "host.sys"

-- Write the manual pages into the folder, those of each section into a folder of its own: man1, man5, man7, man8.
local function write_manual_pages(folder)
  local count = 0
  for path, text in pairs(require("manual.pages").files(dispatch.load_command)) do
    path = folder .. "/" .. path
    sys.mkdir((path:match "^(.*)/"))
    own_file.write { path = path, text = text, mark = '" "Moonlatch"\n', noun = "the manual page", target = "folder",
      command = hint.text "{moonlatch} help --man DIR", public = true }
    count = count + 1
  end
  log.prose(("%d manual pages are in %s"):format(count, folder))
end

local function run_help_command(options)
  if options.man then write_manual_pages(options.man) else dispatch.print_help(options.command) end
  return 0
end

---@type cli.command
return {
  summary = "show the help of moonlatch, or of a command; write the manual pages",
  arguments = { { name = "command", help = "name of the command", optional = true, complete = "commands" } },
  options = {
    { name = "--man", value = "DIR", help = "write the manual pages into this folder, for MANPATH" },
  },
  examples = {
    "moonlatch help", "moonlatch help rotate",
    "moonlatch help --man ~/.local/share/man   # then: man moonlatch",
  },

  run = run_help_command,
}
