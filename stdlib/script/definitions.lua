--- Make definition files for editors (LuaCATS): one file for each module that a script may require, from the doc
--- comments that `help()` reads, and one file for the types of their parameters and results.

local fact_definitions = require "script.fact_definitions"
local interfaces = require "script.interfaces"
local reference = require "script.reference"
local sets = require "base.sets"
local sys = require "host.sys"

local M = {}

local TYPES_FILE, GRAPH_FILE = "types", "graph_types" -- the files of the types, and of what Graph answers

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

local function add_function_definition(lines, entry, name, overloads)
  lines[#lines + 1] = ""
  add_definition_comment(lines, entry.doc)
  for _, param in ipairs(entry.params) do
    local kind = overloads and param.name == "path" and "graph.address" or param.type
    add_annotation(lines, "param", param.name, kind, param.text)
  end
  for _, text in ipairs(entry.returns) do add_annotation(lines, "return", text) end
  table.move(overloads or {}, 1, overloads and #overloads or 0, #lines + 1, lines)
  lines[#lines + 1] = ("function %s(%s) end"):format(name, definition_parameters(entry))
end

---------------------------------------------------------------------------
-- Modules

-- The functions in a table of the module, such as policy.devolutions.server.
local function add_table_definitions(lines, name, members)
  lines[#lines + 1] = ("\nM.%s = {}"):format(name)
  for _, key in ipairs(sets.sorted(members)) do
    local entry = type(members[key]) == "function" and reference.entry_of_function(members[key])
    if entry then add_function_definition(lines, entry, ("M.%s.%s"):format(name, key)) end
  end
end

local OVERLOADS = { policy = "policy.fields" } -- what a module that is called takes

-- The class of a module whose members are computed.
local COMPUTED = { peer = "---@class peer.module\n---@field [string] Peer a peer, by the name in the profile" }

local function module_head(name, module)
  local meta = type(module) == "table" and debug.getmetatable(module)
  local head = {}
  if meta and meta.__call then head[1] = ("---@overload fun(fields: %s): table"):format(OVERLOADS[name] or "table") end
  if COMPUTED[name] then head[#head + 1] = COMPUTED[name] end
  return head
end

local function add_module_members(lines, name, module)
  for _, entry in ipairs(reference.functions(name)) do
    add_function_definition(lines, entry, "M." .. entry.name,
      name == "graph" and fact_definitions.graph_overloads(entry.name) or nil)
  end
  for _, key in ipairs(sets.sorted(module)) do
    if type(module[key]) == "table" then add_table_definitions(lines, key, module[key])
    elseif type(module[key]) ~= "function" then lines[#lines + 1] = ("\nM.%s = nil ---@type any"):format(key) end
  end
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
    local head = module_head(name, require(name))
    table.move(head, 1, #head, #lines + 1, lines)
    lines[#lines + 1] = "local M = {}"
    add_module_members(lines, name, require(name))
  end
  lines[#lines + 1] = "\nreturn M\n"
  return table.concat(lines, "\n")
end

---------------------------------------------------------------------------
-- Types

-- Most class names begin with the name of their module ("graph.options"). The modules of the other classes:
local MODULE_OF_CLASS = { Failure = "fail", Task = "task.scheduler", Peer = "peer",
  ["policy.account"] = "rotate.account_sinks" }

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
  add_classes_to_define(names, "Peer")
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

-- Note the aliases and classes that a file of the library defines: an alias with its lines, a class as true.
local function note_definitions(known, text)
  local alias
  for line in ("\n" .. text):gmatch "\n(%-%-%-[@|][^\n]*)" do
    local tag, name = line:match "^%-%-%-@(%l+) ([%a_][%w_.]*)"
    if alias and line:find "^%-%-%-|" then
      known[alias] = known[alias] .. "\n" .. line
    else
      alias = tag == "alias" and name or nil
      if alias then known[alias] = line elseif tag == "class" then known[name] = known[name] or true end
    end
  end
end

local function definitions_in_library()
  local known = { T = "---@alias T any" } -- of a generic function
  for _, path in ipairs(sys.embedded_list "stdlib/") do
    if path:find "%.lua$" then note_definitions(known, sys.embedded(path)) end
  end
  return known
end

-- Define the other names that the annotations use: aliases; and classes that no interface speaks of, without members,
-- because a script only passes their objects on.
local function add_other_definitions(lines, names, texts)
  local known, done = definitions_in_library(), {}
  local function add_names_in(text)
    for line in text:gmatch "%-%-%-[@|][^\n]*" do
      for name in line:gmatch "[%a_][%w_.]*" do
        local found = not names[name] and not done[name] and known[name]
        done[name] = true
        if found then
          lines[#lines + 1] = "\n" .. (found == true and "---@class " .. name or found)
          if found ~= true then add_names_in(found) end
        end
      end
    end
  end
  for _, text in ipairs(texts) do add_names_in(text) end
end

local function type_definitions(texts)
  local lines = { "---@meta " .. TYPES_FILE, "--- The types of parameters and results of the interfaces." }
  local names = classes_to_define()
  for number, name in ipairs(names) do
    lines[#lines + 1] = "\ndo" -- Lua allows 200 local variables in one block
    add_class_definition(lines, names[name], number)
    lines[#lines + 1] = "end"
  end
  table.insert(texts, table.concat(lines, "\n"))
  add_other_definitions(lines, names, texts)
  return table.concat(lines, "\n") .. "\n" .. fact_definitions.field_types()
end

--- The files of definitions: "entra/admin.lua" -> its text.
---@return table<string, string>
function M.files()
  local files, texts = { [GRAPH_FILE .. ".lua"] = fact_definitions.graph_types() }, {}
  for _, name in ipairs(interfaces.names()) do
    local text = module_definitions(name)
    files[name:gsub("%.", "/") .. ".lua"], texts[#texts + 1] = text, text
  end
  files[TYPES_FILE .. ".lua"] = type_definitions(texts)
  return files
end

return M
