--- Broken set-ups with Devolutions Cloud: what the doctor says first, what Devolutions Cloud does meanwhile, and that
--- the fix heals both.
--
-- Entra and the journal can be looked at; Devolutions Cloud cannot. So a fault there shows as an item of the checklist
-- that is open or was taken back, or does not show at all: then the first finding says how to find out.

local assert = require "luassert" -- busted gives its own only to spec files
local gallery = require "gallery"
local job = require "setup_job"
local sys = require "host.sys"

local NOBODY = "11111111-2222-3333-4444-555555555555"

local shown = gallery.new(job.MANAGED)
local emu, app

local function apply(status, ...)
  local outcome = job.must(job.apply(emu, "--managed", job.MANAGED, "--lifetime", "180d", ...), status)
  job.drop_consents(emu)
  return outcome
end

-- The tick on an item of the checklist, taken back or given.
local function tick(item, done)
  job.must(emu:run { "handover", done and "--done" or "--undo", item }, 0)
end

-- A new client secret is handed over, and a reset shows that it works.
local function hand_over()
  job.hand_over(emu)
  emu:later "2h"
  assert.equal("Completed", job.reset(emu).status)
  tick("proof", true)
end

-- Something wrong in Devolutions Cloud is noticed there, and the item's tick taken back until it is mended.
local function at_cloud(item, wrong, right)
  return function()
    wrong()
    tick(item, false)
  end, function()
    right()
    tick(item, true)
  end
end

local function person(what, ...) return job.person(emu, what, ...) end

-- Time passes after a new client secret was made and pasted, and the one before went.
local function later(span)
  apply(1, "--renew")
  hand_over()
  emu:later "8d"
  apply(0)
  emu:later(span)
end

local function credentials() return emu:graph("/applications/" .. app.id).passwordCredentials end

-- The provider's form, filled in with something wrong; Test connection says so, and nobody confirms.
local function renew_with(wrong)
  apply(1, "--renew")
  job.paste(emu, job.receive(emu), wrong)
  assert.is_false(person("test_connection", job.PROVIDER).ok)
end

local function paste_right()
  job.paste(emu, job.receive(emu))
  hand_over()
  emu:later "8d"
  apply(0)
end

local function cloud_case(name, item, task, wrong, right)
  local fault, heal = at_cloud(item, wrong, right)
  return { name, check = "hand-over", verdict = "warning", says = "the next is " .. item, fix = "moonlatch handover",
    task = task, fault = fault, heal = heal }
end

---@class gallery.cloud_case: gallery.case
---@field task "Completed"|"Failed"|"Pending"|nil what becomes of a reset meanwhile
---@field green boolean? does Test connection succeed all the same?

