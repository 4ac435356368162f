--- The border between a script and the library. Every value that passes it is converted here, so that a script can
--- neither reach nor change what belongs to the library or to another script:
--
--  - a module of the library is seen as a view: read-only, with functions that convert what they are given and give;
--  - an object of a class is seen as a face: an empty, read-only table that shows what its class opens, and nothing
--    else. Handed back, a face stands for its object;
--  - a failure is handed out as a copy; a native handle or a coroutine of the library never is;
--  - a table of the script is copied without calling any metamethod; one with a metatable is refused;
--  - a function of the script is called with the rights of the script that handed it over.

local acting = require "script.acting"
local class = require "base.class"
local fail = require "fail"
local interfaces = require "script.interfaces"
local json = require "host.json"
local secret = require "host.secret"

local M = {}

local LEVELS = 100 -- how deep a table of a script may be
local THIS = debug.getinfo(1, "S")
local HERE = "^" .. THIS.short_src:gsub("%p", "%%%0") .. ":%d+: "
local LIBRARY = THIS.source:match "^(.*)script/border%.lua$" -- "@stdlib/"
local metatable_of = debug.getmetatable -- a protected metatable gives its name only
local ARRAY = metatable_of(json.array {})

local behind = setmetatable({}, { __mode = "k" }) ---@type table<table, any> face -> object, view -> module
local original_of = setmetatable({}, { __mode = "k" }) ---@type table<function, function> as a script sees it -> ours

---@class script.border
---@field faces table<any, table> object -> face
---@field metatables table<table, table> metatable of objects -> that of their faces
---@field shown table<function, function> of the library -> as the script sees it
---@field called table<function, function> of the script -> as the library calls it
---@field scripts table<function, function> the other way round
---@field metatables_of_script table<table, true>
---@field given table<table, true> plain tables that the library gave to the script
---@field kept table<table, true> plain tables that the library may keep, and the script has, too
local Border = class "script.border"

local OBJECT = { arguments = "kept", depth = math.huge } -- methods, and functions among results
local JSON = { arguments = "kept", depth = 0 } -- functions among results that are JSON: what they give is JSON, too
local CALLBACK = { depth = math.huge }
local MEMBER = { depth = math.huge, copied = true }

local give, give_function, take, show_function, call_script

---------------------------------------------------------------------------
-- What the library does not hand out, and what a script cannot change

local function refuse_write(name)
  return function(_, key)
    error(("'%s' cannot be changed by a script (writing '%s')"):format(name, tostring(key)), 2)
  end
end

local function check_handle(value)
  if rawequal(value, json.null) or secret.is(value) then return value end
  local meta = metatable_of(value)
  error(("the library would hand %s to a script: please report this")
    :format(type(meta) == "table" and rawget(meta, "__name") or type(value)), 0)
end

---------------------------------------------------------------------------
-- Faces

local NOT_FORWARDED = {
  __index = true, __newindex = true, __name = true, __metatable = true, __gc = true, __mode = true, __pairs = true,
}

-- What is read of an object by way of its face. Lists and tables are copies.
local function read_open(border, known)
  return function(face, key)
    if not known or not known.opens_all and not known.open[key] then return nil end
    local value = behind[face][key]
    if type(value) == "function" then return show_function(border, value, OBJECT) end
    return give(border, value, MEMBER)
  end
end

local function read_computed(border, index)
  return function(face, key) return give(border, index(behind[face], key), CALLBACK) end
end

local function new_metatable(border, meta)
  local known = class.describe(meta)
  local name = known and known.name or "value of the library"
  local seen = { __name = name, __metatable = name, __newindex = refuse_write(name) }
  for event, fn in pairs(meta) do
    if type(fn) == "function" and not NOT_FORWARDED[event] then
      seen[event] = show_function(border, fn, OBJECT)
    end
  end
  local index = meta.__index
  local computed = type(index) == "function"
  seen.__index = computed and read_computed(border, index) or read_open(border, known)
  return seen
end

local function face_of(border, object)
  local face, meta = border.faces[object], metatable_of(object)
  if face then return face end
  border.metatables[meta] = border.metatables[meta] or new_metatable(border, meta)
  face = setmetatable({}, border.metatables[meta])
  border.faces[object], behind[face] = face, object
  return face
end

---------------------------------------------------------------------------
-- From the library to the script

---@class script.border.giving
---@field depth integer how deep tables are searched for objects
---@field copied boolean? are plain tables copied, though nothing in them has to be converted?

-- A table in which nothing was converted is given as it is, unless copies are wanted.
local function give_plain(border, list, giving, level, seen)
  if level > giving.depth then return list end
  seen = seen or {}
  if seen[list] then return seen[list] end
  local twin, changed = {}, giving.copied == true
  seen[list] = twin
  for key, value in next, list do
    local given = give(border, value, giving, level, seen)
    twin[key], changed = given, changed or not rawequal(given, value)
  end
  if metatable_of(list) == ARRAY then json.array(twin) end
  if changed then return twin end
  seen[list], border.given[list], border.kept[list] = list, true, true
  return list
