-- takes 20 s: runs the program below strace, and each rotation of a certificate makes a key
--- A rotation of users' passwords, of client secrets and of certificates, of one and of two in a policy, and of a
--- password and a client secret into two sinks: killed at every system call, with each answer lost, and with each
--- system call failing.
--- Nothing is lost, set twice to different values, stuck, or said to be done when it is not.

local moonlatch = require "moonlatch"
local program = require "crash.program"
local scheduler = require "task.scheduler"
local strace = require "crash.strace"
local syscalls = require "crash.syscalls"

local function setting(name) return os.getenv("CRASH_" .. name) end

local talks = setting "TALK" ~= nil

-- By default one target of each kind, at points far from each other. tests/long/crash_rotation_spec.lua has all
-- targets, `./dev crash` all points.
local TARGETS = { "user", "user_sinks", "users", "secret", "secrets", "sinks", "certificate", "certificates" }
local STRIDES = { user = 3001, user_sinks = 6007, secret = 3001, certificate = 6007 }
local STRIDE_OF_ALL = 1201
local is_long = ... == "all"

local function has_strace() return os.execute("strace -o /dev/null true 2>/dev/null") ~= nil end

local MANY, ENOUGH = 50, 0.8 -- of the points; a run may make a few calls less than the one whose calls were counted

describe("a rotation that is stopped anywhere", function()
  it("is killed before the system call that a point names, and sees the failure that it names", function()
    if not has_strace() then return pending("needs strace") end
    for what, expected in pairs { ["signal=KILL"] = { 137, "" }, ["error=EIO"] = { 1, "" } } do
      local place <close> = moonlatch.place()
      local trace = place.path .. "/trace"
      local words = strace.striking(trace, "write", 1, what)
      table.move({ "/bin/echo", "text" }, 1, 2, #words + 1, words)
      local outcome = scheduler.run(program.poll, function() return program.run(place.path .. "/run", words) end)
      assert.same({ expected[1], expected[2] }, { outcome.status, outcome.out })
      assert(strace.has_struck(trace), "the record does not show it")
    end
  end)

  local function play(name, stride)
    if not has_strace() then return pending("needs strace") end
    if setting "TARGET" and setting "TARGET" ~= name then return pending("not asked for") end
    local results, total = syscalls.run {
      target = name, stride = stride, seed = tonumber(setting "SEED" or 1),
      lanes = tonumber(setting "LANES" or 2), blow = setting "BLOW", every = setting "EVERY" ~= nil,
      tell = talks and function(text) io.stderr:write(text, "\n") end or nil,
    }
    if talks then io.stderr:write(syscalls.line(name, results, total), "\n") end
    assert(#results > 0, "no point was played")
    assert(#results < MANY or syscalls.met(results) >= ENOUGH * #results, "too many points were not met")
    assert.equal("", syscalls.complaints(results))
  end

  for _, name in ipairs(TARGETS) do
    local stride = tonumber(setting "STRIDE") or is_long and STRIDE_OF_ALL or STRIDES[name]
    if stride then it("ends exactly where it was to: " .. name, function() play(name, stride) end) end
  end
end)
