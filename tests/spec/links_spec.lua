-- Where a far side may lead us: nowhere. And what a text may do to a request: nothing.

local json = require "host.json"
local tap = require "tap"

-- Links as a far side would send them. GRAPH is Graph's own host and port, PORT
-- that port; TLS and PLAIN are the ports of somebody else.
local BAD = {
  "https://127.0.0.1:TLS/v1.0/users",
  "http://GRAPH/v1.0/users",
  "http://127.0.0.1:PLAIN/v1.0/users",
  "https://GRAPH@127.0.0.1:TLS/v1.0/users",
  "https://127.0.0.1@127.0.0.1:TLS/v1.0/users",
  "https://user:word@GRAPH/v1.0/users",
  "https://@GRAPH/v1.0/users",
  "https://127.0.0.1:TLS\\@GRAPH/v1.0/users",
  "https://GRAPH\\@127.0.0.1:TLS/v1.0/users",
  "https://GRAPH\\.127.0.0.1:TLS/v1.0/users",
  "https://GRAPH%2f@127.0.0.1:TLS/v1.0/users",
  "https://GRAPH%40127.0.0.1:TLS/v1.0/users",
  "https://127.0.0.1%00:PORT/v1.0/users",
  "https://127.0.0.1%0d%0a:PORT/v1.0/users",
  "https://127.0.0.1.:PORT/v1.0/users",
  "https://localhost:PORT/v1.0/users",
  "https://[::1]:PORT/v1.0/users",
  "https://[::ffff:127.0.0.1]:PORT/v1.0/users",
  "https://[127.0.0.1]:PORT/v1.0/users",
  "https://127.0.0.2:PORT/v1.0/users",
  "https://0:PORT/v1.0/users",
  "https://0.0.0.0:PORT/v1.0/users",
  "https://127.0.0.1:65536/v1.0/users",
  "https://127.0.0.1:-1/v1.0/users",
  "https://127.0.0.1:PORTx/v1.0/users",
  "https://127.0.0.1:/v1.0/users",
  "https://127.0.0.1/v1.0/users",
  "https://127。0。0。1:PORT/v1.0/users",
  "https://１27.0.0.1:PORT/v1.0/users",
  "//127.0.0.1:TLS/v1.0/users",
  "/v1.0/users",
  "users",
  "",
  "https:/127.0.0.1:TLS/v1.0/users",
  "https:127.0.0.1:TLS/v1.0/users",
  "https:///127.0.0.1:TLS/v1.0/users",
  "https://?@127.0.0.1:TLS/v1.0/users",
  "https://GRAPH?@127.0.0.1:TLS/v1.0/users",
  "https://GRAPH#@127.0.0.1:TLS/v1.0/users",
  "https://GRAPH/v1.0/users#@127.0.0.1:TLS",
  "https://GRAPH;@127.0.0.1:TLS/v1.0/users",
  "https://GRAPH/v1.0/../beta/users",
  "https://GRAPH/v1.0/%2e%2e/beta/users",
  "https://GRAPH/v1.0/.%2E/beta/users",
  "https://GRAPH/v1.0/users%2f..%2f..",
  "https://GRAPH/v1.0//users",
  "https://GRAPH/v1.0\\users",
  "https://GRAPH/v1.0x/users",
  "https://GRAPH/beta/users",
  "https://GRAPH/",
  "https://GRAPH/v1.0/users HTTP/1.1",
  "https://GRAPH/v1.0/users\r\nX-Evil: 1",
  "https://GRAPH/v1.0/users\nX-Evil: 1",
  "https://GRAPH/v1.0/users\0@127.0.0.1:TLS",
  "https://GRAPH/v1.0/users\t",
  " https://GRAPH/v1.0/users",
  "https://GRAPH/v1.0/users%0d%0aX-Evil: 1",
  "https://GRAPH/v1.0/users%",
  "https://GRAPH/v1.0/användare",
  "https+unix://GRAPH/v1.0/users",
  "file:///etc/passwd",
  "ftp://127.0.0.1:PLAIN/v1.0/users",
  "gopher://127.0.0.1:PLAIN/_GET",
  "dict://127.0.0.1:PLAIN/d",
  "data:application/json,{}",
  "javascript:alert(1)",
  "https://GRAPH/v1.0/" .. ("x"):rep(100000),
}

-- The same place in other words: followed, and to that place.
local SAME = {
  "https://GRAPH/v1.0/users?$top=999",
  "HTTPS://GRAPH/v1.0/users?$top=999",
  "https://127.0.0.1:0PORT/v1.0/users?$top=999",
  "https://127.1:PORT/v1.0/users?$top=999",
  "https://0x7f000001:PORT/v1.0/users?$top=999",
  "https://2130706433:PORT/v1.0/users?$top=999",
  "https://127.0.0.%31:PORT/v1.0/users?$top=999",
}

