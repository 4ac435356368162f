--- rotation: policies for applications, on an emulated tenant and Devolutions Server.

local host_journal = require "host.journal"
local near_cloud = require "near_cloud" -- before what is found by its path
local give = require "handover.deliver"
local oauth = require "oauth.sign_in"
local policy = require "policy"
local profile = require "profile.current"
local rotate = require "rotate.policies"
local script = require "script.load"
local secret = require "host.secret"
local stage = require "stage"
local store = require "journal.rotations"

local KEY = secret.from "0123456789abcdef0123456789abcdef"
local DAY = 86400

local cloud, journal, ears, app

local function open_journal(name)
  return assert(host_journal.open(cloud.folder .. "/" .. name, KEY, "login.example/contoso"))
end

local function terms_of(more)
  local fields = {
    summary = "s", select = policy.applications { client_id = { app.appId } }, every = "90d", lifetime = "180d",
    grace = "7d", sink = policy.devolutions.server { vault = "Privileged", path = "Apps" },
  }
  for name, value in pairs(more or {}) do fields[name] = value end
  return script.check({ name = "policies/x", path = "x.lua" }, policy(fields)).policy
end

local function run(how, more, options)
  local all, status
  profile.use(cloud.profile)
  local surroundings = { journal = journal, profile = cloud.profile }
  for name, value in pairs(options or {}) do surroundings[name] = value end
  local ok, err = pcall(cloud.run, cloud, journal, function()
    all, status = rotate[how]({ terms_of(more) }, surroundings)
  end)
  oauth.sign_out()
  if not ok then error(err, 0) end
  return all[1].entries[1], status, all
end

local function go(more, options) return run("once", more, options) end
local function plan(more, options) return run("plan", more, options) end

