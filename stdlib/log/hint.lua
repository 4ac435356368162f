--- Commands that a person is told to run. They get the options of this run that decide what a command acts on: without
--- them it would act on another tenant.
---
--- A command is composed where it is written: a text of ours has `{moonlatch} journal list`, and `hint.text` puts the
--- options in. Texts that hold names of the tenant are never searched for commands.

local M = {}

local given = {} ---@type table<string, string> option -> its value, as it is typed
local takes = {} ---@type table<string, string[]> command, or command and action -> the options it takes, of those

--- A word as it is typed into a shell: plain, or in quotes.
---@param word string
---@return string
function M.word(word)
  if not word:find "[^%w%._/:@-]" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A name as the key of a member in a Lua table, as a person writes it: vault, or ["key-vault"].
---@param name string
---@return string
function M.key(name)
  local is_plain = name:find "^[%a_][%w_]*$" and load("local " .. name) -- no keyword of Lua
  return is_plain and name or ("[%q]"):format(name)
end

--- Set what every command in a hint gets from now on.
---@param options table<string, string|nil> the options of the command line: profile, config, scripts
---@param taken table<string, string[]> command, or command and action -> the options that it takes, of those
function M.use(options, taken)
  given, takes = {}, taken
  for _, names in pairs(taken) do
    for _, name in ipairs(names) do given[name] = options[name] and M.word(options[name]) end
  end
end

-- Does the text name the option itself, in the rest of the command that begins there? With --emulator, a command takes
-- no profile.
local function names_option(text, from, option)
  local rest = text:match("^[^\n`;]*", from)
  return rest:find("--" .. option, 1, true) ~= nil or rest:find("--emulator", 1, true) ~= nil
end

-- "moonlatch --profile contoso" for a command that is written at a place of the text.
local function program(text, from, command)
  local words, action = { "moonlatch" }, text:match("^ (%l+ %l+)", from)
  for _, option in ipairs(takes[action] or takes[command] or {}) do
    if given[option] and not names_option(text, from, option) then
      words[#words + 1] = ("--%s %s"):format(option, given[option])
    end
  end
  return table.concat(words, " ")
end

--- A text with commands: `{moonlatch} journal list` becomes the command as this run's options make it. The template is
--- a text of ours; what comes from elsewhere is passed for its %s.
---@param template string "Sign in again: {moonlatch} login."
---@param ... any for template:format
---@return string
function M.text(template, ...)
  local has_values = select("#", ...) > 0
  local text = template:gsub("{moonlatch}()( ?%l*)", function(from, command)
    local words = program(template, from, command:sub(2))
    return (has_values and words:gsub("%%", "%%%%") or words) .. command
  end)
  return has_values and text:format(...) or text
end

return M
