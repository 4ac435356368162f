--- Scripts: finding them, loading and checking what they declare, and reading
--- their arguments. Loading a script never runs it.
--
-- A script is looked for by its name in the folder given with --scripts, in the
-- user's own folder, and in the binary, in this order; never in the current
-- directory. A path is a path: it starts with "/", "./", "../" or "~/", or ends with ".lua".

local border = require "script.border"
local fail = require "fail"
local lua_file = require "base.lua_file"
local nearest = require "base.nearest"
local permissions_needs = require "permissions.needs"
local rights = require "task.rights"
local sandbox = require "script.sandbox"
local schema = require "base.schema"
local sys = require "host.sys"

local M = {}

local LIMIT = 4 << 20 -- bytes of a script file

---@class script.found
---@field name string "setup/entra-pam-provider", or the path as given
---@field path string of the file; "scripts/….lua" in the binary
---@field origin "bundled"|"yours"|"folder"|"path"
---@field text string

---@class script.argument
---@field type "string"|"integer"|"boolean"|"duration"|"file"|"folder"|"path"|"list"
---@field help string
---@field default any
---@field required boolean?
---@field choices string[]?
---@field ask string? what the first apply on a terminal asks, when it is not given

---@class script.needs
---@field graph script.entry[]? calls
---@field devolutions ("vaults:read"|"entries:read"|"entries:write")[]?
---@field scopes string[]? what a person signs in for, where that is not what the calls need
---@field run string[]? programs, by the names that the profile gives them
---@field files string[]? folders, by the names that the profile gives them
---@field peers table<string, script.entry[]>? calls of other services, by the names that the profile gives them
---@field when table<string, script.needs>? argument -> what it takes besides: graph, devolutions, run, files

---@class script.declaration
---@field id string? what its things are marked with
---@field summary string
---@field description string?
---@field args table<string, script.argument>
---@field needs script.needs
---@field examples string[]?
---@field run nil|fun(args: table): any
---@field steps table[]?
---@field policy policy.terms?
---@field rehearsal rehearse.terms?

local folder ---@type string? of --scripts

--- Look here first.
---@param path string?
function M.use_folder(path)
  folder = path
end

--- The user's own folder.
---@return string
function M.own_folder()
  return require("profile.file").folder() .. "/scripts"
end

---------------------------------------------------------------------------
-- Finding

local function read_file(path)
  local text, message, kind = sys.read(path, LIMIT)
  if text then return text end
  if kind == "missing" then return nil end
  fail.raise {
    kind = "config", what = "read the script " .. path, why = message,
    fix = kind == "mode" and ("The script acts in your name, so only you may write it: chmod go-w '%s'.")
      :format(path) or nil,
  }
end

local function is_path(name)
  return name:match("^%.?%.?/") ~= nil or name:match("^~/") ~= nil or name:match("%.lua$") ~= nil
end

local function is_name(name)
  if name == "" or name:find("//", 1, true) then return false end
  return name:match("^[%w_][%w_/-]*$") ~= nil and not name:match("/$")
end

