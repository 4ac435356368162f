--- Read the doc comments of the library's files (LuaCATS): the functions and classes of each module, with their
--- descriptions. Help at the prompt, the definitions for editors, and the tests use this.

local sys = require "host.sys"

local M = {}

---@class reference.value a parameter or a field
---@field name string
---@field type string
---@field text string its description

---@class reference.entry a function or a method
---@field name string "list"
---@field full string "graph.list"
---@field parameters string "path, options"
---@field doc string
---@field params reference.value[]
---@field returns string[] type, name and description, as written
---@field line integer the line of its definition
---@field alias string? the function that it is another name of: "host.json.decode"

---@class reference.class
---@field name string
---@field parent string?
---@field doc string
---@field fields reference.value[]
---@field methods reference.entry[]
---@field open table<string, true>? members that a script may read and call; nil: all, as of a plain table

---@class reference.module
---@field name string
---@field doc string
---@field functions reference.entry[]
---@field classes table<string, reference.class>

---------------------------------------------------------------------------
-- One comment

-- Split "fun(a: b): c rest", "{ a: b } rest" or "string|nil rest" into the type and the rest.
local function split_type_of_annotation(text)
  local place, depth = 1, 0
  while place <= #text do
    local char = text:sub(place, place)
    if char:match("[%(%[{<]") then depth = depth + 1 end
    if char:match("[%)%]}>]") then depth = depth - 1 end
    if char:match("%s") and depth == 0 and not text:sub(1, place - 1):match("[:|,]$") then break end
    place = place + 1
  end
  return text:sub(1, place - 1), text:sub(place):match("^%s*(.-)%s*$")
end

local function parse_parameter(text)
  local name, rest = text:match("^(%S+)%s*(.*)$")
  local kind, description = split_type_of_annotation(rest)
  local optional = name:sub(-1) == "?"
  return { name = name:gsub("%?$", ""), type = kind .. (optional and "?" or ""), text = description }
end

