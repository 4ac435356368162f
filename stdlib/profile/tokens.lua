--- The words and signs of a configuration's text: where they are, without running the text.

local M = {}

local function position_after_quoted(text, at)
  local quote = text:sub(at, at)
  repeat
    at = at + 1
    local char = text:sub(at, at)
    if char == "\\" then at = at + 1 end
  until char == quote or char == ""
  return at + 1
end

local function position_after_long_bracket(text, at, level)
  local _, to = text:find("]" .. level .. "]", at, true)
  return to and to + 1 or #text + 1
end

-- The position after the comment or the string that begins here; nil when none begins here.
local function skip_comment_or_string(text, at)
  local level = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
  if level then return position_after_long_bracket(text, at, level) end
  if text:find("^%-%-", at) then return text:find("\n", at, true) or #text + 1 end
  if text:find("^[\"']", at) then return position_after_quoted(text, at) end
end

--- An iterator over the words and signs of a Lua text, without comments; a string gives `""`. Besides, it gives the
--- positions of the first and the last character.
---@param text string
---@return fun(): string?, integer?, integer?
function M.each(text)
  local at = 1
  return function()
    while at <= #text do
      local from, behind = at, skip_comment_or_string(text, at)
      local token = not behind and (text:match("^[%a_][%w_]*", at) or text:match("^%S", at))
      at = behind or at + (token and #token or 1)
      if behind then token = '""' end
      if token and not text:find("^%-%-", from) then return token, from, at - 1 end
    end
  end
end

return M
