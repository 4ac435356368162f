-- takes 40 s: Chromium looks at two pages in four ways each
--- The report's page in Debian's Chromium: light and dark, narrow and wide, and on paper; whole, and where nothing
--- could be looked at. Its pictures are left in build/…/pictures, to be looked at.

local curl = require "curl"
local job = require "setup_job"
local json = require "host.json"
local lfs = require "lfs"
local peers = require "peers"
local sys = require "host.sys"

local CHROMIUM = "/usr/bin/chromium"
local EVIL = "</title><script>alert(1)</script>" .. ("long"):rep(50) .. "\u{202E}gpj"

local function lacking()
  return peers.lacking("playwright-core", "axe-core")
    or not sys.stat(CHROMIUM) and CHROMIUM .. " is not there: ./dev test --all brings it" or nil
end

local function look_at(path, name)
  local folder = lfs.currentdir() .. "/pictures"
  lfs.mkdir(folder)
  lfs.mkdir(folder .. "/" .. name)
  local words = { peers.node(), SOURCE .. "/tests/peer/report.mjs", path, folder .. "/" .. name }
  local outcome = curl.finish(curl.program(words, { LANG = "C.UTF-8" }, 180), sys.sleep)
  assert.equal(0, outcome.exit, outcome.err)
  local seen = assert(json.decode(outcome.out))
  assert.same({}, seen.errors)
  assert.same({}, seen.violations)
  assert.same({}, seen.strangers)
  assert.equal(4, seen.looks)
  assert.is_true(seen.paper > 10000)
end

describe("the report's page in Chromium", function()
  local why = lacking()
  if why then
    return it("is tried", function() pending(why) end)
  end

  local emu
  setup(function() emu = job.emulator("server", "--users", "2000", "--applications", "200") end)
  teardown(function() local _ <close> = emu end)

  it("can be read by everybody, fits each width, loads nothing and runs nothing", function()
    job.must(job.apply(emu), 1)
    job.must(emu:run { "rotate", "policies/tier0-users", "--yes" }, 0)
    job.must(emu:run { "report", "--csv", emu.place.path .. "/first.csv" }, 3)
    emu:admin("assign_role", "uma", "User Administrator")
    local app = emu:control("POST", "/graph/v1.0/applications", { displayName = EVIL:sub(1, 250) })
    emu:control("POST", "/graph/v1.0/applications/" .. app.id .. "/addPassword",
      { passwordCredential = { displayName = "x", endDateTime = emu:control("GET", "/clock").now:sub(1, 10)
        .. "T23:59:59Z" } })
    local path = emu.place.path .. "/report.html"
    job.must(emu:run { "report", "--html", path }, 3)
    look_at(path, "whole")
  end)

  it("can be read where nothing could be looked at", function()
    emu:fault "login POST /** 400 always"
    local path = emu.place.path .. "/unknown.html"
    job.must(emu:run { "report", "--html", path }, 3)
    emu:control("DELETE", "/faults")
    look_at(path, "unknown")
  end)
end)
