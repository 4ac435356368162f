-- takes 11 s: runs the program for months of two worlds
--- Months of a person and Devolutions, some of them unwise: two short ones. Those of ./dev fate are longer.

local fate = require "fate"

describe("in a world where anybody may do anything", function()
  it("no peace is false, nothing in use is removed, and there is a way back", function()
    assert.same({}, fate.problems("--seed 3 --seeds 2 --acts 7"))
  end)
end)
