--- Options of public functions. Each function declares its options once. A misspelt option, or a value of another type,
--- is refused, because an ignored option changes the meaning of a call: a count without its filter counts everybody.

local fail = require "fail"
local nearest = require "base.nearest"
local schema = require "base.schema"
local sets = require "base.sets"

local M = {}

local LIBRARY = debug.getinfo(1, "S").source:match("^(.*)base/options%.lua$") -- "@stdlib/"

--- The line of the script that called the library: "mine.lua:12"; nil when no script called it.
---@return string?
function M.calling_script_line()
  local level = 2
  local frame = debug.getinfo(level, "Sl")
  while frame do
    local is_ours = frame.what == "C" or frame.source:sub(1, #LIBRARY) == LIBRARY
    if not is_ours then return ("%s:%d"):format(frame.source:match "^@(.*)" or frame.short_src, frame.currentline) end
    level = level + 1
    frame = debug.getinfo(level, "Sl")
  end
end

local function refuse_call(name, why, fix)
  local line = M.calling_script_line()
  local what = line and ("call %s in %s"):format(name, line) or "call " .. name
  fail.raise { kind = "usage", what = what, why = why, fix = fix }
end

local function refuse_unknown_option(name, option, types)
  local text = tostring(option)
  local known = {}
  for _, name_known in ipairs(sets.sorted(types)) do
    if type(name_known) == "string" then known[#known + 1] = name_known end -- places in a list have no name
  end
  local meant = type(option) == "string" and nearest(option, known)
  refuse_call(name, ("it has no option '%s'"):format(text), meant and ("Did you mean '%s'?"):format(meant)
    or #known > 0 and ("Use one of its options: %s."):format(table.concat(known, ", "))
    or "Leave out the table of options: the function has none.")
end

local function refuse_option_type(name, option, value, types)
  local is = math.type(value) == "float" and "a number that is not whole" or "a " .. type(value)
  refuse_call(name, ("its option '%s' is %s"):format(option, is),
    ("Give it as %s."):format(schema.with_article(sets.sorted(types))))
end

--- Make the function that reads the options of one public function. The made function returns a plain copy of the
--- options. It reads each option once and past any metatable, so that the checked values are the used values. It raises
--- "usage", with the line in the script, for an unknown option and for a value of another type.
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
    if type(given) ~= "table" then refuse_call(name, "its options are a " .. type(given), "Give them as a table.") end
    local read = {}
    for option, value in next, given do
      local accepted = types[option]
      if not accepted then refuse_unknown_option(name, option, types) end
      if not (accepted[type(value)] or accepted.any or accepted[math.type(value)]) then
        refuse_option_type(name, option, value, accepted)
      end
      read[option] = value
    end
    return read
  end
end

return M
