-- takes 12 s: plays a person at a terminal, who waits for each question
--- The setup script where a person, or another one, has to do something: the built
-- program on the built-in emulator.

local job = require "setup_job"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local apply, assert_exact, must = job.apply, job.assert_exact, job.must
local truth, verify, words = job.truth, job.verify, job.words

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
      "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    })
    emu:control("POST", "/approve", { user = "elias" })
    local refused = must(apply(emu), 1) -- nobody has consented to reading the logs
    assert.truthy(refused.err:find("PrivilegedEligibilitySchedule.Read.AzureADGroup, AuditLog.Read.All\n", 1, true))
    assert.truthy(refused.err:find("AADSTS65001", 1, true))
    assert.truthy(refused.err:find("because consent was given before logs were read: add --no-evidence.", 1, true),
      refused.err)
    local outcome = must(apply(emu, "--no-evidence"), 1)
    assert.truthy(outcome.err:find("is eligible for the role", 1, true))
  end)

  it("is told when the tenant wants a ticket for a role", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "pim_only", { "Helpdesk Administrator" })
    emu:admin("set_flag", "pim_ticket", { "Helpdesk Administrator" })
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(1, status)
    assert.equal("Roles and administrators", document.waiting[1].step)
    assert.truthy(document.waiting[1].why:find("wants the number of a ticket", 1, true))
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
    local outcome = must(emu:run(words("plan", "--lifetime", "365d")), 1)
    assert.truthy(outcome.err:find("allows 90 days", 1, true))
  end)

  it("of 30 days makes no trouble for the defaults", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_policy", { days = 30 })
    must(apply(emu), 0)
    local _, document = verify(emu)
    assert.truthy(job.step_of(document, "Client secret").items[1].about:find("renewed 10 days before", 1, true))
    emu:later "19d"
    assert.equal(0, (verify(emu)))
    emu:later "2d"
    must(apply(emu), 0)
    assert_exact(emu, { credentials = 2 })
  end)

  it("that forbids secrets stops before anything is made", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_policy", { secrets = false })
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("forbids client secrets", 1, true))
    assert.equal(0, #truth(emu).applications)
  end)

  it("that comes later lets the secret live that is there, until a new one is due", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    emu:admin("set_policy", { secrets = false })
    emu:later "60s"
    local status, document = verify(emu)
    assert.equal(0, status)
    assert.truthy(job.texts(document, "Pre-flight"):find("forbids new client secrets", 1, true))
    emu:later "151d"
    must(apply(emu), 1)
    assert_exact(emu)
  end)
end)

