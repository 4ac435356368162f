--- The border between a script and the library. This file converts every value that passes between the two, so that a
--- script can neither reach nor change what belongs to the library or to another script:
--
--  - a script sees a module of the library as a view: a read-only table whose functions convert their arguments and
--    results;
--  - a script sees an object of a class as a face: an empty, read-only table through which only the open members of the
--    class can be read. When the script passes a face to the library, the library gets the object;
--  - a script gets a copy of a failure, and never a native handle or a coroutine of the library;
--  - the library gets a copy of a script's table, made without calling a metamethod; a table that has a metatable is
--    refused;
--  - the library calls a function of a script with the rights of that script.

local acting = require "script.acting"
local class = require "base.class"
local fail = require "fail"
local interfaces = require "script.interfaces"
local json = require "host.json"
local secret = require "host.secret"
local sys = require "host.sys"
local traceback = require "base.traceback"

local M = {}

local DEEPEST = 100 -- how deep a table of a script may be
local THIS = debug.getinfo(1, "S")
local THIS_FILE = "^" .. THIS.short_src:gsub("%p", "%%%0") .. ":%d+: "
local LIBRARY = THIS.source:match "^(.*)script/border%.lua$" -- "@stdlib/"
local metatable_of = debug.getmetatable -- a protected metatable gives its name only
local ARRAY = metatable_of(json.array {})

local original_behind = setmetatable({}, { __mode = "k" }) ---@type table<table, any> face -> object; view -> module
-- The wrapper that a script gets -> the function of the library.
local library_function_of = setmetatable({}, { __mode = "k" }) ---@type table<function, function>

---@class script.border
---@field faces table<any, table> object -> face
---@field metatables table<table, table> metatable of objects -> metatable of their faces
---@field shown table<function, function> function of the library -> the wrapper that the script gets
---@field called table<function, function> function of the script -> the wrapper that the library gets
---@field scripts table<function, function> wrapper that the library gets -> function of the script
---@field metatables_of_script table<table, true>
---@field given table<table, true> plain tables of the library that the script has
---@field kept table<table, true> plain tables that both the library and the script have
local Border = class "script.border"

local OBJECT_FUNCTION = { arguments = "kept", depth = math.huge } -- for methods, and for functions in results
local JSON_FUNCTION = { arguments = "kept", depth = 0 } -- for functions in results that are JSON: theirs are JSON, too
local CALLBACK = { depth = math.huge }
local MEMBER = { depth = math.huge, copied = true }

local convert_to_script, function_to_script, convert_to_library, wrap_library_function, wrap_script_function

---------------------------------------------------------------------------
-- Refusals

local function refuse_writing_to(name)
  return function(_, key)
    error(("'%s' cannot be changed by a script (writing '%s')"):format(name, tostring(key)), 2)
  end
end

local function refuse_native_handle(value)
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

-- The __index of a face: the open members of the object. Tables are copied.
local function read_open_member_of(border, known)
  return function(face, key)
    if not known or not known.opens_all and not known.open[key] then return nil end
    local value = original_behind[face][key]
    if type(value) == "function" then return wrap_library_function(border, value, OBJECT_FUNCTION) end
    return convert_to_script(border, value, MEMBER)
  end
end

local function read_computed_member_of(border, index)
  return function(face, key) return convert_to_script(border, index(original_behind[face], key), CALLBACK) end
end

local function new_face_metatable(border, meta)
  local known = class.describe(meta)
  local name = known and known.name or "value of the library"
  local seen = { __name = name, __metatable = name, __newindex = refuse_writing_to(name) }
  for event, fn in pairs(meta) do
    if type(fn) == "function" and not NOT_FORWARDED[event] then
      seen[event] = wrap_library_function(border, fn, OBJECT_FUNCTION)
    end
  end
  local index = meta.__index
  local computed = type(index) == "function"
  seen.__index = computed and read_computed_member_of(border, index) or read_open_member_of(border, known)
  return seen
end

local function face_of(border, object)
  local face, meta = border.faces[object], metatable_of(object)
  if face then return face end
  border.metatables[meta] = border.metatables[meta] or new_face_metatable(border, meta)
  face = setmetatable({}, border.metatables[meta])
  border.faces[object], original_behind[face] = face, object
  return face
