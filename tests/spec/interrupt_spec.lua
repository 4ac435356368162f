--- A script that loops ends at the first SIGINT or SIGTERM, whatever it loops in.

local process = require "host.process"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local RAISED = "error: stopped\n  why: %s\n  fix: Run the same command again to go on.\n"
local TOLD = { INT = "Ctrl-C was pressed", TERM = "it received SIGTERM" }
local NUMBERS = { INT = 2, TERM = 15 }

-- Loops that the debug hook reaches: they end with status 1 and say why.
local REACHED = {
  ["a loop"] = "while true do end",
  ["a loop that catches errors"] = "while true do pcall(function() while true do end end) end",
  ["a loop in a coroutine"] = [[local co = coroutine.wrap(function()
    local inner = coroutine.create(function() while true do end end)
    while true do coroutine.resume(inner) end
  end)
  while true do pcall(co) end]],
  ["a loop that makes coroutines"] = [[while true do
    coroutine.resume(coroutine.create(function() while true do end end))
    pcall(coroutine.wrap(function() while true do end end))
  end]],
  ["__index"] = "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
  ["__close"] = "do local t <close> = setmetatable({}, { __close = function() while true do end end }) end",
  ["a message handler"] = "xpcall(error, function() while true do end end)",
  ["a comparison of sort"] = "table.sort({ 3, 1, 2 }, function() while true do end end)",
  ["a replacement of gsub"] = "return (('a'):gsub('.', function() while true do end end))",
  ["a wait whose end is caught"] = "local task = require 'task' while true do pcall(task.sleep, 60) end",
  ["a wait of no length whose end is caught"] = "local task = require 'task' while true do pcall(task.sleep, 0) end",
  ["several tasks"] = "require('task').map({ 1, 2, 3 }, 3, function() while true do end end)",
}

-- Loops that no hook reaches, because Lua calls none there: the signal itself ends the process.
local UNREACHED = {
  ["a pattern"] = "('a'):rep(30000):find(('.-'):rep(20) .. 'b')",
  ["a pattern whose end is caught"] = "while true do pcall(string.find, ('a'):rep(30000), ('.-'):rep(20) .. 'b') end",
}

-- Processor time of a process in clock ticks of 10 ms (proc(5), fields 14 and 15).
local function ticks(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  local user, system = file:read("a"):match("%) %S+" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return user + system
end

-- Start `-e code`, which prints "ready" and then loops; with an emulator, for which it may change things.
local function start(code, emulator)
  local words = { "/usr/bin/env", os.getenv "MOONLATCH", "-e", code }
  if emulator then
    table.insert(words, 2, "HOME=" .. emulator.place.path)
    table.move({ "--write", "--config", emulator.config }, 1, 3, #words + 1, words)
  end
  local child = assert(process.start(words, nil, nil, "kept"))
  repeat until assert(child:line(30)) == "ready" -- an emulator's sign-in says something before
  local deadline, before = sys.monotonic() + 1, ticks(child:pid())
  repeat sys.sleep(20) until ticks(child:pid()) > before + 5 or sys.monotonic() > deadline -- it is in its loop
  return child
end

-- Wait for its end; the seconds of processor time that it took, as far as they were seen.
local function wait(child)
  local before, used = ticks(child:pid()), 0
  local deadline = sys.monotonic() + 30
  repeat
    local status = child:wait(0.02)
    if status then return status, used end
    local ok, now = pcall(ticks, child:pid())
    used = ok and (now - before) / 100 or used
  until sys.monotonic() > deadline
  error("it did not end", 2)
end

describe("a script that loops", function()
  for name, code in pairs(REACHED) do
    it("in " .. name .. " ends at the first signal, and says why", function()
      for signal in pairs(NUMBERS) do
        local child <close> = start("print 'ready'; " .. code)
        child:kill(signal)
        local status, used = wait(child)
        assert.equal(1, status)
        assert.equal(RAISED:format(TOLD[signal]), child:complaint())
        assert.is_true(used < 1, ("it took %.2f seconds"):format(used))
      end
    end)
  end

  for name, code in pairs(UNREACHED) do
    it("in " .. name .. " is ended by the first signal", function()
      for signal, number in pairs(NUMBERS) do
        local child <close> = start("print 'ready'; " .. code)
        child:kill(signal)
        local status, used = wait(child)
        assert.equal(128 + number, status, child:complaint())
        assert.is_true(used < 1, ("it took %.2f seconds"):format(used))
      end
    end)
  end

  it("beside a change in flight ends at the second signal only", function()
    local emulator <close> = rehearsal.new()
    emulator:fault "graph PATCH /users/* hold-before"
    local child <close> = start([[
      local graph, task = require "graph", require "task"
      local user = graph.list("/users")()
      task.spawn(function() graph.patch("/users/" .. user.id, { department = "x" }) end)
      task.sleep(1) -- it leaves
      print "ready"
      while true do end]], emulator)
    child:kill "INT"
    assert.is_nil(child:wait(3))
    child:kill "INT"
    assert.equal(1, (wait(child)))
  end)

  it("in code that may change something ends when it does not come back by itself", function()
    local emulator <close> = rehearsal.new()
    local child <close> = start([[
      require("graph").list("/users")()
      print "ready"
      while true do pcall(function() while true do end end) end]], emulator)
    child:kill "INT"
    local status, used = wait(child)
    assert.same({ 1, true }, { status, used < 1 })
  end)

  it("at the end of its work may finish it when it comes back in time", function()
    local emulator <close> = rehearsal.new()
    local child <close> = start([[
      require("graph").list("/users")()
      print "ready"
      for i = 1, 2000000 do local _ = i * i end
      print "finished"]], emulator)
    child:kill "INT"
    assert.equal("finished", child:line(10))
  end)
end)
