-- takes 12 s: each of eleven cases runs the program several times
--- Which client secret Devolutions has, and when that one ends: told by doctor and verify, whatever is newer.

local job = require "setup_job"
local json = require "host.json"
local rehearsal = require "rehearsal"

local MANAGED = "PAM managed service accounts"

local CONSUMERS = {
  { name = "Devolutions Cloud", words = { "--devolutions", "cloud" } },
  { name = "Devolutions Server", words = {}, unlinked = true },
}

local emu

local function apply(...) return job.apply(emu, "--managed", MANAGED, "--lifetime", "180d", ...) end

-- The row that a person has not confirmed yet.
local function waiting_id()
  local _, rows = emu:json { "journal", "list" }
  for _, row in ipairs(rows) do
    if row.state == "stored" or row.state == "handed_over" or row.state == "proven" then return row.id, row.state end
  end
end

-- A person pastes it, as far as this program can know.
local pasted = 0
local function paste(...)
  pasted = pasted + 1
  apply("--secret-file", ("%s/pasted-%d"):format(emu.place.path, pasted), ...)
  job.must(emu:run { "journal", "confirm", (waiting_id()) }, 0)
end

local function finding(name, ...)
  local status, document = emu:json { "doctor", "--managed", MANAGED, ... }
  for _, one in ipairs(document.findings) do
    if one.check == name then return one, status, document end
  end
  error("no finding of " .. name .. ": " .. json.encode(document, true))
end

local function assert_says(text, ...)
  for _, part in ipairs { ... } do assert.truthy(tostring(text):find(part, 1, true), text) end
end

local function verified()
  local outcome = emu:run(job.words("verify", "--managed", MANAGED))
  return outcome.status, outcome.out .. outcome.err
end

for _, consumer in ipairs(CONSUMERS) do
  describe(consumer.name .. ", given a client secret by a person", function()
    before_each(function()
      emu = rehearsal.new("--lag", "0", table.unpack(consumer.words))
      if consumer.unlinked then
        emu:configure(function(text) return (text:gsub("linked = true", "linked = false")) end)
      end
      apply()
      paste()
      emu:later "2m"
    end)

    after_each(function() local _ <close> = emu end)

    it("has it: doctor names it, and verify says whose word that is", function()
      local one = finding "client secret"
      assert.equal("ok", one.verdict, json.encode(one))
      assert_says(one.evidence, "the client secret that " .. consumer.name .. " has, …", "signs the application in")
      local _, text = verified()
      assert_says(text, consumer.name .. " was given …", " (so said ", "it cannot be looked at from here")
    end)

    it("keeps the old one while a new one waits, and its end is what counts", function()
      emu:later "155d"
      apply()
      local one, status = finding "client secret"
      assert.equal("warning", one.verdict, json.encode(one))
      assert_says(one.evidence, consumer.name .. " was given …", "which expires in", "has waited to be pasted since")
      assert.equal(3, status)

      emu:later "30d"
      local dead, broken = finding "client secret"
      assert.equal("broken", dead.verdict, json.encode(dead))
      assert_says(dead.evidence, consumer.name .. " was given …", "which expired", "ago (",
        "; a new one, …", "has waited to be pasted since")
      assert_says(dead.fix, "moonlatch handover")
      assert.equal(1, broken)
      local planned = emu:run { "plan", "policies/pam-provider-secret" }
      assert.equal(3, planned.status, planned.out)
      assert_says(planned.out, consumer.name .. " was given …", "which expired")
      local failed, text = verified()
      assert.equal(1, failed, text)
      assert_says(text, "Out of order: " .. consumer.name .. " was given …", "which expired")

      paste()
      assert.equal("ok", finding("client secret").verdict)
      assert_says(select(2, verified()), " (so said ")
    end)

    it("keeps one that expired when nobody renews it", function()
      emu:later "190d"
      local dead, status = finding "client secret"
      assert.equal("broken", dead.verdict, json.encode(dead))
      assert_says(dead.evidence, consumer.name .. " was given …", "which expired")
      assert.equal("Nobody renewed it in time.", dead.cause)
      assert.equal(1, status)
      local failed, text = verified()
      assert.equal(1, failed, text)
      assert_says(text, "Out of order: ")
    end)
  end)
