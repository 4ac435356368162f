--- Killing a renewal at every system call: may it cost a sign-in?
--
-- Each point is a run of `moonlatch whoami` that renews a sign-in which is kept, and
-- is killed there. What the emulator was asked, and what is in the file then, tell
-- what the next run has to do.

local rehearsal = require "rehearsal"
local sys = require "host.sys"

local M = {}

---@class refresh_crash.scene: rehearsal
---@field refresh "reuse"|"once"

--- An emulator with somebody signed in. Close it.
---@param refresh "reuse"|"once"
---@return rehearsal
function M.scene(refresh)
  local scene = rehearsal.new("--lag", "0", "--users", "0", "--interval", "1", "--refresh", refresh)
  M.login(scene)
  return scene
end

--- Sign in and stay signed in.
---@param scene rehearsal
function M.login(scene)
  local outcome = scene:run { "login" }
  assert(outcome.status == 0, outcome.err)
end

--- What is kept, as it is on disk.
---@param scene rehearsal
---@return string
function M.kept(scene)
  for _, name in ipairs(assert(sys.list(scene:state()))) do
    if name:find("%.sealed$") then return assert(sys.read(scene:state() .. "/" .. name, 65536)) end
  end
  error "nothing is kept"
end

--- What the emulator was asked since it was told to forget: renewals answered, and calls of Graph.
---@param scene rehearsal
---@return { renewals: integer, calls: integer }
function M.asked(scene)
  local asked = { renewals = 0, calls = 0 }
  for _, request in ipairs(scene:control("GET", "/requests").requests) do
    if request.peer == "login" and request.path:find("/token", 1, true) and request.status == 200 then
      asked.renewals = asked.renewals + 1
    end
    if request.peer == "graph" then asked.calls = asked.calls + 1 end
  end
  return asked
end

-- Run whoami under strace with one injection; no leak checker works there. The build that
-- is open to strace shows names of files also to a person who is not root.
local function traced(scene, options)
  local before = { "strace", "-qq", "-o", "'" .. scene.place.path .. "/trace'" }
  table.move(options, 1, #options, #before + 1, before)
  return scene:run({ "whoami", "--quiet" }, {
    before = before, env = { "ASAN_OPTIONS=detect_leaks=0" }, program = os.getenv "DUMPABLE",
  })
end

--- Lines of the trace of a run that nothing happens to.
---@param scene rehearsal
---@return string[]
function M.trace(scene)
  local outcome, lines = traced(scene, { "-y" }), {}
  assert(outcome.status == 0, outcome.err)
  for line in io.lines(scene.place.path .. "/trace") do lines[#lines + 1] = line end
  return lines
end

--- The points: system calls by name and number, from the first connection on.
---@param scene rehearsal
---@return { name: string, number: integer }[]
function M.points(scene)
  local points, counts, started = {}, {}, false
  for _, line in ipairs(M.trace(scene)) do
    local name = line:match("^([%w_]+)%(")
    if name then
      counts[name] = (counts[name] or 0) + 1
      started = started or name == "connect"
      if started and name ~= "exit_group" then points[#points + 1] = { name = name, number = counts[name] } end
    end
  end
  return points
end

---@class refresh_crash.outcome
---@field killed boolean
---@field lost boolean it was answered, and the answer's token did not reach the disk
---@field early boolean Graph was called before the new token was on the disk
---@field status integer of the next run
---@field err string

--- Kill a run at a point (or give the call an error instead), and do the next.
---@param scene rehearsal
---@param point { name: string, number: integer, error: string? }
---@return refresh_crash.outcome
function M.play(scene, point)
  local before = M.kept(scene)
  scene:control("DELETE", "/requests")
  local what = point.error and "error=" .. point.error or "signal=KILL"
  local run = traced(scene, { "-e", ("inject=%s:%s:when=%d"):format(point.name, what, point.number) })
  local asked, is_new = M.asked(scene), M.kept(scene) ~= before
  local after = scene:run { "whoami", "--quiet" }
  return {
    killed = run.status ~= 0, lost = asked.renewals > 0 and not is_new, early = asked.calls > 0 and not is_new,
    status = after.status, err = after.err, first = run.err,
  }
end

return M
