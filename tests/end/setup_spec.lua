-- takes 11 s: each of 13 cases runs the program several times
--- The setup script from end to end: the built program on the built-in emulator.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local GRAPH_APP = "00000003-0000-0000-c000-000000000000"
local apply, assert_exact, must, plan, step_of, texts, truth, verify, words
  = job.apply, job.assert_exact, job.must, job.plan, job.step_of, job.texts, job.truth, job.verify, job.words

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

    must(emu:run(words("destroy", "--yes")), 1) -- the provider in Devolutions waits for a person
    assert.equal(0, #truth(emu).applications)
    must(emu:run(words("destroy", "--yes")), 1)
    must(emu:run { "handover", "--done", "gone_account,gone_provider" }, 0)
    must(emu:run(words("destroy", "--yes")), 0)
  end)

  it("never shows the secret, whatever is asked for", function()
    local emu <close> = rehearsal.new()
    local outcome = emu:run(words("apply", "--yes", "--json", "--verbose"))
    must(outcome, 0)
    assert.is_nil((outcome.out .. outcome.err):find("secretText", 1, true))
  end)

  it("shows the provider's form line by line, and takes a name of one line only", function()
    local emu <close> = rehearsal.new("--lag", "0")
    local refused = must(emu:run(words("apply", "--yes", "--name", "Two\nlines")), 2)
    assert.matches("read the argument %-%-name 'Two\n +lines'\n  why: it has a line break or another control "
      .. "character\n  fix: Write it in one line%.", refused.err)
    local outcome = must(emu:run(words("apply", "--yes")), 0)
    local shown = outcome.out .. outcome.err
    assert.matches("\n  · add the provider 'Devolutions PAM': [^\n]+\n      Name  +Devolutions PAM\n", shown)
    assert.matches("\n +Credential type  +Linked credential\n", shown)
    assert.matches("\n  · a person adds this provider, unless it is there already: the profile says", shown)
    assert.not_matches("nothing required is left", shown)
    local again = must(emu:run(words("apply", "--yes")), 0) -- the entry is there by then
    assert.matches("nothing required is left for a person in Devolutions Server %(provider: read back from vault "
      .. "'Privileged', Devolutions PAM, which, the profile says, the provider reads%)", again.out .. again.err)
  end)

  it("tells with --json how many requests it took, and how many of them had to wait for each other", function()
    local emu <close> = rehearsal.new("--lag", "0")
    local _, document = emu:json(words("plan"))
    local asked = 0
    for _, request in ipairs(emu:control("GET", "/requests").requests) do
      if request.peer ~= "control" then asked = asked + 1 end
    end
    assert.equal(asked, document.requests)
    assert(document.chain > 1 and document.chain < document.requests, document.chain)
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
    assert.truthy(texts(document, "Pre-flight"):find("so there are no eligible roles", 1, true))
  end)

  it("leaves out what just-in-time elevation needs when told to", function()
    local emu <close> = rehearsal.new()
    local _, document = plan(emu)
    assert.truthy(texts(document, "API permissions"):find("to decide: RoleManagement.ReadWrite.Directory is for "
      .. "just-in-time elevation only, and can make its holder Global Administrator; with --no-jit-elevation it is "
      .. "RoleManagement.Read.Directory, which only reads", 1, true))
    _, document = plan(emu, "--no-jit-elevation")
    assert.equal("\n", texts(document, "API permissions"))
    assert.equal("Group.Read.All, User.Read.All, RoleManagement.Read.Directory",
      step_of(document, "API permissions").items[1].about)
    must(apply(emu, "--no-jit-elevation"), 0)
    assert.equal(3, #truth(emu).grants)
    assert.equal(3, (verify(emu, "--jit-elevation")))
    assert.equal(0, (verify(emu))) -- what was applied last counts
  end)
end)

