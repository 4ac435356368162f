--- The setup script from end to end: the built program on the built-in emulator.

local rehearsal = require "rehearsal"
local sys = require "host.sys"

local SETUP = "setup/entra-pam-provider"
local UNIQUE = "moonlatch-setup-entra-pam-provider-devolutions-pam"
local GRAPH_APP = "00000003-0000-0000-c000-000000000000"

local function words(command, ...)
  return { command, SETUP, ... }
end

local function apply(emu, ...) return emu:run(words("apply", "--yes", ...)) end
local function plan(emu, ...) return emu:json(words("plan", ...)) end
local function verify(emu, ...) return emu:json(words("verify", ...)) end

-- Everything the setup is about, as it truly is, once replication is over.
local function truth(emu)
  emu:later "60s"
  local found = { applications = {}, credentials = {}, principals = {}, grants = {}, roles = {} }
  for _, app in ipairs(emu:graph "/applications?$top=999") do
    if app.uniqueName == UNIQUE then
      found.applications[#found.applications + 1] = app
      found.credentials = app.passwordCredentials
      found.application = app
    end
  end
  local app = found.application
  if not app then return found end
  found.principals = emu:graph(("/servicePrincipals?$filter=appId%%20eq%%20'%s'"):format(app.appId))
  local principal = found.principals[1]
  if not principal then return found end
  found.grants = emu:graph(("/servicePrincipals/%s/appRoleAssignments"):format(principal.id))
  found.roles = emu:graph(("/roleManagement/directory/roleAssignments?$filter=principalId%%20eq%%20'%s'")
    :format(principal.id))
  return found
end

local function assert_exact(emu, expected)
  local found = truth(emu)
  local counts = {
    applications = #found.applications, principals = #found.principals, grants = #found.grants,
    roles = #found.roles, credentials = #found.credentials,
  }
  assert.same({
    applications = 1, principals = 1, grants = 3, roles = expected and expected.roles or 1,
    credentials = expected and expected.credentials or 1,
  }, counts)
  return found
end

local function must(outcome, status)
  assert.equal(status, outcome.status, outcome.out .. outcome.err)
  return outcome
end

local function step_of(document, name)
  for _, step in ipairs(document.steps) do
    if step.name == name then return step end
  end
end

local function texts(document, name)
  local step = step_of(document, name)
  return table.concat(step.notes, "\n") .. "\n" .. table.concat(step.warnings, "\n")
end

describe("the setup", function()
  it("is planned, applied, verified, renewed, retired and destroyed", function()
    local emu <close> = rehearsal.new()
    local status, document = plan(emu)
    assert.equal(3, status)
    assert.equal(9, document.changes.create)
    assert.equal(0, #truth(emu).applications)

    must(apply(emu), 0)
    assert_exact(emu)
    assert.equal(0, (verify(emu)))
    local again = must(apply(emu), 0)
    assert.truthy(again.out:find("Nothing to do: all was as it should be.", 1, true))
    local first = assert_exact(emu).credentials[1].keyId

    emu:later "151d"
    status, document = plan(emu)
    assert.equal(3, status)
    assert.equal(1, document.changes.create)
    assert.equal(1, document.changes.update)
    must(apply(emu), 0)
    assert_exact(emu, { credentials = 2 })
    assert.equal(0, (verify(emu))) -- retiring before its date is no drift

    emu:later "8d"
    assert.equal(3, (verify(emu)))
    must(apply(emu), 0)
    assert.are_not.equal(first, assert_exact(emu).credentials[1].keyId)
    assert.equal(0, (verify(emu)))

    must(emu:run(words("destroy", "--yes")), 0)
    assert.equal(0, #truth(emu).applications)
    must(emu:run(words("destroy", "--yes")), 0)
  end)

  it("never shows the secret, whatever is asked for", function()
    local emu <close> = rehearsal.new()
    local outcome = emu:run(words("apply", "--yes", "--json", "--verbose"))
    must(outcome, 0)
    assert.is_nil((outcome.out .. outcome.err):find("secretText", 1, true))
  end)

  it("finds out which roles are needed from the accounts to be managed", function()
    local emu <close> = rehearsal.new()
    local _, document = plan(emu, "--managed", "t0-chen@contoso.onmicrosoft.com,t0-boris@contoso.onmicrosoft.com")
    assert.equal(1, #step_of(document, "Roles and administrators").items)
    local tier0 = "t0-anna@contoso.onmicrosoft.com,t0-dana@contoso.onmicrosoft.com,t0-emil@contoso.onmicrosoft.com"
    _, document = plan(emu, "--managed", tier0)
    assert.equal(2, #step_of(document, "Roles and administrators").items)
    local said = texts(document, "Roles and administrators")
    assert.truthy(said:find("t0%-dana@contoso.onmicrosoft.com: .-%(eligible%)"))
    assert.truthy(said:find("t0%-emil@contoso.onmicrosoft.com: .-through the group"))
    must(apply(emu, "--managed", tier0), 0)
    assert_exact(emu, { roles = 2 })
  end)

  it("takes no licence for no eligible roles", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "premium", false)
    local status, document = plan(emu, "--managed", "t0-chen@contoso.onmicrosoft.com")
    assert.equal(3, status)
    assert.truthy(texts(document, "Pre-flight"):find("no Entra ID P2", 1, true))
  end)

  it("leaves out what just-in-time elevation needs when told to", function()
    local emu <close> = rehearsal.new()
    must(apply(emu, "--no-jit-elevation"), 0)
    assert.equal(2, #truth(emu).grants)
    assert.equal(3, (verify(emu)))
    assert.equal(0, (verify(emu, "--no-jit-elevation")))
  end)
end)

describe("an admin who may not do everything", function()
  it("is told what another has to do, and the next apply goes on", function()
    local emu <close> = rehearsal.new()
    emu:control("POST", "/approve", { user = "arno" })
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(1, status)
    assert.equal(2, #document.waiting)
    assert.equal("Admin consent", document.waiting[1].step)
    assert.truthy(document.waiting[1].how[2]:find("/adminconsent?client_id=", 1, true))
    assert.truthy(document.waiting[2].how[3]:find("justification: Devolutions PAM resets", 1, true))
    assert.equal(0, #truth(emu).credentials) -- nothing is made that could not be used
    emu:control("POST", "/approve", { user = "adele" })
    must(apply(emu), 0)
    assert_exact(emu)
  end)

  it("is stopped before anything is made when it could not register the application", function()
    local emu <close> = rehearsal.new()
    emu:control("POST", "/approve", { user = "rita" })
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("rita@contoso.onmicrosoft.com does not hold the role Application Administrator",
      1, true))
    assert.equal(0, #truth(emu).applications)
  end)

  it("is told when its role is eligible but not activated", function()
    local emu <close> = rehearsal.new()
    emu:admin("consent", "14d82eec-204b-4c2f-b7e8-296a70dab67e", {
      "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "RoleManagement.ReadWrite.Directory",
      "User.Read.All", "Group.Read.All", "Policy.Read.All", "Organization.Read.All",
    })
    emu:control("POST", "/approve", { user = "elias" })
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("is eligible for the role", 1, true))
  end)

  it("is told when the tenant demands PIM for a role", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "pim_only", { "Helpdesk Administrator" })
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(1, status)
    assert.equal("Roles and administrators", document.waiting[1].step)
    assert.truthy(document.waiting[1].why:find("Privileged Identity Management", 1, true))
  end)
end)

describe("consent that was taken away", function()
  it("is drift, and is granted again", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    emu:admin("remove_consent", truth(emu).application.appId, "User.Read.All")
    emu:later "60s"
    local status, document = verify(emu)
    assert.equal(3, status)
    assert.equal(1, document.changes.create)
    must(apply(emu), 0)
    assert_exact(emu)
  end)
end)

describe("a tenant's policy", function()
  it("shortens the secret's life", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_policy", { days = 90 })
    must(apply(emu), 0)
    local outcome = emu:run(words("plan", "--lifetime", "365d"))
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("allows 90 days", 1, true))
  end)

  it("that forbids secrets stops before anything is made", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_policy", { secrets = false })
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("forbids client secrets", 1, true))
    assert.equal(0, #truth(emu).applications)
  end)
end)

describe("an answer that was lost", function()
  it("of addPassword leaves one current secret, and none that nobody knows", function()
    local emu <close> = rehearsal.new()
    emu:fault "POST /applications/*/addPassword drop-after"
    must(apply(emu), 0)
    must(apply(emu), 0)
    assert_exact(emu)
  end)

  it("of anything else makes nothing twice", function()
    for _, path in ipairs {
      "PATCH /applications(uniqueName=*)", "PATCH /servicePrincipals(appId=*)", "PATCH /applications/*",
      "POST /servicePrincipals/*/appRoleAssignedTo", "POST /roleManagement/directory/roleAssignments",
    } do
      local emu <close> = rehearsal.new()
      emu:fault(path .. " drop-after")
      local outcome = apply(emu)
      if outcome.status ~= 0 then must(apply(emu), 0) end
      assert_exact(emu)
    end
  end)

  it("of the entry's creation ends with one entry", function()
    local emu <close> = rehearsal.new()
    emu:fault "devolutions POST /api/v1/vault/*/entry drop-after 1 @2"
    must(apply(emu), 0) -- the server is asked what it did
    assert_exact(emu)
    assert.equal(0, (verify(emu)))
  end)
end)

describe("answers that are none", function()
  for _, kind in ipairs { "html", "cut:10", "empty", "garbage", "big" } do
    it("(" .. kind .. ") are clear errors, and the next apply finishes", function()
      local emu <close> = rehearsal.new()
      emu:fault("graph GET /servicePrincipals(appId=*) " .. kind .. " always")
      local outcome = must(apply(emu), 1)
      assert.truthy(outcome.err:find("read the permissions Microsoft Graph offers", 1, true))
      emu:control("DELETE", "/faults")
      must(apply(emu), 0)
      assert_exact(emu)
    end)

    it("(" .. kind .. ") to what makes the application do not make a second one", function()
      local emu <close> = rehearsal.new()
      emu:fault("graph PATCH /applications(uniqueName=*) " .. kind .. " always")
      apply(emu)
      emu:control("DELETE", "/faults")
      must(apply(emu), 0)
      assert_exact(emu)
    end)
  end
end)

describe("Devolutions Server", function()
  it("that refuses after the secret exists does not lose it", function()
    local emu <close> = rehearsal.new()
    emu:fault "devolutions POST /api/v1/vault/*/entry 403 1 @2"
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("create the entry 'Devolutions PAM'", 1, true))
    must(apply(emu), 0)
    assert_exact(emu) -- the same secret, not a second one
  end)

  it("that cannot be written stops before anything is made", function()
    local emu <close> = rehearsal.new()
    emu:control("POST", "/devolutions", { ["do"] = "permit", with = { "add", false } })
    must(apply(emu), 1)
    assert.equal(0, #truth(emu).applications)
  end)

  it("that hides passwords stops before anything is made", function()
    local emu <close> = rehearsal.new()
    emu:control("POST", "/devolutions", { ["do"] = "permit", with = { "view_password", false } })
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("View password", 1, true))
    assert.equal(0, #truth(emu).applications)
  end)

  it("whose entry somebody changed is put right", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    emu:later "151d"
    must(apply(emu), 0)
    assert.equal(0, (verify(emu)))
  end)
end)

describe("a lost state folder", function()
  it("is made good from the entry: nothing is minted, nothing in force is removed", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    local before = assert_exact(emu).credentials[1].keyId
    assert(sys.remove_tree(emu:state()))
    local outcome = must(apply(emu), 0)
    assert.truthy(outcome.out:find("it works, so it is adopted", 1, true))
    assert.equal(before, assert_exact(emu).credentials[1].keyId)
    assert.equal(0, (verify(emu)))
  end)
end)

describe("an existing application", function()
  local function existing(emu)
    local made = emu:admin("add_app", { name = "Old PAM", days = 100 })
    emu:later "60s"
    for _, app in ipairs(emu:graph "/applications?$top=999") do
      if app.displayName == "Old PAM" then return app, made end
    end
  end

  it("is adopted: what is added can be taken back, itself is left", function()
    local emu <close> = rehearsal.new()
    local app = existing(emu)
    must(apply(emu, "--client-id", app.appId), 0)
    assert.equal(0, (verify(emu, "--client-id", app.appId)))
    emu:later "60s"
    local after = emu:graph("/applications/" .. app.id)
    assert.equal(#app.passwordCredentials + 1, #after.passwordCredentials)
    assert.equal("Old PAM", after.displayName)

    local status, document = emu:json(words("destroy", "--yes", "--client-id", app.appId))
    assert.equal(0, status)
    emu:later "60s"
    after = emu:graph("/applications/" .. app.id)
    assert.equal(#app.passwordCredentials, #after.passwordCredentials)
    assert.equal("Old PAM", after.displayName)
    for _, access in ipairs(after.requiredResourceAccess) do
      assert.are_not.equal(GRAPH_APP, access.resourceAppId)
    end
    assert.equal("application", document.left[1].kind)
  end)

  it("that is not there is said to be missing", function()
    local emu <close> = rehearsal.new()
    local outcome = must(apply(emu, "--client-id", "11111111-2222-3333-4444-555555555555"), 1)
    assert.truthy(outcome.err:find("there is no such application registration in this tenant", 1, true))
  end)
end)

describe("a deleted application that still holds the uniqueName", function()
  it("stops the next apply with two ways out; restored, it is used again", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    must(emu:run(words("destroy", "--yes")), 0)
    emu:later "60s"
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("restore it, and it is used again, or delete it permanently", 1, true))
  end)
end)

describe("a hand-over", function()
  local function unlinked(emu)
    emu:configure(function(text) return (text:gsub("linked = true", "linked = false")) end)
  end

  it("waits for a person, who confirms it", function()
    local emu <close> = rehearsal.new()
    unlinked(emu)
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(1, status)
    local waiting = document.waiting[1]
    assert.equal("Devolutions", waiting.step)
    assert.equal(3, (verify(emu)))
    local id = table.concat(waiting.how, "\n"):match "journal confirm (%x+)"
    must(emu:run { "journal", "confirm", id }, 0)
    assert.equal(0, (verify(emu)))
    must(apply(emu), 0)
  end)

  it("writes the secret to a new file when told to, and to none that exists", function()
    local emu <close> = rehearsal.new()
    unlinked(emu)
    local path = emu.place.path .. "/secret"
    must(apply(emu, "--secret-file", path), 1)
    assert.equal(tonumber("600", 8), sys.stat(path).mode & tonumber("777", 8))
    local outcome = must(apply(emu, "--secret-file", path), 1)
    assert.truthy(outcome.err:find("the file exists already", 1, true))
  end)
end)

describe("Devolutions Cloud, which has no public API", function()
  it("has its checklist gone through first, and the secret carried by a person", function()
    local emu <close> = rehearsal.new()
    emu:configure(function(text)
      return (text:gsub("devolutions = %b{}", 'devolutions = { cloud = "https://contoso.devolutions.app" }'))
    end)
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(1, status)
    assert.equal("prepare Devolutions Cloud", document.waiting[1].what)
    assert.truthy(document.waiting[1].how[5]:find("Host: https://contoso.devolutions.app", 1, true))
    assert.equal(0, #truth(emu).credentials)

    status, document = emu:json(words("apply", "--yes", "--prepared"))
    assert.equal(1, status)
    assert.equal(1, #document.waiting)
    local values = {}
    for _, field in ipairs(document.waiting[1].form) do values[field.field] = field.value end
    assert.equal(truth(emu).application.appId, values["Client ID"])
    assert.equal("Custom", values["Credential type"])

    local id = table.concat(document.waiting[1].how, "\n"):match "journal confirm (%x+)"
    must(emu:run { "journal", "confirm", id }, 1) -- nobody was given it yet
    must(apply(emu, "--secret-file", emu.place.path .. "/secret"), 1)
    must(emu:run { "journal", "confirm", id }, 0)
    must(apply(emu), 0) -- the checklist is asked about once
    assert_exact(emu)
  end)
end)

describe("arguments", function()
  it("that are unknown or of the wrong type are refused before any call", function()
    local emu <close> = rehearsal.new()
    for _, wrong in ipairs { { "--nmae", "x" }, { "--lifetime", "soon" }, { "--lifetime", "20d" } } do
      local outcome = emu:run(words("plan", table.unpack(wrong)))
      assert.is_true(outcome.status == 2 or outcome.status == 1, outcome.err)
    end
    local requests = emu:control("GET", "/requests").requests
    for _, request in ipairs(requests) do assert.are_not.equal("graph", request.peer) end
  end)
end)
