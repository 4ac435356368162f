-- The gate's write budget: how fast changes may leave, over all processes.

local child = require "child"
local graph = require "host.graph"
local http = require "http.client"
local journals = require "journals"
local scheduler = require "task.scheduler"
local sys = require "host.sys"
local task = require "task"
local test_door = require "test_door"
local time = require "time"
local time_clock = require "time.clock"

local BASE = "https://127.0.0.1:9/v1.0"

local function change(path)
  return graph.request(BASE, "PATCH", path or "/users/1", nil, { department = "x" })
end

describe("the write budget", function()
  local place, kept

  before_each(function()
    place = journals.folder()
    kept = journals.open(place)
  end)
  after_each(function()
    kept:close()
    place:__close()
  end)

  -- A door that is never flushed: what was let through stays queued.
  local function open(count, seconds, clock)
    local door = test_door.new("emulator", kept)
    assert(door:peer("graph", BASE))
    door:mode("write")
    if count then assert(door:budget(place.path .. "/writes", count, seconds, clock)) end
    return door
  end

  local function wait_of(door, request)
    local transfer, message, kind, wait = door:submit(request, nil, 5)
    if transfer then return 0 end
    assert.equal("budget", kind)
    assert.equal("PATCH https://127.0.0.1:9 has to wait for the write budget", message)
    return wait
  end

  it("lets changes leave one after the other, in the order they asked", function()
    local door <close> = open(60, 600)
    local waits = {}
    for i = 1, 4 do waits[i] = wait_of(door, change()) end
    assert.equal(0, waits[1])
    for i = 2, 4 do assert.is_true(math.abs(waits[i] - 10 * (i - 1)) < 0.5) end
    local rate, ahead = door:pace()
    assert.equal(0.1, rate)
    assert.is_true(ahead > 39 and ahead <= 40)
  end)

  it("lets a hundredth of the limit leave at once after a pause, and the limit holds in any span", function()
    local clock <close> = assert(sys.clock(place.path .. "/clock", true))
    local door <close> = open(300, 150, clock)
    local moments, began = {}, time.monotonic() -- when changes left, in the emulator's time
    local function leave(seconds)
      local ends, request = clock:offset() + seconds, change()
      while clock:offset() < ends do
        local wait = wait_of(door, request)
        if wait > 0 then
          clock:advance(wait)
        else
          moments[#moments + 1], request = clock:offset(), change()
        end
      end
    end
    leave(1)
    local at_once = 0
    for _, at in ipairs(moments) do at_once = at_once + (at == 0 and 1 or 0) end
    assert.equal(4, at_once) -- the first would leave anyway
    clock:advance(1000)
    leave(300)
    local from = 1
    for i, at in ipairs(moments) do
      while at - moments[from] >= 150 - (time.monotonic() - began) do from = from + 1 end
      assert.is_true(i - from + 1 <= 300, ("%d changes in 150 s"):format(i - from + 1))
    end
    assert.is_true(#moments > 580)
  end)

  it("keeps a change off the record until it may leave", function()
    local door <close> = open(10, 1)
    local before = #kept:history(100)
    assert.equal(0, wait_of(door, change()))
    assert.equal(before + 1, #kept:history(100))
    local request = change()
    local wait = wait_of(door, request)
    assert.is_true(wait > 0 and wait <= 0.1)
    assert.equal(before + 1, #kept:history(100))
    assert.equal(1, door:running())
    sys.sleep(math.ceil(wait * 1000))
    assert.equal(0, wait_of(door, request))
    assert.equal(before + 2, #kept:history(100))
  end)

  it("lets a change keep its place while it waits", function()
    local door <close> = open(10, 1)
    wait_of(door, change())
    local request = change()
    local first, second = wait_of(door, request), wait_of(door, request)
    assert.is_true(second <= first)
    local _, ahead = door:pace()
    assert.is_true(ahead <= 0.2)
  end)

  it("counts each change a batch carries, and no read", function()
    local door <close> = open(60, 600)
    local function batch(...)
      local parts = {}
      for i, method in ipairs { ... } do parts[i] = { id = tostring(i), method = method, url = "/users/1" } end
      return graph.request(BASE, "POST", "/$batch", nil, { requests = parts })
    end
    assert(door:submit(batch("GET", "GET"), nil, 5))
    assert.equal(0, select(2, door:pace()))
    assert(door:submit(graph.request(BASE, "POST", "/directoryObjects/getByIds", nil, { ids = {} }), nil, 5))
    assert.equal(0, select(2, door:pace()))
    assert(door:submit(batch("GET", "PATCH", "DELETE"), nil, 5))
    local _, ahead = door:pace()
    assert.is_true(ahead > 19 and ahead <= 20)
  end)

  it("does not count for other peers, nor where there is none", function()
    local door <close> = open()
    for _ = 1, 3 do assert.equal(0, wait_of(door, change())) end
    assert.is_nil((door:pace()))
    local other <close> = open(1, 60)
    assert(other:peer("login", "https://127.0.0.1:9"))
    other:allow("login", "POST", "/*")
    local oauth = require "host.oauth"
    for _ = 1, 3 do assert(other:submit(oauth.device_code("https://127.0.0.1:9/t", "c", "s"), nil, 5)) end
  end)

  it("gives nothing away more than a minute ahead", function()
    local door <close> = open(1, 10)
    for _ = 1, 8 do wait_of(door, change()) end
    assert.equal(1, wait_of(door, change()))
    local _, ahead = door:pace()
    assert.is_true(ahead <= 71)
  end)

  it("forgets what was counted before the machine started anew", function()
    assert(sys.write(place.path .. "/writes", ("<i8"):pack(math.maxinteger // 2), "new"))
    local door <close> = open(60, 600)
    assert.equal(0, select(2, door:pace()))
    assert.equal(0, wait_of(door, change()))
    assert.is_true(wait_of(door, change()) <= 10)
  end)

  it("is shared by processes", function()
    local door <close> = open(60, 600)
    wait_of(door, change())
    local body = [[
      local gate, graph, term = require "host.gate", require "host.graph", require "host.term"
      local journal, secret = require "host.journal", require "host.secret"
      local kept = assert(journal.open(arguments[1] .. "/other", secret.random(32), "login/tenant"))
      local door <close> = gate.door("emulator", kept)
      assert(door:peer("graph", "https://127.0.0.1:9/v1.0"))
      assert(door:budget(arguments[1] .. "/writes", 60, 600))
      local rights = door:rights("the test", "write")
      door:seal()
      local request = graph.request("https://127.0.0.1:9/v1.0", "DELETE", "/users/1")
      local _, _, _, wait = door:submit(request, nil, rights, 5)
      term.write("out", ("%.1f\n"):format(wait))
      return 0
    ]]
    local other <close> = child.start(place, body, place.path)
    local theirs = tonumber(other:line(20))
    assert.is_true(theirs > 0 and theirs <= 10)
    local ours = wait_of(door, change())
    assert.is_true(ours > 10 and ours <= 20)
  end)

  it("counts in the emulator's time", function()
    local clock <close> = assert(sys.clock(place.path .. "/clock", true))
    local door <close> = open(60, 600, clock)
    wait_of(door, change())
    local request = change()
    assert.is_true(wait_of(door, request) > 9)
    clock:advance(10)
    assert.equal(0, wait_of(door, request))
  end)

  it("says what is wrong with its file", function()
    local door <close> = test_door.new("emulator", kept)
    local ok, message = door:budget(place.path .. "/none/writes", 3000, 150)
    assert.is_nil(ok)
    assert.matches("No such file", message)
    assert.has_error(function() door:budget(place.path .. "/writes", 0, 150) end)
    assert.has_error(function() door:budget(place.path .. "/writes", 1, 3600) end)
    assert(door:budget(place.path .. "/writes", 3000, 150))
    assert.has_error(function() door:budget(place.path .. "/writes", 3000, 150) end)
  end)

  describe("for scripts", function()
    -- What http.send gave and when: nobody listens at port 9, so each change fails to connect when it leaves.
    local function send_all(door, clock, count)
      local clock_before = time_clock.use(clock)
      local before, acting = http.use(door.gate, door:acting())
      local _ <close> = setmetatable({}, { __close = function()
        http.use(before, acting)
        time_clock.use(clock_before)
      end })
      return scheduler.run(http.poll, function()
        local start, moments, list = time.monotonic(), {}, {}
        for i = 1, count do list[i] = i end
        task.each(list, count, function(n)
          local _, _, kind = http.send(change("/users/" .. n))
          assert(kind == "connect", kind)
          moments[#moments + 1] = time.monotonic() - start
        end)
        return moments
      end)
    end

    it("is a wait: changes leave at its pace, and not before", function()
      local door <close> = open(50, 1)
      local moments = send_all(door, nil, 25)
      assert.equal(25, #moments)
      assert.is_true(moments[25] >= 24 / 50)
      assert.is_true(moments[25] < 24 / 50 + 10) -- on a busy machine; an emulator's clock tells exactly, see below
    end)

    it("moves an emulator's clock instead of passing", function()
      local clock <close> = assert(sys.clock(place.path .. "/clock", true))
      local door <close> = open(60, 600, clock)
      local real = sys.monotonic()
      local moments = send_all(door, clock, 5)
      assert.is_true(moments[5] >= 40 and moments[5] < 42)
      assert.is_true(sys.monotonic() - real < 30) -- seconds, of the 40 that it moved
    end)
  end)
end)
