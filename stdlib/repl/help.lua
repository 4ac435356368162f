--- Make the pages of help(), from the doc comments of the interfaces, formatted for the terminal.

local border = require "script.border"
local codes = require "repl.codes"
local extras = require "repl.extras"
local fail = require "fail"
local globals = require "repl.globals"
local layout = require "terminal.layout"
local log = require "log"
local nearest = require "base.nearest"
local paths = require "graph.paths"
local reference = require "script.reference"
local sandbox = require "script.sandbox"
local term = require "host.term"

local M = {}

-- The modules that the overview shows first.
local MAIN_MODULES = { "graph", "devolutions", "task", "time", "report", "json", "secret" }

local function bold_help_text(text) return log.style("bold", text) end

local function first_sentence_of_help(text)
  local joined = text:gsub("%s+", " ")
  return joined:match("^(.-%.) ") or joined
end

local function add_help_lines(lines, text, indent)
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = (indent or "") .. line end
end

-- Add a doc comment. The lines of a paragraph are joined, because the terminal wraps them at its own width. Indented
-- lines are examples, and stay as they are.
local function add_doc_to_help(lines, doc)
  local paragraph = ""
  local function end_paragraph()
    if paragraph ~= "" then lines[#lines + 1] = paragraph end
    paragraph = ""
  end
  for line in (doc .. "\n"):gmatch("(.-)\n") do
    if line ~= "" and not line:match("^%s") then
      paragraph = (paragraph .. " " .. line):match("^ ?(.*)$")
    else
      end_paragraph()
      lines[#lines + 1] = line
    end
  end
  end_paragraph()
end

---------------------------------------------------------------------------
-- A function, a class, a module

-- Add names, types and descriptions in columns.
local function add_parameters_to_help(lines, values)
  local widest, broadest = 0, 0
  for _, value in ipairs(values) do
    widest = math.max(widest, layout.width(value.name))
    broadest = math.max(broadest, math.min(28, layout.width(value.type)))
  end
  for _, value in ipairs(values) do
    local line = ("  %s  %s  %s"):format(log.style("cyan", layout.pad(value.name, widest)),
      layout.pad(value.type, broadest), value.text)
    local parts = layout.wrap(line:gsub("%s+$", ""), term.width(), widest + broadest + 4)
    table.move(parts, 1, #parts, #lines + 1, lines)
  end
end

-- Add the members of the parameters that are options tables: for "graph.options?", the fields of graph.options.
local function add_options_to_help(lines, params)
  for _, param in ipairs(params) do
    local class = reference.class_of(param)
    if class and #class.fields > 0 and not param.type:match("^host%.") then
      lines[#lines + 1] = ""
      lines[#lines + 1] = ("%s may have:"):format(param.name)
      add_parameters_to_help(lines, class.fields)
    end
  end
end

---@param entry reference.entry
local function help_on_function(entry)
  local lines = { bold_help_text(("%s(%s)"):format(entry.full, entry.parameters)), "" }
  if entry.doc ~= "" then add_doc_to_help(lines, entry.doc) end
  if #entry.params > 0 then
    lines[#lines + 1] = ""
    add_parameters_to_help(lines, entry.params)
  end
  for _, text in ipairs(entry.returns) do lines[#lines + 1] = "  returns " .. text end
  add_options_to_help(lines, entry.params)
  return lines
end

local function add_functions_to_help(lines, entries, name_of)
  for _, entry in ipairs(entries) do
    lines[#lines + 1] = log.style("cyan", ("  %s(%s)"):format(name_of(entry), entry.parameters))
    if entry.doc ~= "" then lines[#lines + 1] = "      " .. first_sentence_of_help(entry.doc) end
  end
end

---@param class reference.class
local function help_on_class(class)
  local lines = { bold_help_text(class.name), "" }
  if class.doc ~= "" then add_doc_to_help(lines, class.doc) end
  add_parameters_to_help(lines, class.fields)
  add_functions_to_help(lines, class.methods, function(entry) return ":" .. entry.name end)
  return lines
end

local function help_on_module(name)
  local module = reference.module(name)
  local functions = reference.functions(name)
  if #functions == 1 and functions[1].full == name then return help_on_function(functions[1]) end
  local lines = { bold_help_text(name), "" }
  add_doc_to_help(lines, module.doc)
  lines[#lines + 1] = ""
  add_functions_to_help(lines, functions, function(entry) return entry.full end)
  return lines
end

local function help_on_room(room, names)
  local lines = { bold_help_text(room) }
  for _, name in ipairs(names) do
    lines[#lines + 1] = log.style("cyan", "  " .. name)
    lines[#lines + 1] = "      " .. first_sentence_of_help(reference.module(name).doc)
  end
  return lines
end

local function modules_of_prompt_room(room)
  local names = {}
  for _, name in ipairs(sandbox.modules()) do
    if name:match("^[^.]+") == room then names[#names + 1] = name end
  end
  return names
end

---------------------------------------------------------------------------
-- A path of Graph

local function help_on_path(text)
  local entry = paths.find(text)
  if not entry then return nil end
  local lines = { bold_help_text(entry.path), "  " .. table.concat(entry.methods, ", ") }
  local properties = paths.properties(entry.type)
  if #properties > 0 then
    local words = {}
    for i, property in ipairs(properties) do
      words[i] = property.kind == "text" and property.name or property.name .. ": " .. property.kind
    end
    lines[#lines + 1] = ("  comes back: %s, with these properties (those not in the default set must be selected)")
      :format(entry.type)
    for _, line in ipairs(layout.columns(words, term.width() - 4)) do lines[#lines + 1] = "    " .. line end
  end
  local below = paths.next_segments(text:gsub("/?$", "/"))
  if #below > 0 then lines[#lines + 1] = "  below it: " .. table.concat(below, ", ") end
  return lines
end

---------------------------------------------------------------------------
-- Scripts, commands

local function help_on_script(text)
  local script = require "script.load"
  local ok, declaration, found = pcall(script.load, text)
  if not ok then return nil end
  local lines = {}
  add_help_lines(lines, script.help(declaration, found, declaration.steps and "plan" or "run"))
  return lines
end

local function help_on_command(text)
  local page = reference.module("command." .. text)
  local summary = page and page.doc:match "^moonlatch [^:]+: ([^\n]+)"
  if not summary then return nil end
  return { bold_help_text("moonlatch " .. text), "  " .. summary, "", ("In a shell: moonlatch %s --help"):format(text) }
end

-- Help on the prompt's own functions.
local function help_on_prompt_function(name)
  for _, list in ipairs { reference.class("repl.prompt").methods, reference.functions "repl.results" } do
    for _, entry in ipairs(list) do
      if entry.name == name and name ~= "apply" then
        return help_on_function(setmetatable({ full = name }, { __index = entry }))
      end
    end
  end
end

---------------------------------------------------------------------------
-- Finding a topic

local HELP_FINDERS = {
  function(text) return codes.explain(text) end,
  function(text) return text:sub(1, 1) == "/" and help_on_path(text) or nil end,
  function(text)
    local open = sandbox.is_open(text) or sandbox.is_open(text:match("^(.+)%.[^.]+$") or "")
    local entry = open and reference.entry(text)
    return entry and help_on_function(entry)
  end,
  function(text) return sandbox.is_open(text) and help_on_module(text) or nil end,
  function(text)
    local names = modules_of_prompt_room(text)
    return #names > 0 and help_on_room(text, names) or nil
  end,
  function(text)
    local class = reference.class(text)
    return class and help_on_class(class)
  end,
  help_on_command, help_on_script, help_on_prompt_function,
}

--- The names of all topics.
---@return string[]
function M.topics()
  local list = codes.known_codes()
  for _, name in ipairs(sandbox.modules()) do list[#list + 1] = name end
  for _, name in ipairs { "graph", "task", "time", "report", "json", "secret", "log", "explain" } do
    for _, entry in ipairs(reference.functions(name)) do list[#list + 1] = entry.full end
  end
  for _, entry in ipairs(paths.all()) do list[#list + 1] = entry.path end
  return list
end

local function raise_unknown_help_topic(text)
  local meant = nearest(text, M.topics())
  fail.raise {
    kind = "usage", what = ("help %q"):format(text), why = "there is no help of that name",
    fix = meant and ("Did you mean help %q?"):format(meant) or "Type help() for the list of topics.",
  }
end

local function help_by_name(text)
  for _, find in ipairs(HELP_FINDERS) do
    local lines = find(text)
    if lines then return lines end
  end
  raise_unknown_help_topic(text)
end

---------------------------------------------------------------------------
-- A value

-- The name of the interface whose module table this is; nil for any other value.
local function module_name_for_help(value)
  for name, loaded in pairs(package.loaded) do
    if rawequal(loaded, value) and reference.module(name) and sandbox.is_open(name) then return name end
  end
end

-- The entry of a function: looked for in the interfaces, then by the line of its definition.
local function help_entry_of_function(fn)
  for _, name in ipairs(sandbox.modules()) do
    local module = package.loaded[name]
    for key, value in pairs(type(module) == "table" and module or {}) do
      if rawequal(value, fn) then return reference.entry(("%s.%s"):format(name, tostring(key))) end
    end
  end
  return reference.entry_of_function(fn)
end

local function class_for_help(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and reference.class(name)
end

local function help_on_library_value(seen)
  local value = border.library_value_of(seen)
  local given = extras.name_of(value)
  if given then return help_on_prompt_function(given) end
  if type(value) == "function" then
    local entry = help_entry_of_function(value)
    return entry and help_on_function(entry)
  end
  local room = globals.room(value)
  if room then return help_on_room(room.name, modules_of_prompt_room(room.name)) end
  local name = type(value) == "table" and module_name_for_help(value)
  return name and help_on_module(name) or nil
end

local function raise_no_help_on_value(value)
  fail.raise {
    kind = "usage", what = "help", why = ("there is no help on a %s of your own"):format(type(value)),
    fix = "Type help() for the list of topics.",
  }
end

local HANGING_INDENTS = { why = 5, fix = 5, returns = 2 }

local function wrap_help_lines(lines)
  return layout.wrap_all(lines, term.width(), function(line) return HANGING_INDENTS[line:match("^  (%l+):? ")] or 0 end)
end

--- The help on a function, a module or a room of modules; nil for any other value, which the prompt shows itself.
---@param value any
---@return string[]|nil
function M.of_value(value)
  local lines = help_on_library_value(value)
  return lines and wrap_help_lines(lines)
end

--- The help on a value. A text names a function, a module, a path of Graph, a code, a script or a command. Raises
--- "usage" when there is no help.
---@param value any
---@return string[] lines
function M.of(value)
  if type(value) == "string" or math.type(value) == "integer" then
    return wrap_help_lines(help_by_name(tostring(value)))
  end
  local class = value ~= nil and class_for_help(value)
  local lines = help_on_library_value(value) or class and help_on_class(class) or raise_no_help_on_value(value)
  return wrap_help_lines(lines)
end

local PROMPT_EXAMPLES = {
  { 'graph.get "/users"', "read: a page, or one thing; graph.all reads all pages" },
  { "last", "the last result, or the last failure, also as _; last.value[1].id looks into it" },
  { 'where { x = "a*" }', "of the last result; sort \"name\", columns \"name, id\", save \"reports/x.csv\"" },
  { "explain(last)", "why it failed, and what to do" },
  { "unfold(last)", "all of it, nothing folded" },
  { 'trace "on"', "show each request with its time; \"off\" ends that" },
  { "doctor, plan NAME", "commands that only read, as on the command line" },
  { "?graph.list", "help: a function; help(graph): a module" },
  { 'help "/users"', "a path of Graph: methods and properties" },
  { 'help "403"', "what a status, a Graph code or an AADSTS number means" },
}

-- The first parts of the modules' names: "graph", "entra.…".
local function room_names()
  local list, place_of = {}, {}
  for _, name in ipairs(sandbox.modules()) do
    local room, below = name:match("^([^.]+)(.*)$")
    place_of[room] = place_of[room] or #list + 1
    if below ~= "" then list[place_of[room]] = room .. ".…" end
    list[place_of[room]] = list[place_of[room]] or room
  end
  return list
end

--- The overview of the prompt: examples, and the modules.
---@return string[] lines
function M.overview()
  local lines = { bold_help_text "At the prompt" }
  for _, row in ipairs(PROMPT_EXAMPLES) do
    lines[#lines + 1] = ("  %s  %s"):format(log.style("cyan", layout.pad(row[1], 18)), row[2])
  end
  lines[#lines + 1] = "Calls that wait just work. Tab completes names, paths, properties, and ids that were seen."
  lines[#lines + 1] = bold_help_text "Modules"
  for _, name in ipairs(MAIN_MODULES) do
    local module = reference.module(name)
    local said = module and first_sentence_of_help(module.doc) or "Devolutions Server's vaults and entries."
    lines[#lines + 1] = ("  %s  %s"):format(log.style("cyan", layout.pad(name, 12)), said)
  end
  lines[#lines + 1] = bold_help_text "All modules" .. "  (help(entra) says what is in entra.…)"
  for _, line in ipairs(layout.columns(room_names(), term.width() - 2)) do lines[#lines + 1] = "  " .. line end
  local text = layout.fit(table.concat(lines, "\n"), term.width())
  lines = {}
  add_help_lines(lines, text)
  return lines
end

return M
