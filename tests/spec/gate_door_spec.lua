-- What a door may be told, and what it lets through.

local gate = require "host.gate"
local graph = require "host.graph"
local hostile = require "hostile"
local journals = require "journals"
local json = require "host.json"
local oauth = require "host.oauth"
local secret = require "host.secret"
local test_door = require "test_door"

local BASE = "https://graph.microsoft.com/v1.0"

--- The credential a token answer brings for this resource.
local function credential(resource, token)
  token = token or "eyJhbGciOiJub25lIn0.eyJvaWQiOiIxIn0.c2ln"
  local body = json.encode { access_token = token, expires_in = 3600, token_type = "Bearer" }
  local answer = gate.answer(200, { ["Content-Type"] = "application/json" }, body)
  return assert(oauth.judge_token(answer, resource)).credential
end

--- A name of this machine that does not say so: from the hosts file, or nil.
local function disguised_name()
  for line in io.lines("/etc/hosts") do
    local address, name = line:match("^(%S+)%s+(%S+)")
    if address and address:match("^127%.") and not name:match("localhost") then return name end
  end
end

describe("a door", function()
  it("is real or an emulator's", function()
    assert.error_matches(function() test_door.new("any") end, "invalid option 'any'")
  end)

  it("closes more than once, and then does nothing", function()
    local door = gate.door("real")
    door:close()
    door:close()
    assert.error_matches(function() door:rights("a script") end, "door is closed")
    assert.error_matches(function() door:running() end, "door is closed")
  end)

  it("refuses what is no way to a peer, and says why", function()
    local door <close> = test_door.new("real")
    local refused = {
      ["http://graph.microsoft.com"] = "the URL http://graph.microsoft.com is refused: it does not begin with https://",
      ["https://127.0.0.1:8443"] = "graph cannot be at https://127.0.0.1:8443: a real profile does not reach this "
        .. "machine; a profile with emulator = true does",
      [BASE .. "?a=1"] = "graph cannot be at " .. BASE .. "?a=1: its address has a query",
    }
    for url, expected in pairs(refused) do
      local ok, message = door:peer("graph", url)
      assert.is_nil(ok)
      assert.equal(expected, message)
    end
    local ok, message = door:peer("graph", BASE, nil, "socks5://127.0.0.1:1080")
    assert.is_nil(ok)
    assert.equal("graph cannot be at " .. BASE .. ": the address of a proxy has the form http://host:port", message)
    local emulator <close> = test_door.new("emulator")
    assert.equal("graph cannot be at " .. BASE .. ": an emulator's profile reaches this machine only "
      .. "(127.0.0.1, ::1, localhost)", select(2, emulator:peer("graph", BASE)))
  end)

  -- What becomes of a call with these rights: the kind of refusal, or nil.
  local function kind_of(door, rights, method, path, body)
    return select(3, door:submit(graph.request(BASE, method, path, nil, body), nil, rights, 5))
  end

  it("lets each script do what it declared, and nothing of another's", function()
    local door <close> = gate.door("real")
    assert(door:peer("graph", BASE))
    local one, other = door:rights("one.lua"), door:rights("other.lua")
    one:allow("graph", "GET", "/users")
    other:allow("graph", "PATCH", "/users/{id}", "passwordProfile")
    door:seal()
    assert.is_nil(kind_of(door, one, "GET", "/users"))
    assert.equal("undeclared", kind_of(door, other, "GET", "/users"))
    assert.equal("undeclared", kind_of(door, one, "PATCH", "/users/1", { passwordProfile = { a = 1 } }))
    -- declared, and stopped later: this door has no journal
    assert.equal("journal", kind_of(door, other, "PATCH", "/users/1", { passwordProfile = { a = 1 } }))
    assert.equal("undeclared", kind_of(door, other, "PATCH", "/users/1", { mail = "x" }))
    local _, message = door:submit(graph.request(BASE, "GET", "/groups"), nil, one, 5)
    assert.equal('GET /groups is not declared: if it is meant, add "GET /groups" to needs.graph of one.lua', message)
    assert.equal("one.lua", one:owner())
  end)

  it("lets undeclared code read, or write, when it is opened so", function()
    local door <close> = gate.door("real")
    assert(door:peer("graph", BASE))
    local reader, writer = door:rights("-e", "read"), door:rights("-e", "write")
    door:seal()
    assert.is_nil(kind_of(door, reader, "GET", "/groups"))
    assert.is_nil(kind_of(door, reader, "POST", "/directoryObjects/getByIds", { ids = { "1" } }))
    assert.equal("undeclared", kind_of(door, reader, "DELETE", "/groups/1"))
    assert.equal("journal", kind_of(door, writer, "DELETE", "/groups/1"))
    local fresh <close> = gate.door("real")
    assert.error_matches(function() fresh:rights("-e", "all") end, "invalid option 'all'")
  end)

  it("takes no request without rights, nor with another door's, nor with closed ones", function()
    local door <close> = gate.door("real")
    local other <close> = gate.door("real")
    assert(door:peer("graph", BASE))
    local own, foreign, closed = door:rights("x", "write"), other:rights("x", "write"), door:rights("y", "write")
    local narrow = closed:narrow("read")
    local request = graph.request(BASE, "GET", "/me")
    assert.error_matches(function() door:submit(request, nil, own, 5) end, "door is not sealed yet")
    door:seal()
    closed:close()
    for _, wrong in ipairs { 7, {}, "write", door, request } do
      assert.error_matches(function() door:submit(request, nil, wrong, 5) end, "host.gate.rights expected")
    end
    assert.error_matches(function() door:submit(request, nil, nil, 5) end, "host.gate.rights expected")
    assert.error_matches(function() door:submit(request, nil, foreign, 5) end, "rights of another door")
    assert.error_matches(function() door:submit(request, nil, closed, 5) end, "rights are closed")
    assert.error_matches(function() door:submit(request, nil, narrow, 5) end, "rights are closed")
    assert.is_userdata(door:submit(request, nil, own, 5))
  end)

  it("refuses what is no call", function()
    local door <close> = gate.door("real")
    local rights = door:rights("x")
    local function allow(...)
      local words = table.pack(...)
      return function() rights:allow(table.unpack(words, 1, words.n)) end
    end
    assert.error_matches(allow("graph", "GET", "users"), "a call's path begins with /")
    assert.error_matches(allow("graph", "GET", "/users/{id"), "a placeholder is a whole segment")
    assert.error_matches(allow("graph", "GET", "/a/{b+}/{c}"), "only literal segments may follow {name%+}")
    assert.error_matches(allow("graph", "GET", "/users", "a, b"), "a list is separated by commas only")
    assert.error_matches(allow("graph", "GET", "/users", nil, "data.* x"), "a list is separated by commas only")
    assert.is_true(gate.template("/v1/{mount}/data/{path+}"))
    local ok, why = gate.template("/users/")
    assert.is_nil(ok)
    assert.equal("it has an empty segment: remove a slash", why)
  end)

  describe("once it is sealed", function()
    local door, rights

    before_each(function()
      door = gate.door("real")
      assert(door:peer("graph", BASE))
      door:program("tell", { "/bin/true" })
      rights = door:rights("x.lua")
      rights:allow("graph", "GET", "/users")
      door:seal()
    end)
    after_each(function() door:close() end)

    it("cannot be led elsewhere, nor given anything new", function()
      local final = "the door is sealed: its peers, programs, folders and rights are final"
      for _, attempt in ipairs {
        function() door:peer("graph", "https://evil.example/v1.0") end,
        function() door:peer("evil", "https://evil.example") end,
        function() door:rights("x.lua", "write") end,
        function() door:program("touch", { "/usr/bin/touch" }) end,
        function() door:folder("etc", "/etc") end,
        function() door:budget("/tmp/none", 1, 1) end,
      } do
        assert.error_matches(attempt, final)
      end
      assert.is_nil(door.mode)
      assert.is_nil(door.allow)
      assert.equal("undeclared", kind_of(door, rights, "GET", "/groups"))
    end)

    it("adds nothing to rights, which can only be narrowed", function()
      local final = "the door is sealed: its rights can only be narrowed"
      assert.error_matches(function() rights:allow("graph", "DELETE", "/users/{id}") end, final)
      assert.error_matches(function() rights:program("tell") end, final)
      assert.error_matches(function() rights:folder("reports") end, final)
      assert.error_matches(function() rights:narrow("write") end, "invalid option 'write'")
      local narrow = rights:narrow("read")
      assert.error_matches(function() narrow:allow("graph", "DELETE", "/users/{id}") end,
        "nothing can be added to narrowed rights")
      assert.equal("undeclared", kind_of(door, rights, "DELETE", "/users/1"))
    end)

    it("shows nothing that could be reached behind it", function()
      for _, value in ipairs { door, rights } do
        assert.is_false(getmetatable(value))
        assert.has_error(function() value.extra = true end)
        assert.has_error(function() setmetatable(value, {}) end)
      end
    end)
  end)

  it("lets narrowed rights change nothing, however often they are narrowed", function()
    local place <close> = journals.folder()
    local kept <close> = journals.open(place)
    local door <close> = gate.door("real", kept)
    assert(door:peer("graph", BASE))
    local rights = door:rights("x.lua", "write")
    local early = rights:narrow("read")
    door:seal()
    local late = rights:narrow("read"):narrow("read")
    assert.is_nil(kind_of(door, rights, "DELETE", "/users/1"))
    for _, narrow in ipairs { early, late } do
      assert.is_nil(kind_of(door, narrow, "GET", "/users"))
      assert.equal("undeclared", kind_of(door, narrow, "DELETE", "/users/1"))
      local batch = { requests = json.array { { id = "1", method = "GET", url = "/users" },
        { id = "2", method = "DELETE", url = "/users/1" } } }
      assert.equal("undeclared", kind_of(door, narrow, "POST", "/$batch", batch))
    end
    local _, message = door:submit(graph.request(BASE, "DELETE", "/users/1"), nil, late, 5)
    assert.equal("DELETE /users/1 would change something, and x.lua may only read at this point", message)
  end)

  it("checks each call of a batch", function()
    local door <close> = test_door.new("real")
    assert(door:peer("graph", BASE))
    door:allow("graph", "GET", "/users")
    local function submit(url)
      local batch = { requests = json.array { { id = "1", method = "GET", url = "/users?$top=1" },
        { id = "2", method = "GET", url = url } } }
      return door:submit(graph.request(BASE, "POST", "/$batch", nil, batch), nil, 5)
    end
    assert.is_userdata(submit("/users"))
    local transfer, message, kind = submit("/groups")
    assert.is_nil(transfer)
    assert.equal("undeclared", kind)
    assert.equal('GET /groups is not declared: if it is meant, add "GET /groups" to needs.graph of the test', message)
  end)

  it("gives a credential only to where it was made for", function()
    local door <close> = test_door.new("real")
    assert(door:peer("graph", BASE))
    door:mode("read")
    local request = graph.request(BASE, "GET", "/me")
    local transfer, message, kind = door:submit(request, credential("https://graph.microsoft.us"), 5)
    assert.is_nil(transfer)
    assert.equal("credential", kind)
    assert.equal("the credential was made for https://graph.microsoft.us:443 and does not go to "
      .. "https://graph.microsoft.com:443", message)
    assert.is_userdata(door:submit(request, credential("https://Graph.Microsoft.com:443/"), 5))
    local closed = credential("https://graph.microsoft.com")
    closed:close()
    assert.error_matches(function() door:submit(request, closed, 5) end, "credential is closed")
  end)

  it("insists on a sensible timeout", function()
    local door <close> = test_door.new("real")
    for _, seconds in ipairs { 0, -1, 3601, 0 / 0 } do
      local request = graph.request(BASE, "GET", "/me")
      assert.error_matches(function() door:submit(request, nil, seconds) end, "timeout must lie")
    end
  end)

  it("leads nowhere on this machine when it is real, whatever a name resolves to", function()
    local name = disguised_name()
    if not name then return pending("no name in /etc/hosts stands for this machine") end
    local base = ("https://%s:9/v1.0"):format(name)
    local door <close> = test_door.new("real")
    assert(door:peer("graph", base))
    door:mode("read")
    local answer, message, kind, maybe_sent = hostile.send(door, graph.request(base, "GET", "/me"))
    assert.is_nil(answer)
    assert.equal("connect", kind)
    assert.equal("could not connect to " .. name
      .. " port 9: its address is on this machine, and a real profile does not reach this machine", message)
    assert.is_false(maybe_sent)
  end)

  it("leads nowhere else when it is an emulator's, proxies included", function()
    local door <close> = test_door.new("emulator")
    assert(door:peer("graph", "https://127.0.0.1:9/v1.0", nil, "http://192.0.2.1:3128"))
    door:mode("read")
    local _, message, kind = hostile.send(door, graph.request("https://127.0.0.1:9/v1.0", "GET", "/me"))
    assert.equal("connect", kind)
    assert.matches("an emulator is reached on loopback only, and its address is not loopback$", message)
  end)

  describe("with a server", function()
    local server

    setup(function() server = hostile.start() end)
    teardown(function() server:close() end)

    local function header(request, answer, name)
      for _, pair in ipairs(assert(graph.judge(request, answer)).headers) do
        if pair[1] == name then return pair[2] end
      end
    end

    it("attaches the credential", function()
      local door <close> = server:door()
      local request = server:get("/echo")
      local answer = assert(hostile.send(door, request, 5, credential(server:base(), "e30.e30.sig")))
      assert.equal("Bearer e30.e30.sig", header(request, answer, "authorization"))
      for _ = 1, 3 do -- and leaves none behind, where the next takes the same handle
        local other = server:get("/echo")
        assert.is_nil(header(other, assert(hostile.send(door, other, 5)), "authorization"))
      end
    end)

    it("sends what was submitted, whatever happens to it afterwards", function()
      local door <close> = server:door()
      local transfer
      do
        local request <close> = server:get("/echo")
        local token <close> = credential(server:base())
        transfer = assert(door:submit(request, token, 5))
      end
      collectgarbage()
      assert.equal(200, assert(hostile.wait(door, transfer)):status())
    end)

    it("goes by a proxy when one is named, which sees no credential", function()
      local door <close> = test_door.new("emulator")
      assert(door:peer("graph", server:base(), server.ca, ("http://127.0.0.1:%d"):format(server.ports.proxy)))
      door:mode("read")
      local request = server:get("/echo")
      local answer = assert(hostile.send(door, request, 5, credential(server:base())))
      assert.matches("^Bearer ", header(request, answer, "authorization"))
      assert.is_nil(answer:header("x-proxy")) -- the proxy's own answer stays its own
      local direct <close> = server:door()
      request = server:get("/seen")
      local seen = graph.judge(request, assert(hostile.send(direct, request)))
      assert.equal(1, seen["CONNECT 127.0.0.1:" .. server.ports.good])
      assert.is_nil(seen["CONNECT with authorization"])
    end)

    it("says that a proxy does not let it through", function()
      local door <close> = test_door.new("emulator")
      local proxy = ("http://127.0.0.1:%d"):format(server.ports.proxy)
      assert(door:peer("graph", server:base("stranger"), server.ca, proxy))
      door:mode("read")
      local answer, message, kind, maybe_sent = hostile.send(door, server:get("/ok", "stranger"))
      assert.is_nil(answer)
      assert.equal("proxy_login", kind)
      assert.equal(("the proxy %s asks for a name and password (407)"):format(proxy), message)
      assert.is_false(maybe_sent)
    end)
  end)
end)