describe("a hand-over to Devolutions Server", function()
  local function unlinked(emu)
    emu:configure(function(text) return (text:gsub("linked = true", "linked = false")) end)
  end

  it("is proposed for a year, or as long as the tenant allows; what is asked for is kept to", function()
    local emu <close> = rehearsal.new()
    local function said(...)
      local _, document = job.plan(emu, ...)
      return job.step_of(document, "Client secret").items[1].about, job.texts(document, "Client secret")
    end
    local about, text = said()
    assert.truthy(about:find("renewed 30 days before", 1, true))
    assert.is_nil(text:find("is proposed", 1, true)) -- the provider reads the entry
    unlinked(emu)
    assert.truthy(select(2, said()):find("365 days is proposed, the longest up to a year that this tenant allows: a "
      .. "person has to paste each new one. With --lifetime 90d a leaked one works for less long, and somebody pastes "
      .. "about every 60 days", 1, true))
    assert.is_nil(select(2, said("--lifetime", "100d")):find("is proposed", 1, true))
    emu:admin("set_policy", { days = 120 })
    assert.truthy(select(2, said()):find("120 days is proposed", 1, true))
    assert.truthy(select(2, said()):find("--lifetime 60d", 1, true))
  end)

  it("waits for a person, who confirms it, without signing in", function()
    local emu <close> = rehearsal.new()
    unlinked(emu)
    local status, document = emu:json(words("apply", "--yes"))
    assert.same({ 1, 1 }, { status, #document.waiting })
    assert.equal("hand the client secret over to Devolutions Server: 1 item open; `moonlatch handover` shows it",
      document.waiting[1].what)
    assert.equal("Devolutions", document.waiting[1].step)
    assert.equal(3, (verify(emu)))
    local id = truth(emu).application.appId
    assert.equal(id, document.waiting[1].form[4].value)
    local requests = emu:count "POST" + emu:count "GET"
    must(emu:run { "handover", "--confirm" }, 0)
    assert.equal(requests, emu:count "POST" + emu:count "GET")
    assert.equal(0, (verify(emu)))
    must(apply(emu), 0)
  end)

  it("shows the secret on a terminal, on request, once, and takes the person's word", function()
    local emu <close> = rehearsal.new()
    unlinked(emu)
    local shown = emu:talk(words "apply", {
      "serves. [Y/n] ", "\\n", "for none): ", "\\n",
      "Apply this to", "y\\n", "later: ", "s\\n", "Press Enter", "\\n", "later: ", "y\\n",
    })
    assert.truthy(shown:find("add the provider 'Devolutions PAM': Administration > Privileged Access", 1, true), shown)
    assert.truthy(shown:find("Done: 9 created.", 1, true), shown)
    assert.equal(0, (verify(emu)))
    local history = emu:run { "journal", "history", "200" }
    assert.truthy(history.out:find('"how":"terminal"', 1, true))
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

describe("what a person decides", function()
  local ELEVATION, ACCOUNTS = "serves. [Y/n] ", "separated by commas (Enter for none): "

  it("is asked for by the first apply on a terminal, and counts until an argument says otherwise", function()
    local emu <close> = rehearsal.new()
    local shown = emu:talk(words "apply", { ELEVATION, "perhaps\\n", ELEVATION, "n\\n", ACCOUNTS,
      "t0-anna@contoso.onmicrosoft.com\\n", "Apply this to", "y\\n" })
    assert.truthy(shown:find("it needs true or false", 1, true), shown)
    assert.truthy(shown:find("Done: 10 created.", 1, true), shown)
    assert.equal(2, #truth(emu).roles)
    local status, document, outcome = verify(emu)
    assert.equal(0, status)
    assert.truthy(outcome.err:find("--no-jit-elevation, as at the last apply (20", 1, true), outcome.err)
    assert.truthy(outcome.err:find("--managed t0-anna@contoso.onmicrosoft.com, as at the last apply (20", 1, true))
    assert.equal("Group.Read.All, User.Read.All, RoleManagement.Read.Directory",
      job.step_of(document, "API permissions").items[1].about)
    assert.equal(3, (verify(emu, "--jit-elevation")))
    must(apply(emu, "--jit-elevation"), 0)
    assert.equal(0, (verify(emu)))
    shown = emu:talk(words "apply", {})
    assert.truthy(shown:find("Nothing to do", 1, true), shown) -- nobody is asked again
  end)

  it("is not kept when it is not applied", function()
    local emu <close> = rehearsal.new()
    emu:talk(words "apply", { ELEVATION, "n\\n", ACCOUNTS, "\\n", "Apply this to", "n\\n" })
    local _, document = job.plan(emu)
    assert.equal("Group.Read.All, User.Read.All, RoleManagement.ReadWrite.Directory",
      job.step_of(document, "API permissions").items[1].about)
  end)

  it("is not asked for where it was given, or where nobody is there to be asked", function()
    local emu <close> = rehearsal.new()
    local shown = emu:talk(words("apply", "--no-jit-elevation", "--managed", "t0-chen@contoso.onmicrosoft.com"),
      { "Apply this to", "y\\n" })
    assert.truthy(shown:find("Done: 9 created.", 1, true), shown)
    assert.equal(0, (verify(emu)))
    local other <close> = rehearsal.new()
    must(apply(other), 0)
  end)
end)
