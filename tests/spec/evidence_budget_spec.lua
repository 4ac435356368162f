--- The limit of Microsoft's reporting service: five requests in ten seconds, for all sources together.

local budget = require "evidence.budget"
local http = require "http.client"
local task = require "task"
local time = require "time"

describe("the budget of the logs", function()
  local now, door, sent, before

  before_each(function()
    now, door, sent = 1000, {}, {}
    before = { http.door, task.sleep, time.monotonic }
    http.door = function() return door end
    task.sleep = function(seconds) now = now + seconds end
    time.monotonic = function() return now end
  end)

  after_each(function() http.door, task.sleep, time.monotonic = table.unpack(before) end)

  local function send(count)
    for _ = 1, count do
      budget.wait()
      sent[#sent + 1] = now - 1000
    end
  end

  it("lets five requests leave at once, and then five in each ten seconds", function()
    send(12)
    assert.same({ 0, 0, 0, 0, 0, 10, 10, 10, 10, 10, 20, 20 }, sent)
  end)

  it("counts each request for ten seconds from when it left", function()
    for _ = 1, 5 do
      send(1)
      now = now + 3
    end
    send(3)
    assert.same({ 0, 3, 6, 9, 12, 15, 15, 16 }, sent)
    now = now + 100
    send(1)
    assert.equal(116, sent[9])
  end)

  it("is one for each session", function()
    send(5)
    door = {}
    send(1)
    assert.equal(0, sent[6])
  end)

  it("stays with who waits: when the wait is cut short, nothing is counted", function()
    send(5)
    local sleep = task.sleep
    task.sleep = function() error("cut short", 0) end
    assert.is_false(pcall(send, 1))
    task.sleep = sleep
    send(5)
    assert.same({ 10, 10, 10, 10, 10 }, { table.unpack(sent, 6) })
  end)
end)
