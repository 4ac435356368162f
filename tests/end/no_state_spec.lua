-- A machine without a home, or on which nothing can be kept: what only reads works all the same.

local await = require "await"
local lfs = require "lfs"
local process = require "host.process"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

describe("where nothing can be kept", function()
  local emulator

  setup(function()
    emulator = rehearsal.new()
    emulator:configure(function(text) return (text:gsub("emulator = { clock", 'state = "/dev/null/state", %0')) end)
  end)
  teardown(function() local _ <close> = emulator end)

  local function temporary() return emulator.place.path .. "/temporary" end

  -- Run it with a folder of its own for temporary files, in which nothing may stay.
  local function run(words, before)
    assert(sys.mkdir(temporary()))
    local outcome = emulator:run(words, { env = { "TMPDIR=" .. temporary() }, before = before })
    assert.truthy(outcome.err:find("so a temporary folder is used", 1, true), outcome.err)
    assert.same({}, sys.list(temporary()))
    return outcome
  end

  local NOTE = "nothing is on record on this machine: the state folder /dev/null/state cannot be made; so a temporary "
    .. "folder is used, and nothing is kept"

  it("what only reads works, and says that nothing is kept", function()
    -- A sign-in for the plan consents to more, which later tokens carry, too: so what is missing is asked before.
    for _, case in ipairs {
      { "permissions setup/entra-pam-provider", 3 }, { "whoami", 0 }, { "discover", 0 },
      { "applications --no-evidence", 0 },
      { "plan setup/entra-pam-provider", 3 }, { "plan policies/tier0-users", 3 },
    } do
      local command, status, words = case[1], case[2], {}
      for word in command:gmatch "%S+" do words[#words + 1] = word end
      local outcome = run(words)
      assert.equal(status, outcome.status, command .. "\n" .. outcome.err)
      assert.truthy(outcome.err:find(NOTE, 1, true), outcome.err)
    end
  end)

  it("no folder is left when the reader of the output goes away", function()
    local no_reader = "'import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.execv(sys.argv[1], "
      .. "sys.argv[1:])'"
    for _, words in ipairs { { "discover" }, { "permissions", "setup/entra-pam-provider" } } do
      assert.equal(141, run(words, { "python3", "-c", no_reader }).status) -- SIGPIPE
    end
  end)

  it("no folder is left when the terminal closes (SIGHUP), unless it is ignored", function()
    emulator:fault "graph GET /users** hold-before always"
    local function start(...)
      local words = { "/usr/bin/env", "HOME=" .. emulator.place.path, "TMPDIR=" .. temporary(), ... }
      for _, word in ipairs { os.getenv "MOONLATCH", "discover", "--all", "--config", emulator.config } do
        words[#words + 1] = word
      end
      local before = emulator:count "GET"
      local child = assert(process.start(words, nil, nil, "kept"))
      await.event("it waits for an answer", function() return emulator:count "GET" > before end)
      return child
    end
    local child <close> = start()
    child:kill "HUP"
    assert.equal(1, child:wait(await.PATIENCE))
    assert.matches("error: stopped\n  why: its terminal was closed %(SIGHUP%)\n", child:complaint())
    assert.same({}, sys.list(temporary()))
    local deaf <close> = start("nohup")
    deaf:kill "HUP"
    deaf:kill "TERM"
    assert.equal(1, deaf:wait(await.PATIENCE))
    assert.matches("error: stopped\n  why: it received SIGTERM\n", deaf:complaint())
    assert.same({}, sys.list(temporary()))

    -- The next run removes what a killed process left, and nothing of one that lives.
    local killed, living <close> = start(), start()
    killed:kill "KILL"
    killed:close()
    await.event("both made a folder", function() return #sys.list(temporary()) == 2 end)
    for _, name in ipairs(sys.list(temporary())) do lfs.touch(temporary() .. "/" .. name, 1) end
    assert.equal(0, emulator:run({ "whoami" }, { env = { "TMPDIR=" .. temporary() } }).status)
    assert.equal(1, #sys.list(temporary()))
    living:kill "TERM"
    assert.equal(1, living:wait(await.PATIENCE))
    assert.same({}, sys.list(temporary()))
    emulator:control("DELETE", "/faults")
  end)

  local function plain(text) return (text:gsub("%p", "%%%0")) end

  it("a folder that may exist, and cannot be looked at, is not taken for absent", function()
    local place = emulator.place.path
    for link, target in pairs { ["state-loop"] = "state-loop", ["state-unmounted"] = "not-mounted" } do
      assert(lfs.link(target, place .. "/" .. link, true))
      local path = ("%s/%s/moonlatch"):format(place, link)
      emulator:configure(function(text) return (text:gsub("/dev/null/state", path)) end)
      local outcome = emulator:run { "plan", "setup/entra-pam-provider" }
      emulator:configure(function(text) return (text:gsub(plain(path), "/dev/null/state")) end)
      assert.equal(1, outcome.status, outcome.out)
      assert.matches("^error: open the journal in " .. plain(path) .. "\n", outcome.err)
      assert.is_nil((outcome.out .. outcome.err):find("nothing is on record", 1, true))
    end
  end)

  it("without a home it is not claimed that nothing is on record, and no folder is made elsewhere", function()
    emulator:configure(function(text) return (text:gsub("/dev/null/state", "~/state")) end)
    for home, why in pairs { [""] = "HOME is not set", ["home"] = "HOME is no absolute path: 'home'" } do
      local outcome = emulator:run({ "plan", "setup/entra-pam-provider" }, { env = { "HOME=" .. home } })
      assert.equal(3, outcome.status, outcome.err)
      assert.truthy(outcome.err:find("what is on record on this machine is not known: the environment variable "
        .. why .. "; so a temporary folder is used, and nothing is kept", 1, true), outcome.err)
      assert.is_nil(outcome.err:find("nothing is on record", 1, true))
    end
    emulator:configure(function(text) return (text:gsub("~/state", "/dev/null/state")) end)
  end)

  it("what changes something does not begin", function()
    local before = emulator:count "POST"
    local outcome = emulator:run { "apply", "setup/entra-pam-provider", "--yes" }
    assert.equal(1, outcome.status)
    assert.matches("^error: open the journal in /dev/null/state\n", outcome.err)
    assert.equal(before, emulator:count "POST")
  end)
end)
