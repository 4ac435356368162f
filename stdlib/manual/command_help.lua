--- The help of the program and of its commands, as text.

local common = require "manual.common"
local layout = require "terminal.layout"

local M = {}

local function append(list, ...)
  for _, line in ipairs { ... } do list[#list + 1] = line end
end

-- Rows of a head and its meaning, aligned; a head that is longer than its column keeps two spaces behind it.
local function append_rows(lines, rows, width)
  for _, row in ipairs(rows) do lines[#lines + 1] = ("  %-" .. width .. "s  %s"):format(row[1], row[2]) end
end

local function section(lines, title, rows, width)
  append(lines, "", title .. ":")
  append_rows(lines, rows, width)
end

-- The head of an option: "-q, --quiet", "    --profile NAME".
local function option_head(option)
  local left = (option.short and option.short .. ", " or "    ") .. option.name
  return option.value and left .. " " .. option.value or left
end

local function option_rows(options)
  local rows = {}
  for i, option in ipairs(options) do rows[i] = { option_head(option), option.help } end
  return rows
end

--- The words after the command's name in its usage line.
---@param command cli.command
---@return string
function M.usage(command)
  if command.usage then return command.usage end
  local words = {}
  for _, argument in ipairs(command.arguments or {}) do
    local word = argument.name:upper()
    words[#words + 1] = argument.optional and "[" .. word .. "]" or word
  end
  words[#words + 1] = "[options]"
  return table.concat(words, " ")
end

-- The names of the options that every command has, in one line.
local function common_option_names()
  local names = {}
  for _, option in ipairs(common.options) do
    names[#names + 1] = (option.short and option.short .. " " or "") .. option.name
      .. (option.value and " " .. option.value or "")
  end
  return table.concat(names, ", ")
end

--- The end of the help of each command: the options of every command by name, and where these are described.
---@return string
function M.common_options()
  return ("Options of every command (`moonlatch help` describes them):\n  %s"):format(common_option_names())
end

--- The help of the program.
---@param load fun(name: string): cli.command the command of this name
---@return string
function M.program(load)
  local lines = {
    "moonlatch: scriptable, safe power over Microsoft Entra ID and Devolutions PAM", "",
    "Usage: moonlatch COMMAND [options]", "       moonlatch help COMMAND", "       moonlatch -e CODE [options]",
  }
  for _, group in ipairs(common.groups) do
    local rows = {}
    for i, name in ipairs(group.commands) do
      rows[i] = { name == "-e" and "-e CODE" or name, load(name).summary }
    end
    section(lines, group.title, rows, 12)
  end
  section(lines, "Options of every command", option_rows(common.options), 20)
  section(lines, "Exit status", common.statuses, 2)
  section(lines, "Files", common.files, 34)
  section(lines, "Environment", common.environment, 22)
  append(lines, "", common.environment_note, "", "Examples:")
  for _, example in ipairs(common.examples) do lines[#lines + 1] = "  " .. example end
  return table.concat(lines, "\n")
end

-- The lines of a paragraph joined, and wrapped to the width. Indented lines stay as they are.
local function rewrap(text, width)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local last = lines[#lines]
    if last and last:find("^%S") and line:find("^%S") then
      lines[#lines] = last .. " " .. line
    else
      lines[#lines + 1] = line
    end
  end
  return layout.fit(table.concat(lines, "\n"), width)
end

--- The help of a command.
---@param name string
---@param command cli.command
---@param width integer columns for its paragraphs
---@return string
function M.command(name, command, width)
  local lines = { ("Usage: moonlatch %s %s"):format(name, M.usage(command)), "", command.summary }
  if command.details then append(lines, "", rewrap(command.details, width)) end
  local arguments = {}
  for i, argument in ipairs(command.arguments or {}) do arguments[i] = { argument.name:upper(), argument.help } end
  if arguments[1] then section(lines, "Arguments", arguments, 22) end
  if command.options then section(lines, "Options", option_rows(command.options), 22) end
  append(lines, "", M.common_options(), "", "Examples:")
  for _, example in ipairs(command.examples) do lines[#lines + 1] = "  " .. example end
  return table.concat(lines, "\n")
end

return M
