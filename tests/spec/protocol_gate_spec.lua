--- What the protocol modules build, held against the real gate's rules. Nothing is sent.

local devolutions = require "host.devolutions"
local graph = require "host.graph"
local oauth = require "host.oauth"
local secret = require "host.secret"
local test_door = require "test_door"

local LOGIN, GRAPH, SERVER = "https://127.0.0.1:9", "https://127.0.0.1:9/v1.0", "https://127.0.0.1:9/dvls"
local AUTHORITY = LOGIN .. "/contoso.onmicrosoft.com"

local function new_door(allowed)
  local door = test_door.new("emulator", nil)
  assert(door:peer("login", LOGIN))
  assert(door:peer("graph", GRAPH))
  assert(door:peer("devolutions", SERVER))
  door:allow("login", "GET", "/*")
  door:allow("login", "POST", "/*")
  for _, call in ipairs(allowed or {}) do door:allow(table.unpack(call)) end
  return door
end

-- "allowed", or the kind of the refusal.
local function judge(door, request)
  local transfer, _, kind = door:submit(request, nil, 1, "a test")
  if not transfer then return kind end
  transfer:close()
  return "allowed"
end

describe("the gate", function()
  it("lets every sign-in request through", function()
    local door, value = new_door(), secret.from("value-1")
    for _, request in ipairs {
      oauth.discovery(AUTHORITY), oauth.device_code(AUTHORITY, "id", "s"), oauth.device_token(AUTHORITY, "id", value),
      oauth.client_secret(AUTHORITY, "id", value, "s"), oauth.refresh(AUTHORITY, "id", value, "s"),
    } do
      assert.equal("allowed", judge(door, request))
    end
    door:close()
  end)

  it("lets declared reads through, however their ids are written", function()
    local door = new_door {
      { "graph", "GET", "/users/{id}" }, { "graph", "GET", "/applications(uniqueName)" },
      { "graph", "POST", "/directoryObjects/getByIds" }, { "graph", "GET", "/users" },
      { "devolutions", "POST", "/api/v1/login" }, { "devolutions", "GET", "/api/v1/vault/{id}/entry" },
    }
    local function allowed(request) assert.equal("allowed", judge(door, request)) end
    allowed(graph.request(GRAPH, "GET", "/users/" .. graph.segment("ann#EXT#@contoso.com")))
    allowed(graph.request(GRAPH, "GET", "/applications(uniqueName='" .. graph.segment("it''s, (x) = 1") .. "')"))
    allowed(graph.request(GRAPH, "POST", "/directoryObjects/getByIds", nil, { ids = { "a" } }))
    allowed(graph.request(GRAPH, "GET", "/users", { ["$filter"] = "startswith(displayName,'A/..?#')" }))
    allowed(assert(graph.next(GRAPH, GRAPH .. "/users?$skiptoken=a%2Fb")))
    allowed(devolutions.login(SERVER, "key", secret.from("value-2")))
    allowed(devolutions.request(SERVER, "GET", "/api/v1/vault/" .. devolutions.segment("a b") .. "/entry"))
    door:close()
  end)

  it("holds a batch to what it carries", function()
    local door = new_door { { "graph", "GET", "/users/{id}" }, { "graph", "POST", "/$batch" } }
    local function batch(...) return graph.request(GRAPH, "POST", "/$batch", nil, { requests = { ... } }) end
    local read = { id = "1", method = "GET", url = "/users/1?$select=id" }
    assert.equal("allowed", judge(door, batch(read)))
    assert.equal("undeclared", judge(door, batch(read, { id = "2", method = "GET", url = "/groups" })))
    assert.equal("undeclared", judge(door, batch(read, { id = "2", method = "DELETE", url = "/users/1" })))
    door:close()
  end)

  it("knows the members of a body", function()
    local door = new_door { { "graph", "PATCH", "/users/{id}", "passwordProfile" } }
    local function patch(body) return graph.request(GRAPH, "PATCH", "/users/1", nil, body) end
    assert.equal("undeclared", judge(door, patch { passwordProfile = {}, accountEnabled = false }))
    assert.equal("undeclared", judge(door, patch { city = "Oslo" }))
    assert.equal("journal", judge(door, patch { passwordProfile = {} })) -- nothing without a record
    door:close()
  end)

  it("lets reading code read and not write", function()
    local door = new_door()
    door:mode "read"
    assert.equal("allowed", judge(door, graph.request(GRAPH, "GET", "/groups")))
    assert.equal("allowed", judge(door, graph.request(GRAPH, "POST", "/directoryObjects/getByIds", nil, {})))
    assert.equal("undeclared", judge(door, graph.request(GRAPH, "POST", "/groups", nil, {})))
    assert.equal("undeclared", judge(door, devolutions.request(SERVER, "DELETE", "/api/v1/vault/1/entry/2")))
    door:close()
  end)
end)
