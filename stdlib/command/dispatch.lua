--- From words to a command: common options, the command's own, its help.

local argparse = require "argparse"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local nearest = require "base.nearest"
local output = require "log.output"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

---@class cli.option
---@field name string "--confirm"
---@field short string? "-v"
---@field value string? placeholder of its value; without one it is a flag
---@field many boolean? may be given several times
---@field help string

---@class cli.command
---@field summary string one line
---@field details string?
---@field usage string? what follows the command's name
---@field arguments { name: string, help: string, optional: boolean?, many: boolean? }[]?
---@field options cli.option[]?
---@field script "named"|"fixed"|nil it runs a script, the one named first or always the same: words we do not know are
--- arguments of that
---@field examples string[]
---@field help nil|fun(options: table): string? instead of the general help, when it knows better
---@field run fun(options: table): integer exit status

-- In the order of the help.
local COMMANDS = {
  "plan", "apply", "verify", "destroy", "handover", "rotate", "rehearse", "run", "repl", "scripts", "new", "types",
  "permissions", "doctor", "discover", "init", "login", "logout", "whoami", "journal", "emulator",
}

---@type cli.option[]
local COMMON = {
  { name = "--profile", value = "NAME", help = "use this profile of the configuration" },
  { name = "--config", value = "FILE", help = "use this configuration file (~/.config/moonlatch/moonlatch.lua)" },
  { name = "--emulator", help = "run against a private emulator instead" },
  { name = "--scripts", value = "DIR", help = "look for scripts in this folder first" },
  { name = "--json", help = "write one JSON document to standard output" },
  { name = "--yes", help = "do not ask before changes" },
  { name = "--quiet", short = "-q", help = "say only what is needed" },
  { name = "--verbose", short = "-v", help = "say more: each request, and the traceback of errors" },
  { name = "--no-color", help = "write without colours" },
  { name = "--help", short = "-h", help = "show this help" },
  { name = "--version", help = "show the version" },
}

local EXAMPLES = {
  "moonlatch plan setup/entra-pam-provider --emulator   # try it: no tenant, no account",
  "moonlatch init                                       # a profile for a real tenant",
  "moonlatch plan setup/entra-pam-provider              # what would change",
  "moonlatch apply setup/entra-pam-provider             # do it",
  "moonlatch -e 'print(require(\"graph\").get(\"/me\").displayName)'",
}

---------------------------------------------------------------------------
-- Splitting off what belongs to a script

local function target_of(option) return (option.name:sub(3):gsub("-", "_")) end

local function known_options(command)
  local known = {}
  for _, list in ipairs { COMMON, command and command.options or {} } do
    for _, option in ipairs(list) do
      known[option.name] = option
      if option.short then known[option.short] = option end
    end
  end
  return known
end