describe("a request's text", function()
  it("shows no secret, also when it was closed meanwhile", function()
    local value = secret.from("Pa55-word!")
    local request = graph.request(BASE, "PATCH", "/users/1", nil, { passwordProfile = { password = value } })
    assert.equal('{"passwordProfile":{"password":"[secret]"}}', request:body())
    value:close()
    assert.equal('{"passwordProfile":{"password":"[secret]"}}', request:body())
  end)

  it("shows no secret of a form", function()
    local value = secret.from("s+e&c=r%et")
    local request = oauth.client_secret("https://login.microsoftonline.com/contoso", "id-1", value, "s/.default")
    value:close()
    local text = request:body()
    assert.matches("client_secret=%[secret%]", text)
    assert.matches("client_id=id%-1", text)
    assert.is_nil(text:find("s%2Be", 1, true))
  end)

  it("is nil when there is none", function()
    assert.is_nil(graph.request(BASE, "GET", "/me"):body())
    assert.equal(BASE .. "/me", graph.request(BASE, "GET", "/me"):url())
  end)
end)

describe("an answer made by hand", function()
  it("is judged like one that came", function()
    local answer = gate.answer(429, { ["Retry-After"] = "5" }, "")
    assert.equal(429, answer:status())
    assert.equal("5", answer:header("retry-after"))
    assert.error_matches(function() gate.answer(42, {}, "") end, "not an HTTP status")
  end)
end)