local function add_value(found, list, text)
  local value = parse_parameter(text)
  list[#list + 1], found.value = value, value
end

local TAGS = {
  param = function(found, text) add_value(found, found.params, text) end,
  field = function(found, text) add_value(found, found.fields, text) end,
  ["return"] = function(found, text) table.insert(found.returns, text) end,
  class = function(found, text)
    local name, parent, description = text:match("^([%w_.]+):%s*([%w_.]+)%s*(.*)$")
    if not name then name, description = text:match("^([%w_.]+)%s*(.*)$") end
    found.class, found.parent, found.class_doc = name, parent, description
  end,
}

local function new_doc_comment()
  return { lines = {}, params = {}, returns = {}, fields = {} }
end

-- A line without a tag goes on with the parameter or field of the line before.
local function add_comment_line(found, line)
  local tag, rest = line:match("^%-%-%-@(%a+)%s*(.*)$")
  if not tag then
    local text = line:match("^%-%-%-?%s?(.*)$")
    if not found.value then return table.insert(found.lines, text) end
    found.value.text = found.value.text .. " " .. text
    return
  end
  found.value = nil
  if TAGS[tag] then TAGS[tag](found, rest) end
end

local function text_of_doc_comment(found)
  return (table.concat(found.lines, "\n"):match("^%s*(.-)%s*$"))
end

---------------------------------------------------------------------------
-- One file

local function new_function_entry(full, parameters, found, line)
  return {
    name = full:match("([%w_]+)$"), full = full, parameters = parameters, doc = text_of_doc_comment(found),
    params = found.params, returns = found.returns, line = line,
  }
end

local function add_documented_class(module, found)
  local doc = text_of_doc_comment(found)
  if found.class_doc ~= "" then doc = found.class_doc .. (doc ~= "" and "\n" .. doc or "") end
  module.classes[found.class] = {
    name = found.class, parent = found.parent, doc = doc, fields = found.fields, methods = {},
  }
end

---@class reference.reading the state while a file is read
---@field module reference.module
---@field text string
---@field types table<string, string> local name -> class
---@field required table<string, string> local name -> module

-- The members in the `open` of `local Name = class("name", { open = … })`, or of resource.kind; nil for "all".
local function open_members_of_class(text, name)
  local options = text:match("\nlocal " .. name .. ' = [%a.]+%("[^"]+", (%b{})%)') or ""
  if options:find('open = "all"', 1, true) then return nil end
  local members = {}
  for member in (options:match("open = (%b{})") or ""):gmatch('"([^"]+)"') do members[member] = true end
  return members
end

-- Read a line below a class annotation: `local Task = …`. Later methods of Task belong to this class.
local function note_local_class(reading, line, found)
  local name = line:match("^local ([%a_][%w_]*) =")
  if not name or not found.class then return end
  reading.types[name] = found.class
  if line:match("= class[ (]") or line:match("= resource%.kind[ (]") then
    reading.module.classes[found.class].open = open_members_of_class(reading.text, name)
  end
end

local function add_method_entry(reading, class, name, parameters, found, number)
  parameters = parameters:gsub("^_,? ?", "") -- `_` stands for an unused self
  local entry = new_function_entry(name, parameters, found, number)
  entry.full = class .. ":" .. name
  table.insert(reading.module.classes[class].methods, entry)
end

-- Read a line of the form `function M.list(…)` or `function Task:wait()`.
local function add_function_of_line(reading, line, found, number)
  local owner, name, parameters = line:match("^function ([%a_][%w_]*)[.:]([%a_][%w_]*)%((.-)%)")
  if not owner then return end
  local module, class = reading.module, reading.types[owner]
  if class then
    add_method_entry(reading, class, name, parameters, found, number)
  elseif owner == "M" then
    table.insert(module.functions, new_function_entry(module.name .. "." .. name, parameters, found, number))
  end
end

local function parameter_list(found)
  local parameters = {}
  for i, param in ipairs(found.params) do parameters[i] = param.name end
  return table.concat(parameters, ", ")
end

-- Read a line of the form `local native = require "host.json"`; or, after such a line, `M.decode = native.decode` or
-- `M.a, M.b = native.a, native.b`.
local function add_alias_of_line(reading, line, found, number)
  local name, from = line:match("^local ([%a_][%w_]*) = require%s*%(?[\"']([%w_.]+)[\"']")
  if name then reading.required[name] = from end
  local left, right = line:match("^(M%.[%w_, .]+) = (.+)$")
  local values = (right or ""):gmatch("[^,%s]+")
  for member in (left or ""):gmatch("M%.([%w_]+)") do
    local owner, key = (values() or ""):match("^([%a_][%w_]*)%.([%w_]+)$")
    if reading.required[owner] then
      local entry = new_function_entry(reading.module.name .. "." .. member, parameter_list(found), found, number)
      entry.alias = ("%s.%s"):format(reading.required[owner], key)
      table.insert(reading.module.functions, entry)
    end
  end
end

-- Read a line of the form `M.server = maker "server"`: a function that another function makes, when it has a doc
-- comment.
local function add_made_function(reading, line, found, number)
  local name = line:match("^M%.([%a_][%w_]*) = [%w_.]+[ (]")
  if not name or #found.lines == 0 then return end
  table.insert(reading.module.functions,
    new_function_entry(reading.module.name .. "." .. name, parameter_list(found), found, number))
end

-- Read the definition of a module that is a function: `local function nearest(…)` and at the end `return nearest`, or
-- `return function(…)`.
local function add_module_function(reading, line, found, number)
  local name, parameters = line:match("^local function ([%a_][%w_]*)%((.-)%)")
  if name and not reading.text:find("\nreturn " .. name .. "%s*$") then return end
  parameters = parameters or line:match("^return function%((.-)%)")
  if not parameters then return end
  table.insert(reading.module.functions, new_function_entry(reading.module.name, parameters, found, number))
end

local LINE_READERS = {
  note_local_class, add_function_of_line, add_alias_of_line, add_made_function, add_module_function,
}

--- Read the doc comments of a file.
---@param text string
---@param name string of its module: "graph"
---@return reference.module
function M.parse(text, name)
  local module = { name = name, doc = "", functions = {}, classes = {} }
  local reading = { module = module, text = text, types = {}, required = {} }
  local found, number, first = new_doc_comment(), 0, true
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if line:match("^%-%-%-") and not line:match("^%-%-%-%-") or first and line:match("^%-%-") then
      add_comment_line(found, line)
    else
      if first then module.doc, first = text_of_doc_comment(found), false end
      if found.class then add_documented_class(module, found) end
      for _, read in ipairs(LINE_READERS) do read(reading, line, found, number) end
      found = new_doc_comment()
    end
  end
  return module
end

---------------------------------------------------------------------------
-- The library

local cache = {} ---@type table<string, reference.module>

-- The file with the doc comments of a module. Those of the native modules are in stdlib/meta/.
local function source_path_of_module(name)
  local room = name:match("^host%f[.%z]") and "stdlib/meta/" or "stdlib/"
  return room .. name:gsub("%.", "/") .. ".lua"
end

--- The documentation of a module; nil when there is no such module. "host" has the classes that several native modules
--- use.
---@param name string "graph", "devolutions.server", "host.json", "host"
---@return reference.module|nil
function M.module(name)
  if not cache[name] then
    local text = sys.embedded(source_path_of_module(name))
    cache[name] = text and M.parse(text, name)
  end
  return cache[name]
end

--- Names of the library's modules, sorted.
---@return string[]
function M.modules()
  local names = {}
  for _, path in ipairs(sys.embedded_list("stdlib/")) do
    local name = path:match("^stdlib/(.+)%.lua$")
    if name and not name:match("^meta/") and name ~= "argparse" then names[#names + 1] = name:gsub("/", ".") end
  end
  return names
end

-- Complete the entry of a function. A module that is a function is described at the head of its file. An alias without
-- a doc comment has the description of its original; nil when the original is no function.
local function complete_entry(entry, module)
  if entry.doc == "" and entry.full == module.name then entry.doc = module.doc end
  if not entry.alias or entry.doc ~= "" then return entry end
  local found = M.entry(entry.alias)
  if not found then return nil end
  return setmetatable({ name = entry.name, full = entry.full, line = entry.line, alias = entry.alias },
    { __index = found })
end

--- The public functions of a module, with their descriptions.
---@param name string
---@return reference.entry[]
function M.functions(name)
  local module, list = M.module(name), {}
  for _, entry in ipairs(module and module.functions or {}) do list[#list + 1] = complete_entry(entry, module) end
  return list
end

--- The entry of a function by its full name: "graph.list", "host.sys.time"; "nearest", when the module is the function.
---@param full string
---@return reference.entry|nil
function M.entry(full)
  for _, name in ipairs { full, (full:match("^(.+)%.[^.]+$")) } do
    for _, entry in ipairs(M.functions(name)) do
      if entry.full == full then return entry end
    end
  end
end

--- The entry of the function that is defined in this line of a module's file.
---@param name string of the module
---@param line integer
---@return reference.entry|nil
function M.entry_at_line(name, line)
  for _, entry in ipairs(M.functions(name)) do
    if entry.line == line then return entry end
  end
end

--- The entry of a function of the library, by the place of its definition; nil for any other value.
---@param fn function
---@return reference.entry|nil
function M.entry_of_function(fn)
  local info = debug.getinfo(fn, "S")
  local path = info.source:match("stdlib/(.+)%.lua$")
  return path and M.entry_at_line(path:gsub("/", "."), info.linedefined)
end

local rooms ---@type table<string, string[]>? room -> the names of its modules

-- The modules of a room.
local function modules_of_room(room)
  if not rooms then
    rooms = {}
    for _, name in ipairs(M.modules()) do
      local of = name:match "^[^.]+"
      rooms[of] = rooms[of] or {}
      table.insert(rooms[of], name)
    end
  end
  return rooms[room] or {}
end

-- The modules in which a class may be defined: the modules of its room, the most similar name first.
local function modules_of_class(name)
  local list, in_room = { name, (name:match("^(.+)%.[^.]+$")) }, modules_of_room(name:match("^[^.]+"))
  return table.move(in_room, 1, #in_room, #list + 1, list)
end

--- A class by its name: "graph.options", "host.secret", "host.crypto.key".
---@param name string
---@return reference.class|nil
function M.class(name)
  for _, candidate in ipairs(modules_of_class(name)) do
    local module = M.module(candidate)
    if module and module.classes[name] then return module.classes[name] end
  end
end

--- The class of a parameter or a field: graph.options for "graph.options?".
---@param value reference.value
---@return reference.class|nil
function M.class_of(value)
  return M.class((value.type:gsub("[?|].*$", "")))
end

return M
