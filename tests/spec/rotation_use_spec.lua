--- rotation: what Entra's sign-in log confirms, and which old credentials it keeps or lets go. What the log showed is
--- planted; evidence.rules and evidence.refresh have specs of their own.

local host_journal = require "host.journal"
local near_cloud = require "near_cloud" -- before what is found by its path
local by_word = require "rotation.confirm_and_retire"
local evidence_store = require "evidence.store"
local json = require "host.json"
local oauth = require "oauth.sign_in"
local policy = require "policy"
local profile = require "profile.current"
local refresh = require "evidence.refresh"
local rotate = require "rotate.policies"
local rows = require("journal.rotations").client_secrets
local script = require "script.load"
local secret = require "host.secret"
local stage = require "stage"
local time = require "time"

local KEY = secret.from "0123456789abcdef0123456789abcdef"
local DAY, HOUR = 86400, 3600
local PAM = "203.0.113.1"

local cloud, journal, ears, app
local read_log = refresh.run

local function run(how, more, options)
  local fields = {
    summary = "s", select = policy.applications { client_id = { app.appId } }, every = "30d", lifetime = "180d",
    grace = "2d", sink = policy.handover {},
  }
  for name, value in pairs(more or {}) do fields[name] = value end
  local terms = script.check({ name = "policies/x", path = "x.lua" }, policy(fields)).policy
  local surroundings = { journal = journal, profile = cloud.profile }
  for name, value in pairs(options or {}) do surroundings[name] = value end
  local all, status
  profile.use(cloud.profile)
  local ok, err = pcall(cloud.run, cloud, journal, function() all, status = rotate[how]({ terms }, surroundings) end)
  oauth.sign_out()
  if not ok then error(err, 0) end
  return all[1].entries[1], status
end

local function go(more, options) return run("once", more, options) end
local function now() return 1795000000 + cloud.clock:offset() end
local function listed() return rows:all(journal, app.appId) end

local function works(row)
  for _, credential in ipairs(cloud.tenant:passwords(app.id, math.huge)) do
    if credential.keyId == row.body.key_id then return true end
  end
  return false
end

local function change_record(change)
  evidence_store.change_application(journal, app.appId, change)
  assert(journal:commit())
end

