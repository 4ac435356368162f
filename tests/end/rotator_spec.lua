-- takes 7 s: the setup of a rotator makes keys
--- The application that rotation signs in as, from end to end: made, used, its
--- certificate renewed, and taken away.

local certificates = require "certificates"
local job = require "setup_job"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local ROTATOR = "setup/rotator"
local POLICIES = "policies/tier0-users,policies/pam-provider-secret"
local must, step_of = job.must, job.step_of

local function words(command, ...) return { command, ROTATOR, ... } end
local function apply(emu, ...) return must(emu:run(words("apply", "--yes", ...)), 0) end
local function verify(emu, ...) return (emu:json(words("verify", ...))) end

local function rotator(emu)
  emu:later "60s"
  for _, app in ipairs(emu:graph "/applications?$top=999&$select=id,appId,displayName,uniqueName,keyCredentials") do
    if app.uniqueName == "moonlatch-setup-rotator-moonlatch-rotator" then return app end
  end
end

local function sealed_files(emu)
  local list = {}
  for _, name in ipairs(sys.list(emu:state())) do
    if name:find "^certificate%-.*%.sealed$" then list[#list + 1] = emu:state() .. "/" .. name end
  end
  return list
end

-- The newest of ours, as Entra lists it.
local function fingerprint(emu)
  local newest
  for _, one in ipairs(rotator(emu).keyCredentials) do
    if one.displayName:find "^ml:" and (not newest or one.startDateTime > newest.startDateTime) then newest = one end
  end
  return newest.customKeyIdentifier
end

local function has_certificate(app, sha1)
  for _, entry in ipairs(app.keyCredentials) do
    if entry.customKeyIdentifier == sha1 then return true end
  end
  return false
end

-- A profile that signs in as the section says that apply ends with.
local function use(emu, outcome)
  local client = outcome.out:match 'client_id = "([%x-]+)"'
  emu:configure(function(text)
    return (text:gsub("    browser = by", ('    rotator = by { method = "certificate", client_id = "%s", '
      .. 'certificate = { from = "sealed" } },\n    browser = by'):format(client), 1))
  end)
end

-- Somebody else's certificate, added by a person in the portal.
local function add_foreign(emu, app)
  emu:admin("change", app.id, { keyCredentials = { app.keyCredentials[1], certificates.made_by_hand() } })
end

describe("the rotator", function()
  it("is made with what its policies need, runs them, is renewed, and destroyed", function()
    local emu <close> = rehearsal.new()
    must(job.apply(emu), 0)
    local made = apply(emu, "--policies", POLICIES)
    -- It signs in by certificate: a policy for all that its maker owns gives it no client secret.
    local owned = must(emu:run { "plan", "policies/app-client-secrets" }, 3).out
    assert.truthy(owned:find("~ Devolutions PAM", 1, true), owned)
    assert.falsy(owned:find("Moonlatch rotator", 1, true), owned)
    assert.equal(0, verify(emu, "--policies", POLICIES))
    local app, first = rotator(emu), fingerprint(emu)
    assert.is_true(has_certificate(app, first))
    assert.equal(1, #sealed_files(emu))
    assert.equal(384, sys.stat(sealed_files(emu)[1]).mode & 511)
    assert.is_nil(sys.stat(emu:state() .. "/rotator.pem"))

    use(emu, made)
    emu:later "10s" -- until the last replica knows the owner
    must(emu:run { "rotate", "policies/tier0-users", "policies/pam-provider-secret", "--yes", "--profile", "rotator" },
      0)
    emu:later "151d"
    local provider = { "rotate", "policies/pam-provider-secret", "--yes", "--profile", "rotator" }
    must(emu:run(provider), 0)
    local pam = job.truth(emu).application
    assert.equal(2, #pam.passwordCredentials)

    emu:admin("remove_consent", app.appId, "User.RevokeSessions.All")
    local refused = must(emu:run { "rotate", "policies/tier0-users", "--yes", "--profile", "rotator" }, 1)
    assert.truthy(refused.out:find("its token carries no User.RevokeSessions.All", 1, true), refused.out)
    local verifying = "moonlatch --profile rotator verify setup/rotator --policies policies/tier0-users"
    assert.truthy(refused.out:find(verifying, 1, true))
    emu:admin("change", pam.id, { _owners = {} })
    local _, planned = emu:json { "plan", "policies/pam-provider-secret", "--profile", "rotator" }
    assert.equal("refuse", planned.policies[1].accounts[1].what)
    assert.truthy(planned.policies[1].accounts[1].why:find("Moonlatch rotator does not own it", 1, true))
    apply(emu, "--policies", POLICIES)
    emu:later "10s"
    must(emu:run(provider), 0)

    add_foreign(emu, app)
    emu:later "190d"
    assert.equal(3, verify(emu))
    apply(emu)
    app = rotator(emu)
    local second = fingerprint(emu)
    assert.are_not.equal(first, second)
    assert.equal(3, #app.keyCredentials)
    assert.is_true(has_certificate(app, first) and has_certificate(app, second))
    must(emu:run { "whoami", "--profile", "rotator" }, 0)

    emu:later "8d"
    apply(emu)
    app = rotator(emu)
    assert.equal(2, #app.keyCredentials)
    assert.is_false(has_certificate(app, first))
    assert.equal("made by hand", app.keyCredentials[1].displayName)

    must(emu:run(words("destroy", "--yes")), 0)
    assert.is_nil(rotator(emu))
    assert.same({}, sealed_files(emu))
    assert.equal(0, #emu:graph(("/applications/%s/owners"):format(pam.id)))
  end)

  it("gets no right over people without policies for people, and no client secret", function()
    local emu <close> = rehearsal.new()
    must(job.apply(emu), 0)
    local _, document = emu:json(words("plan", "--policies", "policies/pam-provider-secret"))
    assert.equal(0, #step_of(document, "Directory role").items)
    assert.equal("Application.ReadWrite.OwnedBy, AuditLog.Read.All",
      step_of(document, "API permissions").items[1].about)
    local logs = "AuditLog.Read.All: GET /auditLogs/directoryAudits and 3 more"
    assert.truthy(require("json").encode(step_of(document, "Pre-flight")):find(logs, 1, true))
    _, document = emu:json(words("plan", "--policies", "policies/pam-provider-secret", "--no-evidence"))
    assert.equal("Application.ReadWrite.OwnedBy", step_of(document, "API permissions").items[1].about)
    _, document = emu:json(words("plan", "--policies", "policies/tier0-users"))
    assert.equal("Privileged Authentication Administrator", step_of(document, "Directory role").items[1].name)
  end)

  it("does not begin without the provider's application", function()
    local emu <close> = rehearsal.new()
    local outcome = must(emu:run(words "plan"), 1)
    assert.truthy(outcome.err:find("moonlatch apply setup/entra-pam-provider --name 'Devolutions PAM'", 1, true))
  end)
end)
