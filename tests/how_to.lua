--- The vendor's how-to "Create an Entra ID PAM provider (Devolutions Cloud)" as a table: what becomes of each of its
--- steps with Moonlatch, found out in a run on the emulator. The steps are in our words, and the numbers are ours.
--
-- Done: Moonlatch does it, and the tenant shows it. Guided: the hand-over names the place and the value, and a person
-- does it. Proven: something else shows that it worked: a sign-in, a token, a reset by Devolutions.

local assert = require "luassert" -- busted gives its own only to spec files
local job = require "setup_job"
local json = require "host.json"

local M = {}

local TIER0 = "t0-anna@contoso.onmicrosoft.com"
local PERMISSIONS = { "Group.Read.All", "RoleManagement.ReadWrite.Directory", "User.Read.All" }
local BOTH = { "Helpdesk Administrator", "Privileged Authentication Administrator" }

---------------------------------------------------------------------------
-- The run

---@class how_to.run
---@field edition "cloud"|"server"
---@field applied table what apply told, as JSON
---@field guide handover.state what the hand-over told before a person began
---@field after handover.state what it told at the end
---@field truth table what is in the tenant
---@field there table what is in Devolutions
---@field requests table[] for roles, in the tenant
---@field resets table<string, string> what became of resets, by account
---@field tested boolean did Test connection succeed?
---@field commands string[] of Moonlatch that did something
---@field acts integer of a person in Devolutions

local function state_of(emu)
  local _, document = emu:json { "handover" }
  return document.handovers[1]
end

local function tick(emu, keys)
  job.must(emu:run { "handover", "--done", table.concat(keys, ",") }, 0)
end

