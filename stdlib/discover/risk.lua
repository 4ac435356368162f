--- The order of privileged accounts by their risk.

local M = {}

-- Roles whose holders can make themselves Global Administrator, or are that.
-- https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
local HIGHEST = { ["Global Administrator"] = 1000, ["Privileged Role Administrator"] = 1000,
  ["Privileged Authentication Administrator"] = 1000 }

local NO_ROLE = "none yet" -- of a role-assignable group that holds no role

local PLACE_OF_MANAGED = { no = 1, unknown = 2, yes = 4 }
local PLACE_OF_OVERDUE = 3 -- managed, and the password is older than it should be

--- The roles of an account, each once, however it holds them.
---@param row discover.row
---@return string[] sorted
function M.roles_of(row)
  local list, seen = {}, {}
  for _, one in ipairs(row.held) do
    for role in one.role:gmatch "[^,]+" do
      role = role == NO_ROLE and "a role-assignable group without a role" or role:match "^%s*(.*)$"
      if not seen[role] then list[#list + 1] = role end
      seen[role] = true
    end
  end
  table.sort(list)
  return list
end

local function weight_of(row)
  local weight = 0
  for _, role in ipairs(M.roles_of(row)) do weight = weight + (HIGHEST[role] or 1) end
  return weight
end

local function place_of(row)
  return row.managed == "yes" and row.overdue == "yes" and PLACE_OF_OVERDUE or PLACE_OF_MANAGED[row.managed]
end

--- Sort accounts by their risk: those that nobody manages first, and managed ones whose password is not overdue last;
--- then enabled ones, those with the highest and with the most roles, and among these the oldest passwords.
---@param rows discover.row[]
---@return discover.row[] rows the same table
function M.sort(rows)
  local weights = {}
  for _, row in ipairs(rows) do weights[row] = weight_of(row) end
  table.sort(rows, function(a, b)
    if place_of(a) ~= place_of(b) then return place_of(a) < place_of(b) end
    if a.enabled ~= b.enabled then return a.enabled == "yes" end
    if weights[a] ~= weights[b] then return weights[a] > weights[b] end
    if a.password_days ~= b.password_days then return (a.password_days or 0) > (b.password_days or 0) end
    return a.account < b.account
  end)
  return rows
end

return M
