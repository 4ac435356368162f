--- host.devolutions by bytes: requests built, answers judged.

local devolutions = require "host.devolutions"
local gate = require "host.gate"
local json = require "host.json"
local secret = require "host.secret"

local BASE = "https://dvls.contoso.com/dvls"

local function answer(status, body, headers)
  if type(body) == "table" then body = json.encode(body) end
  return gate.answer(status, headers or {}, body or "")
end

local function judge(status, body, path)
  return devolutions.judge(devolutions.request(BASE, "GET", path or "/api/v1/vault"), answer(status, body))
end

describe("host.devolutions requests", function()
  it("log in with the secret masked in every text", function()
    local request = devolutions.login(BASE, "key-1", secret.from("app-secret-1"))
    assert.equal("https://dvls.contoso.com/dvls/api/v1/login", request:url())
    assert.equal("POST", request:method())
    assert.equal("devolutions", request:peer())
    assert.equal('{"appKey":"key-1","appSecret":"[secret]"}', request:body())
    assert.is_false(request:changes())
    assert.is_true(request:repeatable())
    assert.has_error(function() devolutions.login(BASE, "key-1", "text") end)
  end)

  it("keep the base's path", function()
    local request = devolutions.request(BASE, "GET", "/api/v1/vault", { page = "2", name = "a&b" })
    assert.equal("https://dvls.contoso.com/dvls/api/v1/vault?name=a%26b&page=2", request:url())
  end)

  local ways = {
    { "GET", "/api/v1/vault", false, true }, { "POST", "/api/v1/vault/1/entry", true, false },
    { "PUT", "/api/v1/vault/1/entry/2", true, true }, { "DELETE", "/api/v1/vault/1/entry/2", true, true },
    { "POST", "/api/v1/logout", false, false },
  }
  for _, way in ipairs(ways) do
    it(("know what %s %s does"):format(way[1], way[2]), function()
      local request = devolutions.request(BASE, way[1], way[2], nil, nil)
      assert.equal(way[3], request:changes())
      assert.equal(way[3], devolutions.changes(way[1], way[2]))
      assert.equal(way[4], request:repeatable())
    end)
  end

  it("mask an entry's secret and send it", function()
    local request = devolutions.request(BASE, "POST", "/api/v1/vault/1/entry", nil,
      { name = "a", data = { clientSecret = secret.from("value-of-it") }, tags = json.array {} })
    assert.equal('{"data":{"clientSecret":"[secret]"},"name":"a","tags":[]}', request:body())
  end)

  it("refuse paths that could be read in two ways, and other methods", function()
    for _, path in ipairs { "api", "/api/../x", "/api//x", "/api/x?y", "/api/%2e%2e/x", "/api/%2f" } do
      assert.has_error(function() devolutions.request(BASE, "GET", path) end, nil, path)
    end
    assert.has_error(function() devolutions.request(BASE, "PATCH", "/api/v1/vault") end)
  end)

  it("escape a segment", function()
    assert.equal("a%20b%40c", devolutions.segment("a b@c"))
    for _, bad in ipairs { "", ".", "..", "a/b", "a\\b" } do
      assert.has_error(function() devolutions.segment(bad) end)
    end
  end)
end)

describe("host.devolutions.judge_login", function()
  local function login(status, body)
    return devolutions.judge_login(answer(status, body), BASE)
  end

  it("gives a credential for the server's origin only", function()
    local credential = assert(login(200, { tokenId = "opaque-token-1" }))
    assert.equal("https://dvls.contoso.com:443", credential:origin())
    assert.equal("[secret]", secret.redact("opaque-token-1"))
    credential:close()
  end)

  local TOKEN = "tokenId is missing, is not a text, or has characters that a header may not have"
  for _, case in ipairs {
    { "no tokenId", {} }, { "a number", { tokenId = 5 } }, { "an empty text", { tokenId = "" } },
    { "a line break", { tokenId = "a\r\nX-Evil: 1" } }, { "null", { tokenId = json.null } },
  } do
    it("names " .. case[1], function()
      local credential, failure = login(200, case[2])
      assert.is_nil(credential)
      assert.same({ kind = "bad_answer", status = 200, message = TOKEN }, failure)
    end)
  end

  it("takes 400, 401 and 403 for a refused key or secret", function()
    for _, status in ipairs { 400, 401, 403 } do
      local _, failure = login(status, { message = "Invalid credentials" })
      assert.same({ kind = "auth", status = status, message = "Invalid credentials" }, failure)
    end
  end)

  it("names what is no answer of the server's", function()
    local _, failure = login(200, "<html></html>")
    assert.same({ kind = "bad_answer", status = 200, message = "the answer is not JSON: it is an HTML page" }, failure)
    _, failure = login(200, "5")
    assert.equal("the answer to the login is not a JSON object", failure.message)
    _, failure = login(503, "<html></html>")
    assert.same({ kind = "transient", status = 503, message = "the answer is an HTML page" }, failure)
    _, failure = login(302, "")
    assert.same({ kind = "bad_answer", status = 302,
      message = "the server sent a redirect; redirects are never followed" }, failure)
  end)
end)

