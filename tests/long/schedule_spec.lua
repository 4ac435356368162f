-- Thousands of tasks at random, with several seeds, and once below valgrind.

local schedule = require "schedule"
local sys = require "host.sys"

local VALGRIND = "/usr/bin/valgrind"

describe("a random schedule, at length", function()
  for seed = 1, 5 do
    it("accounts for every task: seed " .. seed, function()
      if not schedule.is_possible() then return pending("nginx with its echo module is not installed") end
      local server <close> = schedule.server()
      local count = schedule.run(server, 4000, seed)
      assert.is_true(count.ended > 2000)
    end)
  end

  it("is clean below valgrind", function()
    local launcher = arg[0]
    local there = schedule.is_possible() and sys.stat(VALGRIND)
    if not there then return pending("valgrind or nginx is not installed") end
    if os.getenv("ASAN_OPTIONS") and launcher:find("/asan/", 1, true) then return pending("not below a sanitizer") end
    local command = ("%s -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite '%s' --output=TAP "
      .. "'%s/tests/spec/schedule_spec.lua' 2>&1"):format(VALGRIND, launcher, SOURCE)
    local pipe <close> = assert(io.popen(command))
    local said = pipe:read("a")
    local _, _, status = pipe:close()
    assert.equal(0, status, said)
    assert.matches("ok 1 %- a random schedule", said)
  end)
end)
