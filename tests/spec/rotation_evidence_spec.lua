--- rotation: what may be called changed when somebody else sets passwords too, answers lie, and
--- clocks disagree. The world here knows the truth: which value is in force, and who set it.

local answer_later = 40 -- requests that a run may wait for before a test gives up

local password_rotation = require "password_rotation" -- before what is found by its path
local answer = require "emulator.graph.answer"
local directory_clock = require "rotation.directory_clock"
local fail = require "fail"
local passwords = require("journal.rotations").user_passwords
local policy = require "policy"
local secret = require "host.secret"
local time = require "time"

local DAY = 86400
local UPN, PATCH = password_rotation.UPN, password_rotation.USERS

local rotation, cloud, journal

before_each(function()
  rotation = password_rotation.new { lag = { 1, 2 } }
  cloud, journal = rotation.cloud, rotation.journal
end)

after_each(function() rotation:close() end)

local function run(how, more, options)
  local rows, status, found = rotation:run(how, more, options)
  return rows["t0-chen"], status, found, rows
end

local function go(more, options) return run("once", more, options) end
local function plan(more) return run("plan", more) end
local function by_hand(name, ...) return rotation:by_hand(name, ...) end
local function id_of(who) return rotation:id_of(who) end
local function row_of(who) return rotation:row_of(who) end
local function stored(upn) return rotation:stored(upn) end
local function change_by(hook) rotation:change_by(hook) end
local function patches() return rotation:count("PATCH", PATCH) end

-- The nth request to set a password meets this fate: "before" and "after" cut its answer.
local function meet(fates)
  rotation:meet("PATCH", PATCH, function(nth) return fates[nth] end)
end

-- The one rule that no world may break: what is said to be changed lies in the entry and is in force.
local function assert_true(entry)
  if entry.what ~= "changed" then return end
  assert.is_true(cloud:in_force("t0-chen", (stored())), "said changed, and what is stored is not in force")
end

-- What is in force, and was set by us, lies in some entry.
local function assert_not_dark()
  local value, pending = stored()
  local lit = cloud:in_force("t0-chen", value)
  for _, one in ipairs(pending) do lit = lit or cloud:in_force("t0-chen", one) end
  assert.is_true(lit, "the value in force lies in no entry")
end

