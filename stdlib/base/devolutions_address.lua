--- Which Devolutions an address is of.

local M = {}

-- An organisation's, and those of the vendor's own tests.
local CLOUD = { "^https://[%w-]+%.devolutions%.app$", "^https://[%w-]+%.devolutions%.xyz$" }

--- Is it an address of Devolutions Cloud? Any other one is a server's.
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
