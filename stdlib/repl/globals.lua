--- The globals of the prompt: those of a script, the interfaces without `require`, and the variables that were
--- assigned. Reading an unknown name raises a failure with a suggestion.

local fail = require "fail"
local nearest = require "base.nearest"
local sandbox = require "script.sandbox"
local sets = require "base.sets"

local M = {}

local modules_by_room ---@type table<string, string[]>? first part of a module's name -> names of the modules in it

-- The modules that a script may require, by the first part of their names.
local function load_modules_by_room()
  if modules_by_room then return modules_by_room end
  modules_by_room = {}
  for _, name in ipairs(sandbox.modules()) do
    local room = name:match("^[^.]+")
    modules_by_room[room] = modules_by_room[room] or {}
    table.insert(modules_by_room[room], name)
  end
  return modules_by_room
end

local function raise_unknown_global(name, known)
  local meant = nearest(name, known)
  fail.raise {
    kind = "usage", what = ("read the name '%s'"):format(name), why = "there is nothing of that name",
    fix = meant and ("Did you mean '%s'?"):format(meant) or "Type help() for the names; or make a new one: name = "
      .. "value.",
  }
end

local ROOM_CLASS = "room" -- __name of a table that stands for several modules: `entra`, `devolutions`

-- Make the table of a room: `entra.owner` requires the module of that name.
local function new_room(room, require_module)
  local names = {}
  for _, name in ipairs(load_modules_by_room()[room]) do names[name:sub(#room + 2)] = true end
  local function read(self, key)
    if not names[key] then raise_unknown_global(("%s.%s"):format(room, tostring(key)), load_modules_by_room()[room]) end
    local value = require_module(room .. "." .. key)
    rawset(self, key, value)
    return value
  end
  return setmetatable({}, { __name = ROOM_CLASS, __index = read, room = room, modules = names })
end

--- The name of a room, and the names of the modules in it; nil for any other value.
---@param value any
---@return { name: string, modules: table<string, true> }|nil
function M.room(value)
  local meta = type(value) == "table" and getmetatable(value)
  if type(meta) ~= "table" or meta.__name ~= ROOM_CLASS then return nil end
  return { name = meta.room, modules = meta.modules }
end

local function add_global_names(list, seen, values)
  for name in pairs(values) do
    if type(name) == "string" and not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
end

-- The __index of the globals: look for a name among Lua's functions, then among the interfaces. (The variables that a
-- person assigned are in the table of globals itself.)
local function new_global_finder(base, names)
  return function(env, name)
    local value = rawget(base, name)
    if value ~= nil then return value end
    if name == "last" or name == "_" then return nil end
    local room = type(name) == "string" and load_modules_by_room()[name]
    if not room then raise_unknown_global(tostring(name), names()) end
    value = sets.of(load_modules_by_room()[name])[name] and base.require(name) or new_room(name, base.require)
    rawset(env, name, value)
    return value
  end
end

-- Make the function that loads a person's modules anew: one, or all. Variables that hold the value of a module get its
-- new value.
local function new_reload(env, base, forget)
  return function(wanted)
    local result
    for name, before in pairs(forget(wanted)) do
      local now = base.require(name)
      for variable, value in pairs(env) do
        if rawequal(value, before) then rawset(env, variable, now) end
      end
      result = name == wanted and now or result
    end
    if wanted and result == nil then return base.require(wanted) end
    return result
  end
end

--- Make the globals of the prompt. The names `last` and `_` are known even while their value is nil.
---@param extras table<string, any> the prompt's own functions
---@return table env, fun(): string[] names returns all names, sorted
---@return fun(name: string?): any reload loads a person's module anew, or all of them
function M.new(extras)
  local base, _, forget = sandbox.globals()
  local env = {}
  local function names()
    local list, seen = {}, {}
    for _, values in ipairs { env, base, load_modules_by_room() } do add_global_names(list, seen, values) end
    table.sort(list)
    return list
  end
  for name, value in pairs(extras) do env[name] = value end
  base._G = env
  return setmetatable(env, { __index = new_global_finder(base, names) }), names, new_reload(env, base, forget)
end

return M
