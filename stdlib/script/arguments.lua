--- A script's arguments: from words of the command line to values, and the help
--- that says which there are.

local fail = require "fail"
local named_path = require "machine.named_path"
local nearest = require "base.nearest"
local schema = require "base.schema"
local sets = require "base.sets"
local sys = require "host.sys"
local time = require "time"
local vault_folder = require "base.vault_folder"

local M = {}

local function option_of(name) return "--" .. name:gsub("_", "-") end

local function refuse(what, why, fix)
  fail.raise { kind = "usage", what = what, why = why, fix = fix }
end

local function options_of(args)
  local list = {}
  for i, name in ipairs(sets.sorted(args)) do list[i] = option_of(name) end
  return list
end

---------------------------------------------------------------------------
-- Values

local TRUTH = { ["true"] = true, yes = true, ["false"] = false, no = false }

local function read_file(text)
  local stat = sys.stat(text)
  if not stat then return nil, "there is no such file" end
  if stat.type ~= "file" then return nil, "it is not a file" end
  return text
end

local function read_list(text)
  local list = {}
  for item in (text .. ","):gmatch("%s*(.-)%s*,") do
    if item ~= "" then list[#list + 1] = item end
  end
  return list
end

local function read_duration(text)
  local ok, result = pcall(time.duration, text)
  if ok then return result end
  return nil, "it needs a duration, of the form 180d, 7d12h, 30m or 45s"
end

local function read_folder(text)
  local wrong = vault_folder.check(text)
  if wrong then return nil, wrong end
  return vault_folder.canonical(text)
end

local READERS = {
  string = function(text) return text end,
  path = named_path.remember,
  integer = function(text)
    local value = text:match("^[+-]?%d+$") and math.tointeger(text)
    return value, not value and "it needs a whole number" or nil
  end,
  boolean = function(text)
    if TRUTH[text] ~= nil then return TRUTH[text] end
    return nil, "it needs true or false"
  end,
  duration = read_duration, file = read_file, folder = read_folder, list = read_list,
}

local function check_choice(what, argument, value)
  if not argument.choices then return end
  for _, item in ipairs(type(value) == "table" and value or { value }) do
    local meant, fits = nearest(tostring(item), argument.choices), false
    for _, choice in ipairs(argument.choices) do fits = fits or item == choice end
    if not fits then
      refuse(what, ("it is none of: %s"):format(table.concat(argument.choices, ", ")),
        meant and ("Did you mean '%s'?"):format(meant) or nil)
    end
  end
end

--- The value that a text means for an argument. Raises "usage".
---@param name string
---@param argument script.argument
---@param text string
---@return any
function M.value(name, argument, text)
  local what = ("read the argument %s '%s'"):format(option_of(name), text)
  local value, wrong = READERS[argument.type](text)
  if value == nil then refuse(what, wrong) end
  check_choice(what, argument, value)
  return value
end

---------------------------------------------------------------------------
-- Words

local function refuse_unknown(declaration, option)
  local options = options_of(declaration.args)
  local meant = nearest(option, options)
  local all = #options > 0 and ("Its arguments are %s."):format(table.concat(options, ", ")) or "It takes none."
  refuse(("read the arguments of '%s'"):format(declaration.id), ("it has no argument %s"):format(option),
    meant and ("Did you mean %s?"):format(meant) or all)
end

-- "--renew-before" or "--renew_before" -> name, argument; "--no-x" of a boolean -> name, argument, "false"
local function resolve(declaration, option)
  local name = option:sub(3):gsub("-", "_")
  local argument = declaration.args[name]
  if argument then return name, argument end
  local positive = name:match("^no_(.+)$")
  argument = positive and declaration.args[positive]
  if argument and argument.type == "boolean" then return positive, argument, "false" end
  refuse_unknown(declaration, option)
end

local function split(declaration, word)
  if word:sub(1, 2) ~= "--" or #word == 2 then
    refuse(("read the arguments of '%s'"):format(declaration.id), ("'%s' belongs to no argument"):format(word),
      "Arguments are given as --name value.")
  end
  local option, text = word:match("^(%-%-[^=]+)=(.*)$")
  return option or word, text
end

-- The text for an argument that came without "=": the next word, or none for a boolean.
local function following(argument, argv, place)
  local word = argv[place + 1]
  if argument.type == "boolean" then
    if word and TRUTH[word] ~= nil then return word, place + 1 end
    return "true", place
  end
  if word == nil or word:match("^%-%-%a") then return nil, place end
  return word, place + 1
end

local function store(values, name, argument, value)
  if argument.type == "list" and values[name] then
    table.move(value, 1, #value, #values[name] + 1, values[name])
  elseif values[name] ~= nil then
    refuse(("read the argument %s"):format(option_of(name)), "it was given twice")
  else
    values[name] = value
  end
end

local function default_of(argument)
  if argument.type == "duration" and argument.default then return time.duration(argument.default) end
  if argument.type == "list" then return table.move(argument.default or {}, 1, #(argument.default or {}), 1, {}) end
  return argument.default
end

local function fill(declaration, values)
  for _, name in ipairs(sets.sorted(declaration.args)) do
    local argument = declaration.args[name]
    if values[name] == nil and argument.required then
      refuse(("read the arguments of '%s'"):format(declaration.id), ("%s is missing"):format(option_of(name)),
        argument.help)
    end
    if values[name] == nil then values[name] = default_of(argument) end
  end
  return values
end

--- The values of a script's arguments.
---@param declaration script.declaration
---@param argv string[]
---@return table<string, any> values, table<string, boolean> given names of those that were said
function M.read(declaration, argv)
  local values, place = {}, 1
  while argv[place] do
    local option, text = split(declaration, argv[place])
    local name, argument, implied = resolve(declaration, option)
    text = text or implied
    if not text then text, place = following(argument, argv, place) end
    if not text then
      refuse(("read the argument %s"):format(option), "it needs " .. schema.with_article(argument.type))
    end
    store(values, name, argument, M.value(name, argument, text))
    place = place + 1
  end
  local given = {}
  for name in pairs(values) do given[name] = true end
  return fill(declaration, values), given
end

---------------------------------------------------------------------------
-- Help

local METAVARS = {
  string = "TEXT", integer = "N", duration = "TIME", file = "FILE", folder = "FOLDER", path = "PATH", list = "A,B,…",
}

local function left_of(name, argument)
  local metavar = METAVARS[argument.type]
  return metavar and option_of(name) .. " " .. metavar or option_of(name)
end

local function shown(value)
  if type(value) == "table" then return table.concat(value, ",") end
  if value == true then return "yes; --no-… says no" end
  return tostring(value)
end

local function right_of(argument)
  local text = argument.help
  if argument.choices then text = ("%s: %s"):format(text, table.concat(argument.choices, ", ")) end
  if argument.required then return text .. " (needed)" end
  local default = argument.default ~= nil and argument.default ~= false and shown(argument.default) or ""
  return default == "" and text or ("%s (%s)"):format(text, default)
end

-- Every script runs with its defaults; what is required is shown as it is to be given.
local function example_of(declaration, found, command)
  local words = { "moonlatch", command, found.name }
  for _, name in ipairs(sets.sorted(declaration.args)) do
    local argument = declaration.args[name]
    if argument.required then words[#words + 1] = left_of(name, argument) end
  end
  return table.concat(words, " ")
end

local function add_arguments(lines, args)
  local width = 0
  for name, argument in pairs(args) do width = math.max(width, utf8.len(left_of(name, argument))) end
  for _, name in ipairs(sets.sorted(args)) do
    local left = left_of(name, args[name])
    lines[#lines + 1] = "  " .. left .. (" "):rep(width - utf8.len(left) + 2) .. right_of(args[name])
  end
end

--- Help for a script, from its declaration.
---@param declaration script.declaration
---@param found script.found
---@param command string "apply"
---@param options string? the command's own options, where the command is the script
---@return string
function M.help(declaration, found, command, options)
  local call = options and command or ("%s %s"):format(command, found.name)
  local lines = { ("Usage: moonlatch %s [--name value …]"):format(call), "", declaration.summary }
  if declaration.description then lines[#lines + 1] = "\n" .. declaration.description end
  if next(declaration.args) then
    lines[#lines + 1] = "\nArguments:"
    add_arguments(lines, declaration.args)
  end
  if options then lines[#lines + 1] = "\n" .. options end
  lines[#lines + 1] = "\nExamples:"
  local own = declaration.examples or { example_of(declaration, found, command) }
  for _, example in ipairs(own) do lines[#lines + 1] = "  " .. example end
  if not options then
    lines[#lines + 1] = ("\nOptions of the command itself: moonlatch %s --help"):format(command)
  end
  return table.concat(lines, "\n")
end

return M
