-- takes 4 s: runs the program a dozen times
--- plan and apply count the same things the same way, and so does destroy before and after it asks.

local job = require "setup_job"
local rehearsal = require "rehearsal"

local words = job.words

-- What plan says, and what apply then did.
local function both(emu, ...)
  local _, planned = job.plan(emu, ...)
  local _, applied = emu:json(words("apply", "--yes", ...))
  return planned.changes, applied.changes
end

local function assert_same(expected, planned, applied)
  for _, action in ipairs { "create", "update", "delete" } do
    local count = expected[action] or 0
    assert.same({ action, count, count }, { action, planned[action], applied[action] })
  end
end

local function assert_destroy(emu, count, words_before)
  local shown = emu:talk(words "destroy", { "Remove this from", "y\\n" })
  assert.truthy(shown:find(("Plan: %d to remove."):format(count), 1, true), shown)
  assert.truthy(shown:find(("%s: %d removed."):format(words_before, count), 1, true), shown)
end

describe("plan and apply", function()
  it("count the same on a first run, a renewal, a removal and a destroy", function()
    local emu <close> = rehearsal.new()
    assert_same({ create = 9 }, both(emu))
    assert_same({}, both(emu))
    emu:later "151d"
    assert_same({ create = 1, update = 1 }, both(emu))
    emu:later "8d"
    assert_same({ delete = 1 }, both(emu))
    local shown = emu:talk(words("apply", "--renew", "--old-now"), { "Apply this to", "y\\n" })
    assert.truthy(shown:find("Plan: 1 to create, 1 to change, 1 to remove.", 1, true), shown)
    assert.truthy(shown:find("Done: 1 created, 1 changed, 1 removed.", 1, true), shown)
    assert_destroy(emu, 8, "Not done yet, it waits for a person; so far")
  end)

  it("count the same where a person brings the secret to Devolutions Cloud", function()
    local emu <close> = rehearsal.new("--devolutions", "cloud")
    assert_same({ create = 8 }, both(emu))
    assert_same({}, both(emu))
    emu:later "400d"
    assert_same({ create = 1 }, both(emu))
    assert_destroy(emu, 7, "Done") -- the secret before has expired
  end)

  it("count the same when a removal falls on a renewal", function()
    local emu <close> = rehearsal.new()
    assert_same({ create = 9 }, both(emu, "--grace", "160d"))
    emu:later "151d"
    assert_same({ create = 1, update = 1 }, both(emu, "--grace", "150d"))
    emu:later "155d"
    assert_same({ create = 1, update = 1 }, both(emu, "--grace", "7d"))
  end)
end)
