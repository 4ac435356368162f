--- Random worlds: whatever happens in them, nothing is lost. A failing seed plays
--- again exactly: ./dev simulate --seed SEED

local function setting(name) return os.getenv("SIMULATE_" .. name) end

local stage = require "stage"
local world = require "simulate.world"

local first, count = tonumber(setting "FROM" or 1), tonumber(setting "SEEDS" or 50)
local talks = setting "TALK" ~= nil

local function play(seed)
  local ears <close> = stage.ears()
  assert(ears)
  return world.play(seed)
end

local function tell(seed, lines)
  if talks then io.stderr:write(("seed %d\n%s\n"):format(seed, table.concat(lines, "\n"))) end
end

describe("in random worlds", function()
  local first_lines

  collectgarbage "generational" -- a fifth less time

  it("no credential is lost, set to an old value, stuck, or said to be changed when it is not", function()
    local bad = {}
    for seed = first, first + count - 1 do
      local complaints, lines = play(seed)
      tell(seed, lines)
      first_lines = first_lines or lines
      for _, text in ipairs(complaints) do
        bad[#bad + 1] = ("seed %d: %s"):format(seed, text)
        if setting "SEEDS" then io.stderr:write(bad[#bad], "\n") end
      end
    end
    assert.equal("", table.concat(bad, "\n"))
  end)

  it("the same happens again with the same seed", function()
    local _, again = play(first)
    assert.same(first_lines, again)
  end)
end)
