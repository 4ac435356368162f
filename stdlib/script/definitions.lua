--- What editors know of the interfaces (LuaCATS): one file of definitions for each module that a script may require,
--- made from the doc comments that `help()` reads, and one for the types that their functions speak of.

local interfaces = require "script.interfaces"
local reference = require "script.reference"

local M = {}

local TYPES = "types" -- the file of the types

local function add_comment(lines, text)
  if text == "" then return end
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = ("--- %s"):format(line):gsub("%s+$", "") end
end

local function one_line(text) return (text:gsub("%s+", " ")) end

local function add_tag(lines, ...)
  local words = {}
  for _, word in ipairs { ... } do
    if word ~= "" then words[#words + 1] = one_line(word) end
  end
  lines[#lines + 1] = "---@" .. table.concat(words, " ")
end

-- A comment of an alias names parameters that its line does not.
local function parameters_of(entry)
  if entry.parameters ~= "" then return entry.parameters end
  local names = {}
  for i, param in ipairs(entry.params) do names[i] = param.name end
  return table.concat(names, ", ")
end

local function add_function(lines, entry, name)
  lines[#lines + 1] = ""
  add_comment(lines, entry.doc)
  for _, param in ipairs(entry.params) do add_tag(lines, "param", param.name, param.type, param.text) end
  for _, text in ipairs(entry.returns) do add_tag(lines, "return", text) end
  lines[#lines + 1] = ("function %s(%s) end"):format(name, parameters_of(entry))
end

---------------------------------------------------------------------------
-- Modules

local function is_callable(module)
  local meta = type(module) == "table" and debug.getmetatable(module)
  return meta and meta.__call ~= nil
end

local function module_text(name)
  local lines, module = { "---@meta " .. name }, reference.module(name)
  add_comment(lines, module.doc)
  lines[#lines + 1] = ""
  local whole = reference.entry(name)
  if whole then
    add_function(lines, whole, "M")
    lines[#lines] = "local " .. lines[#lines]
  else
    if is_callable(require(name)) then add_tag(lines, "overload fun(fields: table): table") end
    lines[#lines + 1] = "local M = {}"
    for _, entry in ipairs(reference.functions(name)) do add_function(lines, entry, "M." .. entry.name) end
  end
  lines[#lines + 1] = "\nreturn M\n"
  return table.concat(lines, "\n")
end

---------------------------------------------------------------------------
-- Types

-- Two types that everybody knows have no name of their module before theirs.
local HOMES = { Failure = "fail", Task = "task.scheduler" }

local function class_of(name)
  return HOMES[name] and reference.module(HOMES[name]).classes[name] or reference.class(name)
end

local function add_names(names, text)
  for name in text:gmatch("[%a_][%w_.]*") do
    local is_native = name:find("^host%.") and name ~= "host.secret"
    local class = not is_native and not names[name] and class_of(name)
    if class then names[name], names[#names + 1] = class, name end
  end
end

local function add_names_of(names, entry)
  for _, value in ipairs(entry.params) do add_names(names, value.type) end
  for _, text in ipairs(entry.returns) do add_names(names, text) end
end

-- All classes that interfaces speak of, and those that these speak of.
local function classes()
  local names = {}
  for _, name in ipairs(interfaces.names()) do
    for _, entry in ipairs(reference.functions(name)) do add_names_of(names, entry) end
  end
  local done = 0
  while done < #names do
    done = done + 1
    local class = names[names[done]]
    add_names(names, class.parent or "")
    for _, field in ipairs(class.fields) do add_names(names, field.type) end
    for _, method in ipairs(class.methods) do add_names_of(names, method) end
  end
  table.sort(names)
  return names
end

local function add_class(lines, class, number)
  lines[#lines + 1] = ""
  add_comment(lines, class.doc)
  add_tag(lines, "class", class.name .. (class.parent and ": " .. class.parent or ""))
  for _, field in ipairs(class.fields) do add_tag(lines, "field", field.name, field.type, field.text) end
  local name = "Class" .. number
  lines[#lines + 1] = ("local %s = {}"):format(name)
  for _, method in ipairs(class.methods) do
    if not method.name:find "^__" then add_function(lines, method, ("%s:%s"):format(name, method.name)) end
  end
end

local function types_text()
  local lines, names = { "---@meta " .. TYPES, "--- The types that the interfaces speak of." }, classes()
  for number, name in ipairs(names) do
    lines[#lines + 1] = "\ndo" -- Lua allows 200 local variables in one block
    add_class(lines, names[name], number)
    lines[#lines + 1] = "end"
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The files of definitions: "entra/admin.lua" -> its text.
---@return table<string, string>
function M.files()
  local files = { [TYPES .. ".lua"] = types_text() }
  for _, name in ipairs(interfaces.names()) do files[name:gsub("%.", "/") .. ".lua"] = module_text(name) end
  return files
end

return M
