--- Modules that a person wrote for scripts. `require "names"` and `require "lib.names"` look for the files names.lua
--- and lib/names.lua: in the folder of the script, then in each folder of scripts, each time also in its folder lib.
--- A module is run with the globals and the rights of the script that requires it.

local border = require "script.border"
local fail = require "fail"
local folders = require "script.folders"
local interfaces = require "script.interfaces"
local lua_file = require "base.lua_file"
local nearest = require "base.nearest"
local sys = require "host.sys"

local M = {}

--- Compile a file of Lua; a bundled one is compiled already. Raises "config".
---@param found { path: string, text: string, origin: string }
---@param globals table
---@return function
function M.compile(found, globals)
  if found.origin == "bundled" then return assert(sys.embedded_chunk(found.path, globals)) end
  local chunk, why, fix = lua_file.compile(found.text, border.chunk_name(found.path), globals)
  if chunk then return chunk end
  fail.raise { kind = "config", what = "load the script " .. found.path, why = why, fix = fix }
end

-- The folders in which a module is looked for.
local function folders_of(beside)
  local list = folders.list()
  if beside then table.insert(list, 1, { origin = "path", path = beside }) end
  return list
end

-- Read the module in the first folder that has it. Returns nil and the list of paths where there was none.
local function find_module(name, beside)
  local looked, seen = {}, {}
  for _, folder in ipairs(folders_of(beside)) do
    for _, below in ipairs { "", "lib/" } do
      local path, text = folders.read_in(folder, below .. name)
      if text then return { path = path, text = text, origin = folder.origin } end
      if folder.origin ~= "bundled" and not seen[path] then looked[#looked + 1] = path end
      seen[path] = true
    end
  end
  return nil, looked
end

-- A copy that replaces only some steps requires its bundled original as "bundled.setup.…".
local function find_bundled(name)
  local path, text = folders.read_in({ origin = "bundled" }, name)
  return text and { path = path, text = text, origin = "bundled" } or nil, { "the scripts in the program" }
end

-- The names of the modules in these folders and their folders lib; a script may be among them.
local function add_module_names(names, beside)
  for _, folder in ipairs(folders_of(beside)) do
    for _, below in ipairs { "", "/lib" } do
      for _, entry in ipairs(folder.path and sys.list(folder.path .. below) or {}) do
        names[#names + 1] = entry:match "^([%w_-]+)%.lua$"
      end
    end
  end
  return names
end

local function raise_no_module(name, looked, where, beside)
  local meant = nearest(name, add_module_names(interfaces.names(), beside))
  fail.raise {
    kind = "config", what = ("require '%s'%s"):format(name, where),
    why = "there is no such module: it is no interface, and none of these files: " .. table.concat(looked, ", "),
    fix = meant and ("Did you mean '%s'?"):format(meant)
      or "Correct the name, or write the module into one of these files.",
  }
end

--- The chunk of the module that a script requires. Raises "config" when there is none; the failure says where it was
--- looked for.
---@param name string "lib.names"
---@param beside string? the folder of the script
---@param globals table of the script
---@param where string " in line 3 of mine.lua", for the error
---@return function
function M.chunk(name, beside, globals, where)
  local original = name:match "^bundled%.(.+)$"
  local path = (original or name):gsub("%.", "/")
  local found, looked
  if folders.is_name(path) then
    if original then found, looked = find_bundled(path) else found, looked = find_module(path, beside) end
  end
  if not found then raise_no_module(name, looked or { "(its name is no name of a file)" }, where, beside) end
  return M.compile(found, globals)
end

return M
