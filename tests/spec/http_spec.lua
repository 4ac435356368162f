local fail = require "fail"
local fake = require "fake_door"
local http = require "http.client"
local scheduler = require "task.scheduler"
local sys = require "host.sys"
local task = require "task"
local time_clock = require "time.clock"

-- A request with the methods that doors ask for.
local function request(method, url, body)
  return {
    method = function() return method end, url = function() return url end,
    peer = function() return "graph" end, body = function() return body end,
    repeatable = function() return method == "GET" end,
  }
end

local function get(path, options)
  return http.send(request("GET", "https://graph.example/v1.0" .. path), nil, options)
end

describe("http", function()
  local door, clock

  before_each(function() door, clock = fake.door(), fake.clock() end)

  local function run(fn, ...) return fake.run(door, clock, fn, ...) end

  it("sends and answers", function()
    door:on("GET", "/v1.0/users/{id}", function(seen)
      return 200, { ["request-id"] = "r" }, { id = seen.path:match("[^/]+$"), top = seen.query["$top"] }
    end)
    run(function()
      local answer <close> = get("/users/a?$top=5", { note = "why", timeout = 7 })
      assert.equal(200, answer:status())
      assert.equal("r", answer:header("request-id"))
    end)
    assert.same({ "why", 7, "5" }, { door.requests[1].note, door.requests[1].timeout, door.requests[1].query["$top"] })
    assert.equal(1, door:count("GET", "/v1.0/users/{id}"))
    assert.equal(0, door:count("GET", "/v1.0/users"))
  end)

  it("passes failures on with kind and whether it may have been sent", function()
    door:on("*", "*", function() return nil, "reset by peer", "cut", true end)
    run(function() assert.same({ nil, "reset by peer", "cut", true }, { get "/x" }) end)
    door.submit = function() return nil, "GET /x is not declared", "undeclared" end
    run(function()
      local answer, message, kind, maybe_sent = get "/x"
      assert.same({ nil, "GET /x is not declared", "undeclared", false }, { answer, message, kind, maybe_sent })
    end)
  end)

  it("raises where nobody scripted an answer, and where no door is open", function()
    local _, err = pcall(run, get, "/users")
    assert.matches("nobody scripted GET https://graph.example/v1.0/users", err)
    _, err = pcall(scheduler.run, http.poll, get, "/x")
    assert.matches("no door to the network is open: session.open opens it", err)
    _, err = pcall(run, function() coroutine.wrap(get)("/x") end)
    assert.matches("this call waits, so it must run directly inside a task", err)
  end)

  it("uses single answers in their order before the standing ones", function()
    door:on("GET", "*", { 200 })
    door:once("GET", "/v1.0/x", { 404 })
    door:once("GET", "/v1.0/x", { 503 })
    run(function()
      local seen = {}
      for i = 1, 3 do seen[i] = get("/x"):status() end
      assert.same({ 404, 503, 200 }, seen)
    end)
  end)

  it("keeps at most 100 in flight and serves the rest in turn", function()
    local most = 0
    door.latency = 0.1
    door:on("GET", "*", function()
      most = math.max(most, door:running() + 1)
      return 200
    end)
    local list = {}
    for i = 1, 350 do list[i] = i end
    run(function()
      task.map(list, 350, function(i) get("/" .. i) end)
      assert.equal(350, http.request_count())
      assert.equal(1, http.longest_chain())
    end)
    assert.equal(100, most)
    assert.is_true(clock.passed < 0.45)
  end)

  it("loses no stream to a task that was cancelled while queued", function()
    door.latency = 1
    door:on("GET", "*", { 200 })
    run(function()
      local tasks = {}
      for i = 1, 103 do tasks[i] = task.spawn(get, "/" .. i) end
      task.sleep(0.5)
      tasks[101]:cancel("not needed")
      tasks[1]:cancel("nor this")
      for i = 2, 100 do tasks[i]:wait() end
      assert.equal(200, (tasks[102]:wait()):status())
      assert.equal(200, (tasks[103]:wait()):status())
    end)
    assert.equal(102, #door.requests)
    assert.equal(0, door:running())
  end)

  it("takes its timeout from the task's deadline, but does not abandon what was sent", function()
    door.latency = 20
    door:on("GET", "*", { 200 })
    run(function()
      task.within(5, function()
        assert.equal(200, get("/x"):status())
        local ok, failure = pcall(get, "/y")
        assert.is_false(ok)
        assert.is_true(fail.is(failure, "timeout"))
      end)
    end)
    assert.equal(1, #door.requests)
    assert.equal(5, door.requests[1].timeout)
  end)

  describe("chain", function()
    before_each(function()
      door.latency = 0.1
      door:on("GET", "*", { 200 })
    end)

    it("counts requests one after another", function()
      run(function()
        for i = 1, 3 do get("/" .. i) end
        assert.same({ 3, 3 }, { http.longest_chain(), http.request_count() })
      end)
      assert.is_true(math.abs(clock.passed - 0.3) < 1e-6)
    end)

    it("counts side by side as one, and goes on from the deepest", function()
      run(function()
        get "/first"
        task.all {
          function() get "/a" get "/b" end,
          function() get "/c" end,
        }
        get "/last"
        assert.same({ 4, 5 }, { http.longest_chain(), http.request_count() })
      end)
    end)

    it("does not count what a worker did for another item", function()
      run(function()
        task.map({ 1, 2, 3, 4 }, 1, function(i) get("/" .. i) end)
        assert.same({ 1, 4 }, { http.longest_chain(), http.request_count() })
      end)
    end)

    it("follows who waits for a spawned task", function()
      run(function()
        local child = task.spawn(function() get "/a" get "/b" end)
        get "/c"
        child:wait()
        get "/d"
        assert.equal(3, http.longest_chain())
      end)
    end)
  end)

  it("sleeps without a door instead of spinning", function()
    local start = sys.monotonic()
    scheduler.run(http.poll, task.sleep, 0.05)
    assert.is_true(sys.monotonic() - start >= 0.05)
    assert.is_nil(time_clock.shortest_wait())
  end)

  it("does not change doors while requests are in flight", function()
    door:on("GET", "*", { 200 })
    run(function()
      task.spawn(get, "/x")
      task.sleep(0)
      task.spawn(function() end)
    end)
    door.latency = 5
    local _, err = pcall(run, function()
      task.spawn(get, "/x")
      task.sleep(1)
      http.use(nil)
    end)
    assert.matches("requests are in flight through the other door", err)
  end)
end)
