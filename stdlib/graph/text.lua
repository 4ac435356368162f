--- Build the texts of Graph's query options and paths, with quoted and escaped values.

local native_graph = require "host.graph"
local options_of = require("base.options").of
local time = require "time"

local M = {}

--- Join names with commas.
---@param value string|string[]|nil
---@return string?
function M.comma_list(value)
  return type(value) == "table" and table.concat(value, ",") or value
end

local function sorted_option_names(map)
  local names = {}
  for name in pairs(map) do
    if type(name) ~= "string" then error("an option of a Graph query is a list or has names, but not both", 4) end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- Fill quoted values into a template: %s takes a text, a number or a boolean, %t a moment, %% is a percent sign.
---@param template string "displayName eq %s and createdDateTime ge %t"
---@return string
function M.fill(template, ...)
  local values, place = table.pack(...), 0
  local text = template:gsub("%%(.)", function(kind)
    if kind == "%" then return "%" end
    place = place + 1
    if place > values.n then error("graph.filter: more places than values", 4) end
    if kind == "t" then return time.iso(values[place]) end
    if kind ~= "s" then error(("graph.filter: unknown place %%%s"):format(kind), 4) end
    return native_graph.literal(values[place])
  end)
  if place < values.n then error("graph.filter: more values than places", 3) end
  return text
end

local function filter_comparison(name, value)
  if type(value) ~= "table" then return ("%s eq %s"):format(name, native_graph.literal(value)) end
  local list = {}
  for i, item in ipairs(value) do list[i] = native_graph.literal(item) end
  return ("%s in (%s)"):format(name, table.concat(list, ", "))
end

--- Make a filter from data: a text is used as it is; { template, values… } is filled in; { name = value } tests for
--- equality, and { name = { value, … } } for equality with any of the values.
---@param filter string|table|nil
---@return string?
function M.filter(filter)
  if type(filter) ~= "table" then return filter end
  if filter[1] ~= nil then return M.fill(table.unpack(filter, 1, filter.n or #filter)) end
  local parts = {}
  for i, name in ipairs(sorted_option_names(filter)) do parts[i] = filter_comparison(name, filter[name]) end
  return table.concat(parts, " and ")
end

--- Make a search from data: { displayName = "adm" }. An object has to match every member.
---@param search string|table|nil
---@return string?
function M.search(search)
  if type(search) ~= "table" then return search end
  local parts = {}
  for i, name in ipairs(sorted_option_names(search)) do
    parts[i] = ('"%s:%s"'):format(name, (tostring(search[name]):gsub('[\\"]', "\\%0")))
  end
  return table.concat(parts, " AND ")
end

-- The options of an expanded member (learn.microsoft.com, "Use query parameters": $expand).
local read_expansion = options_of("graph, with the option expand,", {
  select = "string|table", filter = "string|table", expand = "string|table", order = "string", top = "integer",
  skip = "integer", count = "boolean", search = "string|table", levels = "integer|string",
})

local function expansion_text(name, expansion)
  local options, parts = read_expansion(expansion), {}
  options.filter, options.expand = M.filter(options.filter), M.expand(options.expand)
  options.search, options.orderby, options.order = M.search(options.search), options.order, nil
  for _, option in ipairs(sorted_option_names(options)) do
    parts[#parts + 1] = ("$%s=%s"):format(option, M.comma_list(options[option]))
  end
  return #parts > 0 and ("%s(%s)"):format(name, table.concat(parts, ";")) or name
end

--- Make an expansion from data: { "memberOf" } or { memberOf = { select = { "id" } } }.
---@param expand string|table|nil
---@return string?
function M.expand(expand)
  if type(expand) ~= "table" or expand[1] ~= nil then return M.comma_list(expand) end
  local parts = {}
  for i, name in ipairs(sorted_option_names(expand)) do parts[i] = expansion_text(name, expand[name]) end
  return table.concat(parts, ",")
end

-- Escape a value in a path. A key that begins with "$" is written in quotes and parentheses, because Graph would read
-- it as a query option (Microsoft Learn, "Get a user").
local function path_segment(slash, value)
  if slash == "/" and value:sub(1, 1) == "$" then
    return ("('%s')"):format(native_graph.segment((value:gsub("'", "''"))))
  end
  return slash .. native_graph.segment(value)
end

--- Make a path with escaped values. A value after "=" is a key: '/applications(uniqueName={name})'.
---@param template string "/applications/{id}/addPassword"
---@return string
function M.path(template, ...)
  local values, place = table.pack(...), 0
  local function take()
    place = place + 1
    if type(values[place]) ~= "string" then
      error(("graph.path: value %d for %s is %s, not a string"):format(place, template, type(values[place])), 4)
    end
    return values[place]
  end
  local text = template:gsub("([=/]?){[^}]*}", function(before)
    if before == "=" then return "='" .. native_graph.segment((take():gsub("'", "''"))) .. "'" end
    return path_segment(before, take())
  end)
  if place < values.n then error("graph.path: more values than places", 3) end
  return text
end

return M
