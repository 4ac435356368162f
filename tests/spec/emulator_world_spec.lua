-- takes 5 s: each request is a process of curl
--- The emulated cloud as a whole: what it offers a client when it is ready, its
--- control page, faults on the wire, latency and the record.

package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local control = require "emulator.control"
local curl = require "curl"
local fail = require "fail"
local json = require "json"
local place = require "machine.private_folder"
local profile = require "profile.current"
local secret = require "host.secret"
local sys = require "host.sys"
local time = require "time"
local time_clock = require "time.clock"
local open = require("emulators").open

local function ask(emulator, ...)
  return curl.run(function(ms) emulator:turn(ms) end, "--cacert", emulator.ready.ca, ...)
end

--- An answer of the control page.
local function page(emulator, path, body, method)
  local words = { emulator.ready.control .. path, "-X", method or (body and "POST" or "GET") }
  if body then table.move({ "-d", json.encode(body) }, 1, 2, #words + 1, words) end
  local answer = ask(emulator, table.unpack(words))
  return json.decode(answer.out), answer
end

--- curl's arguments for Graph as a seeded app.
local function app(emulator, permissions)
  local made = emulator.tenant:add_app { name = "one", permissions = permissions }
  local token = emulator.login.tokens:access { aud = "https://graph.microsoft.com", appid = made.appId,
    oid = made.principal, idtyp = "app", roles = permissions }
  return "Authorization: Bearer " .. token, made
end

describe("the emulated cloud", function()
  it("says where everything is, in files only we may read", function()
    local emulator <close> = open()
    local ready = emulator.ready
    for _, name in ipairs { "login", "graph", "devolutions", "control" } do
      assert.matches("^https://127%.0%.0%.1:%d+", ready[name])
    end
    assert.matches("/v1%.0$", ready.graph)
    for _, name in ipairs { "ca", "config", "clock" } do
      assert.equal(tonumber("600", 8), sys.stat(ready[name]).mode & 511, name)
    end
    assert.equal("adele", ready.admin.people[1].key)
    assert.not_matches("\n", json.encode(ready))
  end)

  it("writes a profile that loads as an emulator's", function()
    local emulator <close> = open()
    local loaded = profile.load { config = emulator.ready.config }
    assert.same({ "emulator", "emulator", emulator.ready.login, emulator.ready.graph, emulator.ready.clock },
      { loaded.name, loaded.kind, loaded.login, loaded.graph, loaded.clock })
    assert.equal(emulator.ready.ca, loaded.ca)
    assert.equal(32, #profile.key())
    assert.same({ emulator.ready.devolutions, emulator.ready.ca, true },
      { loaded.devolutions.server, loaded.devolutions.ca, loaded.devolutions.linked })
    assert.is_true(secret.equals(profile.secret(loaded.devolutions.app_secret, "x"), emulator.devolutions.app_secret))
    profile.use(nil)
  end)

  it("keeps the journal's key when its folder is used again", function()
    local root <close> = place.open()
    local folder = root:file("emulator")
    local function key()
      local emulator <close> = open { directory = folder }
      return assert(sys.read_secret(emulator.place:file("journal.key"), "person", "bytes"))
    end
    assert.is_true(secret.equals(key(), key()))
  end)

  it("refuses options it does not understand, and says why", function()
    for message, options in pairs {
      ['start the emulator: lag "soon": give seconds as MIN-MAX, or 0 for none\nFor example: --lag 1-5, or '
        .. "--lag 0."] = { lag = "soon" },
      ['start the emulator: lag "5-1": the first number is the smaller one\nFor example: --lag 1-5, or --lag '
        .. "0."] = { lag = "5-1" },
      ['start the emulator: fault "x": a rule reads [PEER] METHOD /PATH KIND[:ARGUMENT] [COUNT] [@NTH]\n'
        .. "For example: --fault 'graph PATCH /users/* 503 2'. `moonlatch emulator --help` shows the form."] = {
        fault = { "x" } },
    } do
      local ok, failure = pcall(open, options)
      assert.is_false(ok)
      assert.is_true(fail.is(failure, "usage"))
      assert.equal(message, tostring(failure))
    end
    local root <close> = place.open()
    local ok, failure = pcall(open, { approve = "zoe", clock = root:file("clock") })
    assert.is_false(ok)
    assert.matches('^start the emulator: nobody is called "zoe"\nName one of these with %-%-approve: none, decline, '
      .. 'adele, ',
      tostring(failure))
  end)

  it("reads ranges of lag", function()
    assert.same({ 1, 5 }, control.lag("1-5"))
    assert.same({ 3, 3 }, control.lag("3"))
    assert.is_false(control.lag("0"))
  end)

  it("answers Graph for a token of its own only", function()
    local emulator <close> = open()
    local url = emulator.ready.graph .. "/users?$top=1"
    local none = ask(emulator, url)
    assert.equal(401, none.status)
    assert.equal("InvalidAuthenticationToken", json.decode(none.out).error.code)
    assert.matches("WWW%-Authenticate: Bearer", none.head)
    for token, message in pairs { ["a.b.c"] = "Invalid signature", abc = "not well formed" } do
      local answer = ask(emulator, "-H", "Authorization: Bearer " .. token, url)
      assert.equal(401, answer.status)
      assert.matches(message, json.decode(answer.out).error.message)
    end
    local bearer = app(emulator, { "User.Read.All" })
    assert.equal(200, ask(emulator, "-H", bearer, url).status)
    page(emulator, "/clock", { advance = 3700 })
    assert.matches("expired", json.decode(ask(emulator, "-H", bearer, url).out).error.message)
  end)

  it("takes no body that is not JSON", function()
    local emulator <close> = open()
    local bearer = app(emulator, { "Application.ReadWrite.All" })
    local answer = ask(emulator, "-H", bearer, "-d", '{"displayName":', emulator.ready.graph .. "/applications")
    assert.equal(400, answer.status)
    assert.equal("BadRequest", json.decode(answer.out).error.code)
  end)

  it("tells emulator time in Date, and moves it", function()
    local emulator <close> = open()
    local before = time.now()
    assert.equal(86400 * 30, page(emulator, "/clock", { advance = "30d" }).offset // 1)
    assert.is_true(time.now() - before >= 86400 * 30)
    local answer = ask(emulator, "-o", "/dev/null", emulator.ready.login .. "/")
    local wanted = time.iso(time.now())
    assert.matches(("Date: %%a+, %s "):format(wanted:sub(9, 10)), answer.head)
    assert.equal(400, select(2, page(emulator, "/clock", { advance = -1 })).status)
  end)

  it("answers late when told", function()
    local emulator <close> = open { latency = 150 }
    local answer = ask(emulator, "-o", "/dev/null", "-w", "%{time_starttransfer}", emulator.ready.login .. "/")
    assert.is_true(tonumber(answer.out) >= 0.15)
  end)

  it("loses the answer of what it did", function()
    local emulator <close> = open { fault = { "POST /applications drop-after" } }
    local bearer = app(emulator, { "Application.ReadWrite.All", "Application.Read.All" })
    local url = emulator.ready.graph .. "/applications"
    local body = '{"displayName":"lost"}'
    local answer = ask(emulator, "-H", bearer, "-H", "Content-Type: application/json", "-d", body, url)
    assert.is_true(curl.DROPPED[answer.exit])
    assert.equal("drop-after", page(emulator, "/faults").faults[1].rule:match("[%w-]+$"))
    assert.equal(1, page(emulator, "/faults").faults[1].hits)
    local list = json.decode(ask(emulator, "-H", bearer, url .. "?$filter=displayName%20eq%20'lost'").out)
    assert.equal(1, #list.value)
  end)

  it("spoils answers in every way it knows", function()
    local emulator <close> = open()
    local bearer = app(emulator, { "User.Read.All" })
    local url = emulator.ready.graph .. "/users"
    local function with(rule)
      assert.is_true(page(emulator, "/faults", { rule = rule }).result)
      local answer = ask(emulator, "-H", bearer, url)
      page(emulator, "/faults", nil, "DELETE")
      return answer
    end
    local throttled = with "GET /users 429:3"
    assert.equal(429, throttled.status)
    assert.matches("Retry%-After: 3\r\n", throttled.head)
    assert.equal("TooManyRequests", json.decode(throttled.out).error.code)
    assert.equal(503, with("graph * /** 503").status)
    assert.is_true(curl.CUT[with("GET /users cut").exit])
    assert.matches("^<html>", with("GET /users html").out)
    assert.is_nil((json.decode(with("GET /users garbage").out)))
    assert.equal(10 << 20, #with("GET /users big").out - 12)
    assert.equal("", with("GET /users empty").out)
    assert.is_true(curl.DROPPED[with("GET /users drop-before").exit])
    assert.equal(200, with("login * /** 503").status)
  end)

  it("fails the login service in its own words", function()
    local emulator <close> = open { fault = { "login * /** 503:4" } }
    local answer = ask(emulator, emulator.ready.login .. "/" .. emulator.ready.tenant .. "/discovery/v2.0/keys")
    assert.equal(503, answer.status)
    assert.matches("Retry%-After: 4", answer.head)
    assert.same({ 90033 }, json.decode(answer.out).error_codes)
  end)

  it("remembers what was asked, without secrets", function()
    local emulator <close> = open()
    local bearer, made = app(emulator, { "User.Read.All" })
    ask(emulator, "-H", bearer, emulator.ready.graph .. "/users?$top=1")
    local url = emulator.ready.login .. "/x.example/oauth2/v2.0/token?code=tops3cret"
    ask(emulator, "-d", "client_secret=tops3cret", url)
    local list, answer = page(emulator, "/requests")
    assert.same({ 1, "graph", "GET", "/v1.0/users?$top=1", 200, made.appId },
      { list.requests[1].n, list.requests[1].peer, list.requests[1].method, list.requests[1].path,
        list.requests[1].status, list.requests[1].caller })
    assert.same({ "login", "POST", 400 }, { list.requests[2].peer, list.requests[2].method, list.requests[2].status })
    assert.not_matches("tops3cret", answer.out)
    assert.equal(1, #page(emulator, "/requests?after=1").requests)
    page(emulator, "/requests", nil, "DELETE")
    assert.equal(0, #page(emulator, "/requests").requests)
  end)

  it("does what another admin would", function()
    local emulator <close> = open()
    local _, made = app(emulator, { "User.Read.All" })
    local function act(name, ...)
      return page(emulator, "/tenant", { ["do"] = name, with = json.array { ... } })
    end
    assert.equal(1, act("remove_consent", made.appId).result)
    assert.same({}, emulator.tenant:app_roles(made.principal))
    act("assign_role", "uma", "Helpdesk Administrator")
    assert.equal(1, #emulator.tenant:directory_roles(emulator.tenant:person("uma").id))
    act("disable", "uma")
    assert.is_false(emulator.tenant:person("uma").accountEnabled)
    local refused = act("explode")
    assert.equal('there is no action "explode"', refused.message)
    assert.is_string(refused.actions.disable)
    local wrong = page(emulator, "/tenant", { ["do"] = "assign_role", with = { "uma", "King" } })
    assert.matches('there is no directory role "King"', wrong.message)
  end)

  it("does what another admin of the Devolutions Server would", function()
    local emulator <close> = open()
    page(emulator, "/devolutions", { ["do"] = "permit", with = json.array { "view_password", false } })
    assert.is_false(emulator.devolutions.permissions.view_password)
    assert.is_string(page(emulator, "/devolutions", { ["do"] = "explode" }).actions.seal)
  end)

  it("lets the control page use Graph as an administrator", function()
    local emulator <close> = open()
    local body, answer = page(emulator, "/graph/v1.0/users/" .. emulator.admin)
    assert.equal(200, answer.status)
    assert.equal(emulator.admin, body.userPrincipalName)
    local made = select(2, page(emulator, "/graph/v1.0/applications", { displayName = "by hand" }))
    assert.equal(201, made.status, made.out)
  end)

  it("explains itself", function()
    local emulator <close> = open()
    assert.equal(control.HELP, ask(emulator, emulator.ready.control).out)
    assert.equal(404, ask(emulator, emulator.ready.control .. "/nothing").status)
  end)

  it("leaves nothing behind when it cannot start", function()
    local opened
    local real = place.open
    local spied = stub(place, "open", function(path)
      opened = real(path)
      return opened
    end)
    assert.is_false(pcall(open, { approve = "zoe" }))
    spied:revert()
    assert.is_nil(sys.stat(opened.path))
    assert.is_nil(time_clock.shortest_wait())
  end)

  it("removes its folder when it ends", function()
    local emulator = open()
    local path = emulator.place.path
    emulator:close()
    emulator:close()
    assert.is_nil(sys.stat(path))
  end)
end)
