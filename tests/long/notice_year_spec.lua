-- takes 300 s: a year of daily looks by the built program
--- A year of notices on the emulator's clock, before receivers that are down, err or answer late. What has to be told
--- is computed by tests/notice/year.py from the world alone.

local json = require "host.json"
local moonlatch = require "moonlatch"

local function play(days, hours)
  local place <close> = moonlatch.place()
  local pipe <close> = assert(io.popen(("python3 -B '%s/tests/notice/year.py' '%s' %d %d"):format(SOURCE, place.path,
    days, hours)))
  local text = pipe:read "a"
  return assert(json.decode(text), text)
end

it("a year of notices tells each date at each span, once, and what is resolved", function()
  local found = play(365, 24)
  assert.same({}, found.problems)
  local counts = json.encode(found)
  assert.is_true(found.expected >= 30 and found.things >= 10, counts)
  assert.is_true(found.told >= 20 and found.resolved >= 8, counts)
  assert.is_true(found.items.delivery > 0, counts) -- the others were told of the receivers that were down
end)
