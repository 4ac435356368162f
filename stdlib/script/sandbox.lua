--- What a script sees: the language and the interfaces of the library, but neither the machine nor the library's
--- inside. A script gets copies and views of its own, so that two scripts cannot reach each other either.

local acting = require "script.acting"
local border = require "script.border"
local interfaces = require "script.interfaces"
local strict = require "base.strict"
local sys = require "host.sys"

local M = {}

local PLAIN = {
  "_VERSION", "assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen", "select", "tonumber",
  "tostring", "type",
}
local LIBRARIES = { "math", "string", "table", "utf8" }

local LOADING = {} -- stands for a module until its file has ended

local function copy(library)
  local twin = {}
  for name, value in pairs(library) do twin[name] = value end
  return twin
end

---------------------------------------------------------------------------
-- The language

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

local function set_raw(target, key, value)
  if border.is_ours(target) then error("what belongs to the library cannot be changed by a script", 2) end
  return rawset(target, key, value)
end

local function metatable_setter(own)
  return function(target, meta)
    if type(meta) == "table" then
      if rawget(meta, "__gc") ~= nil then
        error("__gc is not for scripts: use a variable with <close>, and __close", 2)
      end
      own:own_metatable(meta, target)
    end
    return setmetatable(target, meta)
  end
end

-- An error as a script may catch it. A person's Ctrl-C is not to be caught: it ends a loop around pcall, too.
local function catch(own, err)
  if type(err) == "string" and sys.interrupts() > 0 and err:find "interrupted$" then error(err, 0) end
  return own:caught(err)
end

-- The handler of xpcall runs when all has been left that the error came through: it may neither act with the rights
-- in force down there nor stop what closes them.
local function catchers(own)
  local function caught(ok, ...)
    if ok then return true, ... end
    return false, catch(own, (...))
  end
  local function handled(handler, ok, ...)
    if ok then return true, ... end
    return false, handler(catch(own, (...)))
  end
  return function(...) return caught(pcall(...)) end,
    function(fn, handler, ...) return handled(handler, pcall(fn, ...)) end
end

-- Only what the script made itself: running() does not show the coroutine in which the library runs the script.
local function coroutines_of(own)
  local made = setmetatable({}, { __mode = "k" })
  local library = copy(coroutine)
  local function outcome(ok, ...)
    if ok then return true, ... end
    return false, catch(own, (...))
  end
  local function results(co, ok, ...)
    if ok then return ... end
    local err = catch(own, (...))
    coroutine.close(co)
    error(err, 0)
  end
  function library.create(fn)
    local co = coroutine.create(fn)
    made[co] = true
    return co
  end
  function library.resume(co, ...) return outcome(acting.restoring(coroutine.resume, co, ...)) end
  function library.wrap(fn)
    local co = library.create(fn)
    return function(...) return results(co, acting.restoring(coroutine.resume, co, ...)) end
  end
  function library.running()
    local co = coroutine.running()
    if made[co] then return co, false end
    return nil, true
  end
  function library.close(co) return outcome(acting.restoring(coroutine.close, co)) end
  return library
end

---------------------------------------------------------------------------
-- Modules

--- May a script require the library's module of that name?
---@param name string
---@return boolean
function M.is_open(name) return interfaces.of(name) ~= nil end

--- Names of the library's modules that a script may require, sorted.
---@return string[]
function M.modules() return interfaces.names() end

-- Is it a module of the library, or a folder of these?
local function in_library(name)
  if package.loaded[name] ~= nil then return true end
  for _, search in ipairs(package.searchers) do
    local loader = search(name)
    if type(loader) == "function" then return true end
  end
  return #sys.embedded_list(("stdlib/%s/"):format(name:gsub("%.", "/"))) > 0
end

local function refuse(name)
  local meant = interfaces.meant(name)
  local hint = meant and ("; the interface is '%s'"):format(meant) or ""
  error(("scripts may not require '%s'%s"):format(name, hint), 3)
end

local function check_name(name)
  if type(name) ~= "string" then error("require needs the name of a module", 3) end
  if not name:find "^[%w_][%w_.-]*$" or name:find("..", 1, true) or name:find "%.$" then
    error(("%q is no name of a module"):format(name), 3)
  end
end

---@alias sandbox.sibling fun(name: string, globals_of: fun(): table): function?

---@class sandbox.options
---@field sibling sandbox.sibling? finds the chunk of a module beside the script
---@field emulator boolean? one of the emulator's own files, in the emulator's own process

---@param globals table of the file that asks
local function requirer(own, options, libraries, globals_of)
  local loaded = {} -- modules of this script only

  local function of_library(name)
    if options.emulator and (interfaces.of_emulator[name] or interfaces.of(name)) then return require(name) end
    if interfaces.of(name) then return own:view(name) end
  end

  local function of_script(name)
    local chunk = options.sibling and options.sibling(name, globals_of)
    if not chunk then
      error(("there is no module '%s', neither in the library nor beside the script"):format(name), 3)
    end
    loaded[name] = LOADING
    local value = chunk(name)
    return value == nil and true or value
  end

  return function(name)
    check_name(name)
    if libraries[name] then return libraries[name] end
    if loaded[name] == LOADING then error(("'%s' requires itself, by way of others"):format(name), 2) end
    if loaded[name] == nil then
      local value = of_library(name)
      if value == nil and in_library(name) then refuse(name) end
      loaded[name] = value == nil and of_script(name) or value
    end
    return loaded[name]
  end
end

--- The globals of one script file, and the border that it is behind. Interfaces are required by their names; other
--- names are looked for by `sibling(name, globals_of)`, which gives the file's chunk.
---@param options sandbox.options?
---@return table globals, script.border border
function M.globals(options)
  local own = border.new()
  local shared = { print = say, getmetatable = metatable_of, rawset = set_raw }
  shared.setmetatable = metatable_setter(own)
  shared.pcall, shared.xpcall = catchers(own)
  local libraries = { coroutine = coroutines_of(own) }
  for _, name in ipairs(LIBRARIES) do libraries[name] = copy(_G[name]) end
  libraries.string.dump = nil

  local function globals_of()
    local globals = copy(shared)
    for _, name in ipairs(PLAIN) do globals[name] = _G[name] end
    for name, library in pairs(libraries) do globals[name] = library end
    globals._G = globals
    return strict.guard(globals)
  end

  shared.require = requirer(own, options or {}, libraries, globals_of)
  for _, fn in pairs(shared) do own:own(fn) end
  for _, fn in pairs(libraries.coroutine) do own:own(fn) end
  return globals_of(), own
end

return M