end

local function give_table(border, value, giving, level, seen)
  local meta = metatable_of(value)
  if meta == nil or meta == ARRAY then return give_plain(border, value, giving, level + 1, seen) end
  if behind[value] ~= nil or border.metatables_of_script[meta] then return value end
  if fail.is(value) then return fail.copy(value) end
  return face_of(border, value)
end

function give(border, value, giving, level, seen)
  local kind = type(value)
  if kind == "table" then return give_table(border, value, giving, level or 0, seen) end
  if kind == "function" then return give_function(border, value, giving.depth == 0 and JSON or OBJECT) end
  if kind == "userdata" or kind == "thread" then return check_handle(value) end
  return value
end

local function give_all(border, giving, count, value, ...)
  if count == 0 then return end
  if count == 1 then return give(border, value, giving) end
  return give(border, value, giving), give_all(border, giving, count - 1, ...)
end

---------------------------------------------------------------------------
-- From the script to the library

-- A table that a function is given is a copy, which the library may keep, unless the library gave it to the script.
local function take_plain(border, list, keeps, level, seen)
  if seen[list] then return seen[list] end
  if level > LEVELS then error "a table that a script hands to the library is nested too deep" end
  local twin, changed = {}, not keeps or level == 1 and not border.given[list]
  seen[list] = twin
  for key, value in next, list do
    local taken = take(border, value, keeps, level, seen)
    twin[take(border, key, keeps, level, seen)], changed = taken, changed or not rawequal(taken, value)
  end
  if metatable_of(list) == ARRAY then json.array(twin) end
  if not changed then seen[list], border.kept[list] = list, true end
  return seen[list]
end

local function take_table(border, value, keeps, level, seen)
  if behind[value] ~= nil then return behind[value] end
  if fail.is(value) then return fail.copy(value) end
  local meta = metatable_of(value)
  if meta ~= nil and meta ~= ARRAY then
    error "a table with a metatable cannot be handed to the library: hand over a plain one"
  end
  return take_plain(border, value, keeps, level + 1, seen or {})
end

function take(border, value, keeps, level, seen)
  local kind = type(value)
  if kind == "table" then return take_table(border, value, keeps, level or 0, seen) end
  if kind == "function" then return original_of[value] or call_script(border, value) end
  if kind == "thread" then error "a coroutine cannot be handed to the library" end
  return value
end

local function take_all(border, keeps, count, value, ...)
  if count == 0 then return end
  if count == 1 then return take(border, value, keeps) end
  return take(border, value, keeps), take_all(border, keeps, count - 1, ...)
end

---------------------------------------------------------------------------
-- Functions of the library, as a script calls them

local function same(...) return ... end

-- Two levels that are no tail calls, so that error(message, 2) and error(message, 3) in the library both name a line of
-- this file; `placed` puts the script's line there.
local function first(fn, ...) return same(fn(...)) end
local function second(fn, ...) return same(first(fn, ...)) end

local function taken(border, how, fn, ...)
  if how.run and class.name(behind[...]) ~= "workflow.Run" then
    error "the first argument has to be the run that a step is given"
  end
  if how.arguments == "as they are" then return second(fn, ...) end
  return second(fn, take_all(border, how.arguments == "kept", select("#", ...), ...))
end

-- A mistake in the library itself needs its traceback, which is gone once the error was caught.
local function keep_trace(err)
  local ours = type(err) == "string" and err:find(LIBRARY:sub(2), 1, true) == 1 and not err:find(HERE)
  return ours and not err:find("\nstack traceback:", 1, true) and debug.traceback(err, 2) or err
end

local function placed(err, level)
  if type(err) ~= "string" or not err:find(HERE) then return err end
  local caller = debug.getinfo(level + 1, "Sl")
  local where = caller and caller.currentline > 0 and ("%s:%d: "):format(caller.short_src, caller.currentline) or ""
  return where .. err:gsub(HERE, "", 1)
end

-- An error is converted where it is raised: a variable with <close> gets it before anybody catches it.
local function finish(border, how, ok, ...)
  if ok then return give_all(border, how, select("#", ...), ...) end
  error(border:caught(placed((...), 2)), 0)
end

-- An iterator takes nothing: the item that a loop hands back to it is not copied.
local function shown_iterator(border, fn, how)
  return function() return finish(border, how, xpcall(second, keep_trace, fn)) end
end

function show_function(border, fn, how)
  if border.shown[fn] then return border.shown[fn] end
  local function shown(...) return finish(border, how, xpcall(taken, keep_trace, border, how, fn, ...)) end
  local takes = debug.getinfo(fn, "u")
  if takes.nparams == 0 and not takes.isvararg then shown = shown_iterator(border, fn, how) end
  border.shown[fn], original_of[shown] = shown, fn
  return shown
