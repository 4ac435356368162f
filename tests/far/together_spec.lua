-- takes 25 s: programs rotate side by side in real time
--- Several who rotate at once, before a far side that shares nothing with the emulator:
--- real processes in real time. tests/far/together.py has the plays, and storm.py and worlds.py
--- beside it; here is one round of some, tests/long/far_spec.lua has them all.

local json = require "host.json"

local ROUNDS, SIDE_BY_SIDE = ...
ROUNDS = math.type(ROUNDS) == "integer" and ROUNDS or 1

local SETUPS = { steps = 190, late_steps = 44, steps_behind = 60, steps_alone = 60, renewals = 50, crossed = 900 }

local function measure(play, rounds)
  local pipe <close> = assert(io.popen(("python3 -B '%s/tests/far/cases.py' measure %s %d %d"):format(SOURCE, play,
    rounds, SIDE_BY_SIDE or 1)))
  local sums = assert(json.decode((pipe:read "a")))
  assert.same({}, sums.strange)
  return sums
end

describe("several who rotate at once", function()
  it("change each account once, and lose none", function()
    local sums = measure("together", ROUNDS)
    assert.same({}, sums.problems)
    assert.is_true(sums.once >= 0.9 * sums.accounts, ("%d of %d changed once"):format(sums.once, sums.accounts))
  end)

  for _, play in ipairs(ROUNDS > 1 and { "behind", "alone", "killed", "storm" } or { "killed" }) do
    it("lose none: " .. play, function()
      assert.same({}, measure(play, ROUNDS).problems)
    end)
  end

  it("report whom a rotator of another kind touched", function()
    assert.same({}, measure("rotators", ROUNDS).problems)
  end)

  it("lose none, and say nothing that is not so, in random worlds", function()
    assert.same({}, measure("worlds", 2 * ROUNDS).problems)
  end)

  it("set up one application and one entry", function()
    assert.same({}, measure("setups", math.min(ROUNDS, 6)).problems)
  end)

  -- Each seed holds the first machine at another of its requests, before it is carried out or after.
  for play, seeds in pairs(ROUNDS > 1 and SETUPS or { late_steps = 9 }) do
    it("never both say that they stored a client secret: " .. play, function()
      assert.same({}, measure(play, seeds).problems)
    end)
  end
end)
