-- takes 12 s: an answer is held back for five seconds, twice
--- Two runs of the setup script at once, as processes of their own: on one machine, and on two.

local await = require "await"
local job = require "setup_job"
local process = require "host.process"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local PATIENCE = 120 -- seconds for what takes a few, on a machine that is busy

-- The same profile with a state folder of its own: another computer.
local function second_machine(emu)
  local text = assert(sys.read(emu.config, 65536))
  local state = ("%%0    state = %q,\n"):format(emu:state() .. "-of-another")
  local changed, count = text:gsub("    emulator = {[^\n]*\n", state, 1)
  assert.equal(1, count)
  local path = emu.config:gsub("moonlatch%.lua$", "another.lua")
  assert(sys.write(path, changed, "replace"))
  return path
end

local function start(emu, config)
  local words = { "/usr/bin/env", "HOME=" .. emu.place.path }
  for _, name in ipairs { "ASAN_OPTIONS", "LSAN_OPTIONS" } do
    if os.getenv(name) then words[#words + 1] = name .. "=" .. os.getenv(name) end
  end
  for _, word in ipairs { os.getenv "MOONLATCH", "apply", job.SETUP, "--yes", "--config", config } do
    words[#words + 1] = word
  end
  return assert(process.start(words, nil, nil, "kept"))
end

local function signal(child, name) assert(os.execute(("kill -%s %d"):format(name, child:pid()))) end

-- Until the emulator was asked this.
local function await_request(emu, method, pattern)
  await.event(("somebody asks %s %s"):format(method, pattern), function()
    for _, request in ipairs(emu:control("GET", "/requests").requests) do
      if request.method == method and request.path:find(pattern) then return true end
    end
  end)
end

local function entries(emu)
  local list = {}
  for _, row in ipairs(emu:control("GET", "/held").held) do
    if row.kind == "client secret" then list[#list + 1] = row.in_force end
  end
  return list
end

describe("two applies at once", function()
  for title, config_of in pairs {
    ["on one machine"] = function(emu) return emu.config end, ["on two machines"] = second_machine,
  } do
    it(title .. ", the first held after its pre-flight, leave one of everything", function()
      local emu <close> = rehearsal.new()
      emu:fault "graph PATCH /applications(uniqueName=*) slow:5000"
      local first <close> = start(emu, config_of(emu))
      await_request(emu, "PATCH", "applications%(uniqueName")
      signal(first, "STOP")
      job.must(job.apply(emu), 0)
      signal(first, "CONT")
      assert.equal(0, first:wait(PATIENCE), first:complaint())
      job.assert_exact(emu)
      assert.same({ true }, entries(emu))
      job.must(job.apply(emu), 0)
      assert.equal(0, (job.verify(emu)))
    end)
  end

  it("on two machines, started together, end with one entry that works, and no run says what is not so", function()
    local emu <close> = rehearsal.new()
    local first <close> = start(emu, emu.config)
    local second <close> = start(emu, second_machine(emu))
    local statuses = { first:wait(PATIENCE), second:wait(PATIENCE) }
    assert.is_true(statuses[1] <= 1 and statuses[2] <= 1, first:complaint())
    job.must(job.apply(emu), 0)
    assert.same({ true }, entries(emu))
    local found = job.truth(emu)
    assert.same({ 1, 1, 3, 1 }, { #found.applications, #found.principals, #found.grants, #found.roles })
    if statuses[1] + statuses[2] == 0 then assert.equal(1, #found.credentials) end
  end)
end)
