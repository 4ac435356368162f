-- takes 9 s: each of eight cases runs the program several times
--- Roles in a tenant that allows no active assignment without end.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local apply, must, step_of, texts, truth, verify, words
  = job.apply, job.must, job.step_of, job.texts, job.truth, job.verify, job.words

local STEP = "Roles and administrators"
local REQUESTS = "/roleManagement/directory/roleAssignmentScheduleRequests"

local function demanding()
  local emu = rehearsal.new()
  emu:admin("set_flag", "pim_only", { "Helpdesk Administrator" })
  return emu
end

-- What was asked of PIM so far, oldest first, and why.
local function asked(emu)
  local actions, last = {}, nil
  for i, request in ipairs(emu:graph(REQUESTS)) do actions[i], last = request.action, request end
  return actions, last
end

describe("a role that may only be held for a while", function()
  it("is assigned for as long as is allowed, extended before its end, and taken back", function()
    local emu <close> = demanding()
    local _, document = job.plan(emu)
    assert.truthy(step_of(document, STEP).items[1].about:find("until [%d-]+, the longest this tenant allows"))
    assert.truthy(texts(document, STEP):find("run apply again in the last 5 days before that", 1, true))

    must(apply(emu), 0)
    local actions, request = asked(emu)
    assert.same({ "adminAssign" }, actions)
    assert.equal("Devolutions PAM resets the passwords of the accounts it manages", request.justification)
    local status
    status, document = verify(emu)
    assert.equal(0, status)
    assert.truthy(step_of(document, STEP).items[1].about:find("^until 20"))

    emu:later "11d"
    status, document = verify(emu)
    assert.equal(3, status)
    assert.equal("update", step_of(document, STEP).items[1].action)
    must(apply(emu), 0)
    assert.same({ "adminAssign", "adminExtend" }, (asked(emu)))
    emu:later "11d"
    assert.equal(1, #truth(emu).roles)
    must(emu:run(words("destroy", "--yes")), 1) -- the provider waits
    assert.same({ "adminAssign", "adminExtend", "adminRemove" }, (asked(emu)))
    assert.equal(0, #truth(emu).applications)
  end)
end)

describe("a role without end", function()
  local JUSTIFICATION = "Devolutions PAM resets the passwords of the accounts it manages"
  local ONLY = "the justification stands in this journal's record only, not in Entra's audit"

  it("is assigned by a request, so that Entra's audit has the justification, and taken back by one", function()
    local emu <close> = rehearsal.new()
    local _, document = job.plan(emu)
    assert.equal("in the whole tenant, by a request to Privileged Identity Management",
      step_of(document, STEP).items[1].about)
    must(apply(emu), 0)
    local actions, request = asked(emu)
    assert.same({ "adminAssign" }, actions)
    assert.same({ JUSTIFICATION, "noExpiration" },
      { request.justification, request.scheduleInfo.expiration.type })
    assert.equal(0, (verify(emu)))
    emu:later "10m"
    must(emu:run(words("destroy", "--yes")), 1) -- the provider waits
    assert.same({ "adminAssign", "adminRemove" }, (asked(emu)))
    assert.equal(0, #truth(emu).applications)
  end)

  for flag, rule in pairs { pim_ticket = "TicketingRule", pim_mfa = "MfaRule" } do
    it("is assigned directly where the tenant's rules refuse a request (" .. rule .. "), which is said", function()
      local emu <close> = rehearsal.new()
      emu:admin("set_flag", flag, { "Helpdesk Administrator" })
      local status, document = emu:json(words("apply", "--yes"))
      assert.equal(0, status)
      local said = texts(document, STEP)
      assert.truthy(said:find("the role 'Helpdesk Administrator' was assigned directly: a request to Privileged "
        .. "Identity Management was refused", 1, true), said)
      assert.truthy(said:find(rule, 1, true), said)
      assert.truthy(said:find(ONLY, 1, true), said)
      assert.same({}, (asked(emu)))
      job.assert_exact(emu)
      must(emu:run(words("destroy", "--yes")), 1) -- the provider waits
      assert.same({}, (asked(emu))) -- it goes as it came
    end)
  end

  it("is assigned directly where a request is denied", function()
    local emu <close> = rehearsal.new()
    emu:fault("graph POST " .. REQUESTS .. " 403 always")
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(0, status)
    assert.truthy(texts(document, STEP):find(ONLY, 1, true))
  end)

  it("waits for the approver where the tenant wants one: an approval is not gone around", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "pim_approval", { "Helpdesk Administrator" })
    local status, document = emu:json(words("apply", "--yes"))
    assert.equal(1, status)
    assert.equal("approve the assignment of the role 'Helpdesk Administrator'", document.waiting[1].what)
    assert.equal(0, #truth(emu).roles)
  end)

  it("is removed directly in its first five minutes, when a request is too early", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "pim_short", true)
    must(apply(emu), 0)
    must(emu:run(words("destroy", "--yes")), 1) -- the provider waits
    assert.same({ "adminAssign" }, (asked(emu)))
    assert.equal(0, #truth(emu).applications)
  end)

  it("has its justification in our record only where there is no P2, which the plan says", function()
    local emu <close> = rehearsal.new()
    emu:admin("set_flag", "premium", false)
    local _, document = job.plan(emu)
    assert.truthy(texts(document, STEP):find("no Entra ID P2 was seen: " .. ONLY, 1, true))
    must(apply(emu), 0)
    emu:admin("set_flag", "premium", true)
    assert.same({}, (asked(emu)))
  end)
end)
