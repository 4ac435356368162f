--- evidence.rules: what is concluded from sign-ins, one world for each way to conclude too much.

local rules = require "evidence.rules"

local DAY, HOUR = 86400, 3600
local NOW = 1800000000 // DAY * DAY + 12 * HOUR
local PAM, SCRIPT = "203.0.113.1", "198.51.100.9"

-- The sign-ins with a key id from an address: days ago, from the first to the last.
local function use(key_id, address, first, last, more)
  local one = {
    app_id = "app", key_id = key_id, address = address, ours = false, count = 9,
    first = NOW - first * DAY, last = NOW - last * DAY,
    first_success = NOW - first * DAY, last_success = NOW - last * DAY,
    success_days = math.min(9, math.ceil(first - last) + 1),
  }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

local function failed(key_id, address, last)
  local at = NOW - last * DAY
  return { app_id = "app", key_id = key_id, address = address, ours = false, first = at, last = at, count = 1,
    success_days = 0, last_error = 7000215, last_error_at = at }
end

local function own_each_day(key_id)
  local list = {}
  for day = 40, 0, -1 do list[#list + 1] = { at = NOW - day * DAY - HOUR, key_id = key_id, seen = day >= 3 or nil } end
  return list
end

-- A world in which everything is as it must be for a removal.
local function world()
  return {
    uses = { use("new", PAM, 20, 0), use("old", PAM, 60, 20.5), use("new", PAM, 20, 0, { ours = true }) },
    coverage = { spans = { { from = NOW - 40 * DAY, to = NOW - 60 } }, holes = {}, own = own_each_day "new" },
    new = "NEW", old = "OLD", olds = { "OLD" }, rhythm = DAY, now = NOW, grace_over = true, proven = true,
    unseen = { for_people = false, other_tenants = false },
  }
end

local function add(case, ...) table.move({ ... }, 1, select("#", ...), #case.uses + 1, case.uses) end

describe("a newer secret", function()
  local function verdict(change)
    local case = world()
    change(case)
    local found = rules.confirmed(case)
    return found.verdict, found.text
  end
  local function verdict_of(...)
    local uses = { ... }
    return verdict(function(case) case.uses = uses end)
  end

  it("is in use when the address of the old one signs in with it for days, and not with the old one", function()
    local found = rules.confirmed(world())
    assert.same({ "in use", PAM, NOW - 20 * DAY, NOW },
      { found.verdict, found.address, found.first, found.last })
    assert.equal("signed in with from 203.0.113.1 since 2026-12-26, last 0 seconds ago", found.text)
  end)

  it("is unknown without a sign-in, with our own ones only, and with refused ones only", function()
    for _, uses in ipairs { {}, { use("new", PAM, 9, 0, { ours = true }) }, { failed("new", PAM, 1) } } do
      assert.same({ "unknown", "the log shows no sign-in with it by anybody else, which proves nothing" },
        { verdict_of(use("old", PAM, 60, 20), table.unpack(uses)) })
    end
  end)

  it("is unknown by sign-ins from before our own were on record: they may be our own", function()
    assert.equal("unknown", (verdict_of(use("old", PAM, 60, 20), use("new", PAM, 9, 0, { unsure = true }))))
  end)

  it("is only tried by one test of the connection", function()
    local said, text = verdict_of(use("old", PAM, 60, 5), use("new", PAM, 1, 1, { success_days = 1 }))
    assert.equal("tried", said)
    assert.equal("signed in with from 203.0.113.1 since 2027-01-14, last 1 day ago, on one day only: testing the "
      .. "connection, before anything is saved, does the same", text)
  end)

  it("is only tried by two tests around midnight in UTC, which is an evening's work in America", function()
    local midnight = NOW // DAY * DAY
    local said, text = verdict_of(use("old", PAM, 60, 5), use("new", PAM, 1, 0, { success_days = 2,
      first = midnight - 60, first_success = midnight - 60, last = midnight + 60, last_success = midnight + 60 }))
    assert.equal("tried", said)
    assert.matches("testing the connection, before anything is saved, does the same$", text)
  end)

  it("is only tried by tests on two days, between which the old one is used", function()
    local said, text = verdict_of(use("old", PAM, 60, 0.1), use("new", PAM, 2, 0))
    assert.equal("tried", said)
    assert.matches(", where an earlier secret was used 2 hours ago$", text)
  end)

  it("is only tried from a computer that never used an old one", function()
    local said, text = verdict_of(use("old", PAM, 60, 20), use("new", "192.0.2.50", 9, 0))
    assert.equal("tried", said)
    assert.matches(", where no earlier secret was seen in use$", text)
  end)

  it("is only tried where the log tells no address", function()
    assert.equal("tried", (verdict_of(use("old", "", 60, 20), use("new", "", 9, 0))))
  end)

  it("is only tried where the log shows none of our own sign-ins with it: what it shows may be ours", function()
    local function unseen(case)
      for _, own in ipairs(case.coverage.own) do own.seen = own.seen and false end
    end
    local said, text = verdict(unseen)
    assert.equal("tried", said)
    assert.matches(", and the log shows none of our own sign%-ins with it: these may be ours$", text)
    assert.equal("in use", (verdict(function(case)
      unseen(case)
      case.coverage.own[1].seen = true
    end)))
    assert.equal("in use", (verdict(function(case) -- where ours were before the log tells anything, or after it
      local before, after = { at = NOW - 45 * DAY, key_id = "new", seen = false }, { at = NOW + 1, key_id = "new" }
      case.coverage.own = { before, after }
    end)))
    assert.equal("in use", (verdict(function(case) -- where we made none, or none that was accepted
      for i, own in ipairs(case.coverage.own) do own.seen, own.failed = nil, i == 1 end
      for i = #case.coverage.own, 2, -1 do case.coverage.own[i] = nil end
    end)))
  end)

  it("needs two declared rhythms since the old one, where the consumer is slow", function()
    local function slow(case) case.rhythm, case.uses = 31 * DAY, { use("old", PAM, 90, 40), use("new", PAM, 33, 2) } end
    assert.equal("tried", (verdict(slow)))
    assert.equal("in use", (verdict(function(case)
      slow(case)
      case.uses[1].last = NOW - 65 * DAY
    end)))
  end)

  it("is in use when it is the first one, wherever it is used on two days", function()
    assert.equal("in use", (verdict(function(case) case.olds, case.uses = {}, { use("new", SCRIPT, 3, 1) } end)))
  end)

  it("is in use by our own sign-ins where Moonlatch itself is the consumer", function()
    local ours = { ours = true }
    local function rotator(case)
      case.uses = { use("old", PAM, 60, 20, ours), use("new", PAM, 19, 0, ours) }
    end
    assert.equal("unknown", (verdict(rotator)))
    assert.equal("in use", (verdict(function(case)
      rotator(case)
      case.is_consumer = true
    end)))
  end)
end)

describe("an older secret", function()
  -- The name and the text of each condition that does not hold after a change of the world.
  local function misses(change)
    local case, list = world(), {}
    change(case)
    local may, conditions = rules.may_remove(case)
    for _, condition in ipairs(conditions) do
      if not condition.holds then list[#list + 1] = condition.name .. ": " .. condition.text end
    end
    assert.equal(#list == 0, may)
    return table.concat(list, "\n")
  end

  it("may go when all ten conditions hold, and each says what was seen", function()
    local may, conditions = rules.may_remove(world())
    local texts = {}
    for i, condition in ipairs(conditions) do texts[i] = condition.name .. ": " .. condition.text end
    assert.is_true(may)
    assert.same({
      "rhythm: the consumer is declared to sign in at least every 1 day",
      "in use: the new one: signed in with from 203.0.113.1 since 2026-12-26, last 0 seconds ago",
      "addresses: each address that was seen with the old one (1) was seen with the new one since",
      "silence: 203.0.113.1 used the old one 21 days ago; silence for 12 days is asked for",
      "covered: the log was read without a gap since 2026-12-06",
      "own sign-ins: the log showed each of our own sign-ins, at least one a day",
      "people: the application does not sign in on behalf of people",
      "tenants: the application signs in to this tenant only", "grace: its grace is over",
      "proven: the new one signed in just now",
    }, texts)
  end)

  it("stays while no rhythm is declared: a forgotten holder is one that has not been seen", function()
    assert.matches("^rhythm: no rhythm of the consumer is declared, so silence proves nothing\n",
      misses(function(case) case.rhythm = nil end))
  end)

  it("stays while the new one is only tried", function()
    assert.matches("^in use: the new one: signed in with .* on one day only", misses(function(case)
      case.uses[1].success_days, case.uses[1].first_success = 1, case.uses[1].last_success
    end))
  end)

  it("stays while an address that used it was not seen with the new one, or not since", function()
    local text = "addresses: 198.51.100.9 used the old one 30 days ago, and was not seen with the new one since"
    assert.equal(text, misses(function(case) add(case, use("old", SCRIPT, 70, 30)) end))
    assert.equal(text, misses(function(case) add(case, use("old", SCRIPT, 70, 30), use("new", SCRIPT, 32, 31)) end))
    assert.equal(text, misses(function(case) add(case, use("old", SCRIPT, 70, 30), failed("new", SCRIPT, 3)) end))
    assert.equal("", misses(function(case) add(case, use("old", SCRIPT, 70, 30), use("new", SCRIPT, 20, 1)) end))
  end)

  it("stays after any use in the time of silence, refused ones included", function()
    local asked = "; silence for 12 days is asked for"
    assert.equal("silence: 203.0.113.1 used the old one 11 days ago" .. asked,
      misses(function(case) add(case, failed("old", PAM, 11)) end))
    assert.equal("silence: an address that the log does not tell used the old one 5 days ago" .. asked,
      misses(function(case) add(case, use("old", "", 5, 5)) end))
  end)

  it("stays after a sign-in of which the log does not say the key id", function()
    assert.equal("silence: 198.51.100.9 signed in with a credential that the log does not name 3 days ago; silence for "
      .. "12 days is asked for", misses(function(case) add(case, failed("", SCRIPT, 3)) end))
  end)

  it("stays after our own sign-in with it, behind which another's could hide, shown or not", function()
    local text = "silence: Moonlatch itself signed in with the old one 8 days ago; silence for 12 days is asked for"
    assert.equal(text, misses(function(case) add(case, use("old", PAM, 20, 8, { ours = true })) end))
    assert.equal(text, misses(function(case)
      table.insert(case.coverage.own, { at = NOW - 8 * DAY, key_id = "old", seen = true })
    end))
  end)

  it("stays while the log is not known for long enough, has a hole, or was not read just now", function()
    assert.equal("covered: the log is known since 2027-01-05 only",
      misses(function(case) case.coverage.spans[1].from = NOW - 10 * DAY end))
    assert.equal("covered: the log has a hole on 2027-01-10: it was not read for 9 days", misses(function(case)
      case.coverage.holes[1] = { from = NOW - 5 * DAY, to = NOW - 4 * DAY, why = "it was not read for 9 days" }
    end))
    assert.equal("", misses(function(case)
      case.coverage.holes[1] = { from = NOW - 30 * DAY, to = NOW - 29 * DAY, why = "it was not read for 9 days" }
    end))
    assert.equal("covered: the log was last read 2 hours ago",
      misses(function(case) case.coverage.spans[1].to = NOW - 2 * HOUR end))
    assert.equal("covered: the log was never read", misses(function(case) case.coverage.spans = {} end))
    assert.equal("covered: the log is known since 2027-01-12 only", misses(function(case)
      case.coverage.spans = { { from = NOW - 40 * DAY, to = NOW - 4 * DAY }, { from = NOW - 3 * DAY, to = NOW } }
    end))
  end)

  it("stays when the log did not show one of our own sign-ins, or when there was none on a day", function()
    local function own_of(case, days)
      for _, own in ipairs(case.coverage.own) do
        if own.at == NOW - days * DAY - HOUR then return own end
      end
    end
    assert.equal("own sign-ins: the log did not show our own sign-in of 2027-01-07T11:00:00Z within 3 days",
      misses(function(case) own_of(case, 8).seen = false end))
    local none = "own sign%-ins: Moonlatch did not sign in with the new one itself on the days after 2027%-01%-0%d"
    assert.matches(none, misses(function(case) own_of(case, 8).at = 0 end))
    assert.matches(none, misses(function(case) own_of(case, 8).key_id = "old2" end))
    assert.matches(none, misses(function(case) own_of(case, 8).failed = true end))
    assert.matches("Moonlatch did not sign in", misses(function(case) case.coverage.own = {} end))
  end)

  it("stays when the application signs in on behalf of people, or when that is unknown", function()
    assert.equal("people: the application signs in on behalf of people (it has redirect URIs), which the log of "
      .. "applications does not show",
      misses(function(case) case.unseen.for_people, case.unseen.why_people = true, "it has redirect URIs" end))
    assert.equal("people: whether the application signs in on behalf of people is unknown",
      misses(function(case) case.unseen.for_people = nil end))
  end)

  it("stays when the application may sign in to other tenants, or when that is unknown", function()
    assert.equal("tenants: the application may sign in to other tenants, whose logs are not read",
      misses(function(case) case.unseen.other_tenants = true end))
    assert.equal("tenants: whether the application signs in to other tenants is unknown",
      misses(function(case) case.unseen.other_tenants = nil end))
  end)

  it("stays within its grace, and while the new one does not sign in", function()
    assert.equal("grace: its grace is not over", misses(function(case) case.grace_over = false end))
    assert.equal("proven: the new one did not sign in just now", misses(function(case) case.proven = false end))
  end)
end)

describe("the use of a replaced secret", function()
  it("is the last one by anybody else, and says from where, how long ago, and that it was refused", function()
    local at = NOW - 180
    local uses = { use("old", PAM, 60, 20), use("old", PAM, 1, 0, { ours = true }), use("new", PAM, 3, 0),
      use("old", "203.0.113.88", 5, 180 / DAY) }
    assert.same({ at = at, address = "203.0.113.88", failed = false, text = "from 203.0.113.88, 3 minutes ago" },
      rules.last_use(uses, "OLD", NOW))
    uses[#uses + 1] = failed("old", "", 60 / DAY)
    local last = rules.last_use(uses, "old", NOW)
    assert.same({ true, 7000215, "from an address that the log does not tell, 1 minute ago, refused with 7000215" },
      { last.failed, last.code, last.text })
    assert.is_nil(rules.last_use(uses, "other", NOW))
  end)

  it("holds its removal back for seven days, or for two declared rhythms where that is longer", function()
    local uses = { use("old", PAM, 60, 8) }
    assert.is_nil(rules.holding_use(uses, "old", NOW))
    assert.is_nil(rules.holding_use(uses, "old", NOW, DAY))
    assert.equal(NOW - 8 * DAY, rules.holding_use(uses, "old", NOW, 5 * DAY).at)
    assert.equal(NOW - 6 * DAY, rules.holding_use({ use("old", PAM, 60, 6) }, "old", NOW).at)
  end)
end)