-- Where a name may be found, in order.
local function places()
  local list = {}
  if folder then list[#list + 1] = { origin = "folder", folder = folder } end
  local ok, own = pcall(M.own_folder) -- without HOME there is none
  if ok then list[#list + 1] = { origin = "yours", folder = own } end
  list[#list + 1] = { origin = "bundled" }
  return list
end

local function look(place, name)
  if place.origin == "bundled" then
    local path = "scripts/" .. name .. ".lua"
    return path, sys.embedded(path)
  end
  local path = place.folder .. "/" .. name .. ".lua"
  return path, read_file(path)
end

local function find_name(name, where)
  for _, place in ipairs(where or places()) do
    local path, text = look(place, name)
    if text then return { name = name, path = path, origin = place.origin, text = text } end
  end
end

local function at_home(path)
  local home = sys.getenv("HOME")
  return path:sub(1, 2) == "~/" and home and home .. path:sub(2) or path
end

local function no_such(name)
  local meant = nearest(name, M.names())
  local fix = meant and ("Did you mean '%s'?"):format(meant) or "`moonlatch scripts` lists all scripts."
  if is_name(name) and sys.stat(name .. ".lua") then fix = ("For the file here, say ./%s.lua."):format(name) end
  fail.raise {
    kind = "usage", what = ("find the script '%s'"):format(name), why = "no script has this name", fix = fix,
  }
end

--- Find a script by name or path.
---@param name string
---@return script.found
function M.find(name)
  if is_path(name) then
    local path = at_home(name)
    local text = read_file(path)
    if text then return { name = name, path = path, origin = "path", text = text } end
    fail.raise {
      kind = "usage", what = ("find the script '%s'"):format(name), why = "there is no such file",
      fix = "Check the path; `moonlatch scripts` lists those that go by a name.",
    }
  end
  return is_name(name) and find_name(name) or no_such(name)
end

--- Where a found script is, for a person: "setup/x (yours: /home/…/setup/x.lua)".
---@param found script.found
---@return string
function M.describe(found)
  if found.origin == "bundled" then return found.name end
  if found.origin == "path" then return found.path end
  return ("%s (%s: %s)"):format(found.name, found.origin == "yours" and "yours" or "--scripts", found.path)
end

local function add_tree(list, root, below)
  for _, entry in ipairs(sys.list(root .. below) or {}) do
    local stat = sys.stat(root .. below .. "/" .. entry)
    if stat and stat.type == "directory" then
      add_tree(list, root, below .. "/" .. entry)
    elseif entry:match("%.lua$") then
      list[#list + 1] = (below .. "/" .. entry):sub(2, -5)
    end
  end
end

local function names_in(place)
  local list = {}
  if place.origin ~= "bundled" then
    add_tree(list, place.folder, "")
    return list
  end
  for _, path in ipairs(sys.embedded_list("scripts/")) do
    list[#list + 1] = path:match("^scripts/(.*)%.lua$")
  end
  return list
end

-- Parts of the emulator are found like scripts, but cannot be run by name.
local function is_part(name)
  return name:match("^emulator/") ~= nil
end

--- Names of all scripts there are, each once, sorted.
---@return string[]
function M.names()
  local names, seen = {}, {}
  for _, place in ipairs(places()) do
    for _, name in ipairs(names_in(place)) do
      if not seen[name] and not is_part(name) then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

---------------------------------------------------------------------------
-- Loading

local function compile(found, globals)
  local chunk, why, fix = lua_file.compile(found.text, border.chunk_name(found.path), globals)
  if chunk then return chunk end
  fail.raise { kind = "config", what = "load the script " .. found.path, why = why, fix = fix }
end

-- require "emulator.tenant" from a script: the script file emulator/tenant. A copy
-- that only replaces some steps finds what it was copied from as "bundled.setup.…".
local function sibling(name, globals_of)
  local original = name:match("^bundled%.(.+)$")
  local path = (original or name):gsub("%.", "/")
  local found = is_name(path) and find_name(path, original and { { origin = "bundled" } })
  return found and compile(found, globals_of())
end

--- The chunk of a script, in a script's surroundings. What it gives has crossed the border: tables are copies, and
--- functions in them are called as a script's functions are.
---@param found script.found
---@param emulator boolean? it is the emulator's, in the emulator's own process
---@return function
function M.chunk(found, emulator)
  local globals, own = sandbox.globals { sibling = sibling, emulator = emulator }
  return own:callback(compile(found, globals))
end

-- The options that every command has: an argument of such a name could not be given.
local RESERVED = {}
for name in ("profile config emulator scripts write json yes quiet verbose no_color help version confirm")
  :gmatch("%S+") do
  RESERVED[name] = true
end

local function check_default(argument)
  local value = argument.default
  if value == nil then return nil end
  if argument.required then return "it is required and has a default: one of the two" end
  local wanted = { integer = "integer", boolean = "boolean", list = "table" }
  local is = math.type(value) == "integer" and "integer" or type(value)
  local needed = wanted[argument.type] or "string"
  if is ~= needed then return ("its default must be %s"):format(schema.with_article(needed)) end
  if argument.type == "duration" then
    local ok, failure = pcall(require("time").duration, value)
    if not ok then return failure.why end
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
  check = check_default,
}

local function check_arguments(arguments)
  for name in pairs(arguments) do
    if type(name) ~= "string" or not name:match("^%l[%l%d_]*$") then
      return ("'%s' is no name for an argument: lower-case letters, digits and _"):format(tostring(name))
    end
    if RESERVED[name] then return ("'%s' is an option of the command itself; choose another name"):format(name) end
  end
end

local strings = { type = "table", each = { type = "string" } }

local declaration_rule = {
  type = "table",
  members = {
    id = { type = "string" },
    summary = { type = "string", required = true },
    description = { type = "string" },
    args = { type = "table", default = {}, each = argument_rule, check = check_arguments },
    needs = permissions_needs.rule,
    examples = strings,
    run = { type = "function" },
    steps = { type = "table" },
    policy = { type = "table" },
    rehearsal = { type = "table" },
  },
  check = function(declaration)
    local kinds = 0
    for _, kind in ipairs { "run", "steps", "policy", "rehearsal" } do
      kinds = kinds + (declaration[kind] ~= nil and 1 or 0)
    end
    if kinds ~= 1 then return "it needs either run or steps" end
  end,
}

--- Check what a script's file returned.
---@param found script.found
---@param value any
---@return script.declaration
function M.check(found, value)
  for _, name in ipairs { "policy.declaration", "rehearse.declaration" } do
    local kind = package.loaded[name] -- a file that is one has required it
    if kind and kind.is(value) then value = kind.declare(found, value) end
  end
  schema.check(found.path, "", value, declaration_rule)
  value.id = value.id or found.name
  return value
end

--- Load a script that was found and check its declaration. Nothing of it is run, loading is bounded in instructions and
--- memory, and its file may do nothing meanwhile, also where the library works for another script.
---@param found script.found
---@param emulator boolean? it is the emulator's, in the emulator's own process
---@return script.declaration
function M.load_found(found, emulator)
  local scheduler, chunk = require "task.scheduler", M.chunk(found, emulator)
  local function load_it() return M.check(found, chunk()) end
  local ok, value = rights.with(scheduler.current(), nil, scheduler.without_starting_tasks,
    lua_file.run_bounded, scheduler.keep_trace, load_it)
  if ok then return value end
  if fail.is(value) then error(value, 0) end
  fail.raise {
    kind = "config", what = "load the script " .. found.path,
    why = border.without_place(tostring(value):match("^[^\n]*")),
    fix = "Correct that. A file of a script only describes the script: work belongs in `run` or in a step.",
    cause = value,
  }
end

--- Find a script and load it.
---@param name string
---@param emulator boolean? it is the emulator's, in the emulator's own process
---@return script.declaration declaration, script.found found
function M.load(name, emulator)
  local found = M.find(name)
  return M.load_found(found, emulator), found
end

--- What a script needs with these arguments: what it always does, and what goes with those given.
---@param declaration script.declaration
---@param args table<string, any>
---@return script.needs
function M.needs(declaration, args) return permissions_needs.with(declaration.needs, args) end

--- Read a script's arguments from the command line: `--name value` or
--- `--name=value`, checked against its declaration before anything is done.
---@param declaration script.declaration
---@param argv string[]
---@return table<string, any> values, table<string, boolean> given names of those that were said
function M.arguments(declaration, argv)
  return require("script.arguments").read(declaration, argv)
end

--- Help for a script, from its declaration.
---@param declaration script.declaration
---@param found script.found
---@param command string "apply"
---@param options string? the command's own options, where the command is the script
---@return string
function M.help(declaration, found, command, options)
  return require("script.arguments").help(declaration, found, command, options)
end

return M
