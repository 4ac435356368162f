--- oidc-provider, a certified provider that nobody here wrote, on Entra's paths: every
--- way to sign in that it knows, and what it refuses.

local crypto = require "host.crypto"
local fail = require "fail"
local fake = require "fake_door"
local http = require "http.client"
local json = require "host.json"
local log = require "log"
local native = require "host.oauth"
local oauth = require "oauth.sign_in"
local peers = require "peers"
local process = require "host.process"
local scheduler = require "task.scheduler"
local secret = require "host.secret"
local sys = require "host.sys"
local task = require "task"
local time = require "time"
local time_clock = require "time.clock"

describe("oidc-provider", function()
  local lacking = peers.lacking("oidc-provider")
  if lacking then
    pending(lacking)
    return
  end

  local place, peer, browser
  local instruct = log.instruct

  setup(function()
    place = peers.place()
    peer = peers.start("oidc.mjs", place)
    place:write("post", "S3c:ret%+&~ of the post")
    place:write("basic", "S3c:ret%+&~ of basic")
    place:write("wrong", "S3c:ret%+&~ of nobody")
  end)
  teardown(function()
    peer:__close()
    place:__close()
  end)
  after_each(function()
    log.instruct = instruct
    oauth.use_scopes {}
    if browser then browser:close() end
    browser = nil
  end)

  -- Run `fn` as a task in a session of this profile; long waits pass at once when `virtual`.
  local function run(sign_in, fn, virtual)
    local open <close> = peers.session(place, peer.ready, sign_in)
    if virtual then time_clock.use(fake.clock(os.time())) end
    return scheduler.run(http.poll, fn, open.profile)
  end

  local function fails(...)
    local ok, err = pcall(run, ...)
    assert.is_false(ok)
    assert.is_true(fail.is(err), tostring(err))
    return err
  end

  local function by_secret(how, file)
    return ('method = "client_secret", client_id = %q, client_auth = %q, secret = { from = "file", path = %q }')
      :format(how, how, file or how)
  end

  local CERTIFICATE = 'method = "certificate", client_id = "certificate", certificate = { path = "app.pem" }'
  local PERSON = 'method = "%s", client_id = "person"'

  -- The next page that the person is told of is opened by this browser.
  local function open_browser(match)
    log.instruct = function(text)
      local url = text:match(match)
      browser = assert(process.start({ "/usr/bin/env", "NODE_EXTRA_CA_CERTS=" .. place.path .. "/ca.pem", peers.node(),
        SOURCE .. "/tests/peer/browser.mjs", url }))
    end
  end

  for _, how in ipairs { "post", "basic" } do
    it("knows us by client secret, sent by " .. how, function()
      local principal = run(by_secret(how), oauth.sign_in)
      assert.same({ peer.ready.tenant, how, "app" }, { principal.tenant, principal.oid, principal.kind })
      local err = fails(by_secret(how, "wrong"), oauth.sign_in)
      assert.equal("auth", err.kind)
      assert.matches("^the application's credential was not accepted%. It said: ", err.why)
    end)
  end

  it("finds the tenant where it looks for it", function()
    assert.equal(peer.ready.tenant, run(by_secret("post"), oauth.tenant))
  end)

  it("knows us by certificate, again and again", function()
    run(CERTIFICATE, function(settings)
      assert.equal("certificate", oauth.sign_in(settings).oid)
      oauth.renew()
    end)
  end)

  describe("refuses an assertion", function()
    local ENDPOINT, key, header

    setup(function()
      ENDPOINT = peer.ready.issuer .. "/oauth2/v2.0/token"
      key = assert(crypto.certificate((sys.read_secret(place.path .. "/app.pem", "person", "whole"))))
      header = { typ = "JWT", ["x5t#S256"] = crypto.base64url(key:describe().sha256) }
    end)

    local function assertion(changes, changed_header, algorithm)
      local now, head = math.floor(time.now()), {}
      local claims = { aud = ENDPOINT, iss = "certificate", sub = "certificate", jti = crypto.uuid(), nbf = now,
        iat = now, exp = now + 600 }
      for name, value in pairs(changes or {}) do claims[name] = value end
      for name, value in pairs(header) do head[name] = value end
      for name, value in pairs(changed_header or {}) do head[name] = value end
      return key:assertion(algorithm or "PS256", json.encode(head), json.encode(claims))
    end

    -- Hand it over as it is; the token, or nil and the failure.
    local function hand_over(value)
      local authority = peer.ready.login .. "/" .. peer.ready.tenant
      local request = native.client_assertion(authority, "certificate", value, peer.ready.graph .. "/.default")
      local answer = assert(http.send(request))
      return native.judge_token(answer, peer.ready.graph)
    end

    local function refused(value, error)
      local token, failure = run(CERTIFICATE, function() return hand_over(value) end)
      assert.is_nil(token)
      assert.equal(error or "invalid_client", failure.error)
    end

    it("used a second time", function()
      local value = assertion()
      assert.is_table((run(CERTIFICATE, function() return hand_over(value) end)))
      refused(value)
    end)

    it("for another audience", function()
      refused(assertion { aud = peer.ready.issuer })
      refused(assertion { aud = "https://evil.example/token" })
    end)

    it("that lives too long, has ended, or has not begun", function()
      local now = math.floor(time.now())
      refused(assertion { exp = now + 3600 })
      refused(assertion { nbf = now - 700, iat = now - 700, exp = now - 100 })
      refused(assertion { nbf = now + 300 })
    end)

    it("of another client, by another certificate or algorithm", function()
      refused(assertion { iss = "post" })
      refused(assertion { sub = "post" }, "invalid_request")
      refused(assertion(nil, { ["x5t#S256"] = "another" }))
      refused(assertion(nil, nil, "RS256"))
      local other = crypto.key()
      refused(other:assertion("PS256", json.encode(header), json.encode { aud = ENDPOINT, iss = "certificate",
        sub = "certificate", jti = crypto.uuid(), exp = math.floor(time.now()) + 60 }))
    end)
  end)

  describe("lets a person in", function()
    local function scopes() oauth.use_scopes { "User.Read" } end

    it("in a browser, by code with PKCE, and renews that", function()
      for _, redirect in ipairs { "http://localhost", "http://127.0.0.1/back" } do
        open_browser("http://localhost:%d+/%S+$")
        if redirect:find("127", 1, true) then open_browser("http://127.0.0.1:%d+/%S+$") end
        run(PERSON:format("browser") .. (", redirect = %q"):format(redirect), function(settings)
          scopes()
          local person = oauth.sign_in(settings)
          assert.same({ "ann@contoso.com", "user" }, { person.name, person.kind })
          local first = oauth.credential()
          oauth.renew()
          assert.not_equal(first, oauth.credential())
        end)
        assert.equal(0, browser:wait(10))
      end
    end)

    it("by device code: pending, slow down, five seconds where no interval is said", function()
      local polls, waits, once, sleep = 0, {}, native.device_token, task.sleep
      native.device_token = function(...)
        polls = polls + 1
        return once(...)
      end
      task.sleep = function(seconds)
        waits[#waits + 1] = seconds
        -- The person is done before the third look.
        if #waits == 3 then assert.equal(0, browser:wait(10)) end
        return sleep(seconds)
      end
      log.instruct = function(text)
        local url, code = text:match("open (%S+) and enter this code:%s+(%S+)")
        browser = assert(process.start({ "/usr/bin/env", "NODE_EXTRA_CA_CERTS=" .. place.path .. "/ca.pem",
          peers.node(), SOURCE .. "/tests/peer/browser.mjs", url .. "?user_code=" .. code }))
      end
      local ok, err = pcall(run, PERSON:format "device_code", function(settings)
        scopes()
        assert.equal("ann@contoso.com", oauth.sign_in(settings).name)
        oauth.renew()
      end, true)
      native.device_token, task.sleep = once, sleep
      assert.is_true(ok, tostring(err))
      assert.same({ 3, { 5, 5, 10 } }, { polls, waits })
    end)

    it("not by a code with another verifier, and by a refresh token only once", function()
      open_browser("http://localhost:%d+/%S+$")
      local pkce, held = native.pkce, {}
      native.pkce = function()
        local verifier, challenge = pkce()
        held.verifier = verifier
        return held.wrong and (pkce()) or verifier, challenge
      end
      held.wrong = true
      local err = fails(PERSON:format "browser", function(settings)
        scopes()
        oauth.sign_in(settings)
      end)
      assert.equal("the sign-in is not valid any more", err.why:match("^(.-)%. "))
      held.wrong = false
      open_browser("http://localhost:%d+/%S+$")
      run(PERSON:format "browser", function(settings)
        scopes()
        local first
        oauth.keep { renew = function() return nil end, keep = function(token) first = token.refresh_token end }
        oauth.sign_in(settings)
        oauth.keep(nil)
        oauth.renew()
        local function renew(refresh_token)
          local request = native.refresh(peer.ready.login .. "/" .. peer.ready.tenant, "person", refresh_token,
            peer.ready.graph .. "/User.Read")
          local answer = assert(http.send(request))
          local token, failure = native.judge_token(answer, peer.ready.graph)
          assert.is_nil(token)
          assert.equal("invalid_grant", failure.error)
        end
        renew(first)
        local ok, refusal = pcall(oauth.renew)
        assert.is_false(ok) -- theft is assumed: the newest one went with it
        assert.matches("the sign%-in is not valid any more", tostring(refusal))
        renew(secret.from("made-up-token"))
      end)
      native.pkce = pkce
    end)
  end)
end)