end

-- A function among results: of the library, or one of the script's that comes back; see chunk_name.
function give_function(border, fn, how)
  if border.scripts[fn] then return border.scripts[fn] end
  if original_of[fn] or debug.getinfo(fn, "S").source:sub(1, #LIBRARY) ~= LIBRARY then return fn end
  return show_function(border, fn, how)
end

---------------------------------------------------------------------------
-- Functions of a script, as the library calls them

-- A failure that a script raises is its own no more: whoever catches it may rely on what it says.
local function raised(err)
  if fail.is(err) then return fail.copy(err) end
  local has_trace = type(err) ~= "string" or err:find("\nstack traceback:", 1, true)
  return has_trace and err or debug.traceback(err, 2)
end

local function results_of(border, ok, ...)
  if not ok then error((...), 0) end
  return take_all(border, true, select("#", ...), ...)
end

function call_script(border, fn)
  if border.called[fn] then return border.called[fn] end
  local rights = acting.now()
  local function called(...)
    return results_of(border,
      xpcall(acting.with, raised, rights, fn, give_all(border, CALLBACK, select("#", ...), ...)))
  end
  border.called[fn], border.scripts[called] = called, fn
  return called
end

---------------------------------------------------------------------------
-- Modules

local function copy(members)
  local twin = {}
  for name, value in next, members do twin[name] = value end
  return twin
end

-- A function whose first parameter is called `run` acts for that run, with its profile and journal.
local function check_run(how, fn)
  if debug.getlocal(fn, 1) ~= "run" then return how end
  local twin = copy(how)
  twin.run = true
  return twin
end

local function view_of(border, module, name, how)
  local members, meta = {}, metatable_of(module)
  for key, value in next, module do
    if type(value) == "function" then
      members[key] = how.raw and value or show_function(border, value, check_run(how, value))
    elseif type(value) == "table" then
      members[key] = view_of(border, value, ("%s.%s"):format(name, key), how)
    else
      members[key] = (type(value) == "userdata" or type(value) == "thread") and check_handle(value) or value
    end
  end
  local view = setmetatable({}, {
    __name = name, __metatable = name, __index = members, __newindex = refuse_write(name),
    __pairs = function() return next, copy(members), nil end,
    __len = function() return #members end,
    __call = meta and meta.__call and show_function(border, meta.__call, how),
  })
  behind[view] = module
  return view
end

--- A module as the script sees it.
---@param name string on the list of interfaces
---@return any
function Border:view(name)
  local module, how = require(name), interfaces.of(name)
  if type(module) == "function" then return show_function(self, module, how) end
  return view_of(self, module, name, how)
end

---------------------------------------------------------------------------
-- The script itself

--- The script's function as the library may call it: what it is given and gives is converted.
---@param fn function
---@return function
function Border:callback(fn) return call_script(self, fn) end

--- Leave this function of the script's surroundings as it is, wherever it turns up.
---@param fn function
---@return function
function Border:own(fn)
  self.scripts[fn] = fn
  return fn
end

--- The script made this metatable, and gives it to this table: objects that have it are the script's. A table that the
--- library may keep gets none, for its metamethods would run in the midst of the library's work.
---@param meta table
---@param target any
function Border:own_metatable(meta, target)
  if self.kept[target] then error("a table that the library has, too, gets no metatable", 3) end
  self.metatables_of_script[meta] = true
end

--- An error as the script that catches it may have it.
---@param err any
---@return any
function Border:caught(err)
  if fail.is(err) then return fail.copy(err) end
  return class.of(err) and face_of(self, err) or err
end

--- The name of a script's chunk: its path, but never one of the library's, for a function's file tells whose it is.
---@param path string
---@return string
function M.chunk_name(path)
  local name = "@" .. path
  return name:sub(1, #LIBRARY) == LIBRARY and "@./" .. path or name
end

--- A message without the place in this file.
---@param message string
---@return string
function M.without_place(message) return (message:gsub(HERE, "")) end

--- Is it a face or a view, which a script may not write even raw?
---@param value any
---@return boolean
function M.is_ours(value) return behind[value] ~= nil end

--- What is behind a face, a view or a function as a script sees it; any other value is what it is.
---@param value any
---@return any
function M.behind(value)
  if value == nil then return nil end
  local real = type(value) == "function" and original_of[value] or behind[value]
  if real == nil then return value end
  return real
end

local function weak() return setmetatable({}, { __mode = "k" }) end

--- The border of one script.
---@return script.border
function M.new()
  return Border {
    faces = weak(), metatables = weak(), metatables_of_script = weak(), shown = weak(), called = weak(),
    scripts = weak(), given = weak(), kept = weak(),
  }
end

return M
