--- moonlatch status: what the journal and this machine know, without asking the tenant.

local job = require "setup_job"

local must = job.must

describe("moonlatch status", function()
  local emu

  setup(function() emu = job.emulator("cloud") end)
  teardown(function() local _ <close> = emu end)

  local function status(expected)
    local code, document = emu:json { "status" }
    assert.equal(expected, code)
    return document
  end

  it("says that nothing is set up yet, and how to begin", function()
    local outcome = must(emu:run { "status" }, 0)
    assert.matches("\nSet up\n  nothing yet. `moonlatch .*apply setup/entra%-pam%-provider` sets up Devolutions PAM\n",
      outcome.out)
    assert.matches("\nPolicies\n  none ran yet%. `moonlatch .*rotate POLICY` runs one\n", outcome.out)
    assert.matches("\nWaits for a person\n  nothing\n", outcome.out, 1)
    assert.matches("\nThe tenant was not asked: `moonlatch .*doctor` looks at it%.\n$", outcome.out)
  end)

  it("names the hand-over that waits for a person", function()
    must(job.apply(emu), 1)
    local found = status(3)
    assert.equal("Devolutions PAM", found.set_up[1].name)
    assert.equal("to give", found.set_up[1].secret.state)
    assert.matches("the hand%-over of 'Devolutions PAM' has %d+ required items? open", found.waiting[1].what)
    assert.matches("handover", found.waiting[1].fix)
  end)

  it("shows the last run of a policy, when it next has something to do, and what it could not do", function()
    local server <close> = job.emulator("server")
    must(server:run { "rotate", "policies/tier0-users", "--yes" }, 0)
    must(job.apply(server), 1)
    must(server:run { "handover", "--confirm" }, 0)
    assert.matches("client secret …%x+ in use %(known by: .+%); expires in", must(server:run { "status" }, 0).out)
    local code, found = server:json { "status" }
    local run = found.policies[1]
    assert.same({ 0, "policies/tier0-users", 5, 0, false },
      { code, run.policy, run.changed, run.problems, run.failed })
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT", run.next_at)
    assert.same({ 5, 0 }, { found.accounts.count, found.accounts.unfinished })

    server:later "31d"
    server:fault "graph PATCH /users/* 403"
    must(server:run { "rotate", "policies/tier0-users", "--yes" }, 1)
    server:control("DELETE", "/requests")
    local outcome = must(server:run { "status" }, 3)
    assert.matches("policies/tier0%-users +just now +1 problem +0  now\n", outcome.out)
    assert.matches("\n  5 accounts on record, 1 of them unfinished; the oldest password was set 31 days ago\n",
      outcome.out, 1, true)
    assert.matches("\n  ! policies/tier0%-users: the rotation of t0%-[%w]+@contoso%.onmicrosoft%.com failed\n",
      outcome.out)
    assert.equal(0, #server:control("GET", "/requests").requests)
  end)
end)
