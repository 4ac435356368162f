--- A script's arguments: read their values from the command line, and print the help that lists them.

local fail = require "fail"
local name_list = require "base.name_list"
local named_path = require "machine.named_path"
local nearest = require "base.nearest"
local sets = require "base.sets"
local sys = require "host.sys"
local time = require "time"
local vault_folder = require "base.vault_folder"

local M = {}

local command_options = {} ---@type string[]

--- Name the options of the command that runs the script, for "Did you mean".
---@param options string[] "--emulator"
function M.use_command_options(options) command_options = options end

local function option_of_argument(name) return "--" .. name:gsub("_", "-") end

local function refuse_arguments(what, why, fix)
  fail.raise { kind = "usage", what = what, why = why, fix = fix }
end

local function options_of_arguments(args)
  local list = {}
  for i, name in ipairs(sets.sorted(args)) do list[i] = option_of_argument(name) end
  return list
end

---------------------------------------------------------------------------
-- Values of arguments

local BOOLEAN_WORDS = { ["true"] = true, yes = true, ["false"] = false, no = false }

local function read_file_argument(text)
  local stat = sys.stat(text)
  if not stat then return nil, "there is no such file" end
  if stat.type ~= "file" then return nil, "it is not a file" end
  return text
end

local function read_duration_argument(text)
  local ok, result = pcall(time.duration, text)
  if ok then return result end
  return nil, "it needs a duration, of the form 180d, 7d12h, 30m or 45s"
end

local function read_folder_argument(text)
  local wrong, fix = vault_folder.check(text)
  if wrong then return nil, wrong, fix end
  return vault_folder.canonical(text)
end

local EXAMPLES = {
  string = "TEXT", integer = "5", boolean = "true", duration = "180d", file = "FILE", folder = "'Entra\\Tier0'",
  path = "FILE", list = "'A, B'",
}

-- How the argument is given, in an example.
local function how_to_give(name, argument)
  local value = argument.choices and argument.choices[1] or EXAMPLES[argument.type]
  return ("Write it like this: %s %s"):format(option_of_argument(name), value)
end

-- Names and ids of records are made of texts, and plans print them: a text is one line.
local function read_text_argument(text)
  if not text:find("%c") then return text end
  return nil, "it has a line break or another control character", "Write it in one line."
end

local READERS = {
  string = read_text_argument,
  path = named_path.remember,
  integer = function(text)
    local value = text:match("^[+-]?%d+$") and math.tointeger(text)
    return value, not value and "it needs a whole number" or nil
  end,
  boolean = function(text)
    if BOOLEAN_WORDS[text] ~= nil then return BOOLEAN_WORDS[text] end
    return nil, "it needs true or false"
  end,
  duration = read_duration_argument, file = read_file_argument, folder = read_folder_argument,
  list = name_list.read,
}

local function check_argument_choice(what, name, argument, value)
  if not argument.choices then return end
  for _, item in ipairs(type(value) == "table" and value or { value }) do
    local meant, fits = nearest(tostring(item), argument.choices), false
    for _, choice in ipairs(argument.choices) do fits = fits or item == choice end
    if not fits then
      refuse_arguments(what, ("it is none of: %s"):format(table.concat(argument.choices, ", ")),
        meant and ("Did you mean '%s'?"):format(meant) or how_to_give(name, argument))
    end
  end
end

--- The value that a text means for an argument. Raises "usage".
---@param name string
---@param argument script.argument
---@param text string
---@return any
function M.value(name, argument, text)
  local what = ("read the argument %s '%s'"):format(option_of_argument(name), text)
  local value, wrong, fix = READERS[argument.type](text)
  if value == nil then refuse_arguments(what, wrong, fix or how_to_give(name, argument)) end
  check_argument_choice(what, name, argument, value)
  return value
end

---------------------------------------------------------------------------
-- The command line

local function refuse_unknown_argument(declaration, option)
  local options = options_of_arguments(declaration.args)
  local meant = nearest(option, options) or nearest(option, command_options)
  local all = #options > 0 and ("Leave it out, or use one of its arguments: %s."):format(table.concat(options, ", "))
    or "The script takes no arguments."
  refuse_arguments(("read the arguments of '%s'"):format(declaration.id), ("it has no argument %s"):format(option),
    meant and ("Did you mean %s?"):format(meant) or all)
end

-- The name and the argument that an option means ("--renew-before" or "--renew_before"). For "--no-x" of a boolean
-- argument x, the third result is "false". Raises "usage" for an unknown option.
local function find_argument(declaration, option)
  local name = option:sub(3):gsub("-", "_")
  local argument = declaration.args[name]
  if argument then return name, argument end
  local positive = name:match("^no_(.+)$")
  argument = positive and declaration.args[positive]
  if argument and argument.type == "boolean" then return positive, argument, "false" end
  refuse_unknown_argument(declaration, option)
end

local function split_argument_word(declaration, word)
  if word:sub(1, 2) ~= "--" or #word == 2 then
    refuse_arguments(("read the arguments of '%s'"):format(declaration.id),
      ("'%s' belongs to no argument"):format(word), "Write arguments as --name value.")
  end
  local option, text = word:match("^(%-%-[^=]+)=(.*)$")
  return option or word, text
end

