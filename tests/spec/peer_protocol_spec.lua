-- host.peer by bytes: requests built, signatures made, answers judged.

local gate = require "host.gate"
local json = require "host.json"
local peer = require "host.peer"
local secret = require "host.secret"

local BASE = "https://vault.contoso.com/api"

local function request(method, path, body, headers)
  return peer.request("vault", BASE, method or "GET", path or "/v1/x", nil, body, headers)
end

local function answer(status, body, kind)
  if type(body) == "table" then body = json.encode(body) end
  return gate.answer(status, kind and { ["Content-Type"] = kind } or {}, body or "")
end

local function failure_of(status, body, kind)
  local value, failure = peer.judge(request(), answer(status, body, kind))
  assert.is_nil(value)
  return failure
end

describe("requests to a peer", function()
  it("keep the path of the peer's address, and say what they do", function()
    local read = peer.request("vault", BASE, "GET", "/v1/secret/data/a%20b", { version = "2" })
    assert.equal("https://vault.contoso.com/api/v1/secret/data/a%20b?version=2", read:url())
    assert.same({ "vault", "GET", false, true }, { read:peer(), read:method(), read:traits() })
    for method, traits in pairs { POST = { true, false }, PATCH = { true, false }, PUT = { true, true },
      DELETE = { true, true } } do
      assert.same(traits, { request(method):traits() }, method)
    end
  end)

  it("mask a secret in the body", function()
    local body = { data = { password = secret.from "Tr0ub4dor&3-value" } }
    assert.equal('{"data":{"password":"[secret]"}}', request("POST", "/v1/x", body):body())
  end)

  it("refuse paths, names and headers that are not theirs to choose", function()
    for _, path in ipairs { "", "v1", "/a/../b", "/a//b", "/a?b", "/%2e%2e/x", "/a%2Fb" } do
      assert.error_matches(function() request("GET", path) end, "bad argument #4")
    end
    for _, name in ipairs { "graph", "login", "devolutions", "identity" } do
      assert.error_matches(function() peer.request(name, BASE, "GET", "/x") end, "a peer of the profile is expected")
    end
    for _, name in ipairs { "Authorization", "Host", "cookie", "Transfer-Encoding", "x-http-method-override",
      "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL" } do
      assert.error_matches(function() request("GET", "/x", nil, { [name] = "x" }) end, "it is not the request's to set")
    end
    assert.error_matches(function() request("GET", "/x", nil, { ["X-A"] = "a\r\nX-B: c" }) end, "line break")
    assert.error_matches(function() request("GET", "/x", nil, { ["X-A"] = secret.from "value-of-a-header" }) end,
      "the value of a header is a string")
    assert.error_matches(function() request("OPTIONS") end, "invalid option")
  end)

  it("to a secret address show its origin only", function()
    local address = secret.from("https://hooks.slack.test/services/T0/B0/verysecretpart?sig=a1b2c3d4e5f6", "credential")
    local made = peer.request_at("slack", address, "POST", { text = "hello" })
    assert.is_nil(made:url():find("verysecret", 1, true))
    assert.is_nil(made:url():find("a1b2c3", 1, true))
    assert.equal("https://hooks.slack.test:443", peer.origin(address))
    for _, wrong in ipairs { "hooks.slack.test/x", "http://hooks.slack.test/x", "https://u:p@hooks.slack.test/x" } do
      local origin, why = peer.origin(secret.from(wrong, "credential"))
      assert.is_nil(origin)
      assert.equal("the secret is not a URL of the form https://HOST/PATH", why)
    end
  end)
end)

describe("a signed request", function()
  it("needs a secret in base64, and an id without a point", function()
    local made = request("POST", "/", "{}")
    local ok, why = peer.sign(made, secret.from("whsec_***", "credential"), "msg_1", 1)
    assert.is_nil(ok)
    assert.equal('the secret of a webhook is "whsec_" and base64', why)
    assert.error_matches(function() peer.sign(made, secret.from("a-plain-secret", "credential"), "a.b", 1) end,
      "an id without '.' expected")
  end)
end)

