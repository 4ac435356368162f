--- The command line.

local M = {}

--- Run one command.
---@return integer exit status
function M.main()
  return 0
end

return M
