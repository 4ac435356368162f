local moonlatch = require "moonlatch"
local sys = require "host.sys"

describe("the library", function()
  it("is found by require in the source tree", function()
    assert.is_function(require("command.main").main)
  end)

  it("is compiled in the program, and tracebacks name the lines of its source all the same", function()
    local place <close> = moonlatch.place()
    local err = place:run({ "-e", "require('time').iso('x')", "--verbose" }).err
    local place_of = tonumber(err:match "\n\tstdlib/time%.lua:(%d+): in function 'time%.iso'\n")
    assert.truthy(place_of, err)
    local line = 0
    for text in sys.embedded("stdlib/time.lua"):gmatch "(.-)\n" do
      line = line + 1
      if line == place_of then assert.matches("time // 1", text) end
    end
  end)
end)
