--- progress: what a person is told while a thousand things are done.

local crew = require "task.crew"
local fake = require "fake_door"
local http = require "http.client"
local log = require "log"
local progress = require "graph.progress"
local task = require "task"
local time_clock = require "time.clock"

describe("progress", function()
  local clock, told, say

  before_each(function()
    clock, told, say = fake.clock(), {}, log.progress
    time_clock.use(clock)
    log.progress = function(text) told[#told + 1] = text end
  end)
  after_each(function()
    log.progress = say
    time_clock.use(nil)
    http.use(nil)
  end)

  it("says how much is done, how fast, and how long it will take", function()
    local work = progress.of("reset passwords", 10000)
    assert.equal("reset passwords: 0 of 10,000", work:text())
    for _ = 1, 400 do
      clock:advance(0.05)
      work:step()
    end
    assert.equal("reset passwords: 400 of 10,000, 20.0 a second, 8 minutes left", work:text())
    assert.matches("^reset passwords: %d+ of 10,000, 20%.0 a second, 8 minutes left$", told[#told])
    assert.is_true(#told <= 200)
  end)

  it("says how fast changes may be", function()
    local door = fake.door()
    function door.pace() return 20, 0 end
    http.use(door, fake.acting())
    assert.equal("reset passwords: 0 of 5, changes at most 20.0 a second", progress.of("reset passwords", 5):text())
  end)

  it("follows the rate of the last half minute", function()
    local work = progress.of("read", 100000)
    for _ = 1, 100 do
      clock:advance(1)
      work:step()
    end
    for _ = 1, 4000 do
      clock:advance(0.01)
      work:step()
    end
    assert.equal("read: 4,100 of 100,000, 100 a second, 16 minutes left", work:text())
  end)

  it("does without a total", function()
    local work = progress.of("read users")
    clock:advance(2)
    work:step()
    assert.equal("read users: 1, 0.5 a second", work:text())
  end)

  it("goes on with the items of crew.each", function()
    fake.run(fake.door(), clock, crew.each, { 1, 2, 3 }, 1, function() task.sleep(5) end, {
      progress = progress.of("wait", 3),
    })
    assert.equal("wait: 3 of 3, 0.2 a second, 0 seconds left", told[#told])
  end)
end)