describe("an existing application", function()
  local function existing(emu, made)
    made = made or emu:admin("add_app", { name = "Old PAM", days = 100 })
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

  it("stays, though its manifest was copied from ours with the line in the notes", function()
    local emu <close> = rehearsal.new()
    local made = emu:control("POST", "/graph/v1.0/applications", {
      displayName = "Old PAM", signInAudience = "AzureADMyOrg",
      notes = "Made by Moonlatch, workflow setup/entra-pam-provider. This line is how it is recognised.",
    })
    local app = existing(emu, made)
    must(apply(emu, "--client-id", app.appId), 0)
    must(emu:run(words("destroy", "--yes", "--purge", "--client-id", app.appId)), 0)
    emu:later "60s"
    assert.equal(app.appId, emu:graph("/applications/" .. app.id).appId)
    assert.same({}, emu:graph "/directory/deletedItems/microsoft.graph.application")
  end)

  it("is ours when we made it, also when it is named by its client id", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    local app = job.truth(emu).application
    must(emu:run(words("destroy", "--yes", "--purge", "--client-id", app.appId)), 1) -- the provider waits
    emu:later "60s"
    assert.equal(0, #job.truth(emu).applications)
    assert.same({}, emu:graph "/directory/deletedItems/microsoft.graph.application")
  end)

  it("that is not there is said to be missing", function()
    local emu <close> = rehearsal.new()
    local outcome = must(apply(emu, "--client-id", "11111111-2222-3333-4444-555555555555"), 1)
    assert.truthy(outcome.err:find("there is no such application registration in this tenant", 1, true))
  end)
end)

describe("an application that was made by the how-to", function()
  local SAID = "looks like one that was made by the how-to"
  local GRANTED = { "Group.Read.All", "User.Read.All", "RoleManagement.ReadWrite.Directory" }

  local function said(emu, options, ...)
    local made = options and emu:admin("add_app", options)
    emu:later "60s"
    local _, document = plan(emu, ...)
    return texts(document, "Pre-flight"), made
  end

  it("is told of, with how to go on with it", function()
    local emu <close> = rehearsal.new()
    assert.is_nil(said(emu):find(SAID, 1, true))
    local text, made = said(emu, { name = "PAM of 2024", permissions = { "Group.Read.All", "User.Read.All",
      "RoleManagement.Read.Directory" }, roles = { "Privileged Authentication Administrator" } })
    assert.truthy(text:find(("an application 'PAM of 2024' (client id %s) looks like one that was made by the how-to"
      .. ": --client-id %s goes on with it instead of making a second one"):format(made.appId, made.appId), 1, true))
    assert.truthy(said(emu, { name = "PAM", permissions = GRANTED, roles = { "Helpdesk Administrator" } })
      :find("an application 'PAM' (client id", 1, true))
    assert.is_nil(said(emu, nil, "--client-id", made.appId):find(SAID, 1, true))
    must(apply(emu), 0)
    assert.is_nil(said(emu):find(SAID, 1, true)) -- there is one of ours
  end)

  it("is not taken for one without all of what the how-to gives it", function()
    local emu <close> = rehearsal.new()
    for _, options in ipairs {
      { name = "no role", permissions = GRANTED },
      { name = "another role", permissions = GRANTED, roles = { "Directory Readers" } },
      { name = "too little", permissions = { "Group.Read.All", "User.Read.All" },
        roles = { "Helpdesk Administrator" } },
    } do
      assert.is_nil(said(emu, options):find(SAID, 1, true), options.name)
    end
    emu:admin("add_identity", { name = "no registration", permissions = GRANTED, roles = { "Helpdesk Administrator" } })
    assert.is_nil(said(emu):find(SAID, 1, true))
  end)
end)

describe("arguments", function()
  it("that are unknown or of the wrong type are refused before any call", function()
    local emu <close> = rehearsal.new()
    local short = { "--lifetime", "20d", "--renew-before", "20d" }
    for _, wrong in ipairs { { "--nmae", "x" }, { "--lifetime", "soon" }, short } do
      local outcome = emu:run(words("plan", table.unpack(wrong)))
      assert.is_true(outcome.status == 2 or outcome.status == 1, outcome.err)
    end
    local requests = emu:control("GET", "/requests").requests
    for _, request in ipairs(requests) do assert.are_not.equal("graph", request.peer) end
  end)
end)
