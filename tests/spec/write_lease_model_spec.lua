--- The rules by which machines store a client secret in one entry, in a model of their own: tests/models/.
--- Two machines, every order of their steps; deaths, late writes and old listings included.

local json = require "host.json"

local RUNS = ...
RUNS = math.type(RUNS) == "integer" and RUNS or 1

local function explored()
  local results = {}
  local pipe <close> = assert(io.popen(("python3 -B '%s/tests/models/write_lease.py' 2 %d"):format(SOURCE, RUNS)))
  for line in pipe:lines() do
    local result = assert(json.decode(line))
    results[result.without == json.null and "none" or result.without] = result
  end
  return results
end

describe("the rules for storing a client secret", function()
  local results = explored()

  it("let nobody say what is not so, remove what is in the entry, or wait for ever", function()
    assert.equal(json.null, results.none.found)
    assert.is_true(results.none.states > 1000)
  end)

  for _, rule in ipairs { "lease", "look again", "own listed", "wait for all", "keep lease of unknown", "hold" } do
    it("need each of them: " .. rule, function()
      assert.is_string(results[rule].found)
    end)
  end
end)