---@type gallery.cloud_case[]
local CASES = {
  -- The client secret, through its life
  { "nobody renewed the client secret", check = "client secret", says = "which expired", task = "Failed",
    fix = "moonlatch handover", fault = function() later "175d" end, heal = function()
      apply(1)
      paste_right()
    end },
  { "it was renewed, and nobody pasted the new one", check = "client secret", says = "has waited to be pasted since",
    fix = "moonlatch handover", task = "Failed", fault = function()
      later "145d"
      apply(1)
      emu:later "30d"
    end, heal = paste_right },
  { "it was renewed, nobody pasted the new one, and there is time", check = "client secret", verdict = "warning",
    says = "has waited to be pasted since", fix = "moonlatch handover", task = "Completed", fault = function()
      later "145d"
      apply(1)
    end, heal = paste_right },
  { "it is time to renew it", check = "client secret", verdict = "warning", says = "which expires in", fix = "handover",
    task = "Completed", fault = function() later "145d" end, heal = function()
      apply(1)
      paste_right()
    end },
  { "the Secret ID was pasted for the Value", check = "hand-over", verdict = "warning", task = "Failed",
    says = "nobody said that it is in use", fix = "confirm", fault = function()
      apply(1, "--renew")
      local newest = table.remove(credentials())
      job.receive(emu)
      job.paste(emu, newest.keyId)
      assert.truthy(person("test_connection", job.PROVIDER).message:find("AADSTS7000215", 1, true))
    end, heal = paste_right },
  -- Test connection and a reset succeed until the grace of the old one is over: only sign-ins could tell.
  { "the old client secret was pasted once more, and confirmed", check = "hand-over", verdict = "warning",
    says = "the next is proof", fix = "Reset password", task = "Completed", green = true, fault = function()
      apply(1, "--renew")
      local old = emu.pasted
      job.receive(emu)
      job.paste(emu, old)
      job.must(emu:run { "handover", "--confirm" }, 0)
    end, heal = paste_right },
  { "the wrong tenant was pasted", check = "hand-over", verdict = "warning", says = "nobody said that it is in use",
    task = "Failed", fix = "confirm", fault = function() renew_with { tenant = NOBODY } end, heal = paste_right },
  { "the wrong client id was pasted", check = "hand-over", verdict = "warning", says = "nobody said that it is in use",
    task = "Failed", fix = "confirm", fault = function() renew_with { client_id = NOBODY } end, heal = paste_right },
  { "somebody removed the client secret that Devolutions Cloud has", check = "client secret", task = "Failed",
    says = "removed it from the application", fix = "apply", fault = function()
      for _, credential in ipairs(credentials()) do emu:admin("remove_secret", credential.keyId) end
    end, heal = function()
      apply(1)
      paste_right()
    end },
  { "somebody made a client secret of their own", check = "credentials", verdict = "warning", task = "Completed",
    says = "an unknown credential", fix = "moonlatch journal retire", fault = function()
      local made = emu:control("POST", ("/graph/v1.0/applications/%s/addPassword"):format(app.id),
        { passwordCredential = { displayName = "by hand" } })
      emu:later "2m"
      return made.keyId
    end, heal = function(key_id)
      job.must(emu:run { "journal", "retire", key_id, "--yes" }, 0)
      job.drop_consents(emu)
    end },

  -- The application and its rights: Test connection stays green through most of it
  { "the application is in the bin", check = "application", says = "was deleted", fix = "Restore", task = "Failed",
    fault = function() emu:control("DELETE", "/graph/v1.0/applications/" .. app.id) end,
    heal = function() apply(0) end },
  { "the service principal is disabled", check = "service principal", says = "is disabled", task = "Failed",
    fix = "Enabled for users to sign-in: Yes", fault = function() emu:admin("disable", app.appId) end,
    heal = function() emu:admin("enable", app.appId) end },
  { "Test connection is green, and the role is missing", check = "roles", task = "Failed",
    says = "does not hold the role 'Helpdesk Administrator'", fix = "Add assignments", green = true,
    fault = function() emu:admin("remove_role", app.appId, "Helpdesk Administrator") end,
    heal = function() emu:admin("assign_role", app.appId, "Helpdesk Administrator") end },
  { "the role's assignment through PIM has ended", check = "roles", task = "Failed",
    says = "a temporary assignment (PIM) has expired", fix = "Add assignments", fault = function()
      emu:admin("remove_role", app.appId, "Helpdesk Administrator")
      emu:admin("assign_role", app.appId, "Helpdesk Administrator", { days = 1 })
      emu:later "25h"
    end, heal = function() emu:admin("assign_role", app.appId, "Helpdesk Administrator") end },
  { "a managed account outranks the application", check = "roles", task = "Failed",
    says = "Privileged Authentication Administrator", fix = "Add assignments",
    fault = function() emu:admin("assign_role", "uma", "Global Administrator") end,
    heal = function() emu:admin("remove_role", "uma", "Global Administrator") end },
  { "Test connection is green, and the consent was revoked", check = "permissions", task = "Failed",
    says = "no admin consent for", fix = "Grant admin consent", green = true, fault = function()
      person("set_flag", "reads_user_first", true)
      emu:admin("remove_consent", app.appId)
    end, heal = function()
      apply(0)
      person("set_flag", "reads_user_first", false)
    end },
  { "Conditional Access blocks workloads", check = "conditional access", says = "blocks it everywhere", task = "Failed",
    fix = "exclude this application",
    fault = function() return emu:admin("add_access_policy", { name = "No workloads" }) end,
    heal = function(id) emu:admin("exclude_from_access_policy", id, app.appId) end },
  { "the managed account is synced from on-premises", check = "managed accounts", says = "synced from on-premises: uma",
    fix = "cloud-only", task = "Failed", green = true,
    fault = function() emu:admin("change", "uma", { onPremisesSyncEnabled = true }) end,
    heal = function() emu:admin("change", "uma", { onPremisesSyncEnabled = false }) end },
  { "a policy of the tenant shortens how long client secrets may live", check = "policy", verdict = "warning",
    says = "was shortened", fix = "--lifetime 90d", task = "Completed",
    fault = function() emu:admin("set_policy", { days = 90 }) end,
    heal = function() emu:admin("set_policy", {}) end },
  { "the clock is ten minutes behind", check = "clock", says = "behind the login service's", task = "Completed",
    fix = "Set the clock right", fault = function()
      local folder = emu.config:match "^(.*)/"
      assert(os.execute(("cp '%s/clock' '%s/clock-behind'"):format(folder, folder)))
      emu:later "10m"
      emu:configure(function(text) return (text:gsub('clock = "clock"', 'clock = "clock-behind"')) end)
    end, heal = function()
      emu:configure(function(text) return (text:gsub('clock = "clock%-behind"', 'clock = "clock"')) end)
    end },

  -- What only a person can see, in Devolutions Cloud: an open item of the checklist
  cloud_case("the licence for PAM is gone", "licence", nil,
    function() person("set_licence", false) end, function() person "set_licence" end),
  cloud_case("the application identity lacks a system permission", "permissions", "Pending",
    function() person("permit", job.IDENTITY, "Manage privileged access tasks", false) end,
    function() person("permit", job.IDENTITY, "Manage privileged access tasks") end),
  cloud_case("the application identity is not Contributor of the vault", "vault_permission", "Pending",
    function() person("give_role", job.VAULT, job.IDENTITY) end,
    function() person("give_role", job.VAULT, job.IDENTITY, "Contributor") end),
  cloud_case("Devolutions Cloud Services does not run", "services", "Pending",
    function() person("run_services", false) end, function() person("run_services", true) end),
  cloud_case("Devolutions Cloud does not know the PAM service", "pam_service", "Pending",
    function() person("remove_service", "PAM") end,
    function() person("add_service", { name = "PAM", identity = job.IDENTITY }) end),
  cloud_case("the application identity's secret was regenerated", "identity", "Pending",
    function() emu.identity.secret = person("regenerate_identity", job.IDENTITY) end,
    function()
      person("install_services", { host = job.CLOUD, key = emu.identity.key, secret = emu.identity.secret })
    end),
  cloud_case("the provider was deleted", "proof", "Failed",
    function() person("delete_provider", job.PROVIDER) end, function() job.paste(emu, job.receive(emu)) end),
  cloud_case("the entry of the account was deleted", "account", nil,
    function() person("delete_account", job.ACCOUNT) end, function() job.manage(emu) end),

  -- The records
  { "the state folder was lost: nobody knows which client secret Devolutions Cloud has", check = "credentials",
    verdict = "warning", says = "folder was lost", fix = "moonlatch journal retire", task = "Completed",
    fault = function()
      assert(os.execute(("mv '%s' '%s.kept'"):format(emu:state(), emu:state())))
    end, heal = function()
      assert(sys.remove_tree(emu:state()))
      assert(os.execute(("mv '%s.kept' '%s'"):format(emu:state(), emu:state())))
    end },
}

