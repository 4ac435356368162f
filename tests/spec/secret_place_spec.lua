--- Where a secret may stand in a body: what a script could try with the calls it has declared.

local devolutions = require "host.devolutions"
local graph = require "host.graph"
local json = require "json"
local secret = require "host.secret"
local test_door = require "test_door"

local GRAPH, SERVER = "https://127.0.0.1:9/v1.0", "https://127.0.0.1:9/dvls"
local USER = "/users/0000"
local VAULT = "/api/v1/vault/v1/entry"

-- "allowed", or the kind of the refusal and its sentence. Nothing is sent: a change needs a journal, and there is none.
local function submit(request, mode)
  local door <close> = test_door.new("emulator", nil)
  assert(door:peer("graph", GRAPH))
  assert(door:peer("devolutions", SERVER))
  door:mode(mode or "write")
  local _, message, kind = door:submit(request, nil, 1, "a test")
  if kind == "journal" then return "allowed" end
  return kind, message
end

local function value() return secret.from "Correct-Horse-7" end
local function patch(body) return graph.request(GRAPH, "PATCH", USER, nil, body) end
local function post(path, body) return graph.request(GRAPH, "POST", path, nil, body) end
local function put(body) return devolutions.request(SERVER, "PUT", VAULT .. "/e1", nil, body) end
local function batch(...) return graph.request(GRAPH, "POST", "/$batch", nil, { requests = { ... } }) end

describe("a password", function()
  it("may go to Entra's password member, alone and in a batch", function()
    assert.equal("allowed", submit(patch { passwordProfile = { password = value() } }))
    assert.equal("allowed", submit(post("/users", { passwordProfile = { password = value() } })))
    local inner = { id = "1", method = "PATCH", url = USER, body = { passwordProfile = { password = value() } } }
    assert.equal("allowed", submit(batch(inner, { id = "2", method = "GET", url = "/users" })))
  end)

  it("may go to the secret members of an entry", function()
    for _, name in ipairs { "password", "clientSecret", "apiKey", "connectionString", "privateKeyData" } do
      assert.equal("allowed", submit(put { data = { [name] = value() } }))
      assert.equal("allowed", submit(devolutions.request(SERVER, "POST", VAULT, nil, { data = { [name] = value() } })))
    end
  end)

  it("goes to no other member of a call that may hold one", function()
    for way, body in pairs {
      displayName = { displayName = value() },
      ["passwordProfile.note"] = { passwordProfile = { note = value() } },
      ["passwordProfile?password"] = { ["passwordProfile.password"] = value() },
      ["passwordProfile.password[1]"] = { passwordProfile = { password = { value() } } },
      ["a.passwordProfile.password"] = { a = { passwordProfile = { password = value() } } },
      ["otherMails[2]"] = { otherMails = { "a@b.c", value() } },
    } do
      local kind, message = submit(patch(body))
      assert.equal("secret", kind)
      assert.equal(("PATCH /users/0000 would send a secret in '%s': in the body of this call passwordProfile.password "
        .. "may hold a secret"):format(way), message)
    end
  end)

  it("goes to no member of a call that may hold none", function()
    local kind, message = submit(graph.request(GRAPH, "PATCH", "/applications/1", nil,
      { keyCredentials = { { key = value(), usage = "Verify" } } }))
    assert.equal("secret", kind)
    assert.equal("PATCH /applications/1 would send a secret in 'keyCredentials[1].key': in the body of this call no "
      .. "member may hold a secret", message)
    assert.equal("secret", (submit(post("/applications/1/addKey", { keyCredential = { key = value() } }))))
    assert.equal("secret", (submit(post("/groups", { passwordProfile = { password = value() } }))))
  end)

  it("goes to no other member of an entry", function()
    for way, body in pairs {
      name = { name = value() }, description = { description = value() },
      ["data.username"] = { data = { username = value() } },
      ["data.password.x"] = { data = { password = { x = value() } } }, ["tags[1]"] = { tags = { value() } },
    } do
      local kind, message = submit(put(body))
      assert.equal("secret", kind)
      assert.equal(("PUT /api/v1/vault/v1/entry/e1 would send a secret in '%s': in the body of this call the secret "
        .. "members of data may hold a secret"):format(way), message)
    end
    assert.equal("secret", (submit(devolutions.request(SERVER, "POST", "/api/v1/login", nil, { appSecret = value() }))))
  end)

  it("hides in no part of a batch", function()
    local read = { id = "1", method = "GET", url = "/users" }
    local hidden = { id = "2", method = "PATCH", url = USER, body = { displayName = value() } }
    local kind, message = submit(batch(read, hidden))
    assert.equal("secret", kind)
    assert.equal("PATCH /users/0000 would send a secret in 'displayName': in the body of this call "
      .. "passwordProfile.password may hold a secret", message)
    for _, inner in ipairs {
      { id = "2", method = "PATCH", url = "/groups/1", body = { passwordProfile = { password = value() } } },
      { id = "2", method = "PATCH", url = USER, body = value() },
      { id = value(), method = "GET", url = "/users" },
    } do
      assert.equal("secret", (submit(batch(read, inner))))
    end
    local function refusal(members)
      local ok, err = pcall(batch, read, members)
      assert.is_false(ok)
      return err
    end
    assert.matches("the value of header 'Prefer' cannot be sent",
      refusal { id = "2", method = "GET", url = "/users", headers = { Prefer = value() } })
    assert.matches("it has no member 'body.passwordProfile.password'",
      refusal { id = "2", method = "GET", url = "/users", ["body.passwordProfile.password"] = value() })
  end)

  it("is no less held where code may only read or has declared its calls", function()
    assert.equal("secret", (submit(post("/directoryObjects/getByIds", { ids = { value() } }), "read")))
    local door <close> = test_door.new("emulator", nil)
    assert(door:peer("graph", GRAPH))
    door:allow("graph", "PATCH", "/users/{id}")
    assert.equal("secret", select(3, door:submit(patch { displayName = value() }, nil, 1, "a test")))
  end)

  it("stands in no address, query or header", function()
    assert.has_error(function() graph.request(GRAPH, "GET", value()) end)
    assert.error_matches(function() graph.request(GRAPH, "GET", "/users", { ["$filter"] = value() }) end,
      "query member '$filter' is not a string", 1, true)
    assert.error_matches(function() graph.request(GRAPH, "GET", "/users", nil, nil, { Prefer = value() }) end,
      "header 'Prefer' is not a string", 1, true)
    assert.has_error(function() graph.segment(value()) end)
    assert.has_error(function() graph.literal(value()) end)
    assert.has_error(function() devolutions.segment(value()) end)
  end)
end)

