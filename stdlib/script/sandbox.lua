--- What a script sees: the language and the library, but not the machine. This
--- guards against accident; it is no wall against the script's author.

local strict = require "base.strict"

local M = {}

local PLAIN = {
  "_VERSION", "assert", "error", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset", "select",
  "setmetatable", "tonumber", "tostring", "type", "xpcall",
}
local LIBRARIES = { "coroutine", "math", "string", "table", "utf8" }

-- Not for scripts: what runs them, and the standard library's doors to the machine.
local CLOSED = {}
for name in ("_G debug io os package argparse cli meta repl script session strict task.rights task.timers program.run "
  .. "folder.files"):gmatch("%S+") do
  CLOSED[name] = true
end

local LOADING = {} -- stands for a module until its file has ended

local function copy(library)
  local twin = {}
  for name, value in pairs(library) do twin[name] = value end
  return twin
end

local function say(...)
  local texts = table.pack(...)
  for i = 1, texts.n do texts[i] = tostring(texts[i]) end
  require("log").say(table.concat(texts, "\t"))
end

-- The metatable of strings is shared by the whole program.
local function metatable_of(value)
  if type(value) == "string" then return nil end
  return getmetatable(value)
end

--- May a script require the library's module of that name?
---@param name string
---@return boolean
function M.is_open(name)
  local room = name:match("^[^.]+")
  return not (CLOSED[room] or CLOSED[name] or room == "host" or room == "command")
end

--- Names of the library's modules that a script may require, sorted.
---@return string[]
function M.modules()
  local list = {}
  for _, name in ipairs(require("script.reference").modules()) do
    if M.is_open(name) then list[#list + 1] = name end
  end
  return list
end

-- Is it a module of the library?
local function in_library(name)
  if package.loaded[name] ~= nil then return true end
  for _, search in ipairs(package.searchers) do
    local loader = search(name)
    if type(loader) == "function" then return true end
  end
  return false
end

local function refuse(name)
  local plain = name:match("^host%.(.+)$")
  local hint = plain and in_library(plain) and ("; the library's module is '%s'"):format(plain) or ""
  error(("scripts may not require '%s'%s"):format(name, hint), 4)
end

local function check_open(name)
  if type(name) ~= "string" then error("require needs the name of a module", 3) end
  if not M.is_open(name) then refuse(name) end
end

---@alias sandbox.sibling fun(name: string): function?, string?

--- The globals of one script file. Library modules are required as ever; other
--- names are looked for by `sibling(name, globals)`, which gives the file's chunk.
---@param sibling nil|fun(name: string, globals_of: fun(): table): function?
---@return table
function M.globals(sibling)
  local loaded = {} -- modules of this script only
  local globals_of

  local function require_module(name)
    check_open(name)
    if in_library(name) then return require(name) end
    if loaded[name] == LOADING then error(("'%s' requires itself, by way of others"):format(name), 2) end
    if loaded[name] ~= nil then return loaded[name] end
    local chunk = sibling and sibling(name, globals_of)
    if not chunk then
      error(("there is no module '%s', neither in the library nor beside the script"):format(name), 2)
    end
    loaded[name] = LOADING
    local value = chunk(name)
    loaded[name] = value == nil and true or value
    return loaded[name]
  end

  function globals_of()
    local globals = { print = say, getmetatable = metatable_of, require = require_module }
    for _, name in ipairs(PLAIN) do globals[name] = _G[name] end
    for _, name in ipairs(LIBRARIES) do globals[name] = copy(_G[name]) end
    globals.string.dump = nil
    globals._G = globals
    return strict.guard(globals)
  end

  return globals_of()
end

return M
