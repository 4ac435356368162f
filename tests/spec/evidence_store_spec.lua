--- What is kept of Entra's logs: summaries of sign-ins, our own sign-ins, changes, and the age of each source.

local fold = require "evidence.fold"
local graph_clock = require "graph.clock"
local journals = require "journals"
local store = require "evidence.store"
local time = require "time"

local APP = "0B1C1E2A-0000-4000-8000-00000000000A"
local DAY = 86400
local MORNING = 20000 * DAY + 6 * 3600

local function event(at, more)
  local found = { id = "e", at = at, app_id = APP:lower(), key_id = "k1", credential = "secret", error = 0,
    address = "203.0.113.88" }
  for name, value in pairs(more or {}) do found[name] = value end
  return found
end

local function sum(...)
  local uses = {}
  for i, one in ipairs { ... } do uses[i] = fold.use(one, false) end
  return fold.merge(uses)
end

describe("the summary of sign-ins", function()
  it("has first, last, count, days and the last error, in whatever order the events come", function()
    local events = { event(MORNING), event(MORNING + 2 * DAY), event(MORNING + 60, { error = 7000215 }),
      event(MORNING + DAY, { error = 7000222 }), event(MORNING + 120) }
    local forward, backward = sum(table.unpack(events)), {}
    for i = #events, 1, -1 do backward[#backward + 1] = events[i] end
    for _, uses in ipairs { forward, sum(table.unpack(backward)) } do
      assert.equal(1, #uses)
      local use = uses[1]
      assert.same({ MORNING, MORNING + 2 * DAY, 5, MORNING, MORNING + 2 * DAY, 7000222, MORNING + DAY },
        { use.first, use.last, use.count, use.first_success, use.last_success, use.last_error, use.last_error_at })
      assert.same({ 20000, 20002 }, use.days)
    end
  end)

  it("keeps apart key ids, addresses and our own, and says \"\" for what an event does not say", function()
    local uses = fold.merge({ fold.use(event(1), false) }, { fold.use(event(2), true) },
      { fold.use(event(3, { key_id = "k2" }), false) }, { fold.use(event(4, { address = "203.0.113.9" }), false) })
    assert.equal(4, #uses)
    for _, credential in ipairs { "federated", "managed_identity", "certificate" } do
      local other = event(5, { credential = credential })
      other.key_id = nil
      assert.equal(credential, fold.use(other, false).key_id)
    end
    local silent = event(5)
    silent.key_id, silent.address = nil, nil
    assert.same({ "", "" }, { fold.use(silent, false).key_id, fold.use(silent, false).address })
  end)

  it("counts further addresses without the address, and forgets addresses that are old", function()
    local uses = {}
    for i = 1, 600 do uses[i] = fold.use(event(i, { address = "10.0.0." .. i }), false) end
    local merged = fold.merge(uses)
    assert.equal(501, #merged)
    assert.same({ "", 100 }, { merged[501].address, merged[501].count })
    local few = fold.forget_addresses({ fold.use(event(10), false), fold.use(event(20, { address = "a" }), false),
      fold.use(event(30, { address = "b" }), false) }, 25)
    assert.same({ "", 2, "b", 1 }, { few[1].address, few[1].count, few[2].address, few[2].count })
    assert.same({ 10, 20 }, { few[1].first, few[1].last })
  end)

  it("counts the days beyond the hundred that it names", function()
    local uses = {}
    for i = 1, 130 do uses[i] = fold.use(event(MORNING + i * DAY), false) end
    local use = fold.merge(uses)[1]
    assert.same({ 100, 30, 20031 }, { #use.days, use.earlier_days, use.days[1] })
  end)
end)

describe("what is kept", function()
  it("is found again in the next run, whatever the case of the id", function()
    local place <close> = journals.folder()
    do
      local j <close> = journals.open(place)
      store.change_application(j, APP, function(record)
        record.settled, record.recent = { fold.use(event(MORNING), false) }, { fold.use(event(MORNING + DAY), false) }
        record.spans = { { from = 1, to = MORNING + DAY } }
      end)
      store.own_sign_in(j, APP:lower(), "K1", MORNING)
      assert(j:commit())
    end
    local j <close> = journals.open(place)
    assert.same({ { app_id = APP:lower(), key_id = "k1", address = "203.0.113.88", ours = false, first = MORNING,
      last = MORNING + DAY, count = 2, first_success = MORNING, last_success = MORNING + DAY, success_days = 2 } },
      store.uses(j, APP))
    assert.same({ spans = { { from = 1, to = MORNING + DAY } }, holes = {}, own = { { at = MORNING, key_id = "k1" } } },
      store.coverage(j, APP))
    assert.same({ APP:lower() }, store.applications(j))
    assert.same({}, store.last_uses(j, APP))
  end)

  it("is nothing without a journal, and nothing of it can be planted or altered", function()
    assert.same({}, store.uses(nil, APP))
    assert.same({}, store.changes(nil, { target = APP }))
    assert.same({ nil, nil, nil }, { store.age(nil, "sign_ins", APP) })
    local place <close> = journals.folder()
    do
      local j <close> = journals.open(place)
      store.own_sign_in(j, APP, "k1", MORNING)
      assert(j:commit())
    end
    journals.tamper(place, "UPDATE kept SET value = CAST(substr(value, 1, 10) || zeroblob(60) AS BLOB)")
    local j <close> = journals.open(place)
    assert.same({ spans = {}, holes = {}, own = {} }, store.coverage(j, APP))
    store.own_sign_in(j, APP, "k1", MORNING + 1)
    assert.equal(1, #store.coverage(j, APP).own)
  end)

  it("of our own sign-ins is 400 days: all of the last four, before that the first accepted one each day", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    for day = 0, 410 do
      store.own_sign_in(j, APP, "k1", MORNING + day * DAY, true)
      store.own_sign_in(j, APP, "k1", MORNING + day * DAY + 10, false)
      store.own_sign_in(j, APP, "k1", MORNING + day * DAY + 20, false)
      store.own_sign_in(j, APP, "k2", MORNING + day * DAY + 20, false)
    end
    local own = store.coverage(j, APP).own
    local last = own[#own]
    assert.same({ "k2", MORNING + 410 * DAY + 20 }, { last.key_id, last.at })
    assert.same({ "k1", true }, { own[#own - 3].key_id, own[#own - 3].failed })
    assert.same({ MORNING + 11 * DAY + 10, "k2" }, { own[1].at, own[2].key_id })
    assert.same({ MORNING + 12 * DAY + 10, "k1" }, { own[3].at, own[3].key_id })
    assert.is_true(#own > 2 * 398 and #own < 2 * 402 + 10)
  end)

  it("of a sign-in of ours is whether it was accepted, once that is known", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    store.own_sign_in(j, APP, "k1", MORNING, true)
    assert.same({ { at = MORNING, key_id = "k1", failed = true } }, store.coverage(j, APP).own)
    store.own_sign_in(j, APP, "K1", MORNING, false)
    assert.same({ { at = MORNING, key_id = "k1" } }, store.coverage(j, APP).own)
  end)

  it("of changes is the latest twenty of an object, each once", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local now = time.now()
    local function change(n) return { id = "c" .. n, at = now - 100 + n, name = "Reset user password", kind = "reset",
      result = "success", by = { kind = "unknown" }, targets = {}, added = {}, removed = {} } end
    for n = 1, 30 do store.add_changes(j, APP, { change(n), change(n - 1) }) end
    local changes = store.changes(j, { target = APP:lower() })
    assert.same({ 20, "c30", "c11" }, { #changes, changes[1].id, changes[20].id })
    assert.equal(6, #store.changes(j, { target = APP, since = now - 75 }))
  end)

  it("of a source is when it was read last, and why it could not be read since", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    store.keep_source(j, "audits", { read_at = graph_clock.now() - 60 })
    store.keep_source(j, "audits", { why = "not licensed", fix = "Buy it.", unavailable = true })
    local age, why, fix = store.age(j, "audits")
    assert.is_true(age >= 60 and age < 90)
    assert.same({ "not licensed", "Buy it." }, { why, fix })
    store.keep_source(j, "audits", { read_at = time.now() })
    age, why = store.age(j, "audits")
    assert.is_true(age < 30)
    assert.is_nil(why)
  end)

  it("of a reading that was cut short is how far it came, and how long its next window is", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    assert.same({ 1000 }, { store.read_to(j, "UserManagement", 1000) })
    store.keep_read_to(j, "UserManagement", { to = 5000, length = 7 * 86400 })
    assert.same({ 5000, 7 * 86400 }, { store.read_to(j, "UserManagement", 1000) })
    assert.same({ 1000 }, { store.read_to(j, "RoleManagement", 1000) })
  end)
end)
