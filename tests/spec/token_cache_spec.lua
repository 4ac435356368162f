-- A person's sign-in from one run to the next, on a network that is not there.

local contoso = require "contoso"
local fail = require "fail"
local log = require "log"
local oauth = require "oauth.sign_in"
local secret = require "host.secret"
local sealed = require "profile.sealed_file"
local sys = require "host.sys"
local token_cache = require "oauth.token_cache"

local DEVICE = "/contoso.onmicrosoft.com/oauth2/v2.0/devicecode"
local CODE = { 200, {}, {
  device_code = "device-code-1", user_code = "ABC-DEF", verification_uri = "https://microsoft.com/devicelogin",
  expires_in = 900, interval = 5, message = "To sign in, enter ABC-DEF.",
} }

-- {"oid":"o-2","upn":"ann@contoso.com","tid":"t-1","scp":"User.Read.All"} as the payload.
local PERSON = "e30.eyJvaWQiOiJvLTIiLCJ1cG4iOiJhbm5AY29udG9zby5jb20iLCJ0aWQiOiJ0LTEiLCJzY3AiOiJVc2Vy"
  .. "LlJlYWQuQWxsIn0.c2ln"

local tenant, profile, asked
local say = log.say

local function answer(refresh_token)
  return contoso.token { access_token = PERSON, refresh_token = refresh_token }
end

local function refusal(error)
  return { 400, {}, { error = error, error_description = "AADSTS70008: Expired.", error_codes = { 70008 } } }
end

local function use(fresh)
  oauth.sign_out()
  oauth.keep(token_cache.keeper(profile, fresh))
end

local function sign_in(fresh)
  use(fresh)
  return tenant:run(oauth.sign_in, profile)
end

local function failure()
  local ok, err = pcall(sign_in)
  assert.is_false(ok)
  return err
end

local function kept()
  local value = sealed.read(profile, (token_cache.path(profile):match("([^/]+)%.sealed$")))
  return value
end

local function is_kept(text)
  local value = kept()
  return value ~= nil and secret.equals(value, secret.from(text))
end

