--- How the sources are read into the store: windows, late rows, our own sign-ins, holes, and what could not be read.

local audits = require "evidence.audits"
local daily_report = require "evidence.daily_report"
local fail = require "fail"
local graph_clock = require "graph.clock"
local journals = require "journals"
local principal_report = require "evidence.principal_report"
local refresh = require "evidence.refresh"
local sign_ins = require "evidence.sign_ins"
local scheduler = require "task.scheduler"
local store = require "evidence.store"
local sys = require "host.sys"
local task = require "task"

local APP = "a70a7931-c387-4dce-9f35-fbf95bdcc91e"
local HOUR, DAY = 3600, 86400

describe("a refresh of evidence", function()
  local place, journal, now, log, windows, breaks_at, read_audits, read_report, of_application, read_sign_ins, clock
  local of_principal

  -- The log: events with `shown`, the moment from which the log shows them.
  local function read_log(app_id, from, to)
    windows[#windows + 1] = { from, to }
    if breaks_at == #windows then
      fail.raise { kind = "network", what = "x", why = "the connection broke", fix = "Try again." }
    end
    local found = {}
    for _, event in ipairs(log) do
      local is_there = event.at >= math.max(from, now - 30 * DAY) and event.at < to and (event.shown or 0) <= now
      if is_there and app_id:lower() == APP then found[#found + 1] = event end
    end
    local at = #found + 1
    return function() at = at - 1 return found[at] end
  end

  before_each(function()
    place = journals.folder()
    journal = journals.open(place)
    now, log, windows, breaks_at = 20000 * DAY + 12 * HOUR, {}, {}, nil
    read_sign_ins, sign_ins.read = sign_ins.read, read_log
    read_audits, audits.read = audits.read, function() return function() end end
    read_report, daily_report.read = daily_report.read, function() return function() end end
    of_application, daily_report.of_application = daily_report.of_application, function() return {} end
    of_principal, principal_report.of_application = principal_report.of_application, function() return {} end
    clock, graph_clock.now = graph_clock.now, function() return now end
  end)

  after_each(function()
    sign_ins.read, audits.read, daily_report.read = read_sign_ins, read_audits, read_report
    daily_report.of_application, graph_clock.now = of_application, clock
    principal_report.of_application = of_principal
    journal:close()
    local _ <close> = place
  end)

  local function event(at, more)
    local found = { id = "e" .. #log, at = at, app_id = APP, key_id = "new", credential = "secret", error = 0,
      address = "203.0.113.88" }
    for name, value in pairs(more or {}) do found[name] = value end
    log[#log + 1] = found
    return found
  end

  local function go(subjects, seconds)
    local function poll(ms) sys.sleep(ms) return 0 end
    return scheduler.run(poll, refresh.run, journal, subjects or { applications = { { app_id = APP:upper() } } },
      seconds)
  end

  local function use_of(key_id, ours)
    for _, use in ipairs(store.uses(journal, APP)) do
      if use.key_id == key_id and use.ours == (ours or false) then return use end
    end
  end

  it("counts each sign-in once, however often it looks", function()
    store.own_sign_in(journal, APP, "another", now - 40 * DAY) -- since then our own are on record
    for day = 1, 20 do event(now - day * DAY) end
    for _ = 1, 3 do assert.same({}, go()) end
    local use = use_of "new"
    assert.same({ 20, 20, now - 20 * DAY, now - DAY }, { use.count, use.success_days, use.first, use.last })
    now = now + 4 * DAY
    event(now - HOUR)
    go()
    assert.equal(21, use_of("new").count)
    now = now + 4 * DAY
    go()
    assert.equal(21, use_of("new").count)
  end)

  it("counts rows that come up to three days late, and says that the time was read", function()
    go()
    event(now + HOUR, { shown = now + 3 * DAY })
    now = now + 2 * DAY
    go()
    assert.is_nil(use_of "new")
    now = now + DAY
    go()
    assert.equal(1, use_of("new").count)
    assert.same({ { from = now - 9 * DAY, to = now } }, store.coverage(journal, APP).spans)
    assert.same({}, store.coverage(journal, APP).holes)
  end)

  it("reads thirty days, and then three days, in one request each", function()
    go()
    assert.same({ { now - 30 * DAY, now } }, windows)
    windows, now = {}, now + HOUR
    go()
    assert.same({ { now - HOUR - 3 * DAY, now } }, windows)
  end)

  it("goes on where a refresh broke off, claims nothing meanwhile, and says why", function()
    event(now - 28 * DAY)
    for _, number in ipairs { 1, 3 } do -- the first window was too long, and the second one after it is not reached
      breaks_at = number
      assert.same({ { source = "sign_ins", why = "the connection broke", fix = "Try again." } }, go())
    end
    assert.same({}, store.coverage(journal, APP).spans)
    assert.equal(1, use_of("new").count)
    local age, why = store.age(journal, "sign_ins", APP)
    assert.same({ nil, "the connection broke" }, { age, why })
    breaks_at, windows = nil, {}
    assert.same({}, go())
    assert.equal(now - 22.5 * DAY, windows[1][1])
    assert.equal(1, #store.coverage(journal, APP).spans)
    assert.equal(1, use_of("new").count)
  end)

  it("tells our own sign-ins by key id and moment, also those that were refused and name no key", function()
    store.own_sign_in(journal, APP, "NEW", now - 2 * HOUR)
    store.own_sign_in(journal, APP, "old", now - 3 * HOUR, true)
    event(now - 2 * HOUR + 590)
    event(now - 2 * HOUR + 610)
    event(now - 2 * HOUR, { key_id = "other" })
    local silent = event(now - 3 * HOUR, { error = 7000215 })
    silent.key_id = nil
    go()
    assert.equal(1, use_of("new", true).count)
    assert.equal(1, use_of("new").count)
    assert.equal(1, use_of("other").count)
    assert.equal(1, use_of("", true).count)
    local own = store.coverage(journal, APP).own
    assert.same({ true, nil }, { own[1].seen, own[2].seen })
  end)

  it("remembers a sign-in that the log showed and then lost", function()
    go()
    event(now - HOUR, { key_id = "old" })
    event(now - 2 * HOUR, { key_id = "old", error = 7000215 })
    go()
    table.remove(log, #log - 1)
    for _ = 1, 5 do
      now = now + DAY
      go()
      local use = use_of "old"
      assert.same({ log[1].at + HOUR, log[1].at + HOUR, log[1].at }, { use.last, use.last_success, use.last_error_at })
    end
    log = {}
    now = now + DAY
    go()
    assert.equal(2, use_of("old").count)
  end)

  it("does not know whose a sign-in is from before our own were on record, or the journal was restored", function()
    event(now - 3 * HOUR)
    event(now - HOUR)
    store.own_sign_in(journal, APP, "new", now - 2 * HOUR)
    go()
    local unsure = {}
    for _, use in ipairs(store.uses(journal, APP)) do unsure[use.last] = use.unsure or false end
    assert.same({ [now - 3 * HOUR] = true, [now - HOUR] = false }, unsure)
    journal:mark_restored(now, false)
    go()
    assert.is_true(use_of("new").unsure)
    assert.equal(2, use_of("new").count)
  end)

  it("does not know whose the sign-ins before the first look are, where we never signed in", function()
    event(now - HOUR)
    go()
    assert.is_true(use_of("new").unsure)
    now = now + DAY
    event(now - HOUR)
    go()
    assert.equal(2, #store.uses(journal, APP))
  end)

  it("makes a hole of a sign-in of ours that the log does not show within three days", function()
    go()
    store.own_sign_in(journal, APP, "new", now + HOUR)
    store.own_sign_in(journal, APP, "new", now + 2 * HOUR, true)
    store.own_sign_in(journal, APP, nil, now + 3 * HOUR)
    now = now + 3 * DAY
    go()
    assert.same({}, store.coverage(journal, APP).holes)
    now = now + 2 * HOUR
    go()
    local coverage = store.coverage(journal, APP)
    local at = now - 3 * DAY - HOUR
    assert.same({ { from = at, to = at, why = "the log did not show a sign-in of our own within three days" } },
      coverage.holes)
    assert.same({ false, nil }, { coverage.own[1].seen, coverage.own[2].seen })
    now = now + DAY
    go()
    assert.equal(1, #store.coverage(journal, APP).holes)
  end)

  it("reads in shorter windows where there are many events", function()
    breaks_at = 1
    go()
    for second = 1, 6000 do event(now - 29 * DAY + second) end
    go()
    assert.same({ { now - 30 * DAY, now - 22.5 * DAY }, { now - 22.5 * DAY, now - 18.75 * DAY } },
      { windows[2], windows[3] })
    assert.equal(6000, use_of("new").count)
  end)

  it("keeps our own sign-ins that are put on record while it reads", function()
    local read = sign_ins.read
    sign_ins.read = function(...)
      store.own_sign_in(journal, APP, "new", now + #windows)
      assert(journal:commit())
      return read(...)
    end
    go()
    assert.equal(#windows, #store.coverage(journal, APP).own)
  end)

  it("makes a hole of more than five days between two looks, and of what the log no longer has", function()
    go()
    now = now + 5 * DAY
    go()
    assert.same({}, store.coverage(journal, APP).holes)
    now = now + 6 * DAY
    go()
    assert.same({ { from = now - 6 * DAY, to = now, why = "the log was not looked at for 6 days" } },
      store.coverage(journal, APP).holes)
    now = now + 40 * DAY
    go()
    local holes = store.coverage(journal, APP).holes
    assert.same({ "the log was not looked at for 6 days", "the log no longer has it: it keeps 30 days",
      "the log was not looked at for 40 days" }, { holes[1].why, holes[2].why, holes[3].why })
    assert.same({ now - 43 * DAY, now - 30 * DAY }, { holes[2].from, holes[2].to })
  end)

  it("claims no more than six days at its first look, because the log may keep seven only", function()
    event(now - 20 * DAY)
    go()
    assert.same({ { from = now - 6 * DAY, to = now } }, store.coverage(journal, APP).spans)
    assert.equal(now - 20 * DAY, use_of("new").first)
  end)

  it("forgets addresses after forty days, or four rhythms more", function()
    event(now - HOUR)
    go()
    now = now + 4 * DAY
    go()
    now = now + 37 * DAY
    go { applications = { { app_id = APP, rhythm = DAY } } }
    go() -- without a rhythm: the one that was declared counts
    assert.equal("203.0.113.88", use_of("new").address)
    now = now + 4 * DAY
    go { applications = { { app_id = "another" } } } -- also when nobody asks for this one any more
    assert.equal("", use_of("new").address)
    assert.equal(1, use_of("new").count)
  end)

  it("stops at its time limit, keeps what it read, and says so", function()
    local read = sign_ins.read
    sign_ins.read = function(...)
      if #windows == 1 then task.sleep(3600) end
      return read(...)
    end
    breaks_at = 1
    go()
    local gaps = go(nil, 0.05)
    assert.same({ "sign_ins", "there was no time to read it",
      "Run the same command again: it goes on where it stopped." }, { gaps[1].source, gaps[1].why, gaps[1].fix })
    local record = store.read_application(journal, APP)
    assert.same({ now - 30 * DAY, 7.5 / 4 * DAY }, { record.settled_to, record.length })
  end)

  it("reads the other applications when one cannot be read, and none more when the tenant does not show any", function()
    local tried, status = {}, 500
    sign_ins.read = function(app_id)
      tried[#tried + 1] = app_id
      if app_id ~= APP then return function() end end
      fail.raise { kind = status == 403 and "denied" or "transient", what = "x", why = "it failed", status = status }
    end
    local both = { applications = { { app_id = APP }, { app_id = "other" } } }
    assert.equal("it failed", go(both)[1].why)
    assert.same({ APP, "other" }, { tried[1], tried[2] })
    assert.equal(1, #store.coverage(journal, "other").spans)
    tried, status = {}, 403
    assert.equal("not permitted", go(both)[1].why)
    assert.same({ APP }, tried)
  end)

  it("says of a tenant without the licence that the sign-ins are not available here, and reads the rest", function()
    sign_ins.read = function()
      fail.raise { kind = "denied", what = "x", why = "403", status = 403,
        code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant" }
    end
    daily_report.of_application = function(app_id) return { { app_id = app_id:lower(), key_id = "new", at = 5 } } end
    local gaps = go()
    assert.same({ { "sign_ins", true } }, { { gaps[1].source, gaps[1].unavailable } })
    assert.equal(1, #gaps)
    assert.same({ { app_id = APP, key_id = "new", at = 5 } }, store.last_uses(journal, APP))
    assert.same({}, store.coverage(journal, APP).spans)
  end)

  it("asks for nothing that is not declared, keeps nothing of that, and says that it was left out", function()
    sign_ins.read = function()
      fail.raise { kind = "config", what = "x", why = "y", cause = { transport = "undeclared" } }
    end
    store.keep_source(journal, "sign_ins", { read_at = 5 })
    local gaps = go()
    assert.same({ "evidence was left out", "Leave out --no-evidence; a script of your own declares the calls in its "
      .. "needs.", true }, { gaps[1].why, gaps[1].fix, gaps[1].unavailable })
    assert.is_nil(select(2, store.age(journal, "sign_ins")))
  end)

  it("reads the daily report for each application once in six hours, and whole for many", function()
    local asked, whole = {}, 0
    daily_report.of_application = function(app_id)
      asked[#asked + 1] = app_id
      return { { app_id = app_id, key_id = "k", at = 5 } }
    end
    go()
    go()
    assert.same({ APP:upper() }, asked)
    go { applications = { { app_id = APP }, { app_id = "another" } } }
    assert.same({ APP:upper(), "another" }, asked)
    daily_report.read = function()
      whole = whole + 1
      local rows = { { app_id = "app3", key_id = "k", at = 5 }, { app_id = "nobody", key_id = "k", at = 5 } }
      return function() return table.remove(rows) end
    end
    local many = {}
    for i = 1, 11 do many[i] = { app_id = "APP" .. i } end
    go { applications = many }
    assert.same({ 2, 1, 1, 0 }, { #asked, whole, #store.last_uses(journal, "app3"),
      #store.last_uses(journal, "app4") })
  end)

  it("keeps when an application was used by people, also when a later report lacks the row", function()
    local rows = { { app_id = APP, itself = 5, people = 7, last = 7 } }
    principal_report.of_application = function() return rows end
    go() -- for no removal by evidence, so it is not read
    assert.is_nil(store.principal_use(journal, APP))
    go { applications = { { app_id = APP, rhythm = DAY } } }
    assert.same(rows[1], store.principal_use(journal, APP))
    store.change_application(journal, APP, function(record) record.principal_read_at = nil end)
    rows = {}
    go()
    assert.equal(7, store.principal_use(journal, APP).people)
    store.change_application(journal, APP, function(record) record.principal_read_at = nil end)
    rows = { { app_id = APP, itself = 9, last = 9 } }
    go()
    assert.same({ app_id = APP, itself = 9, people = 7, last = 9 }, store.principal_use(journal, APP))
  end)

  it("reads nothing without a journal, and stops when the journal cannot be written", function()
    assert.same({}, refresh.run(nil, { applications = { { app_id = APP } } }))
    local keep = store.change_application
    store.change_application = function() fail.raise { kind = "journal", what = "x", why = "the disk is full" } end
    local ok, failure = pcall(go)
    store.change_application = keep
    assert.same({ false, "the disk is full" }, { ok, fail.is(failure) and failure.why })
  end)

  describe("of changes", function()
    local ANNA, records = "anna-object-id", nil

    before_each(function()
      records = {}
      audits.read = function(asked)
        windows[#windows + 1] = { asked.category, asked.from, asked.to }
        local at = 0
        return function()
          at = at + 1
          while records[at] and not (records[at].category == asked.category and records[at].change.at >= asked.from
            and records[at].change.at < asked.to) do at = at + 1 end
          return records[at] and records[at].change
        end
      end
    end)

    local function change(id, at, target, category)
      records[#records + 1] = { category = category or "UserManagement", change = { id = id, at = at,
        name = "Reset user password", kind = "reset", result = "success", by = { kind = "unknown" },
        targets = { { object_id = target, type = "User" } }, added = {}, removed = {} } }
    end

    local function follow(...) return go { objects = { ... } } end

    local function seen(object_id)
      local ids = {}
      for i, one in ipairs(store.changes(journal, { target = object_id })) do ids[i] = one.id end
      return ids
    end

    it("keeps those of the objects that are followed, each once", function()
      now = require("time").now()
      change("a", now - DAY, ANNA)
      change("b", now - DAY, "somebody-else")
      change("c", now - HOUR, ANNA)
      for _ = 1, 3 do assert.same({}, follow(ANNA:upper())) end
      assert.same({ "c", "a" }, seen(ANNA))
      assert.same({}, seen "somebody-else")
      local followed = store.followed(journal, ANNA)
      assert.same({ now - 6 * DAY, now - 2 * HOUR }, { followed.from, followed.to })
      assert.is_nil(store.followed(journal, "somebody-else"))
    end)

    it("keeps many changes before all are read, and claims nothing of a reading that broke", function()
      now = require("time").now()
      local ids, is_broken, read = {}, true, audits.read
      for i = 1, 510 do
        ids[i] = "user-" .. i
        change("change-" .. i, now - DAY, ids[i])
      end
      audits.read = function(asked)
        local next_change, count = read(asked), 0
        return function()
          count = count + 1
          if is_broken and count == 506 then
            fail.raise { kind = "network", what = "x", why = "the connection broke", fix = "Try again." }
          end
          return next_change()
        end
      end
      assert.equal("the connection broke", follow(table.unpack(ids))[1].why)
      assert.same({ "change-500" }, seen "user-500")
      assert.same({}, seen "user-501")
      assert.is_nil(store.followed(journal, "user-500"))
      is_broken = false
      assert.same({}, follow(table.unpack(ids)))
      assert.same({ "change-500" }, seen "user-500")
      assert.same({ "change-510" }, seen "user-510")
    end)

    it("reads the log again for an object that is new, and only the last hours otherwise", function()
      now = require("time").now()
      change("b", now - 5 * DAY, "bob")
      follow(ANNA)
      windows = {}
      follow(ANNA)
      assert.same({ { "UserManagement", now - 2 * HOUR, now }, { "ApplicationManagement", now - 2 * HOUR, now },
        { "RoleManagement", now - 2 * HOUR, now } }, windows)
      follow(ANNA, "bob")
      assert.same({ "b" }, seen "bob")
    end)

    it("forgets the address of who made them after forty days", function()
      now = require("time").now() - 41 * DAY
      change("a", now - HOUR, ANNA)
      records[1].change.by = { kind = "person", user_name = "bea@contoso.com", address = "203.0.113.9" }
      follow(ANNA)
      now = now + 39 * DAY
      follow(ANNA)
      assert.equal("203.0.113.9", store.changes(journal, { target = ANNA })[1].by.address)
      now = now + 2 * DAY
      follow(ANNA)
      assert.same({ kind = "person", user_name = "bea@contoso.com" },
        store.changes(journal, { target = ANNA })[1].by)
    end)

    it("says from when on they are whole, after a time without a look", function()
      now = require("time").now() - 20 * DAY
      follow(ANNA)
      now = now + 10 * DAY
      follow(ANNA)
      assert.equal(now - 6 * DAY, store.followed(journal, ANNA).from)
    end)
  end)
end)
