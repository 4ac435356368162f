--- OData filters, as far as Graph accepts them for directory objects (Microsoft Learn: filter-query-parameter and
--- aad-advanced-queries, 2026-05).
---
--- parse("startsWith(displayName,'a') and accountEnabled eq true") returns a function that tests a row, the equality
--- that the filter demands if there is one, and whether only the advanced query engine supports it. `judge` is told of
--- each comparison, for lists that support only some.

local json = require "json"
local time = require "time"

local M = {}

local PATTERNS = {
  { "space", "^%s+" },
  { "string", "^'[^']*'" },
  { "guid", "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+" },
  { "date", "^%d%d%d%d%-%d%d%-%d%d[%dTtZz:%.%+%-]*" },
  { "number", "^%-?%d+%.?%d*" },
  { "word", "^[%a_@][%w_%./$]*" },
  { "mark", "^[(),:]" },
}

---@class emulator.filter.token
---@field kind string
---@field text string

local function next_token(text, at)
  for _, pattern in ipairs(PATTERNS) do
    local from, to = text:find(pattern[2], at)
    if from then return pattern[1], to end
  end
end

local function tokens_of(text)
  local tokens, at = {}, 1
  while at <= #text do
    local kind, to = next_token(text, at)
    if not kind then return nil, ("Syntax error at position %d in '%s'."):format(at - 1, text) end
    local last = tokens[#tokens]
    local piece = text:sub(at, to)
    if kind == "string" and last and last.kind == "string" and last.to == at - 1 then
      last.text, last.to = last.text .. "'" .. piece:sub(2, -2), to -- a doubled quote stands for one
    elseif kind ~= "space" then
      tokens[#tokens + 1] = { kind = kind, text = kind == "string" and piece:sub(2, -2) or piece, to = to }
    end
    at = to + 1
  end
  return tokens
end

---@class emulator.filter.parser
local Parser = {}
Parser.__index = Parser

local function refuse(message)
  error({ filter = message }, 0)
end

function Parser:peek(text)
  local token = self.tokens[self.at]
  return token and token.kind ~= "string" and token.text:lower() == text
end

function Parser:take(text)
  if not self:peek(text) then return false end
  self.at = self.at + 1
  return true
end

function Parser:expect(text)
  if not self:take(text) then
    local token = self.tokens[self.at]
    refuse(("Invalid filter clause: '%s' expected, found '%s'."):format(text, token and token.text or "end"))
  end
end

function Parser:next(kind)
  local token = self.tokens[self.at]
  if not token or kind and token.kind ~= kind then
    refuse(("Invalid filter clause: a %s expected, found '%s'."):format(kind or "value", token and token.text or "end"))
  end
  self.at = self.at + 1
  return token
end

local function moment(text)
  local ok, at = pcall(time.parse, text:find("T") and text or text .. "T00:00:00Z")
  return ok and at or nil
end

local WORDS = { ["true"] = true, ["false"] = false, null = json.null }

function Parser:value()
  local token = self:next()
  if token.kind == "string" or token.kind == "guid" then return token.text end
  if token.kind == "number" then return tonumber(token.text) end
  if token.kind == "date" then
    return { date = moment(token.text) or refuse("Invalid filter clause: there is no such date.") }
  end
  local value = WORDS[token.text:lower()]
  if value == nil then refuse(("Invalid filter clause: '%s' is not a value."):format(token.text)) end
  return value
end

-- Tell of a comparison. Within a lambda the variable stands for the list: "t/id" becomes "targetResources/id".
function Parser:tell(path, operator, value)
  if not self.judge then return end
  local first, rest = path:match("^([^/]+)(.*)$")
  self.judge((self.lists[first] or first) .. rest, operator, value)
end

--- A function that reads a property path of a row, or of the item a lambda bound `variable` to.
function Parser:path(text, variable)
  local names = {}
  for name in text:gmatch("[^/]+") do
    names[#names + 1] = name
  end
  if variable and names[1] == variable then
    table.remove(names, 1)
  else
    self.check(names[1])
  end
  return function(row)
    for _, name in ipairs(names) do
      if type(row) ~= "table" then return nil end
      row = row[name]
    end
    if row == json.null then return nil end
    return row
  end
end

local function comparable(value, wanted)
  if type(wanted) == "table" then return type(value) == "string" and moment(value) or nil, wanted.date end
  if type(value) == "string" and type(wanted) == "string" then return value:lower(), wanted:lower() end
  return value, wanted
end

local function equal(value, wanted)
  if wanted == json.null then return value == nil end
  local a, b = comparable(value, wanted)
  return a == b
end

local function ordered(better)
  return function(value, wanted)
    local a, b = comparable(value, wanted)
    return type(a) == type(b) and a ~= nil and better(a, b)
  end
end

local COMPARE = {
  eq = equal,
  ne = function(value, wanted) return not equal(value, wanted) end,
  gt = ordered(function(a, b) return a > b end),
  ge = ordered(function(a, b) return a >= b end),
  lt = ordered(function(a, b) return a < b end),
  le = ordered(function(a, b) return a <= b end),
}

local FUNCTIONS = {
  startswith = function(value, wanted) return value:sub(1, #wanted) == wanted end,
  endswith = function(value, wanted) return wanted == "" or value:sub(-#wanted) == wanted end,
  contains = function(value, wanted) return value:find(wanted, 1, true) ~= nil end,
}

function Parser:call(name, variable)
  local fn = FUNCTIONS[name]
  self:expect("(")
  local path = self:next("word").text
  local read = self:path(path, variable)
  self:expect(",")
  local wanted = self:value()
  self:expect(")")
  self:tell(path, name, wanted)
  if name ~= "startswith" then self.advanced = true end
  return function(row)
    local value = read(row)
    return type(value) == "string" and fn(value:lower(), tostring(wanted):lower())
  end
end

function Parser:lambda(path, how, variable)
  local read = self:path(path, variable)
  self:expect("(")
  if how == "any" and self:take(")") then
    return function(row) return #(read(row) or {}) > 0 end
  end
  local bound = self:next("word").text
  self.lists[bound] = path
  self:expect(":")
  local inner = self:any_of(bound)
  self:expect(")")
  return function(row)
    for _, item in ipairs(read(row) or {}) do
      if inner(item) == (how == "any") then return how == "any" end
    end
    return how == "all"
  end
end

function Parser:members_of(read)
  self:expect("(")
  local list = {}
  repeat
    list[#list + 1] = self:value()
  until not self:take(",")
  self:expect(")")
  return function(row)
    local value = read(row)
    for _, wanted in ipairs(list) do
      if equal(value, wanted) then return true end
    end
    return false
  end
end

-- The number of objects of a list, "members/$count", which only the advanced engine knows (Microsoft Learn:
-- aad-advanced-queries).
function Parser:count(read)
  self.advanced = true
  return function(row) return #(read(row) or {}) end
end

function Parser:comparison(variable)
  local text = self:next("word").text
  if FUNCTIONS[text:lower()] and self:peek("(") then return self:call(text:lower(), variable) end
  local path, how = text:match("^(.+)/(a%l%l)$")
  if path and (how == "any" or how == "all") and self:peek("(") then return self:lambda(path, how, variable) end
  local counted = text:match("^(.+)/%$count$")
  local read = self:path(counted or text, variable)
  if counted then read = self:count(read) end
  local operator = self:next("word").text:lower()
  if operator == "in" then return self:members_of(read) end
  local compare = COMPARE[operator] or refuse(("Invalid filter clause: '%s' is no operator."):format(operator))
  local wanted = self:value()
  self:tell(text, operator, wanted)
  if operator == "ne" then self.advanced = true end
  if operator == "eq" then self.last_equal = { text, wanted } end
  return function(row) return compare(read(row), wanted) end
end

function Parser:one(variable)
  if self:take("not") then
    self.advanced = true
    local inner = self:one(variable)
    return function(row) return not inner(row) end
  end
  if self:take("(") then
    local inner = self:any_of(variable)
    self:expect(")")
    return inner
  end
  return self:comparison(variable)
end

function Parser:all_of(variable)
  local left = self:one(variable)
  while self:take("and") do
    local a, b = left, self:one(variable)
    left = function(row) return a(row) and b(row) end
  end
  return left
end

function Parser:any_of(variable)
  local left = self:all_of(variable)
  while self:take("or") do
    self.branches = true
    local a, b = left, self:all_of(variable)
    left = function(row) return a(row) or b(row) end
  end
  return left
end

---@class emulator.filter
---@field fits fun(row: table): boolean
---@field advanced boolean only the advanced query engine can do it
---@field equals {[1]: string, [2]: any}? a property that has to have this value

--- Read a filter. `check(name)` raises for a property the type does not have, `judge` for a comparison that the list
--- does not support; a date is a value {date = seconds}.
---@param text string
---@param check fun(name: string)
---@param judge nil|fun(path: string, operator: string, value: any)
---@return emulator.filter?, string? message
function M.parse(text, check, judge)
  local tokens, message = tokens_of(text)
  if not tokens then return nil, message end
  local parser = setmetatable({ tokens = tokens, at = 1, check = check, judge = judge, lists = {},
    advanced = false }, Parser)
  local ok, fits = pcall(parser.any_of, parser)
  if not ok then
    if type(fits) == "table" and fits.filter then return nil, fits.filter end
    error(fits, 0)
  end
  if tokens[parser.at] then return nil, ("Invalid filter clause: unexpected '%s'."):format(tokens[parser.at].text) end
  local plain = not parser.branches and not parser.advanced and not text:find("[%(/]")
  return { fits = fits, advanced = parser.advanced, equals = plain and parser.last_equal or nil }
end

return M
