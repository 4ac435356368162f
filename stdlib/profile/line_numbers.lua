--- The lines of a configuration's text on which its members are, for a file that is written as one `return { … }`.

local tokens = require "profile.tokens"

local M = {}

-- The words and signs of a text, each with its line and its own text.
local function list_tokens(text)
  local list, line, counted = {}, 1, 1
  for token, from, to in tokens.each(text) do
    local _, breaks = text:sub(counted, from - 1):gsub("\n", "")
    line, counted = line + breaks, from
    list[#list + 1] = { token = token, line = line, text = text:sub(from, to) }
  end
  return list
end

-- The key that begins at the place of the list: its name, and the place after the sign "=". nil when none begins there.
local function key_at(list, at)
  local function is(place, token) return list[place] and list[place].token == token end
  if is(at + 1, "=") and not is(at + 2, "=") and list[at].token:match "^[%a_]" then return list[at].text, at + 2 end
  if not (is(at, "[") and is(at + 2, "]") and is(at + 3, "=")) then return nil end
  return list[at + 1].text:match "^[\"'](.*)[\"']$", at + 4
end

local read_table

-- Read one member of a table, and return the place of the "," or "}" after it. `index`: its number, when it has no key.
local function read_member(list, at, before, lines, index)
  local name, value_at = key_at(list, at)
  local path = not name and ("%s[%d]"):format(before, index) or before == "" and name or before .. "." .. name
  lines[path] = list[at].line
  at = value_at or at
  local depth = 0
  while list[at] do
    local token = list[at].token
    if depth == 0 and (token == "," or token == ";" or token == "}") then return at, name ~= nil end
    if depth == 0 and token == "{" then
      at = read_table(list, at + 1, path, lines)
    elseif token == "(" then
      depth = depth + 1
    elseif token == ")" then
      depth = depth - 1
    end
    at = at + 1
  end
  return at, name ~= nil
end

-- Read the members of a table whose brace is before this place, and return the place of its "}".
read_table = function(list, at, before, lines)
  local index = 1
  while list[at] and list[at].token ~= "}" do
    local has_key
    at, has_key = read_member(list, at, before, lines, index)
    if not has_key then index = index + 1 end
    if list[at] and list[at].token ~= "}" then at = at + 1 end
  end
  return at
end

--- The line of each member that the text writes in the table that it returns, by the member's path:
--- "profiles.contoso.tenant". A member that comes out of a variable is not in it; nor is any member of a text with
--- functions.
---@param text string
---@return table<string, integer>
function M.of(text)
  local list, lines = list_tokens(text), {}
  for _, entry in ipairs(list) do
    if entry.token == "function" then return lines end
  end
  for at = 1, #list - 1 do
    if list[at].token == "return" and list[at + 1].token == "{" then
      lines[""] = list[at].line
      read_table(list, at + 2, "", lines)
    end
  end
  return lines
end

--- The line of a member, or of the nearest table around it that the text has; nil when neither is known.
---@param lines table<string, integer> of `of`
---@param path string
---@return integer?
function M.nearest(lines, path)
  while path do
    if lines[path] then return lines[path] end
    path = path:match "^(.*)%." or path:match "^(.*)%[%d+%]$" or path ~= "" and "" or nil
  end
end

return M
