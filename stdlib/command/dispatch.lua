--- Find the command that the command line names, parse its options, print its help, and run it.

local argparse = require "argparse"
local common = require "manual.common"
local document = require "report.document"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local nearest = require "base.nearest"
local output = require "log.output"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

---@class cli.command
---@field summary string one line
---@field details string?
---@field usage string? the words after the command's name in the usage line
---@field arguments manual.argument[]?
---@field options manual.option[]?
---@field script "named"|"fixed"|nil the command runs a script ("named": its first word names the script; "fixed":
--- always
--- the same script): unknown words are arguments of the script
---@field fixed string? the name of the script that a "fixed" command runs
---@field takes_raw_words boolean? the words after `--` are not parsed: they are in `rest`, and nothing else is
---@field examples string[]
---@field help nil|fun(options: table): string? returns the help of the script on the command line; nil: the command's
--- own
--- help is printed
---@field run fun(options: table): integer exit status

local PLAIN_WIDTH = 100 -- columns of a help that is not written to a terminal

local OF_SCRIPTS, OF_TENANT = { "profile", "config", "scripts" }, { "profile", "config" }

-- The options of this run that each command gets in a hint, too: those that decide what it acts on.
local HINT_OPTIONS = {
  plan = OF_SCRIPTS, apply = OF_SCRIPTS, verify = OF_SCRIPTS, destroy = OF_SCRIPTS, rotate = OF_SCRIPTS,
  run = OF_SCRIPTS, repl = OF_SCRIPTS, permissions = OF_SCRIPTS, doctor = OF_SCRIPTS, discover = OF_SCRIPTS,
  activity = OF_SCRIPTS, login = OF_SCRIPTS, logout = OF_TENANT, whoami = OF_TENANT, handover = OF_TENANT,
  journal = OF_TENANT,
  applications = OF_SCRIPTS, expiring = OF_TENANT, status = OF_TENANT, notify = OF_SCRIPTS, metrics = OF_TENANT,
  report = OF_SCRIPTS,
  init = { "config" }, config = OF_TENANT, rehearse = { "scripts" },
  ["rehearse sink"] = OF_SCRIPTS,
  scripts = { "scripts" }, new = OF_SCRIPTS,
}

---------------------------------------------------------------------------
-- Separating the words of a script

-- The key of an option in the table of options: "old_key" for "--old-key".
local function command_option_key(option) return (option.name:sub(3):gsub("-", "_")) end

local function known_command_options(command)
  local known = {}
  for _, list in ipairs { common.options, command and command.options or {} } do
    for _, option in ipairs(list) do
      known[option.name] = option
      if option.short then known[option.short] = option end
    end
  end
  return known
end

