--- Months of a person and Devolutions in random worlds, of each kind, and those that an earlier version failed in.

local fate = require "fate"

describe("in worlds where anybody may do anything for months", function()
  for _, seeds in ipairs { "--seed 200 --seeds 5 --acts 20", "--seed 205 --seeds 4 --acts 20" } do
    it("no peace is false, nothing in use is removed, and there is a way back: " .. seeds, function()
      assert.same({}, fate.problems(seeds))
    end)
  end
end)
