--- Collect names and ids from results, for completion.

local class = require "base.class"
local words = require "report.words"

local M = {}

local MOST_NAMES = 2000 -- names and ids kept
local DEEPEST = 6

---@class repl.seen
---@field list { text: string, of: string, name: string? }[] the oldest first
---@field known table<string, true>
local Seen = class "repl.seen"

local MEMBERS = { "userPrincipalName", "id", "appId", "uniqueName" }

local function add_seen_name(seen, text, of, name)
  if type(text) ~= "string" or text == "" or #text > 120 then return end
  local key = of .. "\0" .. text
  if seen.known[key] then return end
  seen.known[key] = true
  table.insert(seen.list, { text = text, of = of, name = name })
end

local function forget_oldest_names(seen)
  local extra = #seen.list - MOST_NAMES
  if extra <= 0 then return end
  for place = 1, extra do seen.known[seen.list[place].of .. "\0" .. seen.list[place].text] = nil end
  seen.list = table.move(seen.list, extra + 1, #seen.list, 1, {})
end

local function collect_names(seen, value, of, depth, left)
  if not words.is_data(value) or depth > DEEPEST or left.count <= 0 then return end
  left.count = left.count - 1
  for _, member in ipairs(MEMBERS) do add_seen_name(seen, value[member], of, value.displayName) end
  for _, member in pairs(value) do collect_names(seen, member, of, depth + 1, left) end
end

--- Remember the names and ids in a value.
---@param value any
---@param of string the collection that the value came from: "/users"; "" when that is unknown
function Seen:learn(value, of)
  collect_names(self, value, of, 1, { count = MOST_NAMES })
  forget_oldest_names(self)
end

--- The names and ids from this collection, the latest first; when there are none, those from all collections.
---@param of string
---@return string[]
function Seen:texts(of)
  local here, all, once = {}, {}, {}
  for place = #self.list, 1, -1 do
    local entry = self.list[place]
    if entry.of == of then here[#here + 1] = entry.text end
    if not once[entry.text] then all[#all + 1] = entry.text end
    once[entry.text] = true
  end
  return #here > 0 and here or all
end

--- An empty collection.
---@return repl.seen
function M.new()
  return Seen { list = {}, known = {} }
end

return M
