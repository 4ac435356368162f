--- Rotation as a service: the units that are shipped, and what SIGTERM does to a run.

local process = require "host.process"
local rehearsal = require "rehearsal"

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function output_of(line)
  local pipe = assert(io.popen(line .. " 2>&1"))
  local text = pipe:read("a")
  local _, _, status = pipe:close()
  return text, status
end

local BUILT = os.getenv("MOONLATCH"):match("^(.*)/[^/]*$") .. "/service"

describe("the units", function()
  -- As installed, but with the program that was just built.
  local function unpack_units(folder)
    for _, name in ipairs { "moonlatch-rotate@.service", "moonlatch-watch@.service" } do
      local text = slurp(BUILT .. "/" .. name):gsub("ExecStart=%S+", "ExecStart=" .. os.getenv "MOONLATCH")
      assert(io.open(folder .. "/" .. name, "w")):write(text):close()
    end
    local timer = slurp(SOURCE .. "/service/moonlatch-rotate@.timer")
    assert(io.open(folder .. "/moonlatch-rotate@.timer", "w")):write(timer):close()
  end

  it("are understood by systemd, and confined", function()
    if not os.execute("command -v systemd-analyze >/dev/null") then return pending("needs systemd-analyze") end
    local place <close> = require("moonlatch").place()
    unpack_units(place.path)
    assert.same({ "", 0 }, { output_of(("SYSTEMD_PAGER=cat systemd-analyze verify --man=no '%s'/moonlatch-*")
      :format(place.path)) })
    for _, name in ipairs { "rotate", "watch" } do
      local text = output_of(("SYSTEMD_PAGER=cat systemd-analyze security --offline=true '%s'/moonlatch-%s@.service")
        :format(place.path, name))
      local exposure = tonumber(text:match("Overall exposure level for %S+: ([%d.]+)"))
      assert.is_true(exposure ~= nil and exposure <= 1.5, text)
    end
  end)

  it("name options and files that exist", function()
    for _, name in ipairs { "rotate", "watch" } do
      local text = slurp(("%s/moonlatch-%s@.service"):format(BUILT, name))
      local words = text:match("\nExecStart=%S+ ([^\n]*)\n")
      assert.truthy(words:find("rotate policies/%i ", 1, true), words)
      assert.is_nil(text:find("@[%u_]+@"))
      assert.truthy(text:find("LoadCredential=moonlatch.key:", 1, true))
    end
  end)
end)

describe("rotate --watch", function()
  local function wait_for(what, seconds)
    for _ = 1, seconds * 20 do
      if what() then return end
      os.execute("sleep 0.05")
    end
    error("it did not come to that", 2)
  end

  it("ends the rotation in hand when it is told to end, and begins no other", function()
    local emu <close> = rehearsal.new()
    emu:fault "graph PATCH /users/* slow:1500"
    local child <close> = assert(process.start({
      "/usr/bin/env", "HOME=" .. emu.place.path, os.getenv "MOONLATCH", "--config", emu.config, "rotate",
      "policies/tier0-users", "--watch", "--yes",
    }, nil, nil, "kept"))
    assert.truthy(child:line(20):find("^watching 1 policy; Ctrl%-C, or SIGTERM"))
    wait_for(function() return emu:count "PATCH" == 1 end, 20) -- the canary's, which is answered late
    child:kill "TERM"
    assert.equal(0, child:wait(20), child:complaint())
    assert.equal(1, emu:count "PATCH")
    local status, document = emu:json { "plan", "policies/tier0-users" }
    local counts = {}
    for _, row in ipairs(document.policies[1].accounts) do counts[row.what] = (counts[row.what] or 0) + 1 end
    assert.same({ 3, { wait = 1, change = 4 } }, { status, counts })
  end)

  it("ends while it waits", function()
    local emu <close> = rehearsal.new()
    local child <close> = assert(process.start({
      "/usr/bin/env", "HOME=" .. emu.place.path, os.getenv "MOONLATCH", "--config", emu.config, "rotate",
      "policies/tier0-users", "--watch", "--yes",
    }, nil, nil, "kept"))
    wait_for(function() return emu:count "PATCH" >= 5 end, 20)
    child:kill "TERM"
    assert.equal(0, child:wait(20), child:complaint())
    assert.equal(0, emu:run({ "journal", "verify" }).status)
  end)
end)