end

---------------------------------------------------------------------------
-- From the library to the script

---@class script.border.giving
---@field depth integer the levels of nested tables in which values are converted
---@field copied boolean? copy plain tables even when no value in them has to be converted

-- Convert the values of a plain table. The script gets the same table when no value was converted and no copy is
-- wanted.
local function plain_table_to_script(border, list, conversion, level, seen)
  if level > conversion.depth then return list end
  seen = seen or {}
  if seen[list] then return seen[list] end
  local twin, changed = {}, conversion.copied == true
  seen[list] = twin
  for key, value in next, list do
    local given = convert_to_script(border, value, conversion, level, seen)
    twin[key], changed = given, changed or not rawequal(given, value)
  end
  if metatable_of(list) == ARRAY then json.array(twin) end
  if changed then return twin end
  seen[list], border.given[list], border.kept[list] = list, true, true
  return list
end

local function table_to_script(border, value, conversion, level, seen)
  local meta = metatable_of(value)
  if meta == nil or meta == ARRAY then return plain_table_to_script(border, value, conversion, level + 1, seen) end
  if original_behind[value] ~= nil or border.metatables_of_script[meta] then return value end
  if fail.is(value) then return fail.copy(value) end
  return face_of(border, value)
end

function convert_to_script(border, value, conversion, level, seen)
  local kind = type(value)
  if kind == "table" then return table_to_script(border, value, conversion, level or 0, seen) end
  if kind == "function" then
    return function_to_script(border, value, conversion.depth == 0 and JSON_FUNCTION or OBJECT_FUNCTION)
  end
  if kind == "userdata" or kind == "thread" then return refuse_native_handle(value) end
  return value
end

local function values_to_script(border, conversion, count, value, ...)
  if count == 0 then return end
  if count == 1 then return convert_to_script(border, value, conversion) end
  return convert_to_script(border, value, conversion), values_to_script(border, conversion, count - 1, ...)
end

---------------------------------------------------------------------------
-- From the script to the library

-- Convert the values of a plain table of the script. The library gets a copy; but with `may_keep`, a table that the
-- library gave to the script, and in which no value was converted, stays the same table.
local function plain_table_to_library(border, list, may_keep, level, seen)
  if seen[list] then return seen[list] end
  if level > DEEPEST then error "a table that a script hands to the library is nested too deep" end
  local twin, changed = {}, not may_keep or level == 1 and not border.given[list]
  seen[list] = twin
  for key, value in next, list do
    local converted = convert_to_library(border, value, may_keep, level, seen)
    twin[convert_to_library(border, key, may_keep, level, seen)] = converted
    changed = changed or not rawequal(converted, value)
  end
  if metatable_of(list) == ARRAY then json.array(twin) end
  if not changed then seen[list], border.kept[list] = list, true end
  return seen[list]
end

local function table_to_library(border, value, may_keep, level, seen)
  if original_behind[value] ~= nil then return original_behind[value] end
  if fail.is(value) then return fail.copy(value) end
  local meta = metatable_of(value)
  if meta ~= nil and meta ~= ARRAY then
    error "a table with a metatable cannot be handed to the library: pass a plain table"
  end
  return plain_table_to_library(border, value, may_keep, level + 1, seen or {})
end

function convert_to_library(border, value, may_keep, level, seen)
  local kind = type(value)
  if kind == "table" then return table_to_library(border, value, may_keep, level or 0, seen) end
  if kind == "function" then return library_function_of[value] or wrap_script_function(border, value) end
  if kind == "thread" then error "a coroutine cannot be handed to the library" end
  return value
end

local function values_to_library(border, may_keep, count, value, ...)
  if count == 0 then return end
  if count == 1 then return convert_to_library(border, value, may_keep) end
  return convert_to_library(border, value, may_keep), values_to_library(border, may_keep, count - 1, ...)
end

---------------------------------------------------------------------------
-- Functions of the library, as a script calls them

local function return_everything(...) return ... end

-- Call a function of the library through two levels of this file that are not tail calls. So error(message, 2) and
-- error(message, 3) in the library name a line of this file, which with_line_of_script replaces by the script's line.
local function call_one_level_deeper(fn, ...) return return_everything(fn(...)) end
local function call_two_levels_deeper(fn, ...) return return_everything(call_one_level_deeper(fn, ...)) end

