--- A small reader of LuaCATS annotations, for the test of the definition files: is each line well-formed, and which
--- types does it name? The grammar is that of lua-language-server's documentation ("Annotations"), as far as we use it.

local M = {}

local BUILTIN = {}
for name in ("any nil boolean string number integer table function thread userdata lightuserdata unknown self void")
  :gmatch "%a+" do
  BUILTIN[name] = true
end

local Reader = {}
Reader.__index = Reader

--- A reader, which collects the names that are defined.
function M.new() return setmetatable({ defined = {} }, Reader) end

--- Is the name a type of Lua, or was it defined?
function Reader:has(name) return BUILTIN[name] or self.defined[name] or false end

--- The annotations of a text, by line.
function M.lines(text)
  local number, rest = 0, (text .. "\n"):gmatch "(.-)\n"
  return function()
    for line in rest do
      number = number + 1
      if line:find "^%-%-%-[@|]" then return number, line end
    end
  end
end

---------------------------------------------------------------------------
-- Types

local read_type

local function fail_at(text, what) error({ annotation = ("%s expected at '%s'"):format(what, text:sub(1, 30)) }, 0) end

local function skip(text, pattern)
  local found = text:match("^%s*(" .. pattern .. ")")
  return found, found and text:gsub("^%s*" .. pattern, "", 1) or text
end

local function expect(text, pattern, what)
  local found, rest = skip(text, pattern)
  if not found then fail_at(text, what) end
  return rest, found
end

-- Items with commas between them, up to the closing sign.
local function read_list(text, closing, item)
  local closed, rest = skip(text, closing)
  while not closed do
    rest = item(rest)
    closed, text = skip(rest, closing)
    if closed then return text end
    rest = expect(text, ",", "a comma or the end of the list")
    closed = false
  end
  return rest
end

local function read_parameter(used)
  return function(text)
    local rest = expect(text, "[%w_.]+%??", "the name of a parameter")
    local colon, more = skip(rest, ":")
    return colon and read_type(more, used) or rest
  end
end

local function read_member(used)
  return function(text)
    local bracket, rest = skip(text, "%[")
    if bracket then rest = expect(read_type(rest, used), "%]", "]")
    else rest = expect(text, "[%w_]+%??", "the name of a member") end
    return read_type(expect(rest, ":", ":"), used)
  end
end

local function read_function(text, used)
  local rest = read_list(expect(text, "%(", "("), "%)", read_parameter(used))
  local colon, more = skip(rest, ":")
  if not colon then return rest end
  rest = read_type(more, used)
  while skip(rest, ",%s*[%w_{\"(]") do
    local _, after = skip(rest, ",")
    local ok, next_rest = pcall(read_type, after, used)
    if not ok then return rest end
    rest = next_rest
  end
  return rest
end

local function read_single(text, used)
  for _, pattern in ipairs { '"[^"]*"', "'[^']*'", "`[^`]*`", "%-?%d+", "true%f[%W]", "false%f[%W]", "%.%.%." } do
    local found, rest = skip(text, pattern)
    if found then return rest end
  end
  if skip(text, "fun%(") then return read_function(text:gsub("^%s*fun", "", 1), used) end
  if skip(text, "{") then return read_list(expect(text, "{", "{"), "}", read_member(used)) end
  if skip(text, "%(") then return expect(read_type(expect(text, "%(", "("), used), "%)", ")") end
  local rest, name = expect(text, "[%a_][%w_.]*", "a type")
  used[name] = true
  if skip(rest, "<") then
    return read_list(expect(rest, "<", "<"), ">", function(more) return read_type(more, used) end)
  end
  return rest
end

-- Read a type at the front of the text. Returns the text behind it.
function read_type(text, used)
  local rest = read_single(text, used)
  while true do
    local suffix = rest:match "^%[%]" or rest:match "^%?"
    if suffix then rest = rest:sub(#suffix + 1)
    elseif rest:find "^%[" then fail_at(rest, "]")
    else break end
  end
  local bar, more = skip(rest, "|")
  if bar then return read_type(more, used) end
  return rest
end

---------------------------------------------------------------------------
-- Lines

local TAGS = {
  meta = function(_, text) expect(text, "[%w_.]+", "the name of a file") end,
  class = function(self, text, used)
    local rest, name = expect(text, "[%a_][%w_.]*", "the name of a class")
    self.defined[name] = true
    if skip(rest, ":") then read_type(select(2, skip(rest, ":")), used) end
  end,
  alias = function(self, text, used)
    local rest, name = expect(text, "[%a_][%w_.]*", "the name of an alias")
    self.defined[name] = true
    if rest:find "%S" then read_type(rest, used) end
  end,
  field = function(_, text, used)
    local bracket, rest = skip(text, "%[")
    if bracket then rest = expect(read_type(rest, used), "%]", "]")
    else rest = expect(text, "[%w_]+%??", "the name of a field") end
    read_type(rest, used)
  end,
  param = function(_, text, used)
    local rest = expect(text, "[%w_.]+%??", "the name of a parameter")
    read_type(rest, used)
  end,
  ["return"] = function(_, text, used) read_type(text, used) end,
  overload = function(_, text, used)
    if not skip(text, "fun%(") then fail_at(text, "fun(") end
    read_type(text, used)
  end,
  type = function(_, text, used) read_type(text, used) end,
  generic = function(self, text)
    local _, name = expect(text, "[%a_]%w*", "a name")
    self.defined[name] = true
  end,
}

--- Read one annotation. `used` gets the names of types.
---@return boolean ok, string? why
function Reader:read(line, used)
  if line:find "^%-%-%-|" then return line:find '^%-%-%-| "[^"]*"' ~= nil, "a quoted value expected" end
  local tag, rest = line:match "^%-%-%-@(%a+)(.*)$"
  if not TAGS[tag] then return false, "no such tag" end
  local ok, err = pcall(TAGS[tag], self, rest, used)
  if ok then return true end
  if type(err) ~= "table" then error(err, 0) end
  return false, err.annotation
end

return M
