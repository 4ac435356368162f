--- The names at the prompt: a script's surroundings, the library's modules without
--- `require`, and what was assigned. Names that are not there raise, and say what was meant.

local fail = require "fail"
local nearest = require "base.nearest"
local sandbox = require "script.sandbox"
local sets = require "base.sets"

local M = {}

local rooms ---@type table<string, string[]>? first part of a module's name -> names of the modules in it

-- The modules that a script may require, by the first part of their names.
local function all_rooms()
  if rooms then return rooms end
  rooms = {}
  for _, name in ipairs(sandbox.modules()) do
    local room = name:match("^[^.]+")
    rooms[room] = rooms[room] or {}
    table.insert(rooms[room], name)
  end
  return rooms
end

local function raise_unknown(name, known)
  local meant = nearest(name, known)
  fail.raise {
    kind = "usage", what = ("read the name '%s'"):format(name), why = "there is nothing of that name",
    fix = meant and ("Did you mean '%s'?"):format(meant) or "help() says what there is; name = value makes a new one.",
  }
end

local ROOM = "room" -- what stands for several modules: `entra`, `devolutions`

-- `devolutions.server` is the module of that name.
local function room_of(room, require_module)
  local names = {}
  for _, name in ipairs(all_rooms()[room]) do names[name:sub(#room + 2)] = true end
  local function read(self, key)
    if not names[key] then raise_unknown(("%s.%s"):format(room, tostring(key)), all_rooms()[room]) end
    local value = require_module(room .. "." .. key)
    rawset(self, key, value)
    return value
  end
  return setmetatable({}, { __name = ROOM, __index = read, room = room, modules = names })
end

--- The name of such a room and those of the modules in it; nil for any other value.
---@param value any
---@return { name: string, modules: table<string, true> }|nil
function M.room(value)
  local meta = type(value) == "table" and getmetatable(value)
  if type(meta) ~= "table" or meta.__name ~= ROOM then return nil end
  return { name = meta.room, modules = meta.modules }
end

local function add_keys(list, seen, values)
  for name in pairs(values) do
    if type(name) == "string" and not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
end

-- What a person wrote, then the language, then the library.
local function finder(base, names)
  return function(env, name)
    local value = rawget(base, name)
    if value ~= nil then return value end
    if name == "last" then return nil end
    local room = type(name) == "string" and all_rooms()[name]
    if not room then raise_unknown(tostring(name), names()) end
    value = sets.of(all_rooms()[name])[name] and base.require(name) or room_of(name, base.require)
    rawset(env, name, value)
    return value
  end
end

--- Names for what is typed. `extras` are the prompt's own; `last` is one of them, also while it is nil.
---@param extras table<string, any>
---@return table env, fun(): string[] names all names there are, sorted
function M.new(extras)
  local base, env = sandbox.globals(), {}
  local function names()
    local list, seen = {}, {}
    for _, values in ipairs { env, base, all_rooms() } do add_keys(list, seen, values) end
    table.sort(list)
    return list
  end
  for name, value in pairs(extras) do env[name] = value end
  base._G = env
  return setmetatable(env, { __index = finder(base, names) }), names
end

return M
