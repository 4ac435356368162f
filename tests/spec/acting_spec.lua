-- With whose rights a script's functions run: those of the script that handed them over, whoever calls them.

local border = require "script.border"
local fake = require "fake_door"
local graph = require "host.graph"
local http = require "http.client"
local rights = require "task.rights"
local sandbox = require "script.sandbox"
local scheduler = require "task.scheduler"

local BASE = "https://graph.example/v1.0"

describe("a function that a script hands to the library", function()
  local OURS, THEIRS = { name = "ours" }, { name = "theirs" }
  local door, sent

  before_each(function()
    sent = {}
    door = fake.door()
    door:on("*", "*", { 204 })
    local submit = door.submit
    function door:submit(request, credential, acting, ...)
      sent[#sent + 1] = acting.name
      return submit(self, request, credential, acting, ...)
    end
  end)

  -- The functions below stand for the library's; they are not of stdlib, so the border hands them over as they are.
  local function get() return http.send(graph.request(BASE, "GET", "/x")) end
  local function as(who, fn, ...) return rights.with(scheduler.current(), who, fn, ...) end
  local function as_theirs(fn, ...) return as(THEIRS, fn, ...) end

  local function run(fn) return fake.run(door, fake.clock(), fn) end

  local function new_script()
    local globals, own = sandbox.globals()
    return function(code, ...) return assert(load(code, "@mine.lua", "t", globals))(...) end, own
  end

  -- What a script's function is for the library, when it is handed over with these rights.
  local function handed_over(who, code, ...)
    local script, own = new_script()
    local fn = script(code, ...)
    return as(who, own.callback, own, fn), own, fn
  end

  it("runs with the rights of that script, and the caller has its own again afterwards", function()
    run(function()
      local called = handed_over(OURS, "local get = ... return function() get() end", get)
      as_theirs(function()
        called()
        get()
      end)
    end)
    assert.same({ "ours", "theirs" }, sent)
  end)

  it("leaves the caller its rights also when it raises an error", function()
    run(function()
      local called = handed_over(OURS, "return function() error 'mine' end")
      as_theirs(function()
        assert.is_false(pcall(called))
        get()
      end)
    end)
    assert.same({ "theirs" }, sent)
  end)

  it("keeps these rights when others hand it over again, and in a task that others start", function()
    run(function()
      local called, own, fn = handed_over(OURS, "local get = ... return function() get() end", get)
      as_theirs(function()
        assert.equal(called, own:callback(fn))
        own:callback(fn)()
        scheduler.spawn(called):wait()
      end)
    end)
    assert.same({ "ours", "ours" }, sent)
  end)

  it("gives its rights to what it starts, also when the caller goes on meanwhile", function()
    run(function()
      local called = handed_over(OURS, [[
        local get = ...
        local task = require "task"
        return function() return task.spawn(function() task.sleep(1) get() end) end]], get)
      as_theirs(function()
        called()
        scheduler.sleep(2)
        get()
      end)
    end)
    assert.same({ "ours", "theirs" }, sent)
  end)

  it("may stop midway in a coroutine: the rights of the call that it stopped in stay there", function()
    run(function()
      local script = new_script()
      as(OURS, script, [[
        local get, as_theirs = ...
        local go_on = coroutine.wrap(function() as_theirs(coroutine.yield) end)
        go_on()
        get()
        go_on()
        get()
        local co = coroutine.create(function() as_theirs(coroutine.yield) end)
        coroutine.resume(co)
        get()
        coroutine.close(co)
        get()]], get, as_theirs)
    end)
    assert.same({ "ours", "ours", "ours", "ours" }, sent)
  end)

  it("to handle an error runs when the call that failed has been left", function()
    run(function()
      local script = new_script()
      as(OURS, script, [[
        local get, as_theirs = ...
        xpcall(as_theirs, function() get() end, error, "x")
        pcall(as_theirs, error, "x")
        get()]], get, as_theirs)
    end)
    assert.same({ "ours", "ours" }, sent)
  end)

  it("while its task is cancelled by others does not get the others' rights", function()
    local seen
    run(function()
      local script, own = new_script()
      local child = as(OURS, script, [[
        local get, closed = ...
        local task = require "task"
        return task.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() closed(function() get() end) end })
          task.sleep(100)
        end)]], get, function(fn) seen = own:callback(fn) end)
      scheduler.sleep(1)
      as_theirs(function()
        border.library_value_of(child):cancel()
        seen()
      end)
    end)
    assert.same({ "ours" }, sent)
  end)
end)
