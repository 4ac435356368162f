--- Lay out text on a terminal: measure, cut, pad, wrap, arrange in columns.

local term = require "host.term"

local M = {}

local COLOR = "\27%[[%d;]*m"

--- The number of columns that a text without control characters takes. Colours take no column.
---@param text string
---@return integer
function M.width(text) return (term.text_width(text)) end

--- Cut the text to at most `width` columns. A cut text ends with "…".
---@param text string
---@param width integer
---@return string
function M.cut(text, width)
  local _, fits = term.text_width(text, width)
  if fits == #text then return text end
  _, fits = term.text_width(text, math.max(0, width - 1))
  return text:sub(1, fits) .. "…"
end

--- Fill the text with spaces to `width` columns.
---@param text string
---@param width integer
---@param right boolean? put the spaces before the text
---@return string
function M.pad(text, width, right)
  local space = (" "):rep(width - M.width(text))
  return right and space .. text or text .. space
end

--- A number with its noun: "1 item", "3 items".
---@param number integer
---@param word string
---@param plural string? the plural when it is not the word with an "s": "policies"
---@return string
function M.count(number, word, plural)
  return ("%d %s"):format(number, number == 1 and word or plural or word .. "s")
end

local YEAR = 365.25

--- An age in days, in years where these are two or more: "45 days", "5.9 years".
---@param days integer
---@return string
function M.age(days)
  if days >= 2 * YEAR then return ("%.1f years"):format(days / YEAR) end
  return M.count(days, "day")
end

--- Join words as a sentence does: "a", "a and b", "a, b and c"; "" for no words.
---@param words string[]
---@param last string "and" or "or"
---@return string
function M.list(words, last)
  if #words < 2 then return words[1] or "" end
  return ("%s %s %s"):format(table.concat(words, ", ", 1, #words - 1), last, words[#words])
end

local LESS_INDENT = 4 -- columns that a word is indented by, beside the line's indent, when the whole indent is too much

-- The indent of a further line that begins with this word: the whole one where the word fits, else a smaller one or
-- none, so that an address or an id that is too long stays in one piece.
local function indent_for_word(word, width, first, rest)
  local space = width - M.width(word)
  if #rest <= space then return rest end
  if #rest > #first + LESS_INDENT and #first + LESS_INDENT <= space then return first .. (" "):rep(LESS_INDENT) end
  return #first <= space and first or ""
end

--- Wrap a line between words. The further lines have the indent of the first line, and `more` columns; a word that is
--- too long for that is indented less.
---@param line string
---@param width integer
---@param more integer? columns
---@return string[] lines
function M.wrap(line, width, more)
  if M.width(line) <= width then return { line } end
  local first = line:match("^%s*")
  local rest = first .. (" "):rep(more or 0)
  local lines, current = {}, nil
  for space, word in line:sub(#first + 1):gmatch("(%s*)(%S+)") do
    local longer = (current or first) .. (current and space or "") .. word
    local indent = M.width(longer) > width and indent_for_word(word, width, first, rest)
    if indent and current and #indent < M.width(current) + #space then
      lines[#lines + 1] = current
      longer = indent .. word
    end
    current = longer
  end
  lines[#lines + 1] = current
  return lines
end

--- Wrap each of the lines.
---@param lines string[]
---@param width integer
---@param more nil|fun(line: string): integer columns that the further lines of this line are indented by, beside the
--- line's own indent
---@return string[] lines
function M.wrap_all(lines, width, more)
  local list = {}
  for _, line in ipairs(lines) do
    local parts = M.wrap(line, width, more and more(line))
    table.move(parts, 1, #parts, #list + 1, list)
  end
  return list
end

-- The columns by which the further lines of a line are indented, beside the line's own indent. They begin below "what"
-- in "  --name TEXT  what it is", below "do" in "fix: do this", and below the text in "  + text" or "  2. text".
local function hanging_indent(line)
  line = line:gsub(COLOR, "")
  local left = line:match("^(%s*%S.-%s%s+)%S") or line:match("^(%s+%l+: )") or line:match("^(%s+[^%w%s]+ )")
    or line:match("^(%s+%d+%. )")
  local indent = #line:match("^%s*")
  return left and M.width(left) - indent or 0
end

-- The text with spaces inside quotes replaced by a character that is no space, so that wrapping leaves them alone.
local function join_quoted(text)
  local function join(quoted) return (quoted:gsub(" ", "\0")) end
  return (text:gsub("%b''", join):gsub('%b""', join))
end

--- Wrap a line with a command, "  moonlatch init   # a profile", so that it can still be copied: what it does comes
--- before it, and each line of the command but the last ends with a backslash.
---@param line string
---@param width integer
---@return string
function M.command(line, width)
  if M.width(line) <= width then return line end
  local command, meaning = line:match "^(.-)%s+(#%s.*)$"
  local parts = M.wrap(join_quoted(command or line), width - 2, LESS_INDENT)
  local text = table.concat(parts, " \\\n"):gsub("%z", " ")
  if not meaning then return text end
  return table.concat(M.wrap(line:match "^%s*" .. meaning, width, 2), "\n") .. "\n" .. text
end

--- Wrap a text to `width` columns, between words. A line that consists of a name and its meaning keeps the meaning in
--- its own column, when the name takes at most half of the width; else its further lines are indented by four columns.
--- A line "  command  # what it does" is wrapped as a command.
---@param text string
---@param width integer
---@return string
function M.fit(text, width)
  if M.width(text) <= width then return text end
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local whole = line:find "^%s%s+%S.-%s%s+# " and M.command(line, width) or line
    for part in (whole .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = part end
  end
  return table.concat(M.wrap_all(lines, width, function(line)
    local hang = hanging_indent(line)
    return hang <= width // 2 and hang or LESS_INDENT
  end), "\n")
end

--- Arrange words in as many columns as fit. The columns are read downwards.
---@param words string[]
---@param width integer of the terminal
---@return string[] lines
function M.columns(words, width)
  local widest = 1
  for _, word in ipairs(words) do widest = math.max(widest, M.width(word)) end
  local count = math.max(1, (width + 1) // (widest + 2))
  local height = (#words + count - 1) // count
  local lines = {}
  for row = 1, height do
    local cells = {}
    for place = row, #words, height do cells[#cells + 1] = M.pad(words[place], widest) end
    lines[row] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return lines
end

return M
