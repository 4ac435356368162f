--- Sets: tables with `true` for each member.

local M = {}

--- The members of a list as a set; an empty set for nil.
---@param list any[]|nil
---@return table<any, true>
function M.of(list)
  local set = {}
  for _, member in ipairs(list or {}) do set[member] = true end
  return set
end

--- The members of a set, or the names in any table, as a sorted list.
---@param set table<any, any>
---@return any[]
function M.sorted(set)
  local list = {}
  for member in pairs(set) do list[#list + 1] = member end
  table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
  return list
end

return M