describe("an answer of a peer", function()
  it("is its status, its body and some headers", function()
    local headers = { ["Content-Type"] = "application/json", ETag = '"7"', ["X-Other"] = "no", Location = "/there" }
    local value = assert(peer.judge(request(), gate.answer(201, headers, '{"a":[1,null]}')))
    assert.equal(201, value.status)
    assert.same({ 1, json.null }, value.body.a)
    assert.same({ ["content-type"] = "application/json", etag = '"7"', location = "/there" }, value.headers)
    assert.is_nil(assert(peer.judge(request(), answer(204))).body)
    assert.equal("ok", assert(peer.judge(request(), answer(200, "ok", "text/plain"))).body)
  end)

  local errors = {
    { "Azure's", 403, { error = { code = "Forbidden", message = "no", innererror = { code = "ForbiddenByRbac" } } },
      { "denied", "no", "Forbidden", "ForbiddenByRbac" } },
    { "Google's", 409, { error = { code = 409, message = "there", status = "ABORTED" } },
      { "conflict", "there", "ABORTED" } },
    { "Vault's", 400, { errors = { "check-and-set parameter did not match the current version" } },
      { "refused", "check-and-set parameter did not match the current version" } },
    { "Vault's, empty", 404, { errors = json.array {} }, { "missing", "the answer gives no reason" } },
    { "Kubernetes'", 409, { kind = "Status", status = "Failure", reason = "Conflict", message = "modified" },
      { "conflict", "modified", "Conflict" } },
    { "RFC 9457's", 422, { title = "Unprocessable", detail = "too long" }, { "refused", "too long" } },
    { "OAuth's", 401, { error = "invalid_token", error_description = "expired" },
      { "auth", "expired", "invalid_token" } },
    { "a text", 400, "invalid_payload\r\nmore", { "refused", "invalid_payload" } },
    { "none", 503, "", { "transient", "the answer is empty" } },
    { "a page", 502, "<html>no</html>", { "transient", "the answer is an HTML page" } },
    { "a redirect", 307, "", { "bad_answer", "the service sent a redirect; redirects are never followed" } },
  }
  for _, case in ipairs(errors) do
    it("that refuses is understood: " .. case[1], function()
      local failure = failure_of(case[2], case[3])
      local got = { failure.kind, failure.message, failure.code, failure.inner_code }
      assert.same(case[4], got)
      assert.equal(case[2], failure.status)
    end)
  end

  it("that is no answer is refused", function()
    assert.equal("the answer is an HTML page", failure_of(200, "<html>", "text/html").message)
    assert.equal("the answer cannot be read: JSON ends after 5 bytes, expected a value",
      failure_of(200, '{"a":', "application/json").message)
    assert.equal("the answer is a text of more than 64 KiB", failure_of(200, ("x"):rep(70000), "text/plain").message)
  end)

  it("never shows a secret that was sent, wherever it repeats it", function()
    local value = secret.from "Tr0ub4dor&3-value"
    local sent = request("PUT", "/v1/x", { value = value })
    local echo = assert(peer.judge(sent, answer(200, { value = "Tr0ub4dor&3-value", note = "is Tr0ub4dor&3-value!" })))
    assert.is_true(secret.is(echo.body.value))
    assert.is_true(secret.equals(value, echo.body.value))
    assert.equal("is [secret]!", echo.body.note)
    local _, failure = peer.judge(sent, answer(400, { message = "bad value Tr0ub4dor&3-value" }))
    assert.equal("bad value [secret]", failure.message)
    local text = assert(peer.judge(sent, gate.answer(200, { Location = "/x/Tr0ub4dor&3-value" }, "Tr0ub4dor&3-value")))
    assert.equal("[secret]", text.body)
    assert.equal("/x/[secret]", text.headers.location)
  end)
end)
