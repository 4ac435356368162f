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
    assert.truthy(texts(document, STEP):find("run apply again before, from 5 days to its end on", 1, true))

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
    must(emu:run(words("destroy", "--yes")), 0)
    assert.same({ "adminAssign", "adminExtend", "adminRemove" }, (asked(emu)))
    assert.equal(0, #truth(emu).applications)
  end)
end)
