-- takes 6 s: 56 cases, each with an emulated tenant
--- rotation: users' passwords, on an emulated tenant where anything can go wrong.

local password_rotation = require "password_rotation" -- before what is found by its path
local answer = require "emulator.graph.answer"
local fail = require "fail"
local passwords = require("journal.rotations").user_passwords
local policy = require "policy"
local rotate = require "rotate.policies"
local secret = require "host.secret"
local task = require "task"
local time = require "time"

local DAY = 86400
local UPN, PATCH = password_rotation.UPN, password_rotation.USERS

local rotation, cloud, journal

local function open(options)
  rotation = password_rotation.new(options)
  cloud, journal = rotation.cloud, rotation.journal
end

local function go(more) return rotation:run("once", more) end
local function plan(more) return rotation:run("plan", more) end
local function id_of(who) return rotation:id_of(who) end
local function row_of(who) return rotation:row_of(who) end
local function stored(upn) return rotation:stored(upn) end
local function count(method, pattern) return rotation:count(method, pattern) end

-- A person says: go on.
local function resume(over)
  local ok, failure = rotation:by_hand("resume", UPN, over)
  assert(ok, failure)
end

-- All is well: what is stored is in force, and nothing is pending.
local function assert_settled(who)
  local value, pending = stored((who or "t0-chen") .. "@" .. cloud.tenant.domain)
  assert.is_true(cloud:in_force(who or "t0-chen", value), "what is stored is not in force")
  assert.equal(0, #pending)
  assert.equal("closed", row_of(who).state)
end

-- Let this happen to the nth request of this kind, and of the next `count_of`.
local function meet(method, pattern, fate, from, count_of)
  from = from or 1
  rotation:meet(method, pattern, function(nth) return nth >= from and nth < from + (count_of or 1) and fate or nil end)
end

-- Entra refuses passwords as long as this says so of the nth it is sent.
local function refuse(when)
  rotation:change_by(when and function(plain, nth)
    if when(nth) then
      answer.bad("The specified password does not comply with password complexity requirements. "
        .. "Please provide a different password.")
    end
    return plain()
  end)
end

describe("a user's password", function()
  before_each(function() open { lag = { 1, 5 } } end)
  after_each(function() rotation:close() end)

  it("is changed, stored, read back and closed; the one before is forgotten with the next", function()
    local rows, status = go()
    assert.same({ 0, "changed" }, { status, rows["t0-chen"].what })
    assert_settled()
    local value, _, entry = stored()
    assert.equal(32, #value)
    assert.equal(4, secret.classes(value))
    assert.is_false(cloud.tenant.users:newest(id_of "t0-chen")._force)
    assert.equal(("Password kept by Moonlatch (%s/1) for %s, in force since %s."):format(row_of().body.marker,
      id_of "t0-chen", time.iso(row_of().body.changed_at)), entry.description)
    local first = row_of().body.value
    assert.is_true(secret.equals(passwords:unseal(journal, first), value))
    cloud:wait(31 * DAY)
    go()
    assert_settled()
    assert.is_nil(passwords:unseal(journal, first))
    assert.equal(2, count("PATCH", PATCH))
    assert.is_true(journal:verify() > 0)
  end)

  it("is made of no more requests than its protocol needs", function()
    local list, entry = "/entry$", "/entry/[^/]+$"
    local function asked()
      return { count("GET", list), count("POST", list), count("GET", entry), count("PUT", entry) }
    end
    local before = asked()
    go()
    local first = asked() -- the whole folder, then the slot; the probe, what is pending, what is current, read back
    assert.same({ 3, 3, 3, 0 }, { first[1] - before[1], first[2], first[3], first[4] })
    cloud:wait(31 * DAY)
    go()
    local second = asked() -- the current one is read, replaced and read back
    assert.same({ 3, 2, 4, 1 }, { second[1] - first[1], second[2] - first[2], second[3] - first[3], second[4] })
  end)

  it("waits until it is due, and no run changes it before", function()
    go()
    local rows, status = go()
    assert.same({ 0, "wait" }, { status, rows["t0-chen"].what })
    assert.equal(1, count("PATCH", PATCH))
    local planned, plan_status = plan()
    assert.same({ 0, "wait" }, { plan_status, planned["t0-chen"].what })
    assert.equal(time.day(row_of().body.changed_at + 30 * DAY), time.day(planned["t0-chen"].due))
  end)

  it("is planned without changing anything", function()
    local rows, status, found = plan()
    assert.same({ 3, "change", "never changed from here" }, { status, rows["t0-chen"].what, rows["t0-chen"].why })
    for _, request in ipairs(cloud.requests) do
      local signs_in = request.path:find "token" or request.path:find "login"
      assert.is_true(request.method == "GET" or signs_in ~= nil, request.method .. " " .. request.path)
    end
    assert.equal(0, #journal:list())
    assert.same({ true, nil }, { found.is_open, found.moment })
  end)

  describe("is not touched", function()
    local function refused(more, who, expected)
      local rows, status = go(more)
      assert.equal(0, count("PATCH", PATCH))
      assert.equal(expected or 1, status)
      return rows[who or "t0-chen"].what .. ": " .. rows[who or "t0-chen"].why
    end

    it("when it is kept elsewhere, or the account is out of reach", function()
      local cases = {
        sven = "refuse: its password is kept on-premises (synced account)", dora = "refuse: it is disabled",
        ["gail_fabrikam.com#EXT#"] = "refuse: it is a guest: its password is kept elsewhere",
      }
      for who, why in pairs(cases) do
        assert.equal(why, refused({ select = policy.users { upn = who .. "@" .. cloud.tenant.domain } }, who))
      end
    end)

    it("which is no failure when its policy expects that", function()
      local terms = { select = policy.users { upn = { UPN, "sven@" .. cloud.tenant.domain } } }
      local _, status = go(terms)
      assert.equal(1, status)
      terms.accept = "synced"
      local rows, again = go(terms)
      assert.same({ 0, "refuse", "synced" }, { again, rows.sven.what, rows.sven.code })
      terms.accept = "guest"
      assert.equal(1, (select(2, go(terms))))
      terms.accept, terms.select = nil, terms.select - policy.synced()
      rows, status = go(terms)
      assert.same({ 0, nil }, { status, rows.sven })
    end)

    it("when its domain is federated", function()
      local users = require "entra.users"
      local read = users.federated_domains
      users.federated_domains = function() return { [cloud.tenant.domain] = true } end
      local why = refused()
      users.federated_domains = read
      assert.equal("refuse: its domain is federated: its password is kept elsewhere", why)
    end)

    it("when the roles we hold do not reach it", function()
      rotation:close()
      open { roles = { "Helpdesk Administrator" } }
      local upn = "adele@" .. cloud.tenant.domain
      assert.equal("refuse: beyond the reach of the roles we hold: Global Administrator (active)",
        refused({ select = policy.users { upn = upn } }, "adele"))
    end)

    it("when it is on the never-touch list, whatever select says", function()
      assert.equal("never: it is on the never-touch list", refused({ never = { UPN:upper() } }, nil, 0))
    end)

    it("when an entry of its name is somebody else's", function()
      local server = cloud.server
      server.entries[server:vault_id "Privileged"]:add {
        id = "0a0a0a0a-0000-0000-0000-000000000001", name = UPN, path = "Tier0", type = "Credential",
        subType = "Default", description = "by hand", tags = {}, created = 0, modified = 0,
        data = { password = secret.from "by-hand-1" },
      }
      assert.equal("refuse: there is an entry of this name without the tag moonlatch-password: tag it to have its "
        .. "password replaced", refused())
    end)
  end)

  it("keeps what a person put into its entry", function()
    go()
    local _, _, entry = stored()
    entry.description = "Ask Ines first.\n" .. entry.description
    entry.tags[#entry.tags + 1] = "audited"
    entry.data.domain, entry.data.notes = "CONTOSO", "left drawer"
    cloud:wait(31 * DAY)
    go()
    assert_settled()
    _, _, entry = stored()
    assert.equal("Ask Ines first.\n", entry.description:sub(1, 16))
    assert.equal(1, select(2, entry.description:gsub("Password kept by Moonlatch", "")))
    assert.same({ "moonlatch-password", "audited" }, { entry.tags[1], entry.tags[2] })
    assert.same({ "CONTOSO", "left drawer" }, { entry.data.domain, entry.data.notes })
  end)

  describe("loses nothing", function()
    it("when the answer to the change is lost after it was applied", function()
      meet("PATCH", PATCH, "after")
      local rows, status = go()
      assert.same({ 0, "changed" }, { status, rows["t0-chen"].what })
      assert_settled()
    end)

    it("when the request is lost before it was applied: the same value is sent again", function()
      meet("PATCH", PATCH, "before")
      go()
      assert_settled()
      assert.equal(2, count("PATCH", PATCH))
      assert.matches("/1%)", select(3, stored()).description)
    end)

    it("when no answer comes at all in a run: the next one goes on", function()
      meet("PATCH", PATCH, "before", 1, 100)
      local rows, status = go()
      assert.same({ 1, "failed" }, { status, rows["t0-chen"].what })
      assert.is_true(fail.is(rows["t0-chen"].failure, "unknown_outcome"))
      assert.equal("sent", row_of().state)
      local _, pending = stored()
      local kept = passwords:unseal(journal, passwords:sealed_name(row_of(), 1))
      assert.is_true(secret.equals(kept, pending[1]))
      cloud.meet = nil
      go()
      assert_settled()
    end)

    it("when the change was applied, no answer came, and the directory shows it late", function()
      meet("PATCH", PATCH, "after", 1, 100)
      go()
      cloud.meet = nil
      cloud:wait(600)
      go()
      assert_settled()
    end)

    it("when that goes on for more than an hour: a person is asked, unless the policy says to repeat", function()
      meet("PATCH", PATCH, "after", 1, 100)
      go()
      cloud.meet = nil
      cloud:wait(3700)
      local rows, status = go()
      assert.same({ 1, "stop", "orphaned" }, { status, rows["t0-chen"].what, row_of().state })
      assert.matches("more than an hour has passed: it is not known which value is in force$", rows["t0-chen"].why)
      assert.matches("value 1 is in the entry vault 'Privileged', Tier0\\t0%-chen@.* %(pending%) %(id ",
        rows["t0-chen"].failure.fix)
      resume()
      go()
      assert_settled()
    end)

    it("when the policy says to repeat what is unknown for more than an hour", function()
      meet("PATCH", PATCH, "after", 1, 100)
      go()
      cloud.meet = nil
      cloud:wait(3700)
      assert.equal("changed", go({ on_unknown = "repeat" })["t0-chen"].what)
      assert_settled()
    end)

    for _, case in ipairs {
      { "POST", "/entry$", "the pending entry" }, { "PUT", "/entry/", "the entry in use" },
      { "DELETE", "/entry/", "the removal of the pending one" }, { "GET", "/entry/", "reading back" },
    } do
      for _, fate in ipairs { "before", "after", "503" } do
        it(("when %s meets '%s', at any time"):format(case[3], fate), function()
          for nth = 1, 4 do
            meet(case[1], case[2], fate, nth, 8)
            go()
            cloud.meet = nil
            go()
            assert_settled()
            cloud:wait(31 * DAY)
          end
        end)
      end
    end
  end)

  it("that Entra refuses gets another value beside it, and the account keeps its own till then", function()
    local before = cloud.tenant.users:newest(id_of "t0-chen")._password
    refuse(function(nth) return nth <= 2 end)
    local rows = go()
    refuse(nil)
    assert.equal("changed", rows["t0-chen"].what)
    assert_settled()
    assert.matches("/3%)", select(3, stored()).description)
    assert.is_false(cloud:in_force("t0-chen", before))
  end)

  it("that Entra refuses for ever is a person's to look at, and stays as it was", function()
    local before = cloud.tenant.users:newest(id_of "t0-chen")._password
    refuse(function() return true end)
    local rows, status = go()
    assert.same({ 1, "stop" }, { status, rows["t0-chen"].what })
    assert.matches("^Entra refused 4 generated passwords: ", rows["t0-chen"].why)
    assert.equal(4, count("PATCH", PATCH))
    assert.equal("orphaned", row_of().state)
    assert.is_true(cloud:in_force("t0-chen", before))
    rows, status = go()
    assert.same({ 1, "stop", 4 }, { status, rows["t0-chen"].what, count("PATCH", PATCH) })
    refuse(nil)
    resume()
    go()
    assert_settled()
  end)

  it("unknown, then refused: both values stay until one is known to be in force", function()
    local calls = 0
    cloud.meet = function(request, moment) -- lost; its repeat refused; the next value lost, each time
      if moment ~= "before" or request.method ~= "PATCH" then return nil end
      calls = calls + 1
      return (calls == 1 or calls >= 3) and "before" or nil
    end
    refuse(function() return true end)
    go()
    local _, pending = stored()
    local row = row_of()
    assert.equal("sent", row.state)
    assert.same({ "open", "open" }, { row.body.candidates[1].state, row.body.candidates[2].state })
    assert.equal(2, #pending)
    assert.is_not_nil(passwords:unseal(journal, passwords:sealed_name(row, 1)))
    assert.is_not_nil(passwords:unseal(journal, passwords:sealed_name(row, 2)))
    cloud.meet = nil
    refuse(nil)
    go()
    assert_settled()
    assert.is_nil(passwords:unseal(journal, passwords:sealed_name(row, 1)))
  end)

  it("is not set anew because of a 403", function()
    meet("PATCH", PATCH, "403", 1, 1)
    local rows, status = go()
    assert.same({ 1, "failed", "sent", 1 },
      { status, rows["t0-chen"].what, row_of().state, #row_of().body.candidates })
    cloud.meet = nil
    go()
    assert_settled()
    assert.matches("/1%)", select(3, stored()).description)
  end)

  describe("stops at another rotator", function()
    it("that changed it since our last time", function()
      go()
      cloud:wait(DAY)
      cloud.tenant:change_password("t0-chen")
      local rows, status = go()
      assert.same({ 1, "stop" }, { status, rows["t0-chen"].what })
      assert.matches("^somebody else changed the password on 20", rows["t0-chen"].why)
      assert.equal(1, count("PATCH", PATCH))
      rows = go { reconcile = true } -- a request from then might still be carried out
      assert.same({ "wait", 1 }, { rows["t0-chen"].what, count("PATCH", PATCH) })
      cloud:wait(150)
      rows = go { reconcile = true }
      assert.equal("changed", rows["t0-chen"].what, rows["t0-chen"].why)
      assert_settled()
    end)

    it("until a person has looked", function()
      go()
      cloud:wait(DAY)
      cloud.tenant:change_password("t0-chen")
      go()
      resume()
      cloud:wait(150)
      go()
      assert_settled()
    end)

    it("that changed it while ours was on its way", function()
      meet("PATCH", PATCH, "before", 1, 100)
      go()
      cloud:wait(3600)
      cloud.tenant:change_password("t0-chen")
      cloud.meet = nil
      local rows, status = go()
      assert.same({ 1, "stop" }, { status, rows["t0-chen"].what })
      assert.matches("^the password was changed by somebody else on .*, after ours was sent$", rows["t0-chen"].why)
      assert.equal("orphaned", row_of().state)
      local _, pending = stored()
      assert.equal(1, #pending)
      resume()
      cloud:wait(150)
      go()
      assert_settled()
    end)
  end)

  it("begun by a journal that is lost is nobody's to overwrite", function()
    meet("PATCH", PATCH, "before", 1, 100)
    go()
    journal = rotation:use_journal "another"
    cloud.meet = nil
    local rows, status = go() -- it is young: somebody may be at work on it
    assert.same({ 1, "busy" }, { status, rows["t0-chen"].what })
    cloud:wait(600)
    rows, status = go()
    assert.same({ 1, "stop" }, { status, rows["t0-chen"].what })
    local other = rows["t0-chen"].why:match("^the sink has a pending password that may be in force, written by "
      .. "another installation of Moonlatch %((ml:%x+:%x+)%)$")
    resume()
    assert.equal("stop", go()["t0-chen"].what) -- it has to be named
    resume(other)
    local before = cloud.clock:offset()
    go()
    assert.is_true(cloud.clock:offset() - before > 155) -- if the other one lives, it shows by then
    local value, pending = stored()
    assert.is_true(cloud:in_force("t0-chen", value))
    assert.equal(1, #pending) -- what was not ours to remove
    cloud:wait(31 * DAY)
    assert.equal("changed", go()["t0-chen"].what)
  end)

  it("is adopted by a journal that is new, where what is stored is in force", function()
    go()
    journal = rotation:use_journal "another"
    local rows, status = go()
    assert.same({ 0, "wait", 1 }, { status, rows["t0-chen"].what, count("PATCH", PATCH) })
    assert.equal("closed", row_of().state)
    cloud:wait(31 * DAY)
    go()
    assert_settled()
  end)

  it("is adopted by a journal restored from an older copy of itself", function()
    go()
    local source, copy = cloud.folder .. "/j", cloud.folder .. "/copy"
    journal:close()
    assert(os.execute(("cp -a '%s' '%s'"):format(source, copy)))
    journal = rotation:use_journal "j"
    cloud:wait(31 * DAY)
    go()
    journal = rotation:use_journal "copy"
    local rows, status = go()
    assert.same({ 0, "wait", 2 }, { status, rows["t0-chen"].what, count("PATCH", PATCH) })
    local value = stored()
    assert.is_true(cloud:in_force("t0-chen", value))
    cloud:wait(31 * DAY)
    go()
    assert_settled()
  end)

  it("holds none of the person's names, however short it is", function()
    local plain, made = secret.generate, 0
    secret.generate = function(length, excluded)
      if length ~= 9 then return plain(length, excluded) end
      made = made + 1
      return secret.from(made < 3 and "x9!CHEN#q" or "Zz9!aaBcd")
    end
    go { password = { length = 9 } }
    secret.generate = plain
    assert_settled()
    assert.equal(3, made)
  end)

  it("ends the sessions when the policy says so, and tells a program", function()
    local note = cloud.folder .. "/note"
    cloud.programs = { tell = { "/bin/sh", "-c", 'echo "$0 $1" >"$2"' } }
    local tell = { "tell", "{name}", "{policy}", note }
    go { after = { revoke_sessions = true, run = tell } }
    assert.equal(1, count("POST", "/revokeSignInSessions$"))
    local file <close> = assert(io.open(note))
    assert.equal(UPN .. " policies/x", file:read("l"))
    local kinds = {}
    for _, entry in ipairs(journal:history(50)) do kinds[#kinds + 1] = entry.kind:match("^run%..*") end
    assert.same({ "run.start", "run.done" }, kinds)
  end)

  it("gives a program no option by a name in the tenant", function()
    local values = { name = "--exec=sh", policy = "policies/x", rotation = "r-1" }
    for _, words in ipairs { { "tell", "{name}" }, { "tell", "-q", "{name}{policy}" } } do
      local ok, err = pcall(require("rotation.command").notify, words, values)
      assert.is_false(ok)
      assert.matches("^run the program 'tell': its argument {name}.* would become '%-%-exec=sh.*', which it would take "
        .. "for an option\nWrite it in the policy behind the option that takes it %(%-%-name={name}", tostring(err))
    end
  end)
end)

describe("a run", function()
  before_each(function() open { users = 40 } end)
  after_each(function() rotation:close() end)

  local TIER0 = policy.users { group = "PAM managed tier 0" }

  it("changes no more than the policy allows, and says before how many wait", function()
    local more = { select = TIER0, limits = { max_changes = 2 } }
    local _, _, found = plan(more)
    assert.same({ 2, 3 }, { #found.changes, found.later })
    local rows, status = go(more)
    assert.equal(0, status)
    local what = { changed = 0, change = 0 }
    for _, entry in pairs(rows) do what[entry.what] = what[entry.what] + 1 end
    assert.same({ changed = 2, change = 3 }, what)
    assert.equal(2, count("PATCH", PATCH))
  end)

  it("counts what was begun before among what it may change", function()
    local limits = { max_changes = 2, canary = 0, stop_on_failure = false }
    cloud.meet = function(request, moment)
      if moment == "before" and request.method == "PATCH" then return "403" end
    end
    go { select = TIER0, limits = limits }
    cloud.meet = nil
    local rows = go { select = TIER0, limits = limits }
    local counts = {}
    for _, entry in pairs(rows) do counts[entry.what] = (counts[entry.what] or 0) + 1 end
    assert.same({ changed = 2, change = 3 }, counts)
  end)

  it("begins with one alone, and with no other when that fails", function()
    meet("PATCH", PATCH, "403", 1, 100)
    local rows, status = go { select = TIER0 }
    assert.equal(1, status)
    assert.equal(1, count("PATCH", PATCH))
    local skipped = 0
    for _, entry in pairs(rows) do
      if entry.what == "skipped" then
        skipped = skipped + 1
        assert.equal("one of the first failed, so no other was begun", entry.why)
      end
    end
    assert.equal(4, skipped)
  end)

  it("goes on in the same entry, however its folder is written", function()
    assert.equal("changed", go()["t0-chen"].what)
    local id = cloud:entries()[UPN][1].id
    cloud:wait(31 * DAY)
    local sink = policy.devolutions.server { vault = "Privileged", path = "\\TIER0 \\" }
    assert.equal("changed", go({ sink = sink })["t0-chen"].what)
    assert_settled()
    assert.same({ 1, id, "Tier0" }, { #cloud:entries()[UPN], cloud:entries()[UPN][1].id, cloud:entries()[UPN][1].path })
  end)

  it("does not begin where the server puts entries into another folder, and leaves none there", function()
    cloud.server.flags.placed = function() return "Elsewhere" end
    local rows, _, found = go()
    assert.equal("conflict", found.failure.kind)
    assert.equal("the server has put it into the folder 'Elsewhere', not into the folder 'Tier0'; there it was deleted "
      .. "again", found.failure.why)
    assert.same({ 0, {}, "change" }, { count("PATCH", PATCH), cloud:entries(), rows["t0-chen"].what })
  end)

  it("changes nothing outside its window, but says when it opens", function()
    local rows, status, found = go { select = TIER0, window = "02:00-04:00 America/Toronto" }
    assert.same({ 0, "change", false }, { status, rows["t0-chen"].what, found.is_open })
    assert.equal(0, count("PATCH", PATCH))
    cloud:wait(found.moment - cloud.tenant.now())
    go { select = TIER0, window = "02:00-04:00 America/Toronto" }
    assert.equal(5, count("PATCH", PATCH))
  end)

  it("changes nothing on excepted days, but says until when", function()
    local today = time.day(cloud.tenant.now())
    local terms = { select = TIER0, except = today .. ".." .. time.day(cloud.tenant.now() + 86400) }
    local rows, status, found = go(terms)
    assert.same({ 0, "change", false }, { status, rows["t0-chen"].what, found.is_open })
    assert.equal(0, count("PATCH", PATCH))
    assert.equal(time.day(cloud.tenant.now() + 2 * 86400) .. "T00:00:00Z", time.iso(found.moment))
    local line = ("  every 30 days, at any time except %s UTC (closed until %s)\n")
      :format(terms.except, time.iso(found.moment))
    assert.truthy(require("rotate.print").text({ found }, true):find(line, 1, true))
    cloud:wait(found.moment - cloud.tenant.now())
    go(terms)
    assert.equal(5, count("PATCH", PATCH))
  end)

  it("ends first what another left, also of an account that is not selected any more", function()
    meet("POST", "/entry$", "503", 3, 100) -- after the probe and the pending one: the one in use is not made
    local rows = go { select = TIER0 }
    assert.equal("failed", rows["t0-anna"].what)
    cloud.meet = nil
    cloud.requests = {}
    rows = go { select = TIER0 - policy.users { upn = "t0-anna@" .. cloud.tenant.domain } }
    assert.is_not_nil(rows["t0-anna"])
    assert_settled "t0-anna"
  end)

  it("stops when the clock is ten minutes off", function()
    local ok, err = pcall(rotation.signed_in, rotation, function()
      local now = cloud.tenant.now
      cloud.tenant.now = function() return now() + 600 end
      rotate.once({ password_rotation.terms() }, { journal = journal, profile = cloud.profile })
    end)
    assert.is_false(ok)
    assert.equal("rotate: this machine's clock is 10 minutes behind Entra's\n"
      .. "Set the clock (systemd-timesyncd or chrony), then run the same command again.", tostring(err))
    assert.equal(0, count("PATCH", PATCH))
  end)

  it("does not begin when its rights were withdrawn", function()
    cloud.tenant:remove_consent(cloud.app.appId, "User-PasswordProfile.ReadWrite.All")
    cloud.tenant:remove_role(cloud.app.appId, "Privileged Authentication Administrator")
    local _, status, found = go { select = TIER0 }
    assert.equal(1, status)
    assert.equal("begin policies/x as Rotator: its token carries no User-PasswordProfile.ReadWrite.All, and it holds "
      .. "no directory role\nGive the rights back: moonlatch apply setup/rotator --policies policies/x. To see which "
      .. "are missing: moonlatch verify setup/rotator --policies policies/x", tostring(found.failure))
  end)

  it("works on an account in one process at a time", function()
    local lease = journal:lease("user/" .. id_of "t0-chen")
    local rows, status = go()
    assert.same({ 1, "busy" }, { status, rows["t0-chen"].what })
    lease:close()
    assert.equal("changed", go()["t0-chen"].what)
  end)

  it("is refused by a vault that cannot be read back, before anything is changed", function()
    cloud.server:permit("view_password", false)
    local _, status, found = go()
    assert.equal(1, status)
    assert.equal('Give the application identity "View password" on the vault in Devolutions Server, then run the same '
      .. "command again.", found.failure.fix)
    assert.equal(0, count("PATCH", PATCH))
    assert.equal(0, #journal:list())
  end)

  it("spreads what is due by jitter, and is never late", function()
    local more = { select = TIER0, jitter = "5d" }
    go(more)
    local rows, days = plan(more), {}
    for _, entry in pairs(rows) do
      local left = entry.due - row_of(entry.name:match "^[^@]*").body.changed_at
      assert.is_true(left > 25 * DAY and left <= 30 * DAY)
      days[left] = true
    end
    local count_of = 0
    for _ in pairs(days) do count_of = count_of + 1 end
    assert.equal(5, count_of)
  end)

  it("as a service goes on for days, and ends when asked to", function()
    rotation:signed_in(function()
      local service = task.spawn(rotate.watch, { password_rotation.terms { select = TIER0, every = "3d" } },
        { journal = journal, profile = cloud.profile })
      task.sleep(10 * DAY)
      service:cancel()
    end)
    assert.equal(20, count("PATCH", PATCH)) -- at once, and after three, six and nine days
    for _, who in ipairs { "t0-anna", "t0-boris", "t0-chen", "t0-dana", "t0-emil" } do assert_settled(who) end
  end)

  it("by role says what could not be read of who holds it, and that is no success", function()
    local by_role = { select = policy.users { role = "Security Administrator" }, every = "3650d" }
    cloud.tenant:make_eligible("uma", "security-admins")
    local rows, status, found = plan(by_role)
    assert.is_nil(rows.uma)
    assert.equal(3, status)
    assert.matches("^who is eligible for role%-assignable groups %(PIM for Groups%): ", found.unread[1])
    assert.truthy(rotate.plan_text({ found }):find("there may be more accounts, as this could not be read: who is ", 1,
      true))
    assert.equal(1, (select(2, go(by_role))))
    cloud.tenant:grant(cloud.app.appId, "PrivilegedEligibilitySchedule.Read.AzureADGroup")
    cloud:wait(3700) -- a new token
    rows, status, found = plan(by_role)
    assert.is_not_nil(rows.uma)
    assert.same({}, found.unread)
    assert.is_not_nil(rows["t0-emil"])
    assert.truthy(status == 0 or status == 3)
  end)

  it("selects by group, role and name, added and taken away", function()
    local rows = plan { select = policy.users { role = "User Administrator", group = "PAM managed" }
      - policy.users { upn = "t0-boris@" .. cloud.tenant.domain } }
    assert.is_not_nil(rows["t0-anna"])
    assert.is_not_nil(rows["uma"])
    assert.is_nil(rows["t0-boris"])
    local _, status, found = plan { select = policy.users { upn = UPN } - policy.users { upn = "typo@contoso" } }
    assert.equal(1, status)
    assert.equal("find the user 'typo@contoso': there is no such user\nCopy the user principal name, which has an @: "
      .. "Entra admin center > Users > the user.",
      tostring(found.failure))
  end)
end)

