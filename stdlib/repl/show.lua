--- Results as text that fits the terminal: tables, objects, and complete values.

local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local secret = require "host.secret"
local words = require "repl.words"

local M = {}

local GAP = 2
local WIDEST = 48 -- columns of one column
local LEAST = 12 -- a column that would become narrower than this is left out
local DEEPEST = 20

-- Members that identify an object come first.
local FIRST = {
  "displayName", "name", "userPrincipalName", "appId", "id", "keyId", "hint", "accountEnabled", "state", "status",
  "endDateTime", "createdDateTime",
}
local RANK = {}
for place, name in ipairs(FIRST) do RANK[name] = place end

local function rank_of(name) return RANK[name] or #FIRST + 1 end

local function before(a, b)
  local left, right = rank_of(a), rank_of(b)
  if left ~= right then return left < right end
  if math.type(a) and math.type(b) then return a < b end
  return tostring(a) < tostring(b)
end

-- The names of the members, in the order in which they are shown. Skip @odata.* metadata.
local function names_of(object)
  local names = {}
  for name in pairs(object) do
    if type(name) ~= "string" or not name:find("@odata.", 1, true) then names[#names + 1] = name end
  end
  table.sort(names, before)
  return names
end

local function paint(value, text)
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

local function measure(rows, name)
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
  if not column.whole then column.width = math.min(column.width, WIDEST) end
  return not empty and column or nil
end

-- All columns that are not empty.
local function columns_of(rows)
  local all, list = {}, {}
  for _, row in ipairs(rows) do
    for name in pairs(row) do all[name] = true end
  end
  for _, name in ipairs(names_of(all)) do list[#list + 1] = measure(rows, name) end
  return list
end

-- As many columns as fit, in their order; the last one may be cut. Returns also how many were left out.
local function fit(columns, width)
  local chosen, used = {}, 0
  for _, column in ipairs(columns) do
    local left = width - used - (#chosen > 0 and GAP or 0)
    local takes = math.min(column.width, left)
    if takes == column.width or (#chosen == 0 or takes >= LEAST) and not column.whole then
      column.width = math.max(1, takes)
      chosen[#chosen + 1] = column
      used = width - left + column.width
    end
  end
  return chosen, #columns - #chosen
end

local function line_of(columns, cell)
  local cells = {}
  for i, column in ipairs(columns) do
    local text, value = cell(column)
    cells[i] = paint(value, layout.pad(layout.cut(text, column.width), column.width, column.right))
  end
  return (table.concat(cells, (" "):rep(GAP)):gsub("%s+$", ""))
end

local function footer(count, hidden, more)
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
  local columns, hidden = fit(columns_of(rows), width)
  local lines = { log.style("bold", line_of(columns, function(column) return tostring(column.name) end)) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = line_of(columns, function(column)
      return words.text(row[column.name]), row[column.name]
    end)
  end
  lines[#lines + 1] = footer(#rows, hidden, more)
  return lines
end

---------------------------------------------------------------------------
-- Objects

local function said_of(value)
  local text = words.text(value)
  local distance = words.is_moment(value) and words.distance(value)
  return distance and ("%s UTC  (%s)"):format(text, distance) or text
end

-- "not set: city, country, …", over as many lines as it takes.
local function add_unset(lines, unset, width)
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

--- An object: one member a line, its parts folded.
---@param object table
---@param width integer
---@return string[] lines
function M.object(object, width)
  local lines, unset, widest = {}, {}, 0
  local names = names_of(object)
  for _, name in ipairs(names) do
    if not words.is_nothing(object[name]) then widest = math.max(widest, layout.width(tostring(name))) end
  end
  for _, name in ipairs(names) do
    local value = object[name]
    if words.is_nothing(value) then
      unset[#unset + 1] = name
    else
      local text = layout.cut(said_of(value), math.max(LEAST, width - widest - GAP))
      lines[#lines + 1] = log.style("cyan", layout.pad(tostring(name), widest)) .. (" "):rep(GAP) .. paint(value, text)
    end
  end
  add_unset(lines, unset, width)
  return lines
end

---------------------------------------------------------------------------
-- All of it

local function unfold(lines, value, indent, depth)
  local space = ("  "):rep(indent)
  for _, name in ipairs(names_of(value)) do
    local member, label = value[name], log.style("cyan", tostring(name))
    if words.is_data(member) and next(member) ~= nil and depth < DEEPEST then
      lines[#lines + 1] = space .. label
      unfold(lines, member, indent + 1, depth + 1)
    else
      local text = member == json.null and "null" or member == "" and '""' or said_of(member)
      lines[#lines + 1] = space .. label .. "  " .. paint(member, text)
    end
  end
end

--- A value completely: one member a line, indented.
---@param value any
---@return string[] lines
function M.unfolded(value)
  if not words.is_data(value) then return { M.plain(value) } end
  local lines = {}
  unfold(lines, value, 0, 1)
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
  return paint(value, words.text(value))
end

local function is_rows(list)
  for _, item in ipairs(list) do
    if not words.is_data(item) or words.is_list(item) then return false end
  end
  return #list > 0
end

-- At most so many rows are shown; `last` has all of them.
local function some_rows(list, width, most)
  local rows = table.move(list, 1, most, 1, {})
  local lines = M.table(rows, width)
  lines[#lines] = log.style("dim", ("the first %d of %d items; `last` has them all"):format(most, #list))
  return lines
end

local function list_lines(list, width, more, most)
  if #list == 0 then return { log.style("dim", "(nothing)") } end
  if is_rows(list) and #list > most then return some_rows(list, width, most) end
  if is_rows(list) then return M.table(list, width, more) end
  local lines = {}
  for i, item in ipairs(list) do lines[i] = paint(item, layout.cut(words.text(item), width)) end
  return lines
end

--- A value as lines of at most `width` columns (text is left as it is).
---@param value any
---@param width integer
---@param options { more: boolean?, most: integer? }? `more`: it goes on elsewhere; `most`: rows at the most
---@return string[] lines
function M.lines(value, width, options)
  if not words.is_data(value) then return { M.plain(value) } end
  local most = options and options.most or math.maxinteger
  if words.is_data(value.value) and words.is_list(value.value) and value["@odata.context"] then
    return list_lines(value.value, width, value["@odata.nextLink"] ~= nil, most)
  end
  if words.is_list(value) then return list_lines(value, width, options and options.more, most) end
  if next(value) == nil then return { log.style("dim", "{}") } end
  return M.object(value, width)
end

return M
