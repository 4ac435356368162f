--- Check what a person wrote in Lua (a profile, a script's declaration) against rules. An error names the file, the
--- member, and the expected type.

local class = require "base.class"
local fail = require "fail"
local nearest = require "base.nearest"
local sets = require "base.sets"
local sys = require "host.sys"
local time = require "time"

local M = {}

---@class base.schema.rule
---@field type string|string[] Lua types, or "integer"
---@field required boolean?
---@field default any
---@field choices string[]? the only values allowed
---@field members table<string, base.schema.rule>? of a table: the members that it may have, and no others
---@field each base.schema.rule? of a table: what every value must be
---@field check nil|fun(value: any): string? returns nil when the value is right, else what is wrong

local function raise(file, where, why, fix)
  fail.raise { kind = "config", what = where == "" and file or file .. ": " .. where, why = why, fix = fix }
end

local function type_of(value)
  return math.type(value) == "integer" and "integer" or type(value)
end

--- "an integer", "a string or table": for messages.
---@param types string|string[]
---@return string
function M.a(types)
  local text = type(types) == "table" and table.concat(types, " or ") or types
  return (text:match("^[aeiou]") and "an " or "a ") .. text
end

local function fits(value, types)
  if type(types) == "string" then types = { types } end
  for _, wanted in ipairs(types) do
    if wanted == type(value) or wanted == type_of(value) then return true end
  end
  return false
end

local function quoted(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = ('"%s"'):format(word) end
  return table.concat(list, ", ")
end

local function inside(where, member)
  local name = type(member) == "string" and member or ("[%s]"):format(tostring(member))
  return where == "" and name or type(member) == "string" and where .. "." .. name or where .. name
end

local function check_choice(file, where, value, choices)
  for _, choice in ipairs(choices) do
    if value == choice then return end
  end
  local meant = nearest(tostring(value), choices)
  raise(file, where, ('"%s" is none of %s'):format(tostring(value), quoted(choices)),
    meant and ('Did you mean "%s"?'):format(meant))
end

local function copy(value)
  if type(value) ~= "table" then return value end
  return table.move(value, 1, #value, 1, {})
end

local check_value

local function refuse_unknown(file, where, value, members)
  for _, key in ipairs(sets.sorted(value)) do
    if not members[key] then
      local meant = type(key) == "string" and nearest(key, members)
      raise(file, inside(where, key), "there is no such member",
        meant and ('Did you mean "%s"?'):format(meant)
          or ("There are %s."):format(table.concat(sets.sorted(members), ", ")))
    end
  end
end

local function check_members(file, where, value, members)
  refuse_unknown(file, where, value, members)
  for _, key in ipairs(sets.sorted(members)) do
    local rule = members[key]
    if value[key] == nil then value[key] = copy(rule.default) end
    if value[key] ~= nil then
      check_value(file, inside(where, key), value[key], rule)
    elseif rule.required then
      raise(file, inside(where, key), ("it is missing; %s is needed"):format(M.a(rule.type)))
    end
  end
end

function check_value(file, where, value, rule)
  if not fits(value, rule.type) then
    local is = value == nil and "nil" or M.a(type(value))
    raise(file, where, ("%s is needed, but it is %s"):format(M.a(rule.type), is))
  end
  if rule.choices then check_choice(file, where, value, rule.choices) end
  if type(value) == "table" then
    if rule.members then check_members(file, where, value, rule.members) end
    for _, key in ipairs(rule.each and sets.sorted(value) or {}) do
      check_value(file, inside(where, key), value[key], rule.each)
    end
  end
  local wrong = rule.check and rule.check(value)
  if wrong then raise(file, where, wrong) end
end

--- Check a value, and fill in defaults. Raises "config".
---@param file string for messages
---@param where string the path of the value in the file; "" for the whole file
---@param value any
---@param rule base.schema.rule
function M.check(file, where, value, rule)
  check_value(file, where, value, rule)
end

---------------------------------------------------------------------------
-- Files that read as data

--- Make the two functions of a kind of file, such as `policy { … }`: one marks a table as of this kind, the other
--- recognises it.
---@param name string of the kind
---@return fun(fields: table): table mark
---@return fun(value: any): boolean is
function M.form(name)
  local Kind = class(name)
  local function mark(fields)
    if type(fields) ~= "table" then error(name .. " { … } needs a table", 3) end
    return Kind(fields)
  end
  return mark, function(value) return class.is(value, Kind) end
end

--- Return a plain, writable copy of a table made by form().
---@param fields table
---@return table
function M.plain(fields)
  local twin = {}
  for name, value in next, fields do twin[name] = value end
  return twin
end

local function check_duration(value)
  local ok, failure = pcall(time.duration, value)
  if not ok then return failure.why end
end

--- The rule of a duration in text: "30d".
---@param more base.schema.rule? what else holds
---@return base.schema.rule
function M.duration(more)
  local rule = M.plain(more or {})
  rule.type, rule.check = "string", check_duration
  return rule
end

local INSTRUCTIONS = 10000000
local BYTES = 128 << 20

--- Call the chunk of a file that only describes something, as xpcall does, within the bounds that are
--- set for loading: ten million instructions, 128 MiB of memory.
---@param handler fun(err: any): any
---@param chunk function
---@return boolean ok, any value or the error
function M.load(handler, chunk, ...)
  return sys.bounded(INSTRUCTIONS, BYTES, handler, chunk, ...)
end

local function as_it_is(err) return err end

--- Evaluate a Lua file that only describes something: source text only, the given names and no others, within the
--- bounds of `load`. Returns its value.
---@param text string
---@param file string for messages
---@param names table<string, any>
---@return any
function M.evaluate(text, file, names_given)
  local chunk, message = load(text, "@" .. file, "t", names_given)
  if not chunk then raise(file, "read it", message, "Correct the line that is named.") end
  local ok, value = M.load(as_it_is, chunk)
  if not ok then raise(file, "run it", tostring(value), "It may only describe; nothing of the library is there.") end
  return value
end

return M
