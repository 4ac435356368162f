--- Make the reference for script authors, one page of Markdown, from the doc comments that `help()` reads.

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

-- Escape a type or a text for a cell in a table of Markdown.
local function escape_markdown_cell(text) return (text:gsub("|", "\\|"):gsub("%s+", " ")) end

local function markdown_code_cell(text) return "`" .. escape_markdown_cell(text) .. "`" end

local function first_sentence_of_module(text)
  local joined = text:gsub("%s+", " ")
  return joined:match("^(.-%.) ") or joined
end

-- Add the text of a doc comment. Indented examples become code blocks; a line that begins with "#" does not become a
-- heading.
local function add_doc_text(lines, text)
  if text == "" then return end
  for line in (text .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = line:match("^%s%s+%S") and "    " .. line:match("^%s*(.*)$") or (line:gsub("^#", "\\#"))
  end
  lines[#lines + 1] = ""
end

local function add_value_table(lines, heading, values)
  if #values == 0 then return end
  lines[#lines + 1] = ("| %s | type | |"):format(heading)
  lines[#lines + 1] = "|---|---|---|"
  for _, value in ipairs(values) do
    lines[#lines + 1] = ("| %s | %s | %s |")
      :format(markdown_code_cell(value.name), markdown_code_cell(value.type), escape_markdown_cell(value.text))
  end
  lines[#lines + 1] = ""
end

local function add_function_section(lines, title, entry)
  lines[#lines + 1] = ("### `%s(%s)`"):format(title, entry.parameters)
  lines[#lines + 1] = ""
  add_doc_text(lines, entry.doc)
  add_value_table(lines, "parameter", entry.params)
  for _, text in ipairs(entry.returns) do lines[#lines + 1] = "Returns " .. markdown_code_cell(text) .. "." end
  if #entry.returns > 0 then lines[#lines + 1] = "" end
end

-- Add the classes that a type names: "graph.options?", "fun(): table", "policy.terms[]". Of the native classes, a
-- script gets only secrets, so the other native classes are left out.
local function add_classes_to_page(names, text)
  for name in text:gmatch("[%a_][%w_.]*") do
    local is_native = name:find("^host%.") and name ~= "host.secret"
    local class = not is_native and not names[name] and reference.class(name)
    if class then
      names[name], names[#names + 1] = class, name
    end
  end
end

local function add_function_classes_to_page(names, entry)
  for _, value in ipairs(entry.params) do add_classes_to_page(names, value.type) end
  for _, text in ipairs(entry.returns) do add_classes_to_page(names, text) end
end

-- The fields or methods of a class that a script may use.
local function usable_members(class, members)
  local list = {}
  for _, member in ipairs(members) do
    local is_open = not class.open or class.open[member.name]
    if is_open and not member.name:find("^__") then list[#list + 1] = member end
  end
  return list
end

-- The classes of the functions' parameters and results: a sorted list of names, and the classes by name. A class of the
-- module's own room adds the classes of its fields and methods.
local function classes_of_page(functions, room)
  local names = {}
  for _, entry in ipairs(functions) do add_function_classes_to_page(names, entry) end
  local done = 0
  while done < #names do
    done = done + 1
    local class = names[names[done]]
    if class.name:match("^[^.]+") == room then
      for _, field in ipairs(usable_members(class, class.fields)) do add_classes_to_page(names, field.type) end
      for _, method in ipairs(usable_members(class, class.methods)) do add_function_classes_to_page(names, method) end
    end
  end
  table.sort(names)
  return names
end

local function add_class_section(lines, class)
  lines[#lines + 1] = ("### Type `%s`"):format(class.name)
  lines[#lines + 1] = ""
  add_doc_text(lines, class.doc)
  add_value_table(lines, "member", usable_members(class, class.fields))
  for _, method in ipairs(usable_members(class, class.methods)) do
    add_function_section(lines, class.name .. ":" .. method.name, method)
  end
end

--- The reference of these modules as one page of Markdown.
---@param names string[] of the modules
---@return string markdown the whole page
function M.page(names)
  local lines, described = { INTRODUCTION, "## Modules", "" }, {}
  for _, name in ipairs(names) do
    local summary = first_sentence_of_module(reference.module(name).doc)
    lines[#lines + 1] = ("- [`%s`](#%s): %s"):format(name, name:gsub("%.", ""), summary)
  end
  for _, name in ipairs(names) do
    local functions = reference.functions(name)
    lines[#lines + 1] = ""
    lines[#lines + 1] = "## " .. name
    lines[#lines + 1] = ""
    add_doc_text(lines, reference.module(name).doc)
    for _, entry in ipairs(functions) do add_function_section(lines, entry.full, entry) end
    local classes = classes_of_page(functions, name:match("^[^.]+"))
    for _, class in ipairs(classes) do
      if not described[class] then add_class_section(lines, classes[class]) end
      described[class] = true
    end
    if lines[#lines] == "" then lines[#lines] = nil end
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
