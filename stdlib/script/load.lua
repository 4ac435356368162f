--- Find scripts, load them, check their declarations, and read their arguments. Loading a script never runs it.
--
-- A script is looked for by its name in the folder given with --scripts, in the user's own folder, and in the binary,
-- in this order; never in the current directory. A text that starts with "/", "./", "../" or "~/", or ends with ".lua",
-- is a path.

local border = require "script.border"
local copy = require "base.copy"
local fail = require "fail"
local folders = require "script.folders"
local hint = require "log.hint"
local lua_file = require "base.lua_file"
local mistake = require "report.mistake"
local modules = require "script.modules"
local nearest = require "base.nearest"
local permissions_needs = require "permissions.needs"
local rights = require "task.rights"
local sandbox = require "script.sandbox"
local schema = require "base.schema"
local sink_contract = require "sink.contract"
local sys = require "host.sys"
local traceback = require "base.traceback"

local M = {}

---@class script.found
---@field name string "setup/entra-pam-provider", or the path as given
---@field path string of the file; "scripts/….lua" in the binary
---@field origin "bundled"|"yours"|"folder"|"path" folder: the folder given with --scripts
---@field text string

---@class script.argument
---@field type "string"|"integer"|"boolean"|"duration"|"file"|"folder"|"path"|"list"
---@field help string
---@field default any
---@field required boolean?
---@field choices string[]?
---@field ask string? the question that the first apply on a terminal asks when the argument is not given

---@class script.needs
---@field graph script.entry[]? calls
---@field devolutions ("vaults:read"|"entries:read"|"entries:write")[]?
---@field scopes string[]? the scopes that a person signs in with, when they differ from those that the calls need
---@field run string[]? programs, by the names that the profile gives them
---@field files string[]? folders, by the names that the profile gives them
---@field peers table<string, script.entry[]>? calls of other services, by the names that the profile gives them
---@field when table<string, script.needs>? argument -> what the script also needs with this argument: graph,
--- scopes, devolutions, run, files

---@class script.declaration
---@field id string? the mark of the objects that the script makes
---@field summary string
---@field description string?
---@field args table<string, script.argument>
---@field needs script.needs
---@field examples string[]?
---@field run nil|fun(args: table): any
---@field steps table[]?
---@field policy policy.terms?
---@field rehearsal rehearse.terms?
---@field test test.terms?
---@field notices notice.terms? rules for notices
---@field tell nil|fun(notice: notice.notice, args: table) hand a notice to somebody; raises when that fails
---@field needs_written script.needs? of a sink, or a script that tells: the needs as written, with {argument} in names

---------------------------------------------------------------------------
-- Finding a script

local function is_script_path(name)
  return name:match("^%.?%.?/") ~= nil or name:match("^~/") ~= nil or name:match("%.lua$") ~= nil
end

local function find_script_by_name(name)
  for _, place in ipairs(folders.list()) do
    local path, text = folders.read_in(place, name)
    if text then return { name = name, path = path, origin = place.origin, text = text } end
  end
end

local function expand_home_in_path(path)
  local home = sys.getenv("HOME") or ""
  return path:sub(1, 2) == "~/" and home:sub(1, 1) == "/" and home .. path:sub(2) or path
end

-- The script in a folder that has this name there: "setup/rotator" for "rotator"; nil when there is none, or several.
local function script_of_last_part(name, names)
  local found
  for _, other in ipairs(names) do
    if other:match "[^/]*$" == name then
      if found then return nil end
      found = other
    end
  end
  return found
end

local function raise_no_such_script(name)
  local meant = script_of_last_part(name, M.names()) or nearest(name, M.names())
  local fix = meant and ("Did you mean '%s'?"):format(meant)
    or hint.text "Run `{moonlatch} scripts` for the list of scripts, and name one of these."
  if folders.is_name(name) and sys.stat(name .. ".lua") then fix = ("To run the file here, write "
    .. "./%s.lua."):format(name) end
  fail.raise {
    kind = "usage", what = ("find the script '%s'"):format(name), why = "no script has this name", fix = fix,
  }
end

