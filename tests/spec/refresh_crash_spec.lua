-- takes 5 s: runs the program below strace
-- A run that is killed while it renews a sign-in: every so many system calls here, at
-- every one when run by tests/long/refresh_crash_spec.lua.

local crash = require "refresh_crash"
local sys = require "host.sys"

local STRIDE = tonumber((...)) or 32

local function has_strace()
  return os.execute "strace -qq -o /dev/null true 2>/dev/null" == true
end

describe("a renewal that is cut off", function()
  if not has_strace() then
    pending("was not tried: it needs strace")
    return
  end

  -- How many points were played, and at how many of them the answer was lost.
  local function sweep(scene, judge)
    local points, played, lost = crash.points(scene), 0, 0
    assert(#points > 50, #points .. " points")
    for i = 1 + os.time() % STRIDE, #points, STRIDE do
      local point = points[i]
      local outcome = crash.play(scene, point)
      local where = ("%s %d (point %d of %d): %s%s"):format(point.name, point.number, i, #points, outcome.first or "",
        outcome.err)
      assert.is_false(outcome.early, where)
      judge(outcome, where)
      played, lost = played + 1, lost + (outcome.lost and 1 or 0)
    end
    if STRIDE == 1 then
      io.stderr:write(("%d points, the answer lost at %d\n"):format(played, lost))
      assert(lost > 0, "the answer was never lost: these are not the points that matter")
    end
  end

  it("costs nothing where old refresh tokens stay valid, as Entra's do", function()
    local scene <close> = crash.scene "reuse"
    sweep(scene, function(outcome, where)
      assert.same({ 0, "" }, { outcome.status, outcome.err }, where)
    end)
  end)

  it("costs a sign-in only where the answer never reached the disk, and then says so", function()
    local scene <close> = crash.scene "once"
    sweep(scene, function(outcome, where)
      if not outcome.lost then return assert.same({ 0, "" }, { outcome.status, outcome.err }, where) end
      assert.equal(1, outcome.status, where)
      assert.matches("\n  why: an earlier renewal was cut off before its answer was kept, and with it the newest token "
        .. "was lost%. .*\n  fix: Sign in again: moonlatch login%.\n$", outcome.err)
      crash.login(scene)
    end)
  end)

  it("does not use what it could not keep", function()
    local scene <close> = crash.scene "reuse"
    for _, point in ipairs {
      { name = "fsync", number = 1, error = "EIO" }, { name = "rename", number = 1, error = "ENOSPC" },
      { name = "fsync", number = 2, error = "EIO" },
    } do
      local outcome = crash.play(scene, point)
      assert.is_true(outcome.killed, point.name)
      assert.is_false(outcome.early)
      assert.matches("^error: write a sealed secret to .*/state/sign%-in%-%x+%.sealed\n  why: cannot write ",
        outcome.first)
      assert.same({ 0, "" }, { outcome.status, outcome.err })
    end
  end)

  it("has its token on the disk, name and all, before Graph is called", function()
    local seen = os.getenv "DUMPABLE" or sys.stat("/").ours
    if not seen then return pending("only root's strace shows the names of this build's files") end
    local scene <close> = crash.scene "reuse"
    local order, graph = {}, scene.ready.graph:match(":(%d+)/")
    for _, line in ipairs(crash.trace(scene)) do
      if line:find("^fsync%(%d+<.*sealed%.") then order[#order + 1] = "content" end
      if line:find("^rename%(.*sealed") then order[#order + 1] = "name" end
      if line:find("^fsync%(%d+<.*/state>") then order[#order + 1] = "folder" end
      if line:find("^connect%(.*htons%(" .. graph) then order[#order + 1] = "graph" end
    end
    assert.equal("content name folder graph", table.concat(order, " "):gsub("( graph).*", "%1"))
  end)

  it("is not begun by two at once: each run finds the newest token", function()
    local scene <close> = crash.scene "once"
    local line = ("%s whoami --quiet --config %s >/dev/null 2>>%s/errors"):format(os.getenv "MOONLATCH", scene.config,
      scene.place.path)
    local many = {}
    for i = 1, 8 do many[i] = line .. " &" end
    assert(os.execute("(" .. table.concat(many, " ") .. " wait)"))
    local errors = assert(io.open(scene.place.path .. "/errors")):read "a"
    assert.equal("", errors)
    assert.equal(0, scene:run({ "whoami" }).status)
  end)
end)
