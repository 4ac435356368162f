--- In a verification that finds differences: who changed the application and its service principal last, as far as
--- Entra's audit log knows.

local credential_changes = require "rotation.credential_changes"
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

-- Note who removed or added credentials that are not as the journal has them, in a run of any kind.
local function note_credential_changes(run, have)
  local application, secret = have.application, have.secret
  if not secret or not resource.known(application) or not resource.known(application.id) then return end
  local text = next(secret.questions) and credential_changes.explain(run.journal, application.id, secret.questions)
  if text then run:note("%s", text) end
end

--- Note who removed or added the client secrets that are not as the journal has them; and, when a verification found a
--- difference, who changed the provider's objects last. Waits.
---@param run workflow.Run
---@param have table application, principal, secret
function M.note(run, have)
  note_credential_changes(run, have)
  if run.mode ~= "verify" or not run:has_plans() then return end
  if have.application then note_last_change(run, "the application", have.application) end
  if have.principal then note_last_change(run, "the service principal", have.principal) end
end

return M
