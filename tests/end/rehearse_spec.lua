--- A policy from `moonlatch new` to its rehearsal, as a person does it.

local json = require "host.json"
local moonlatch = require "moonlatch"

local function holds(document, text)
  for _, verdict in ipairs(document.expectations) do
    if verdict.what:find(text, 1, true) then return verdict.holds, verdict.why end
  end
  error("no such expectation: " .. text)
end

local function told(document, text)
  for _, line in ipairs(document.story) do
    if line.text:find(text, 1, true) then return true end
  end
  return false
end

describe("a new policy", function()
  it("is written with a test beside it, never over something, and is rehearsed as it stands", function()
    local place <close> = moonlatch.place()
    local outcome = place:run { "new", "policy", "monthly" }
    assert.equal(0, outcome.status, outcome.err)
    assert.truthy(outcome.out:find("/policies/monthly.lua: the policy; edit it.\n", 1, true), outcome.out)
    assert.equal(1, place:run({ "new", "policy", "monthly" }).status)
    assert.equal(2, place:run({ "new", "policy", "../out" }).status)
    outcome = place:run { "rehearse", "policies/monthly", "--over", "35d", "--json" }
    local document = assert(json.decode(outcome.out), outcome.err)
    assert.same({ 1, 5, 2 }, { outcome.status, #document.accounts, document.faults[1].hits })
    assert.is_true(told(document, "the answers to two changes are lost"))
    assert.is_true((holds(document, "a stored value was in force")))
    assert.is_true((holds(document, "in the end nobody has failed")))
    local twelve, why = holds(document, "twelve times at least") -- in 35 days nobody is
    assert.is_false(twelve)
    assert.truthy(why:find("@contoso.onmicrosoft.com: 2", 1, true), why)
  end)

  it("may name what the emulator does not have, and is told what a colleague did", function()
    local place <close> = moonlatch.place()
    local path = place:write("own.lua", [[
      local policy = require "policy"
      return policy {
        summary = "Ours", select = policy.users { group = "Our admins" } + policy.users { upn = "ops@contoso.example" }
          + policy.users { where = { department = "Ours" } },
        every = "7d", limits = { max_changes = 2, canary = 0 }, window = "02:00-04:00 Europe/Berlin",
        sink = policy.devolutions.server { vault = "Our vault" },
      }]])
    place:write("own_test.lua", [[
      local rehearse = require "rehearse"
      return rehearse {
        summary = "Ten days", policy = "./own.lua", over = "10d", late = "3d",
        events = { { at = "4d", what = "a colleague", act = function(tenant) tenant.change_password "t0-anna" end } },
      }]])
    local outcome = place:run { "rehearse", path }
    assert.equal(1, outcome.status, outcome.err)
    for _, text in ipairs {
      "the emulator gets the vault 'Our vault'", "the emulator gets the group 'Our admins'",
      "the emulator gets the person 'ops@contoso.example'",
      "the emulator gets the people with 'department'", "t0-anna stopped: somebody else changed the password",
      "ok  no run changes more than 2", "ok  nothing is changed outside the window",
      "NOT in the end nobody has failed, is refused or stopped, or waits for a person: t0-anna (stopped)",
    } do
      assert.truthy(outcome.out:find(text, 1, true), text .. "\n" .. outcome.out)
    end
  end)

  it("may name an application by its client id, which the emulator then gets", function()
    local place <close> = moonlatch.place()
    local path = place:write("one.lua", [[
      local policy = require "policy"
      return policy {
        summary = "One", select = policy.applications { client_id = "95025D4A-1ddd-4f7f-92f1-7b80d1902f37" },
        every = "2d", lifetime = "9d", grace = "1d", limits = { max_changes = 1 },
        sink = policy.devolutions.server { path = "Entra\\One" },
      }]])
    local outcome = place:run { "rehearse", path, "--over", "5d" }
    assert.equal(0, outcome.status, outcome.out .. outcome.err)
    assert.truthy(outcome.out:find("the emulator gets the application '95025D4A-1ddd-4f7f-92f1-7b80d1902f37'", 1, true))
    assert.truthy(outcome.out:find("%-7b80d1902f37  3 changes, 2 days apart"), outcome.out)
  end)

  it("is what is rehearsed, on an emulator of its own", function()
    local place <close> = moonlatch.place()
    local outcome = place:run { "rehearse", "setup/entra-pam-provider" }
    assert.equal("error: rehearse setup/entra-pam-provider\n  why: it is neither a policy nor the test of one\n"
      .. "  fix: To try it on an emulator: moonlatch apply setup/entra-pam-provider --emulator\n", outcome.err)
    local path = place:write("one.lua", [[
      local policy = require "policy"
      return policy {
        summary = "One", select = policy.applications { client_id = "95025D4A-1ddd-4f7f-92f1-7b80d1902f37" },
        every = "2d", lifetime = "9d", grace = "1d", sink = policy.sink("sinks/vault"),
      }]])
    outcome = place:run { "rehearse", path }
    assert.equal(("error: rehearse %s\n  why: its sink sinks/vault calls the peer 'vault', and a rehearsal has an "
      .. "emulator of Entra and Devolutions only\n  fix: Try the sink by itself: `moonlatch rehearse sink "
      .. "sinks/vault`. To rehearse the policy, name another sink in it meanwhile, such as "
      .. "policy.devolutions.server {}.\n")
      :format(path), outcome.err)
    outcome = place:run { "rehearse", "policies/tier0-users", "--fault", "nonsense" }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("a rule reads [PEER] METHOD /PATH KIND", 1, true), outcome.err)
    assert.equal(2, place:run({ "rehearse", "policies/tier0-users", "--config", "x.lua" }).status)
  end)
end)
