--- Options of public functions. Each function declares its options once. A misspelt option, or a value of another type,
--- is refused, because an ignored option changes the meaning of a call: a count without its filter counts everybody.

local fail = require "fail"
local nearest = require "base.nearest"
local schema = require "base.schema"
local sets = require "base.sets"

local M = {}

local LIBRARY = debug.getinfo(1, "S").source:match("^(.*)base/options%.lua$") -- "@stdlib/"

-- The place in a script that called the library: "mine.lua:12". Nil when no script did.
local function caller()
  local level = 2
  local frame = debug.getinfo(level, "Sl")
  while frame do
    local is_ours = frame.what == "C" or frame.source:sub(1, #LIBRARY) == LIBRARY
    if not is_ours then return ("%s:%d"):format(frame.short_src, frame.currentline) end
    level = level + 1
    frame = debug.getinfo(level, "Sl")
  end
end

local function refuse(name, why, fix)
  local place = caller()
  local what = place and ("call %s in %s"):format(name, place) or "call " .. name
  fail.raise { kind = "usage", what = what, why = why, fix = fix }
end

local function refuse_unknown(name, option, types)
  local text = tostring(option)
  local known = {}
  for _, name_known in ipairs(sets.sorted(types)) do
    if type(name_known) == "string" then known[#known + 1] = name_known end -- a place in a list has no name
  end
  local meant = type(option) == "string" and nearest(option, known)
  refuse(name, ("it has no option '%s'"):format(text), meant and ("Did you mean '%s'?"):format(meant)
    or #known > 0 and ("Its options are %s."):format(table.concat(known, ", ")) or "It takes no options.")
end

local function refuse_type(name, option, value, types)
  local is = math.type(value) == "float" and "a number that is not whole" or "a " .. type(value)
  refuse(name, ("its option '%s' is %s"):format(option, is), ("Give it as %s."):format(schema.a(sets.sorted(types))))
end

--- Make the function that reads the options of one public function. That function returns a plain copy, read once and
--- past any metatable, so that the checked options are the used ones. It raises "usage", with the place in the script,
--- for an unknown option and for a value of another type.
---@param name string of the function, as scripts write it: "graph.count"
---@param rules table<string, string> option -> Lua types of its values: "string|table", "integer", "any"
---@return fun(given: table?): table
function M.of(name, rules)
  local types = {}
  for option, text in pairs(rules) do
    types[option] = {}
    for kind in text:gmatch("[^|]+") do types[option][kind] = true end
  end
  return function(given)
    if given == nil then return {} end
    if type(given) ~= "table" then refuse(name, "its options are a " .. type(given), "Give them as a table.") end
    local read = {}
    for option, value in next, given do
      local accepted = types[option]
      if not accepted then refuse_unknown(name, option, types) end
      if not (accepted[type(value)] or accepted.any or accepted[math.type(value)]) then
        refuse_type(name, option, value, accepted)
      end
      read[option] = value
    end
    return read
  end
end

return M
