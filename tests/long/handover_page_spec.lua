--- The hand-over's page in Debian's Chromium: by mouse, by keyboard only, light and dark, narrow and wide.
-- Its pictures are left in build/…/pictures, to be looked at.

local curl = require "curl"
local desks = require "desk"
local json = require "host.json"
local lfs = require "lfs"
local neighbour = require "http.neighbour"
local peers = require "peers"
local sys = require "host.sys"
local visit = require "handover.page_server"

local CHROMIUM = "/usr/bin/chromium"

local FOLDER = lfs.currentdir() .. "/pictures"

local function lacking()
  return peers.lacking("playwright-core", "axe-core")
    or not sys.stat(CHROMIUM) and CHROMIUM .. " is not there: ./dev test --all brings it" or nil
end

local function play(page, scenario, url)
  lfs.mkdir(FOLDER)
  local words = { peers.node(), SOURCE .. "/tests/peer/handover.mjs", scenario, url or page:invite(), FOLDER }
  local job = curl.program(words, { LANG = "C.UTF-8" }, 180)
  local outcome = curl.finish(job, function(ms) page:turn(ms) end)
  assert.equal(0, outcome.exit, outcome.err)
  local seen = assert(json.decode(outcome.out))
  local steps = {}
  for _, step in ipairs(seen.steps) do steps[step[1]] = step[2] end
  assert.same({}, seen.errors)
  assert.same({}, seen.violations)
  assert.same({}, seen.strangers)
  return steps
end

describe("the hand-over's page in Chromium", function()
  local why = lacking()
  if why then
    return it("is tried", function() pending(why) end)
  end

  local desk, page
  before_each(function()
    desk = desks.new()
    page = visit.open(desk, neighbour.person "test")
  end)
  after_each(function() page:close() end)

  it("leads a person through the hand-over", function()
    local steps = play(page, "person")
    assert.equal(page.base .. "/", steps.address)
    assert.equal("title", steps.focus)
    assert.same({ "Marked as done.", "tick-permissions" }, { steps.ticked, steps["focus after ticking"] })
    assert.same({ "Client ID is copied.", "1c0c7a9e-5b8f-4a38-8f27-2f5d9f0f6a77" }, steps.copied)
    assert.equal("First copy the secret, or show it, and paste it into the form.", steps["too early"])
    assert.equal(desks.SECRET, steps.shown)
    assert.equal("The secret is shown. It is cleared in 60 seconds, and when you leave this page.", steps["said of it"])
    assert.is_nil(steps.hidden:find(desks.SECRET, 1, true))
    assert.equal(desks.SECRET, steps["secret copied"][2])
    assert.is_nil(steps["after a minute"]:find(desks.SECRET, 1, true))
    assert.equal("It was given once for this address. Press Enter in the terminal where Moonlatch runs: "
      .. "it shows a new address.", steps.again[1])
    assert.equal("moonlatch.ics", steps.calendar)
    assert.equal("proof-title", steps["focus after confirming"])
    assert.equal("Open the address from the terminal", steps.reloaded)
    assert.same({ "tick permissions true", "give", "given", "confirm r-1 true" }, desk.log)
  end)

  it("is worked by the keyboard only, from the address to the confirmation", function()
    local steps = play(page, "keyboard")
    assert.same({ "Tenant ID is copied.", "8f0d6a51-2f3e-4c0a-9f0e-6a1f2b3c4d5e" }, steps.value)
    assert.equal(desks.SECRET, steps.secret[2])
    assert.equal("proof-title", steps.focus)
    assert.equal("You can close this page", steps["end"])
    assert.is_true(page.finished)
    assert.same({ "tick permissions true", "give", "given", "confirm r-1 true" }, desk.log)
  end)

  it("forgets the secret when it is left", function()
    local steps = play(page, "leaving")
    assert.is_nil(steps.hidden:find(desks.SECRET, 1, true))
    assert.same({ "Open the address from the terminal", false }, steps["came back"])
  end)

  it("says what to do when its address was used before", function()
    local url = page:invite()
    play(page, "leaving", url)
    assert.equal("This address was used before", play(page, "used", url).notice)
  end)
end)
