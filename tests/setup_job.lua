--- The setup script on an emulator: its commands, and what is truly there afterwards.

local assert = require "luassert" -- busted gives its own only to spec files

local M = {}

M.SETUP = "setup/entra-pam-provider"
local UNIQUE = "moonlatch-setup-entra-pam-provider-devolutions-pam"

--- The words of a command on the setup script.
---@return string[]
function M.words(command, ...)
  return { command, M.SETUP, ... }
end

---@return moonlatch.outcome
function M.apply(emu, ...) return emu:run(M.words("apply", "--yes", ...)) end

---@return integer status, table document
function M.plan(emu, ...) return emu:json(M.words("plan", ...)) end

---@return integer status, table document
function M.verify(emu, ...) return emu:json(M.words("verify", ...)) end

--- Everything the setup is about, as it truly is, once replication is over.
---@param emu rehearsal
---@return table
function M.truth(emu)
  emu:later "60s"
  local found = { applications = {}, credentials = {}, principals = {}, grants = {}, roles = {} }
  for _, app in ipairs(emu:graph "/applications?$top=999") do
    if app.uniqueName == UNIQUE then
      table.insert(found.applications, app)
      found.application, found.credentials = app, app.passwordCredentials
    end
  end
  if not found.application then return found end
  found.principals = emu:graph(("/servicePrincipals?$filter=appId%%20eq%%20'%s'"):format(found.application.appId))
  local principal = found.principals[1]
  if not principal then return found end
  found.grants = emu:graph(("/servicePrincipals/%s/appRoleAssignments"):format(principal.id))
  found.roles = emu:graph("/roleManagement/directory/roleAssignments"
    .. ("?$filter=principalId%%20eq%%20'%s'"):format(principal.id))
  return found
end

--- One application, one service principal, three grants, one role and one secret; or as expected.
---@param emu rehearsal
---@param expected { roles: integer?, credentials: integer? }?
---@return table truth
function M.assert_exact(emu, expected)
  expected = expected or {}
  local found, counts = M.truth(emu), {}
  for _, name in ipairs { "applications", "principals", "grants", "roles", "credentials" } do
    counts[name] = #found[name]
  end
  assert.same({
    applications = 1, principals = 1, grants = 3, roles = expected.roles or 1, credentials = expected.credentials or 1,
  }, counts)
  return found
end

--- The outcome, which has to have this status.
---@param outcome moonlatch.outcome
---@param status integer
---@return moonlatch.outcome
function M.must(outcome, status)
  assert.equal(status, outcome.status, outcome.out .. outcome.err)
  return outcome
end

--- A step of a result.
---@param document table
---@param name string
---@return table
function M.step_of(document, name)
  for _, step in ipairs(document.steps) do
    if step.name == name then return step end
  end
end

--- What a step said.
---@param document table
---@param name string
---@return string
function M.texts(document, name)
  local step = M.step_of(document, name)
  return table.concat(step.notes, "\n") .. "\n" .. table.concat(step.warnings, "\n")
end

return M