end

describe("an application that somebody set up by hand", function()
  local app, first, second

  local function add_secret(name, ends)
    return emu:control("POST", ("/graph/v1.0/applications/%s/addPassword"):format(app.id),
      { passwordCredential = { displayName = name, endDateTime = ends } })
  end

  before_each(function()
    emu = rehearsal.new("--lag", "0", table.unpack(CONSUMERS[1].words))
    app = emu:control("POST", "/graph/v1.0/applications", { displayName = "PAM by hand" })
    emu:control("POST", "/graph/v1.0/servicePrincipals", { appId = app.appId })
    first, second = add_secret("PAM", "2027-06-01T00:00:00Z"), add_secret("other", "2027-12-01T00:00:00Z")
  end)

  after_each(function() local _ <close> = emu end)

  it("is asked about: which of its client secrets Devolutions has", function()
    local outcome = emu:run(job.words("plan", "--client-id", app.appId))
    assert_says(outcome.out, "has client secrets that were not made here", "--in-use SECRET-ID",
      "'PAM', Secret ID " .. first.keyId, "'other', Secret ID " .. second.keyId)
  end)

  it("goes on with the one that was said, until that is due", function()
    apply("--client-id", app.appId, "--in-use", first.keyId)
    assert.equal(2, #emu:graph("/applications/" .. app.id).passwordCredentials, "none was made")
    local told = finding("client secret", "--client-id", app.appId)
    assert.equal("unknown", told.verdict, json.encode(told))
    assert_says(told.evidence, "Devolutions Cloud was given …" .. first.keyId:sub(-4), "Entra lists it",
      "no sign-in with it was tried")
    local checked = emu:run(job.words("verify", "--managed", MANAGED, "--client-id", app.appId))
    assert.equal(3, checked.status, checked.out)
    assert_says(checked.out, "? the journal does not have its value, so no sign-in with it was tried")
    apply("--client-id", app.appId)
    assert.equal(2, #emu:graph("/applications/" .. app.id).passwordCredentials, "none was made")

    emu:later "160d" -- it ends in less than thirty days
    apply("--client-id", app.appId)
    assert.equal(3, #emu:graph("/applications/" .. app.id).passwordCredentials, "the next one was made")
    paste("--client-id", app.appId)
    emu:later "8d"
    local outcome = apply("--client-id", app.appId)
    assert.equal(3, #emu:graph("/applications/" .. app.id).passwordCredentials, "a person's goes by a person's word")
    assert_says(outcome.out, "moonlatch journal retire " .. first.keyId)
  end)

  it("says when the one that Devolutions has was removed", function()
    apply("--client-id", app.appId, "--in-use", first.keyId)
    emu:control("POST", ("/graph/v1.0/applications/%s/removePassword"):format(app.id), { keyId = first.keyId })
    emu:later "2m"
    local told, status = finding("client secret", "--client-id", app.appId)
    assert.equal("broken", told.verdict)
    assert_says(told.evidence, "which Entra does not list")
    assert.equal(1, status)
  end)

  it("has a new one made where none of them is in use", function()
    apply("--client-id", app.appId, "--in-use", "none")
    assert.equal(3, #emu:graph("/applications/" .. app.id).passwordCredentials)
  end)

  it("refuses a Secret ID that is none of its own", function()
    local wrong = "11111111-2222-3333-4444-555555555555"
    local outcome = job.must(apply("--client-id", app.appId, "--in-use", wrong), 1)
    assert_says(outcome.err, ("take %s for the client secret that Devolutions has"):format(wrong),
      "has no client secret with that Secret ID", first.keyId)
  end)
end)
