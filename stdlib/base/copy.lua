--- Copy a table, and the tables in it.

local json = require "host.json"

local metatable_of = debug.getmetatable -- a protected metatable gives its name only
local ARRAY = metatable_of(json.array {})

--- Return a copy of a value of JSON: tables are copied, with the tables in them. Other values, such as secrets and
--- objects, are the same in both.
---@generic T
---@param value T
---@return T
local function copy(value)
  local meta = metatable_of(value)
  if type(value) ~= "table" or meta ~= nil and meta ~= ARRAY then return value end
  local twin = {}
  for name, member in pairs(value) do twin[name] = copy(member) end
  return meta and json.array(twin) or twin
end

return copy
