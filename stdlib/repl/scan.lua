--- Scan the Lua text in front of the cursor, for completion: is the cursor in a text, which call's argument is it, and
--- which name is being typed?

local class = require "base.class"

local M = {}

---@class scan.frame an open bracket
---@field open string "(", "{" or "["
---@field callee string? the function whose arguments these are: "graph.get"
---@field place integer number of the argument
---@field first string? the first argument, when it is a text
---@field key string? in a table: the member whose value is typed
---@field at_key boolean in a table: may a member's name be typed here?

---@class scan.state
---@field frames scan.frame[] the innermost last
---@field text string? the text around the cursor
---@field chain string? the names before the one that is typed: "graph.", "last.value[1]."
---@field word string the name that is typed
---@field callee string? the function of which the text around the cursor is an argument without parentheses

local Scan = class "scan"

function Scan:top() return self.frames[#self.frames] end

function Scan:push(open)
  local outer = self:top()
  local callee, place, first = self.chain, 1, nil
  if not callee and outer and open == "{" then callee, place, first = outer.callee, outer.place, outer.first end
  table.insert(self.frames, { open = open, callee = callee, place = place, first = first, at_key = open == "{" })
  self.chain = nil
end

function Scan:pop()
  table.remove(self.frames)
  self.chain = "?" -- the members of a call's or a table's value are unknown
end

-- Note a text that is closed in front of the cursor.
function Scan:finish_text(content)
  local top = self:top()
  if self.chain then
    self.chain = "?"
  elseif top and top.open == "(" and top.place == 1 then
    top.first = content
  end
end

-- Note that the cursor is in a text.
function Scan:leave_open(content)
  self.text = content
  self.callee = self.chain
end

local CLOSERS = { ["'"] = "'", ['"'] = '"' }

function Scan:quoted(place)
  local quote, from = self.line:sub(place, place), place + 1
  local at = from
  while at <= #self.line do
    local char = self.line:sub(at, at)
    if char == "\\" then at = at + 1 end
    if char == CLOSERS[quote] then
      self:finish_text(self.line:sub(from, at - 1))
      return at + 1
    end
    at = at + 1
  end
  self:leave_open(self.line:sub(from))
  return at
end

function Scan:long(place, level)
  local from = self.line:find("]" .. level .. "]", place, true)
  if not from then
    self.text = ""
    self.long_open = true
    return #self.line + 1
  end
  self:finish_text("")
  return from + #level + 2
end

-- Read a bracket: in `last.value[1]` and `last["x"]` it belongs to the chain of names; any other bracket opens a frame.
function Scan:index(place)
  local whole = self.chain and self.line:match("^%[%s*%d+%s*%]", place)
    or self.chain and self.line:match("^%[%s*\"[^\"]*\"%s*%]", place)
  if not whole then
    self:push("[")
    return place + 1
  end
  self.chain = self.chain .. whole
  return place + #whole
end

function Scan:name(word, place)
  local after_dot = self.line:sub(1, place - 1):match("[%w_%]%)}\"]%s*[.:]%s*$")
  local joint = after_dot and after_dot:match("[.:]")
  self.before = joint and (self.chain or "?") .. joint or nil
  self.chain = self.before and self.before .. word or word
  self.last_name = word
  return place + #word
end

local function scan_comma(scan)
  local top = scan:top()
  if top then top.place, top.key, top.at_key = top.open == "(" and top.place + 1 or top.place, nil, top.open == "{" end
  scan.chain = nil
end

local function scan_equals_sign(scan)
  local top = scan:top()
  if top and top.open == "{" then top.key, top.at_key = scan.last_name, false end
  scan.chain = nil
end

local PUNCTUATION = {
  ["("] = function(scan) scan:push("(") end,
  ["{"] = function(scan) scan:push("{") end,
  [")"] = Scan.pop, ["}"] = Scan.pop, ["]"] = Scan.pop,
  [","] = scan_comma, [";"] = scan_comma, ["="] = scan_equals_sign,
  ["."] = function() end, [":"] = function() end,
}

local KEYWORDS = {}
for word in ("and do else elseif for function if in local not or repeat return then until while"):gmatch("%a+") do
  KEYWORDS[word] = true
end

-- Read the token at this place. Returns the place of the next token.
local function scan_token(scan, place)
  local line = scan.line
  local char = line:sub(place, place)
  if char:match("%s") then return place + 1 end
  if line:match("^%-%-", place) then return line:find("\n", place, true) or #line + 1 end
  if CLOSERS[char] then return scan:quoted(place) end
  local level = line:match("^%[(=*)%[", place)
  if level then return scan:long(place + 2 + #level, level) end
  if char == "[" then return scan:index(place) end
  local word = line:match("^[%a_][%w_]*", place)
  if word and KEYWORDS[word] then
    scan.chain = nil
    return place + #word
  end
  if word then return scan:name(word, place) end
  if PUNCTUATION[char] then PUNCTUATION[char](scan) else scan.chain = nil end
  return place + (line:match("^%d[%w.]*", place) or char):len()
end

-- Read the name that is typed at the end of the line, and the chain of names before it.
local function scan_typed_name(scan)
  local word = scan.line:match("([%a_][%w_]*)$") or ""
  local joint = scan.line:sub(1, #scan.line - #word):match("([.:])%s*$")
  scan.word = word
  local is_number = scan.line:match("%d[.]?$") and not scan.line:match("[%]%a_][%w_]*[.]$")
  if joint and not is_number and not scan.line:match("%.%.%s*[%w_]*$") then
    scan.chain = word ~= "" and scan.before or (scan.chain or "?") .. joint
  else
    scan.chain = nil
  end
end

--- Scan the text in front of the cursor.
---@param line string
---@return scan.state
function M.scan(line)
  local scan = Scan { line = line, frames = {}, word = "" }
  local place = 1
  while place <= #line do place = scan_token(scan, place) end
  if not scan.text then scan_typed_name(scan) end
  return scan
end

return M
