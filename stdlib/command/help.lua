--- moonlatch help [COMMAND]: show the help of the program or of a command; write the manual pages.

local dispatch = require "command.dispatch"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local path_fix = require "machine.path_fix"
local sys = require "host.sys"

local function write_page(path, text)
  local ok, message = sys.write(path, text, "public")
  if ok then return end
  fail.raise { kind = "config", what = "write " .. path, why = message,
    fix = path_fix.write(path, hint.text "name another folder: {moonlatch} help --man DIR") }
end

-- Write the manual pages into the folder, those of each section into a folder of its own: man1, man5, man7, man8.
local function write_manual_pages(folder)
  local count = 0
  for path, text in pairs(require("manual.pages").files(dispatch.load_command)) do
    path = folder .. "/" .. path
    sys.mkdir((path:match "^(.*)/"))
    write_page(path, text)
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