local function call_library_function(border, how, fn, ...)
  if how.run and class.name(original_behind[...]) ~= "workflow.Run" then
    error "the first argument has to be the run that the step got"
  end
  if how.arguments == "as they are" then return call_two_levels_deeper(fn, ...) end
  return call_two_levels_deeper(fn, values_to_library(border, how.arguments == "kept", select("#", ...), ...))
end

-- A message handler: add the traceback to an error of the library that is no message for the script's author. The
-- traceback is lost once the error is caught.
local function keep_library_trace(err)
  local ours = type(err) == "string" and err:find(LIBRARY:sub(2), 1, true) == 1 and not err:find(THIS_FILE)
  return ours and traceback.is_missing(err) and debug.traceback(err, 2) or err
end

local function with_line_of_script(err, level)
  if type(err) ~= "string" or not err:find(THIS_FILE) then return err end
  local caller = debug.getinfo(level + 1, "Sl")
  local where = caller and caller.currentline > 0 and ("%s:%d: "):format(caller.short_src, caller.currentline) or ""
  return where .. err:gsub(THIS_FILE, "", 1)
end

-- Convert the results of a library function; raise its error converted. The error is converted here, and not where the
-- script catches it, because a variable with <close> gets the error first.
local function results_to_script(border, how, ok, ...)
  if ok then return values_to_script(border, how, select("#", ...), ...) end
  error(border:error_to_script(with_line_of_script((...), 2)), 0)
end

-- A function without parameters, such as an iterator: the item that a loop hands back to it is not copied.
local function wrap_iterator(border, fn, how)
  return function() return results_to_script(border, how, xpcall(call_two_levels_deeper, keep_library_trace, fn)) end
end

function wrap_library_function(border, fn, how)
  if border.shown[fn] then return border.shown[fn] end
  local function shown(...)
    return results_to_script(border, how, xpcall(call_library_function, keep_library_trace, border, how, fn, ...))
  end
  local parameters = debug.getinfo(fn, "u")
  if parameters.nparams == 0 and not parameters.isvararg then shown = wrap_iterator(border, fn, how) end
  border.shown[fn], library_function_of[shown] = shown, fn
  return shown
end

