--- rotation: the client secret's protocol, on a tenant that is not there.

local by_word = require "rotation.confirm_and_retire"
local contoso = require "contoso"
local evidence_store = require "evidence.store"
local fail = require "fail"
local graph = require "graph"
local json = require "host.json"
local resource = require "resource.new"
local rotation = require "rotation"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local stage = require "stage"
local time = require "time"
local client_secret = require "rotation.client_secret"
local workflow = require "workflow"
local workflow_run = require "workflow.run"

local DAY = 86400
local APP = "/v1.0/applications/app-object"

---------------------------------------------------------------------------
-- A tenant with one application, whose secrets work until told otherwise

local tenant, journal, app, sink, ears

-- The sink of these tests: an entry that can be read back.
local Sink = resource.kind "entry"
function Sink:read() return self.content end
function Sink:held() return self.content and self.content.value end
function Sink:marker() return self.content and self.content.marker end
function Sink:confirms() return self.linked end
function Sink.where() return "the vault" end
function Sink:hold(content) self.wanted = content end
function Sink:create()
  if self.down then fail.raise { kind = "network", what = "create the entry", why = "nobody answers" } end
  self.content = self.wanted
  return self.content
end
function Sink:update() return self:create() end
function Sink.seen() return true end

local function credential(name, days, starts)
  local id, ends = ("key-%d"):format(#app.made + 1), time.iso(tenant.start + days * DAY)
  local one = { keyId = id, displayName = name, hint = "abc", endDateTime = ends, startDateTime = starts
    or time.iso(time.now()) }
  table.insert(app.made, one)
  table.insert(app.listed, one)
  return one
end

local function add_password(request)
  local asked = request.body.passwordCredential
  local id = ("key-%d"):format(#app.made + 1)
  local value = ("v%02d~the-value-of-%s"):format(#app.made + 1, id)
  local one = { keyId = id, displayName = asked.displayName, hint = value:sub(1, 3), endDateTime = asked.endDateTime,
    startDateTime = time.iso(time.now()) }
  table.insert(app.made, one)
  if not app.hidden then table.insert(app.listed, one) end
  if app.lose and app.lose > 0 then
    app.lose = app.lose - 1
    return nil, "the connection was cut", "cut", true
  end
  local answer = { secretText = value }
  for name, member in pairs(one) do answer[name] = member end
  return 200, {}, answer
end

local function remove_password(request)
  for i, one in ipairs(app.listed) do
    if one.keyId == request.body.keyId then
      table.remove(app.listed, i)
      table.insert(app.removed, one.keyId)
      if app.cut then return nil, "the connection was cut", "cut", true end
      return 204
    end
  end
  return 400, {}, { error = { code = "Request_BadRequest", message = "no such credential" } }
end

local function token(request)
  if not request.note:find("^prove") then return table.unpack(contoso.token()) end
  app.tokens = app.tokens + 1
  local refusal = app.refuse and app.refuse(app.tokens)
  if refusal == "cut" then return nil, "the connection was cut", "cut", true end
  if not refusal then return table.unpack(contoso.token()) end
  if type(refusal) == "table" then return table.unpack(refusal) end
  local words = ("AADSTS%d: no."):format(refusal)
  return 401, {}, { error = "invalid_client", error_description = words, error_codes = { refusal } }
end

local function set_up()
  tenant, journal = contoso.new(), stage.journal()
  tenant.start = tenant.clock.start
  app = { made = {}, listed = {}, removed = {}, tokens = 0 }
  sink = Sink { name = "PAM", linked = true }
  ears = stage.ears()
  tenant.door:on("GET", APP, function() return 200, {}, { id = "app-object", passwordCredentials = app.listed } end)
  tenant.door:on("GET", "/beta/*", { 200, {}, { value = json.array {} } })
  tenant.door:on("POST", APP .. "/addPassword", add_password)
  tenant.door:on("POST", APP .. "/removePassword", remove_password)
end

-- Sign in first, so that only proofs count as token requests.
local function signed_in()
  tenant:run(function() require("oauth.sign_in").credential() end)
  tenant.door:on("POST", contoso.TOKEN, token)
end

local POLICY = { lifetime = function(_, wanted) return wanted or 180 * DAY end }

local function declaration(more)
  return workflow.declare {
    id = "test", summary = "s", steps = {
      workflow.step "Client secret" (function(run, have)
        local application = { id = "app-object", appId = "client-1", displayName = "PAM", ours = true }
        application.passwordCredentials = table.move(app.listed, 1, #app.listed, 1, {})
        local fields = {
          application = application,
          name = "PAM", policy = POLICY, renew_before = 30 * DAY, grace = 7 * DAY, sink = sink,
        }
        for name, value in pairs(more or {}) do fields[name] = value end
        have.secret = rotation.client_secret(run, fields)
      end),
      workflow.step "Proof" (function(_, have) have.secret:prove {} end),
      workflow.step "Store" (function(run, have)
        local it = have.secret
        if run.mode == "destroy" then return end
        sink:hold { value = it.value, marker = it.row and it.row.body.marker }
        run:ensure(sink)
        if it.row then it:placed("stored", "the vault") end
        if sink.linked then it:confirm "read back" end
        it:tidy()
      end),
    },
  }
end

local function go(mode, more)
  local result, status
  tenant:run(function()
    result, status = workflow_run.run(declaration(more), mode, {}, { journal = journal, profile = tenant.profile })
  end)
  return result, status
end

local function states()
  local list = {}
  for _, row in ipairs(rows:all(journal)) do list[#list + 1] = row.state end
  return list
end

local function only() return rows:all(journal)[1] end

local function listed_ids()
  local ids = {}
  for i, one in ipairs(app.listed) do ids[i] = one.keyId end
  return ids
end

local function later(days) tenant.clock:advance(days * DAY) end

describe("the client secret", function()
  before_each(function()
    set_up()
    signed_in()
  end)
  after_each(function()
    debug.getmetatable(ears).__close()
    tenant:close()
  end)

  it("is planned without being made", function()
    local result, status = go "plan"
    assert.equal(3, status)
    assert.equal(0, #app.made)
    assert.same({}, states())
    assert.equal("until 2026-06-30; renewed 30 days before", result.steps[1].items[1].made)
  end)

  it("goes through every state in order, each on record before the next begins", function()
    local result, status = go "apply"
    assert.is_nil(result.failure)
    assert.equal(0, status)
    assert.same({ "intent", "sent", "known", "proven", "stored", "confirmed" }, journal:states(only().id))
    assert.equal("ml:0a0b0c0d:" .. only().id, app.made[1].displayName)
    assert.equal("key-1", only().body.key_id)
    assert.is_true(secret.equals(sink.content.value, secret.from "v01~the-value-of-key-1"))
    assert.is_true(secret.equals(journal:unseal("secret/" .. only().id), sink.content.value))
  end)

  it("is proven by three sign-ins over ten seconds, each on a connection of its own", function()
    local before = tenant:passed()
    go "apply"
    assert.equal(3, app.tokens)
    assert.is_true(tenant:passed() - before >= 10)
  end)

  it("is left alone when it is there, and one sign-in shows that it works", function()
    go "apply"
    local result, status = go "apply"
    assert.equal(0, status)
    assert.equal(1, #app.made)
    assert.equal(4, app.tokens)
    assert.equal(0, result.changes.create)
    assert.equal(0, select(2, go "verify"))
  end)

  it("is renewed before it ends, and the one before is let go after the grace, proven once more", function()
    go "apply"
    later(151)
    local planned = go "plan"
    assert.equal("until 2026-11-28; renewed 30 days before (the one in use expires in 29 days)",
      planned.steps[1].items[1].made)
    go "apply"
    assert.same({ "retiring", "confirmed" }, states())
    assert.same({ "key-1", "key-2" }, listed_ids())
    assert.equal(0, select(2, go "verify")) -- retiring before its date is no drift
    later(6)
    go "apply"
    assert.same({ "key-1", "key-2" }, listed_ids())
    later(2)
    assert.equal(3, select(2, go "verify"))
    local before = app.tokens
    go "apply"
    assert.same({ "key-2" }, listed_ids())
    assert.same({ "closed", "confirmed" }, states())
    assert.equal(before + 2, app.tokens)
    assert.is_nil(journal:unseal("secret/" .. only().id))
  end)

  describe("whose removal is not answered", function()
    before_each(function()
      go "apply"
      later(151)
      go "apply"
    end)

    it("is gone, though Entra refuses to remove it again", function()
      later(8)
      app.cut = true
      assert.is_nil((go "apply").failure)
      assert.same({ "closed", "confirmed" }, states())
      assert.same({ "key-1" }, app.removed)
    end)

    it("is gone when the list no longer shows it", function()
      later(8)
      local asked, looks = 0, 0
      tenant.door:on("POST", APP .. "/removePassword", function()
        asked = asked + 1
        if asked == 1 then return nil, "the connection was cut", "cut", true end
        return 400, {}, { error = { code = "Request_BadRequest", message = "no such credential" } }
      end)
      tenant.door:on("GET", APP, function()
        looks = looks + 1
        if looks > 3 then app.listed = { app.made[2] } end
        return 200, {}, { id = "app-object", passwordCredentials = app.listed }
      end)
      assert.is_nil((go "apply").failure)
      assert.same({ "closed", "confirmed" }, states())
      assert.equal(4, looks)
    end)
  end)

  describe("a new credential that Entra does not find for some seconds", function()
    -- The list of each read, "+" with it and "-" without it; the last one goes on. Removal works after `refusals`.
    local function remove(reads, refusals, since)
      local asked, looks = 0, 0
      tenant.door:on("POST", APP .. "/removePassword", function()
        asked = asked + 1
        if asked > refusals then return 204, {} end
        return 400, {}, { error = { code = "Request_BadRequest", message = "No password credential found" } }
      end)
      tenant.door:on("GET", APP, function()
        looks = math.min(looks + 1, #reads)
        local list = reads:sub(looks, looks) == "+" and { { keyId = "k", displayName = "new", hint = "abc" } } or {}
        return 200, {}, { id = "app-object", passwordCredentials = list }
      end)
      local ok, err = tenant:run(pcall, client_secret.remove, { id = "app-object", appId = "app", displayName = "a" },
        nil, { keyId = "k", displayName = "new", startDateTime = since })
      return ok, asked, err
    end

    it("is removed, though a replica that is behind does not list it meanwhile", function()
      assert.same({ true, 5 }, { remove("+-+-+", 4) })
    end)

    it("is not said to be gone because several reads in a row do not list it", function()
      local ok, asked, err = remove("+-", 100)
      assert.same({ false, 7, "transient" }, { ok, asked, err.kind })
      assert.matches("it is so new that this does not show that it is gone", err.why)
    end)

    it("is gone when it is old, and is not listed any more", function()
      assert.same({ true, 2 }, { remove("+-", 100, "2025-01-01T00:00:00Z") })
    end)

    it("is not said to be gone when it never was listed", function()
      local ok, asked, err = remove("-", 100)
      assert.same({ false, 1, "transient" }, { ok, asked, err.kind })
    end)
  end)

  it("keeps the one before as long as nobody confirms the new one", function()
    sink.linked = false
    go "apply"
    later(151)
    go "apply"
    assert.same({ "stored", "stored" }, states())
    later(25)
    go "apply"
    assert.same({ "key-1", "key-2" }, listed_ids())
    local second = rows:all(journal)[2]
    tenant:run(by_word.confirm, journal, second.id)
    assert.same({ "retiring", "confirmed" }, states())
  end)

  it("is not removed while the new one is not accepted", function()
    go "apply"
    later(151)
    go "apply"
    later(8)
    app.refuse = function() return 7000215 end
    go "apply"
    assert.same({ "key-1", "key-2" }, listed_ids())
    assert.truthy(ears.warned[#ears.warned]:find("so no other is removed", 1, true))
  end)

  describe("whose sign-in is not answered", function()
    local function never() return "cut" end

    it("is asked for again before anything is made of it", function()
      go "apply"
      later(151)
      go "apply"
      later(8)
      local before = app.tokens
      app.refuse = function(n) return n == before + 2 and "cut" end -- the look just before the removal
      assert.is_nil((go "apply").failure)
      assert.same({ "key-2" }, listed_ids())
    end)

    it("is a failure that passes, not a refusal", function()
      go "apply"
      journal, app.refuse = stage.journal "11111111", never
      local result, status = go "apply"
      assert.equal(1, status)
      assert.equal("network", result.failure.kind)
      assert.equal(1, #app.made)
      assert.same({}, rows:all(journal))
    end)
  end)

  it("is replaced when somebody removed it, which a sign-in has to show", function()
    go "apply"
    later(1)
    app.listed = {}
    go "apply"
    assert.equal(1, #app.made) -- Entra does not list it, but it works
    app.tokens, app.refuse = 0, function(n) return n == 1 and 7000215 end
    go "apply"
    assert.equal(1, #app.made) -- refused once, and accepted when everything was looked at once more
    app.tokens, app.refuse = 0, function(n) return n <= 2 and 7000215 end
    go "apply"
    assert.equal(2, #app.made)
  end)

  it("is put right in the sink when somebody changed what lies there", function()
    go "apply"
    sink.content = { value = secret.from "something-else-entirely", marker = only().body.marker }
    app.tokens, app.refuse = 0, function(n) return n == 1 and 7000215 end
    local result = go "apply"
    assert.is_nil(result.failure)
    assert.equal(1, #app.made)
    assert.is_true(secret.equals(sink.content.value, secret.from "v01~the-value-of-key-1"))
  end)

  it("that is refused though nothing is wrong here is something for a person, and drift", function()
    go "apply"
    app.refuse = function() return 7000112 end
    local result, status = go "verify"
    assert.equal(3, status)
    assert.equal("find out why the client secret in use is refused", result.waiting[1].what)
  end)

  it("is replaced when it has expired, and the expired one is closed", function()
    go "apply"
    later(200)
    go "apply"
    assert.same({ "closed", "confirmed" }, states())
  end)

  describe("when the answer is lost", function()
    it("is looked for at once, then made anew; the lost one goes when the new one is stored", function()
      app.lose = 1
      local result = go "apply"
      assert.is_nil(result.failure)
      assert.equal(2, #app.made)
      assert.same({ "closed", "confirmed" }, states())
      assert.same({ "key-2" }, listed_ids())
      assert.is_true(tenant:passed() < 120)
    end)

    it("is looked for after two and after fifteen minutes when Entra hides it, and stays open", function()
      app.lose, app.hidden = 1, true
      go "apply"
      assert.same({ "sent", "confirmed" }, states())
      assert.is_true(tenant:passed() >= 900)
      assert.equal(1 + 3 + 1 + 1, tenant.door:count("GET", APP)) -- before, for the lost one, when proven and in the end
      app.listed = { app.made[1], app.made[2] } -- now Entra shows both
      go "apply"
      assert.same({ "closed", "confirmed" }, states())
      assert.same({ "key-2" }, listed_ids())
    end)

    it("goes on after having been stopped between sending and looking", function()
      local row = rows:new(journal, {
        application = "app-object", app_id = "client-1", lifetime = 180 * DAY, grace = 7 * DAY, sent_at = tenant.start,
        ends = tenant.start + 180 * DAY,
      })
      rows:put(journal, row, "sent")
      later(1)
      go "apply"
      assert.same({ "sent", "confirmed" }, states())
      assert.equal(1, #app.made)
    end)

    it("is only listed when no sink can be read", function()
      app.lose, sink.linked = 1, false
      local without = { sink = false }
      local result = go("apply", without)
      assert.same({ "key-1", "key-2" }, listed_ids())
      assert.equal("its answer was lost; remove it with: moonlatch journal retire key-1", result.left[1].why)
    end)

    it("gives up after the second time, and says what will be done", function()
      app.lose = 2
      local result, status = go "apply"
      assert.equal(1, status)
      assert.equal("the answer that holds the new value was lost twice", result.failure.why)
      assert.same({ "sent", "sent" }, states())
      go "apply"
      assert.same({ "closed", "closed", "confirmed" }, states())
      assert.same({ "key-3" }, listed_ids())
    end)

    it("takes an answer that is no answer for lost", function()
      tenant.door:once("POST", APP .. "/addPassword", function(request)
        add_password(request)
        return 200, {}, "<html>hello</html>"
      end)
      go "apply"
      assert.same({ "closed", "confirmed" }, states())
      assert.equal(2, #app.made)
    end)
  end)

  it("is not lost when it was never sent: the intent is taken up again", function()
    local row = rows:new(journal, { application = "app-object", app_id = "client-1", lifetime = 1, grace = 1 })
    rows:put(journal, row, "intent")
    go "apply"
    assert.same({ "confirmed" }, states())
    assert.equal(row.body.marker, app.made[1].displayName)
  end)

  it("is void when Entra refuses, with the policy's name and what to do", function()
    tenant.door:on("POST", APP .. "/addPassword", { 400, {}, {
      error = { code = "CredentialInvalidLifetimeAsPerAppPolicy", message = "too long" },
    } })
    local result, status = go "apply"
    assert.equal(1, status)
    assert.equal("CredentialInvalidLifetimeAsPerAppPolicy", result.failure.code)
    assert.truthy(tostring(result.failure):find("allows client secrets only a shorter life", 1, true))
    assert.same({ "closed" }, states())
  end)

  it("is not asked for when the journal cannot be written", function()
    journal.full = true
    local result, status = go "apply"
    assert.equal(1, status)
    assert.equal("journal", result.failure.kind)
    assert.equal(0, #app.made)
  end)

  describe("that is not accepted at once", function()
    it("is waited for, and proven anew after each refusal", function()
      app.refuse = function(n) return (n <= 2 or n == 4) and 7000215 end
      go "apply"
      assert.same({ "confirmed" }, states())
      assert.equal(7, app.tokens)
    end)

    -- learn.microsoft.com/microsoftteams/platform/teams-sdk/teams/app-authentication/troubleshooting has the text.
    it("is waited for while the login service does not know the service principal", function()
      app.refuse = function(n)
        return n <= 3 and { 401, {}, { error = "invalid_client", error_codes = { 7000229 }, error_description =
          "AADSTS7000229: The client application a is missing service principal in the tenant t. Trace ID: 1" } }
      end
      go "apply"
      assert.same({ "confirmed" }, states())
      assert.equal(6, app.tokens)
    end)

    it("is asked again when the service said, not before", function()
      local times = {}
      app.refuse = function(n)
        times[n] = tenant:passed()
        return n == 1 and { 429, { ["retry-after"] = "200" }, "" }
      end
      go "apply"
      assert.same({ "confirmed" }, states())
      assert.equal(200, times[2] - times[1])
    end)

    it("stops, and says when to go on, where the service asks to wait longer than a proof may take", function()
      app.refuse = function() return { 429, { ["retry-after"] = "3600" }, "" } end
      local result, status = go "apply"
      assert.equal(1, status)
      assert.equal(1, app.tokens)
      assert.equal("the login service asks to wait longer than a proof may take (HTTP 429 without a reason in JSON)",
        result.failure.why)
      assert.matches("Run the same command again after 2026%-01%-01T01:00:%d+Z: it goes on with that credential%.$",
        result.failure.fix)
      assert.same({ "known" }, states())
    end)

    it("is no failure after five minutes: it stays known, and the next run goes on", function()
      app.refuse = function() return 7000215 end
      local result, status = go "apply"
      assert.equal(1, status)
      assert.equal("transient", result.failure.kind)
      assert.same({ "known" }, states())
      app.refuse = nil
      go "apply"
      assert.same({ "confirmed" }, states())
      assert.equal(1, #app.made)
    end)

    it("stops at once at a refusal that time does not heal", function()
      app.refuse = function() return 53003 end
      local result = go "apply"
      assert.equal(53003, result.failure.code)
      assert.same({ "known" }, states())
      assert.equal(1, app.tokens)
    end)

    local POLICY_ID = "99999999-0000-4000-8000-000000000002"

    local function blocked_by_policy()
      app.refuse = function()
        return { 400, {}, { error = "invalid_grant", error_codes = { 53003 }, error_description = "AADSTS53003: no.",
          claims = ('{"access_token":{"capolids":{"essential":true,"values":["%s"]}}}'):format(POLICY_ID) } }
      end
      return go("apply").failure
    end

    it("names the policy that refuses it, where the policies may be read", function()
      tenant.door:on("GET", "/v1.0/identity/conditionalAccess/policies", { 200, {}, { value = {
        { id = "99999999-0000-4000-8000-000000000003", displayName = "Another" },
        { id = POLICY_ID, displayName = "No workloads" } } } })
      local failure = blocked_by_policy()
      assert.matches(POLICY_ID, failure.why, 1, true)
      assert.matches("^The policy is 'No workloads'%. Have the policy exclude this application", failure.fix)
    end)

    it("gives the id of the policy, where the policies may not be read", function()
      tenant.door:on("GET", "/v1.0/identity/conditionalAccess/policies", { 403, {}, { error = {
        code = "AccessDenied", message = "no" } } })
      local failure = blocked_by_policy()
      assert.matches(POLICY_ID, failure.why, 1, true)
      assert.matches("^Have the policy exclude this application", failure.fix)
    end)
  end)

  it("is kept when the sink is down, and brought there by the next run", function()
    sink.down = true
    local result = go "apply"
    assert.equal("network", result.failure.kind)
    assert.same({ "proven" }, states())
    sink.down = nil
    go "apply"
    assert.same({ "confirmed" }, states())
    assert.equal(1, #app.made)
  end)

  describe("after the journal was lost", function()
    it("is adopted from the sink instead of made anew", function()
      go "apply"
      journal = stage.journal "11111111"
      local result, status = go "plan"
      assert.equal(0, status)
      assert.truthy(result.steps[1].notes[1]:find("it signs in, so it is adopted", 1, true))
      go "apply"
      assert.equal(1, #app.made)
      assert.same({ "confirmed" }, states())
      assert.equal("key-1", only().body.key_id)
      assert.equal(0, select(2, go "verify"))
    end)

    it("is made anew when what the sink holds is dead and Entra does not list it", function()
      go "apply"
      journal, app.listed = stage.journal "11111111", {}
      app.refuse = function(n) return (n == 4 or n == 5) and 7000215 end
      go "apply"
      assert.equal(2, #app.made)
      assert.same({ "confirmed" }, states())
    end)

    it("stops when what the sink holds is listed but refused: a person must say", function()
      go "apply"
      journal = stage.journal "11111111"
      app.refuse = function() return 7000215 end
      local result, status = go "apply"
      assert.equal(1, status)
      assert.equal("conflict", result.failure.kind)
      assert.truthy(tostring(result.failure):find("moonlatch journal retire key-1", 1, true))
      assert.equal(1, #app.made)
    end)

    it("leaves what another journal made, and lists it", function()
      credential("ml:99999999:0011", 100)
      credential("made in the portal", 100)
      local result = go "apply"
      assert.same({ "key-1", "key-2", "key-3" }, listed_ids())
      assert.equal("of another journal, and perhaps in use; once nothing uses it, remove it with: moonlatch journal "
        .. "retire key-1", result.left[1].why)
      assert.equal("made by a person", result.left[2].why)
      assert.equal("ml:99999999:0011", tenant:run(by_word.retire, journal, "key-1"))
      assert.same({ "key-2", "key-3" }, listed_ids())
    end)

    it("lists also what Entra shows only in the course of the run", function()
      app.refuse = function(n)
        if n == 1 then credential("ml:99999999:0011", 100) end
      end
      local result = go "apply"
      assert.same({ "key-1", "key-2" }, listed_ids())
      assert.equal("of another journal, and perhaps in use; once nothing uses it, remove it with: moonlatch journal "
        .. "retire key-2", result.left[1].why)
      assert.is_nil(result.left[2])
      assert.truthy(result.steps[1].notes[1]:find("in the last minutes; moonlatch verify lists it later", 1, true))
    end)

    it("goes on with what is in force when an old backup came back", function()
      go "apply"
      local backup = stage.journal()
      for key, row in pairs(journal.rows) do backup.rows[key] = row end
      backup.order = { table.unpack(journal.order) }
      for id, value in pairs(journal.sealed) do backup.sealed[id] = value end
      later(151)
      go "apply"
      journal = backup
      for _, key in ipairs(backup.order) do backup.rows[key].state = "confirmed" end
      go "apply"
      assert.equal(2, #app.made) -- the sink holds the second; it was not made a third time
      assert.same({ "key-1", "key-2" }, listed_ids())
      assert.same({ "retiring", "confirmed" }, states())
    end)
  end)

  it("is worked on by one process at a time", function()
    journal.leases["application/client-1"] = true
    local result, status = go "apply"
    assert.equal(1, status)
    assert.equal("conflict", result.failure.kind)
    assert.equal(0, #app.made)
  end)

  describe("made by another installation at the same time", function()
    -- It is listed while ours is being proven.
    local function meanwhile(name, seconds)
      app.refuse = function(n)
        if n == 1 then credential(name, 100, time.iso(time.now() + seconds)) end
      end
      return go "apply"
    end

    it("and before this one, is the one that stays: ours is removed, which is said", function()
      local result, status = meanwhile("ml:99999999:0011", -1)
      assert.equal(1, status)
      assert.equal("make a client secret for 'PAM': ml:99999999:0011 was made at the same time, and before it; "
        .. "the client secret made here was removed again\nRun the same command again: it goes on with the other "
        .. "client secret, if a sink holds its value.", tostring(result.failure))
      assert.same({ "key-2" }, listed_ids())
      assert.same({ "closed" }, states())
      assert.is_nil(sink.content)
    end)

    it("and after this one, gives way by itself", function()
      assert.equal(0, select(2, meanwhile("ml:99999999:0011", 1)))
      assert.same({ "confirmed" }, states())
    end)

    it("and in the same second, stays when its marker is the lower one", function()
      assert.equal(1, select(2, meanwhile("ml:00000000:0011", 0)))
      assert.same({ "key-2" }, listed_ids())
    end)

    it("is no rival when a person made it", function()
      assert.equal(0, select(2, meanwhile("made in the portal", -1)))
      assert.same({ "confirmed" }, states())
    end)

    it("is adopted when it lies in the sink by the time ours would be made", function()
      local read = sink.read
      function sink:read() -- the second look finds what the first did not
        sink.read = read
        self.content = { value = secret.from "abc~the-value-of-the-other", marker = "ml:99999999:0011" }
        credential("ml:99999999:0011", 100)
        return self.content
      end
      assert.equal(0, select(2, go "apply"))
      assert.same({ "key-1" }, listed_ids())
      assert.same({ "confirmed" }, states())
      assert.is_true(only().body.adopted)
    end)
  end)

  it("is neither made nor retired while the clock is wrong", function()
    tenant.door:on("GET", APP, { 200, { date = "Thu, 01 Jan 2026 00:20:00 GMT" }, { id = "app-object" } })
    tenant:run(graph.get, "/applications/app-object")
    local result, status = go "apply"
    assert.equal(1, status)
    assert.equal("have a client secret made: this machine's clock is 20 minutes behind Entra's\n"
      .. "Set the clock (systemd-timesyncd or chrony), then run the same command again.", tostring(result.failure))
    assert.equal(0, #app.made)
  end)

  it("refuses terms that would renew it at each run", function()
    local result = go("plan", { lifetime = 20 * DAY })
    assert.equal("it would live 20 days and be renewed 30 days before it expires", result.failure.why)
  end)

  describe("confirmed and retired by hand", function()
    it("confirms what was stored, once", function()
      sink.linked = false
      go "apply"
      assert.equal("confirmed", tenant:run(by_word.confirm, journal, only().body.marker).state)
      local err = tenant:fails(by_word.confirm, journal, only().id)
      assert.truthy(tostring(err):find("it is in the state 'confirmed'", 1, true))
    end)

    it("does not know what is not there", function()
      local err = tenant:fails(by_word.confirm, journal, "nothing")
      assert.equal("confirm nothing: the journal knows no credential by that id\n"
        .. "Run `moonlatch journal` for the ids of the credentials, and name one of these.",
        tostring(err))
    end)

    it("retires what was lost also when it is gone by now, but not while it may only be hidden", function()
      app.lose = 2
      go "apply"
      local lost = only()
      app.listed = {}
      local err = tenant:fails(by_word.retire, journal, lost.id)
      assert.equal("remove the client secret '" .. lost.body.marker .. "': Entra refuses the request and "
        .. "does not list it; it is so new that this does not show that it is gone\nRun the same command again in an "
        .. "hour.", tostring(err))
      later(1)
      assert.equal(lost.body.marker, tenant:run(by_word.retire, journal, lost.id))
      assert.equal("closed", only().state)
    end)

    it("does not retire what is in use", function()
      go "apply"
      local err = tenant:fails(by_word.retire, journal, "key-1")
      assert.equal("refused", err.kind)
      assert.same({ "key-1" }, listed_ids())
    end)
  end)

  describe("when all is destroyed", function()
    it("goes with our application, its value kept while that can be restored", function()
      go "apply"
      local result, status = go "destroy"
      assert.equal(0, status)
      assert.equal("deleted with the application", result.steps[1].items[1].made)
      assert.same({ "retiring" }, states())
      assert.same({}, app.removed)
    end)

    it("goes from an adopted application only when the journal says it was made here", function()
      local adopted = {
        id = "app-object", appId = "client-1", displayName = "PAM", adopted = true, passwordCredentials = app.listed,
      }
      credential("made in the portal", 100)
      go("apply", { application = adopted })
      go("destroy", { application = adopted })
      assert.same({ "key-2" }, app.removed)
      assert.same({ "closed" }, states())
    end)

    -- The answer to the removal is lost, and refused when it is repeated. The secret is too new for Entra's list to
    -- tell whether it is gone; a sign-in is refused as `refusal` says of the first, the second and so on.
    local function destroy_with_lost_answer(refusal)
      local adopted = {
        id = "app-object", appId = "client-1", displayName = "PAM", adopted = true, passwordCredentials = app.listed,
      }
      go("apply", { application = adopted })
      app.cut, app.tokens, app.refuse = true, 0, refusal
      return (go("destroy", { application = adopted })).failure
    end

    it("is gone when no sign-in with it is accepted any more", function()
      assert.is_nil(destroy_with_lost_answer(function() return 7000215 end))
      assert.same({ "closed" }, states())
      assert.equal(3, app.tokens)
    end)

    it("is not said to be gone because one server of the login service does not know it", function()
      local failure = destroy_with_lost_answer(function(n) return n ~= 3 and 7000215 end)
      assert.equal("transient", failure.kind)
      assert.same({ "confirmed" }, states())
    end)
  end)

  it("is not signed in with when it retires, though whether its removal was done stays unknown", function()
    go "apply"
    app.cut = true
    local before = app.tokens
    local result = go("apply", { renew = true, old_now = true })
    assert.equal("transient", result.failure.kind)
    assert.same({ "key-1" }, app.removed)
    for _, own in ipairs(evidence_store.coverage(journal, "client-1").own) do
      assert.is_true(own.key_id ~= "key-1" or own.at <= rows:all(journal)[2].created)
    end
    assert.equal(before + 4, app.tokens) -- three proofs of the new one, and one look before the old one is removed
    app.cut = nil
    later(1)
    assert.is_nil((go("apply", { old_now = true })).failure)
    assert.same({ "closed", "confirmed" }, states())
  end)
end)

describe("removing what was lost by itself", function()
  local newest = { body = { proven_at = 1, key_id = "k2" } }

  it("needs a sink that holds something else, and another one that is proven", function()
    local lost = { keyId = "k1", hint = "abc" }
    assert.is_true(client_secret.removable(lost, newest, secret.from "xyz-long-enough"))
    assert.is_false(client_secret.removable(lost, newest, secret.from "abc-long-enough"))
    assert.is_false(client_secret.removable(lost, newest, secret.from "ab1"))
    assert.is_false(client_secret.removable(lost, newest, nil))
    assert.is_false(client_secret.removable(lost, { body = { key_id = "k2" } }, secret.from "xyz-long-enough"))
    assert.is_false(client_secret.removable({ keyId = "k1" }, newest, secret.from "xyz-long-enough"))
    assert.is_false(client_secret.removable({ keyId = "k2", hint = "abc" }, newest, secret.from "xyz-long-enough"))
  end)
end)
