--- What the library says of itself: the doc comments of its files (LuaCATS), read
--- where they stand. Help at the prompt, editors and the tests all read these.

local sys = require "host.sys"

local M = {}

---@class reference.value a parameter or a field
---@field name string
---@field type string
---@field text string what is said of it

---@class reference.entry a function or a method
---@field name string "list"
---@field full string "graph.list"
---@field parameters string "path, options"
---@field doc string
---@field params reference.value[]
---@field returns string[] type, name and what is said, as written
---@field line integer where it is defined
---@field alias string? what it stands for: "host.json.decode"

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

-- "fun(a: b): c rest", "{ a: b } rest", "string|nil rest": where does the type end?
local function split_type(text)
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

local function value_of(text)
  local name, rest = text:match("^(%S+)%s*(.*)$")
  local kind, said = split_type(rest)
  local optional = name:sub(-1) == "?"
  return { name = name:gsub("%?$", ""), type = kind .. (optional and "?" or ""), text = said }
end

local TAGS = {
  param = function(found, text) table.insert(found.params, value_of(text)) end,
  field = function(found, text) table.insert(found.fields, value_of(text)) end,
  ["return"] = function(found, text) table.insert(found.returns, text) end,
  class = function(found, text)
    local name, parent, said = text:match("^([%w_.]+):%s*([%w_.]+)%s*(.*)$")
    if not name then name, said = text:match("^([%w_.]+)%s*(.*)$") end
    found.class, found.parent, found.class_doc = name, parent, said
  end,
}

local function new_comment()
  return { lines = {}, params = {}, returns = {}, fields = {} }
end

local function add_line(found, line)
  local tag, rest = line:match("^%-%-%-@(%a+)%s*(.*)$")
  if not tag then return table.insert(found.lines, (line:match("^%-%-%-?%s?(.*)$"))) end
  if TAGS[tag] then TAGS[tag](found, rest) end
end

local function text_of(found)
  return (table.concat(found.lines, "\n"):match("^%s*(.-)%s*$"))
end

---------------------------------------------------------------------------
-- One file

local function entry_of(full, parameters, found, line)
  return {
    name = full:match("([%w_]+)$"), full = full, parameters = parameters, doc = text_of(found), params = found.params,
    returns = found.returns, line = line,
  }
end

local function add_class(module, found)
  local doc = text_of(found)
  if found.class_doc ~= "" then doc = found.class_doc .. (doc ~= "" and "\n" .. doc or "") end
  module.classes[found.class] = {
    name = found.class, parent = found.parent, doc = doc, fields = found.fields, methods = {},
  }
end

---@class reference.reading what is known while a file is read
---@field module reference.module
---@field text string
---@field types table<string, string> local name -> class
---@field required table<string, string> local name -> module

-- The members in the `open` of `local Name = class("name", { open = … })`, or of resource.kind; nil for "all".
local function open_members(text, name)
  local options = text:match("\nlocal " .. name .. ' = [%a.]+%("[^"]+", (%b{})%)') or ""
  if options:find('open = "all"', 1, true) then return nil end
  local members = {}
  for member in (options:match("open = (%b{})") or ""):gmatch('"([^"]+)"') do members[member] = true end
  return members
end

-- Below a class, `local Task = …`.
local function note_local(reading, line, found)
  local name = line:match("^local ([%a_][%w_]*) =")
  if not name or not found.class then return end
  reading.types[name] = found.class
  if line:match("= class[ (]") or line:match("= resource%.kind[ (]") then
    reading.module.classes[found.class].open = open_members(reading.text, name)
  end
end

local function define_method(reading, class, name, parameters, found, number)
  local entry = entry_of(name, (parameters:gsub("^_,? ?", "")), found, number) -- of a method that looks at no object
  entry.full = class .. ":" .. name
  table.insert(reading.module.classes[class].methods, entry)
end

-- `function M.list(…)`, `function Task:wait()`.
local function define(reading, line, found, number)
  local owner, name, parameters = line:match("^function ([%a_][%w_]*)[.:]([%a_][%w_]*)%((.-)%)")
  if not owner then return end
  local module, class = reading.module, reading.types[owner]
  if class then
    define_method(reading, class, name, parameters, found, number)
  elseif owner == "M" then
    table.insert(module.functions, entry_of(module.name .. "." .. name, parameters, found, number))
  end
end

local function parameters_of(found)
  local parameters = {}
  for i, param in ipairs(found.params) do parameters[i] = param.name end
  return table.concat(parameters, ", ")
end