local SCRIPT = [[
local fail, graph, json, oauth, profile = require "fail", require "graph", require "json", require "oauth.sign_in",
  require "profile.current"
local what, count = ...
local settings = profile.current()
oauth.credential()
for i = 1, tonumber(count) do
  local name = what .. i
  local ok, err = pcall(function()
    if what == "tenant" then
      local twin = {}
      for member, value in pairs(settings) do twin[member] = value end
      twin.tenant = name
      return oauth.tenant(twin)
    end
    return #graph.all("/" .. name)
  end)
  print(json.encode { ok = ok, value = ok and err or nil, kind = fail.is(err) and err.kind or nil,
    text = not ok and tostring(err) or nil, fix = fail.is(err) and err.fix or nil })
end]]

describe("a link", function()
  local far, graph_port

  setup(function()
    far = tap.start()
    graph_port = far.graph:match("%d+$")
  end)
  teardown(function() far:close() end)

  local function fill(link, port)
    return (link:gsub("GRAPH", "127.0.0.1:" .. port):gsub("PORT", port):gsub("TLS", tostring(far.stray_tls))
      :gsub("PLAIN", tostring(far.stray_plain)))
  end

  -- Serve these links and have the program meet each; what it said, and what was asked of the far side.
  local function meet(what, links, port)
    local named = {}
    for i, link in ipairs(links) do named[what .. i] = fill(link, port) end
    far:links(named)
    local before = #far:wire()
    local outcome = far:run({ "run", far.place:write("links.lua", SCRIPT), what, tostring(#links) }, { inside = true })
    assert.equal(0, outcome.status, outcome.err)
    local list = {}
    for line in outcome.out:gmatch("[^\n]+") do
      local said = json.decode(line)
      if said then list[#list + 1] = said end
    end
    assert.equal(#links, #list)
    local wire = far:wire()
    return list, table.move(wire, before + 1, #wire, 1, {})
  end

  local function check_refused(list, links)
    for i, said in ipairs(list) do
      local text = json.encode(links[i]):sub(1, 200) .. " -> " .. tostring(said.text or said.value)
      assert(not said.ok and said.kind == "bad_answer" and said.fix, text)
    end
  end

  local function asked_of(wire, peer)
    local paths = {}
    for _, one in ipairs(wire) do
      if one.peer == peer then paths[#paths + 1] = one.path end
    end
    return paths
  end

  it("to the next page is refused without a request when it is a trick", function()
    assert.is_true(#BAD >= 24)
    local list, wire = meet("page", BAD, graph_port)
    check_refused(list, BAD)
    local paths = asked_of(wire, "graph")
    assert.equal(#BAD, #paths)
    for i, path in ipairs(paths) do assert.equal("/v1.0/page" .. i, path) end
    assert.same({}, far:strays())
  end)

  it("to the next page is followed when it only says the same place in other words", function()
    local list, wire = meet("same", SAME, graph_port)
    for i, said in ipairs(list) do assert.same({ true, SAME[i] }, { said.ok, said.ok and SAME[i] or said.text }) end
    local followed = 0
    for _, path in ipairs(asked_of(wire, "graph")) do
      if path:find("/users", 1, true) then followed = followed + 1 end
    end
    assert.is_true(followed >= #SAME)
    assert.same({}, far:strays())
  end)

  it("to the token endpoint is refused when it leads off the authority's host", function()
    local elsewhere = {}
    for _, link in ipairs(BAD) do
      -- Any path of the authority's own host will do for an endpoint: it is never called.
      if not link:find("^https://GRAPH[/?]") or link:find("[\r\n%z\t ]") then elsewhere[#elsewhere + 1] = link end
    end
    assert.is_true(#elsewhere >= 24)
    local list, wire = meet("tenant", elsewhere, far.login:match("%d+$"))
    check_refused(list, elsewhere)
    for _, path in ipairs(asked_of(wire, "login")) do
      assert(path:find("/v2.0/.well-known/openid-configuration", 1, true) or path:find("/contoso", 1, true), path)
    end
    assert.same({}, far:strays())
  end)

  it("that is no text is no end of the list, and one that leads back is not followed for ever", function()
    far:links { page1 = 17, page2 = { "x" }, page3 = far.graph .. "/v1.0/page3", page4 = json.null }
    local outcome = far:run({ "run", far.place:write("links.lua", SCRIPT), "page", "4" }, { inside = true })
    local list = {}
    for line in outcome.out:gmatch("[^\n]+") do list[#list + 1] = json.decode(line) end
    for i = 1, 3 do assert.same({ i, "bad_answer" }, { i, list[i].kind }) end
    assert.matches("the next page's link is no text", list[1].text)
    assert.matches("leads back to a page already read", list[3].text)
    assert.equal(1, list[4].value)
  end)
end)

-- Each is tried with texts that would end a line, a field or a value.
local TEXTS = { "a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\0b", "a&x-evil=1", "a b#c?d=e%41+", "a\"b\\", "ü" }

local PLACES = [[
local fail, graph, json, oauth, profile, server, task = require "fail", require "graph", require "json",
  require "oauth.sign_in", require "profile.current", require "devolutions.server", require "task"
local texts = json.decode(...)
local settings = profile.current()
local function with(member, value)
  local twin = {}
  for name, one in pairs(settings) do twin[name] = one end
  twin[member] = value
  return twin
end
local places = {
  graph_path = function(text) return graph.get("/users/" .. text) end,
  graph_segment = function(text) return graph.get(graph.path("/users/{id}", text)) end,
  graph_key = function(text) return graph.get(graph.path("/applications(uniqueName={name})", text)) end,
  graph_filter = function(text) return graph.get("/users", { filter = graph.filter("displayName eq %s", text) }) end,
  graph_select = function(text) return graph.get("/users", { select = { text } }) end,
  graph_search = function(text) return graph.get("/users", { search = text }) end,
  graph_prefer = function(text) return graph.get("/users", { prefer = text }) end,
  graph_consistency = function(text) return graph.get("/users", { consistency = text }) end,
  graph_body = function(text) return graph.post("/directoryObjects/getByIds", { ids = { text } }) end,
  login_tenant = function(text) return oauth.tenant(with("tenant", text)) end,
  vault_name = function(text) return server.vault(text) end,
  entries_name = function(text) return server.entries("00000000-0000-0000-0000-000000000000", { name = text }) end,
  entries_vault = function(text) return server.entries(text, {}) end,
}
oauth.credential()
server.login(settings)
print "ready"
local function try(place)
  for _, text in ipairs(texts) do pcall(task.within, 60, place, text) end
end
for _, place in pairs(places) do try(place) end
try(function(text) oauth.sign_in(with("sign_in", { method = "device_code", client_id = text })) end)
print "done"]]

describe("a text of a script's or a far side's", function()
  local far

  setup(function() far = tap.start() end)
  teardown(function() far:close() end)

  it("with a NUL in it is refused where C would read it only up to there", function()
    local graph, oauth = require "host.graph", require "host.oauth"
    local refused = "a string without NUL characters is expected"
    assert.error_matches(function() oauth.device_code("https://a.test/b", "id\0x", "s") end, refused)
    assert.error_matches(function() oauth.device_code("https://a.test/b\0/c", "id", "s") end, refused)
    local base = "https://a.test/v1.0"
    assert.error_matches(function() graph.request(base, "GET", "/me", nil, nil, { Prefer = "a\0b" }) end, refused)
    assert.error_matches(function() graph.request(base, "GET", "/me\0x") end, "the path cannot be sent")
    assert.error_matches(function() graph.request(base, "PATCH", "/users/1", nil, { ["\0"] = 1, mail = "x" }) end,
      "a member's name has a NUL in it")
    local batch = { requests = json.array { { id = "1", method = "GET", url = "/users\0/../groups" } } }
    assert.error_matches(function() graph.request(base, "POST", "/$batch", nil, batch) end, "has no url")
  end)

  it("adds no line to a request, no field to a form and no member to a query", function()
    local outcome = far:run({ "run", far.place:write("places.lua", PLACES), json.encode(TEXTS) }, { inside = true })
    assert.matches("ready\ndone\n$", outcome.out)
    assert.equal(0, outcome.status, outcome.err)
    local seen = 0
    for _, one in ipairs(far:wire()) do
      assert(one.path:find("^[!-~]+$"), one.path)
      for _, header in ipairs(one.headers) do
        assert.not_equal("x-evil", header[1])
        assert(header[2]:find("^[ -~]*$"), header[2])
      end
      if (one.path .. one.body):find("[eE]vil") then
        seen = seen + 1
        local members = (one.path:match("%?.*") or "") .. (one.peer == "login" and "&" .. one.body or "")
        assert(not members:lower():find("[?&]x%-evil="), members)
      end
      if one.peer == "login" then assert.is_nil(one.body:find("[\r\n%z]"), one.body) end
    end
    assert.is_true(seen > 10, seen)
    assert.same({}, far:strays())
  end)
end)
