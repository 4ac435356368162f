--- The rules by which a date of the directory shows whether a change is ours, in a model of their own: tests/models/.
--- Every order of our change and somebody else's, clocks apart and bounds that are wrong included.

local json = require "host.json"

local function explored()
  local results = {}
  local pipe <close> = assert(io.popen(("python3 -B '%s/tests/models/directory_clock.py'"):format(SOURCE)))
  for line in pipe:lines() do
    local result = assert(json.decode(line))
    results[result.without == json.null and "none" or result.without] = result
  end
  return results
end

describe("the rules for the directory's clock", function()
  local results = explored()

  it("say nothing that is not so, beyond what no rule excludes, and tell a person of what they overwrote", function()
    local found = results.none
    assert.same({}, { found["false"], found.beyond, found.untold, found.alarm })
    assert.is_true(found.played > 10000 and found.changed > 1000)
    -- What no rule excludes, each kind counted: somebody else's change in the moment of ours, what was accepted and
    -- never applied, and a clock that was set within a day.
    for _, kind in ipairs { "alike", "never_applied", "overwritten", "overwritten_never_applied", "clock_set" } do
      assert.is_true(found[kind] > 0, kind)
    end
  end)

  it("need each of them: without a second request a person is asked for nothing", function()
    assert.is_true(results["second request"].alarm > 0)
  end)

  it("need each of them: old bounds explain somebody else's change", function()
    assert.is_true(results["old bounds are none"]["false"] > 0)
  end)
end)
