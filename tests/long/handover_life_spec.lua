--- A client secret in the hands of Devolutions, for its whole life: the service that uses it resets passwords before it
--- ends, fails afterwards, and heals when the new one is handed over; doctor and verify say so meanwhile.

local job = require "setup_job"
local json = require "host.json"

local emu

local function apply(...) return job.apply(emu, "--managed", job.MANAGED, "--lifetime", "180d", ...) end

local function finding(name)
  local status, document = emu:json { "doctor", "--managed", job.MANAGED }
  for _, one in ipairs(document.findings) do
    if one.check == name then return one, status end
  end
  error("no finding of " .. name .. ": " .. json.encode(document, true))
end

local function assert_says(text, ...)
  for _, part in ipairs { ... } do assert.truthy(tostring(text):find(part, 1, true), text) end
end

-- Doctor and verify name the dead secret, first of all, and fail.
local function assert_dead(short, ...)
  local dead, status = finding "client secret"
  assert.equal("broken", dead.verdict, json.encode(dead))
  assert.equal(1, status)
  local who = emu.edition == "cloud" and "Devolutions Cloud" or "Devolutions Server"
  assert_says(dead.evidence, who .. " was given " .. short .. ", which expired", ...)
  local outcome = job.must(emu:run(job.words("verify", "--managed", job.MANAGED)), 1)
  assert_says(outcome.out, "Out of order: " .. who .. " was given " .. short .. ", which expired", ...)
  return dead
end

local function held() return job.devolutions(emu).providers[1].secret end

local function outcomes()
  local list = {}
  for i, task in ipairs(job.devolutions(emu).tasks) do list[i] = task.status end
  return list
end

for _, edition in ipairs { "cloud", "server" } do
  describe("A client secret that a person brings to Devolutions, " .. edition .. ",", function()
    before_each(function()
      emu = job.emulator(edition)
      job.prepare(emu)
      job.must(apply(), 1) -- it waits for a person
      job.hand_over(emu)
      job.manage(emu, "30d")
    end)

    after_each(function() local _ <close> = emu end)

    it("resets passwords, expires though a new one was made in time, and heals when that one is pasted", function()
      assert.equal("Completed", job.reset(emu).status)
      assert.equal("in force", held().state)
      local first = held().short
      emu:later "155d"
      apply()
      assert.equal("Completed", job.reset(emu).status) -- with the one it has
      assert_says(finding("client secret").evidence, "was given " .. first .. ", which expires in",
        "has waited to be pasted since")

      emu:later "30d"
      assert_says(assert_dead(first, "has waited to be pasted since").fix, "moonlatch handover")
      local task = job.reset(emu)
      assert.equal("Failed", task.status)
      assert_says(task.message, "AADSTS7000222")
      assert.equal("expired", held().state)

      job.hand_over(emu)
      assert.equal("in force", held().state)
      assert.are_not.equal(first, held().short)
      assert.equal("Completed", job.reset(emu).status)
      local one = finding "client secret"
      assert.equal("ok", one.verdict, json.encode(one))
      assert_says(one.evidence, held().short)
    end)

    it("keeps the old one with --old-now until somebody said that the new one is in use", function()
      local first = held().key
      job.must(apply("--renew", "--old-now"), 1)
      local value = job.receive(emu) -- on a desk, and not pasted yet
      assert_says(apply("--old-now").err, "nothing is removed before somebody confirmed that the new one is in use")
      assert.equal("in force", held().state)
      job.paste(emu, value)
      job.must(emu:run { "handover", "--confirm" }, 0)
      local replaced = apply()
      assert_says(replaced.out, "was replaced and is retired on")
      job.must(emu:run { "journal", "retire", first, "--yes" }, 0) -- as apply --renew says, of one that leaked
      assert.same({ held().key }, { job.truth(emu).credentials[1].keyId, job.truth(emu).credentials[2] })
    end)

    it("is known again when the new one was confirmed by mistake, and the old one removed since", function()
      local first = held().short
      job.must(apply("--renew"), 1)
      job.receive(emu)
      job.must(emu:run { "handover", "--confirm" }, 0) -- it was not pasted
      emu:later "8d"
      apply()
      assert.equal("invalid", held().state)
      job.must(emu:run { "handover", "--undo", "provider" }, 0)
      local lost, status = finding "client secret"
      assert.equal("broken", lost.verdict, json.encode(lost))
      assert_says(lost.evidence, "was given " .. first .. ", which Entra does not list")
      assert_says(lost.cause, "This installation closed it: replaced, and its grace ended on")
      assert_says(lost.fix, "moonlatch handover shows the new one once")
      assert.equal(1, status)
      job.hand_over(emu)
      assert.equal("ok", finding("client secret").verdict)
    end)

    it("is asked for anew when the application was removed for good, and what it left is cleared away", function()
      job.must(emu:run(job.words("destroy", "--purge", "--yes")), 1)
      local _, left = emu:json { "handover" }
      for _, item in ipairs(left.handovers[1].items) do emu:run { "handover", "--done", item.key } end
      job.must(apply(), 1)
      local one, status = finding "hand-over"
      assert.equal("warning", one.verdict, json.encode(one))
      assert_says(one.evidence, emu.edition == "cloud" and "waits to be given to somebody" or "was given to somebody",
        "nobody said that it is in use")
      assert.equal(3, status)
    end)

    it("works on its own rhythm until nobody renews it, and heals after the next apply and hand-over", function()
      emu:later "190d"
      assert.same({ "Completed", "Completed", "Completed", "Completed", "Completed", "Failed" }, outcomes())
      assert.equal("Nobody renewed it in time.", assert_dead(held().short).cause)
      job.must(apply(), 1)
      job.hand_over(emu)
      emu:later "30d"
      assert.equal("Completed", outcomes()[7])
      assert.equal("ok", finding("client secret").verdict)
    end)

    it("is used by Devolutions, and that is on record apart from what Moonlatch tried itself", function()
      emu:later "31d"
      local from_there, address = {}, edition == "cloud" and "203.0.113.88" or "203.0.113.90"
      for _, one in ipairs(emu:control("GET", "/sign-ins").sign_ins) do
        if one.ipAddress == address then from_there[#from_there + 1] = one.servicePrincipalCredentialKeyId end
      end
      assert.same({ held().key }, from_there)
      local resets = {}
      for _, audit in ipairs(emu:control("GET", "/audits").audits) do
        if audit.activityDisplayName == "Reset user password" then resets[#resets + 1] = audit end
      end
      assert.equal(1, #resets)
      assert.equal(job.ACCOUNT, resets[1].targetResources[1].userPrincipalName)
    end)
  end)
end