describe("host.devolutions.judge", function()
  it("gives the value, an entry's secrets lifted", function()
    local entry = judge(200, { id = "1", data = { clientId = "c", clientSecret = "s3cr3t-1", password = "s3cr3t-2" } })
    assert.equal("c", entry.data.clientId)
    assert.is_true(secret.equals(entry.data.clientSecret, secret.from("s3cr3t-1")))
    assert.is_true(secret.equals(entry.data.password, secret.from("s3cr3t-2")))
    for _, name in ipairs { "apiKey", "connectionString", "privateKeyData", "privateKeyOverridePassword",
      "privateKeyPassPhrase" } do
      assert.is_true(secret.is(judge(200, { data = { [name] = "s3cr3t-3" } }).data[name]), name)
    end
  end)

  it("takes an empty body, and a bare true", function()
    assert.same({}, (judge(204, "")))
    assert.equal("the answer is empty", select(2, judge(200, "")).message)
    assert.is_true((judge(200, "true")))
  end)

  local kinds = {
    { 400, "refused" }, { 401, "auth" }, { 403, "denied" }, { 404, "missing" }, { 408, "transient" }, { 409,
      "conflict" },
    { 422, "refused" }, { 429, "throttled" }, { 500, "transient" }, { 501, "refused" }, { 503, "transient" }, { 304,
      "bad_answer" },
  }
  for _, case in ipairs(kinds) do
    it(("calls %d %s"):format(case[1], case[2]), function()
      local value, failure = judge(case[1], { errorMessage = "words" })
      assert.is_nil(value)
      assert.equal(case[2], failure.kind)
    end)
  end

  it("says why in the server's words, or what there was instead", function()
    local function message(body)
      local _, failure = judge(400, body)
      return failure.message
    end
    local value = secret.from("correct horse battery")
    local said = message { message = "not correct horse battery " .. ("x"):rep(476) .. "correct horse battery" }
    value:close() -- what was said stays masked
    assert.matches("^not %[secret%] x+%[s", said) -- masked before it was cut
    assert.equal("a", message { message = "a\nb" })
    assert.equal("b", message { errorMessage = "b" })
    assert.equal("the answer gives no reason", message { other = 1 })
    assert.equal("the answer gives no reason", message "[1]")
    assert.equal("the answer is empty", message "")
    assert.equal("the answer is an HTML page", message "<html>")
  end)

  it("reads the result of older endpoints", function()
    local older = "/api/public-instance-information"
    assert.equal("2026.2", judge(200, { result = 1, data = { version = "2026.2" } }, older).data.version)
    for number, kind in pairs { [0] = "refused", [2] = "denied", [6] = "missing", [8] = "transient", [10] = "auth",
      [4] = "conflict", [99] = "refused" } do
      local value, failure = judge(200, { result = number }, older)
      assert.is_nil(value)
      assert.equal(kind, failure.kind, number)
    end
    local _, failure = judge(200, { result = 2 }, older)
    assert.equal("AccessDenied", failure.message)
  end)

  it("does not read result into newer ones", function()
    assert.equal(0, judge(200, { result = 0 }).result)
  end)

  it("survives any bytes", function()
    math.randomseed(11)
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
      judge(({ 200, 204, 302, 400, 500 })[math.random(5)], table.concat(bytes))
    end
  end)
end)
