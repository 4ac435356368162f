--- Single values for people: dates, ids, numbers, and folded values.

local json = require "host.json"
local layout = require "terminal.layout"
local microsoft_ids = require "base.microsoft_ids"
local secret = require "host.secret"
local time = require "time"

local M = {}

local LONGEST_LIST = 40 -- columns of a list of plain values before it is folded

--- Is it a moment in Graph's form?
---@param value any
---@return boolean
function M.is_moment(value)
  return type(value) == "string" and value:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d") ~= nil
end

--- Is it a GUID?
---@param value any
---@return boolean
function M.is_id(value)
  return type(value) == "string" and microsoft_ids.is_id(value)
end

--- "2026-11-23 05:00", in UTC.
---@param value string
---@return string
function M.moment(value)
  return (value:gsub("^(%d+%-%d+%-%d+)T(%d+:%d+):.*$", "%1 %2"))
end

local YEAR = 365.25 * 86400

local function span(seconds)
  if seconds < 2 * YEAR then return time.span(seconds) end
  return ("%d years"):format((seconds / YEAR + 0.5) // 1)
end

--- "in 30 days", "2 hours ago", "5 years ago"; nil when the text is not a moment.
---@param value string
---@return string|nil
function M.distance(value)
  local ok, at = pcall(time.parse, value)
  if not ok then return nil end
  local left = at - time.now()
  return left >= 0 and "in " .. span(left) or span(-left) .. " ago"
end

--- Is there nothing to show: nil, null, or an empty text?
---@param value any
---@return boolean
function M.is_nothing(value)
  return value == nil or value == json.null or value == ""
end

--- Is it nothing, or an empty table?
---@param value any
---@return boolean
function M.is_empty(value)
  return M.is_nothing(value) or M.is_data(value) and next(value) == nil
end

--- Is it a table that is shown by its members, and not an object of ours?
---@param value any
---@return boolean
function M.is_data(value)
  return type(value) == "table" and (getmetatable(value) == nil or json.is_array(value))
end

--- Is it a list? An empty table that is no JSON array is neither list nor object.
---@param value table
---@return boolean
function M.is_list(value)
  return json.is_array(value) or #value > 0
end

local function number(value)
  if math.type(value) == "float" and value == value // 1 and math.abs(value) < 2 ^ 53 then
    return ("%d"):format(value)
  end
  return math.type(value) == "float" and ("%.10g"):format(value) or tostring(value)
end

-- Replace newlines and the like, which would break a line of a table.
local function one_line(text)
  return (text:gsub("%s*[\r\n]+%s*", " "):gsub("%c", " "))
end

local function folded_list(list)
  local texts = {}
  for i, item in ipairs(list) do
    if M.is_data(item) then return ("[%s]"):format(layout.count(#list, "item")) end
    texts[i] = M.text(item)
  end
  local text = table.concat(texts, ", ")
  return layout.width(text) <= LONGEST_LIST and text or ("[%s]"):format(layout.count(#list, "item"))
end

local function folded_object(object)
  local members = 0
  for _ in pairs(object) do members = members + 1 end
  return ("{%s}"):format(layout.count(members, "member"))
end

--- A value in one line; parts are folded: "[3 items]", "{2 members}".
---@param value any
---@return string
function M.text(value)
  if M.is_nothing(value) then return "" end
  if secret.is(value) then return "[secret]" end
  if type(value) == "number" then return number(value) end
  if type(value) == "string" then return one_line(M.is_moment(value) and M.moment(value) or value) end
  if not M.is_data(value) then return one_line(tostring(value)) end
  if next(value) == nil then return M.is_list(value) and "[]" or "{}" end
  return M.is_list(value) and folded_list(value) or folded_object(value)
end

return M