local function add(list, ...)
  for _, word in ipairs { ... } do list[#list + 1] = word end
end

-- Words after the command: ours, and those after the first plain word that we do
-- not know, which are the script's.
local function split(command, words)
  local known, ours, theirs = known_options(command), {}, {}
  local place, named = 1, command.script ~= "named"
  while words[place] do
    local word = words[place]
    local option = known[word:match("^(%-%-[^=]+)=") or word]
    local takes = option and option.value and not word:find("=", 1, true)
    if option then
      add(ours, word, takes and words[place + 1] or nil)
    elseif not named then
      add(ours, word)
      named = word:sub(1, 1) ~= "-"
    else
      add(command.script and theirs or ours, word)
    end
    place = place + (takes and 2 or 1)
  end
  return ours, theirs
end

---------------------------------------------------------------------------
-- Parsing

local function usage(why, fix)
  fail.raise { kind = "usage", what = "read the command line", why = why, fix = fix }
end

local function declare(parser, option)
  local names = (option.short and option.short .. " " or "") .. option.name
  if option.value then
    parser:option(names):target(target_of(option)):argname(option.value):count(option.many and "*" or "?")
  else
    parser:flag(names):target(target_of(option)):count("*")
  end
end

local function parser_for(name, command)
  local parser = argparse(name and "moonlatch " .. name or "moonlatch"):add_help(false)
  for _, option in ipairs(COMMON) do declare(parser, option) end
  for _, option in ipairs(command.options or {}) do declare(parser, option) end
  for _, argument in ipairs(command.arguments or {}) do
    parser:argument(argument.name):args(argument.many and "*" or "?")
  end
  return parser
end

-- Counted flags become booleans.
local function settle(result)
  for name, value in pairs(result) do
    if math.type(value) then result[name] = value > 0 or nil end
  end
  return result
end

local function parse(name, command, words)
  local ok, result = parser_for(name, command):pparse(words)
  if ok then return settle(result) end
  usage((result:gsub("\n.*", "")), result:match("\n(.*)") or ("`moonlatch %s --help` says more."):format(name or ""))
end

local function require_arguments(name, command, options)
  for _, argument in ipairs(command.arguments or {}) do
    if not argument.optional and options[argument.name] == nil then
      usage(("%s is missing"):format(argument.name:upper()), ("`moonlatch %s --help` says more."):format(name))
    end
  end
end

---------------------------------------------------------------------------
-- Help

local function add_options(lines, options)
  for _, option in ipairs(options) do
    local left = (option.short and option.short .. ", " or "    ") .. option.name
    if option.value then left = left .. " " .. option.value end
    lines[#lines + 1] = ("  %-22s %s"):format(left, option.help)
  end
end

--- The options that every command has, as its help lists them.
---@return string
function M.options_help()
  local lines = { "Options:" }
  add_options(lines, COMMON)
  return table.concat(lines, "\n")
end

-- Its examples stay lines that can be copied.
local function show_help(text)
  local before, examples = text:match("^(.-\n)(Examples:\n.*)$")
  log.say(before and output.wrap_to_terminal(before) .. examples or output.wrap_to_terminal(text))
end

local function general_help()
  local lines = {
    "moonlatch: scriptable, safe power over Microsoft Entra ID and Devolutions PAM", "",
    "Usage: moonlatch COMMAND [options]      moonlatch -e CODE", "", "Commands:",
  }
  for _, name in ipairs(COMMANDS) do
    lines[#lines + 1] = ("  %-12s %s"):format(name, require("command." .. name).summary)
  end
  lines[#lines + 1] = ("  %-12s %s"):format("-e CODE", require("command.eval").summary)
  add(lines, "", "Options:")
  add_options(lines, COMMON)
  add(lines, "", "Examples:")
  for _, example in ipairs(EXAMPLES) do lines[#lines + 1] = "  " .. example end
  return table.concat(lines, "\n")
end

local function usage_line(name, command)
  if command.usage then return ("Usage: moonlatch %s %s"):format(name, command.usage) end
  local words = { "Usage: moonlatch", name }
  for _, argument in ipairs(command.arguments or {}) do
    local word = argument.name:upper()
    words[#words + 1] = argument.optional and "[" .. word .. "]" or word
  end
  words[#words + 1] = "[options]"
  return table.concat(words, " ")
end

local function help_of(name, command)
  local lines = { usage_line(name, command), "", command.summary }
  if command.details then add(lines, "", command.details) end
  if command.arguments then
    add(lines, "", "Arguments:")
    for _, argument in ipairs(command.arguments) do
      lines[#lines + 1] = ("  %-22s %s"):format(argument.name:upper(), argument.help)
    end
  end
  add(lines, "", "Options:")
  add_options(lines, command.options or {})
  add_options(lines, COMMON)
  add(lines, "", "Examples:")
  for _, example in ipairs(command.examples) do lines[#lines + 1] = "  " .. example end
  return table.concat(lines, "\n")
end

---------------------------------------------------------------------------
-- Running

-- Before anything is parsed: how to speak even if parsing fails.
local function speak_early(words)
  local seen = {}
  for _, word in ipairs(words) do seen[word] = true end
  M.speak { json = seen["--json"], verbose = seen["--verbose"] or seen["-v"], no_color = seen["--no-color"] }
end

--- Set how to speak from the options.
---@param options table
function M.speak(options)
  local color = not options.no_color and not sys.getenv("NO_COLOR") and sys.getenv("TERM") ~= "dumb"
    and term.is_terminal("err") and term.is_terminal("out")
  output.configure { json = options.json, quiet = options.quiet, verbose = options.verbose, color = color }
end

local function check_together(options)
  if options.emulator and (options.profile or options.config) then
    usage(("--emulator stands beside --%s"):format(options.profile and "profile" or "config"),
      "A private emulator brings a profile of its own: leave one of the two out.")
  end
  if options.quiet and options.verbose then usage("--quiet stands beside --verbose", "Leave one of the two out.") end
end

-- The first plain word is the command; options before it are common ones.
local function find_command(words)
  local known, place = known_options(), 1
  while words[place] and words[place]:sub(1, 1) == "-" and words[place] ~= "-e" do
    local option = known[words[place]]
    place = place + (option and option.value and 2 or 1)
  end
  return words[place], place
end

local function unknown_command(name)
  local meant = nearest(name, COMMANDS)
  usage(("there is no command '%s'"):format(name),
    meant and ("Did you mean '%s'?"):format(meant) or "`moonlatch --help` lists the commands.")
end

local function command_named(name)
  if name == "-e" then return require "command.eval" end
  for _, known in ipairs(COMMANDS) do
    if known == name then return require("command." .. name) end
  end
  unknown_command(name)
end

local function without_command(words)
  local options = parse(nil, {}, words)
  if options.version then
    log.say("moonlatch " .. sys.version())
    return 0
  end
  if options.help then
    show_help(general_help())
    return 0
  end
  usage("a command is missing", "`moonlatch --help` lists the commands.")
end

-- The words around the command; the code of -e is none of them, whatever it looks like.
local function words_around(words, place)
  local rest, code = table.move(words, 1, place - 1, 1, {}), nil
  if words[place] == "-e" then
    place = place + 1
    code = words[place] or usage("-e needs code", "moonlatch -e 'print(1 + 1)'")
  end
  return table.move(words, place + 1, #words, #rest + 1, rest), code
end

--- Run the command that the words name.
---@param words string[]
---@return integer exit status
function M.run(words)
  speak_early(words)
  local name, place = find_command(words)
  if not name then return without_command(words) end
  local command = command_named(name)
  local around, code = words_around(words, place)
  local ours, theirs = split(command, around)
  local options = parse(name, command, ours)
  options.rest, options.code = theirs, code
  M.speak(options)
  if options.version then return without_command { "--version" } end
  require("script.load").use_folder(options.scripts)
  if options.help then
    show_help(command.help and command.help(options) or help_of(name, command))
    return 0
  end
  check_together(options)
  hint.use(options.profile, COMMANDS)
  require_arguments(name, command, options)
  local status = command.run(options)
  require("report.document").flush()
  return status
end

return M
