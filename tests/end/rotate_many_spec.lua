-- takes 12 s: starts fifty processes at once, which wait in real time
--- Many processes at once, and the order in which things leave the program.

local rehearsal = require "rehearsal"

local PROCESSES = 50

local POLICY = [[
local policy = require "policy"
return policy {
  summary = "one account", select = policy.users { upn = "uma@contoso.onmicrosoft.com" }, every = "30d",
  sink = policy.devolutions.server { vault = "Privileged", path = "Many" },
}
]]

-- An emulator whose processes wait in real time: with a clock that they share, each wait of one of them moves the
-- time of all, and a request of another seems to take so much longer.
local function in_real_time()
  local emu = rehearsal.new("--lag", "0", "--interval", "1")
  emu:configure(function(text)
    local changed, count = text:gsub("emulator = {[^\n]*}", "emulator = true", 1)
    assert.equal(1, count)
    return changed
  end)
  return emu
end

describe("fifty processes started together", function()
  it("change an account once", function()
    local emu <close> = in_real_time()
    local path = emu.place:write("one.lua", POLICY)
    local command = ("env -i HOME='%s' PATH=/usr/bin:/bin '%s' --config '%s' rotate '%s' --yes --no-evidence"):format(
      emu.place.path, os.getenv "MOONLATCH", emu.config, path)
    local script = ("for i in $(seq %d); do (%s >'%s/said'.$i 2>&1; echo $? >'%s/status'.$i) & done; wait")
      :format(PROCESSES, command, emu.place.path, emu.place.path)
    assert(os.execute(script))
    local changed = 0
    local clear = { ["0"] = "nothing left to do, or it was the one", ["1"] = "1 busy: another is at work on it" }
    for i = 1, PROCESSES do
      local status = assert(io.open(("%s/status.%d"):format(emu.place.path, i)))
      local said = assert(io.open(("%s/said.%d"):format(emu.place.path, i)))
      local code, text = status:read("l"), said:read("a")
      assert.is_true(clear[code] ~= nil, text)
      if code == "1" then assert.matches(clear[code], text, 1, true) end
      if text:find "\n  1 changed\n" then changed = changed + 1 end
      status:close()
      said:close()
    end
    assert.same({ 1, 1 }, { changed, emu:count "PATCH" })
    assert.equal(0, emu:run({ "plan", path }).status)
    assert.equal(0, emu:run({ "journal", "verify" }).status)
  end)
end)

describe("no byte of a request leaves", function()
  -- In a trace of who writes what where: bytes of the journal after its last sync, when something is sent.
  local function check(trace)
    local unsynced, sent, synced = 0, 0, 0
    for line in io.lines(trace) do
      local call, file = line:match("^%d+%s+([%l%d]+)%(%d+<([^>]*)>")
      local is_journal = file and (file:find("/journal%.db$") or file:find("/journal%.db%-wal$"))
      if is_journal and call == "pwrite64" then unsynced = unsynced + 1 end
      if is_journal and (call == "fdatasync" or call == "fsync") then
        if unsynced > 0 then synced = synced + 1 end
        unsynced = 0
      end
      if call == "sendto" or call == "sendmsg" then
        sent = sent + 1
        assert.equal(0, unsynced, line)
      end
    end
    return sent, synced
  end

  for _, case in ipairs {
    { "user passwords", "policies/tier0-users" }, { "a client secret", "policies/pam-provider-secret" },
  } do
    it("while bytes of the journal are not synced: rotation of " .. case[1], function()
      if not os.execute("strace -o /dev/null true 2>/dev/null") then return pending("needs strace") end
      local emu <close> = rehearsal.new()
      assert.equal(0, emu:run({ "apply", "setup/entra-pam-provider", "--yes" }).status)
      emu:later "151d"
      local trace = emu.place.path .. "/trace"
      local outcome = emu:run({ "rotate", case[2], "--yes" }, {
        program = os.getenv "DUMPABLE", -- the other is closed to strace, but for root's
        before = { "strace", "-f", "--seccomp-bpf", "-y", "-qq", "-o", trace, "-e",
          "trace=pwrite64,fdatasync,fsync,sendto,sendmsg" },
      })
      assert.equal(0, outcome.status, outcome.err)
      local sent, synced = check(trace)
      assert.is_true(sent > 20 and synced > 5, ("%d sent, %d synced"):format(sent, synced))
    end)
  end
end)