-- Convert a function that the library returns: wrap a function of the library; return a function of the script as it
-- is. The file of a function tells whose function it is; see chunk_name.
function function_to_script(border, fn, how)
  if border.scripts[fn] then return border.scripts[fn] end
  if library_function_of[fn] or debug.getinfo(fn, "S").source:sub(1, #LIBRARY) ~= LIBRARY then return fn end
  return wrap_library_function(border, fn, how)
end

---------------------------------------------------------------------------
-- Functions of a script, as the library calls them

-- A message handler: copy a failure that a script raises, so that the script cannot change it afterwards; add a
-- traceback to a text. A table with a metatable of the script does not reach the library: its __tostring would act with
-- the rights that the library has there, such as those of a policy whose sink the script is.
local function trace_of_script_error(err)
  if fail.is(err) then return fail.copy(err) end
  if type(err) == "table" and metatable_of(err) ~= nil and not original_behind[err] and not class.of(err) then
    err = "a script raised a table that has a metatable: raise a text, or a failure with fail.raise"
  end
  return traceback.is_missing(err) and debug.traceback(err, 2) or err
end

local function results_to_library(border, ok, ...)
  if not ok then error((...), 0) end
  return values_to_library(border, true, select("#", ...), ...)
end

function wrap_script_function(border, fn)
  if border.called[fn] then return border.called[fn] end
  local rights = acting.current_rights()
  local function called(...)
    return results_to_library(border,
      xpcall(acting.with, trace_of_script_error, rights, fn, values_to_script(border, CALLBACK, select("#", ...), ...)))
  end
  border.called[fn], border.scripts[called] = called, fn
  return called
end

---------------------------------------------------------------------------
-- Modules

local function copy_module_members(members)
  local twin = {}
  for name, value in next, members do twin[name] = value end
  return twin
end

-- How values cross at a function of the module: a function of a run requires a run as its first argument.
local function conversion_of(how, function_name)
  if not (how.of_run and how.of_run[function_name]) then return how end
  local twin = copy_module_members(how)
  twin.run = true
  return twin
end

-- The __index of a view: the members of the module, then what the module computes for a name, such as a peer.
local function view_index_of(border, members, index, how)
  if type(index) ~= "function" then return members end
  local compute = wrap_library_function(border, index, how)
  return function(view, key)
    local member = members[key]
    if member ~= nil then return member end
    return compute(view, key)
  end
end

local function new_view(border, module, name, how)
  local members, meta = {}, metatable_of(module)
  for key, value in next, module do
    if type(value) == "function" then
      members[key] = how.raw and value or wrap_library_function(border, value, conversion_of(how, key))
    elseif type(value) == "table" then
      members[key] = new_view(border, value, ("%s.%s"):format(name, key), how)
    else
      members[key] = (type(value) == "userdata" or type(value) == "thread") and refuse_native_handle(value) or value
    end
  end
  local view = setmetatable({}, {
    __name = name, __metatable = name, __index = view_index_of(border, members, meta and meta.__index, how),
    __newindex = refuse_writing_to(name),
    __pairs = function() return next, copy_module_members(members), nil end,
    __len = function() return #members end,
    __call = meta and meta.__call and wrap_library_function(border, meta.__call, how),
  })
  original_behind[view] = module
  return view
end

--- The view of a module that the script gets.
---@param name string of an interface
---@return any
function Border:view(name)
  local module, how = require(name), interfaces.of(name)
  if type(module) == "function" then return wrap_library_function(self, module, how) end
  return new_view(self, module, name, how)
end

---------------------------------------------------------------------------
-- The script itself

--- Wrap a function of the script for the library. The wrapper converts arguments and results, and calls the function
--- with the script's rights.
---@param fn function
---@return function
function Border:callback(fn) return wrap_script_function(self, fn) end

--- Never wrap this function, which is a global of the script: both sides get the function itself.
---@param fn function
---@return function
function Border:own(fn)
  self.scripts[fn] = fn
  return fn
end

--- Note that the script sets a metatable of its own for a table: tables with this metatable belong to the script.
--- Raises an error for a table that the library has, too, because the metamethods would run inside the library.
---@param meta table
---@param target any
function Border:own_metatable(meta, target)
  if self.kept[target] then error("a table that the library has, too, cannot get a metatable", 3) end
  self.metatables_of_script[meta] = true
end

--- Convert an error for the script that catches it.
---@param err any
---@return any
function Border:error_to_script(err)
  if fail.is(err) then return fail.copy(err) end
  return class.of(err) and face_of(self, err) or err
end

--- The name of a script's chunk, which errors show: its path, with ~ for the home folder, so that Lua need not cut it;
--- changed where it looks like a path of the library. The name tells whether a function belongs to the library or to a
--- script.
---@param path string
---@return string
function M.chunk_name(path)
  local home = sys.getenv "HOME" or ""
  if home:sub(1, 1) == "/" and path:sub(1, #home + 1) == home .. "/" then path = "~" .. path:sub(#home + 1) end
  local name = "@" .. path
  return name:sub(1, #LIBRARY) == LIBRARY and "@./" .. path or name
end

--- A message without the line of this file at its front.
---@param message string
---@return string
function M.without_border_line(message) return (message:gsub(THIS_FILE, "")) end

--- Is the value a face or a view? A script may not write to these, not even with rawset.
---@param value any
---@return boolean
function M.is_face_or_view(value) return original_behind[value] ~= nil end

--- The library's value for a face, a view or a wrapped function of a script; any other value is returned as it is.
---@param value any
---@return any
function M.library_value_of(value)
  if value == nil then return nil end
  local real = type(value) == "function" and library_function_of[value] or original_behind[value]
  if real == nil then return value end
  return real
end

local function new_weak_table() return setmetatable({}, { __mode = "k" }) end

--- The border of one script.
---@return script.border
function M.new()
  return Border {
    faces = new_weak_table(), metatables = new_weak_table(), metatables_of_script = new_weak_table(),
    shown = new_weak_table(), called = new_weak_table(),
    scripts = new_weak_table(), given = new_weak_table(), kept = new_weak_table(),
  }
end

return M