-- Key ids of those of ours that work, oldest first.
local function ours()
  local list = {}
  for _, row in ipairs(cloud.tenant:passwords(app.id, math.huge)) do
    if tostring(row.displayName):find "^ml:" then list[#list + 1] = row.keyId end
  end
  return list
end

local function stored()
  local entry = (cloud:entries().Billing or {})[1]
  return entry and entry.data.clientSecret
end

local function in_force() return cloud.tenant:check_secret(app.appId, stored()) == true end

local function vault() return cloud.server.entries[cloud.server:vault_id "Privileged"] end

describe("a policy for applications", function()
  before_each(function()
    cloud, ears = near_cloud.new { lag = { 1, 5 } }, stage.ears()
    journal = open_journal "j"
    app = cloud.tenant:add_app { name = "Billing", days = 20 }
    cloud.tenant.applications:change(app.id, { _owners = { [cloud.app.principal] = true } }, 0)
    cloud:wait(60)
  end)
  after_each(function()
    journal:close()
    local _ <close> = cloud
    local _ <close> = ears
  end)

  describe("replaces a client secret", function()
    it("when it is as old as `every` says, however long it would live", function()
      assert.equal("changed", (go { every = "600d", lifetime = "720d" }).what)
      assert.equal(0, (select(2, plan())))
      cloud:wait(89 * DAY)
      local entry, status = plan()
      assert.same({ "wait", 0 }, { entry.what, status })
      assert.is_true(math.abs(entry.due - (cloud.clock:offset() + 1795000000 + DAY)) < 3600)
      cloud:wait(2 * DAY)
      entry, status = plan()
      assert.same({ "change", 3 }, { entry.what, status })
      assert.truthy(entry.why:find("the one in use is 91 days old, and one is due every 90 days", 1, true), entry.why)
      entry, status = go()
      assert.same({ "changed", 0, 2, true }, { entry.what, status, #ours(), in_force() })
    end)

    it("near its end, however young it is", function()
      go { every = "30d", lifetime = "40d" }
      cloud:wait(31 * DAY)
      local entry = plan { every = "600d", lifetime = "720d" }
      assert.same({ "change", "until" }, { entry.what, entry.why:match "^until" })
      assert.truthy(entry.why:find("the one in use expires in 9 days", 1, true), entry.why)
    end)

    it("that was found in the sink by the age Entra says it has", function()
      go()
      cloud:wait(60 * DAY)
      journal:close()
      journal = open_journal "another"
      local entry, status = go()
      assert.same({ "changed", 0, 1 }, { entry.what, status, #ours() }) -- adopted, and not made anew
      assert.same({ "wait", 0 }, { (plan()).what, (select(2, plan())) })
      cloud:wait(31 * DAY)
      entry = plan()
      assert.truthy(entry.why:find("the one in use is 91 days old", 1, true), entry.why)
    end)

    it("after a restored journal only when what the sink holds does not work", function()
      go()
      journal:close()
      assert(os.execute(("cp -a '%s/j' '%s/backup'"):format(cloud.folder, cloud.folder)))
      journal = open_journal "j"
      cloud:wait(91 * DAY)
      go()
      journal:close()
      journal = open_journal "backup" -- older than what was done
      journal:mark_restored(require("time").now())
      assert(journal:commit())
      local entry, status = go()
      assert.same({ "changed", 0, 2, true }, { entry.what, status, #ours(), in_force() })
      local newest = store.client_secrets:all(journal, app.appId)
      assert.is_true(newest[#newest].body.adopted)
      assert.equal("confirmed", newest[#newest].state)
    end)
  end)

  describe("where the profile names no Devolutions Server", function()
    before_each(function() cloud.profile.devolutions = { cloud = "https://contoso.devolutions.app" } end)

    it("goes by a person's hands, and the plan says so", function()
      local entry, status, all = plan()
      assert.same({ "change", 3 }, { entry.what, status })
      assert.truthy(rotate.plan_text(all):find("to a person's hands, by `moonlatch handover`: Devolutions Cloud has no "
        .. "entries that are written from here\n", 1, true))
      entry, status = go()
      assert.same({ "person", 1 }, { entry.what, status })
      assert.equal("hand the client secret over to the service that signs in as 'Billing': 1 item open; "
        .. "`moonlatch handover` shows it", entry.why)
      local row = store.client_secrets:all(journal, app.appId)[1]
      assert.same({ "handed_over", "journal" }, { row.state, row.body.where })
      give.confirm(journal, row, "ada")
      assert.same({ "wait", 0 }, { (go()).what, (select(2, go())) })
    end)

    it("refuses passwords, and says what would keep them and what does it instead", function()
      local terms = script.check({ name = "policies/y", path = "y.lua" }, policy {
        summary = "s", select = policy.users { group = "g" }, every = "30d",
        sink = policy.devolutions.server { vault = "Privileged" },
      }).policy
      local all
      profile.use(cloud.profile)
      cloud:run(journal, function()
        all = rotate.plan({ terms }, { journal = journal, profile = cloud.profile })
      end)
      oauth.sign_out()
      assert.equal("passwords would be stored in Devolutions Server, and the profile names none: Devolutions Cloud has "
        .. "no API that stores passwords", all[1].failure.why)
      assert.truthy(all[1].failure.fix:find("Name a sink that keeps them elsewhere, such as policy.sink(", 1, true))
      assert.truthy(all[1].failure.fix:find("or leave these accounts to the provider in Devolutions", 1, true))
    end)
  end)

  describe("that is told to do it now", function()
    it("makes a new one whatever the dates say, and says what the old one can still do", function()
      go()
      cloud:wait(DAY)
      local entry, status = go(nil, { now = { "Billing" } })
      assert.same({ "changed", 0, 2, true }, { entry.what, status, #ours(), in_force() })
      local rows = store.client_secrets:all(journal, app.appId)
      assert.same({ "retiring", "confirmed" }, { rows[1].state, rows[2].state })
      assert.truthy(table.concat(ears.warned, "\n"):find(rows[1].body.marker .. " still signs in, until ", 1, true))
      entry = go()
      assert.same({ "wait", 2 }, { entry.what, #ours() }) -- and once only
    end)

    it("keeps to the window unless that is lifted, too", function()
      go()
      local closed = { window = "Sun 03:00-03:01 UTC" }
      local entry, status = go(closed, { now = { app.appId } })
      assert.same({ "skipped", 1, 1 }, { entry.what, status, #ours() })
      assert.matches("^the window is closed until .*Z$", entry.why)
      entry = go(closed, { now = { app.appId }, outside_window = true })
      assert.same({ "changed", 2 }, { entry.what, #ours() })
    end)

    it("removes the one before at once when that is asked for, and says what is not known", function()
      go()
      cloud:wait(DAY)
      local first = ours()[1]
      local entry, status = go(nil, { now = { "billing" }, old_now = true })
      assert.same({ "changed", 0, true }, { entry.what, status, in_force() })
      cloud:wait(60)
      assert.equal(1, #ours())
      assert.are_not.equal(first, ours()[1])
      assert.truthy(table.concat(ears.warned, "\n"):find(" is removed: whether it is used is unknown", 1, true),
        table.concat(ears.warned, "\n"))
    end)

    it("removes nothing while the new one lies nowhere yet", function()
      go { sink = policy.handover {} }
      cloud.meet = function(request, at)
        if at == "before" and request.name:find "/entry$" and request.method == "POST" then return "503" end
      end
      local entry = go(nil, { now = { "Billing" }, old_now = true })
      assert.equal("failed", entry.what)
      assert.equal(1, #ours())
    end)
  end)

  describe("that cannot do its work", function()
    it("ends with 1, and says why, when the application is not ours", function()
      cloud.tenant.applications:change(app.id, { _owners = {} }, 0)
      local entry, status = go()
      assert.same({ "refuse", "reach", 1 }, { entry.what, entry.code, status })
      assert.equal(3, select(2, plan()))
      assert.equal(0, select(2, go { accept = { "reach" } }))
    end)

    it("ends with 1 when there are two entries, and names them", function()
      go()
      local first = vault():each()()
      local twin = { id = "another-entry", name = "Billing", tags = first.tags }
      for name, value in pairs(first) do
        if name:sub(1, 1) ~= "_" and name ~= "id" then twin[name] = value end
      end
      vault():add(twin)
      cloud:wait(91 * DAY)
      local entry, status = go()
      assert.same({ "refuse", "conflict", 1 }, { entry.what, entry.code, status })
      assert.truthy(entry.why:find("another-entry", 1, true), entry.why)
      assert.equal("Delete the entries that are not used, then run the same command again.", entry.fix)
    end)

    it("ends with 1 when another process is at it", function()
      local lease <close> = assert(journal:lease("application/" .. app.appId))
      local entry, status = go()
      assert.same({ "busy", 1, true }, { entry.what, status, lease ~= nil })
    end)
  end)

  it("removes what a try that was cut short left in the vault, wherever it lies", function()
    local now = cloud.server.now()
    local name = ("moonlatch probe %d 99999999 0011"):format(now // 1)
    vault():add({ id = "left-behind", name = name, path = "Elsewhere", type = "Credential", subType = "Default",
      description = "", tags = { "moonlatch-probe" }, data = {}, created = now, modified = now })
    go()
    assert.equal(1, #(cloud:entries()[name] or {})) -- whoever made it may be at it still
    cloud:wait(2 * 3600)
    assert.equal("wait", (go()).what)
    assert.is_nil(cloud:entries()[name])
  end)

  describe("that removes an old client secret", function()
    local function overdue()
      go()
      cloud:wait(91 * DAY)
      go()
      cloud:wait(8 * DAY)
      assert.equal(2, #ours())
    end

    local function refuse_removal(times)
      local seen = 0
      cloud.meet = function(request, at)
        if at ~= "before" or not request.name:find "removePassword$" then return nil end
        seen = seen + 1
        if seen <= times then return "400" end
      end
      return function() return seen end
    end

    it("sends again while Entra does not find what it lists", function()
      overdue()
      local seen = refuse_removal(3)
      local entry, status = go()
      assert.same({ "changed", 0, 4 }, { entry.what, status, seen() })
      cloud:wait(60)
      assert.equal(1, #ours())
    end)

    it("gives up after two minutes, and the next run goes on", function()
      overdue()
      local seen = refuse_removal(math.huge)
      local entry, status = go()
      assert.same({ "failed", 1, 25 }, { entry.what, status, seen() })
      assert.equal(2, #ours())
      cloud.meet = nil
      assert.equal("changed", (go()).what)
      cloud:wait(60)
      assert.equal(1, #ours())
    end)
  end)
end)
