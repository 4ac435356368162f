local fail = require "fail"
local scheduler = require "task.scheduler"
local sys = require "host.sys"
local task = require "task"
local time_clock = require "time.clock"

-- A clock that moves only when everybody waits, as tests/fake_door.lua has it.
local function virtual(least)
  local clock = { passed = 0, least = least or 0 }
  function clock.time() return 1767225600 end
  function clock.monotonic() return 1000 end
  function clock:offset() return self.passed end
  function clock:advance(seconds) self.passed = self.passed + seconds end
  return clock
end

local function nothing() return 0 end

describe("task", function()
  local clock

  before_each(function()
    sys.interrupts = function() return 0 end
    clock = virtual()
    time_clock.use(clock)
  end)

  after_each(function() time_clock.use(nil) end)

  local function run(fn, ...) return scheduler.run(nothing, fn, ...) end

  describe("run", function()
    it("gives arguments and returns results, nil included", function()
      assert.same(table.pack(3, nil, nil), table.pack(run(function(a, b) return a + b, nil, nil end, 1, 2)))
    end)

    it("raises failures untouched and texts with a traceback of the task", function()
      local _, failure = pcall(run, fail.raise, { kind = "missing", what = "a", why = "b" })
      assert.is_true(fail.is(failure, "missing"))
      local function deep() error("a bug") end
      local _, text = pcall(run, function() deep() return 1 end)
      assert.matches("a bug.*stack traceback.*task_spec", text)
    end)

    it("cannot be nested", function()
      assert.error_matches(function() run(function() run(nothing) end) end, "task.run cannot be used inside a task")
    end)

    it("cancels what is left when the main function ends", function()
      local closed = false
      run(function()
        task.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() closed = true end })
          task.sleep(1e9)
        end)
        task.sleep(1)
      end)
      assert.is_true(closed)
      assert.is_true(clock.passed < 10)
    end)

    it("says so when nothing can wake anybody", function()
      assert.error_matches(function() run(function() while true do scheduler.suspend() end end) end,
        "every task waits for another task, so nothing can wake them")
    end)

    it("polls between two turns although tasks are always ready", function()
      local polls = 0
      scheduler.run(function() polls = polls + 1 return 1 end, function()
        for _ = 1, 10 do
          scheduler.wake(scheduler.current())
          scheduler.suspend()
        end
      end)
      assert.is_true(polls >= 10)
    end)
  end)

  describe("sleep", function()
    it("moves a virtual clock instead of waiting, and wakes in order", function()
      local order = {}
      run(function()
        local list = { 5, 1, 3, 86400 * 365, 2, 4 }
        task.map(list, 10, function(seconds)
          task.sleep(seconds)
          order[#order + 1] = seconds
        end)
      end)
      assert.same({ 1, 2, 3, 4, 5, 86400 * 365 }, order)
      assert.equal(86400 * 365, clock.passed)
    end)

    it("orders thousands", function()
      local before = -1
      run(function()
        local list = {}
        for i = 1, 5000 do list[i] = (i * 7919) % 5003 end
        task.map(list, 5000, function(seconds)
          task.sleep(seconds)
          assert.is_true(seconds >= before)
          before = seconds
        end)
      end)
    end)

    it("does not move an emulator's clock while a transfer runs or for a short wait", function()
      clock = virtual(1)
      local real = 1000
      clock.monotonic = function() return real end
      time_clock.use(clock)
      local running, polled = 1, {}
      local function poll(ms)
        polled[#polled + 1] = ms
        real = real + ms / 1000
        if #polled > 12 then running = 0 end
        return running
      end
      scheduler.run(poll, function()
        task.sleep(0.25)
        assert.equal(0, clock.passed)
        task.sleep(60)
      end)
      assert.is_true(clock.passed > 59 and clock.passed < 60)
      assert.is_true(#polled < 20)
    end)

    it("goes on sleeping when woken early", function()
      run(function()
        local me = scheduler.current()
        task.spawn(function() scheduler.wake(me) end)
        task.sleep(10)
        assert.is_true(clock.passed >= 10)
      end)
    end)
  end)

  describe("where a wait is allowed (each was a trap once)", function()
    local function wait() task.sleep(1) return true end

    it("inside pcall, xpcall and with an error after it", function()
      run(function()
        assert.is_true(pcall(wait))
        assert.is_true(xpcall(wait, debug.traceback))
        local ok, err = pcall(function() wait() error("after", 0) end)
        assert.same({ false, "after" }, { ok, err })
      end)
    end)

    it("inside a generic for and metamethods reached from Lua", function()
      run(function()
        for _ in function(_, n) wait() if n < 3 then return n + 1 end end, nil, 1 do wait() end
        local slow = setmetatable({}, { __index = wait, __add = wait, __eq = wait, __concat = wait })
        assert.is_true(slow.x)
        assert.is_true(slow + 1)
        assert.is_true(slow .. "")
        assert.is_true(slow == setmetatable({}, getmetatable(slow)))
      end)
    end)

    it("inside __close on a normal exit", function()
      local closed = false
      run(function()
        do
          local _ <close> = setmetatable({}, { __close = function() wait() closed = true end })
        end
        assert.is_true(closed)
      end)
    end)

    it("not inside sort, gsub or tostring: a clear error, and the task survives it", function()
      run(function()
        local slow = setmetatable({}, { __tostring = wait })
        for _, fn in ipairs {
          function() table.sort({ 1, 2, 3 }, wait) end, function() string.gsub("abc", ".", wait) end,
          function() tostring(slow) end,
        } do
          local ok, err = pcall(fn)
          assert.is_false(ok)
          assert.matches("this call waits, so it must run directly inside a task", err)
        end
        wait()
      end)
    end)

    it("not inside a coroutine of the script's own", function()
      run(function()
        local ok, err = pcall(coroutine.wrap(wait))
        assert.is_false(ok)
        assert.matches("this call waits, so it must run directly inside a task", err)
        wait()
      end)
    end)

    it("not outside any task", function()
      assert.error_matches(wait, "this call waits, so it must run directly inside a task")
    end)

    it("not by a yield of one's own", function()
      assert.error_matches(function() run(coroutine.yield, 1) end, "a task may only wait through the task library")
    end)
  end)

  describe("cancel", function()
    it("cannot be swallowed by pcall and releases what is held", function()
      local closed, survived = 0, false
      run(function()
        local child = task.spawn(function()
          for _ = 1, 3 do
            pcall(function()
              local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
              task.sleep(100)
            end)
            survived = true
          end
        end)
        task.sleep(1)
        child:cancel("enough")
        local ok, err = pcall(child.wait, child)
        assert.same({ false, "enough" }, { ok, err })
      end)
      assert.equal(1, closed)
      assert.is_false(survived)
    end)

    it("reports a __close that wanted to wait", function()
      run(function()
        local child = task.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() task.sleep(1) end })
          task.sleep(100)
        end)
        task.sleep(1)
        child:cancel()
        local ok, err = pcall(child.wait, child)
        assert.is_false(ok)
        assert.matches("wait", tostring(err))
      end)
    end)

    it("is refused for oneself, and for a parent that is being resumed", function()
      run(function()
        local me = scheduler.current()
        local ok, err = pcall(me.cancel, me)
        assert.is_false(ok)
        assert.matches("a task cannot cancel itself", err)
      end)
    end)

    it("leaves a finished task alone, also in the turn it finished", function()
      run(function()
        local child = task.spawn(function() return 7 end)
        task.sleep(0)
        task.sleep(1)
        child:cancel("late")
        scheduler.wake(child)
        assert.equal(7, child:wait())
      end)
    end)

    it("works on a task that never ran", function()
      run(function()
        local ran = false
        local child = task.spawn(function() ran = true end)
        child:cancel("never")
        task.sleep(1)
        assert.is_false(ran)
      end)
    end)
  end)

  describe("map", function()
    it("keeps order and the limit", function()
      local now, most = 0, 0
      local results = run(function()
        return task.map({ 3, 1, 2, 5, 4 }, 2, function(item)
          now = now + 1
          most = math.max(most, now)
          task.sleep(item)
          now = now - 1
          return item * 10
        end)
      end)
      assert.same({ 30, 10, 20, 50, 40 }, results)
      assert.equal(2, most)
    end)

    it("cancels the rest on the first error and raises it", function()
      local finished = {}
      local _, err = pcall(run, function()
        task.map({ 1, 2, 3 }, 3, function(item)
          task.sleep(item)
          if item == 2 then fail.raise { kind = "denied", what = "read", why = "no" } end
          finished[#finished + 1] = item
        end)
      end)
      assert.is_true(fail.is(err, "denied"))
      assert.same({ 1 }, finished)
      assert.equal(2, clock.passed)
    end)

    it("looks at the network between the tasks that are ready, not only after the last", function()
      local ran, looks = 0, {}
      scheduler.run(function() looks[#looks + 1] = ran return 1 end, function()
        local last
        for _ = 1, 120 do last = task.spawn(function() ran = ran + 1 end) end
        last:wait()
      end)
      assert.same({ 0, 50, 100 }, { table.unpack(looks, 1, 3) })
    end)

    it("refuses a limit that would leave everything undone", function()
      for _, limit in ipairs { 0, -1, 0 / 0 } do
        for _, fn in ipairs { task.map, task.each } do
          local ok, err = pcall(run, fn, { 1 }, limit, error)
          assert(not ok and err:find("the limit of tasks at once is 1 at least", 1, true), err)
        end
      end
    end)

    it("does nothing with nothing", function()
      assert.same({}, run(task.map, {}, 5, error))
    end)
  end)

  it("all runs functions side by side, results in order", function()
    local a, b, c = run(task.all, {
      function() task.sleep(3) return "a" end,
      function() return nil end,
      function() task.sleep(1) return "c", "dropped" end,
    })
    assert.same({ "a", nil, "c" }, { a, b, c })
    assert.equal(3, clock.passed)
  end)

  describe("each", function()
    it("lets every started item end and collects what failed", function()
      local outcomes, failures = run(task.each, { 1, 2, 3 }, 3, function(item)
        task.sleep(4 - item)
        if item == 3 then fail.raise { kind = "denied", what = "change", why = "no" } end
        return item
      end)
      assert.equal(1, failures)
      assert.same({ 1, 2 }, { outcomes[1].result, outcomes[2].result })
      assert.is_true(fail.is(outcomes[3].result, "denied"))
    end)

    it("starts nothing further after a failure when told so", function()
      local outcomes, failures = run(task.each, { 1, 2, 3, 4 }, 1, function(item)
        if item == 2 then error("stop here", 0) end
      end, { stop_on_failure = true })
      assert.same({ 2, 1 }, { #outcomes, failures })
      assert.matches("^stop here\nstack traceback", outcomes[2].result)
    end)

    it("does not cut an item short when the caller's deadline passes", function()
      local ended = 0
      local outcomes = run(function()
        return task.within(5, task.each, { 1, 2 }, 2, function()
          local me = scheduler.current()
          task.spawn(function() task.sleep(10) ended = ended + 1 scheduler.wake(me) end).deadline = math.huge
          while ended < 2 do scheduler.suspend(true) end
        end)
      end)
      assert.equal(2, #outcomes)
      assert.equal(2, ended)
    end)
  end)

  describe("a deadline", function()
    it("ends a sleep with a timeout at its time", function()
      local _, err = pcall(run, function() task.within(5, task.sleep, 60) end)
      assert.is_true(fail.is(err, "timeout"))
      assert.equal(5, clock.passed)
    end)

    it("is shared by nested calls and children, and gone afterwards", function()
      run(function()
        task.within(10, function()
          assert.equal(10, task.left())
          task.sleep(4)
          task.within(60, function() assert.equal(6, task.left()) end)
          local child = task.spawn(function() task.sleep(60) end)
          local ok, err = pcall(child.wait, child)
          assert.is_false(ok)
          assert.is_true(fail.is(err, "timeout"))
        end)
        assert.equal(math.huge, task.left())
        task.sleep(60)
      end)
      assert.equal(70, clock.passed)
    end)

    it("does not cut short what must not be abandoned", function()
      run(function()
        task.within(5, function()
          local me, answer = scheduler.current(), nil
          local helper = task.spawn(function()
            task.sleep(6)
            answer = "the secret"
            scheduler.wake(me)
          end)
          helper.deadline = math.huge
          while not answer do scheduler.suspend(true) end
          assert.equal("the secret", answer)
        end)
      end)
    end)

    it("passes several results through", function()
      assert.same({ 1, 2, 3 }, { run(task.within, 5, function() return 1, 2, 3 end) })
    end)
  end)

  describe("Ctrl-C", function()
    it("once ends sleeps, stops new items and lets running ones finish", function()
      local presses, started, ended = 0, 0, 0
      sys.interrupts = function() return presses end
      local outcomes = run(function()
        return (task.each({ 1, 2, 3, 4 }, 2, function()
          started = started + 1
          task.sleep(10)
          presses = 1
          for _ = 1, 2 do
            local ok, err = pcall(task.sleep, 10)
            assert.is_true(ok or fail.is(err, "interrupted"))
          end
          ended = ended + 1
        end))
      end)
      assert.same({ 2, 2, 2 }, { #outcomes, started, ended })
    end)

    it("makes check raise, saying how to go on", function()
      local presses = 0
      sys.interrupts = function() return presses end
      local _, err = pcall(run, function()
        task.check()
        presses = 1
        task.sleep(1)
        task.sleep(1)
      end)
      assert.is_true(fail.is(err, "interrupted"))
      assert.equal("stopped: Ctrl-C was pressed\nRun the same command again to go on.", tostring(err))
    end)

    it("twice aborts at once, whatever pcalls there are", function()
      local presses, closed = 0, false
      sys.interrupts = function() return presses end
      local _, err = pcall(scheduler.run, function() presses = 2 return 1 end, function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        while true do pcall(scheduler.suspend, true) end
      end)
      assert.is_true(fail.is(err, "interrupted"))
      assert.matches("^aborted: Ctrl%-C was pressed twice\nRun the same command again", tostring(err))
      assert.is_true(closed)
    end)

    it("counts only what is pressed during the run", function()
      sys.interrupts = function() return 5 end
      assert.equal(1, run(function() task.sleep(1) return 1 end))
    end)
  end)
end)
