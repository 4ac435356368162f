--- moonlatch types DIR: write definition files for editors, for the modules that scripts may require.

local hint = require "log.hint"
local log = require "log"
local own_file = require "machine.own_file"
local sys = require "host.sys"

local function write_definition_file(path, text)
  sys.mkdir((path:match("^(.*)/")))
  own_file.write { path = path, text = text, mark = "---@meta ", noun = "the definitions", target = "folder",
    command = hint.text "{moonlatch} types DIR" }
end

local function run_types_command(options)
  local count = 0
  for name, text in pairs(require("script.definitions").files()) do
    write_definition_file(options.folder .. "/" .. name, text)
    count = count + 1
  end
  log.prose(("%d files of definitions are in %s. In .luarc.json beside your scripts: "
    .. "{ \"workspace.library\": [%q] }"):format(count, options.folder, options.folder))
  return 0
end

---@type cli.command
return {
  summary = "write definition files (LuaCATS) of the modules for scripts, for editors",
  arguments = { { name = "folder", help = "folder to write into; files of the same names are replaced",
    complete = "folders" } },
  examples = { "moonlatch types ~/.config/moonlatch/types     # then: workspace.library in .luarc.json" },

  run = run_types_command,
}
