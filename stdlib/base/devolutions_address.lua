--- Tell the addresses of Devolutions Cloud from those of a Devolutions Server.

local M = {}

-- Addresses of organisations, and of the vendor's own test systems.
local CLOUD = { "^https://[%w-]+%.devolutions%.app$", "^https://[%w-]+%.devolutions%.xyz$" }

--- Is this an address of Devolutions Cloud? Every other address belongs to a Devolutions Server.
---@param url string
---@return boolean
function M.is_cloud(url)
  local plain = url:lower():gsub("/+$", "")
  for _, pattern in ipairs(CLOUD) do
    if plain:find(pattern) then return true end
  end
  return false
end

return M
