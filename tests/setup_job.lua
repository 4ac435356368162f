--- The setup script on an emulator: its commands, and what is truly there afterwards.

local assert = require "luassert" -- busted gives its own only to spec files
local rehearsal = require "rehearsal"

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

local GRAPH_CLI = "14d82eec-204b-4c2f-b7e8-296a70dab67e"

--- Drop the consents that the setup asked for, which the doctor tells of.
---@param emu rehearsal
function M.drop_consents(emu)
  local client = emu:graph(("/servicePrincipals(appId='%s')"):format(GRAPH_CLI))
  for _, grant in ipairs(emu:graph("/oauth2PermissionGrants?$filter=clientId%20eq%20'" .. client.id .. "'")) do
    emu:control("DELETE", "/graph/v1.0/oauth2PermissionGrants/" .. grant.id)
  end
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

---------------------------------------------------------------------------
-- Privileged access in Devolutions: what a person does there, by the emulator's control page

M.MANAGED, M.ACCOUNT = "PAM managed service accounts", "uma@contoso.onmicrosoft.com"
M.PROVIDER, M.VAULT, M.IDENTITY = "Devolutions PAM", "Managed accounts", "PAM service"
M.CLOUD = "https://contoso.devolutions.app"

--- Start an emulator whose default profile is Devolutions Cloud's, or that of a Server whose provider holds a copy.
---@param edition "cloud"|"server"
---@param ... string more options
---@return rehearsal
function M.emulator(edition, ...)
  local emu = rehearsal.new("--lag", "0", "--devolutions", edition, ...)
  emu.edition = edition
  if edition == "server" then
    emu:configure(function(text) return (text:gsub('default = "emulator"', 'default = "server_unlinked"')) end)
  end
  return emu
end

--- An act of a person in Devolutions; what it gives.
---@param emu rehearsal
---@param what string
---@param ... any
---@return any
function M.person(emu, what, ...)
  local answer = emu:control("POST", "/" .. emu.edition, { ["do"] = what, with = { ... } })
  assert(answer.message == nil, answer.message)
  emu.acts = (emu.acts or 0) + 1
  return answer.result
end

--- What is in Devolutions.
---@param emu rehearsal
---@return table
function M.devolutions(emu) return emu:control("GET", "/" .. emu.edition) end

-- Each act that the checklist for Cloud names before the provider, by the item's key.
local CLOUD_ITEMS = {
  { "licence", function(emu) M.person(emu, "set_licence") end },
  { "identity", function(emu) emu.identity = M.person(emu, "add_identity", M.IDENTITY) end },
  { "permissions", function(emu)
    M.person(emu, "permit", M.IDENTITY, "Manage privileged access tasks")
    M.person(emu, "permit", M.IDENTITY, "Manage privileged access providers")
  end },
  { "vault", function(emu) M.person(emu, "add_vault", { name = M.VAULT }) end },
  { "vault_permission", function(emu) M.person(emu, "give_role", M.VAULT, M.IDENTITY, "Contributor") end },
  { "services", function(emu)
    M.person(emu, "install_services", { host = M.CLOUD, key = emu.identity.key, secret = emu.identity.secret })
  end },
  { "pam_service", function(emu) M.person(emu, "add_service", { name = "PAM", identity = M.IDENTITY }) end },
}

--- Keys of the items that a person ticks; `provider` is ticked by the client secret.
M.CLOUD_KEYS = { "account", "proof" }
for i, item in ipairs(CLOUD_ITEMS) do table.insert(M.CLOUD_KEYS, i, item[1]) end

--- Do in Devolutions what comes before the provider; on Cloud all but the items named.
---@param emu rehearsal
---@param but table<string, boolean>? keys of items
function M.prepare(emu, but)
  if emu.edition == "server" then return M.person(emu, "add_vault", { name = M.VAULT }) end
  for _, item in ipairs(CLOUD_ITEMS) do
    if not (but and but[item[1]]) then item[2](emu) end
  end
end

local function application(emu)
  for _, app in ipairs(emu:graph "/applications?$top=999") do
    if app.uniqueName == UNIQUE then return app end
  end
end

--- Paste a secret into the provider's form, which is added if it is not there yet; other fields as in `more`.
---@param emu rehearsal
---@param value string
---@param more table?
function M.paste(emu, value, more)
  local fields = { name = M.PROVIDER, tenant = emu:graph("/organization")[1].id, client_id = application(emu).appId,
    client_secret = value }
  for name, other in pairs(more or {}) do fields[name] = other end
  if M.devolutions(emu).providers[1] then return M.person(emu, "edit_provider", M.PROVIDER, fields) end
  M.person(emu, "add_provider", fields)
end

--- Have Moonlatch write the client secret that waits to a file, once; its value.
---@param emu rehearsal
---@return string
function M.receive(emu)
  emu.given = (emu.given or 0) + 1
  local path = ("%s/given-%d"):format(emu.place.path, emu.given)
  M.must(emu:run { "handover", "--secret-file", path }, 0)
  local file <close> = assert(io.open(path))
  return (file:read("a"):gsub("\n$", ""))
end

--- The hand-over as a person does it: receive, paste, Test connection, confirm.
---@param emu rehearsal
---@param more table? fields of the form that differ
function M.hand_over(emu, more)
  M.paste(emu, M.receive(emu), more)
  local tested = M.person(emu, "test_connection", M.PROVIDER)
  assert(tested.ok, tested.message)
  M.must(emu:run { "handover", "--confirm" }, 0)
end

--- Have Devolutions manage an account; its password is reset every so often.
---@param emu rehearsal
---@param every string?
---@param account string? M.ACCOUNT
function M.manage(emu, every, account)
  M.person(emu, "add_account",
    { username = account or M.ACCOUNT, vault = M.VAULT, provider = M.PROVIDER, every = every })
end

--- A person clicks Reset password, and looks at the report Tasks a little later.
---@param emu rehearsal
---@param account string? M.ACCOUNT
---@return table task
function M.reset(emu, account)
  M.person(emu, "reset_password", account or M.ACCOUNT)
  emu:later "1m"
  local tasks = M.devolutions(emu).tasks
  return tasks[#tasks]
end

return M
