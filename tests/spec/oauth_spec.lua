--- oauth: signing in, renewing, proving, on a network that is not there.

local contoso = require "contoso"
local crypto = require "base.crypto"
local fail = require "fail"
local json = require "host.json"
local log = require "log"
local oauth = require "oauth.sign_in"
local secret = require "host.secret"
local task = require "task"

local DEVICE = "/contoso.onmicrosoft.com/oauth2/v2.0/devicecode"
local TENANT = "9c8f6b7e-0f4b-4a4b-8a55-6a5b6f2d1c3e"

-- Tokens whose payload says who they are for; the emulator's tests have signed ones.
local APP = "e30.eyJvaWQiOiJvLTEiLCJhcHBpZCI6ImFwcC0xIiwidGlkIjoidC0xIiwiaWR0eXAiOiJhcHAiLCJhcHBfZGl"
  .. "zcGxheW5hbWUiOiJQQU0iLCJyb2xlcyI6"
  .. "WyJVc2VyLlJlYWQuQWxsIl19.c2ln"
local PERSON = "e30.eyJvaWQiOiJvLTIiLCJ1cG4iOiJhbm5AY29udG9zby5jb20iLCJ0aWQiOiJ0LTEiLCJzY3AiOiJVc2Vy"
  .. "LlJlYWQuQWxsIEdyb3VwLlJlYWQuQWxsIiwi"
  .. "d2lkcyI6WyJ3LTEiXX0.c2ln"

local function refusal(error, code, status, description)
  return { status or 400, {}, {
    error = error, error_description = description or ("AADSTS%d: Their words. Trace ID: 1"):format(code or 0),
    error_codes = code and { code } or nil, trace_id = "t-1",
  } }
end

local CODE = { 200, {}, {
  device_code = "device-code-1", user_code = "ABC-DEF", verification_uri = "https://microsoft.com/devicelogin",
  expires_in = 900, interval = 5, message = "To sign in, enter ABC-DEF.",
} }

local tenant, said

local function on(...) tenant.door:on(...) end
local function once(...) tenant.door:once(...) end
local function run(...) return tenant:run(...) end
local function fails(...) return tenant:fails(...) end

local function sign_in() return oauth.sign_in(tenant.profile) end

local function device_tenant()
  tenant:close()
  tenant = contoso.new { method = "device_code", client_id = "public-1" }
  on("POST", DEVICE, CODE)
end

