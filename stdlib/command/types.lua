--- moonlatch types DIR: write definition files for editors, for the modules that scripts may require.

local folders = require "script.folders"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local new_file = require "machine.new_file"
local own_file = require "machine.own_file"
local sys = require "host.sys"

local function write_definition_file(path, text)
  sys.mkdir((path:match("^(.*)/")))
  own_file.write { path = path, text = text, mark = "---@meta ", noun = "the definitions", target = "folder",
    command = hint.text "{moonlatch} types DIR" }
end

local NOT_FOR_SCRIPTS = { "io", "os", "debug", "package" } -- libraries of Lua

-- The settings of lua-language-server for a folder of scripts.
local function luarc_text(library)
  local builtin = {}
  for _, name in ipairs(NOT_FOR_SCRIPTS) do builtin[name] = "disable" end
  return json.encode({
    ["runtime.version"] = "Lua 5.4", ["runtime.path"] = json.array { "?.lua", "lib/?.lua" },
    ["runtime.builtin"] = builtin, ["workspace.library"] = json.array { library },
    ["workspace.checkThirdParty"] = false,
  }, true) .. "\n"
end

local function absolute_folder(folder)
  return folder:sub(1, 1) == "/" and folder or sys.getenv "PWD" and sys.getenv "PWD" .. "/" .. folder or folder
end

-- Write .luarc.json into the folder of scripts, unless there is one.
local function write_luarc(library)
  local path = folders.for_new_files() .. "/.luarc.json"
  if not sys.stat(path) then
    sys.mkdir(folders.for_new_files())
    new_file.write(path, luarc_text(library), { what = "write " .. path, exists = "Move it away first.",
      otherwise = hint.text "leave it out: {moonlatch} types DIR --only" })
    return log.say(("%s: the settings for the editor."):format(path))
  end
  if not (sys.read(path, 1 << 20) or ""):find(library, 1, true) then
    log.say(('%s exists. Add to it: "workspace.library": [%q]'):format(path, library))
  end
end

local function run_types_command(options)
  local count = 0
  for name, text in pairs(require("script.definitions").files()) do
    write_definition_file(options.folder .. "/" .. name, text)
    count = count + 1
  end
  log.say(("%d files of definitions are in %s."):format(count, options.folder))
  if not options.only then write_luarc(absolute_folder(options.folder)) end
  return 0
end

---@type cli.command
return {
  summary = "write definition files (LuaCATS) of the modules for scripts, for editors",
  details = "Also writes .luarc.json into your folder of scripts (or that of --scripts), unless there is one:\n"
    .. "lua-language-server then completes and checks what scripts require, Graph's types and paths, and the\n"
    .. "members of policies.",
  arguments = { { name = "folder", help = "folder to write into; files of the same names are replaced",
    complete = "folders" } },
  options = { { name = "--only", help = "write the definitions only, no .luarc.json" } },
  examples = { "moonlatch types ~/.config/moonlatch/types" },

  run = run_types_command,
}
