-- takes 15 s: runs the program again after each of some hundred interruptions
--- Killed, or left without an answer, at every request: the same command again,
--- and all is exactly as if nothing had happened. `./dev crash` plays every point.

local scene = require "crash.scene"
local sweep = require "crash.sweep"

local function setting(name) return os.getenv("CRASH_" .. name) end

local talks = setting "TALK" ~= nil

local options = {
  stride = tonumber(setting "STRIDE" or 503), seed = tonumber(setting "SEED" or 1),
  lanes = tonumber(setting "LANES" or 4), act = setting "ACT", blow = setting "BLOW", at = tonumber(setting "AT"),
  tell = talks and function(text) io.stderr:write(text, "\n") end or nil,
}

describe("what is stopped anywhere and run again", function()
  local results, few

  setup(function()
    results, few = sweep.run(options)
  end)

  local function of(act)
    local found = {}
    for _, result in ipairs(results) do
      if result.act == act then found[#found + 1] = result end
    end
    return found
  end

  for _, act in ipairs(scene.ACTS) do
    if not options.act or options.act == act.name then
      it("ends exactly where it was to: " .. act.name, function()
        local played = of(act.name)
        assert(#played > 0, "no point was played")
        assert.equal("", sweep.complaints(played))
      end)
    end
  end

  it("gets as far as that", function()
    assert(#results >= few, ("%d points were met, which is too few"):format(#results))
  end)

  teardown(function()
    if talks and results then io.stderr:write(sweep.line("crash", results), "\n") end
  end)
end)
