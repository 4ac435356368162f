local fail = require "fail"
local sys = require "host.sys"
local time = require "time"
local time_clock = require "time.clock"

describe("time", function()
  it("writes and reads moments as Graph does", function()
    assert.equal("2026-11-23T05:00:00Z", time.iso(1795410000))
    assert.equal("2026-11-23T05:00:00Z", time.iso(1795410000.9))
    assert.equal("2026-11-23", time.day(1795410000))
    assert.equal(1795410000, time.parse "2026-11-23T05:00:00Z")
    assert.equal(1795410000.25, time.parse "2026-11-23T05:00:00.2500000Z")
    assert.equal(1795410000, time.parse "2026-11-23T00:00:00-05:00")
    assert.equal(1795410000, time.parse "2026-11-23T10:30:00+05:30")
    assert.equal("2024-02-29T23:59:59Z", time.iso(time.parse "2024-02-29T23:59:59Z"))
    assert.equal("0001-01-01T00:00:00Z", time.iso(time.parse "0001-01-01T00:00:00Z"))
  end)

  it("refuses what is no moment, saying the form", function()
    for _, text in ipairs {
      "", "tomorrow", "2026-11-23", "2026-11-23T05:00:00", "2026-11-23T05:00:00+0500", "2026-11-23T05:00:00.5.5Z",
    } do
      local _, err = pcall(time.parse, text)
      assert.is_true(fail.is(err, "usage"), text)
      assert.equal(('read the time "%s": it is not of the form 2026-11-23T05:00:00Z\nWrite it as 2026-11-23T05:00:00Z.')
        :format(text), tostring(err))
    end
    for _, text in ipairs { "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z" } do
      local _, err = pcall(time.parse, text)
      assert.equal(('read the time "%s": there is no such moment\nWrite it as 2026-11-23T05:00:00Z.'):format(text),
        tostring(err))
    end
  end)

  it("reads durations", function()
    assert.equal(180 * 86400, time.duration "180d")
    assert.equal(7 * 86400 + 12 * 3600, time.duration "7d12h")
    assert.equal(1800, time.duration "30m")
    assert.equal(45, time.duration "45s")
    assert.equal(1209600, time.duration "2w")
    assert.equal(12, time.duration(12))
    assert.equal("integer", math.type(time.duration "1h"))
    for _, text in ipairs { "", "d", "30", "30 d", "d30", "1h-2m", "3y", -1 } do
      local _, err = pcall(time.duration, text)
      assert.is_true(fail.is(err, "usage"), text)
      assert.matches("it is not of the form 180d, 7d12h, 30m or 45s", tostring(err), 1, true)
    end
  end)

  it("says spans as a person would", function()
    local said = {}
    for _, seconds in ipairs { 0, 1, 59, 60, 90, 3600, 7200, 86400, 1e5, 30 * 86400, 180 * 86400 - 1 } do
      said[#said + 1] = time.span(seconds)
    end
    assert.equal("0 seconds, 1 second, 59 seconds, 1 minute, 90 seconds, 1 hour, 2 hours, 1 day, 28 hours, 30 days, "
      .. "180 days", table.concat(said, ", "))
  end)

  it("is real without a clock and shifted with one", function()
    assert.is_true(math.abs(time.now() - sys.time()) < 1)
    assert.is_nil(time_clock.shortest_wait())
    local offset = 0
    local before = time_clock.use {
      offset = function() return offset end,
      advance = function(_, by) offset = offset + by end,
    }
    time_clock.advance(1000)
    assert.is_true(math.abs(time.now() - sys.time() - 1000) < 1)
    assert.is_true(math.abs(time.monotonic() - sys.monotonic() - 1000) < 1)
    assert.equal(1, time_clock.shortest_wait())
    time_clock.use(before)
    assert.has_error(function() time_clock.advance(1) end,
      "the machine's clock cannot be moved: only a virtual clock can")
  end)
end)
