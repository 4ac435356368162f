--- Commands of the program at the prompt: `doctor`, `plan setup/entra-pam-provider`. The prompt's session is closed
--- meanwhile, and opened again afterwards; variables and a private emulator stay.

local sets = require "base.sets"

local M = {}

-- The commands that only read.
local COMMANDS = sets.of {
  "activity", "applications", "discover", "doctor", "expiring", "permissions", "plan", "scripts", "status", "verify",
  "whoami",
}
-- The actions of these commands that write files.
local WRITING = { scripts = sets.of { "copy", "keep" } }

-- Split words as a shell does, with quotes; nil when a quote is not closed.
local function split_words(text)
  local words, word, quote = {}, nil, nil
  for char in text:gmatch "." do
    if quote then
      if char == quote then quote = nil else word = word .. char end
    elseif char == "'" or char == '"' then
      quote, word = char, word or ""
    elseif char:find "%s" then
      words[#words + 1], word = word, nil
    else
      word = (word or "") .. char
    end
  end
  words[#words + 1] = word
  return not quote and words or nil
end

--- The words of a command; nil when the entry is Lua. A word such as `doctor` alone is the command. A variable that a
--- person made is Lua, and so is all that is correct Lua otherwise.
---@param text string
---@param env table the globals of the prompt
---@param is_lua boolean can the text be compiled?
---@return string[]?
function M.words(text, env, is_lua)
  local name, rest = text:match "^%s*(%l+)%s*(.-)%s*$"
  if not name or not COMMANDS[name] or text:find "\n" then return nil end
  if rest == "" then
    local own = rawget(env, name)
    return (own == nil or type(own) == "table" and getmetatable(own) ~= nil) and { name } or nil
  end
  if rest:sub(1, 2) ~= "--" and (is_lua or not rest:find "^[%w./~]") then return nil end
  local words = split_words(rest)
  if words and WRITING[name] and WRITING[name][words[1]] then return nil end
  return words and table.move(words, 1, #words, 2, { name }) or nil
end

local OF_PROMPT = { config = "--config", profile = "--profile", scripts = "--scripts" }
local FLAGS = { json = "--json", quiet = "--quiet", verbose = "--verbose", no_color = "--no-color" }

--- The command line of a command, with the options of the prompt.
---@param words string[]
---@param options table of the command line of the prompt
---@return string[]
function M.command_line(words, options)
  local line = table.move(words, 1, #words, 1, {})
  for name, option in pairs(OF_PROMPT) do
    if options[name] then table.move({ option, options[name] }, 1, 2, #line + 1, line) end
  end
  for name, option in pairs(FLAGS) do
    if options[name] then line[#line + 1] = option end
  end
  return line
end

return M
