--- evidence.last_reset and evidence.refused_sign_ins: who changed a password last, and which failed sign-ins go on.

local refused_sign_ins = require "evidence.refused_sign_ins"
local last_reset = require "evidence.last_reset"

local DAY, HOUR = 86400, 3600
local NOW = 1800000000
local ACTORS = { providers = { ["p-1"] = true }, self = "m-1" }

local function reset(days, by, more)
  local change = { id = "c", at = NOW - days * DAY, kind = "reset", result = "success", by = by, targets = {} }
  for name, value in pairs(more or {}) do change[name] = value end
  return change
end

local function app(id, name) return { kind = "application", object_id = id, name = name } end
local function person(id, user_name) return { kind = "person", object_id = id, user_name = user_name } end

local function of(changes, more)
  local account = { id = "A-1", changed = NOW - 5 * DAY }
  for name, value in pairs(more or {}) do account[name] = value end
  local found = last_reset.of(account, changes, ACTORS)
  return found, last_reset.text(found, NOW)
end

describe("the last reset of an account", function()
  it("is by the provider, by its service principal's object id in any case of its letters", function()
    local found, text = of { reset(5, app("P-1", "Devolutions PAM")) }
    assert.same({ "provider", NOW - 5 * DAY }, { found.by, found.provider_at })
    assert.equal("5 days ago by the provider", text)
  end)

  it("is by another application, a person, its holder or the sync, with the name", function()
    assert.equal("5 days ago by the application 'Rotator'", select(2, of { reset(5, app("x", "Rotator")) }))
    assert.equal("5 days ago by the application 'without a name'", select(2, of { reset(5, app("x")) }))
    assert.equal("5 days ago by anna@contoso.com", select(2, of { reset(5, person("u", "anna@contoso.com")) }))
    assert.equal("5 days ago by its holder", select(2, of { reset(5, person("a-1", "svc@contoso.com")) }))
    assert.equal("5 days ago by the directory sync", select(2, of { reset(5, person("s", "Sync_DC1_0a@contoso.com")) }))
    assert.equal("5 days ago by the directory sync", select(2, of({}, { synced = true })))
  end)

  it("is by Moonlatch when its record has the date, or the log its principal", function()
    assert.equal("Moonlatch", (of({}, { own_at = NOW - 5 * DAY + 1 })).by)
    assert.equal("Moonlatch", (of { reset(5, app("m-1")) }).by)
    assert.equal("unknown", (of({}, { own_at = NOW - 6 * DAY })).by)
  end)

  it("is not by Moonlatch when somebody changed the password a minute later", function()
    assert.equal("unknown", (of({}, { own_at = NOW - 5 * DAY - 60 })).by)
    assert.equal("person", (of({ reset(5, person("u", "anna@contoso.com")) }, { own_at = NOW - 5 * DAY - 60 })).by)
  end)

  it("is by who is nearest to the directory's date, of two who reset it within two minutes", function()
    local later = reset(5, person("u", "anna@contoso.com"), { at = NOW - 5 * DAY + 100 })
    local earlier = reset(5, app "p-1", { at = NOW - 5 * DAY - 1 })
    assert.equal("provider", (of { later, earlier }).by)
    assert.equal("person", (of({ later, earlier }, { changed = NOW - 5 * DAY + 99 })).by)
  end)

  it("is unknown where the log no longer has it: an older record says nothing of the last change", function()
    local found, text = of { reset(20, app "p-1") }
    assert.same({ "unknown", NOW - 20 * DAY }, { found.by, found.provider_at })
    assert.equal("5 days ago by whom the log does not tell", text)
    assert.equal("when it was reset is unknown", (last_reset.text(last_reset.of({ id = "a" }, {}, ACTORS), NOW)))
  end)

  it("counts no refused reset, no other change, and the record that names somebody before one that does not", function()
    assert.equal("unknown", (of { reset(5, app "p-1", { result = "failure" }) }).by)
    assert.equal("unknown", (of { reset(5, app "p-1", { kind = "other" }) }).by)
    assert.equal("provider", (of { reset(5, { kind = "unknown" }), reset(5, app "p-1") }).by)
  end)

  it("is overdue by the provider's own resets, where it is known who did others", function()
    local function overdue(changes, more) return last_reset.overdue((of(changes, more)), 30 * DAY, NOW) end
    assert.is_nil(overdue { reset(5, app "p-1") })
    assert.is_nil(overdue({})) -- whoever it was, five days ago
    assert.equal(math.huge, overdue { reset(5, person("u", "anna@contoso.com")) })
    assert.equal(40 * DAY, overdue { reset(5, person("u", "anna@contoso.com")), reset(40, app "p-1") })
    assert.equal(45 * DAY, overdue({}, { changed = NOW - 45 * DAY }))
  end)
end)

describe("a failed sign-in", function()
  local PAM = "203.0.113.88"
  local function use(key_id, address, more)
    local one = { key_id = key_id, address = address, ours = false, first = NOW - 9 * DAY, last = NOW, count = 1,
      success_days = 0 }
    for name, value in pairs(more) do one[name] = value end
    return one
  end
  local function worked(key_id, address, first, last)
    return use(key_id, address, { first_success = NOW - first, last_success = NOW - last })
  end
  local function failed(key_id, address, code, last, more)
    local one = use(key_id, address, { last_error = code, last_error_at = NOW - last })
    for name, value in pairs(more or {}) do one[name] = value end
    return one
  end
  local function told(...)
    local texts = {}
    for i, one in ipairs(refused_sign_ins.of({ ... }, NOW)) do texts[i] = ("%d %s"):format(one.code, one.text) end
    return texts
  end

  it("goes on while nothing from its address succeeded since", function()
    assert.same({
      "7000222 from 203.0.113.88, last 3 minutes ago; nothing from there succeeded since 2027-01-14T08:00:00Z",
    }, told(failed("old", PAM, 7000222, 180, { first_success = NOW - 9 * DAY, last_success = NOW - DAY })))
    assert.same({ "7000215 from an address that the log does not tell, last 3 minutes ago" },
      told(failed("", "", 7000215, 180)))
  end)

  it("is over once its address signs in: a value that was pasted wrong, then right", function()
    assert.same({}, told(failed("", PAM, 7000215, HOUR), worked("new", PAM, HOUR - 60, 60)))
    assert.same({}, told(failed("old", PAM, 7000222, 2 * HOUR), worked("new", PAM, HOUR, 60)))
  end)

  it("goes on where a dead secret is tried long after the address got another one", function()
    assert.same({ "7000222 from 203.0.113.88, last 20 minutes ago" },
      told(failed("old", PAM, 7000222, 1200), worked("new", PAM, 5 * DAY, 60)))
  end)

  it("is nothing when it is ours, a week old, or another address's success stands beside it", function()
    assert.same({}, told(failed("old", PAM, 7000222, 180, { ours = true })))
    assert.same({}, told(failed("old", PAM, 7000222, 8 * DAY)))
    assert.same({ "7000222 from 203.0.113.88, last 3 minutes ago" },
      told(failed("old", PAM, 7000222, 180), worked("new", "192.0.2.7", 5 * DAY, 60)))
  end)
end)