--- Find a script by name or path.
---@param name string
---@return script.found
function M.find(name)
  if is_script_path(name) then
    local path = expand_home_in_path(name)
    local text = folders.read_file(path)
    if text then return { name = name, path = path, origin = "path", text = text } end
    fail.raise {
      kind = "usage", what = ("find the script '%s'"):format(name), why = "there is no such file",
      fix = hint.text "Correct the path; or name one of the scripts that `{moonlatch} scripts` lists.",
    }
  end
  return folders.is_name(name) and find_script_by_name(name) or raise_no_such_script(name)
end

--- Describe where a found script is, for a person: "setup/x (yours: /home/…/setup/x.lua)".
---@param found script.found
---@return string
function M.describe(found)
  if found.origin == "bundled" then return found.name end
  if found.origin == "path" then return found.path end
  return ("%s (%s: %s)"):format(found.name, found.origin == "yours" and "yours" or "--scripts", found.path)
end

local MODULES_FOLDER = "lib" -- no file in a folder of this name is a script

local function add_scripts_below(list, root, below)
  for _, entry in ipairs(sys.list(root .. below) or {}) do
    local stat = sys.stat(root .. below .. "/" .. entry)
    if stat and stat.type == "directory" then
      if entry ~= MODULES_FOLDER then add_scripts_below(list, root, below .. "/" .. entry) end
    elseif entry:match("%.lua$") then
      list[#list + 1] = (below .. "/" .. entry):sub(2, -5)
    end
  end
end

local function script_names_in(place)
  local list = {}
  if place.origin ~= "bundled" then
    add_scripts_below(list, place.path, "")
    return list
  end
  for _, path in ipairs(sys.embedded_list("scripts/")) do
    list[#list + 1] = path:match("^scripts/(.*)%.lua$")
  end
  return list
end

-- Is it a file of the emulator? Such a file is found like a script, but cannot be run by name.
local function is_emulator_part(name)
  return name:match("^emulator/") ~= nil
end

--- The names of all scripts, each once, sorted.
---@return string[]
function M.names()
  local names, seen = {}, {}
  for _, place in ipairs(folders.list()) do
    for _, name in ipairs(script_names_in(place)) do
      if not seen[name] and not is_emulator_part(name) then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

---------------------------------------------------------------------------
-- Loading

--- The chunk of a script, with a script's globals. The values that it returns have crossed the border: tables are
--- copies, and functions in them are called with the script's rights.
---@param found script.found
---@param emulator boolean? is it a file of the emulator, in the emulator's own process?
---@return function
function M.chunk(found, emulator)
  local beside = found.origin ~= "bundled" and (found.path:match "^(.*)/" or ".") or nil
  local globals, script_border = sandbox.globals { beside = beside, emulator = emulator }
  return script_border:callback(modules.compile(found, globals))
end

-- The options of every command. A script's argument may not have one of these names.
local COMMON_OPTIONS = {}
for name in ("profile config emulator scripts write json yes quiet verbose no_color help version confirm")
  :gmatch("%S+") do
  COMMON_OPTIONS[name] = true
end

local function check_argument_default(argument)
  local value = argument.default
  if value == nil then return nil end
  if argument.required then
    return "it is required and has a default", "Remove `required` or `default` from it."
  end
  local wanted = { integer = "integer", boolean = "boolean", list = "table" }
  local is = math.type(value) == "integer" and "integer" or type(value)
  local needed = wanted[argument.type] or "string"
  if is ~= needed then
    return ("its default is not %s"):format(schema.with_article(needed)),
      ("Write a default that is %s, as its type says."):format(schema.with_article(needed))
  end
  if argument.type == "duration" then
    local ok, failure = pcall(require("time").duration, value)
    if not ok then return failure.why, 'Write the default as "180d", "7d12h", "30m" or "45s".' end
  end
end

local argument_rule = {
  type = "table",
  members = {
    type = {
      type = "string", required = true,
      choices = { "string", "integer", "boolean", "duration", "file", "folder", "path", "list" },
    },
    help = { type = "string", required = true },
    default = { type = { "string", "integer", "boolean", "table" } },
    required = { type = "boolean" },
    choices = { type = "table", each = { type = "string" } },
    ask = { type = "string" },
  },
  check = check_argument_default,
}

local function check_argument_names(arguments)
  for name in pairs(arguments) do
    if type(name) ~= "string" or not name:match("^%l[%l%d_]*$") then
      return ("'%s' cannot be the name of an argument"):format(tostring(name)),
        "Use lower-case letters, digits and _, and a letter first."
    end
    if COMMON_OPTIONS[name] then
      return ("'%s' is an option of the command itself"):format(name), "Choose another name for the argument."
    end
  end
end

local list_of_strings = { type = "table", each = { type = "string" } }

local function check_step(step)
  if type(step.name) == "string" and type(step.act) == "function" then return nil end
  return "it is not a step", 'Write workflow.step "its name" (function(run, have, args) … end) in its place.'
end

local SINGLE = "Write run = function(args) … end, steps = { … }, tell = function(notice, args) … end, or the functions "
  .. "of a sink; only one of them."

local declaration_rule = {
  type = "table",
  members = {
    can = sink_contract.members.can, where = sink_contract.members.where, store = sink_contract.members.store,
    read = sink_contract.members.read, remove = sink_contract.members.remove,
    kept_by = sink_contract.members.kept_by,
    id = { type = "string" },
    summary = { type = "string", required = true },
    description = { type = "string" },
    args = { type = "table", default = {}, each = argument_rule, check = check_argument_names },
    needs = permissions_needs.rule,
    examples = list_of_strings,
    run = { type = "function" },
    steps = { type = "table", each = { type = "table", check = check_step } },
    policy = { type = "table" },
    rehearsal = { type = "table" },
    test = { type = "table" },
    notices = { type = "table" },
    tell = { type = "function" },
  },
  check = function(declaration)
    local kinds = 0
    for _, kind in ipairs { "run", "steps", "policy", "rehearsal", "test", "notices", "tell", "store", "kept_by" } do
      kinds = kinds + (declaration[kind] ~= nil and 1 or 0)
    end
    if kinds ~= 1 then return "it has none, or several, of run, steps, tell and store", SINGLE end
    if sink_contract.is_sink(declaration) then return sink_contract.check(declaration) end
    for name in pairs(sink_contract.members) do
      if declaration[name] then return ("it has `%s`, and no `store`"):format(name), SINGLE end
    end
  end,
}

--- The rule for what a script returns; the manual page is made of it.
---@type base.schema.rule
M.rule = declaration_rule

-- Files whose whole value is made by a function of an interface; another value may not have their member.
local MADE_BY = {
  policy = "policy { select = …, every = …, sink = … }", rehearsal = "rehearse { … }", test = "test { … }",
  notices = "notice { rules = … }",
}

local function refuse_unmade(found, value)
  for member, written in pairs(MADE_BY) do
    if type(value) == "table" and value[member] ~= nil then
      fail.raise {
        kind = "config", what = ("%s: %s"):format(found.path, member), why = "a script has no such member",
        fix = ("Write return %s at the end of the file, without a table around it."):format(written),
      }
    end
  end
end

-- The declaration of a policy or of a rehearsal; nil for any other value.
local function declared_kind(found, value)
  for _, name in ipairs { "policy.declaration", "rehearse.declaration", "notice.declaration", "test.declaration" } do
    local kind = package.loaded[name] -- a file of this kind has required the module
    if kind and kind.is(value) then return kind.declare(found, value) end
  end
end

-- The needs with the defaults of the arguments. The needs of a sink, or of a script that tells, may have {argument} in
-- names.
local function example_needs(value)
  local arguments = type(value.args) == "table" and value.args or {}
  local ok, needs = pcall(sink_contract.fill_needs, value.needs, sink_contract.example_arguments(arguments))
  return ok and needs or value.needs
end

-- The functions that the library calls with tables of its own, which later calls read.
local TAKES_COPIES = { "where", "store", "read", "remove", "tell" }

local function call_with_copies(fn)
  return function(...) return fn(table.unpack(copy(table.pack(...)), 1, select("#", ...))) end
end

local DECLARES = { "summary", "run", "steps", "tell", "store", "kept_by", "needs", "policy", "rehearsal",
  "notices", "test" }

-- Is the value of a file that of a module for other scripts: a function, or a table that declares nothing?
local function is_value_of_module(value)
  if type(value) ~= "table" then return type(value) == "function" end
  for _, member in ipairs(DECLARES) do
    if value[member] ~= nil then return false end
  end
  return next(value) ~= nil or getmetatable(value) ~= nil
end

--- Why the file of a module is not loaded as a script.
M.IS_MODULE = "it is a module for other scripts: it returns no declaration"

local function refuse_module(found)
  fail.raise {
    kind = "config", what = "load the script " .. found.path, why = M.IS_MODULE,
    fix = ('Require it in a script: require "%s".'):format((found.name:gsub("%.lua$", ""):gsub("^.*%./", "")
      :gsub("/", "."))),
  }
end

--- Check what a script's file returned.
---@param found script.found
---@param value any
---@return script.declaration
function M.check(found, value)
  local declared = declared_kind(found, value)
  if not declared and is_value_of_module(value) then refuse_module(found) end
  if declared then value = declared else refuse_unmade(found, value) end
  local needs = type(value) == "table" and (sink_contract.is_sink(value) or value.tell) and value.needs
  if type(needs) == "table" then value.needs = example_needs(value) end
  schema.check(found.path, "", value, declaration_rule)
  for _, name in ipairs(TAKES_COPIES) do value[name] = value[name] and call_with_copies(value[name]) end
  value.needs_written = needs or nil
  value.id = value.id or found.name
  return value
end

--- Load a script that was found, and check its declaration. The script is not run. Loading is bounded in instructions
--- and memory, and the file has no rights while it is loaded, also when the library works for another script meanwhile.
---@param found script.found
---@param emulator boolean? is it a file of the emulator, in the emulator's own process?
---@return script.declaration
function M.load_found(found, emulator)
  local scheduler, chunk = require "task.scheduler", M.chunk(found, emulator)
  local function load_and_check() return M.check(found, chunk()) end
  local ok, value = rights.with(scheduler.current(), nil, scheduler.without_starting_tasks,
    lua_file.run_bounded, traceback.keep, load_and_check)
  if ok then return value end
  if fail.is(value, "usage") then value.what = ("load the script %s: %s"):format(found.path, value.what) end
  if fail.is(value) then error(value, 0) end
  local why = border.without_border_line(tostring(value):match("^[^\n]*"))
  fail.raise {
    kind = "config", what = "load the script " .. found.path, why = why,
    fix = mistake.known_fix(why:match "^[^\n:]+:%d+: (.*)$" or why)
      or "Correct the file: it only describes the script, and work belongs in `run` or in a step.",
    cause = value,
  }
end

--- Find a script and load it.
---@param name string
---@param emulator boolean? is it a file of the emulator, in the emulator's own process?
---@return script.declaration declaration, script.found found
function M.load(name, emulator)
  local found = M.find(name)
  return M.load_found(found, emulator), found
end

--- What a script needs with these arguments: what it always needs, and what the given arguments add.
---@param declaration script.declaration
---@param args table<string, any>
---@return script.needs
function M.needs(declaration, args) return permissions_needs.with(declaration.needs, args) end

--- What a sink, or a script that tells, needs with the arguments that a policy, or rules for notices, give it. Raises
--- "config" when an argument is no name.
---@param declaration script.declaration
---@param file string of the policy or the rules, for messages
---@param args table
---@return script.needs
function M.needs_with_names(declaration, file, args)
  local needs = sink_contract.fill_needs(declaration.needs_written or {}, args)
  schema.check(file, "needs of " .. declaration.id, needs, permissions_needs.rule)
  return needs
end

--- Read a script's arguments from the command line: `--name value` or `--name=value`, checked against its declaration.
---@param declaration script.declaration
---@param argv string[]
---@return table<string, any> values, table<string, boolean> given names of the arguments on the command line
function M.arguments(declaration, argv)
  return require("script.arguments").read(declaration, argv)
end

--- Help for a script, from its declaration.
---@param declaration script.declaration
---@param found script.found
---@param command string "apply"
---@param options string? the options of the command, when the script is a command of its own
---@return string
function M.help(declaration, found, command, options)
  return require("script.arguments").help(declaration, found, command, options)
end

return M