describe("a sign-in that is kept", function()
  before_each(function()
    tenant = contoso.new { method = "device_code", client_id = "public-1" }
    profile, asked = tenant.profile, 0
    profile.file, profile.state = "the configuration", tenant.folder .. "/state"
    profile.binding = "login.example/contoso.onmicrosoft.com"
    profile.key = { from = "file", path = tenant.folder .. "/key" }
    assert(sys.write(profile.key.path, secret.generate(43), "new"))
    tenant.door:on("POST", DEVICE, function()
      asked = asked + 1
      return table.unpack(CODE)
    end)
    tenant.door:on("POST", contoso.TOKEN, answer "refresh-1")
    log.say = function() end
  end)
  after_each(function()
    log.say = say
    oauth.keep(nil)
    tenant:close()
  end)

  it("is not kept unless the person asked for that", function()
    sign_in()
    assert.is_nil(token_cache.about(profile))
    assert.is_nil(sys.stat(profile.state))
  end)

  it("is sealed on disk before its access token can be used", function()
    local principal = sign_in(true)
    assert.equal("ann@contoso.com", principal.name)
    assert.is_true(is_kept "refresh-1")
    local about = token_cache.about(profile)
    assert.same({ "ann@contoso.com", "o-2", "t-1", "public-1", "2026-01-01T00:00:05Z" },
      { about.name, about.oid, about.tenant, about.client_id, about.since })
    local text = assert(sys.read(token_cache.path(profile), 65536))
    assert.is_nil(text:find("refresh-1", 1, true))
    assert.equal(384, sys.stat(token_cache.path(profile)).mode)
  end)

  it("serves the next run, and each renewal replaces it", function()
    sign_in(true)
    tenant.door:on("POST", contoso.TOKEN, answer "refresh-2")
    assert.equal("ann@contoso.com", sign_in().name)
    assert.equal(1, asked)
    assert.is_true(is_kept "refresh-2")
    assert.equal("2026-01-01T00:00:05Z", token_cache.about(profile).since)
    tenant.door:on("POST", contoso.TOKEN, answer(nil)) -- not each answer brings a new one
    sign_in()
    assert.is_true(is_kept "refresh-2")
  end)

  it("is renewed in the next run without what it was not granted", function()
    local wanted = {}
    local function scope_of(request) return request.text:match "scope=([^&]*)" end
    tenant.door:on("POST", contoso.TOKEN, function(request)
      wanted[#wanted + 1] = scope_of(request)
      local reply = answer("refresh-" .. #wanted)
      reply[3].scope = "https://graph.example/.default"
      return table.unpack(reply)
    end)
    sign_in(true)
    sign_in()
    sign_in()
    assert.same({ "https%3A%2F%2Fgraph.example%2F.default", "https%3A%2F%2Fgraph.example%2F.default" }, wanted)
    assert.equal("offline_access", token_cache.about(profile).withheld)
  end)

  it("is renewed with what another process left, not with what this one remembers", function()
    sign_in(true)
    use()
    local bodies = {}
    tenant:run(function()
      oauth.credential()
      sealed.write(profile, (token_cache.path(profile):match("([^/]+)%.sealed$")), { name = "ann@contoso.com" },
        secret.from "from-the-other")
      tenant.door:on("POST", contoso.TOKEN, function()
        bodies[#bodies + 1] = secret.equals(kept(), secret.from "from-the-other")
        return table.unpack(answer "refresh-3")
      end)
      oauth.renew()
    end)
    assert.same({ true }, bodies)
    assert.is_true(is_kept "refresh-3")
  end)

  it("is renewed by one process at a time", function()
    sign_in(true)
    local lock = assert(sys.lock((token_cache.path(profile):gsub("sealed$", "lock"))))
    local task = require "task"
    use()
    tenant:run(function()
      local other = task.spawn(function()
        task.sleep(0.3)
        assert.equal(1, tenant.door:count("POST", contoso.TOKEN)) -- the sign-in's own
        lock:close()
      end)
      oauth.credential()
      other:wait()
    end)
  end)

  it("that cannot be written again is not used: the failure comes before the access token", function()
    sign_in(true)
    use()
    assert(sys.remove(profile.key.path))
    local err = tenant:fails(oauth.credential)
    assert.matches("^read the journal's key from ", err.what)
  end)

  describe("and is over", function()
    local function over(error)
      sign_in(true)
      tenant.door:on("POST", contoso.TOKEN, refusal(error))
      use()
    end

    it("is said where nobody can sign in", function()
      over "invalid_grant"
      local err = tenant:fails(oauth.credential)
      assert.equal("renew the sign-in kept for ann@contoso.com", err.what)
      assert.equal("Sign in again: moonlatch login.", err.fix)
      assert.equal(1, asked)
      assert.is_true(is_kept "refresh-1") -- it may still be good for other permissions
    end)

    it("is asked for anew where somebody sits at a terminal, also in the middle of a run", function()
      local term, warn, warned = require "host.term", log.warn, {}
      local is_terminal = term.is_terminal
      term.is_terminal = function() return true end
      log.warn = function(text) warned[#warned + 1] = text end
      local restore <close> = setmetatable({}, { __close = function()
        term.is_terminal, log.warn = is_terminal, warn
      end })
      sign_in(true)
      use()
      tenant:run(function()
        oauth.credential()
        tenant.door:once("POST", contoso.TOKEN, refusal "invalid_grant")
        tenant.door:on("POST", contoso.TOKEN, answer "refresh-9")
        oauth.renew()
      end)
      assert.equal(2, asked)
      assert.is_true(is_kept "refresh-9")
      assert.matches("^the sign%-in kept for ann@contoso%.com does not serve any more: ", warned[1])
      assert.equal(1, #warned)
      assert.is_table(restore)
    end)

    it("says that a run was cut off in a renewal, if one was", function()
      over "invalid_grant"
      local lock = assert(sys.lock((token_cache.path(profile):gsub("sealed$", "lock"))))
      lock:mark()
      lock:close()
      local err = tenant:fails(oauth.credential)
      assert.matches("^an earlier renewal was cut off before its answer was kept, "
        .. "and with it the newest token was lost%. It said: ", err.why)
      assert.not_matches("cut off", tenant:fails(oauth.credential).why) -- said once
    end)

    it("leaves other failures as they are", function()
      over "temporarily_unavailable"
      assert.equal("transient", tenant:fails(oauth.credential).kind)
    end)

    it("notices an answer that was lost on its way", function()
      sign_in(true)
      tenant.door:on("POST", contoso.TOKEN, { nil, "cut", "cut", true })
      use()
      assert.is_false(pcall(tenant.run, tenant, oauth.credential))
      tenant.door:on("POST", contoso.TOKEN, refusal "invalid_grant")
      assert.matches("^an earlier renewal was cut off", tenant:fails(oauth.credential).why)
    end)
  end)

  it("belongs to one client, one profile and one key", function()
    sign_in(true)
    local path = token_cache.path(profile)
    local text = assert(sys.read(path, 65536))
    profile.sign_in.client_id = "public-2"
    assert.is_nil(token_cache.about(profile))
    assert(sys.write(token_cache.path(profile), text, "new"))
    assert.matches("it was sealed with another key or for another use, or it was altered", failure().why)
    profile.sign_in.client_id = "public-1"
    assert(sys.write(path, (text:gsub("ann@", "bob@")), "replace"))
    assert.matches("or it was altered", failure().why)
    for _, broken in ipairs { "", "{}\n", "{}\nx\n", "[1]\nAAAA\n" } do
      assert(sys.write(path, broken, "replace"))
      assert.is_true(fail.is(failure(), "config"))
    end
  end)

  it("is forgotten when told to, whatever is left of it", function()
    assert.is_nil(token_cache.forget(profile))
    sign_in(true)
    assert.equal("ann@contoso.com", token_cache.forget(profile).name)
    assert.is_nil(sys.stat(token_cache.path(profile)))
    sign_in(true)
    assert(sys.write(token_cache.path(profile), "damaged", "replace"))
    assert.equal("?", token_cache.forget(profile).name)
    assert.is_nil(sys.stat(token_cache.path(profile)))
  end)

  it("is nothing for applications, nor without a key", function()
    profile.sign_in.method = "client_secret"
    assert.is_nil(token_cache.keeper(profile))
    profile.sign_in.method, profile.key = "device_code", nil
    assert.is_nil(token_cache.keeper(profile))
  end)
end)
