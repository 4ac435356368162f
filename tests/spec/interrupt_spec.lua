-- takes 9 s: programs compute until their time is up
--- A script that loops ends at the first SIGINT or SIGTERM, whatever it loops in.

local await = require "await"
local moonlatch = require "moonlatch"
local process = require "host.process"
local rehearsal = require "rehearsal"

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

local function used(child) return select(2, await.process(child:pid())) end

-- Start `-e code`, which prints "ready" before its loop. With an emulator it may change things there; inside: it may
-- require all of the library.
local function start(code, emulator, inside)
  local words = { "/usr/bin/env", os.getenv "MOONLATCH" }
  for _, word in ipairs(inside and { "--stdlib", moonlatch.INSIDE } or {}) do words[#words + 1] = word end
  for _, word in ipairs { "-e", code } do words[#words + 1] = word end
  if emulator then
    table.insert(words, 2, "HOME=" .. emulator.place.path)
    for _, word in ipairs { "--write", "--config", emulator.config } do words[#words + 1] = word end
  end
  return assert(process.start(words, nil, nil, "kept"))
end

-- Wait until it is ready, and sleeps or has computed for some time: then it is in its loop. Then send it a signal.
local function stop_in_loop(child, signal)
  assert.equal("ready", child:line(await.PATIENCE))
  local before = used(child)
  await.event("the script is in its loop", function()
    local state, now = await.process(child:pid())
    return state == "S" or now > before + 0.05
  end)
  child:kill(signal)
end

-- Wait for its end; the seconds of processor time that it took, as far as they were seen.
local function wait(child)
  local before, after = used(child), nil
  local status = await.event("the program ends", function()
    after = select(2, await.process(child:pid())) or after
    return child:wait(0.01)
  end)
  return status, (after or before) - before
end

describe("a script that loops", function()
  for name, code in pairs(REACHED) do
    it("in " .. name .. " ends at the first signal, and says why", function()
      for signal in pairs(NUMBERS) do
        local child <close> = start("print 'ready'; " .. code)
        stop_in_loop(child, signal)
        local status, seconds = wait(child)
        assert.equal(1, status)
        assert.equal(RAISED:format(TOLD[signal]), child:complaint())
        assert.is_true(seconds < 1, ("it took %.2f seconds"):format(seconds))
      end
    end)
  end

  for name, code in pairs(UNREACHED) do
    it("in " .. name .. " is ended by the first signal", function()
      for signal, number in pairs(NUMBERS) do
        local child <close> = start("print 'ready'; " .. code)
        stop_in_loop(child, signal)
        local status, seconds = wait(child)
        assert.equal(128 + number, status, child:complaint())
        assert.is_true(seconds < 1, ("it took %.2f seconds"):format(seconds))
      end
    end)
  end

  it("beside a change in flight ends at the second signal only, and says why", function()
    local emulator <close> = rehearsal.new("--lag", "0")
    emulator:fault "graph PATCH /users/* hold-before always"
    local child <close> = start([[
      local graph, task = require "graph", require "task"
      local user = graph.get "/users/adele@contoso.onmicrosoft.com"
      task.spawn(function() graph.patch("/users/" .. user.id, { department = "x" }) end)
      repeat until graph.get("/users/" .. user.id).jobTitle == "on leave"
      local text = ("a"):rep(6000) -- to look for b takes about 0.1 seconds, in which no hook is called
      print "ready"
      while true do text:find "^.-.-b" end]], emulator)
    await.event("the change has left", function() return emulator:count "PATCH" == 1 end)
    emulator:admin("change", "adele", { jobTitle = "on leave" })
    stop_in_loop(child, "INT")
    local before = used(child)
    await.event("the timer ran out twice", function() return used(child) > before + 0.85 end) -- and soon will again
    child:kill "INT"
    local status, seconds = wait(child)
    assert.equal(1, status)
    assert.is_true(seconds < 1, ("it took %.2f seconds"):format(seconds))
    local told = RAISED:format(TOLD.INT)
    assert.equal(told, child:complaint():sub(-#told)) -- after what the sign-in said
  end)

  it("in code that may change something ends when it does not come back by itself", function()
    local emulator <close> = rehearsal.new()
    local child <close> = start([[
      require("graph").list("/users")()
      print "ready"
      while true do pcall(function() while true do end end) end]], emulator)
    stop_in_loop(child, "INT")
    local status, seconds = wait(child)
    assert.equal(1, status)
    assert.is_true(seconds < 1, ("it took %.2f seconds"):format(seconds))
  end)

  it("at the end of its work may finish it when it comes back in time", function()
    local emulator <close> = rehearsal.new()
    local child <close> = start([[
      local sys = require "host.sys"
      require("graph").list("/users")()
      print "ready"
      repeat until sys.terminated()
      for i = 1, 2000000 do local _ = i * i end
      print "finished"]], emulator, true)
    assert.equal("ready", child:line(await.PATIENCE))
    child:kill "TERM"
    assert.equal("finished", child:line(await.PATIENCE))
  end)
end)
