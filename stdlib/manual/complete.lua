--- What may come next on a command line, for the completion of shells. A profile's file and a person's scripts are read
--- within the bounds of loading; what cannot be read has no candidates.

local common = require "manual.common"
local folders = require "script.folders"
local profile_file = require "profile.file"
local script = require "script.load"
local sets = require "base.sets"
local sys = require "host.sys"

local M = {}

local LOAD_SECONDS = 1 -- of processor time, to load a person's script

---@class manual.candidates
---@field kind "words"|"files"|"folders" what the shell completes: the words below, or files, or folders
---@field words manual.row[] the word, and what it means

---@class manual.line a command line up to the word that is completed
---@field name string? of the command
---@field command cli.command?
---@field operands string[] the words before the last one that are no options and no values
---@field settings table<string, string> the values of the options before the last word: "--config" -> its file
---@field open manual.option? the option whose value the last word is
---@field last string the word that is completed

local function words_of(list)
  local rows = {}
  for i, word in ipairs(list) do rows[i] = { word, "" } end
  return { kind = "words", words = rows }
end

---------------------------------------------------------------------------
-- The options of a script

local function option_of_argument(name, argument)
  local complete = argument.choices or ((argument.type == "file" or argument.type == "path") and "files") or {}
  return { name = "--" .. name:gsub("_", "-"), value = argument.type ~= "boolean" and argument.type or nil,
    help = argument.help, complete = complete }
end

