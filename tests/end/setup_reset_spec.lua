--- What only a real reset can show: --prove-on.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local apply, must, plan, step_of, texts, verify = job.apply, job.must, job.plan, job.step_of, job.texts, job.verify

local CHEN = "t0-chen@contoso.onmicrosoft.com"

local function changed(emu)
  return emu:graph(("/users/%s?$select=lastPasswordChangeDateTime"):format(CHEN)).lastPasswordChangeDateTime
end

-- Who asked for the passwords that were set.
local function resets(emu)
  local list = {}
  for _, request in ipairs(emu:control("GET", "/requests").requests) do
    if request.method == "PATCH" and request.path:find("/users/", 1, true) then list[#list + 1] = request end
  end
  return list
end

describe("a reset that proves the application", function()
  it("is announced, done once with the new secret, and told for what it shows", function()
    local emu <close> = rehearsal.new()
    local before = changed(emu)
    local status, document = plan(emu, "--prove-on", CHEN)
    assert.equal(3, status)
    assert.equal(10, document.changes.create)
    local warned = texts(document, "Proof")
    assert.truthy(warned:find("will really be set, once, to a random value that nobody keeps", 1, true))
    assert.equal(before, changed(emu))

    local outcome = must(apply(emu, "--prove-on", CHEN), 0)
    assert.truthy(outcome.out:find("shown: with this secret the application set the password of " .. CHEN
      .. " (no admin role); Entra shows the change at ", 1, true))
    assert.are_not.equal(before, changed(emu))
    before = changed(emu)
    status, document = verify(emu, "--prove-on", CHEN)
    assert.equal(0, status)
    assert.truthy(step_of(document, "Proof").items[2].about:find("by the application, on 20", 1, true))
    must(apply(emu, "--prove-on", CHEN), 0)
    assert.equal(before, changed(emu))
    assert.equal(1, #resets(emu))
  end)

  it("is refused for whom it would show nothing, or harm", function()
    local emu <close> = rehearsal.new()
    for name, why in pairs {
      sven = "its password is kept on-premises (synced account)",
      adele = "it is the account that runs this",
      ["gail_fabrikam.com#EXT#"] = "it is a guest: its password is kept elsewhere",
      ["t0-anna"] = "the application's roles (Helpdesk Administrator) do not reach it: User Administrator (active)",
    } do
      local outcome = must(emu:run(job.words("plan", "--prove-on", name .. "@contoso.onmicrosoft.com")), 1)
      assert.truthy(outcome.err:find(why, 1, true), outcome.err)
    end
  end)
end)
