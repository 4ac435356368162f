--- The reference for script authors as one Markdown page, made from the doc comments that `help()` reads.

local reference = require "script.reference"

local M = {}

local INTRODUCTION = [[
# Reference for script authors

Every module that a script, `moonlatch -e` and the prompt may `require`. `help(graph.get)` at the prompt says the same.
[writing-scripts.md](writing-scripts.md) shows how a script is written.

`./dev docs` makes this page from the comments in `stdlib/`: change those, not this page.

In types, `?` means that the value may be absent, `|` means "or", and `X[]` is a list. A call that waits raises an error
where Lua cannot wait: in a metamethod, and in a function that `table.sort` or `string.gsub` calls.
]]

-- A type or a text in a table of Markdown: no cell ends early.
local function cell(text) return (text:gsub("|", "\\|"):gsub("%s+", " ")) end

local function code(text) return "`" .. cell(text) .. "`" end

local function first_sentence(text)
  local joined = text:gsub("%s+", " ")
  return joined:match("^(.-%.) ") or joined
end

-- Indented examples stay as they are; what an author wrote as plain text may hold no heading by accident.
local function add_text(lines, text)
  if text == "" then return end
  for line in (text .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = line:match("^%s%s+%S") and "    " .. line:match("^%s*(.*)$") or (line:gsub("^#", "\\#"))
  end
  lines[#lines + 1] = ""
end

local function add_table(lines, heading, values)
  if #values == 0 then return end
  lines[#lines + 1] = ("| %s | type | |"):format(heading)
  lines[#lines + 1] = "|---|---|---|"
  for _, value in ipairs(values) do
    lines[#lines + 1] = ("| %s | %s | %s |"):format(code(value.name), code(value.type), cell(value.text))
  end
  lines[#lines + 1] = ""
end

local function add_function(lines, title, entry)
  lines[#lines + 1] = ("### `%s(%s)`"):format(title, entry.parameters)
  lines[#lines + 1] = ""
  add_text(lines, entry.doc)
  add_table(lines, "parameter", entry.params)
  for _, text in ipairs(entry.returns) do lines[#lines + 1] = "Returns " .. code(text) .. "." end
  if #entry.returns > 0 then lines[#lines + 1] = "" end
end

-- Add the names of the classes in a text of types: "graph.options?", "fun(): table", "policy.terms[]". A script gets no
-- value of a native class but a secret.
local function add_names(names, text)
  for name in text:gmatch("[%a_][%w_.]*") do
    local is_native = name:find("^host%.") and name ~= "host.secret"
    local class = not is_native and not names[name] and reference.class(name)
    if class then
      names[name], names[#names + 1] = class, name
    end
  end
end

local function add_names_of(names, entry)
  for _, value in ipairs(entry.params) do add_names(names, value.type) end
  for _, text in ipairs(entry.returns) do add_names(names, text) end
end

-- Those of a class's fields or methods that a script may use.
local function open_of(class, members)
  local list = {}
  for _, member in ipairs(members) do
    local is_open = not class.open or class.open[member.name]
    if is_open and not member.name:find("^__") then list[#list + 1] = member end
  end
  return list
end

-- The names of the classes that the functions take and return, and the classes by name. A class of the module's own
-- room adds the classes of its fields and methods.
local function classes_of(functions, room)
  local names = {}
  for _, entry in ipairs(functions) do add_names_of(names, entry) end
  local done = 0
  while done < #names do
    done = done + 1
    local class = names[names[done]]
    if class.name:match("^[^.]+") == room then
      for _, field in ipairs(open_of(class, class.fields)) do add_names(names, field.type) end
      for _, method in ipairs(open_of(class, class.methods)) do add_names_of(names, method) end
    end
  end
  table.sort(names)
  return names
end

local function add_class(lines, class)
  lines[#lines + 1] = ("### Type `%s`"):format(class.name)
  lines[#lines + 1] = ""
  add_text(lines, class.doc)
  add_table(lines, "member", open_of(class, class.fields))
  for _, method in ipairs(open_of(class, class.methods)) do
    add_function(lines, class.name .. ":" .. method.name, method)
  end
end

--- The reference of these modules as one page of Markdown.
---@param names string[] of the modules
---@return string markdown the whole page
function M.page(names)
  local lines, told = { INTRODUCTION, "## Modules", "" }, {}
  for _, name in ipairs(names) do
    local said = first_sentence(reference.module(name).doc)
    lines[#lines + 1] = ("- [`%s`](#%s): %s"):format(name, name:gsub("%.", ""), said)
  end
  for _, name in ipairs(names) do
    local functions = reference.functions(name)
    lines[#lines + 1] = ""
    lines[#lines + 1] = "## " .. name
    lines[#lines + 1] = ""
    add_text(lines, reference.module(name).doc)
    for _, entry in ipairs(functions) do add_function(lines, entry.full, entry) end
    local classes = classes_of(functions, name:match("^[^.]+"))
    for _, class in ipairs(classes) do
      if not told[class] then add_class(lines, classes[class]) end
      told[class] = true
    end
    if lines[#lines] == "" then lines[#lines] = nil end
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