describe("a credential", function()
  it("goes to no body that Lua builds, not even to a password's place", function()
    local token = json.decode '{"access_token":"ey.ey.ey-of-a-test"}'.access_token
    local sentence = "%s %s would send a credential in '%s': a credential of a sign-in is never part of a body; "
      .. "leave it out, the program attaches it where it belongs"
    local kind, message = submit(patch { passwordProfile = { password = token } })
    assert.equal("secret", kind)
    assert.equal(sentence:format("PATCH", "/users/0000", "passwordProfile.password"), message)
    kind, message = submit(put { data = { password = token } })
    assert.equal("secret", kind)
    assert.equal(sentence:format("PUT", "/api/v1/vault/v1/entry/e1", "data.password"), message)
    assert.equal("secret", (submit(patch { displayName = token })))
  end)

  it("stays one when it is coded, signed with, or sealed", function()
    local crypto = require "host.crypto"
    local token = secret.from(("a token of a test, "):rep(4), "credential")
    local hmac, derived = crypto.base64(crypto.hmac(token, "x")), crypto.base64(crypto.derive(token, "x"))
    for _, made in ipairs { crypto.base64(token), hmac, derived, secret.copy(token) } do
      assert.equal("secret", (submit(patch { passwordProfile = { password = made } })))
    end
  end)
end)

describe("a proof of a key", function()
  it("goes to the member proof of the calls about keys, and nowhere else", function()
    local proof = require("host.crypto").key():assertion("RS256", "{}", "{}")
    local function ask(path, body) return (submit(post(path, body))) end
    assert.equal("allowed", ask("/applications/1/addKey", { proof = proof }))
    assert.equal("allowed", ask("/applications/1/removeKey", { proof = proof }))
    assert.equal("secret", ask("/applications/1/addKey", { keyCredential = { key = proof } }))
    assert.equal("secret", ask("/applications/1/addKey", { proof = value() }))
    assert.equal("secret", (submit(patch { passwordProfile = { password = proof } })))
  end)
end)
