-- takes 11 s: each of nine cases runs the program several times
--- Destroy and apply again: what is ours comes back from the deleted ones, or is deleted for good.

local job = require "setup_job"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local apply, assert_exact, must, step_of, texts, truth, verify, words
  = job.apply, job.assert_exact, job.must, job.step_of, job.texts, job.truth, job.verify, job.words

local BIN = "/directory/deletedItems/microsoft.graph.application"

-- Exit status 1: the provider in Devolutions stays, and waits for a person.
local function destroy(emu, ...) return must(emu:run(words("destroy", "--yes", ...)), 1) end

local function destroyed(emu, ...)
  must(apply(emu, ...), 0)
  local before = assert_exact(emu)
  destroy(emu)
  assert.equal(0, #truth(emu).applications)
  return before
end

-- What the journal says of its client secrets: state by marker.
local function secrets(emu)
  local _, rows = emu:json { "journal", "list" }
  local states = {}
  for _, row in ipairs(rows) do
    if row.kind == "client secret" then states[#states + 1] = row.state end
  end
  return states
end

describe("apply after destroy", function()
  it("restores the application with its secret, counts as the plan did, and needs no portal", function()
    local emu <close> = rehearsal.new()
    local before = destroyed(emu)
    assert.same({ "retiring" }, secrets(emu))

    local status, planned = job.plan(emu)
    assert.equal(3, status)
    assert.truthy(step_of(planned, "App registration").items[1].about
      :find("^restored from the deleted ones %(deleted on 20%d%d%-%d%d%-%d%d%)$"))
    assert.equal("update", step_of(planned, "App registration").items[1].action)
    assert.equal("comes back with the application, or is made again",
      step_of(planned, "Service principal").items[1].about)
    assert.truthy(texts(planned, "Client secret"):find("comes back with the application; its consumer still "
      .. "has it, unless it was removed there", 1, true))
    assert.same({ "retiring" }, secrets(emu)) -- a plan changes nothing

    local _, applied = emu:json(words("apply", "--yes"))
    assert.same({ 6, 1 }, { planned.changes.update, planned.changes.create })
    assert.same({ 6, 1 }, { applied.changes.update, applied.changes.create })
    assert.equal("is there again", step_of(applied, "Admin consent").items[1].about)
    local after = assert_exact(emu)
    assert.equal(before.application.appId, after.application.appId)
    assert.equal(before.principals[1].id, after.principals[1].id)
    assert.equal(before.credentials[1].keyId, after.credentials[1].keyId)
    assert.same({ "confirmed" }, secrets(emu))
    assert.equal(0, (verify(emu)))
  end)

  it("does so too where restoring an application brings its service principal, and after a deletion in the portal",
    function()
      local emu <close> = rehearsal.new()
      emu:admin("set_flag", "restore_brings_principal", true)
      must(apply(emu), 0)
      local before = assert_exact(emu)
      emu:control("DELETE", "/graph/v1.0/applications/" .. before.application.id)
      emu:later "60s"
      local _, planned = job.plan(emu)
      local _, applied = emu:json(words("apply", "--yes"))
      assert.same(planned.changes.update, applied.changes.update)
      assert.equal("is there again", step_of(applied, "Admin consent").items[1].about)
      assert.equal(before.roles[1].id, assert_exact(emu).roles[1].id)
      assert.equal(0, (verify(emu)))
    end)

  it("goes on after a stop between restoring it and the next step", function()
    local emu <close> = rehearsal.new()
    destroyed(emu)
    emu:fault "POST /directory/deletedItems/*/restore drop-after"
    emu:fault "GET /directory/deletedItems/microsoft.graph.servicePrincipal 403"
    must(apply(emu), 1)
    assert.equal(1, #truth(emu).applications)
    assert.same({ "retiring" }, secrets(emu))
    must(apply(emu), 0)
    assert_exact(emu)
    assert.same({ "confirmed" }, secrets(emu))
  end)

  it("makes a new secret when the one that came back is due", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    emu:later "140d"
    destroy(emu)
    emu:later "20d"
    local _, planned = job.plan(emu)
    local _, applied = emu:json(words("apply", "--yes"))
    assert.equal(2, applied.changes.create) -- the secret and the entry
    assert.same({ 2, 6 }, { planned.changes.create, planned.changes.update })
    assert.equal(6, applied.changes.update)
    assert.same({ "retiring", "confirmed" }, secrets(emu))
  end)

  it("takes a secret that a person was handed as handed over still, on Cloud", function()
    local emu <close> = rehearsal.new("--devolutions", "cloud")
    must(apply(emu, "--secret-file", emu.place.path .. "/secret"), 1)
    must(emu:run { "handover", "--confirm" }, 0)
    destroy(emu)
    emu:later "60s"
    must(apply(emu), 1) -- the items of Devolutions Cloud wait still
    assert.same({ "confirmed" }, secrets(emu))
  end)

  it("says why not when the journal does not know it, and how to go on without the portal", function()
    local emu <close> = rehearsal.new()
    destroyed(emu)
    assert(sys.remove_tree(emu:state()))
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.err:find("this journal does not know it: restored, it would bring back credentials that "
      .. "nobody here knows", 1, true), outcome.err)
    assert.truthy(outcome.err:find("`moonlatch destroy setup/entra-pam-provider --purge` deletes it for good", 1, true))
    must(emu:run(words("destroy", "--yes", "--purge")), 0)
    emu:later "60s"
    must(apply(emu), 0)
    assert_exact(emu)
  end)
end)

describe("destroy --purge", function()
  it("deletes for good what it deletes, so that apply makes everything new", function()
    local emu <close> = rehearsal.new()
    must(apply(emu), 0)
    local before = assert_exact(emu)
    local shown = emu:talk(words("destroy", "--purge"), { "Remove this from", "y\\n" })
    local all = shown:gsub("\27%[[%d;]*m", ""):gsub("%s+", " ") -- lines are broken to fit, and coloured
    assert.truthy(all:find("- deleted application 'Devolutions PAM' deleted for good: neither it nor its "
      .. "credentials can be restored", 1, true), shown)
    assert.truthy(shown:find("Plan: 9 to remove.", 1, true), shown)
    assert.truthy(all:find("Not done yet, it waits for a person; so far: 9 removed.", 1, true), shown)
    emu:later "60s"
    assert.same({}, emu:graph(BIN))
    assert.same({ "closed" }, secrets(emu))
    apply(emu)
    assert.are_not.equal(before.application.appId, assert_exact(emu).application.appId)
  end)

  it("leaves a provider with the old Client ID: apply and verify tell of it until a person has seen to it", function()
    local emu <close> = rehearsal.new()
    local old = destroyed(emu).application.appId
    destroy(emu, "--purge")
    emu:later "60s"
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(1, status)
    local waiting = document.waiting[1]
    assert.equal(("see to the provider 'Devolutions PAM' in Devolutions Server: it was given the Client ID %s")
      :format(old), waiting.what)
    assert.equal("The application with that Client ID was deleted for good, and another one has its place. Until the "
      .. "provider has the new Client ID and client secret, or is replaced, it resets nothing.", waiting.why)
    assert.equal(("when that is done: moonlatch handover %s --done gone_account"):format(old), waiting.how[3])
    assert.equal(3, (verify(emu)))
    must(emu:run { "handover", old, "--done", "gone_account,gone_provider" }, 0)
    must(apply(emu), 0)
    assert.equal(0, (verify(emu)))
  end)

  it("deletes for good what was destroyed before", function()
    local emu <close> = rehearsal.new()
    destroyed(emu)
    assert.equal(1, #emu:graph(BIN))
    local _, document = emu:json(words("destroy", "--yes", "--purge"))
    assert.equal(1, document.changes.delete)
    emu:later "60s"
    assert.same({}, emu:graph(BIN))
    assert.equal(0, select(2, emu:json(words("destroy", "--yes", "--purge"))).changes.delete)
  end)

  it("is needed to: without it nothing is sent that deletes for good", function()
    local emu <close> = rehearsal.new()
    destroyed(emu)
    for _, request in ipairs(emu:control("GET", "/requests").requests) do
      assert.is_nil(request.method == "DELETE" and request.path and request.path:find("deletedItems", 1, true) or nil)
    end
    local outcome = must(emu:run(words("apply", "--yes", "--purge")), 2)
    assert.truthy(outcome.err:find("it has no argument --purge", 1, true), outcome.err)
  end)
end)
