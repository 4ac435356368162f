-- takes 7 s: plays a person at a terminal
--- The hand-over to Devolutions Cloud, which has no public API: the built program on the built-in emulator.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local apply, must, truth, verify, words = job.apply, job.must, job.truth, job.verify, job.words

local ITEMS = "licence,identity,permissions,vault,vault_permission,services,pam_service"

local function handover(emu, ...)
  return emu:run { "handover", ... }
end

-- Where it stands, as the program tells it.
local function look(emu)
  local status, document = emu:json { "handover" }
  return document.handovers[1], status
end

describe("Devolutions Cloud", function()
  it("is prepared item by item, before and after apply, and given the secret by a person", function()
    local emu <close> = rehearsal.new("--devolutions", "cloud")
    assert.same({ "licence", 3 }, { look(emu).next, select(2, look(emu)) })
    must(handover(emu, "--done", "licence"), 0) -- an admin begins there before anything is made here
    local outcome = must(handover(emu, "--done", "account"), 1)
    assert.truthy(outcome.err:find("no application for a provider was made yet", 1, true), outcome.err)

    local status, document = emu:json(words("apply", "--yes"))
    assert.same({ 1, 1, 1 }, { status, #document.waiting, #truth(emu).credentials })
    assert.equal("hand the client secret over to Devolutions Cloud: 9 items open; `moonlatch handover` shows them",
      document.waiting[1].what)
    assert.equal(3, (verify(emu)))

    must(handover(emu, "--done", ITEMS), 0)
    local state = look(emu)
    assert.same({ "provider", 3, "to give", "add" },
      { state.next, state.open, state.secret.state, state.form.purpose })
    outcome = must(handover(emu), 3)
    assert.truthy(outcome.out:find("  Client ID  +" .. truth(emu).application.appId:gsub("%-", "%%-")),
      outcome.out)
    assert.is_nil(outcome.out:find("Credential type", 1, true))
    must(handover(emu, "--confirm"), 1) -- nobody was given it yet

    local shown = emu:talk({ "handover", "--show" }, { "Press Enter", "\\n", "Enter for later", "y\\n" })
    assert.truthy(shown:find("Next: an entry for each managed account", 1, true), shown)
    must(handover(emu, "--done", "account", "--done", "proof"), 0)
    must(handover(emu), 0)
    must(apply(emu), 0)
    local checked = must(emu:run(words "verify"), 0)
    assert.truthy(checked.out:find("client secret Devolutions Cloud has is known by a person's word only", 1, true),
      checked.out)
    must(handover(emu, "--undo", "proof"), 0)
    assert.equal(3, (verify(emu)))
  end)

  it("is given a renewed secret into the provider there is, and told again when it is gone", function()
    local emu <close> = rehearsal.new("--devolutions", "cloud")
    local path = emu.place.path .. "/secret"
    must(apply(emu, "--secret-file", path, "--managed", "adele@contoso.onmicrosoft.com"), 1)
    must(handover(emu, "--done", ITEMS .. ",account,proof", "--confirm"), 0)
    must(handover(emu), 0)
    emu:later "340d" -- a year is what is proposed where a person pastes
    must(apply(emu), 1)
    local state = look(emu)
    assert.same({ "renew", "provider", 1 }, { state.form.purpose, state.next, state.open })
    assert.are_not.equal(state.secret.has.short, state.secret.waiting.short)
    local outcome = must(handover(emu), 3)
    assert.truthy(outcome.out:find("then Save or Update, whichever the form has", 1, true), outcome.out)
    assert.is_nil(outcome.out:find("Add Provider", 1, true))

    local status, document = emu:json(words("destroy", "--yes"))
    assert.equal(1, status)
    assert.equal("The accounts of adele@contoso.onmicrosoft.com keep the passwords they have, and nobody rotates them "
      .. "any more.", document.waiting[1].why)
    state = look(emu)
    assert.same({ true, "remove", "gone_account" }, { state.destroyed, state.form.purpose, state.next })
    must(handover(emu, "--done", "gone_account,gone_provider"), 0)
    assert.equal(3, handover(emu).status) -- what can be prepared for the next one
    assert.equal("", look(emu).client_id)

    emu:later "60s"
    must(apply(emu), 1) -- the application is restored; nobody gave its secret to a provider that is there
    state = look(emu)
    assert.same({ "add", "provider" }, { state.form.purpose, state.next })
    assert.is_nil(state.secret.has)
  end)

  it("is named when there are several providers", function()
    local emu <close> = rehearsal.new("--devolutions", "cloud")
    must(apply(emu), 1)
    must(apply(emu, "--name", "Second PAM"), 1)
    local outcome = must(handover(emu, "--confirm"), 2)
    assert.truthy(outcome.err:find("there are several: Devolutions PAM (", 1, true), outcome.err)
    must(handover(emu, "Second PAM", "--secret-file", emu.place.path .. "/secret", "--confirm"), 0)
    local status, document = emu:json { "handover" }
    assert.same({ 3, "to give", "in use" },
      { status, document.handovers[1].secret.state, document.handovers[2].secret.state })
    outcome = must(handover(emu, "Third"), 1)
    assert.truthy(outcome.err:find("no provider of that name or client id is on record", 1, true))
  end)
end)

describe("a program that is killed", function()
  local function begun()
    local emu = rehearsal.new("--devolutions", "cloud")
    must(apply(emu), 1)
    return emu
  end

  it("while it shows the secret leaves on record that it was shown, and the secret to be given", function()
    local emu <close> = begun()
    local shown = emu:talk({ "handover", "--show" }, { "Press Enter", "SIGKILL" })
    assert.equal("-9", shown:match "^%S+")
    assert.equal("to give", look(emu).secret.state)
    assert.truthy(emu:run({ "journal", "history", "200" }).out:find "reveal.*\"how\":\"terminal\"")
    local outcome = must(handover(emu, "--confirm"), 1)
    assert.truthy(outcome.err:find("fix: Hand it over first: moonlatch handover --show", 1, true), outcome.err)
    emu:talk({ "handover", "--show" }, { "Press Enter", "\\n", "Enter for later", "\\n" })
    assert.equal("given", look(emu).secret.state)
  end)

  it("between showing and the person's word asks for that word again", function()
    local emu <close> = begun()
    local shown = emu:talk({ "handover", "--show" }, { "Press Enter", "\\n", "Enter for later", "SIGKILL" })
    assert.equal("-9", shown:match "^%S+")
    assert.same({ "given", "licence" }, { look(emu).secret.state, look(emu).next })
    shown = emu:talk(words "apply", { "Apply this to", "y\\n", "Pasted, and Test connection succeeded?", "y\\n" })
    assert.equal("in use", look(emu).secret.state, shown)
  end)
end)
