--- How text takes its place on a terminal: widths, cutting, padding, columns.

local M = {}

local COLOR = "\27%[[%d;]*m"

-- Code points that stand over the one before them, or are not seen (Unicode's Mn, Me and Cf, roughly).
local NONE = { { 0x300, 0x36F }, { 0x483, 0x489 }, { 0x591, 0x5BD }, { 0x64B, 0x65F }, { 0x1AB0, 0x1AFF },
  { 0x200B, 0x200F }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF } }
-- Code points that take two columns (Unicode's East Asian Width W and F, roughly).
local TWO = { { 0x1100, 0x115F }, { 0x2E80, 0x303E }, { 0x3041, 0x4DBF }, { 0x4E00, 0xA4CF }, { 0xAC00, 0xD7A3 },
  { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F },
  { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD } }

local function within(ranges, point)
  for _, range in ipairs(ranges) do
    if point < range[1] then return false end
    if point <= range[2] then return true end
  end
  return false
end

local function width_of(point)
  if point < 0x300 then return 1 end
  if within(NONE, point) then return 0 end
  return within(TWO, point) and 2 or 1
end

--- Columns that a text without control characters takes; colours take none.
---@param text string
---@return integer
function M.width(text)
  text = text:gsub(COLOR, "")
  if not text:find("[\x80-\xff]") or not utf8.len(text) then return #text end
  local width = 0
  for _, point in utf8.codes(text) do width = width + width_of(point) end
  return width
end

--- The text in at most so many columns; what is cut off leaves "…". Without colours.
---@param text string
---@param width integer
---@return string
function M.cut(text, width)
  if M.width(text) <= width then return text end
  if not utf8.len(text) then return text:sub(1, math.max(0, width - 1)) .. "…" end
  local used = 1
  for place, point in utf8.codes(text) do
    used = used + width_of(point)
    if used > width then return text:sub(1, place - 1) .. "…" end
  end
  return text
end

--- The text filled with spaces to so many columns.
---@param text string
---@param width integer
---@param right boolean? spaces before it
---@return string
function M.pad(text, width, right)
  local space = (" "):rep(width - M.width(text))
  return right and space .. text or text .. space
end

--- So many of something: "1 item", "3 items".
---@param number integer
---@param word string
---@return string
function M.count(number, word)
  return ("%d %s%s"):format(number, word, number == 1 and "" or "s")
end

--- A line broken between words where it would not fit; what follows is indented like it, and by `more`.
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
    local gains = current and M.width(rest) < M.width(current) + #space
    if gains and M.width(longer) > width then
      lines[#lines + 1] = current
      longer = rest .. word
    end
    current = longer
  end
  lines[#lines + 1] = current
  return lines
end

--- All lines broken so.
---@param lines string[]
---@param width integer
---@param more nil|fun(line: string): integer columns that what follows of a line is indented by, beside its own
---@return string[] lines
function M.wrap_all(lines, width, more)
  local list = {}
  for _, line in ipairs(lines) do
    local parts = M.wrap(line, width, more and more(line))
    table.move(parts, 1, #parts, #list + 1, list)
  end
  return list
end

-- Where what follows of a line begins: below "what" in "  --name TEXT  what it is", below "do" in "fix: do this", and
-- below the text in "  + text" or "  2. text".
local function hang_of(line)
  line = line:gsub(COLOR, "")
  local left = line:match("^(%s*%S.-%s%s+)%S") or line:match("^(%s+%l+: )") or line:match("^(%s+[^%w%s]+ )")
    or line:match("^(%s+%d+%. )")
  local indent = #line:match("^%s*")
  return left and M.width(left) - indent or 0
end

--- Text whose lines fit: broken between words, and where a line is a name and what it
--- means, the meaning in its own column. Lines that take less than half of the width for the name, that is.
---@param text string
---@param width integer
---@return string
function M.fit(text, width)
  if M.width(text) <= width then return text end
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return table.concat(M.wrap_all(lines, width, function(line)
    local hang = hang_of(line)
    return hang <= width // 2 and hang or 0
  end), "\n")
end

--- Words in as many columns as fit, read downwards.
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
