--- Make definition files for editors (LuaCATS): one file for each module that a script may require, from the doc
--- comments that `help()` reads, and one file for the types of their parameters and results.

local interfaces = require "script.interfaces"
local reference = require "script.reference"

local M = {}

local TYPES_FILE = "types" -- the file of the types

local function add_definition_comment(lines, text)
  if text == "" then return end
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = ("--- %s"):format(line):gsub("%s+$", "") end
end

local function join_annotation_lines(text) return (text:gsub("%s+", " ")) end

local function add_annotation(lines, ...)
  local words = {}
  for _, word in ipairs { ... } do
    if word ~= "" then words[#words + 1] = join_annotation_lines(word) end
  end
  lines[#lines + 1] = "---@" .. table.concat(words, " ")
end

-- The names of a function's parameters. The line of an alias has no parameters; its doc comment names them.
local function definition_parameters(entry)
  if entry.parameters ~= "" then return entry.parameters end
  local names = {}
  for i, param in ipairs(entry.params) do names[i] = param.name end
  return table.concat(names, ", ")
end

local function add_function_definition(lines, entry, name)
  lines[#lines + 1] = ""
  add_definition_comment(lines, entry.doc)
  for _, param in ipairs(entry.params) do add_annotation(lines, "param", param.name, param.type, param.text) end
  for _, text in ipairs(entry.returns) do add_annotation(lines, "return", text) end
  lines[#lines + 1] = ("function %s(%s) end"):format(name, definition_parameters(entry))
end

---------------------------------------------------------------------------
-- Modules

local function is_callable_module(module)
  local meta = type(module) == "table" and debug.getmetatable(module)
  return meta and meta.__call ~= nil
end

local function module_definitions(name)
  local lines, module = { "---@meta " .. name }, reference.module(name)
  add_definition_comment(lines, module.doc)
  lines[#lines + 1] = ""
  local whole = reference.entry(name)
  if whole then
    add_function_definition(lines, whole, "M")
    lines[#lines] = "local " .. lines[#lines]
  else
    if is_callable_module(require(name)) then add_annotation(lines, "overload fun(fields: table): table") end
    lines[#lines + 1] = "local M = {}"
    for _, entry in ipairs(reference.functions(name)) do add_function_definition(lines, entry, "M." .. entry.name) end
  end
  lines[#lines + 1] = "\nreturn M\n"
  return table.concat(lines, "\n")
end

---------------------------------------------------------------------------
-- Types

-- Most class names begin with the name of their module ("graph.options"). The modules of the other classes:
local MODULE_OF_CLASS = { Failure = "fail", Task = "task.scheduler" }

local function find_documented_class(name)
  return MODULE_OF_CLASS[name] and reference.module(MODULE_OF_CLASS[name]).classes[name] or reference.class(name)
end

local function add_classes_to_define(names, text)
  for name in text:gmatch("[%a_][%w_.]*") do
    local is_native = name:find("^host%.") and name ~= "host.secret"
    local class = not is_native and not names[name] and find_documented_class(name)
    if class then names[name], names[#names + 1] = class, name end
  end
end

local function add_function_classes_to_define(names, entry)
  for _, value in ipairs(entry.params) do add_classes_to_define(names, value.type) end
  for _, text in ipairs(entry.returns) do add_classes_to_define(names, text) end
end

-- The classes that the types in the interfaces name, and the classes that these classes name in turn: a sorted list of
-- names, and the classes by name.
local function classes_to_define()
  local names = {}
  for _, name in ipairs(interfaces.names()) do
    for _, entry in ipairs(reference.functions(name)) do add_function_classes_to_define(names, entry) end
  end
  local done = 0
  while done < #names do
    done = done + 1
    local class = names[names[done]]
    add_classes_to_define(names, class.parent or "")
    for _, field in ipairs(class.fields) do add_classes_to_define(names, field.type) end
    for _, method in ipairs(class.methods) do add_function_classes_to_define(names, method) end
  end
  table.sort(names)
  return names
end

local function add_class_definition(lines, class, number)
  lines[#lines + 1] = ""
  add_definition_comment(lines, class.doc)
  add_annotation(lines, "class", class.name .. (class.parent and ": " .. class.parent or ""))
  for _, field in ipairs(class.fields) do add_annotation(lines, "field", field.name, field.type, field.text) end
  local name = "Class" .. number
  lines[#lines + 1] = ("local %s = {}"):format(name)
  for _, method in ipairs(class.methods) do
    if not method.name:find "^__" then add_function_definition(lines, method, ("%s:%s"):format(name, method.name)) end
  end
end

local function type_definitions()
  local lines = { "---@meta " .. TYPES_FILE, "--- The types of parameters and results of the interfaces." }
  local names = classes_to_define()
  for number, name in ipairs(names) do
    lines[#lines + 1] = "\ndo" -- Lua allows 200 local variables in one block
    add_class_definition(lines, names[name], number)
    lines[#lines + 1] = "end"
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The files of definitions: "entra/admin.lua" -> its text.
---@return table<string, string>
function M.files()
  local files = { [TYPES_FILE .. ".lua"] = type_definitions() }
  for _, name in ipairs(interfaces.names()) do files[name:gsub("%.", "/") .. ".lua"] = module_definitions(name) end
  return files
end

return M
