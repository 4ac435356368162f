--- Make the globals of a script: Lua's libraries without access to the machine, and a `require` for the interfaces of
--- the library. Each script gets copies and views of its own, so that a script cannot reach another script through
--- them.

local acting = require "script.acting"
local border = require "script.border"
local interfaces = require "script.interfaces"
local strict = require "base.strict"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

local BASIC_FUNCTIONS = {
  "_VERSION", "assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen", "select", "tonumber",
  "tostring", "type",
}
local LUA_LIBRARIES = { "math", "string", "table", "utf8" }

local LIBRARY = debug.getinfo(1, "S").source:match "^(.*)script/sandbox%.lua$" -- "@stdlib/"

local LOADING_MODULE = {} -- the value of a module while its file is being loaded

local function copy_library(library)
  local twin = {}
  for name, value in pairs(library) do twin[name] = value end
  return twin
end

---------------------------------------------------------------------------
-- The language

-- A value for a person: plain tables as the prompt shows them.
local function printed_text(value)
  local show = type(value) == "table" and require "report.show"
  if not show then return tostring(value) end
  return table.concat(show.lines(value, term.width()), "\n")
end

-- Print values: one table, or several values in one line, with what a table has below it.
local function print_to_log(...)
  local texts = table.pack(...)
  for i = 1, texts.n do texts[i] = printed_text(texts[i]) end
  local has_table = table.concat(texts):find("\n", 1, true)
  require("log").say(table.concat(texts, has_table and "\n" or "\t"))
end

-- The getmetatable of scripts. The metatable of strings is hidden, because the whole program shares it.
local function metatable_unless_string(value)
  if type(value) == "string" then return nil end
  return getmetatable(value)
end

local function rawset_unless_library(target, key, value)
  if border.is_face_or_view(target) then error("what belongs to the library cannot be changed by a script", 2) end
  return rawset(target, key, value)
end

local function new_setmetatable(script_border)
  return function(target, meta)
    if type(meta) == "table" then
      if rawget(meta, "__gc") ~= nil then
        error("__gc is not for scripts: use a variable with <close>, and __close", 2)
      end
      script_border:own_metatable(meta, target)
    end
    return setmetatable(target, meta)
  end
end

-- Convert an error for the script that catches it. After Ctrl-C, the error is raised again, so that a loop around pcall
-- ends, too.
local function convert_caught_error(script_border, err)
  if type(err) == "string" and sys.interrupts() > 0 and err:find "interrupted$" then error(err, 0) end
  return script_border:error_to_script(err)
end

-- The pcall and xpcall of scripts. The handler of xpcall runs after the calls that the error came through have ended,
-- so that it cannot act with their rights, and cannot prevent that the rights are restored.
local function new_pcall_and_xpcall(script_border)
  local function caught(ok, ...)
    if ok then return true, ... end
    return false, convert_caught_error(script_border, (...))
  end
  local function handled(handler, ok, ...)
    if ok then return true, ... end
    return false, handler(convert_caught_error(script_border, (...)))
  end
  return function(...) return caught(pcall(...)) end,
    function(fn, handler, ...) return handled(handler, pcall(fn, ...)) end
end

-- The coroutine library of scripts. running() returns only coroutines that the script made, never the coroutine in
-- which the library runs the script.
local function new_coroutine_library(script_border)
  local coroutines_of_script = setmetatable({}, { __mode = "k" })
  local library = copy_library(coroutine)
  local function convert_coroutine_results(ok, ...)
    if ok then return true, ... end
    return false, convert_caught_error(script_border, (...))
  end
  local function return_or_raise_results(co, ok, ...)
    if ok then return ... end
    local err = convert_caught_error(script_border, (...))
    coroutine.close(co)
    error(err, 0)
  end
  function library.create(fn)
    local co = coroutine.create(fn)
    coroutines_of_script[co] = true
    return co
  end
  function library.resume(co, ...)
    return convert_coroutine_results(acting.restore_rights_after(coroutine.resume, co, ...))
  end
  function library.wrap(fn)
    local co = library.create(fn)
    return function(...) return return_or_raise_results(co, acting.restore_rights_after(coroutine.resume, co, ...)) end
  end
  function library.running()
    local co = coroutine.running()
    if coroutines_of_script[co] then return co, false end
    return nil, true
  end
  function library.close(co)
    return convert_coroutine_results(acting.restore_rights_after(coroutine.close, co))
  end
  return library
end

---------------------------------------------------------------------------
-- Modules

--- May a script require the library's module of that name?
---@param name string
---@return boolean
function M.is_open(name) return interfaces.of(name) ~= nil end