-- Every command is noted but those that only look.
local function note_commands(emu, run)
  local original = emu.run
  function emu.run(self, words, ...)
    local text = table.concat(words, " ")
    if text ~= "handover --json" then run.commands[#run.commands + 1] = text end
    return original(self, words, ...)
  end
end

--- Set up and hand over as a person does, from nothing.
---@param edition "cloud"|"server"
---@return how_to.run
function M.run(edition)
  local emu <close> = job.emulator(edition)
  local run = { edition = edition, resets = {}, commands = {} }
  note_commands(emu, run)
  local status
  status, run.applied = emu:json(job.words("apply", "--yes", "--managed", job.ACCOUNT .. "," .. TIER0))
  assert.equal(1, status) -- it waits for a person
  run.guide = state_of(emu)
  job.prepare(emu)
  job.hand_over(emu)
  run.tested = job.person(emu, "test_connection", job.PROVIDER).ok
  for _, account in ipairs { job.ACCOUNT, TIER0 } do
    job.manage(emu, nil, account)
    run.resets[account] = job.reset(emu, account).status
  end
  tick(emu, edition == "cloud" and job.CLOUD_KEYS or { "account", "proof" })
  run.after, run.truth, run.there = state_of(emu), job.truth(emu), job.devolutions(emu)
  run.acts = emu.acts
  run.requests = emu:graph "/roleManagement/directory/roleAssignmentScheduleRequests"
  run.role_names = {}
  for _, role in ipairs(emu:graph "/roleManagement/directory/roleDefinitions?$top=500") do
    run.role_names[role.id] = role.displayName
  end
  return run
end

---------------------------------------------------------------------------
-- What the checks look at

local function has(text, ...)
  for _, part in ipairs { ... } do
    if not (text or ""):find(part, 1, true) then return false end
  end
  return true
end

-- Does an item of the checklist say these things?
local function item(key, ...)
  local words = { ... }
  return function(run)
    for _, one in ipairs(run.guide.items) do
      if one.key == key then return has(one.what .. "\n" .. one.where .. "\n" .. one.known_by, table.unpack(words)) end
    end
  end
end

local function ticked(run, key)
  for _, one in ipairs(run.after.items) do
    if one.key == key then return one.state == "done" end
  end
end

local function field(run, name)
  for _, one in ipairs(run.guide.form.fields) do
    if one.field == name then return one end
  end
  return {}
end

local function note_of(run, step, ...)
  return has(job.texts(run.applied, step) .. json.encode(job.step_of(run.applied, step).items), ...)
end

local function provider(run) return run.there.providers[1] or {} end
local function application(run) return run.truth.application or {} end
local function credential(run) return run.truth.credentials[1] or {} end

local function ids(run) return run.guide.tenant, application(run).appId end

-- Both resets: of an account without a role, and of one that only the second role reaches.
local function both_reset(run)
  return run.resets[job.ACCOUNT] == "Completed" and run.resets[TIER0] == "Completed"
end

local function roles_held(run)
  local names = {}
  for i, one in ipairs(run.truth.roles) do
    names[i] = one.directoryScopeId == "/" and run.role_names[one.roleDefinitionId] or "?"
  end
  table.sort(names)
  return table.concat(names, ", ") == table.concat(BOTH, ", ")
end

local function declared(run)
  local access = application(run).requiredResourceAccess[1] or {}
  local count = 0
  for _, one in ipairs(access.resourceAccess or {}) do count = count + (one.type == "Role" and 1 or 0) end
  return count == #PERMISSIONS
end

local function no_portal(run) return #run.applied.waiting == 1 and run.applied.waiting[1].step == "Devolutions" end

local function registered(run) return #run.truth.applications == 1 and #run.truth.principals == 1 end
local function one_secret(run) return #run.truth.credentials == 1 and credential(run).endDateTime ~= nil end

local function in_form(run)
  local tenant, client = ids(run)
  return field(run, "Tenant ID").value == tenant and field(run, "Client ID").value == client
end

local function holds_it(run)
  return provider(run).secret.state == "in force" and provider(run).secret.key == credential(run).keyId
end

local function added(run)
  local tenant, client = ids(run)
  return provider(run).name == field(run, "Name").value and provider(run).tenant == tenant
    and provider(run).client_id == client
end

local function justified(run)
  for _, request in ipairs(run.requests) do
    if not has(request.justification, "resets the passwords") then return false end
  end
  return #run.requests == #BOTH
end

-- The check for Cloud, and the one for Server.
local function on(cloud, server)
  return function(run) return (run.edition == "cloud" and cloud or server)(run) end
end

---------------------------------------------------------------------------
-- The steps

---@class how_to.step
---@field [1] string
---@field done nil|fun(run: how_to.run): boolean?
---@field guided nil|fun(run: how_to.run): boolean?
---@field proven nil|fun(run: how_to.run): boolean?
---@field only "cloud"|nil Server has no such thing

local SERVICES = "services"

---@type how_to.step[]
M.STEPS = {
  { "Azure portal: sign in", done = function(run) return note_of(run, "Sign in", "signed in as adele@") end },
  { "Open Microsoft Entra ID", done = no_portal },
  { "App registrations: New registration", done = registered },
  { "Set its Name", done = function(run) return application(run).displayName == field(run, "Name").value end },
  { "Register", done = registered, proven = function(run) return run.tested end },
  { "Note Application (client) ID and Directory (tenant) ID", done = in_form },
  { "Download Devolutions Cloud Services", only = "cloud",
    guided = item(SERVICES, "https://devolutions.net/download-center/#hub") },
  { "Installer: accept the licence, check PAM in Custom setup", only = "cloud",
    guided = item(SERVICES, "Custom setup", "PAM") },
  { "Installer: Host, Application secret, Application key", only = "cloud",
    guided = item(SERVICES, "Host: https://contoso.devolutions.app", "Application key", "Application secret"),
    proven = function(run) return run.there.installed[1].identity == job.IDENTITY end },
  { "Installer: Test connection, Finish", only = "cloud", guided = item(SERVICES, "Test connection", "Finish"),
    proven = both_reset },
  { "Open Devolutions", guided = function(run) return run.guide.form.link == run.guide.address end },
  { "Administration > Privileged Access > Providers",
    guided = function(run) return has(run.guide.form.where, "Administration > Privileged Access > Providers") end },
  { "Add Provider: Name, Description, Password template", guided = function(run)
    return field(run, "Name").value and field(run, "Description").field and field(run, "Password template").field ~= nil
  end, proven = added },
  { "Tenant ID, Client ID", guided = in_form, proven = added },
  { "Certificates & secrets: New client secret", done = one_secret },
  { "Its Description and expiry", done = function(run)
    return has(credential(run).displayName, "ml:")
      and has(credential(run).endDateTime, run.after.secret.ends:sub(1, 10))
  end },
  { "Add", done = one_secret, proven = function(run) return note_of(run, "Proof", "three sign-ins") end },
  { "Copy its Value, not its Secret ID", done = holds_it },
  { "Paste it as Secret key", guided = function(run) return has(field(run, "Secret key").note, "not its Secret ID") end,
    proven = holds_it },
  { "Test connection and Add: the provider is in the list", guided = function(run)
    return has(field(run, "Test connection").note, "must succeed") and (run.guide.form.button or "") ~= ""
  end, proven = function(run) return run.tested and added(run) and ticked(run, "provider") end },
  { "API permissions: Add a permission", done = declared },
  { "Microsoft Graph", done = declared },
  { "Application permissions", done = declared },
  { "Group.Read.All, RoleManagement.ReadWrite.Directory, User.Read.All",
    done = function(run) return note_of(run, "API permissions", table.unpack(PERMISSIONS)) and declared(run) end },
  { "Add permissions", done = declared },
  { "Grant admin consent", done = function(run) return #run.truth.grants == #PERMISSIONS end,
    proven = function(run) return note_of(run, "Proof", "a token carries", table.unpack(PERMISSIONS)) end },
  { "The Status column changes", done = function(run) return #run.truth.grants == #PERMISSIONS end },
  { "Roles and administrators of the directory, not of the application", done = roles_held },
  { "All roles", done = roles_held },
  { "Helpdesk Administrator", done = roles_held,
    proven = function(run) return run.resets[job.ACCOUNT] == "Completed" end },
  { "Privileged Authentication Administrator too, where accounts need it",
    done = function(run) return note_of(run, "Roles and administrators", TIER0) and roles_held(run) end,
    proven = function(run) return run.resets[TIER0] == "Completed" end },
  { "Add assignments", done = roles_held },
  { "Choose the application as member", done = roles_held },
  { "Next: enter a justification", done = justified },
  { "Assign", done = roles_held, proven = both_reset },
}

--- What has to be there too, and the how-to does not say: other pages of the vendor do.
---@type how_to.step[]
M.BESIDES = {
  { "A licence for PAM", guided = on(item("licence", "Administration > Licenses"),
    item("provider", "without a PAM licence the menu is not there")), proven = both_reset },
  { "An application identity", only = "cloud", guided = item("identity", "Administration > Application identities"),
    proven = both_reset },
  { "Its two system permissions", only = "cloud", proven = both_reset,
    guided = item("permissions", "Manage privileged access tasks", "Manage privileged access providers") },
  { "A PAM vault", guided = on(item("vault", "Administration > Vaults"), function(run)
    return field(run, "Add a PAM vault").field ~= nil
  end), proven = both_reset },
  { "The identity is Contributor of the vault", only = "cloud", guided = item("vault_permission", "Contributor"),
    proven = both_reset },
  { "A PAM service in Devolutions Cloud", only = "cloud",
    guided = item("pam_service", "Administration > Application services"), proven = both_reset },
  { "People's rights on the vault", guided = item("people", "vault") },
  { "An entry for each account", guided = item("account", "Entra ID user"), proven = both_reset },
  { "Reset password, which proves the whole chain", guided = item("proof", "Reset password"),
    proven = function(run) return both_reset(run) and ticked(run, "proof") end },
  { "Everything ticked", done = function(run) return run.after.complete end },
}

---------------------------------------------------------------------------
-- The table

-- What becomes of a step in a run: "done, proven"; nil when nothing is true of it.
local function cell(step, run)
  if step.only and step.only ~= run.edition then return "none" end
  local words = {}
  for _, word in ipairs { "done", "guided", "proven" } do
    if step[word] and step[word](run) then words[#words + 1] = word end
  end
  return words[1] and table.concat(words, ", ")
end

local function rows(lines, steps, runs, numbered)
  for i, step in ipairs(steps) do
    lines[#lines + 1] = ("| %s | %s | %s | %s |"):format(numbered and i or "", step[1],
      cell(step, runs.cloud) or "-", cell(step, runs.server) or "-")
  end
end

--- The page, made of two runs.
---@param runs { cloud: how_to.run, server: how_to.run }
---@return string
function M.page(runs)
  local lines = {
    "# The vendor's how-to, step by step", "",
    "What becomes of the steps of \"Create an Entra ID PAM provider (Devolutions Cloud)\" with Moonlatch. A test",
    "makes this table from runs on the emulator and holds it to this page (`tests/end/how_to_spec.lua`); nothing here",
    "was tried on a live tenant. The steps are in our words.", "",
    "- **done**: Moonlatch does it, and the tenant shows it.",
    "- **guided**: `moonlatch handover` names the menu, the field and the value; a person does it, as Devolutions has",
    "  no public call for it.",
    "- **proven**: something else shows that it worked: a sign-in, a token, a reset by Devolutions.", "",
    "Server is a Devolutions Server whose provider holds a copy of the secret; *none*: it has no such thing.",
    ("These runs took %d commands and %d acts of a person in Cloud, %d and %d in Server; two accounts were managed.")
      :format(#runs.cloud.commands, runs.cloud.acts, #runs.server.commands, runs.server.acts), "",
    "| | step | Cloud | Server |", "|--:|---|---|---|",
  }
  rows(lines, M.STEPS, runs, true)
  for _, line in ipairs { "", "What has to be there too, by other pages of the vendor:", "",
    "| | | Cloud | Server |", "|--:|---|---|---|" } do lines[#lines + 1] = line end
  rows(lines, M.BESIDES, runs, false)
  return table.concat(lines, "\n") .. "\n"
end

return M