-- The value of an option that was given without "=", as a text: the next word; for a boolean "true", unless the next
-- word is a boolean. Returns nil when the value is missing; the second result is the place of the last word that was
-- read.
local function text_after_option(argument, argv, place)
  local word = argv[place + 1]
  if argument.type == "boolean" then
    if word and BOOLEAN_WORDS[word] ~= nil then return word, place + 1 end
    return "true", place
  end
  if word == nil or word:match("^%-%-%a") then return nil, place end
  return word, place + 1
end

local function store_argument_value(values, name, argument, value)
  if argument.type == "list" and values[name] then
    table.move(value, 1, #value, #values[name] + 1, values[name])
  elseif values[name] ~= nil then
    refuse_arguments(("read the argument %s"):format(option_of_argument(name)), "it was given twice",
      ("Leave out one of the two %s."):format(option_of_argument(name)))
  else
    values[name] = value
  end
end

local function default_of_argument(argument)
  if argument.type == "duration" and argument.default then return time.duration(argument.default) end
  if argument.type == "list" then return table.move(argument.default or {}, 1, #(argument.default or {}), 1, {}) end
  return argument.default
end

local function fill_argument_defaults(declaration, values)
  for _, name in ipairs(sets.sorted(declaration.args)) do
    local argument = declaration.args[name]
    if values[name] == nil and argument.required then
      refuse_arguments(("read the arguments of '%s'"):format(declaration.id),
        ("%s is missing"):format(option_of_argument(name)), argument.help)
    end
    if values[name] == nil then values[name] = default_of_argument(argument) end
  end
  return values
end

--- Read the values of a script's arguments from the command line. Raises "usage".
---@param declaration script.declaration
---@param argv string[]
---@return table<string, any> values, table<string, boolean> given names of the arguments on the command line
function M.read(declaration, argv)
  local values, place = {}, 1
  while argv[place] do
    local option, text = split_argument_word(declaration, argv[place])
    local name, argument, implied = find_argument(declaration, option)
    text = text or implied
    if not text then text, place = text_after_option(argument, argv, place) end
    if not text then
      refuse_arguments(("read the argument %s"):format(option), "no value follows it", how_to_give(name, argument))
    end
    store_argument_value(values, name, argument, M.value(name, argument, text))
    place = place + 1
  end
  local given = {}
  for name in pairs(values) do given[name] = true end
  return fill_argument_defaults(declaration, values), given
end

---------------------------------------------------------------------------
-- Help

local METAVARS = {
  string = "TEXT", integer = "N", duration = "TIME", file = "FILE", folder = "FOLDER", path = "PATH", list = "A,B,…",
} -- a list: `\\,` is a comma in a name

local function option_with_metavar(name, argument)
  local metavar = METAVARS[argument.type]
  return metavar and option_of_argument(name) .. " " .. metavar or option_of_argument(name)
end

local function argument_default_text(value)
  if type(value) == "table" then return name_list.text(value) end
  if value == true then return "yes; --no-… says no" end
  return tostring(value)
end

local function argument_description(argument)
  local text = argument.help
  if argument.choices then text = ("%s: %s"):format(text, table.concat(argument.choices, ", ")) end
  if argument.required then return text .. " (needed)" end
  local default = argument.default and argument_default_text(argument.default) or ""
  return default == "" and text or ("%s (%s)"):format(text, default)
end

-- An example of the script's command line: the required arguments only, because the others have defaults.
local function usage_example_of_script(declaration, found, command)
  local words = { "moonlatch", command, found.name }
  for _, name in ipairs(sets.sorted(declaration.args)) do
    local argument = declaration.args[name]
    if argument.required then words[#words + 1] = option_with_metavar(name, argument) end
  end
  return table.concat(words, " ")
end

--- The arguments of a script for a help, sorted: how each is given, and what it means.
---@param args table<string, script.argument>
---@return { [1]: string, [2]: string }[]
function M.rows(args)
  local rows = {}
  for i, name in ipairs(sets.sorted(args)) do
    rows[i] = { option_with_metavar(name, args[name]), argument_description(args[name]) }
  end
  return rows
end

local function add_argument_lines(lines, args)
  local width, rows = 0, M.rows(args)
  for _, row in ipairs(rows) do width = math.max(width, utf8.len(row[1])) end
  for _, row in ipairs(rows) do
    lines[#lines + 1] = "  " .. row[1] .. (" "):rep(width - utf8.len(row[1]) + 2) .. row[2]
  end
end

--- Help for a script, from its declaration.
---@param declaration script.declaration
---@param found script.found
---@param command string "apply"
---@param options string? the options of the command, when the script is a command of its own
---@return string
function M.help(declaration, found, command, options)
  local call = options and command or ("%s %s"):format(command, found.name)
  local lines = { ("Usage: moonlatch %s [--name value …]"):format(call), "", declaration.summary }
  if declaration.description then lines[#lines + 1] = "\n" .. declaration.description end
  if next(declaration.args) then
    lines[#lines + 1] = "\nArguments:"
    add_argument_lines(lines, declaration.args)
  end
  if options then lines[#lines + 1] = "\n" .. options end
  lines[#lines + 1] = "\nExamples:"
  local own = declaration.examples or { usage_example_of_script(declaration, found, command) }
  for _, example in ipairs(own) do lines[#lines + 1] = "  " .. example end
  if not options then
    lines[#lines + 1] = ("\nOptions of the command itself: moonlatch %s --help"):format(command)
  end
  return table.concat(lines, "\n")
end

return M
