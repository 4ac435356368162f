--- Random worlds in which a client secret is renewed (tests/models/evidence), judged by the real rules: no secret is
--- removed that somebody would have used again, and each rule is needed.

local play = require "models.evidence.play"
local rules = require "evidence.rules"
local worlds = require "models.evidence.world"

local SEEDS = ...
SEEDS = math.type(SEEDS) == "integer" and SEEDS or 3 * #worlds.HONEST

local LOSSES = SEEDS < 200 and { 0.002 } or { 0, 0.002, 0.05, 0.5 }
local SLOW = { "slower than declared" }

-- What each rule is needed for. Two have no line. "grace" is what the policy says: a person may want more time than the
-- rules. "holes" are what "covered" reads.
---@type { without: string[], kinds: string[], of: "harm"|"lies" }[]
local NEEDED = {
  { without = { "rhythm" }, kinds = { "undeclared" }, of = "harm" },
  { without = { "silence" }, kinds = { "blocked" }, of = "harm" },
  { without = { "people" }, kinds = { "people" }, of = "harm" },
  { without = { "proven" }, kinds = { "rolled back" }, of = "harm" },
  { without = { "failures" }, kinds = { "blocked" }, of = "harm" },
  { without = { "own old" }, kinds = { "monitored" }, of = "harm" },
  { without = { "tenants" }, kinds = { "other tenants" }, of = "harm" },
  { without = { "kept" }, kinds = { "vanishing" }, of = "harm" },
  { without = { "own sign-ins" }, kinds = { "deleted" }, of = "harm" },
  { without = { "ours" }, kinds = { "shared" }, of = "lies" },
  { without = { "tells ours" }, kinds = { "clock apart" }, of = "lies" },
  { without = { "address" }, kinds = { "tried elsewhere" }, of = "lies" },
  { without = { "settled" }, kinds = { "tested" }, of = "lies" },
  -- Each of these two covers for the other one.
  { without = { "own sign-ins", "covered" }, kinds = { "silent log" }, of = "harm" },
  { without = { "own sign-ins", "covered" }, kinds = { "not read" }, of = "harm" },
  -- Worlds with harm that no rule excludes: these rules make it rarer.
  { without = { "addresses" }, kinds = SLOW, of = "harm" },
  { without = { "in use" }, kinds = SLOW, of = "harm" },
  { without = { "two days" }, kinds = SLOW, of = "lies" },
  { without = { "people report" }, kinds = { "people not registered" }, of = "harm" },
}

local EACH = 14 -- seeds

describe("the rules for evidence", function()
  for _, loss in ipairs(LOSSES) do
    it(("remove no secret that is used again, where the log loses %.1f %%"):format(100 * loss), function()
      local sums = play.sum(1, SEEDS, worlds.HONEST, loss)
      assert.equal(SEEDS, sums.played)
      assert.same({ harm = 0, seeds = "" }, { harm = sums.harm, seeds = table.concat(sums.harmful, " ") })
      assert.is_true(sums.lies <= SEEDS / 100, ("%d of %d said to be in use are not"):format(sums.lies, sums.in_use))
      assert.is_true(loss > 0.01 or sums.removed > SEEDS / 12, sums.removed .. " were removed: that tells little")
      if loss == 0.5 then assert.equal(0, sums.removed) end
    end)
  end

  for _, one in ipairs(NEEDED) do
    it(("need each of them: without %s"):format(table.concat(one.without, " and ")), function()
      local with = play.sum(1, EACH, one.kinds, 0.002)
      local without = play.sum(1, EACH, one.kinds, 0.002, one.without)
      assert(without[one.of] > with[one.of], ("%d with it, %d without"):format(with[one.of], without[one.of]))
    end)
  end

  it("need more silence than two rhythms: late events and outages", function()
    local silence = rules.silence
    rules.silence = function(rhythm) return 2 * rhythm end
    local ok, sums = pcall(play.sum, 1, EACH, { "forgotten", "blocked", "monitored" }, 0.002)
    rules.silence = silence
    assert.is_true(ok and sums.harm > 0)
  end)
end)
