-- Whose rights a request leaves with: those of the script whose code runs, wherever it goes.

local fake = require "fake_door"
local graph = require "host.graph"
local http = require "http.client"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local task = require "task"

local BASE = "https://graph.example/v1.0"

describe("the rights a task acts with", function()
  local door, sent, ours, theirs

  before_each(function()
    sent, ours, theirs = {}, { name = "ours" }, { name = "theirs" }
    door = fake.door()
    door:on("*", "*", { 204 })
    local submit = door.submit
    function door:submit(request, credential, acting, ...)
      sent[#sent + 1] = acting.name or "?"
      return submit(self, request, credential, acting, ...)
    end
  end)

  -- Run as a task; by itself it may do nothing.
  local function run(fn)
    return fake.run(door, fake.clock(), function()
      local before = rights.use { own = { name = "own" }, diagnosis = { name = "look" } }
      local _ <close> = setmetatable({}, { __close = function() rights.use(before) end })
      return fn()
    end)
  end

  local function get(options) return http.send(graph.request(BASE, "GET", "/x"), nil, options) end

  local function as(who, fn, ...) return rights.with(scheduler.require_current(), who, fn, ...) end

  it("are none where nobody's code runs: nothing is sent", function()
    run(function()
      local answer, message, kind = get()
      assert.is_nil(answer)
      assert.equal("undeclared", kind)
      assert.equal("this call belongs to no script, so it has no rights: code that loads a script, or cleans up after "
        .. "it, sends nothing", message)
      as(nil, function() assert.equal("undeclared", select(3, get())) end)
    end)
    assert.same({}, sent)
  end)

  it("are those it was given, until that code has ended, also by an error", function()
    run(function()
      as(ours, get)
      as(ours, function()
        get()
        as(theirs, get)
        pcall(as, theirs, error, "x")
        get()
      end)
      assert.equal("undeclared", select(3, get()))
    end)
    assert.same({ "ours", "ours", "theirs", "ours" }, sent)
  end)

  it("go to what a task starts, also where that outlives it", function()
    run(function()
      local child
      as(ours, function()
        task.map({ 1, 2 }, 2, function() get() end)
        child = task.spawn(function() task.sleep(1) get() end)
      end)
      as(theirs, function() child:wait() end)
    end)
    assert.same({ "ours", "ours", "ours" }, sent)
  end)

  it("do not mix between tasks that work side by side", function()
    run(function()
      local function work(who)
        return function() as(who, function()
          for _ = 1, 3 do task.sleep(0.1) get() end
        end) end
      end
      task.all { work(ours), work(theirs) }
    end)
    table.sort(sent)
    assert.same({ "ours", "ours", "ours", "theirs", "theirs", "theirs" }, sent)
  end)

  it("are Moonlatch's own only where a call says so", function()
    run(function() as(ours, function() get { own = true } get() end) end)
    assert.same({ "own", "ours" }, sent)
  end)

  it("are not to be had in a finaliser, which runs in another's task", function()
    local outcomes = {}
    run(function()
      as(ours, function()
        for _, attempt in ipairs { get, function() task.spawn(get) end, function() task.all { get } end } do
          setmetatable({}, { __gc = function() outcomes[#outcomes + 1] = table.pack(pcall(attempt)) end })
        end
      end)
      as(theirs, function()
        collectgarbage()
        collectgarbage()
        task.sleep(1)
      end)
    end)
    assert.equal(3, #outcomes)
    for _, outcome in ipairs(outcomes) do
      assert.is_false(outcome[1])
      assert.matches("inside a task", (outcome[2]:gsub("cannot be started here, as in a finaliser", "inside a task")))
    end
    assert.same({}, sent)
  end)

  it("are not to be had by what closes when another cancels it", function()
    local ok, message
    run(function()
      local child = as(ours, task.spawn, function()
        local _ <close> = setmetatable({}, { __close = function() ok, message = pcall(task.spawn, get) end })
        task.sleep(100)
      end)
      task.sleep(1)
      as(theirs, function()
        child:cancel()
        task.sleep(1)
      end)
    end)
    assert.is_false(ok)
    assert.matches("a task cannot be started here, as in a finaliser", message)
    assert.same({}, sent)
  end)

  it("are not to be had while a file is loaded, though the library works for another script", function()
    local script, at_once, spawned, acting = require "script.load", nil, nil, nil
    local chunk = script.chunk
    local _ <close> = setmetatable({}, { __close = function() script.chunk = chunk end })
    function script.chunk()
      return function()
        at_once = table.pack(pcall(get))
        spawned = table.pack(pcall(task.spawn, get))
        acting = rights.of(scheduler.current()) or "nobody"
        return { summary = "S", run = get }
      end
    end
    run(function()
      as(ours, function()
        local declaration = script.load_found { name = "eager", path = "eager.lua", origin = "path", text = "" }
        declaration.run()
      end)
    end)
    assert.is_false(at_once[1])
    assert.matches("this call waits, so it must run directly inside a task", at_once[2])
    assert.is_false(spawned[1])
    assert.matches("a script starts no task while its file is loaded", spawned[2])
    assert.equal("nobody", acting)
    assert.same({ "ours" }, sent)
  end)
end)