-- What the doctor finds in the records.
local function doctor_says()
  local said = {}
  local record = setmetatable({}, { __index = function(_, verdict)
    return function(_, finding, ...)
      local text = type(finding) == "table" and finding.evidence or finding:format(...)
      said[#said + 1] = verdict .. ": " .. text
    end
  end })
  require("doctor.check.rotations").run(record, { want = function() return journal end })
  return said
end

-- Somebody else sets the password so many seconds after the first request of ours was cut.
local function stranger_after(seconds, more)
  local cut_at
  meet { "before" }
  local plain = cloud.meet
  local advance = cloud.clock.advance
  cloud.meet = function(request, moment)
    local fate = plain(request, moment)
    if fate == "before" then cut_at = cloud.clock:offset() end
    return fate
  end
  local value = secret.generate(20)
  cloud.clock.advance = function(self, by)
    local due = cut_at and cut_at + seconds
    if due and self:offset() + by >= due then
      cut_at = nil
      advance(self, due - self:offset())
      by = by - (due - (self:offset()))
      cloud.tenant:change_password("t0-chen", value)
      if more then cloud.tenant.users:change(id_of(), more) end
    end
    if by > 0 then advance(self, by) end
  end
  return value
end

describe("a change by somebody else", function()
  for _, seconds in ipairs { 3, 20, 100, 145, 200, 400 } do
    it(("%d s after our request was cut is never taken for ours"):format(seconds), function()
      stranger_after(seconds)
      for _ = 1, 3 do
        assert_true(go())
        cloud:wait(200)
      end
      assert.is_true(patches() < answer_later)
    end)
  end

  it("with a password that has to be changed at the next sign-in is not overwritten", function()
    local value = stranger_after(3, { _force = true })
    local entry, status = go()
    assert.same({ 1, "stop" }, { status, entry.what })
    assert.matches("^somebody reset the password on .*: it has to be changed at the next sign%-in", entry.why)
    assert.is_true(cloud:in_force("t0-chen", value))
    assert.equal(1, patches())
  end)

  it("that has to be changed at the next sign-in is not overwritten after a stale reading, either", function()
    cloud:wait(1000) -- a stale reading shows the tenant, too, as it was
    local value, readings = stranger_after(3, { _force = true }), 0
    local plain = cloud.meet
    cloud.meet = function(request, moment)
      local is_read = moment == "before" and request.method == "GET"
      if is_read and tostring(request.query["$select"]):find "passwordProfile" then
        readings = readings + 1
        request.stale = readings <= 3 and 300 or nil
      end
      return plain(request, moment)
    end
    local entry, status = go()
    assert.same({ 1, "stop", 1, 4 }, { status, entry.what, patches(), readings })
    assert.matches("^somebody reset the password on .*: it has to be changed at the next sign%-in", entry.why)
    assert.is_true(cloud:in_force("t0-chen", value))
  end)

  it("could hide behind a look that takes too long, so nothing is sent", function()
    cloud.meet = function(request, moment)
      if moment == "before" and request.method == "GET" and request.name:find "/entry$" then cloud:wait(6) end
    end
    local entry, status = go()
    local _, pending = stored()
    assert.same({ 1, "failed", "pending", 1 }, { status, entry.what, row_of().state, #pending })
    assert.is_false(cloud:in_force("t0-chen", pending[1]))
    assert.matches("^reading the sink and the directory takes more than five seconds", entry.why)
  end)

  it("between the judgement and our request stops us before anything leaves", function()
    local posts = 0
    cloud.meet = function(request, moment)
      if moment ~= "before" or request.method ~= "POST" or not request.name:find "/entry$" then return nil end
      posts = posts + 1
      if posts == 2 then cloud.tenant:change_password("t0-chen") end -- after the probe: the pending one
    end
    local entry, status = go()
    assert.same({ 1, "stop", 0 }, { status, entry.what, #select(2, stored()) })
    assert.matches("before ours was sent$", entry.why)
  end)

  it("just after ours was answered is reported, and every value stays", function()
    change_by(function(plain, nth)
      plain()
      if nth ~= 1 then return end
      cloud.meet = function(request, moment)
        local stores = request.method == "PUT" or request.method == "POST" and request.name:find "/entry$"
        if moment == "before" and stores then
          cloud.meet = nil
          cloud:wait(70)
          cloud.tenant:change_password("t0-chen")
        end
      end
    end)
    local entry, status = go()
    assert.same({ 1, "stop" }, { status, entry.what })
    assert.matches("^the password was changed by somebody else on .*, after we did$", entry.why)
    assert.equal(1, #select(2, stored()))
  end)
end)

describe("an answer that lies", function()
  for _, status in ipairs { 404, 409, 500, 400 } do
    it(("%d to what was carried out: the same value is sent again, and nothing is dark"):format(status), function()
      change_by(function(plain, nth)
        plain()
        if nth == 1 then answer.refuse(status, "Request_X", "No such thing.") end
      end)
      local entry = go()
      assert_not_dark()
      if entry.what ~= "changed" then
        cloud:wait(200)
        entry = go()
      end
      assert.equal("changed", entry.what, entry.why)
      assert_true(entry)
      assert.matches("/1%)", select(3, stored()).description)
    end)
  end

  it("that the same value is refused, after it was carried out: a person is told, and no request is repeated for ever",
    function()
      change_by(function(plain, nth)
        if nth > 1 then answer.bad "The specified password was used before. Please provide a different password." end
        return plain()
      end)
      meet { "after" }
      local entry, status = go()
      assert.same({ 1, "stop", 2 }, { status, entry.what, patches() })
      assert.matches("and Entra does not accept the same value again: ", entry.why, 1, true)
      assert_not_dark()
    end)

  it("204 to what was not carried out: the same value is sent once more", function()
    change_by(function(plain, nth)
      if nth ~= 1 then return plain() end
    end)
    local entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
    assert.equal(2, patches())
  end)

  it("204 to what was never carried out: a person is told, and nothing more is sent", function()
    change_by(function() end)
    local entry, status = go()
    assert.same({ 1, "stop" }, { status, entry.what })
    assert.equal("Entra accepted the new password twice, and after five minutes the directory shows no change",
      entry.why)
    local before = patches()
    go()
    assert.equal(before, patches())
    assert.same({ "broken: the rotation of " .. UPN .. " stopped: " .. entry.why }, doctor_says())
  end)

  it("204 after more than three seconds proves too little: the same value is sent again", function()
    change_by(function(plain, nth)
      plain()
      if nth == 1 then cloud:wait(4) end
    end)
    local entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
    assert.equal(2, patches())
  end)

  it("delivered twice ends with the value that is in force", function()
    local again
    change_by(function(plain, nth)
      plain()
      if nth == 1 then again = plain end
    end)
    meet { "after" }
    local cut = cloud.meet
    cloud.meet = function(request, moment)
      if again and request.method == "GET" and request.name:find "^/v1.0/users/" then
        local repeated = again
        again = nil
        repeated()
      end
      return cut(request, moment)
    end
    local entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
  end)
end)

describe("a directory's clock", function()
  local function directory_is(seconds)
    change_by(function(plain, _, changes)
      changes.lastPasswordChangeDateTime = time.iso(cloud.tenant.now() + seconds)
      return plain()
    end)
  end

  for _, seconds in ipairs { -5, -3, 4, 20 } do
    it(("that is %d s off is learned by one more request, and kept"):format(seconds), function()
      directory_is(seconds)
      local entry = go()
      assert.equal("changed", entry.what, entry.why)
      assert_true(entry)
      assert.equal(2, patches())
      cloud:wait(31 * DAY)
      entry = go { select = policy.users { upn = { UPN, "t0-anna@contoso.onmicrosoft.com" } } }
      assert.equal("changed", entry.what, entry.why)
      assert_true(entry)
      assert.is_true(patches() <= 4 and patches() >= 4, "two more, one each: " .. patches())
      assert.matches("^ok: the directory dates password changes", doctor_says()[2])
    end)
  end

  it("that is being learned when the program is cut off is not taken for somebody else", function()
    directory_is(-4)
    meet { [2] = "after", [3] = "after", [4] = "after", [5] = "after" }
    go()
    cloud.meet = nil
    cloud:wait(200)
    local entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
  end)

  it("of this machine that steps while the pending entry is written does not matter", function()
    local plain = cloud.clock.time
    cloud.meet = function(request, moment)
      if moment == "before" and request.method == "POST" and request.name:find "/entry$" then
        cloud.clock.time = function(clock) return plain(clock) + 5 end
      end
    end
    local entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
    assert.equal(1, patches())
  end)
end)

describe("a rotation", function()
  it("is not begun again before every request of the one before has landed", function()
    go()
    cloud:wait(20)
    local entry, status = go { every = "1h", reconcile = true }
    assert.same({ 0, "wait" }, { status, entry.what })
    assert.equal(1, patches())
  end)

  it("that a person asks for now waits until then", function()
    go()
    cloud:wait(20)
    local before = cloud.clock:offset()
    local entry, status = go(nil, { now = { UPN } })
    assert.same({ 0, "changed" }, { status, entry.what })
    assert.is_true(cloud.clock:offset() - before >= 100)
    assert_true(entry)
  end)

  it("that a person asks for now is of that account only", function()
    local both = { select = policy.users { upn = { UPN, "t0-anna@contoso.onmicrosoft.com" } } }
    local _, status, _, rows = go(both, { now = { UPN:upper() } })
    assert.same({ 0, "changed" }, { status, rows["t0-chen"].what })
    assert.is_nil(rows["t0-anna"])
    assert.equal(1, patches())
    local ok, err = pcall(go, both, { now = { "typo" } })
    assert.is_false(ok)
    assert.is_true(fail.is(err, "usage"))
    assert.matches("^rotate %-%-now typo: none of the policies selects", tostring(err))
    assert.matches("prints: a user principal name, or an application's name or client id%.$", err.fix)
    for _, name in ipairs { "t0-anna", "T0-Ana@contoso.onmicrosoft.com" } do
      ok, err = pcall(go, both, { now = { name } })
      assert.same({ false, "Did you mean 't0-anna@contoso.onmicrosoft.com'?" }, { ok, err.fix })
    end
    ok, err = pcall(go, both, { now = { UPN:upper() }, old_now = true })
    assert.is_false(ok)
    assert.same({ ("rotate --now %s --old-now"):format(UPN), "it is an account: its earlier password stops working as "
      .. "soon as the new one is set",
      "Leave out --old-now; it is for client secrets and certificates of applications." },
      { err.what, err.why, err.fix })
    assert.equal(1, patches())
  end)

  it("is not said to be changed because of an offset of the directory's clock that is a month old", function()
    rotation:close()
    rotation = password_rotation.new() -- the directory shows each change at once
    cloud, journal = rotation.cloud, rotation.journal
    directory_clock.of(journal):learn({ low = -0.1, high = 3.5 }, cloud.tenant.now() - 30 * DAY)
    local is_sent = false
    cloud.meet = function(request, moment)
      local of_user = request.name:find(PATCH)
      if moment == "before" and request.method == "GET" and of_user and is_sent then
        cloud.meet = nil
        cloud.clock:advance(3)
        cloud.tenant:change_password("t0-chen") -- three seconds after ours
      end
      is_sent = is_sent or request.method == "PATCH" and of_user ~= nil
    end
    local entry, status = go()
    assert.same({ "stop", 1 }, { entry.what, status })
    assert.matches("^somebody else changed the password on .*, while ours was set: it was set once more after that$",
      entry.why)
    assert_not_dark()
  end)

  it("that a person asks for now and that is not begun is no success, and says why", function()
    local anna = "t0-anna@contoso.onmicrosoft.com"
    local entry, status = go({ window = "Sun 03:00-03:01 UTC" }, { now = { UPN } })
    assert.same({ "skipped", 1, 0 }, { entry.what, status, patches() })
    assert.matches("^the window is closed until .*Z$", entry.why)
    assert.equal(("To change it all the same: moonlatch rotate policies/x --now %s --outside-window"):format(UPN),
      entry.fix)
    local both = { select = policy.users { upn = { UPN, anna } }, limits = { max_changes = 1 } }
    local _, _, _, rows = go(both, { now = { UPN, anna } })
    assert.same({ "changed", "skipped" }, { rows["t0-anna"].what, rows["t0-chen"].what })
    assert.equal("the policy changes at most 1 in a run", rows["t0-chen"].why)
    entry, status = go({ never = { UPN } }, { now = { UPN } })
    assert.same({ "refuse", 1 }, { entry.what, status })
  end)

  it("that was left unknown, of an account that leaves, ends by itself and keeps its values for thirty days", function()
    meet { "before", "before", "before", "before" }
    go()
    cloud.meet = nil
    local other = { select = policy.users { upn = "t0-anna@contoso.onmicrosoft.com" } }
    cloud:wait(200)
    local _, status, _, rows = run("once", other)
    assert.same({ "ended", "closed" }, { rows["t0-chen"].what, row_of().state }) -- nothing had changed
    assert.same({ 0, 0 }, { status, #select(2, stored()) })
  end)

  it("that may be in force, of an account that leaves, is told once and kept", function()
    meet { "after", "after", "after", "after" }
    go()
    cloud.meet = nil
    local other = { select = policy.users { upn = "t0-anna@contoso.onmicrosoft.com" } }
    cloud:wait(200)
    local _, status, _, rows = run("once", other)
    assert.same({ 1, "left", "left" }, { status, rows["t0-chen"].what, row_of().state })
    assert.matches("value 1 is in the entry vault 'Privileged', Tier0\\t0%-chen", rows["t0-chen"].why)
    assert_not_dark()
    local name = passwords:sealed_name(row_of(), 1)
    local _, later, found = run("once", other)
    assert.equal(0, later)
    assert.matches("^a pending value of an account that the policy does not select", found.left_over[1].why)
    cloud:wait(31 * DAY)
    run("once", other)
    assert.equal("closed", row_of().state)
    assert.is_nil(passwords:unseal(journal, name))
  end)

  it("that may be in force, of an account that comes back after thirty days, goes on when a person says so", function()
    go()
    cloud:wait(31 * DAY)
    meet { "after", "after", "after", "after" }
    go()
    cloud.meet = nil
    cloud:wait(200)
    run("once", { select = policy.users { upn = "t0-anna@contoso.onmicrosoft.com" } })
    assert.equal("left", row_of().state)
    cloud:wait(31 * DAY)
    local entry = go()
    assert.equal("stop", entry.what)
    assert.is_true((by_hand("resume", UPN)))
    entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
    assert.equal(0, #select(2, stored()))
  end)

  it("that a person was to look at ends when its account leaves, and keeps its values", function()
    change_by(function() end)
    go()
    assert.equal("orphaned", row_of().state)
    local _, status, _, rows = run("once", { select = policy.users { upn = "t0-anna@contoso.onmicrosoft.com" } })
    assert.equal(1, status)
    assert.same({ "left", "left" }, { rows["t0-chen"].what, row_of().state })
    assert.is_not_nil(passwords:unseal(journal, passwords:sealed_name(row_of(), 1)))
  end)

  it("is closed by a person, but not while a request may still land", function()
    meet { "after", "after", "after", "after" }
    go()
    cloud.meet = nil
    local ok, failure = by_hand("close", UPN)
    assert.is_false(ok)
    assert.matches("^close the rotation of t0%-chen.*: a request that sets the password may still be carried out\n"
      .. "Run the same command again after 20", tostring(failure))
    cloud:wait(200)
    assert.is_true((by_hand("close", UPN)))
    assert.equal("left", row_of().state)
    assert_not_dark()
    local entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
    assert.equal(0, #select(2, stored()))
  end)

  it("sends no other value while one without an answer may still land", function()
    local landed
    change_by(function(plain, nth)
      if nth == 1 then answer.bad "The specified password does not comply with password complexity requirements." end
      return plain()
    end)
    meet { "before" } -- A is lost, its repeat refused: B leaves when A cannot land any more
    local sent = {}
    local cut = cloud.meet
    cloud.meet = function(request, moment)
      local fate = cut(request, moment)
      if moment == "before" and request.method == "PATCH" and request.name:find(PATCH) then
        sent[#sent + 1] = cloud.clock:offset()
      end
      return fate
    end
    local entry = go()
    landed = sent[3] - sent[1]
    assert.equal("changed", entry.what, entry.why)
    assert_true(entry)
    assert.is_true(landed >= 150, "the second value left after " .. landed .. " s")
    assert.matches("/2%)", select(3, stored()).description)
  end)

  it("sends no other value while one that was answered too late may still land", function()
    change_by(function(plain, nth)
      if nth == 2 then answer.bad "The specified password does not comply with password complexity requirements." end
      if nth == 1 then return end -- A is answered after 8 s, and carried out later
      return plain()
    end)
    local sent = {}
    cloud.meet = function(request, moment)
      if request.method ~= "PATCH" or not request.name:find(PATCH) then return nil end
      if moment == "before" then sent[#sent + 1] = cloud.clock:offset() end
      if moment == "applied" and #sent == 1 then cloud:wait(8) end
    end
    local entry = go()
    assert.equal("changed", entry.what, entry.why)
    assert.equal(3, #sent)
    assert.is_true(sent[3] - sent[1] >= 150, ("the second value left after %.0f s"):format(sent[3] - sent[1]))
    assert.matches("/2%)", select(3, stored()).description)
  end)
end)

describe("an account's entry", function()
  local NEW = "chen.new@contoso.onmicrosoft.com"
  local renamed = { select = policy.users { upn = NEW } }

  local function rename()
    cloud.tenant.users:change(id_of(), { userPrincipalName = NEW }, 0)
  end

  it("follows the account's new name in the same run, and with the next password", function()
    go()
    rename()
    assert.equal(3, select(2, run("plan", renamed)))
    local _, status = go(renamed)
    assert.equal(0, status)
    assert.equal(0, select(2, run("plan", renamed)))
    local value, _, entry = stored(NEW)
    assert.is_true(cloud:in_force("t0-chen", value))
    assert.equal(NEW, entry.data.username)
    assert.is_nil((stored(UPN)))
    cloud:wait(31 * DAY)
    go(renamed)
    assert.is_true(cloud:in_force("t0-chen", (stored(NEW))))
    assert.is_nil((stored(UPN)))
  end)

  it("is the same record's when a person names the account by its new name", function()
    go()
    local marker = row_of().body.marker
    rename()
    assert.is_true((by_hand("resume", NEW)))
    assert.equal(marker, row_of().body.marker)
    assert.is_not_nil(row_of().body.changed_at)
  end)

  it("that cannot be written because another has its name is a person's to look at, and nothing is dark", function()
    change_by(function(plain)
      plain()
      cloud.meet = function(request, moment)
        if moment == "before" and request.method == "POST" and request.name:find "/entry$" then return "409" end
      end
    end)
    local entry, status = go()
    assert.same({ 1, "stop", "orphaned" }, { status, entry.what, row_of().state })
    assert_not_dark()
  end)

  it("renamed by somebody in the vault gets its name back", function()
    go()
    select(3, stored()).name = "chen, see Ines"
    go()
    assert.is_true(cloud:in_force("t0-chen", (stored())))
  end)

  it("that was moved away is told, not made twice", function()
    go()
    select(3, stored()).path = "Elsewhere"
    local entry, status = plan()
    assert.same({ 3, "stop" }, { status, entry.what })
    assert.equal("its entry does not lie in vault 'Privileged', Tier0\\" .. UPN .. " any more: it was moved or deleted",
      entry.why)
    cloud:wait(31 * DAY)
    entry = go()
    assert.equal("stop", entry.what)
    assert.equal(1, patches())
    go(nil, { now = { UPN } })
    assert.equal(2, patches())
  end)

  it("of another account that had the name before is not overwritten", function()
    go()
    cloud.tenant.users:change(id_of(), { userPrincipalName = "gone@contoso.onmicrosoft.com" }, 0)
    cloud.tenant.users:change(id_of "t0-anna", { userPrincipalName = UPN }, 0)
    local _, status, _, rows = go()
    assert.equal(1, status)
    assert.equal("refuse", rows["t0-chen"].what)
    assert.matches("^the entry of this name was written for another account %(object id ", rows["t0-chen"].why)
  end)

  it("is listed as left over when the policy does not select its account any more", function()
    go()
    local _, status, found = run("plan", { select = policy.users { upn = "t0-anna@contoso.onmicrosoft.com" } })
    assert.equal(3, status)
    assert.same({ { name = "vault 'Privileged', Tier0\\" .. UPN,
      why = "the policy does not select its account any more, so this password is not changed" } }, found.left_over)
  end)

  it("is on record as left over until a run does not find it so any more", function()
    local left_over = require "journal.left_over"
    go()
    assert.same({}, left_over.recorded(journal))
    local other = policy.users { upn = "t0-anna@contoso.onmicrosoft.com" }
    run("plan", { select = other })
    assert.same({}, left_over.recorded(journal))
    local _, _, found = go { select = other }
    local row = left_over.recorded(journal)[1]
    assert.same({ "policies/x", 1, found.left_over }, { row.id, row.body.count, row.body.entries })
    assert.equal(("warning: %s is left over: %s (policies/x)"):format(found.left_over[1].name, found.left_over[1].why),
      doctor_says()[2])
    go(nil, { now = { UPN } })
    assert.equal(1, #left_over.recorded(journal))
    go { select = other + policy.users { upn = UPN } }
    assert.same({}, left_over.recorded(journal))
  end)
end)
