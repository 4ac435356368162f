-- takes 16 s: runs the program below strace, with each system call failing
local child = require "child"
local journals = require "journals"
local process = require "host.process"
local sys = require "host.sys"

describe("a fault at any system call", function()
  -- Three commits, each acknowledged; what it was stopped by goes to the last line.
  local WORK = journals.OPEN .. [[
    for n = 1, 3 do
      local value = secret.from("the value of step " .. n)
      local ok, why = pcall(j.put, j, "work", tostring(n), "done", { n = n }, n)
      if ok then ok, why = pcall(j.seal, j, tostring(n), value) end
      if ok then ok, why = j:commit() end
      if not ok then term.write("out", why .. "\n") return 5 end
      term.write("out", n .. "\n")
    end
    term.write("out", "whole\n")
    return 0]]

  --- Run it under strace; how many commits were acknowledged, and its last line.
  local function run(words, trace, call, fault)
    local options = { "-o", trace, "-e", "trace=" .. call }
    if fault then table.move({ "-e", ("inject=%s:%s"):format(call, fault) }, 1, 2, #options + 1, options) end
    local traced <close> = assert(process.start(child.traced(options, words)))
    local acknowledged, last = 0, nil
    for line in function() return traced:line(20) end do
      last = line
      if tonumber(line) then acknowledged = tonumber(line) end
    end
    return acknowledged, last
  end

  --- How often a whole run makes this system call.
  local function count(call)
    local place <close> = journals.folder()
    local _, last = run(child.arguments(place, WORK, place.path .. "/j"), place.path .. "/trace", call)
    assert.equal("whole", last)
    return select(2, sys.read(place.path .. "/trace", 1 << 20):gsub("\n", ""))
  end

  --- What is kept must be what was acknowledged, or one step more whose outcome nobody was told.
  local function check(place, acknowledged, label)
    local j <close> = journals.open(place)
    local rows = j:list("work")
    assert.is_true(#rows == acknowledged or #rows == acknowledged + 1, label)
    assert.equal(2 * #rows, j:verify())
    for _, row in ipairs(rows) do
      local value <close> = assert(j:unseal(row.id))
      assert.equal(19, #value)
    end
  end

  local POINTS = 20 -- at most, of each fault, spread evenly over the run
  local faults = {
    { "pwrite64", "signal=KILL" }, { "fdatasync", "signal=KILL" }, { "openat", "signal=KILL" },
    { "pwrite64", "error=ENOSPC" }, { "pwrite64", "error=EIO" }, { "fdatasync", "error=EIO" }, { "fsync", "error=EIO" },
    { "ftruncate", "error=ENOSPC" }, { "pread64", "error=EIO" }, { "pwrite64", "error=EINTR" },
  }
  for _, fault in ipairs(faults) do
    it(("loses nothing acknowledged: %s %s"):format(fault[1], fault[2]), function()
      if not os.execute("strace -o /dev/null true 2>/dev/null") then return pending("needs strace") end
      local calls, stopped = count(fault[1]), 0
      assert.is_true(calls > 0)
      for at = 1, calls, math.ceil(calls / POINTS) do
        local place <close> = journals.folder()
        local words = child.arguments(place, WORK, place.path .. "/j")
        local acknowledged, last = run(words, "/dev/null", fault[1], ("%s:when=%d"):format(fault[2], at))
        stopped = stopped + (last ~= "whole" and 1 or 0)
        if sys.stat(place.path .. "/j/journal.db") then check(place, acknowledged, ("%s %d"):format(fault[1], at)) end
      end
      if fault[2] == "signal=KILL" then assert.is_true(stopped > 0, "no kill was delivered") end
    end)
  end
end)
