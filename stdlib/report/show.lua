--- Show a value as text that fits the terminal, at the prompt and in print(…) of scripts: a table, an object, or a
--- complete value.

local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local secret = require "host.secret"
local words = require "report.words"

local M = {}

local COLUMN_GAP = 2
local WIDEST_COLUMN = 48 -- columns of one column
local NARROWEST_COLUMN = 12 -- a column that would become narrower than this is left out
local DEEPEST = 20

-- Members that identify an object come first.
local FIRST_MEMBERS = {
  "displayName", "name", "userPrincipalName", "appId", "id", "keyId", "hint", "accountEnabled", "state", "status",
  "endDateTime", "createdDateTime",
}
local RANK = {}
for place, name in ipairs(FIRST_MEMBERS) do RANK[name] = place end

local function rank_of_member(name) return RANK[name] or #FIRST_MEMBERS + 1 end

local function comes_before_member(a, b)
  local left, right = rank_of_member(a), rank_of_member(b)
  if left ~= right then return left < right end
  if math.type(a) and math.type(b) then return a < b end
  return tostring(a) < tostring(b)
end

-- The names of the members, in the order in which they are shown. Skip @odata.* metadata.
local function sorted_member_names(object)
  local names = {}
  for name in pairs(object) do
    if type(name) ~= "string" or not name:find("@odata.", 1, true) then names[#names + 1] = name end
  end
  table.sort(names, comes_before_member)
  return names
end

local function color_secret(value, text)
  if secret.is(value) then return log.style("yellow", text) end
  return text
end

---------------------------------------------------------------------------
-- Tables

---@class show.column
---@field name string
---@field width integer the width of its widest cell
---@field whole boolean must it not be cut?
---@field right boolean

local function measure_result_column(rows, name)
  local column = { name = name, width = layout.width(tostring(name)), whole = true, right = true }
  local empty = true
  for _, row in ipairs(rows) do
    local value = row[name]
    if not words.is_empty(value) then
      column.width = math.max(column.width, layout.width(words.text(value)))
      column.whole = column.whole and (words.is_id(value) or words.is_moment(value))
      column.right = column.right and type(value) == "number"
      empty = false
    end
  end
  if not column.whole then column.width = math.min(column.width, WIDEST_COLUMN) end
  return not empty and column or nil
end

local chosen_columns = setmetatable({}, { __mode = "k" }) ---@type table<table, string[]> rows -> names, in order

--- Show these rows with these columns, in this order. Returns the rows.
---@param rows table[]
---@param names string[]?
---@return table[]
function M.set_columns(rows, names)
  chosen_columns[rows] = names
  return rows
end

--- The columns that were set for the rows; nil when none were.
---@param rows any
---@return string[]?
function M.columns_of(rows) return type(rows) == "table" and chosen_columns[rows] or nil end

--- Show the rows with the columns that were set for other rows. Returns the rows.
---@param rows table[]
---@param others table[]
---@return table[]
function M.keep_columns(rows, others) return M.set_columns(rows, chosen_columns[others]) end

-- All columns that are not empty.
local function result_columns(rows)
  local all, list = {}, {}
  for _, name in ipairs(chosen_columns[rows] or {}) do list[#list + 1] = measure_result_column(rows, name) end
  if chosen_columns[rows] then return list end
  for _, row in ipairs(rows) do
    for name in pairs(row) do all[name] = true end
  end
  for _, name in ipairs(sorted_member_names(all)) do list[#list + 1] = measure_result_column(rows, name) end
  return list
end

-- The columns that fit, in their order; the last column may be cut. The second result is the number of columns that
-- were left out.
local function fit_result_columns(columns, width)
  local chosen, used = {}, 0
  for _, column in ipairs(columns) do
    local left = width - used - (#chosen > 0 and COLUMN_GAP or 0)
    local takes = math.min(column.width, left)
    if takes == column.width or (#chosen == 0 or takes >= NARROWEST_COLUMN) and not column.whole then
      column.width = math.max(1, takes)
      chosen[#chosen + 1] = column
      used = width - left + column.width
    end
  end
  return chosen, #columns - #chosen
end

local function result_table_line(columns, cell)
  local cells = {}
  for i, column in ipairs(columns) do
    local text, value = cell(column)
    cells[i] = color_secret(value, layout.pad(layout.cut(text, column.width), column.width, column.right))
  end
  return (table.concat(cells, (" "):rep(COLUMN_GAP)):gsub("%s+$", ""))
end

local function result_table_footer(count, hidden, more)
  local text = layout.count(count, "item")
  if more then text = text .. ", and there are more (graph.all reads all)" end
  if hidden > 0 then text = ("%s; %s hidden"):format(text, layout.count(hidden, "column")) end
  return log.style("dim", text)
end

--- Rows as a table, at most `width` columns wide.
---@param rows table[]
---@param width integer
---@param more boolean? there are further pages
---@return string[] lines
function M.table(rows, width, more)
  local columns, hidden = fit_result_columns(result_columns(rows), width)
  local lines = { log.style("bold", result_table_line(columns, function(column) return tostring(column.name) end)) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = result_table_line(columns, function(column)
      return words.text(row[column.name]), row[column.name]
    end)
  end
  lines[#lines + 1] = result_table_footer(#rows, hidden, more)
  return lines
end

---------------------------------------------------------------------------
-- Objects

local function value_with_distance(value)
  local text = words.text(value)
  local distance = words.is_moment(value) and words.distance(value)
  return distance and ("%s UTC  (%s)"):format(text, distance) or text
end

-- Add the names of the members without a value: "not set: city, country, …".
local function add_unset_members(lines, unset, width)
  if #unset == 0 then return end
  local line = "not set: "
  for i, name in ipairs(unset) do
    local word = tostring(name) .. (i < #unset and ", " or "")
    if layout.width(line .. word) > width then
      lines[#lines + 1] = log.style("dim", line)
      line = "  "
    end
    line = line .. word
  end
  lines[#lines + 1] = log.style("dim", line)
end

--- The lines of an object: one line for each member, with folded parts.
---@param object table
---@param width integer
---@return string[] lines
function M.object(object, width)
  local lines, unset, widest = {}, {}, 0
  local names = sorted_member_names(object)
  for _, name in ipairs(names) do
    if not words.is_nothing(object[name]) then widest = math.max(widest, layout.width(tostring(name))) end
  end
  for _, name in ipairs(names) do
    local value = object[name]
    if words.is_nothing(value) then
      unset[#unset + 1] = name
    else
      local text = layout.cut(value_with_distance(value), math.max(NARROWEST_COLUMN, width - widest - COLUMN_GAP))
      local label = log.style("cyan", layout.pad(tostring(name), widest))
      lines[#lines + 1] = label .. (" "):rep(COLUMN_GAP) .. color_secret(value, text)
    end
  end
  add_unset_members(lines, unset, width)
  return lines
end

---------------------------------------------------------------------------
-- Complete values

local function add_unfolded_members(lines, value, indent, depth)
  local space = ("  "):rep(indent)
  for _, name in ipairs(sorted_member_names(value)) do
    local member, label = value[name], log.style("cyan", tostring(name))
    if words.is_data(member) and next(member) ~= nil and depth < DEEPEST then
      lines[#lines + 1] = space .. label
      add_unfolded_members(lines, member, indent + 1, depth + 1)
    else
      local text = member == json.null and "null" or member == "" and '""' or value_with_distance(member)
      lines[#lines + 1] = space .. label .. "  " .. color_secret(member, text)
    end
  end
end

--- The lines of a complete value: one line for each member, indented.
---@param value any
---@return string[] lines
function M.unfolded(value)
  if not words.is_data(value) then return { M.plain(value) } end
  local lines = {}
  add_unfolded_members(lines, value, 0, 1)
  return lines
end

---------------------------------------------------------------------------
-- Any value

--- A value without parts, as text.
---@param value any
---@return string
function M.plain(value)
  if value == nil then return log.style("dim", "nil") end
  if value == json.null then return log.style("dim", "null") end
  if type(value) == "string" then
    local distance = words.is_moment(value) and words.distance(value)
    return distance and ("%s  (%s)"):format(value, distance) or value
  end
  return color_secret(value, words.text(value))
end

local function is_list_of_objects(list)
  for _, item in ipairs(list) do
    if not words.is_data(item) or words.is_list(item) then return false end
  end
  return #list > 0
end

-- A table with the first `most` rows, and a line that says how many items there are.
local function first_rows_of_result(list, width, most)
  local rows = M.keep_columns(table.move(list, 1, most, 1, {}), list)
  local lines = M.table(rows, width)
  lines[#lines] = log.style("dim", ("the first %d of %d items; `last` has them all"):format(most, #list))
  return lines
end

local function lines_of_result_list(list, width, more, most)
  if #list == 0 then return { log.style("dim", "(nothing)") } end
  if is_list_of_objects(list) and #list > most then return first_rows_of_result(list, width, most) end
  if is_list_of_objects(list) then return M.table(list, width, more) end
  local lines = {}
  for i, item in ipairs(list) do lines[i] = color_secret(item, layout.cut(words.text(item), width)) end
  return lines
end

--- The lines of any value, at most `width` columns wide; a text is not wrapped.
---@param value any
---@param width integer
---@param options { more: boolean?, most: integer? }? `more`: the list has further items; `most`: the most rows to show
---@return string[] lines
function M.lines(value, width, options)
  if not words.is_data(value) then return { M.plain(value) } end
  local most = options and options.most or math.maxinteger
  if words.is_data(value.value) and words.is_list(value.value) and value["@odata.context"] then
    return lines_of_result_list(value.value, width, value["@odata.nextLink"] ~= nil, most)
  end
  if words.is_list(value) then return lines_of_result_list(value, width, options and options.more, most) end
  if next(value) == nil then return { log.style("dim", "{}") } end
  return M.object(value, width)
end

return M