-- The log shows a sign-in each day with a secret, between these many days ago, and our own sign-ins with it.
local function show(row, address, first, last, more)
  local at, days = now(), {}
  for day = first, last, -1 do days[#days + 1] = (at - day * DAY) // DAY | 0 end
  local use = {
    key_id = row.body.key_id, address = address, ours = false, first = at - first * DAY, last = at - last * DAY,
    count = #days, first_success = at - first * DAY, last_success = at - last * DAY, days = days, earlier_days = 0,
  }
  for name, value in pairs(more or {}) do use[name] = value end
  change_record(function(record)
    table.insert(record.settled, use)
    for _, own in ipairs(record.own) do
      if own.key_id == use.key_id then own.seen = true end
    end
  end)
end

-- The log was read for 40 days, and showed each of our own sign-ins with this secret.
local function prove_log(row)
  local at = now()
  change_record(function(record)
    record.spans, record.own = { { from = at - 40 * DAY, to = at } }, {}
    for day = 40, 0, -1 do
      table.insert(record.own, { at = at - day * DAY - HOUR, key_id = row.body.key_id, seen = day >= 3 or nil })
    end
  end)
end

-- An old secret, and a new one that was handed over thirty days later.
local function renewed()
  go()
  by_word.confirm(journal, listed()[1].id, "ada")
  cloud:wait(31 * DAY)
  go()
  return listed()[1], listed()[2]
end

local function assert_says(entry, text)
  local remarks = table.concat(entry.remarks, "\n")
  assert.truthy(remarks:find(text, 1, true), remarks)
end

describe("Entra's sign-in log, in a rotation,", function()
  before_each(function()
    cloud, ears = near_cloud.new { lag = { 1, 5 } }, stage.ears()
    cloud.profile.devolutions = { cloud = "https://contoso.devolutions.app" }
    journal = assert(host_journal.open(cloud.folder .. "/j", KEY, "login.example/contoso"))
    app = cloud.tenant:add_app { name = "Billing", days = 20 }
    cloud.tenant.applications:change(app.id, { _owners = { [cloud.app.principal] = true } }, 0)
    cloud:wait(60)
    refresh.run = function() return {} end
  end)
  after_each(function()
    refresh.run = read_log
    journal:close()
    local _ <close> = cloud
    local _ <close> = ears
  end)

  it("confirms a new secret that the consumer uses, so that no person has to", function()
    local old, new = renewed()
    assert.same({ "confirmed", "handed_over" }, { old.state, new.state })
    cloud:wait(9 * DAY)
    show(old, PAM, 30, 8)
    show(new, PAM, 7, 0)
    local entry, status = run "plan"
    assert.same({ "recover", "Entra's log shows that it is in use, which is not on record yet", 3 },
      { entry.what, entry.why, status })
    entry, status = go()
    assert.same({ "changed", 0 }, { entry.what, status })
    assert.same({ "retiring", "confirmed" }, { listed()[1].state, listed()[2].state })
    assert.equal("sign-ins in Entra's log", listed()[2].body.confirmed_by)
    assert_says(entry, "is in use: signed in with from 203.0.113.1 since ")
    assert.equal("wait", (go()).what)
  end)

  it("puts no address on record outside what is sealed", function()
    local old, new = renewed()
    cloud:wait(9 * DAY)
    show(old, PAM, 30, 8)
    show(new, PAM, 7, 0)
    go()
    for _, list in ipairs { journal:list(), journal:history(1000) } do
      assert.is_nil(json.encode(list):find(PAM, 1, true))
    end
  end)

  it("confirms nothing by one test of the connection, and says that it saw it", function()
    local old, new = renewed()
    cloud:wait(9 * DAY)
    show(old, PAM, 30, 0)
    show(new, PAM, 7, 7)
    local entry, status = go()
    assert.same({ "stop", 1 }, { entry.what, status })
    assert.equal("handed_over", listed()[2].state)
    assert_says(entry, "was tried, which does not show that it is in use: signed in with from 203.0.113.1 since ")
  end)

  it("says why it tells nothing, where it cannot be read", function()
    renewed()
    evidence_store.keep_source(journal, "sign_ins", { why = "the tenant has no licence", fix = "Buy one.",
      unavailable = true })
    assert(journal:commit())
    cloud:wait(DAY)
    local entry = go()
    assert_says(entry, ("Entra's log does not tell whether %s is in use: the tenant has no licence. Buy one."):format(
      listed()[2].body.marker))
  end)

  it("keeps an old secret until its expiry where nobody declared a rhythm, with its last use", function()
    local old, new = renewed()
    cloud:wait(40 * DAY)
    show(old, PAM, 60, 38)
    show(new, PAM, 37, 0)
    go { every = "90d" }
    cloud:wait(3 * DAY)
    prove_log(listed()[2])
    local entry = go { every = "90d" }
    assert.equal("wait", entry.what)
    assert.is_true(works(old))
    assert_says(entry, ("stays until it expires on %s, because the log, and no person, confirmed the new one: no "
      .. "rhythm of the consumer is declared, so silence proves nothing; "):format(time.day(old.body.ends)))
    assert_says(entry, "it was last used from 203.0.113.1, 41 days ago")
  end)

  describe("where a rhythm is declared,", function()
    local old
    local RETIRE = { every = "90d", retire = { unused = true, rhythm = "1d" } }

    before_each(function()
      renewed()
      cloud:wait(40 * DAY)
      show(listed()[1], PAM, 60, 38)
      show(listed()[2], PAM, 37, 0)
      go(RETIRE)
      cloud:wait(3 * DAY)
      prove_log(listed()[2])
      old = listed()[1]
    end)

    it("lets an old secret go that nothing uses", function()
      local entry, status = run("plan", RETIRE)
      assert.same({ "change", 3 }, { entry.what, status })
      entry, status = go(RETIRE)
      assert.same({ "changed", 0 }, { entry.what, status })
      assert.equal("replaced, and Entra's log shows no use any more; its grace ended on "
        .. time.day(old.body.retire_at), rows:get(journal, old.id).body.why)
      cloud:wait(60)
      assert.is_false(works(old))
    end)

    it("only tells so where nobody asked for the removal", function()
      local entry = go { every = "90d", retire = { rhythm = "1d" } }
      assert.same({ "wait", true }, { entry.what, works(old) })
      assert_says(entry, "the log shows no use any more, and nobody asked to remove it for that")
    end)

    it("keeps an old secret that a forgotten script used", function()
      show(old, "198.51.100.9", 20, 5)
      local entry = go(RETIRE)
      assert.same({ "wait", true }, { entry.what, works(old) })
      assert_says(entry, "198.51.100.9 used the old one 5 days ago")
    end)

    it("keeps an old secret of an application that signs in on behalf of people", function()
      local web = { redirectUris = json.array { "https://app.example/back" } }
      cloud.tenant.applications:change(app.id, { web = web }, 0)
      cloud:wait(60)
      local entry = go(RETIRE)
      assert.same({ "wait", true }, { entry.what, works(old) })
      assert_says(entry, "the application signs in on behalf of people (it has redirect URIs), which the log of "
        .. "applications does not show")
    end)

    it("keeps an old secret of an application that other tenants may have, whose logs are not seen", function()
      cloud.tenant.applications:change(app.id, { signInAudience = "AzureADMultipleOrgs" }, 0)
      cloud:wait(60)
      local entry = go(RETIRE)
      assert.same({ "wait", true }, { entry.what, works(old) })
      assert_says(entry, "the application may sign in to other tenants, whose logs are not read")
    end)

    it("keeps an old secret of an application through which people signed in, though its registration shows nothing",
      function()
        local use = { app_id = app.appId, people = now() - 2 * DAY, last = now() - 2 * DAY }
        change_record(function(record) record.principal_use = use end)
        local entry = go(RETIRE)
        assert.same({ "wait", true }, { entry.what, works(old) })
        assert_says(entry, ("the application signs in on behalf of people (people signed in through it, last on %s), "
          .. "which the log of applications does not show"):format(time.day(use.people)))
      end)

    it("lets a person confirm what the log confirmed: then the grace alone counts", function()
      show(old, "198.51.100.9", 20, 9)
      assert.equal("wait", (go(RETIRE)).what)
      by_word.confirm(journal, listed()[2].id, "ada")
      assert.equal("a person", listed()[2].body.confirmed_by)
      assert.equal("changed", (go { every = "90d" }).what)
      cloud:wait(60)
      assert.is_false(works(old))
    end)
  end)

  describe("where a person confirmed the new secret,", function()
    local old
    before_each(function()
      local new
      old, new = renewed()
      by_word.confirm(journal, new.id, "ada")
      cloud:wait(3 * DAY)
      show(old, "203.0.113.88", 20, 180 / DAY)
    end)

    it("holds back the removal of an old one that is still used, and says from where", function()
      local entry, status = go { every = "90d" }
      assert.same({ "wait", 0 }, { entry.what, status })
      assert.is_true(works(old))
      assert_says(entry, "is not removed, although its grace ended on ")
      assert_says(entry, "it was used from 203.0.113.88, 3 minutes ago. If that use is not wanted: moonlatch journal "
        .. "retire " .. old.body.key_id .. " --in-use")
      cloud:wait(7 * DAY)
      assert.equal("changed", (go { every = "90d" }).what)
      cloud:wait(60)
      assert.is_false(works(old))
    end)

    it("refuses to retire it by hand, unless the person says that it is used", function()
      local function retire(although_used)
        local ok, err
        profile.use(cloud.profile)
        cloud:run(journal, function()
          oauth.sign_in(cloud.profile)
          ok, err = pcall(by_word.retire, journal, old.body.key_id, although_used)
        end)
        oauth.sign_out()
        return ok, err
      end
      local ok, err = retire()
      assert.same({ false, "refused", "it was used from 203.0.113.88, 3 minutes ago",
        "Find out who that is, and give them the new one. To remove it all the same: moonlatch journal retire "
        .. old.body.key_id .. " --in-use" }, { ok, err.kind, err.why, err.fix })
      assert.is_true(works(old))
      assert.is_true((retire(true)))
      cloud:wait(60)
      assert.is_false(works(old))
    end)

    it("is asked for nothing by --old-now, which names who will be refused", function()
      local entry = go({ every = "90d" }, { old_now = true })
      assert.equal("changed", entry.what)
      assert_says(entry, old.body.marker .. " is removed: it was last used from 203.0.113.88, 3 minutes ago. Whoever "
        .. "signs in with it is refused from now on")
    end)
  end)

  it("is read once for a plan and its run, and only where it may tell something", function()
    local asked = {}
    refresh.run = function(_, subjects, seconds)
      asked[#asked + 1] = { subjects.applications, seconds }
      change_record(function(record) record.spans = { { from = now() - DAY, to = now() } } end)
      return {}
    end
    go()
    assert.same({}, asked)
    cloud:wait(HOUR)
    go { retire = { rhythm = "1d" } }
    assert.same({ { { { app_id = app.appId, rhythm = DAY } }, 60 } }, asked)
  end)
end)
