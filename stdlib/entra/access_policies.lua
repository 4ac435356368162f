--- The names of Conditional Access policies by which the login service refuses a sign-in.

local graph = require "graph"
local log = require "log"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local sets = require "base.sets"
local task = require "task"

local M = {}

local PATIENCE = 20 -- seconds for all names together

local function read(ids)
  local wanted, named = sets.of(ids), {}
  for policy in graph.list("/identity/conditionalAccess/policies", {
    select = { "id", "displayName" }, what = "read the names of the Conditional Access policies",
  }) do
    if wanted[policy.id] then named[#named + 1] = tostring(policy.displayName) end
  end
  return named
end

--- The names of these policies. Where they may not be read (that takes Policy.Read.All), or are not read in time, the
--- list is empty. Waits.
---@param ids string[]?
---@return string[]
function M.names(ids)
  if not ids or #ids == 0 then return {} end
  local task_now = scheduler.require_current()
  local ok, named = rights.with(task_now, rights.diagnosis(), pcall, task.within, PATIENCE, read, ids)
  if ok then return named end
  log.detail("the name of the Conditional Access policy could not be read: " .. tostring(named))
  return {}
end

return M
