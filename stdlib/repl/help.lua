--- help(): the doc comments of the interfaces, formatted for the terminal.

local border = require "script.border"
local codes = require "repl.codes"
local extras = require "repl.extras"
local fail = require "fail"
local globals = require "repl.globals"
local layout = require "terminal.layout"
local log = require "log"
local nearest = require "base.nearest"
local paths = require "repl.paths"
local reference = require "script.reference"
local sandbox = require "script.sandbox"
local term = require "host.term"

local M = {}

local MAIN = { "graph", "devolutions", "task", "time", "report", "json", "secret" } -- what a newcomer looks for

local function bold(text) return log.style("bold", text) end

local function first_sentence(text)
  local joined = text:gsub("%s+", " ")
  return joined:match("^(.-%.) ") or joined
end

local function add_text(lines, text, indent)
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = (indent or "") .. line end
end

-- Add a doc comment: lines of a paragraph are joined, because the terminal has a width of its own. Indented lines are
-- examples, and stay.
local function add_doc(lines, doc)
  local paragraph = ""
  local function finish()
    if paragraph ~= "" then lines[#lines + 1] = paragraph end
    paragraph = ""
  end
  for line in (doc .. "\n"):gmatch("(.-)\n") do
    if line ~= "" and not line:match("^%s") then
      paragraph = (paragraph .. " " .. line):match("^ ?(.*)$")
    else
      finish()
      lines[#lines + 1] = line
    end
  end
  finish()
end

---------------------------------------------------------------------------
-- A function, a class, a module

-- Names, types and descriptions, one below the other.
local function add_values(lines, values)
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

-- The members of an options parameter: "graph.options?" -> those of graph.options.
local function add_members(lines, params)
  for _, param in ipairs(params) do
    local class = reference.class_of(param)
    if class and #class.fields > 0 and not param.type:match("^host%.") then
      lines[#lines + 1] = ""
      lines[#lines + 1] = ("%s may have:"):format(param.name)
      add_values(lines, class.fields)
    end
  end
end

---@param entry reference.entry
local function of_function(entry)
  local lines = { bold(("%s(%s)"):format(entry.full, entry.parameters)), "" }
  if entry.doc ~= "" then add_doc(lines, entry.doc) end
  if #entry.params > 0 then
    lines[#lines + 1] = ""
    add_values(lines, entry.params)
  end
  for _, text in ipairs(entry.returns) do lines[#lines + 1] = "  returns " .. text end
  add_members(lines, entry.params)
  return lines
end

local function add_entries(lines, entries, name_of)
  for _, entry in ipairs(entries) do
    lines[#lines + 1] = log.style("cyan", ("  %s(%s)"):format(name_of(entry), entry.parameters))
    if entry.doc ~= "" then lines[#lines + 1] = "      " .. first_sentence(entry.doc) end
  end
end

---@param class reference.class
local function of_class(class)
  local lines = { bold(class.name), "" }
  if class.doc ~= "" then add_doc(lines, class.doc) end
  add_values(lines, class.fields)
  add_entries(lines, class.methods, function(entry) return ":" .. entry.name end)
  return lines
end

local function of_module(name)
  local module = reference.module(name)
  local functions = reference.functions(name)
  if #functions == 1 and functions[1].full == name then return of_function(functions[1]) end
  local lines = { bold(name), "" }
  add_doc(lines, module.doc)
  lines[#lines + 1] = ""
  add_entries(lines, functions, function(entry) return entry.full end)
  return lines
end

local function of_room(room, names)
  local lines = { bold(room) }
  for _, name in ipairs(names) do
    lines[#lines + 1] = log.style("cyan", "  " .. name)
    lines[#lines + 1] = "      " .. first_sentence(reference.module(name).doc)
  end
  return lines
end

local function modules_of(room)
  local names = {}
  for _, name in ipairs(sandbox.modules()) do
    if name:match("^[^.]+") == room then names[#names + 1] = name end
  end
  return names
end

---------------------------------------------------------------------------
-- A path of Graph

local function of_path(text)
  local entry = paths.find(text)
  if not entry then return nil end
  local lines = { bold(entry.path), "  " .. table.concat(entry.methods, ", ") }
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

local function of_script(text)
  local script = require "script.load"
  local ok, declaration, found = pcall(script.load, text)
  if not ok then return nil end
  local lines = {}
  add_text(lines, script.help(declaration, found, declaration.steps and "plan" or "run"))
  return lines
end

local function of_command(text)
  local page = reference.module("command." .. text)
  local summary = page and page.doc:match "^moonlatch [^:]+: ([^\n]+)"
  if not summary then return nil end
  return { bold("moonlatch " .. text), "  " .. summary, "", ("In a shell: moonlatch %s --help"):format(text) }
end

-- Help on the prompt's own functions.
local function of_prompt(name)
  for _, entry in ipairs(reference.class("repl.prompt").methods) do
    if entry.name == name then return of_function(setmetatable({ full = name }, { __index = entry })) end
  end
end

---------------------------------------------------------------------------
-- Finding a topic

local FINDERS = {
  function(text) return codes.explain(text) end,
  function(text) return text:sub(1, 1) == "/" and of_path(text) or nil end,
  function(text)
    local open = sandbox.is_open(text) or sandbox.is_open(text:match("^(.+)%.[^.]+$") or "")
    local entry = open and reference.entry(text)
    return entry and of_function(entry)
  end,
  function(text) return sandbox.is_open(text) and of_module(text) or nil end,
  function(text)
    local names = modules_of(text)
    return #names > 0 and of_room(text, names) or nil
  end,
  function(text)
    local class = reference.class(text)
    return class and of_class(class)
  end,
  of_command, of_script, of_prompt,
}

--- All topics with a name.
---@return string[]
function M.topics()
  local list = codes.names()
  for _, name in ipairs(sandbox.modules()) do list[#list + 1] = name end
  for _, name in ipairs { "graph", "task", "time", "report", "json", "secret", "log", "explain" } do
    for _, entry in ipairs(reference.functions(name)) do list[#list + 1] = entry.full end
  end
  for _, entry in ipairs(paths.all()) do list[#list + 1] = entry.path end
  return list
end

local function raise_unknown(text)
  local meant = nearest(text, M.topics())
  fail.raise {
    kind = "usage", what = ("help %q"):format(text), why = "there is no help of that name",
    fix = meant and ("Did you mean help %q?"):format(meant) or "help() says what there is.",
  }
end

local function of_name(text)
  for _, find in ipairs(FINDERS) do
    local lines = find(text)
    if lines then return lines end
  end
  raise_unknown(text)
end

---------------------------------------------------------------------------
-- A value

-- The library's module whose table this is.
local function module_of(value)
  for name, loaded in pairs(package.loaded) do
    if rawequal(loaded, value) and reference.module(name) and sandbox.is_open(name) then return name end
  end
end

-- A function by the interface that has it, else by where it is defined.
local function entry_of(fn)
  for _, name in ipairs(sandbox.modules()) do
    local module = package.loaded[name]
    for key, value in pairs(type(module) == "table" and module or {}) do
      if rawequal(value, fn) then return reference.entry(("%s.%s"):format(name, tostring(key))) end
    end
  end
  local info = debug.getinfo(fn, "S")
  local path = info.source:match("stdlib/(.+)%.lua$")
  return path and reference.entry_at_line(path:gsub("/", "."), info.linedefined)
end

local function class_of(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and reference.class(name)
end

local function of_own(seen)
  local value = border.library_value_of(seen)
  local given = extras.name_of(value)
  if given then return of_prompt(given) end
  if type(value) == "function" then
    local entry = entry_of(value)
    return entry and of_function(entry)
  end
  local room = globals.room(value)
  if room then return of_room(room.name, modules_of(room.name)) end
  local name = type(value) == "table" and module_of(value)
  return name and of_module(name) or nil
end

local function raise_own(value)
  fail.raise {
    kind = "usage", what = "help", why = ("there is no help on a %s of your own"):format(type(value)),
    fix = "help() says what there is.",
  }
end

local HANGING = { why = 5, fix = 5, returns = 2 }

local function fitted(lines)
  return layout.wrap_all(lines, term.width(), function(line) return HANGING[line:match("^  (%l+):? ")] or 0 end)
end

--- Lines about a function, a module or a room of modules; nil for what is better shown itself.
---@param value any
---@return string[]|nil
function M.of_value(value)
  local lines = of_own(value)
  return lines and fitted(lines)
end

--- What help has to say of a value; a text names a function, a module, a path of Graph, a code, a
--- script or a command.
---@param value any
---@return string[] lines
function M.of(value)
  if type(value) == "string" or math.type(value) == "integer" then return fitted(of_name(tostring(value))) end
  local class = value ~= nil and class_of(value)
  return fitted(of_own(value) or class and of_class(class) or raise_own(value))
end

local PROMPT = {
  { 'graph.get "/users"', "read: a page, or one thing; graph.all reads all pages" },
  { "last", "the last result, or the last failure; last.value[1].id looks into it" },
  { "explain(last)", "why it failed, and what to do" },
  { "unfold(last)", "all of it, nothing folded" },
  { 'trace "on"', "show each request with its time; \"off\" ends that" },
  { "help(graph.list)", "a function; help(graph): a module" },
  { 'help "/users"', "a path of Graph: methods and properties" },
  { 'help "403"', "what a status, a Graph code or an AADSTS number means" },
}

-- What modules' names begin with; "…" where there are more below it.
local function rooms()
  local list, place_of = {}, {}
  for _, name in ipairs(sandbox.modules()) do
    local room, below = name:match("^([^.]+)(.*)$")
    place_of[room] = place_of[room] or #list + 1
    if below ~= "" then list[place_of[room]] = room .. ".…" end
    list[place_of[room]] = list[place_of[room]] or room
  end
  return list
end

--- What there is at the prompt.
---@return string[] lines
function M.overview()
  local lines = { bold "At the prompt" }
  for _, row in ipairs(PROMPT) do
    lines[#lines + 1] = ("  %s  %s"):format(log.style("cyan", layout.pad(row[1], 18)), row[2])
  end
  lines[#lines + 1] = "Calls that wait just work. Tab completes names, paths, properties, and ids that were seen."
  lines[#lines + 1] = bold "Modules"
  for _, name in ipairs(MAIN) do
    local module = reference.module(name)
    local said = module and first_sentence(module.doc) or "Devolutions Server's vaults and entries."
    lines[#lines + 1] = ("  %s  %s"):format(log.style("cyan", layout.pad(name, 12)), said)
  end
  lines[#lines + 1] = bold "All modules" .. "  (help(entra) says what is in entra.…)"
  for _, line in ipairs(layout.columns(rooms(), term.width() - 2)) do lines[#lines + 1] = "  " .. line end
  local text = layout.fit(table.concat(lines, "\n"), term.width())
  lines = {}
  add_text(lines, text)
  return lines
end

return M