local M = {}

-- Devolutions Cloud itself works before and after, and meanwhile as the case says.
---@param case gallery.cloud_case
local function show(case)
  function case.meanwhile()
    if case.green then assert.is_true(person("test_connection", job.PROVIDER).ok) end
    emu:later "2h" -- by then the token that Devolutions Cloud still had is over
    if case.task then assert.equal(case.task, job.reset(emu).status) end
  end
  shown:show(case)
end

-- The doctor signs in, too: a sign-in counts as somebody else's only when it is not within minutes of ours.
function shown.works()
  emu:later "2h"
  assert.equal("Completed", job.reset(emu).status)
  emu:later "15m"
end

--- Show every so manieth of the cases, after the first.
---@param describe function busted's
---@param it function busted's
---@param hooks { setup: function, teardown: function } busted's
---@param stride integer
function M.show(describe, it, hooks, stride)
  describe("the gallery of broken set-ups with Devolutions Cloud", function()
    hooks.setup(function()
      emu = job.emulator "cloud"
      shown.emu = emu
      job.prepare(emu)
      apply(1)
      job.hand_over(emu)
      job.manage(emu)
      for _, item in ipairs(job.CLOUD_KEYS) do tick(item, true) end
      emu:later "2m" -- by then Graph lists the new secret
      app = job.truth(emu).application
    end)

    hooks.teardown(function() local _ <close> = emu end)

    it("begins healthy", function() shown:healthy() end)

    for place = 1, #CASES, stride do
      it("knows when " .. CASES[place][1], function() show(CASES[place]) end)
    end
  end)
end

return M
