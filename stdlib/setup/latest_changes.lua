--- In a verification that finds differences: who changed the application and its service principal last, as far as
--- Entra's audit log knows.

local resource = require "resource.new"
local who = require "evidence.who"

local M = {}

---@param run workflow.Run
---@param what string
---@param object table
local function note_last_change(run, what, object)
  if not resource.known(object) or not resource.known(object.id) then return end
  local last = who.explain(run.journal, { object_id = object.id })
  run:note("the last change of %s that the audit log knows: %s", what, last.text)
end

--- Note who changed the provider's objects last, when the verification found a difference. Waits.
---@param run workflow.Run
---@param have table application, principal
function M.note(run, have)
  if run.mode ~= "verify" or not run:has_plans() then return end
  if have.application then note_last_change(run, "the application", have.application) end
  if have.principal then note_last_change(run, "the service principal", have.principal) end
end

return M
