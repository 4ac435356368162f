-- A machine without a home, or on which nothing can be kept: what only reads works all the same.

local lfs = require "lfs"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

describe("where nothing can be kept", function()
  local emulator

  setup(function()
    emulator = rehearsal.new()
    emulator:configure(function(text) return (text:gsub("emulator = { clock", 'state = "/dev/null/state", %0')) end)
  end)
  teardown(function() local _ <close> = emulator end)

  local NOTE = "nothing is on record on this machine: the state folder /dev/null/state cannot be made; so a temporary "
    .. "folder is used, and nothing is kept"

  it("what only reads works, and says that nothing is kept", function()
    -- A sign-in for the plan consents to more, which later tokens carry, too: so what is missing is asked before.
    for _, case in ipairs {
      { "permissions setup/entra-pam-provider", 3 }, { "whoami", 0 }, { "discover", 0 },
      { "plan setup/entra-pam-provider", 3 }, { "plan policies/tier0-users", 3 },
    } do
      local command, status, words = case[1], case[2], {}
      for word in command:gmatch "%S+" do words[#words + 1] = word end
      local outcome = emulator:run(words)
      assert.equal(status, outcome.status, command .. "\n" .. outcome.err)
      assert.truthy(outcome.err:find(NOTE, 1, true), outcome.err)
    end
    for _, name in ipairs(sys.list(os.getenv "TMPDIR" or "/tmp")) do assert.is_nil(name:find "^moonlatch%-state%-") end
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

  it("what changes something does not begin", function()
    local before = emulator:count "POST"
    local outcome = emulator:run { "apply", "setup/entra-pam-provider", "--yes" }
    assert.equal(1, outcome.status)
    assert.matches("^error: open the journal in /dev/null/state\n", outcome.err)
    assert.equal(before, emulator:count "POST")
  end)
end)