-- `local native = require "host.json"`, then `M.decode = native.decode` or `M.a, M.b = native.a, native.b`.
local function define_alias(reading, line, found, number)
  local name, from = line:match("^local ([%a_][%w_]*) = require%s*%(?[\"']([%w_.]+)[\"']")
  if name then reading.required[name] = from end
  local left, right = line:match("^(M%.[%w_, .]+) = (.+)$")
  local values = (right or ""):gmatch("[^,%s]+")
  for member in (left or ""):gmatch("M%.([%w_]+)") do
    local owner, key = (values() or ""):match("^([%a_][%w_]*)%.([%w_]+)$")
    if reading.required[owner] then
      local entry = entry_of(reading.module.name .. "." .. member, parameters_of(found), found, number)
      entry.alias = ("%s.%s"):format(reading.required[owner], key)
      table.insert(reading.module.functions, entry)
    end
  end
end

-- `M.server = maker "server"`: a function that another makes, where a comment says so.
local function define_made(reading, line, found, number)
  local name = line:match("^M%.([%a_][%w_]*) = [%w_.]+[ (]")
  if not name or #found.lines == 0 then return end
  table.insert(reading.module.functions,
    entry_of(reading.module.name .. "." .. name, parameters_of(found), found, number))
end

-- A module may be a function: `local function nearest(…)` and at the end `return nearest`, or `return function(…)`.
local function define_whole(reading, line, found, number)
  local name, parameters = line:match("^local function ([%a_][%w_]*)%((.-)%)")
  if name and not reading.text:find("\nreturn " .. name .. "%s*$") then return end
  parameters = parameters or line:match("^return function%((.-)%)")
  if not parameters then return end
  table.insert(reading.module.functions, entry_of(reading.module.name, parameters, found, number))
end

local READERS = { note_local, define, define_alias, define_made, define_whole }

--- Read the doc comments of a file.
---@param text string
---@param name string of its module: "graph"
---@return reference.module
function M.parse(text, name)
  local module = { name = name, doc = "", functions = {}, classes = {} }
  local reading = { module = module, text = text, types = {}, required = {} }
  local found, number, first = new_comment(), 0, true
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if line:match("^%-%-%-") and not line:match("^%-%-%-%-") or first and line:match("^%-%-") then
      add_line(found, line)
    else
      if first then module.doc, first = text_of(found), false end
      if found.class then add_class(module, found) end
      for _, read in ipairs(READERS) do read(reading, line, found, number) end
      found = new_comment()
    end
  end
  return module
end

---------------------------------------------------------------------------
-- The library

local cache = {} ---@type table<string, reference.module>

-- The native modules are described, not written, in Lua.
local function path_of(name)
  local room = name:match("^host%f[.%z]") and "stdlib/meta/" or "stdlib/"
  return room .. name:gsub("%.", "/") .. ".lua"
end

--- The module of that name; nil when there is none. "host" is what the native modules share.
---@param name string "graph", "devolutions.server", "host.json", "host"
---@return reference.module|nil
function M.module(name)
  if not cache[name] then
    local text = sys.embedded(path_of(name))
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

-- Of a module that is a function, the module says what it does. What an alias stands for says what it
-- is; a constant is no function.
local function settle(entry, module)
  if entry.doc == "" and entry.full == module.name then entry.doc = module.doc end
  if not entry.alias or entry.doc ~= "" then return entry end
  local found = M.entry(entry.alias)
  if not found then return nil end
  return setmetatable({ name = entry.name, full = entry.full, line = entry.line, alias = entry.alias },
    { __index = found })
end

--- The public functions of a module, each with what is said of it.
---@param name string
---@return reference.entry[]
function M.functions(name)
  local module, list = M.module(name), {}
  for _, entry in ipairs(module and module.functions or {}) do list[#list + 1] = settle(entry, module) end
  return list
end

--- One function by its full name: "graph.list", "host.sys.time"; "nearest", where the module is the function.
---@param full string
---@return reference.entry|nil
function M.entry(full)
  for _, name in ipairs { full, (full:match("^(.+)%.[^.]+$")) } do
    for _, entry in ipairs(M.functions(name)) do
      if entry.full == full then return entry end
    end
  end
end

--- The function that is defined there.
---@param name string of the module
---@param line integer
---@return reference.entry|nil
function M.at(name, line)
  for _, entry in ipairs(M.functions(name)) do
    if entry.line == line then return entry end
  end
end

-- The modules a class may stand in: those of its room, the nearest name first.
local function rooms_of(name)
  local room = name:match("^[^.]+")
  local list = { name, (name:match("^(.+)%.[^.]+$")) }
  for _, known in ipairs(M.modules()) do
    if known:match("^[^.]+") == room then list[#list + 1] = known end
  end
  return list
end

--- A class by its name: "graph.options", "host.secret", "host.crypto.key".
---@param name string
---@return reference.class|nil
function M.class(name)
  for _, room in ipairs(rooms_of(name)) do
    local module = M.module(room)
    if module and module.classes[name] then return module.classes[name] end
  end
end

--- The class that a parameter or a field is of: graph.options for "graph.options?".
---@param value reference.value
---@return reference.class|nil
function M.class_of(value)
  return M.class((value.type:gsub("[?|].*$", "")))
end

return M
