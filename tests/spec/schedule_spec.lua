-- Tasks and transfers at random, over a real network (tests/schedule.lua). The long run is tests/long/schedule_spec.

local schedule = require "schedule"

describe("a random schedule", function()
  it("accounts for every task and leaves nothing behind", function()
    if not schedule.is_possible() then return pending("nginx with its echo module is not installed") end
    local server <close> = schedule.server()
    local count = schedule.run(server, 400, 7)
    assert.is_true(count.begun > 350)
    assert.is_true(count.cancelled > 0 and count.failed > 0 and count.ended > 200)
    assert.is_true(count.answers > 400)
    assert.is_true((count.failures.timeout or 0) > 0)
    assert.is_true((count.failures.cut or 0) > 0)
  end)
end)