describe("oauth", function()
  local say = log.instruct
  before_each(function()
    tenant, said = contoso.new(), {}
    log.instruct = function(text) said[#said + 1] = text end
    oauth.use_scopes {}
  end)
  after_each(function()
    log.instruct = say
    tenant:close()
  end)

  describe("with a client secret", function()
    it("says who we are", function()
      on("POST", contoso.TOKEN, contoso.token { access_token = APP })
      assert.same({ name = "PAM", oid = "o-1", appid = "app-1", tenant = "t-1", kind = "app", scopes = {},
        roles = { "User.Read.All" }, wids = {} }, run(sign_in))
      assert.equal("grant_type=client_credentials&client_id=app-1&scope=https%3A%2F%2Fgraph.example%"
        .. "2F.default&client_secret=[secret]",
        tenant.door.requests[1].body)
    end)

    it("takes for no role what every token lists beside the roles", function()
      on("POST", contoso.TOKEN, contoso.token { access_token = ("e30.%s.sig"):format(crypto.base64url(json.encode {
        oid = "o-1", appid = "app-1", idtyp = "app",
        wids = { "0997a1d0-0d1d-4acb-b408-d5ca73121e90", "r-1", "b79fbf4d-3ef9-4689-8143-76b194e85509" },
      })) })
      assert.same({ "r-1" }, run(sign_in).wids)
    end)

    it("signs in when a credential is first needed, and keeps it", function()
      run(function()
        assert.equal(oauth.credential(), oauth.credential())
        assert.equal("https://graph.example:443", oauth.credential():origin())
      end)
      assert.equal(1, #tenant.door.requests)
    end)

    it("says when the token ends", function()
      run(function()
        local at = require("time").now() + 3600
        assert.equal(at, oauth.expires())
      end)
    end)

    it("goes into a header when the profile says so, both parts escaped", function()
      tenant.profile.sign_in.client_auth = "basic"
      tenant.profile.sign_in.client_id = "a:b c"
      run(sign_in)
      local request = tenant.door.requests[1]
      assert.equal("grant_type=client_credentials&client_id=a%3Ab%20c&scope=https%3A%2F%2Fgraph.example%2F.default",
        request.body)
      assert.equal("https://login.example:443", request.credential:origin())
    end)

    it("renews five minutes before the end", function()
      run(function()
        local first = oauth.credential()
        task.sleep(3299)
        assert.equal(first, oauth.credential())
        task.sleep(2)
        assert.not_equal(first, oauth.credential())
      end)
      assert.equal(2, tenant.door:count("POST", contoso.TOKEN))
    end)

    it("renews a short token at half its life", function()
      on("POST", contoso.TOKEN, contoso.token { expires_in = 60 })
      run(function()
        oauth.credential()
        task.sleep(29)
        oauth.credential()
        assert.equal(1, #tenant.door.requests)
        task.sleep(2)
        oauth.credential()
        assert.equal(2, #tenant.door.requests)
      end)
    end)

    it("asks once for all who wait", function()
      tenant.door.latency = 2
      run(function() task.map({ 1, 2, 3, 4 }, 4, oauth.credential) end)
      assert.equal(1, #tenant.door.requests)
    end)

    it("fails once for all who wait", function()
      tenant.door.latency = 2
      on("POST", contoso.TOKEN, refusal("invalid_client", 7000215, 401))
      run(function()
        local outcomes, failures = task.each({ 1, 2, 3 }, 3, oauth.credential)
        assert.equal(3, failures)
        assert.equal(outcomes[1].result, outcomes[3].result)
      end)
      assert.equal(1, #tenant.door.requests)
    end)

    it("goes on when the one who asks is cancelled", function()
      tenant.door.latency = 2
      run(function()
        local asks = task.spawn(oauth.credential)
        local waits = task.spawn(oauth.credential)
        task.sleep(1)
        asks:cancel()
        assert.equal("https://graph.example:443", waits:wait():origin())
      end)
    end)

    it("gets a new token when told to, but not twice for one refused", function()
      run(function()
        local first = oauth.credential()
        oauth.renew(first)
        local second = oauth.credential()
        assert.not_equal(first, second)
        oauth.renew(first)
        assert.equal(second, oauth.credential())
        oauth.renew()
        assert.not_equal(second, oauth.credential())
      end)
    end)

    it("says what is wrong with the secret", function()
      on("POST", contoso.TOKEN, refusal("invalid_client", 7000215, 401,
        "AADSTS7000215: Invalid client secret provided. Trace ID: 1\r\nx"))
      local err = fails(sign_in)
      assert.equal("auth", err.kind)
      assert.equal(7000215, err.code)
      assert.equal("t-1", err.request_id)
      assert.equal("sign in to 'contoso.onmicrosoft.com' as application app-1: the client secret is not valid. It said:"
        .. " AADSTS7000215: Invalid client secret provided. (HTTP 401 invalid_client, trace id t-1)\n"
        .. "Use the secret's value, not its id. One made a moment ago may take some minutes to work.", tostring(err))
      assert.equal(1, #tenant.door.requests)
    end)

    it("says whose clock is wrong when an assertion is outside its time", function()
      local date = "Thu, 01 Jan 2026 00:12:00 GMT" -- the clock here stands at midnight
      on("POST", contoso.TOKEN, { 401, { date = date }, { error = "invalid_client", error_codes = { 700024 },
        error_description = "AADSTS700024: Not within its valid time range." } })
      assert.truthy(fails(sign_in).why:find("the signed assertion is not valid at this time: "
        .. "this computer's clock is 12 minutes behind theirs. It said:", 1, true))
    end)

    for suberror, cause in pairs {
      basic_action = "the tenant asks for something that only a person can do",
      user_password_expired = "the password has expired",
      client_mismatch = "the sign-in belongs to another application",
      protection_policy_required = "a policy of the tenant requires a managed app on this device",
    } do
      it("explains by suberror what has no known number: " .. suberror, function()
        on("POST", contoso.TOKEN, { 400, {}, { error = "invalid_grant", suberror = suberror,
          error_description = "AADSTS9999999: Words." } })
        local err = fails(sign_in)
        assert.equal(cause .. " (the code AADSTS9999999 is unknown to Moonlatch). It said: AADSTS9999999: Words. "
          .. "(HTTP 400 invalid_grant)", err.why)
        assert.matches(" Look the code up at https://login%.microsoftonline%.com/error%?code=9999999%.$", err.fix)
      end)
    end

    it("an answer that tells an application to wait for a person is a failure like others", function()
      on("POST", contoso.TOKEN, refusal("authorization_pending", 70016))
      local err = fails(sign_in)
      assert.equal("person", err.kind)
      assert.equal("nobody has signed in with the code yet", err.why:match "^(.-)%. It said: ")
    end)

    it("says of an unknown number that it is unknown; what the error often means is a guess", function()
      on("POST", contoso.TOKEN, { 400, {}, { error = "invalid_grant", suberror = "something_new",
        error_description = "AADSTS9999999: Words." } })
      local err = fails(sign_in)
      assert.equal("the code AADSTS9999999 is unknown to Moonlatch; invalid_grant often means that what the "
        .. "application showed is not valid, or a policy refuses it. It said: AADSTS9999999: Words. "
        .. "(HTTP 400 invalid_grant)", err.why)
      assert.equal("Look the code up at https://login.microsoftonline.com/error?code=9999999. If it is that: The "
        .. "sign-in log (Service principal sign-ins) says more.", err.fix)
    end)

    it("explains by the number of what failed inside, not by the one that wraps it", function()
      on("POST", contoso.TOKEN, { 400, {}, { error = "invalid_grant", error_codes = { 70002, 70000 },
        error_description = "AADSTS70002: Error validating credentials. AADSTS70000: The grant is malformed." } })
      local err = fails(sign_in)
      assert.equal(70000, err.code)
      assert.matches("^the code or the refresh token is not valid%. It said: AADSTS70002: Error", err.why)
    end)

    it("names the policy that blocks an application, and gives no advice for a person", function()
      local id = "99999999-0000-4000-8000-000000000002"
      on("POST", contoso.TOKEN, { 400, {}, { error = "invalid_grant", suberror = "message_only",
        error_codes = { 53003 }, error_description = "AADSTS53003: Blocked. Trace ID: 1", trace_id = "t-1",
        correlation_id = "c-1",
        claims = '{"access_token":{"capolids":{"essential":true,"values":["' .. id .. '"]}}}' } })
      local err = fails(sign_in)
      assert.equal("a Conditional Access policy blocks this sign-in (id of the policy: " .. id .. "). It said: "
        .. "AADSTS53003: Blocked. (HTTP 400 invalid_grant, trace id t-1, correlation id c-1)", err.why)
      assert.equal("Have the policy exclude this application, or sign in from an address that the policy allows. The "
        .. "sign-in log (Service principal sign-ins) shows the attempt under its correlation id.", err.fix)
    end)

    it("says when the file of the secret is missing", function()
      tenant.profile.sign_in.secret = { from = "file", path = tenant.folder .. "/none" }
      assert.is_true(fail.is(fails(sign_in), "config"))
    end)

    it("names a method there is none of", function()
      tenant.profile.sign_in = { method = "charm", client_id = "x" }
      assert.equal("sign in to 'contoso.onmicrosoft.com': the profile's sign_in.method is 'charm'\n"
        .. "Use \"browser\" or \"device_code\" for a person; \"certificate\", \"workload_identity\", "
        .. "\"managed_identity\" or \"client_secret\" for an application.", tostring(fails(sign_in)))
    end)
  end)

  describe("kinds", function()
    local cases = {
      { "invalid_client", 7000222, 401, "auth" }, { "invalid_grant", 50173, 400, "auth" },
      { "unauthorized_client", 700016, 400, "auth" }, { "interaction_required", 50076, 400, "auth" },
      { "invalid_request", 90002, 400, "config" }, { "invalid_scope", 70011, 400, "config" },
      { "invalid_resource", 500011, 400, "config" }, { "something_new", nil, 400, "auth" },
      { "http", nil, 403, "auth" },
    }
    for _, case in ipairs(cases) do
      it(("%s %s is %s and not repeated"):format(case[1], case[2], case[4]), function()
        on("POST", contoso.TOKEN, refusal(case[1], case[2], case[3]))
        local err = fails(sign_in)
        assert.equal(case[1] == "http" and "refused" or case[4], err.kind)
        assert.equal(1, #tenant.door.requests)
      end)
    end

    for _, case in ipairs {
      { "temporarily_unavailable", nil, 400 }, { "server_error", nil, 400 }, { "x", nil, 503 }, { "invalid_grant",
        90033, 400 },
    } do
      it(("%s %s %d is tried four times"):format(case[1], case[2], case[3]), function()
        on("POST", contoso.TOKEN, refusal(case[1], case[2], case[3]))
        assert.equal("transient", fails(sign_in).kind)
        assert.equal(4, #tenant.door.requests)
      end)
    end

    it("a gateway's page is tried four times", function()
      on("POST", contoso.TOKEN, { 502, {}, "<html>" })
      local err = fails(sign_in)
      assert.equal("transient", err.kind)
      assert.equal("the service is in trouble. It said: HTTP 502 without a reason in JSON (HTTP 502 http)",
        err.why)
    end)

    it("a throttle is waited for", function()
      once("POST", contoso.TOKEN, { 429, { ["retry-after"] = "30" }, "" })
      run(sign_in)
      assert.equal(30, tenant:passed())
    end)

    it("no answer is tried four times", function()
      on("POST", contoso.TOKEN, { nil, "curl's words", "timeout", true })
      local err = fails(sign_in)
      assert.equal("network", err.kind)
      assert.equal("no answer came in time (curl's words)", err.why)
      assert.equal(4, #tenant.door.requests)
    end)

    it("an unusable answer is not repeated", function()
      on("POST", contoso.TOKEN, contoso.token { access_token = 5 })
      local err = fails(sign_in)
      assert.equal("bad_answer", err.kind)
      assert.truthy(err.why:find("access_token is missing", 1, true))
      assert.equal("Check `login` in the profile, and whether a proxy answers instead.", err.fix)
      on("POST", contoso.TOKEN, { 200, {}, "<html>hello</html>" })
      assert.truthy(fails(sign_in).why:find("the answer is not from Microsoft's login service", 1, true))
    end)
  end)

  describe("with a device code", function()
    before_each(device_tenant)

    it("shows the page and the code, set off to be typed, and waits for the person", function()
      oauth.use_scopes { "User.Read.All", "https://other.example/x" }
      assert.same({ "User.Read.All", "https://other.example/x" }, oauth.scopes())
      once("POST", contoso.TOKEN, refusal("authorization_pending", 70016))
      once("POST", contoso.TOKEN, refusal("slow_down"))
      once("POST", contoso.TOKEN, { 503, {}, "" })
      once("POST", contoso.TOKEN, { nil, "cut", "cut", true })
      on("POST", contoso.TOKEN, contoso.token { access_token = PERSON, refresh_token = "refresh-1" })
      local person = run(sign_in)
      assert.same({ "To sign in, open https://microsoft.com/devicelogin and enter this code:\n\n    ABC-DEF\n" }, said)
      assert.same({ name = "ann@contoso.com", oid = "o-2", tenant = "t-1", kind = "user", roles = {}, wids = { "w-1" },
        scopes = { "User.Read.All", "Group.Read.All" } }, person)
      assert.equal(5 + 5 + 10 + 10 + 10, tenant:passed())
      assert.equal("client_id=public-1&scope=offline_access%20https%3A%2F%2Fgraph.example%2FUser.Rea"
        .. "d.All%20https%3A%2F%2Fother.example%2Fx",
        tenant.door.requests[1].body)
      assert.equal("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&client_id=publ"
        .. "ic-1&device_code=[secret]",
        tenant.door.requests[2].body)
    end)

    it("renews with the refresh token, and keeps it when no new one comes", function()
      once("POST", contoso.TOKEN, contoso.token { access_token = PERSON, refresh_token = "refresh-1" })
      run(function()
        sign_in()
        for _ = 1, 2 do
          task.sleep(3400)
          oauth.credential()
        end
      end)
      assert.equal("grant_type=refresh_token&client_id=public-1&scope=offline_access%20https%3A%2F%2"
        .. "Fgraph.example%2F.default"
        .. "&refresh_token=[secret]", tenant.door.requests[4].body)
      assert.equal(1, #said)
    end)

    describe("at a service that grants less than was asked for, and refuses more at a renewal (RFC 6749, 6)", function()
      local GRANTED = "https://graph.example/User.Read.All openid"
      local asked, granted

      before_each(function()
        asked, granted = {}, GRANTED
        oauth.use_scopes { "User.Read.All", "Group.Read.All" }
        on("POST", contoso.TOKEN, function(request)
          local scope = request.text:match("scope=([^&]*)") or ""
          scope = scope:gsub("%%20", " "):gsub("%%3A", ":"):gsub("%%2F", "/")
          if not request.text:find("refresh_token", 1, true) then
            return table.unpack(contoso.token { access_token = PERSON, refresh_token = "refresh-1", scope = granted })
          end
          asked[#asked + 1] = scope
          for one in scope:gmatch "%S+" do
            if not (" " .. GRANTED .. " "):find(" " .. one .. " ", 1, true) then
              return 400, {}, { error = "invalid_scope", error_description = "refresh token missing requested scope" }
            end
          end
          return table.unpack(contoso.token { access_token = PERSON, refresh_token = "refresh-2", scope = scope })
        end)
      end)

      it("a renewal asks for what was granted, again and again", function()
        run(function()
          sign_in()
          oauth.renew()
          oauth.renew()
        end)
        assert.same({ "https://graph.example/User.Read.All", "https://graph.example/User.Read.All" }, asked)
      end)

      it("the form of the names does not matter", function()
        granted = "user.read.all OPENID"
        run(function()
          sign_in()
          oauth.renew()
        end)
        assert.same({ "https://graph.example/User.Read.All" }, asked)
      end)

      it("what another script wants is asked for, and its refusal asks for a new sign-in", function()
        local err = fails(function()
          sign_in()
          oauth.use_scopes { "User.Read.All", "AuditLog.Read.All" }
          oauth.renew()
        end)
        assert.same({ "https://graph.example/User.Read.All https://graph.example/AuditLog.Read.All" }, asked)
        assert.equal("a permission that is asked for does not exist, or this sign-in was not granted it. It said: "
          .. "refresh token missing requested scope (HTTP 400 invalid_scope)", err.why)
        assert.matches("sign in again: moonlatch login%.$", err.fix)
      end)
    end)

    it("renews with .default, which asks for what was granted, whatever the answer listed", function()
      oauth.use_scopes {}
      on("POST", contoso.TOKEN, contoso.token { access_token = PERSON, refresh_token = "refresh-1",
        scope = "email openid https://graph.example/User.Read" })
      run(function()
        sign_in()
        oauth.renew()
      end)
      assert.equal("grant_type=refresh_token&client_id=public-1&scope=https%3A%2F%2Fgraph.example%2F.default"
        .. "&refresh_token=[secret]", tenant.door.requests[3].body)
    end)

    describe("that is kept", function()
      local events, kept

      -- Keeps one token in memory, and notes what happens in which order.
      local function keeper()
        return {
          renew = function(exchange)
            if not kept then return nil end
            local token = exchange(kept)
            kept = token.refresh_token or kept
            events[#events + 1] = "durable"
            return token
          end,
          keep = function(token)
            kept = token.refresh_token
            events[#events + 1] = "kept"
          end,
        }
      end

      before_each(function()
        events, kept = {}, nil
        oauth.keep(keeper())
        on("POST", contoso.TOKEN, function()
          events[#events + 1] = "answered"
          return table.unpack(contoso.token { access_token = PERSON, refresh_token = "refresh-" .. #events })
        end)
      end)
      after_each(function() oauth.keep(nil) end)

      it("is kept before its access token is used, and renewed instead of asked for", function()
        run(function()
          sign_in()
          assert.same({ "answered", "kept" }, events)
          oauth.renew()
          oauth.sign_out()
          oauth.credential()
        end)
        assert.same({ "answered", "kept", "answered", "durable", "answered", "durable" }, events)
        assert.equal(1, tenant.door:count("POST", DEVICE))
      end)

      it("is not used when it cannot be made durable", function()
        kept = secret.from "refresh-0"
        oauth.keep { renew = function(exchange)
          exchange(kept)
          fail.raise { kind = "config", what = "keep the sign-in", why = "the disk is full" }
        end }
        assert.equal("the disk is full", fails(sign_in).why)
        oauth.keep(nil)
        run(oauth.credential)
        assert.equal(1, tenant.door:count("POST", DEVICE)) -- what it gave is not held either
      end)
    end)

    it("says that the sign-in has ended", function()
      once("POST", contoso.TOKEN, contoso.token { refresh_token = "refresh-1" })
      on("POST", contoso.TOKEN, refusal("invalid_grant", 50173, 400, "AADSTS50173: Revoked."))
      local err = fails(function()
        sign_in()
        oauth.renew()
      end)
      assert.equal("auth", err.kind)
      assert.equal("renew the sign-in to 'contoso.onmicrosoft.com': the sign-in is not valid any more: it expired, or "
        .. "was revoked (a new password revokes it). It said: AADSTS50173: Revoked. "
        .. "(HTTP 400 invalid_grant, trace id t-1)\n"
        .. "Sign in again: moonlatch login.", tostring(err))
    end)

    it("asks every five seconds when the service does not say how often", function()
      on("POST", DEVICE, { 200, {}, { device_code = "device-code-1", user_code = "ABC-DEF", expires_in = 900,
        verification_uri = "https://login.example/device" } })
      on("POST", contoso.TOKEN, contoso.token { access_token = PERSON })
      run(sign_in)
      assert.same({ "To sign in, open https://login.example/device and enter this code:\n\n    ABC-DEF\n" }, said)
      assert.equal(5, tenant:passed()) -- without an interval: five seconds (RFC 8628, 3.2)
    end)

    for error, text in pairs {
      authorization_declined = "the person declined. It said: Their words (HTTP 400 authorization_declined, trace id"
        .. " t-1)",
      expired_token = "the code was not used in time. It said: Their words (HTTP 400 expired_token, trace id t-1)",
      code_expired = "the code was not used in time. It said: Their words (HTTP 400 code_expired, trace id t-1)",
    } do
      it("stops: " .. error, function()
        on("POST", contoso.TOKEN, refusal(error, nil, 400, "Their words"))
        local err = fails(sign_in)
        assert.equal("person", err.kind)
        assert.equal(text, err.why)
        assert.equal("sign in to 'contoso.onmicrosoft.com' with a device code", err.what)
      end)
    end

    it("stops when it is asked to wait until the code is too old, and says until when", function()
      on("POST", contoso.TOKEN, { 429, { ["retry-after"] = "7200" }, "" })
      local err = fails(sign_in)
      assert.equal("throttled", err.kind)
      assert.equal(5, tenant:passed())
      assert.matches("^Run the same command again after 20", err.fix)
    end)

    it("stops when the code is too old", function()
      on("POST", contoso.TOKEN, refusal("authorization_pending", 70016))
      local err = fails(sign_in)
      assert.equal("person", err.kind)
      assert.equal(900, tenant:passed())
      assert.equal("nobody signed in with the code before it expired (the time of the code is over)", err.why)
      assert.equal("Run the command again for a new code. If the page said that you do not have access (53003), a "
        .. 'Conditional Access policy blocks device codes: use method = "browser", or sign in as an application.',
        err.fix)
      assert.equal(180, tenant.door:count("POST", contoso.TOKEN))
    end)

    it("says while it waits, once, what a page with 53003 means", function()
      on("POST", contoso.TOKEN, refusal("authorization_pending", 70016))
      local told
      log.instruct = function(text)
        said[#said + 1] = text
        if #said == 2 then told = tenant:passed() end
      end
      fails(sign_in)
      assert.equal(60, told)
      assert.equal(2, #said)
      assert.matches("If the page says that you do not have access %(53003%), a Conditional Access policy blocks",
        said[2])
    end)

    it("says so too when the service calls the code expired first", function()
      on("POST", contoso.TOKEN, refusal("expired_token", 70020))
      local err = fails(sign_in)
      assert.equal("person", err.kind)
      assert.matches("^nobody signed in with the code before it expired", err.why)
      assert.matches("53003", err.fix)
    end)

    it("says that device codes are blocked", function()
      on("POST", contoso.TOKEN, refusal("invalid_grant", 53003))
      local err = fails(sign_in)
      assert.equal("auth", err.kind)
      assert.truthy(err.why:find("a Conditional Access policy blocks this sign-in", 1, true))
      assert.truthy(err.fix:find('try method = "browser", or sign in as an application', 1, true))
    end)
  end)

  describe("prove", function()
    local function prove() return oauth.prove("app-9", secret.from("new-secret-9")) end

    it("signs the application in on a connection of its own", function()
      on("POST", contoso.TOKEN, contoso.token { access_token = APP })
      local proof = run(prove)
      assert.equal("app-1", proof.claims.appid)
      assert.equal("grant_type=client_credentials&client_id=app-9&scope=https%3A%2F%2Fgraph.example%"
        .. "2F.default&client_secret=[secret]",
        tenant.door.requests[1].body)
    end)

    it("asks once, and gives the failure back", function()
      on("POST", contoso.TOKEN, refusal("invalid_client", 7000215, 401))
      local proof, failure = run(prove)
      assert.is_nil(proof)
      assert.equal("auth", failure.kind)
      assert.equal(7000215, failure.code)
      on("POST", contoso.TOKEN, { nil, "words", "connect", false })
      proof, failure = run(prove)
      assert.is_nil(proof)
      assert.equal("network", failure.kind)
      assert.equal(2, #tenant.door.requests)
    end)

    it("leaves our own sign-in alone", function()
      run(function()
        local mine = oauth.credential()
        prove()
        assert.equal(mine, oauth.credential())
      end)
    end)
  end)

  describe("tenant", function()
    local WELL_KNOWN = "/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration"

    it("is found by discovery, once", function()
      tenant.profile.login = "https://login-a.example"
      on("GET", WELL_KNOWN, { 200, {}, { issuer = "https://login-a.example/" .. TENANT .. "/v2.0",
        token_endpoint = "https://login-a.example/" .. TENANT .. "/oauth2/v2.0/token" } })
      assert.equal(TENANT, run(oauth.tenant))
      assert.equal(TENANT, run(oauth.tenant))
      assert.equal(1, #tenant.door.requests)
    end)

    it("says that there is no such tenant", function()
      on("GET", WELL_KNOWN, refusal("invalid_tenant", 90002, 400,
        "AADSTS90002: Tenant 'contoso' not found. Trace ID: 7"))
      local err = fails(oauth.tenant)
      assert.equal("config", err.kind)
      assert.equal("find the tenant 'contoso.onmicrosoft.com' at https://login.example: there is no such tenant at"
        .. " this login"
        .. " service. It said: AADSTS90002: Tenant 'contoso' not found. (HTTP 400 invalid_tenant, trace id t-1)\nCheck"
          .. " `tenant`"
        .. " in the profile; if it is right, the tenant is in another cloud: check `cloud`.", tostring(err))
    end)

    it("refuses an endpoint elsewhere", function()
      on("GET", WELL_KNOWN, { 200, {}, { issuer = "https://login.example/" .. TENANT .. "/v2.0",
        token_endpoint = "https://evil.example/token" } })
      local err = fails(oauth.tenant)
      assert.equal("bad_answer", err.kind)
      assert.truthy(err.why:find("token_endpoint is missing or at another host than the authority", 1, true))
    end)
  end)
end)
