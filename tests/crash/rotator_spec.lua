-- takes 4 s: the setup that is interrupted makes keys
--- The rotator's setup, killed or left without an answer at each request that changes something.

local rotator = require "crash.rotator"

local function setting(name) return os.getenv("CRASH_" .. name) end

describe("a rotator's setup that is stopped anywhere", function()
  it("ends with one certificate in force, which is the one in its file", function()
    if setting "TARGET" and setting "TARGET" ~= "rotator" then return pending("not asked for") end
    local results = rotator.run {
      stride = tonumber(setting "STRIDE" or 166), seed = tonumber(setting "SEED" or 1),
      tell = setting "TALK" and function(text) io.stderr:write(text, "\n") end or nil,
    }
    local wrong = {}
    for _, result in ipairs(results) do
      if not result.fine then wrong[#wrong + 1] = result.text end
    end
    if setting "TALK" then
      io.stderr:write(("rotator: %d points, %d exact, %d not\n"):format(#results, #results - #wrong, #wrong))
    end
    assert(#results > 0, "no point was played")
    assert.equal("", table.concat(wrong, "\n"))
  end)
end)
