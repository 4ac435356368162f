--- Commands that a person is told to run: they need the profile that this run was given, or they would act on another
--- tenant.

local M = {}

local words ---@type string? "--profile contoso", as it is typed
local commands = {} ---@type table<string, true>
local shows_data = false

-- As a shell reads it: plain, or in quotes.
local function quoted(word)
  if not word:find "[^%w%._/:@-]" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Set what every command in a hint gets from now on.
---@param profile string? the profile that was named on the command line
---@param names string[] of the commands that there are
---@param data boolean? is the output data, such as that of a script? Then only failures have hints: a name in the
--- tenant that reads like a command has to stay as it is
function M.use(profile, names, data)
  shows_data = data == true
  words, commands = profile and "--profile " .. quoted(profile) or nil, {}
  for _, name in ipairs(names) do commands[name] = true end
end

-- Is the profile named already, in the rest of this command?
local function names_profile(text, from)
  return text:match("^[^\n`;]*", from):find("--profile", 1, true) ~= nil
end

--- The text with the profile in every command that lacks one. A text may pass here twice.
---@param text string
---@return string
function M.complete(text)
  if not words then return text end
  return (text:gsub("%f[%w]moonlatch (%l[%l-]*)()", function(name, from)
    if commands[name] and not names_profile(text, from) then return ("moonlatch %s %s"):format(words, name) end
  end))
end

--- The same for a line of output, unless the output is data.
---@param text string
---@return string
function M.complete_output(text) return shows_data and text or M.complete(text) end

-- The members of results that hold sentences or commands for a person.
local SENTENCES = { fix = true, how = true, why = true, what = true, notes = true, warnings = true, unknown = true,
  maker = true }

--- A result with the profile in the commands of its sentences. Everything else is as it was.
---@param value any
---@param is_sentence boolean?
---@return any
function M.complete_all(value, is_sentence)
  if not words then return value end
  if type(value) == "string" then return is_sentence and M.complete(value) or value end
  if type(value) ~= "table" then return value end
  for name, member in next, value do
    value[name] = M.complete_all(member, SENTENCES[name] or is_sentence and math.type(name) == "integer")
  end
  return value
end

--- The same for a document of the output, unless the output is data.
---@param value any
---@return any
function M.complete_document(value) return shows_data and value or M.complete_all(value) end

return M