local function append_command_words(list, ...)
  for _, word in ipairs { ... } do list[#list + 1] = word end
end

-- Split the words after the command into the words of the command and the words of the script. The script's words are
-- the unknown words after the name of the script.
local function split_command_words(command, words)
  local known, command_words, script_words = known_command_options(command), {}, {}
  local place, has_script_name = 1, command.script ~= "named"
  while words[place] do
    local word = words[place]
    local option = known[word:match("^(%-%-[^=]+)=") or word]
    local has_value_word = option and option.value and not word:find("=", 1, true)
    if option then
      append_command_words(command_words, word, has_value_word and words[place + 1] or nil)
    elseif not has_script_name then
      append_command_words(command_words, word)
      has_script_name = word:sub(1, 1) ~= "-"
    else
      append_command_words(command.script and script_words or command_words, word)
    end
    place = place + (has_value_word and 2 or 1)
  end
  return command_words, script_words
end

---------------------------------------------------------------------------
-- Parsing the options

local function raise_command_line_usage(why, fix)
  fail.raise { kind = "usage", what = "read the command line", why = why, fix = fix }
end

local function add_option_to_parser(parser, option)
  local names = (option.short and option.short .. " " or "") .. option.name
  if option.value then
    parser:option(names):target(command_option_key(option)):argname(option.value):count(option.many and "*" or "?")
  else
    parser:flag(names):target(command_option_key(option)):count("*")
  end
end

local function new_parser(name, command)
  local parser = argparse(name and "moonlatch " .. name or "moonlatch"):add_help(false)
  for _, option in ipairs(common.options) do add_option_to_parser(parser, option) end
  for _, option in ipairs(command.options or {}) do add_option_to_parser(parser, option) end
  for _, argument in ipairs(command.arguments or {}) do
    parser:argument(argument.name):args(argument.many and "*" or "?")
  end
  return parser
end

-- Turn the counts of flags into booleans.
local function convert_flags(result)
  for name, value in pairs(result) do
    if math.type(value) then result[name] = value > 0 or nil end
  end
  return result
end

local function parse_options(name, command, words)
  local ok, result = new_parser(name, command):pparse(words)
  if ok then return convert_flags(result) end
  local why, fix = result:match("^([^\n]*)\n?(.*)$")
  raise_command_line_usage(why, fix ~= "" and fix or ("Correct the option: `moonlatch %s--help` lists all options.")
    :format(name and name .. " " or ""))
end

local function require_command_arguments(name, command, options)
  for _, argument in ipairs(command.arguments or {}) do
    if not argument.optional and options[argument.name] == nil then
      raise_command_line_usage(("%s is missing"):format(argument.name:upper()),
        ("Add it: `moonlatch %s --help` shows the usage and examples."):format(name))
    end
  end
end

---------------------------------------------------------------------------
-- Help

-- Print a help, wrapped to the terminal, with examples that can be copied.
local function print_wrapped_help(text)
  local before, examples = text:match("^(.-\nExamples:\n)(.*)$")
  log.prose(((before or text):gsub("\n$", "")))
  for line in (examples and examples .. "\n" or ""):gmatch "(.-)\n" do log.command(line) end
end

--- Print the help of a command; without a name, that of the program. Raises "usage" for an unknown command.
---@param name string?
function M.print_help(name)
  local command_help = require "manual.command_help"
  local width = term.is_terminal("out") and term.width() or PLAIN_WIDTH
  print_wrapped_help(name and command_help.command(name, M.load_command(name), width)
    or command_help.program(M.load_command))
end

---------------------------------------------------------------------------
-- Running

-- Configure the output before the options are parsed, for the errors of parsing.
local function configure_output_early(words)
  local seen = {}
  for _, word in ipairs(words) do seen[word] = true end
  M.configure_output {
    json = seen["--json"], verbose = seen["--verbose"] or seen["-v"], no_color = seen["--no-color"],
  }
end

--- Configure the output by the options --json, --quiet, --verbose and --no-color.
---@param options table
function M.configure_output(options)
  local color = not options.no_color and not sys.getenv("NO_COLOR") and sys.getenv("TERM") ~= "dumb"
    and term.is_terminal("err") and term.is_terminal("out")
  output.configure { json = options.json, quiet = options.quiet, verbose = options.verbose, color = color }
end

local function check_option_pairs(options)
  if options.emulator and (options.profile or options.config) then
    local other = options.profile and "profile" or "config"
    raise_command_line_usage(("--emulator and --%s exclude each other"):format(other),
      ("Leave out --emulator or --%s: a private emulator has a profile of its own."):format(other))
  end
  if options.quiet and options.verbose then
    raise_command_line_usage("--quiet and --verbose exclude each other", "Leave out --quiet or --verbose.")
  end
end

-- The command on the command line, which is the first word that is no option, and its place. The options before it are
-- common options.
local function find_command(words)
  local known, place = known_command_options(), 1
  while words[place] and words[place]:sub(1, 1) == "-" and words[place] ~= "-e" do
    local option = known[words[place]]
    place = place + (option and option.value and 2 or 1)
  end
  return words[place], place
end

local function raise_unknown_command(name)
  local meant = nearest(name, common.command_names())
  raise_command_line_usage(("there is no command '%s'"):format(name),
    meant and ("Did you mean '%s'? Then type: moonlatch %s"):format(meant, meant)
      or "Choose a command of those that `moonlatch --help` lists.")
end

--- The declaration of a command. Raises "usage" when there is no such command.
---@param name string "plan"; "-e"
---@return cli.command
function M.load_command(name)
  if name == "-e" then return require "command.eval" end
  for _, known in ipairs(common.command_names()) do
    if known == name then return require("command." .. name) end
  end
  raise_unknown_command(name)
end

-- Without any word the help is shown, and the exit status is that of a wrong command line: a caller whose variable with
-- the command is empty has to see that nothing was done.
local function run_without_command(words)
  local options = parse_options(nil, {}, words)
  if options.version then
    log.say("moonlatch " .. sys.version())
    if log.json() then document.add { version = sys.version() } end
    return 0
  end
  if options.help or #words == 0 then
    M.print_help()
    return options.help and 0 or 2
  end
  raise_command_line_usage("a command is missing", "Choose a command of those that `moonlatch --help` lists.")
end

-- The words before and after the command; and the code of -e, which is not among these words.
local function words_around_command(words, place)
  local rest, code = table.move(words, 1, place - 1, 1, {}), nil
  if words[place] == "-e" then
    place = place + 1
    code = words[place]
      or raise_command_line_usage("-e needs code", "Write the code after -e: moonlatch -e 'print(1 + 1)'")
  end
  return table.move(words, place + 1, #words, #rest + 1, rest), code
end

local function run_words(words)
  configure_output_early(words)
  local name, place = find_command(words)
  if not name then return run_without_command(words) end
  local command = M.load_command(name)
  if command.takes_raw_words and words[place + 1] == "--" then
    return command.run { rest = table.move(words, place + 2, #words, 1, {}) }
  end
  local around, code = words_around_command(words, place)
  local command_words, script_words = split_command_words(command, around)
  local options = parse_options(name, command, command_words)
  options.rest, options.code = script_words, code
  M.configure_output(options)
  if options.version then return run_without_command { "--version" } end
  require("script.folders").use(options.scripts)
  if command.script then
    local names = require("base.sets").sorted(known_command_options(command))
    require("script.arguments").use_command_options(names)
  end
  if options.help then
    local script_help = command.help and command.help(options)
    if script_help then print_wrapped_help(script_help) else M.print_help(name) end
    return 0
  end
  check_option_pairs(options)
  hint.use(options, HINT_OPTIONS)
  require_command_arguments(name, command, options)
  return command.run(options)
end

--- Run the command that the command line names.
---@param words string[] the command line
---@return integer exit_status
function M.run(words)
  local status = run_words(words)
  document.finish(status)
  return status
end

return M
