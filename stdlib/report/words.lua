--- Show single values in one line: dates, ids, numbers, and folded lists and objects.

local json = require "host.json"
local layout = require "terminal.layout"
local microsoft_ids = require "base.microsoft_ids"
local secret = require "host.secret"
local time = require "time"

local M = {}

local LONGEST_LIST = 40 -- columns: a longer list of plain values is folded

--- Is the value a moment in Graph's form?
---@param value any
---@return boolean
function M.is_moment(value)
  return type(value) == "string" and value:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d") ~= nil
end

--- Is the value a GUID?
---@param value any
---@return boolean
function M.is_id(value)
  return type(value) == "string" and microsoft_ids.is_id(value)
end

--- A moment as text: "2026-11-23 05:00", in UTC.
---@param value string
---@return string
function M.moment(value)
  return (value:gsub("^(%d+%-%d+%-%d+)T(%d+:%d+):.*$", "%1 %2"))
end

local YEAR = 365.25 * 86400

local function time_span_with_years(seconds)
  if seconds < 2 * YEAR then return time.span(seconds) end
  return ("%d years"):format((seconds / YEAR + 0.5) // 1)
end

--- The distance of a moment from now: "in 30 days", "2 hours ago", "5 years ago"; nil when the text is not a moment.
---@param value string
---@return string|nil
function M.distance(value)
  local ok, at = pcall(time.parse, value)
  if not ok then return nil end
  local left = at - time.now()
  return left >= 0 and "in " .. time_span_with_years(left) or time_span_with_years(-left) .. " ago"
end

--- Is there nothing to show: nil, null, or an empty text?
---@param value any
---@return boolean
function M.is_nothing(value)
  return value == nil or value == json.null or value == ""
end

--- Is the value nil, null, an empty text or an empty table?
---@param value any
---@return boolean
function M.is_empty(value)
  return M.is_nothing(value) or M.is_data(value) and next(value) == nil
end

--- Is the value a plain table, which is shown by its members, and not an object of a class?
---@param value any
---@return boolean
function M.is_data(value)
  return type(value) == "table" and (getmetatable(value) == nil or json.is_array(value))
end

--- Is the table a list? An empty table is a list only when it is a JSON array.
---@param value table
---@return boolean
function M.is_list(value)
  return json.is_array(value) or #value > 0
end

local function number_to_text(value)
  if math.type(value) == "float" and value == value // 1 and math.abs(value) < 2 ^ 53 then
    return ("%d"):format(value)
  end
  return math.type(value) == "float" and ("%.10g"):format(value) or tostring(value)
end

-- Replace line breaks and other control characters, which would break a line of a table.
local function value_in_one_line(text)
  return (text:gsub("%s*[\r\n]+%s*", " "):gsub("%c", " "))
end

local function fold_list(list)
  local texts = {}
  for i, item in ipairs(list) do
    if M.is_data(item) then return ("[%s]"):format(layout.count(#list, "item")) end
    texts[i] = M.text(item)
  end
  local text = table.concat(texts, ", ")
  return layout.width(text) <= LONGEST_LIST and text or ("[%s]"):format(layout.count(#list, "item"))
end

local function fold_object(object)
  local members = 0
  for _ in pairs(object) do members = members + 1 end
  return ("{%s}"):format(layout.count(members, "member"))
end

--- A value in one line. Lists and objects in it are folded: "[3 items]", "{2 members}".
---@param value any
---@return string
function M.text(value)
  if M.is_nothing(value) then return "" end
  if secret.is(value) then return "[secret]" end
  if type(value) == "number" then return number_to_text(value) end
  if type(value) == "string" then return value_in_one_line(M.is_moment(value) and M.moment(value) or value) end
  if not M.is_data(value) then return value_in_one_line(tostring(value)) end
  if next(value) == nil then return M.is_list(value) and "[]" or "{}" end
  return M.is_list(value) and fold_list(value) or fold_object(value)
end

return M
