--- shared: one does it, the others take its outcome.

local fail = require "fail"
local fake = require "fake_door"
local shared = require "task.single_flight"
local task = require "task"

local function run(fn) return fake.run(fake.door(), fake.clock(), fn) end

describe("single_flight.wrap", function()
  it("does it once for all who want it at the same time, and again for who comes later", function()
    local count = 0
    local get = shared.wrap(function()
      count = count + 1
      task.sleep(1)
    end)
    run(function()
      task.map({ 1, 2, 3 }, 3, get)
      assert.equal(1, count)
      get()
      assert.equal(2, count)
    end)
  end)

  it("gives all the same failure", function()
    local get = shared.wrap(function()
      task.sleep(1)
      fail.raise { kind = "auth", what = "try", why = "no" }
    end)
    run(function()
      local outcomes, failures = task.each({ 1, 2 }, 2, get)
      assert.equal(2, failures)
      assert.equal("auth", outcomes[1].result.kind)
      assert.equal(outcomes[1].result, outcomes[2].result)
      assert.is_false(pcall(get))
    end)
  end)

  it("has another do it when the first is cancelled", function()
    local count = 0
    local get = shared.wrap(function()
      count = count + 1
      task.sleep(2)
    end)
    run(function()
      local first, second, third = task.spawn(get), task.spawn(get), task.spawn(get)
      task.sleep(1)
      first:cancel()
      second:wait()
      third:wait()
      assert.equal(2, count)
    end)
  end)
end)
