--- What only Devolutions Server has: the scheduler service, which is part of the installation, and providers that read
--- their secret from an entry (Linked credential).

local M = {}

--- Set the state after the installation.
function M:open()
  self.running = true
end

--- The menu Privileged access needs nothing.
function M.need_menu() end

--- Start or stop the scheduler service.
---@param running boolean
function M:run_services(running)
  self.running = running
end

--- Is there a service that takes tasks?
---@return boolean
function M:worker()
  return self.running
end

--- The state besides vaults, providers, accounts and tasks.
---@return table
function M:surroundings()
  return { running = self.running }
end

return M
