--- Roles through PIM where an approver is asked, and when their time ran out.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local apply, must, truth, verify, words = job.apply, job.must, job.truth, job.verify, job.words

local REQUESTS = "/roleManagement/directory/roleAssignmentScheduleRequests"
local HELPDESK = "Helpdesk Administrator"

local function demanding()
  local emu = rehearsal.new()
  emu:admin("set_flag", "pim_only", { HELPDESK })
  return emu
end

describe("a role that may only be held for a while", function()
  it("waits for its approver, and is asked for once", function()
    local emu <close> = demanding()
    emu:admin("set_flag", "pim_approval", { HELPDESK })
    for _ = 1, 2 do
      local outcome = must(apply(emu), 1)
      assert.truthy(outcome.out:find("approve the assignment of the role 'Helpdesk Administrator'", 1, true))
    end
    local requests = emu:graph(REQUESTS)
    assert.equal(1, #requests)
    emu:admin("approve_role", requests[1].id)
    must(apply(emu), 0)
    assert.equal(1, #truth(emu).roles)
    assert.equal(0, (verify(emu)))
  end)

  it("is assigned again when it ran out", function()
    local emu <close> = demanding()
    must(apply(emu), 0)
    emu:later "16d"
    assert.equal(0, #truth(emu).roles)
    assert.equal(3, (verify(emu)))
    must(apply(emu), 0)
    assert.equal(1, #truth(emu).roles)
    assert.equal(2, #emu:graph(REQUESTS))
  end)

  it("may be held for hours only", function()
    local emu <close> = demanding()
    emu:admin("set_flag", "pim_longest", "PT8H")
    must(apply(emu), 0)
    assert.equal(0, (verify(emu)))
    emu:later "6h"
    assert.equal(3, (verify(emu)))
    must(apply(emu), 0)
    assert.equal(0, (verify(emu)))
  end)

  it("is left to a person where the policy does not say for how long", function()
    local emu <close> = demanding()
    emu:admin("set_flag", "pim_longest", "soon")
    local outcome = must(apply(emu), 1)
    assert.truthy(outcome.out:find("does not say how long an assignment may last", 1, true))
    assert.equal(0, #emu:graph(REQUESTS))
  end)

  it("cannot be taken back at once, where five minutes have to pass", function()
    local emu <close> = demanding()
    emu:admin("set_flag", "pim_short", true)
    must(apply(emu), 0)
    local outcome = must(emu:run(words("destroy", "--yes")), 1)
    assert.truthy(outcome.err:find("Run the same command again in five minutes.", 1, true))
    emu:later "5m"
    outcome = must(emu:run(words("destroy", "--yes")), 1)
    assert.is_nil(outcome.err:find("error:", 1, true)) -- only the provider waits
    assert.equal(0, #truth(emu).applications)
  end)

  it("is left to somebody else by who may not assign roles", function()
    local emu <close> = demanding()
    emu:control("POST", "/approve", { user = "arno" })
    local outcome = must(apply(emu), 1)
    assert.truthy(
      outcome.out:find("Only a Privileged Role Administrator or a Global Administrator can do it.", 1, true))
    assert.equal(0, #emu:graph(REQUESTS))
  end)
end)
