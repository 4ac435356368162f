--- What PAM in Devolutions Server has of its own: the scheduler service, which is part of the
--- installation, and providers that read their secret from an entry (Linked credential).

local M = {}

--- As the installer leaves it.
function M:open()
  self.running = true
end

--- Nothing stands before the menu Privileged access.
function M.need_menu() end

--- Start or stop the scheduler service.
---@param running boolean
function M:run_services(running)
  self.running = running
end

--- Who takes tasks.
---@return boolean
function M:worker()
  return self.running
end

--- What is there beside vaults, providers, accounts and tasks.
---@return table
function M:surroundings()
  return { running = self.running }
end

return M
