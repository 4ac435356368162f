--- Complete what is typed, when a person presses Tab: names, members, options, Graph's paths and properties, and names
--- from results. Completion never waits, and never calls a function that was typed.

local border = require "script.border"
local class = require "base.class"
local globals = require "repl.globals"
local layout = require "terminal.layout"
local paths = require "graph.paths"
local reference = require "script.reference"
local sandbox = require "script.sandbox"
local scan = require "repl.scan"
local term = require "host.term"

local M = {}

local MOST_SHOWN = 120 -- shown at once

local KEYWORDS = {}
for word in ("and break do else elseif end false for function if in local nil not or repeat return then true until "
  .. "while"):gmatch("%a+") do
  KEYWORDS[#KEYWORDS + 1] = word
end

---@class complete.offer
---@field typed string the part that is typed already
---@field list string[] the candidates

---------------------------------------------------------------------------
-- Values, without running anything

-- The table in which further members of a value are found: the __index of its metatable.
local function index_of_metatable(value)
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__index") or nil
end

local function read_member_silently(seen, key)
  local value, room = border.library_value_of(seen), globals.room(seen)
  if room then return room.modules[key] and value[key] or nil end
  if type(value) == "table" then
    local own = rawget(value, key)
    if own ~= nil then return own end
  end
  local index = index_of_metatable(value)
  return type(index) == "table" and read_member_silently(index, key) or nil
end

-- The value of a chain of names such as "last.value[1]."; nil when reading it would call a function.
local function value_of_typed_chain(state, chain)
  local name, rest = chain:match("^([%a_][%w_]*)(.*)$")
  if not name then return nil end
  local known = false
  for _, other in ipairs(state.names()) do known = known or other == name end
  local value = known and state.env[name] or nil
  for mark, key in rest:gmatch("([.:%[])%s*\"?([^.:%[%]\"]*)\"?%s*%]?") do
    if key == "" then break end
    value = value ~= nil and read_member_silently(value, mark == "[" and math.tointeger(tonumber(key)) or key) or nil
  end
  return value
end

local function add_members_to_complete(list, value)
  for key in next, value do
    if type(key) == "string" and key:match("^[%a_][%w_]*$") then list[#list + 1] = key end
  end
end

local function members_to_complete(seen)
  local list, room, value = {}, globals.room(seen), border.library_value_of(seen)
  if room then
    add_members_to_complete(list, room.modules)
    return list
  end
  local object = class.of(value)
  if object then
    add_members_to_complete(list, object.open)
    return list
  end
  if type(value) == "table" then add_members_to_complete(list, value) end
  local index = index_of_metatable(value)
  if type(index) == "table" then add_members_to_complete(list, index) end
  return list
end

---------------------------------------------------------------------------
-- Graph

local function enclosing_graph_call(state)
  for place = #state.frames, 1, -1 do
    local frame = state.frames[place]
    if frame.callee and frame.callee:match("^graph%.%l+$") then return frame end
  end
end

local function graph_properties_to_complete(frame)
  local entry = frame.first and paths.find(frame.first)
  local list = {}
  for i, property in ipairs(entry and paths.properties(entry.type) or {}) do list[i] = property.name end
  return list
end

-- Offer paths of Graph: the typed path, with one more segment.
local function offer_paths(repl, text)
  local above, list = text:match("^(.*/)[^/]*$") or "", {}
  for _, segment in ipairs(paths.next_segments(text)) do
    local fixed = segment:match("^(.-){") or segment
    if segment == "{id}" then
      for _, seen in ipairs(repl.seen:texts(above:gsub("/$", ""))) do list[#list + 1] = above .. seen end
    else
      list[#list + 1] = above .. fixed
    end
  end
  return { typed = text, list = list }
end

---------------------------------------------------------------------------
-- Inside a text

-- The candidates for a text that is the argument of one of these functions.
local TEXT_OFFERS = {
  help = function() return require("repl.help").topics() end,
  trace = function() return { "on", "off" } end,
  require = sandbox.modules,
}

local PROPERTY_KEYS = { select = true, filter = true, order = true, expand = true, search = true }

local function enclosing_table_key(state)
  for place = #state.frames, 1, -1 do
    if state.frames[place].key then return state.frames[place].key end
    if state.frames[place].open == "(" then return nil end
  end
end

local function offer_in_text(repl, state)
  local top = state.frames[#state.frames]
  local callee = state.callee or top and top.open == "(" and top.callee
  local words = TEXT_OFFERS[callee]
  if words then return { typed = state.text, list = words() } end
  if state.text:sub(1, 1) == "/" then return offer_paths(repl, state.text) end
  local call = enclosing_graph_call(state)
  if (call or callee and callee:match("^graph%.%l+$")) and state.text == "" and not enclosing_table_key(state) then
    return { typed = "", list = { "/" } }
  end
  if call and PROPERTY_KEYS[enclosing_table_key(state)] then
    return { typed = state.text:match("[%w_]*$"), list = graph_properties_to_complete(call) }
  end
  return { typed = state.text, list = state.text ~= "" and repl.seen:texts("") or {} }
end

---------------------------------------------------------------------------
-- Outside a text

-- The members of the options table that the cursor is in; in the body of a call of Graph, the properties of the object.
local function options_to_complete(frame)
  local list = {}
  if frame.callee:match("^graph%.p%l+$") and frame.place == 2 then return graph_properties_to_complete(frame) end
  local entry = reference.entry(frame.callee)
  local param = entry and entry.params[frame.place]
  local kind = param and reference.class_of(param)
  for i, field in ipairs(kind and kind.fields or {}) do list[i] = field.name end
  return list
end

local function offer_outside_text(repl, state)
  if state.word == "" and state.line:match("%w$") then return { typed = "", list = {} } end -- a number
  if state.chain then
    local value = value_of_typed_chain(repl, state.chain)
    return { typed = state.word, list = value ~= nil and members_to_complete(value) or {} }
  end
  local list, top = {}, state.frames[#state.frames]
  if top and top.open == "{" and top.at_key and top.callee then list = options_to_complete(top) end
  if #list == 0 then
    for _, names in ipairs { repl.names(), KEYWORDS } do table.move(names, 1, #names, #list + 1, list) end
  end
  return { typed = state.word, list = list }
end

---------------------------------------------------------------------------
-- Candidates

local function matching_candidates(offer, same)
  local list, once = {}, {}
  for _, text in ipairs(offer.list) do
    if same(text:sub(1, #offer.typed), offer.typed) and not once[text] then list[#list + 1] = text end
    once[text] = true
  end
  table.sort(list)
  return list
end

local function is_equal_text(a, b) return a == b end
local function is_equal_ignoring_case(a, b) return a:lower() == b:lower() end

--- The candidates at the cursor.
---@param repl repl.state
---@param before string the text up to the cursor
---@return string[] list, string typed the part of a candidate that is typed already
function M.candidates(repl, before)
  local state = scan.scan(before)
  if state.long_open then return {}, "" end
  local offer = state.text and offer_in_text(repl, state) or offer_outside_text(repl, state)
  local list = matching_candidates(offer, is_equal_text)
  if #list == 0 and offer.typed ~= "" then list = matching_candidates(offer, is_equal_ignoring_case) end
  return list, offer.typed
end

local function common_prefix_of_candidates(list)
  local first, length = list[1], #list[1]
  for _, text in ipairs(list) do
    while text:sub(1, length) ~= first:sub(1, length) do length = length - 1 end
  end
  local cut = first:sub(1, length)
  while not utf8.len(cut) and #cut > 0 do cut = cut:sub(1, -2) end
  return cut
end

-- The candidates in columns. Of a path, only the last segment is shown.
local function candidate_lines(list)
  local names = {}
  for i, text in ipairs(list) do
    if i > MOST_SHOWN then break end
    names[i] = text:match("^/.*/([^/]+)$") or text
  end
  local lines = layout.columns(names, term.width())
  if #list > MOST_SHOWN then lines[#lines + 1] = ("… and %d more"):format(#list - MOST_SHOWN) end
  return table.concat(lines, "\n")
end

--- The function that host.edit calls for Tab.
---@param repl repl.state
---@return fun(before: string, after: string): string?, integer?, boolean?
function M.new(repl)
  return function(before)
    if before:match("^%s*$") or before:match("\n%s*$") then return "  " end -- an indent
    local list, typed = M.candidates(repl, before)
    if #list == 0 then return nil end
    local text = common_prefix_of_candidates(list)
    if #list == 1 or #text > #typed then
      if text:sub(1, #typed) == typed then return text:sub(#typed + 1) end
      return text, utf8.len(typed) or #typed
    end
    term.write("out", "\n" .. candidate_lines(list) .. "\n")
    return nil, 0, true
  end
end

return M