--- The names of the library's modules that a script may require, sorted.
---@return string[]
function M.modules() return interfaces.names() end

-- Is it the name of a module of the library, or of a folder of modules?
local function is_in_library(name)
  if package.loaded[name] ~= nil then return true end
  for _, search in ipairs(package.searchers) do
    local loader = search(name)
    if type(loader) == "function" then return true end
  end
  return #sys.embedded_list(("stdlib/%s/"):format(name:gsub("%.", "/"))) > 0
end

local function refuse_closed_module(name)
  local meant = interfaces.suggest(name)
  local hint = meant and ("; the interface is '%s'"):format(meant) or ""
  error(("scripts may not require '%s'%s"):format(name, hint), 3)
end

local function check_module_name(name)
  if type(name) ~= "string" then error("require needs the name of a module", 3) end
  if not name:find "^[%w_][%w_.-]*$" or name:find("..", 1, true) or name:find "%.$" then
    error(("%q is no name of a module"):format(name), 3)
  end
end

---@class sandbox.options
---@field beside string? the folder of the script, in which its modules are looked for first
---@field emulator boolean? is it a file of the emulator, in the emulator's own process?

-- The place of the script's call, for an error: " in line 3 of mine.lua". `level` as of debug.getinfo.
local function place_of_call(level)
  local caller = debug.getinfo(level + 1, "Sl")
  if not caller or caller.source:sub(1, #LIBRARY) == LIBRARY then return "" end -- of a tail call
  return caller.currentline > 0 and (" in line %d of %s"):format(caller.currentline, caller.short_src) or ""
end

-- The require of a script: it finds Lua's libraries, interfaces of the library, and modules that a person wrote.
---@param script_border script.border
---@param options sandbox.options
---@param libraries table<string, table> the script's copies of Lua's libraries
---@param new_globals fun(): table makes the globals for a module
local function new_require(script_border, options, libraries, new_globals)
  local loaded = {} -- the modules that this script has required
  local own = {} -- those of them that a person wrote

  local function library_module(name)
    if options.emulator and (interfaces.of_emulator[name] or interfaces.of(name)) then return require(name) end
    if interfaces.of(name) then return script_border:view(name) end
  end

  local function own_module(name)
    local chunk = require("script.modules").chunk(name, options.beside, new_globals(), place_of_call(3))
    loaded[name] = LOADING_MODULE
    local value = chunk(name)
    own[name] = value == nil and true or value
    return own[name]
  end

  local function require_module(name)
    check_module_name(name)
    if libraries[name] then return libraries[name] end
    if loaded[name] == LOADING_MODULE then error(("'%s' requires itself through other modules"):format(name), 2) end
    if loaded[name] == nil then
      local value = library_module(name)
      if value == nil and is_in_library(name) then refuse_closed_module(name) end
      loaded[name] = value == nil and own_module(name) or value
    end
    return loaded[name]
  end

  -- Forget a module that a person wrote, or all of them. Returns the values of those that were loaded, by name.
  local function forget(name)
    local values = {}
    for known, value in pairs(own) do
      if name == nil or name == known then values[known], own[known], loaded[known] = value, nil, nil end
    end
    return values
  end

  return require_module, forget
end

--- Make the globals of a script file, and the border of the script. `require` in these globals finds interfaces by
--- their names, and modules that a person wrote (script.modules).
---@param options sandbox.options?
---@return table globals, script.border border
---@return fun(name: string?): table<string, any> forget lets a module of a person, or all, be loaded anew
function M.globals(options)
  local script_border = border.new()
  local shared = { print = print_to_log, getmetatable = metatable_unless_string, rawset = rawset_unless_library }
  shared.setmetatable = new_setmetatable(script_border)
  shared.pcall, shared.xpcall = new_pcall_and_xpcall(script_border)
  local libraries = { coroutine = new_coroutine_library(script_border) }
  for _, name in ipairs(LUA_LIBRARIES) do libraries[name] = copy_library(_G[name]) end
  libraries.string.dump = nil

  local function new_globals()
    local globals = copy_library(shared)
    for _, name in ipairs(BASIC_FUNCTIONS) do globals[name] = _G[name] end
    for name, library in pairs(libraries) do globals[name] = library end
    globals._G = globals
    return strict.guard(globals)
  end

  local forget
  shared.require, forget = new_require(script_border, options or {}, libraries, new_globals)
  for _, fn in pairs(shared) do script_border:own(fn) end
  for _, fn in pairs(libraries.coroutine) do script_border:own(fn) end
  return new_globals(), script_border, forget
end

return M
