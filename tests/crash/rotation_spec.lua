-- takes 44 s: runs the program below strace, and each rotation of a certificate makes a key
--- A rotation of users' passwords, of client secrets and of certificates, of one and of two in a policy, and of a
--- client secret into two sinks: killed at every system call, with each answer lost, and with each system call failing.
--- Nothing is lost, set twice to different values, stuck, or said to be done when it is not.

local syscalls = require "crash.syscalls"

local function setting(name) return os.getenv("CRASH_" .. name) end

local talks = setting "TALK" ~= nil

-- Of two accounts or two sinks, the points of one are played by the other targets already.
local STRIDES = { user = 3001, secret = 3001, certificate = 6007, users = 9001, secrets = 9001, certificates = 9001,
  sinks = 9001 }

describe("a rotation that is stopped anywhere", function()
  for _, name in ipairs { "user", "users", "secret", "secrets", "sinks", "certificate", "certificates" } do
    it("ends exactly where it was to: " .. name, function()
      if not os.execute("strace -o /dev/null true 2>/dev/null") then return pending("needs strace") end
      if setting "TARGET" and setting "TARGET" ~= name then return pending("not asked for") end
      local results, total = syscalls.run {
        target = name, stride = tonumber(setting "STRIDE" or STRIDES[name]), seed = tonumber(setting "SEED" or 1),
        lanes = tonumber(setting "LANES" or 2), blow = setting "BLOW",
        tell = talks and function(text) io.stderr:write(text, "\n") end or nil,
      }
      if talks then io.stderr:write(syscalls.line(name, results, total), "\n") end
      assert(#results > 0, "no point was played")
      assert.equal("", syscalls.complaints(results))
    end)
  end
end)