local function options_of_declaration(declaration)
  local list = {}
  for _, name in ipairs(sets.sorted(declaration.args)) do
    local option = option_of_argument(name, declaration.args[name])
    list[#list + 1] = option
    if declaration.args[name].type == "boolean" then
      list[#list + 1] = { name = "--no-" .. option.name:sub(3), help = "not: " .. option.help }
    end
  end
  return list
end

-- Fields of an option in one line of text, which a process of its own hands over.
local function option_as_line(option)
  local complete = option.complete or {}
  local values = type(complete) == "table" and table.concat(complete, ",") or "=" .. complete
  return table.concat({ option.name, option.value or "", values, (option.help:gsub("%c", " ")) }, "\t")
end

local function option_from_line(line)
  local name, value, values, help = line:match "^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$"
  if not name then return nil end
  local list = {}
  for word in values:gmatch "[^,]+" do list[#list + 1] = word end
  return { name = name, value = value ~= "" and value or nil, help = help,
    complete = values:match "^=(.*)$" or list }
end

local function script_option_lines(name)
  local lines = {}
  for i, option in ipairs(options_of_declaration((script.load(name, name == "emulator/main")))) do
    lines[i] = option_as_line(option)
  end
  return table.concat(lines, "\n")
end

-- The options of a script. A person's script is loaded in a process of its own, which ends with the time.
local function options_of_script(name)
  local ok, text
  if script.find(name).origin == "bundled" then
    ok, text = pcall(script_option_lines, name)
  else
    ok, text = true, sys.apart(function() return script_option_lines(name) end, LOAD_SECONDS)
  end
  local list = {}
  for line in (ok and text or ""):gmatch "[^\n]+" do list[#list + 1] = option_from_line(line) end
  return list
end

-- The options of the script that the line names; none when there is no such script.
local function script_options(line)
  local kind = line.command and line.command.script
  local name = kind == "fixed" and line.command.fixed or kind == "named" and line.operands[1]
  if not name then return {} end
  local ok, list = pcall(options_of_script, name)
  return ok and list or {}
end

---------------------------------------------------------------------------
-- Reading the line

local function add_options(known, options)
  for _, option in ipairs(options) do
    known[option.name] = option
    if option.short then known[option.short] = option end
  end
end

local function take_operand(line, known, word, load)
  if line.name then
    line.operands[#line.operands + 1] = word
  else
    line.name = word
    local ok, command = pcall(load, word)
    line.command = ok and command or nil
    add_options(known, line.command and line.command.options or {})
  end
  if #line.operands < 2 then add_options(known, script_options(line)) end
end

-- Read the words before the last one.
local function read_line(words, load)
  local line = { operands = {}, settings = {}, last = words[#words] or "" }
  local known, place = {}, 1
  add_options(known, common.options)
  while place < #words do
    local word = words[place]
    local name, value = word:match "^(%-%-[^=]+)=(.*)$"
    local option = known[name or word]
    if option and option.value and not name then
      place = place + 1
      if place == #words then line.open = option else line.settings[word] = words[place] end
    elseif name then
      line.settings[name] = value
    elseif not option and (word:sub(1, 1) ~= "-" or word == "-e" and not line.name) then
      take_operand(line, known, word, load)
    end
    place = place + 1
  end
  return line, known
end

---------------------------------------------------------------------------
-- Candidates

local PREFIXES = { jobs = { "setup/", "policies/" }, policies = { "policies/" }, notices = { "notices/" },
  sinks = { "sinks/" }, scripts = { "" } }

local function has_prefix(name, prefixes)
  for _, prefix in ipairs(prefixes) do
    if name:sub(1, #prefix) == prefix then return true end
  end
  return false
end

-- The names of scripts of a kind: by the folder of their names. When none of them begins as the typed word does, all
-- names: a person may put a script anywhere.
local function script_candidates(kind, typed)
  if typed:match "^[./~]" then return { kind = "files", words = {} } end
  local names, all, fits = {}, script.names(), false
  for _, name in ipairs(all) do
    if has_prefix(name, PREFIXES[kind]) then
      names[#names + 1] = name
      fits = fits or name:sub(1, #typed) == typed
    end
  end
  return words_of(fits and names or all)
end

local function profile_names(line)
  local path = line.settings["--config"] or profile_file.file()
  return sets.sorted(profile_file.evaluate(profile_file.read(path, true), path).profiles)
end

local function candidates_for(complete, line, typed, load)
  if type(complete) == "table" then return words_of(complete) end
  if complete == "files" or complete == "folders" then return { kind = complete, words = {} } end
  if complete == "profiles" then return words_of(profile_names(line)) end
  if PREFIXES[complete] then return script_candidates(complete, typed) end
  local rows = {}
  for i, name in ipairs(common.command_names()) do rows[i] = { name, load(name).summary } end
  return { kind = "words", words = rows }
end

local VALUES_BY_PLACEHOLDER = { FILE = "files", PATH = "files", DIR = "folders" }

local function option_value_candidates(option, line, typed, load)
  return candidates_for(option.complete or VALUES_BY_PLACEHOLDER[option.value] or {}, line, typed, load)
end

local function option_candidates(known)
  local rows = {}
  for _, name in ipairs(sets.sorted(known)) do rows[#rows + 1] = { name, known[name].help } end
  return { kind = "words", words = rows }
end

-- Candidates for a word that is neither an option nor an option's value.
local function operand_candidates(line, load)
  if not line.name then return candidates_for("commands", line, line.last, load) end
  local arguments = line.command and line.command.arguments or {}
  local argument = arguments[#line.operands + 1] or arguments[#arguments]
  local is_more = argument and #line.operands >= #arguments and not argument.many
  if not argument or is_more then return words_of {} end
  return candidates_for(argument.complete or "files", line, line.last, load)
end

-- Keep the words that begin as the typed word does, and can stand in one line.
local function keep_fitting(found, prefix, typed)
  local rows = {}
  for _, row in ipairs(found.words) do
    if row[1]:sub(1, #typed) == typed and not row[1]:find "%c" then
      rows[#rows + 1] = { prefix .. row[1], (row[2]:gsub("%c", " ")) }
    end
  end
  return { kind = found.kind, words = rows }
end

--- What may come in the place of the last word.
---@param words string[] the command line without the program's name, up to the word that is completed
---@param load fun(name: string): cli.command the command of this name
---@return manual.candidates
function M.candidates(words, load)
  for i, word in ipairs(words) do
    if word == "--scripts" and words[i + 2] then pcall(folders.use, words[i + 1]) end
  end
  local line, known = read_line(words, load)
  local name, typed = line.last:match "^(%-%-[^=]+)=(.*)$"
  local option = line.open or name and known[name]
  if option and option.value then
    return keep_fitting(option_value_candidates(option, line, typed or line.last, load), name and name .. "=" or "",
      typed or line.last)
  end
  local found = line.last:sub(1, 1) == "-" and option_candidates(known) or operand_candidates(line, load)
  return keep_fitting(found, "", line.last)
end

return M
