-- takes 9 s: runs the program below strace
--- Backup, restore, a change of keys and compaction, killed at every system call and with each
--- write failing: the same command again finishes, and no value and no journal is lost.

local journal = require "crash.journal"

local function setting(name) return os.getenv("CRASH_" .. name) end

local talks = setting "TALK" ~= nil

describe("a journal that is worked on and stopped anywhere", function()
  for _, name in ipairs(journal.ORDER) do
    it("is whole in the end: " .. name, function()
      if not os.execute("strace -o /dev/null true 2>/dev/null") then return pending("needs strace") end
      if setting "TARGET" and setting "TARGET" ~= name then return pending("not asked for") end
      local act, stride = journal.ACTS[name], tonumber(setting "STRIDE" or 61)
      local wrong, played, points = {}, 0, journal.points(journal.ACTS[name], setting "EVERY" ~= nil)
      for i, point in ipairs(points) do
        local wanted = i % stride == 0 and (not setting "BLOW" or point.name:find(setting "BLOW", 1, true))
        for _, text in ipairs(wanted and journal.play(act, point) or {}) do
          wrong[#wrong + 1] = point.name .. ": " .. text
          if talks then io.stderr:write(name, ", ", wrong[#wrong], "\n") end
        end
        played = played + (wanted and 1 or 0)
      end
      if talks then
        io.stderr:write(("%s of a journal: %d of %d points, %d wrong\n"):format(name, played, #points, #wrong))
      end
      assert(played > 0, "no point was played")
      assert.equal("", table.concat(wrong, "\n"))
    end)
  end
end)
