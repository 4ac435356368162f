--- host.oauth by bytes: requests built, answers judged.

local gate = require "host.gate"
local json = require "host.json"
local oauth = require "host.oauth"
local secret = require "host.secret"

local AUTHORITY = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
local TENANT = "9c8f6b7e-0f4b-4a4b-8a55-6a5b6f2d1c3e"
local GRAPH = "https://graph.microsoft.com/v1.0"

local function answer(status, body, headers)
  if type(body) == "table" then body = json.encode(body) end
  return gate.answer(status, headers or { ["content-type"] = "application/json" }, body)
end

local function base64url(text)
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  local bits = text:gsub(".", function(c)
    local byte, out = c:byte(), ""
    for i = 7, 0, -1 do out = out .. (byte >> i & 1) end
    return out
  end)
  return (bits .. ("0"):rep(-#bits % 6)):gsub("%d%d%d%d%d%d", function(six)
    local at = tonumber(six, 2) + 1
    return alphabet:sub(at, at)
  end)
end

local function jwt(claims)
  return base64url('{"alg":"none"}') .. "." .. base64url(json.encode(claims)) .. ".c2ln"
end

local function judge(body, status, headers)
  return oauth.judge_token(answer(status or 200, body, headers), GRAPH)
end

describe("host.oauth requests", function()
  it("name the login peer, change nothing and may be sent twice", function()
    local value = secret.from("s")
    for _, request in ipairs {
      oauth.discovery(AUTHORITY), oauth.device_code(AUTHORITY, "id", "scope"),
      oauth.device_token(AUTHORITY, "id", value), oauth.client_secret(AUTHORITY, "id", value, "scope"),
      oauth.refresh(AUTHORITY, "id", value, "scope"),
    } do
      assert.equal("login", request:peer())
      assert.is_false(request:changes())
      assert.is_true(request:repeatable())
    end
  end)

  it("go to the authority's endpoints", function()
    assert.equal(AUTHORITY .. "/v2.0/.well-known/openid-configuration", oauth.discovery(AUTHORITY):url())
    assert.equal(AUTHORITY .. "/oauth2/v2.0/devicecode", oauth.device_code(AUTHORITY, "id", "s"):url())
    assert.equal(AUTHORITY .. "/oauth2/v2.0/token", oauth.refresh(AUTHORITY, "id", secret.from("r"), "s"):url())
    assert.equal("GET", oauth.discovery(AUTHORITY):method())
    assert.equal("POST", oauth.device_code(AUTHORITY, "id", "s"):method())
  end)

  it("escape their form", function()
    local request = oauth.device_code(AUTHORITY, "a&b=c", "https://graph.microsoft.com/User.Read offline_access\r\n+")
    assert.equal("client_id=a%26b%3Dc&scope=https%3A%2F%2Fgraph.microsoft.com%2FUser.Read%20offline_access%0D%0A%2B",
      request:body())
  end)

  it("carry a secret that no text shows", function()
    local request = oauth.client_secret(AUTHORITY, "id", secret.from("Zq8~b/c+d e&f"), "x/.default")
    assert.equal("grant_type=client_credentials&client_id=id&scope=x%2F.default&client_secret=[secret]", request:body())
    assert.has_error(function() oauth.client_secret(AUTHORITY, "id", "plain text", "x") end)
  end)

  it("carry a secret in a header that no text shows either", function()
    local credential = oauth.basic(AUTHORITY, "a:b", secret.from("Zq8~b/c+d e&f"))
    assert.equal("https://login.microsoftonline.com:443", credential:origin())
    assert.equal("Basic [secret]", secret.redact("Basic YSUzQWI6WnE4fmIlMkZjJTJCZCUyMGUlMjZm"))
    credential:close()
  end)

  it("redeem a code once, with its verifier, and neither is shown", function()
    local verifier, challenge = oauth.pkce()
    assert.equal(43, #verifier)
    assert.matches("^[%w_-]+$", challenge)
    assert.equal(43, #challenge)
    local code, redirect = secret.from("the-code-1"), "http://localhost:81/a"
    local request = oauth.code(AUTHORITY, "id", code, redirect, verifier, "s/.default")
    assert.equal("grant_type=authorization_code&client_id=id&redirect_uri=http%3A%2F%2Flocalhost%3A81%2Fa"
      .. "&scope=s%2F.default&code_verifier=[secret]&code=[secret]", request:body())
    assert.is_false(request:repeatable())
    assert.is_false(request:changes())
  end)

  it("lead a browser to the page", function()
    assert.equal(AUTHORITY .. "/oauth2/v2.0/authorize?client_id=a%26b&response_type=code"
      .. "&redirect_uri=http%3A%2F%2Flocalhost%3A81&response_mode=query&scope=x%20y&state=st&code_challenge=ch"
      .. "&code_challenge_method=S256&login_hint=ann%40contoso.com",
      oauth.authorize(AUTHORITY, "a&b", "http://localhost:81", "x y", "st", "ch", "ann@contoso.com"))
    assert.is_nil(oauth.authorize(AUTHORITY, "a", "http://localhost", "x", "st", "ch"):find("login_hint", 1, true))
  end)

  it("carry an assertion that no text shows", function()
    local request = oauth.client_assertion(AUTHORITY, "id", secret.from("a.b.c-assertion"), "x/.default")
    assert.equal("grant_type=client_credentials&client_id=id&scope=x%2F.default&client_assertion_type="
      .. "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=[secret]", request:body())
    assert.equal("login", request:peer())
  end)

  it("ask for managed identities where they are, in the clear if need be", function()
    local endpoint = "http://169.254.169.254/metadata/identity/oauth2/token"
    local machine = oauth.machine(endpoint, "https://graph.microsoft.com", { client_id = "c 1" })
    assert.equal(endpoint .. "?api-version=2018-02-01&client_id=c%201&resource=https://graph.microsoft.com",
      machine:url())
    assert.same({ "identity", "GET", false, true },
      { machine:peer(), machine:method(), machine:changes(), machine:repeatable() })
    local service = oauth.service("http://localhost:42356/msi/token", "https://graph.microsoft.com", {})
    assert.matches("^http://localhost:42356/msi/token%?api%-version=2019%-08%-01&resource=", service:url())
    local credential = oauth.service_credential("http://localhost:42356/msi/token", secret.from("header-value-1"))
    assert.equal("http://localhost:42356", credential:origin())
    for _, bad in ipairs { "http://169.254.169.254", "http://h/a?b=c", "http://h/a/../b", "ftp://h/a", "/a" } do
      assert.has_error(function() oauth.machine(bad, "r", {}) end, nil, bad)
      assert.has_error(function() oauth.service_credential(bad, secret.from("header-value-1")) end, nil, bad)
    end
  end)

  it("refuse an authority that is not one host and one tenant", function()
    for _, bad in ipairs {
      "https://login.microsoftonline.com", "https://login.microsoftonline.com/",
        "https://login.microsoftonline.com/a/b",
      "https://login.microsoftonline.com/..", "https://login.microsoftonline.com/a?b=c",
      "https://login.microsoftonline.com/%2e%2e", "https://login.microsoftonline.com/a#b",
        "login.microsoftonline.com/a",
      "http://login.microsoftonline.com/a", "https://user@login.microsoftonline.com/a",
    } do
      assert.has_error(function() oauth.discovery(bad) end, nil, bad)
    end
  end)
end)

describe("host.oauth.judge_token", function()
  local GOOD = { token_type = "Bearer", expires_in = 3599, access_token = "a.b.c" }

  local function with(changes)
    local body = {}
    for name, value in pairs(GOOD) do body[name] = value end
    for name, value in pairs(changes) do body[name] = value end
    return body
  end

  it("binds the credential to the resource's origin", function()
    local token = assert(judge(GOOD))
    assert.equal("https://graph.microsoft.com:443", token.credential:origin())
    assert.equal(3599, token.expires_in)
    assert.is_nil(token.refresh_token)
    assert.same({}, token.claims)
  end)

  it("reads the claims without believing them", function()
    local claims = { tid = TENANT, roles = json.array { "User.Read.All" }, exp = 1767229200, idtyp = "app" }
    local token = assert(judge(with { access_token = jwt(claims) }))
    assert.equal(TENANT, token.claims.tid)
    assert.equal("User.Read.All", token.claims.roles[1])
    assert.equal(1767229200, token.claims.exp)
  end)

  it("takes an opaque token, and one whose payload is no JSON", function()
    assert.same({}, assert(judge(with { access_token = "opaque" })).claims)
    assert.same({}, assert(judge(with { access_token = "a..b" })).claims)
    assert.same({}, assert(judge(with { access_token = "a." .. base64url("[1]x") .. ".b" })).claims)
    assert.same({}, assert(judge(with { access_token = "a.!!!.b" })).claims)
  end)

  it("keeps the token out of every text", function()
    local token = assert(judge(with { access_token = "eyJhbGciOi.secretsecret.xyz" }))
    assert.equal("is [secret]!", secret.redact("is eyJhbGciOi.secretsecret.xyz!"))
    token.credential:close()
  end)

  it("takes expires_in as digits, as IMDS sends it", function()
    assert.equal(3599, assert(judge(with { expires_in = "3599" })).expires_in)
  end)

  it("gives a refresh token as a secret, and the scope", function()
    local token = assert(judge(with { refresh_token = "0.refresh", scope = "User.Read" }))
    assert.is_true(secret.equals(token.refresh_token, secret.from("0.refresh")))
    assert.equal("User.Read", token.scope)
  end)

  it("takes bearer in any case", function()
    assert(judge(with { token_type = "bearer" }))
  end)

  local TYPE = "the login service's answer cannot be used: token_type is not Bearer"
  local TOKEN = "the login service's answer cannot be used: access_token is missing, is not a text, or has"
    .. " characters that a header may not have"
  local TIME = "the login service's answer cannot be used: expires_in is not a whole number of seconds between 1 "
    .. "and 604800"
  local REFRESH = "the login service's answer cannot be used: refresh_token is not a text"
  local shapes = {
    { "token_type missing", { token_type = json.null }, TYPE },
    { "token_type of another kind", { token_type = "DPoP" }, TYPE },
    { "a number as token", { access_token = 12345 }, TOKEN },
    { "a list as token", { access_token = json.array { "a" } }, TOKEN },
    { "an empty token", { access_token = "" }, TOKEN },
    { "a token with CRLF", { access_token = "a\r\nX-Evil: 1" }, TOKEN },
    { "a token with LF", { access_token = "a\nb" }, TOKEN },
    { "a token with NUL", { access_token = "a\0b" }, TOKEN },
    { "a token with a space", { access_token = "a b" }, TOKEN },
    { "a token beyond ASCII", { access_token = "é" }, TOKEN },
    { "a token of 70 KB", { access_token = ("a"):rep(70000) }, TOKEN },
    { "no expires_in", { expires_in = json.null }, TIME },
    { "negative expires_in", { expires_in = -1 }, TIME },
    { "expires_in zero", { expires_in = 0 }, TIME },
    { "huge expires_in", { expires_in = 1e15 }, TIME },
    { "fractional expires_in", { expires_in = 3599.5 }, TIME },
    { "expires_in in words", { expires_in = "an hour" }, TIME },
    { "expires_in in hexadecimal", { expires_in = "0x10" }, TIME },
    { "expires_in with a sign", { expires_in = "-5" }, TIME },
    { "refresh_token as number", { refresh_token = 7 }, REFRESH },
    { "refresh_token with CRLF", { refresh_token = "a\r\nb" }, REFRESH },
  }
  for _, shape in ipairs(shapes) do
    it("names " .. shape[1], function()
      local token, failure = judge(with(shape[2]))
      assert.is_nil(token)
      assert.equal("bad_answer", failure.error)
      assert.equal(shape[3], failure.message)
      assert.equal(200, failure.status)
    end)
  end

  it("names what is no JSON", function()
    local _, failure = judge("<!DOCTYPE html><html></html>", 200, { ["content-type"] = "text/html; charset=utf-8" })
    assert.equal("not_json", failure.error)
    assert.equal("the login service's answer is not JSON: it is an HTML page, as a proxy or a sign-in page would send",
      failure.message)
    for _, body in ipairs { "", "nonsense", "[1]", '"x"', "{", '{"a":1,"a":2}', "{}x" } do
      _, failure = judge(body)
      assert.equal("not_json", failure.error, body)
    end
  end)

  it("reads an error as Entra writes it", function()
    local token, failure = judge({
      error = "invalid_client", error_codes = json.array { 7000215 }, suberror = "basic_action",
      error_description = "AADSTS7000215: Invalid client secret provided. Trace ID: 0\r\nCorrelation ID: 1",
      trace_id = "5e8e1e2a-0001", correlation_id = "5e8e1e2a-0002", timestamp = "2026-11-23 05:00:00Z",
    }, 401)
    assert.is_nil(token)
    assert.same({
      error = "invalid_client", suberror = "basic_action", codes = { 7000215 }, policies = {}, status = 401,
      trace_id = "5e8e1e2a-0001", correlation_id = "5e8e1e2a-0002",
      message = "AADSTS7000215: Invalid client secret provided.",
    }, failure)
  end)

  it("keeps every number of error_codes, and what is none is left out", function()
    local _, failure = judge({ error = "x", error_codes = json.array { 70002, "70001", 1.5, -1, 70000, {} } }, 400)
    assert.same({ 70002, 70000 }, failure.codes)
    for _, odd in ipairs { json.null, 70002, "70002", {} } do
      local _, other = judge({ error = "x", error_codes = odd }, 400)
      assert.same({}, other.codes)
    end
  end)

  -- The form of the text: Microsoft Learn, "Claims challenges"; the member capolids is seen in answers of 2025.
  it("reads which policies refused from the text of claims", function()
    local id = "99999999-0000-4000-8000-000000000002"
    local function policies(claims)
      local _, failure = judge({ error = "invalid_grant", claims = claims }, 400)
      return failure.policies
    end
    local said = ('{"access_token":{"capolids":{"essential":true,"values":[%s]}}}')
    assert.same({ id }, policies(said:format('"' .. id .. '"')))
    assert.same({ id, id }, policies(said:format(('"%s",5,"a policy","%s",null'):format(id, id))))
    for _, odd in ipairs {
      "", "{", "[]", "5", '"x"', "null", '{"access_token":5}', '{"access_token":{"capolids":[]}}',
      '{"access_token":{"capolids":{"values":"' .. id .. '"}}}', said:format(""),
    } do
      assert.same({}, policies(odd), odd)
    end
    assert.same({}, policies(json.null))
    assert.same({}, policies(5))
    assert.same({}, policies { access_token = { capolids = { values = { id } } } })
  end)

  it("keeps control characters and length out of messages", function()
    local _, failure = judge({ error = "x", error_description = "\27[2Jgone\taway " .. ("ü"):rep(600) .. "\nmore" },
      400)
    assert.equal(" [2Jgone away ", failure.message:sub(1, 14))
    assert.is_true(#failure.message <= 500)
    assert.is_truthy(utf8.len(failure.message))
  end)

  it("takes an error with status 200 for an error", function()
    local _, failure = judge { error = "authorization_pending" }
    assert.equal("authorization_pending", failure.error)
    assert.equal("authorization_pending", failure.message)
  end)

  it("says http when an error says nothing", function()
    local _, failure = judge("<html>bad gateway</html>", 502, { ["retry-after"] = "7" })
    assert.same({ error = "http", status = 502, retry_after = 7.0, message = "HTTP 502 without a reason in JSON" },
      failure)
    _, failure = judge({ message = "no" }, 400)
    assert.equal("http", failure.error)
    _, failure = judge({ error = 5 }, 400)
    assert.equal("http", failure.error)
    _, failure = judge("", 302)
    assert.equal("http", failure.error)
  end)

  it("reads Retry-After in seconds or as a date, never shorter than it is", function()
    local function after(value, date)
      local _, failure = judge({ error = "x" }, 429, { ["retry-after"] = value, date = date })
      return failure.retry_after
    end
    assert.equal(30, after("30"))
    assert.equal(86400, after("86400"))
    assert.equal(2, after("1.5"))
    assert.equal(1, after("0.001"))
    assert.equal(0, after("0"))
    assert.equal(31536000, after(("9"):rep(400)))
    assert.equal(40, after("Mon, 23 Nov 2026 05:00:40 GMT", "Mon, 23 Nov 2026 05:00:00 GMT"))
    assert.equal(0, after("Mon, 23 Nov 2026 04:00:00 GMT", "Mon, 23 Nov 2026 05:00:00 GMT"))
    assert.equal(31536000, after("Mon, 23 Nov 2099 04:00:00 GMT"))
    assert.equal(40, after("Monday, 23-Nov-26 05:00:40 GMT", "Mon, 23 Nov 2026 05:00:00 GMT"))
    for _, nonsense in ipairs { "soon", "-5", ".5", "1.5.2", "1e9", "20261123 ", "2026-11-23", "1,5" } do
      assert.is_nil(after(nonsense), nonsense)
    end
    assert.is_nil(after(""))
  end)
end)

describe("host.oauth.judge_identity", function()
  local NOW = 1767225600
  local function judge_with(changes)
    local body = { token_type = "Bearer", access_token = "a.b.c", expires_in = "3599",
      expires_on = tostring(NOW + 3599), refresh_token = "", resource = "https://graph.microsoft.com" }
    for name, value in pairs(changes) do body[name] = value ~= "gone" and value or nil end
    return oauth.judge_identity(answer(200, body), GRAPH, NOW)
  end

  it("takes digits, the end instead of the length, and an empty refresh token", function()
    assert.equal(3599, assert(judge_with {}).expires_in)
    assert.equal(60, assert(judge_with { expires_in = "gone", expires_on = tostring(NOW + 60) }).expires_in)
    assert.equal(60, assert(judge_with { expires_in = "", expires_on = NOW + 60 }).expires_in)
    assert.is_nil(assert(judge_with { refresh_token = "r" }).refresh_token)
    assert.equal("https://graph.microsoft.com:443", assert(judge_with {}).credential:origin())
  end)

  it("refuses a token that says no end, one that has ended, and one that never does", function()
    local ends = { "gone", "", tostring(NOW), tostring(NOW - 5), "12/31/2026", tostring(NOW + 604801), "1e12" }
    for _, on in ipairs(ends) do
      local token, failure = judge_with { expires_in = "gone", expires_on = on }
      assert.is_nil(token, on)
      assert.equal("bad_answer", failure.error)
    end
  end)

  it("passes a refusal on", function()
    local token, failure = oauth.judge_identity(answer(400, { error = "invalid_request",
      error_description = "Identity not found" }), GRAPH, NOW)
    assert.is_nil(token)
    assert.same({ "invalid_request", "Identity not found", 400 }, { failure.error, failure.message, failure.status })
  end)
end)

describe("host.oauth.given", function()
  local NOW = 1767225600

  it("binds a token that says when it ends", function()
    local token = assert(oauth.given(secret.from(jwt { exp = NOW + 60, scp = "User.Read" }), GRAPH, NOW))
    assert.same({ 60, "User.Read", "https://graph.microsoft.com:443" },
      { token.expires_in, token.claims.scp, token.credential:origin() })
    assert.equal(604800, assert(oauth.given(secret.from(jwt { exp = NOW + 1e9 }), GRAPH, NOW)).expires_in)
    assert.equal(604800, assert(oauth.given(secret.from(jwt { exp = 1e300 }), GRAPH, NOW)).expires_in)
  end)

  it("refuses what has ended or is none", function()
    local UNKNOWN = "it is not an access token for Graph: it does not tell when it expires"
    for token, why in pairs {
      [jwt { exp = NOW }] = "it has expired", [jwt { exp = -1 }] = "it has expired", [jwt { exp = "soon" }] = UNKNOWN,
      [jwt {}] = UNKNOWN, opaque = UNKNOWN, ["a.b"] = UNKNOWN,
      [jwt { exp = NOW + 60 } .. "\r\nX: 1"] = "it is not a token: it has characters that a header may not have",
    } do
      local none, message = oauth.given(secret.from(token), GRAPH, NOW)
      assert.is_nil(none)
      assert.equal(why, message)
    end
  end)
end)

describe("host.oauth.judge_device_code", function()
  local GOOD = {
    device_code = "DAQABAAE", user_code = "C7XQ-9PLM", verification_uri = "https://microsoft.com/devicelogin",
    expires_in = 900, interval = 5, message = "Open the page and enter the code.",
  }

  local function judge_with(changes)
    local body = {}
    for name, value in pairs(GOOD) do body[name] = value end
    for name, value in pairs(changes) do body[name] = value end
    return oauth.judge_device_code(answer(200, body))
  end

  it("gives the code as a secret and the rest as text", function()
    local code = assert(judge_with {})
    assert.is_true(secret.is(code.device_code))
    assert.equal("C7XQ-9PLM", code.user_code)
    assert.equal("https://microsoft.com/devicelogin", code.verification_uri)
    assert.equal(900, code.expires_in)
    assert.equal(5, code.interval)
    assert.equal("Open the page and enter the code.", code.message)
  end)

  it("asks every five seconds when no interval is said", function()
    assert.equal(5, assert(judge_with { interval = json.null }).interval)
    assert.equal(5, assert(judge_with { interval = 1e9 }).interval)
  end)

  it("shows no control characters of theirs", function()
    assert.equal(" [2J", assert(judge_with { message = "\27[2J\nsecond line" }).message)
  end)

  local PREFIX = "the login service's answer cannot be used: "
  it("does without a message, which is Microsoft's own", function()
    for _, message in ipairs { "", 5, json.null } do
      assert.is_nil(assert(judge_with { message = message }).message)
    end
  end)

  local shapes = {
    { { device_code = 1 }, "device_code is missing or not a text" },
    { { user_code = 1234 }, "user_code is missing or not a text" },
    { { verification_uri = "javascript:alert(1)" }, "verification_uri is not an https address" },
    { { verification_uri = "https://a b" }, "verification_uri is not an https address" },
    { { expires_in = -5 }, "expires_in is not a whole number of seconds between 1 and 604800" },
  }
  for _, shape in ipairs(shapes) do
    it("names: " .. shape[2] .. " " .. json.encode(shape[1]), function()
      local code, failure = judge_with(shape[1])
      assert.is_nil(code)
      assert.equal(PREFIX .. shape[2], failure.message)
      assert.equal("bad_answer", failure.error)
    end)
  end
end)

describe("host.oauth.judge_discovery", function()
  local HOST = "https://login.microsoftonline.com/"

  local function document(changes)
    local body = {
      issuer = HOST .. TENANT .. "/v2.0", token_endpoint = HOST .. TENANT .. "/oauth2/v2.0/token",
      authorization_endpoint = HOST .. TENANT .. "/oauth2/v2.0/authorize",
      device_authorization_endpoint = HOST .. TENANT .. "/oauth2/v2.0/devicecode",
      userinfo_endpoint = "https://graph.microsoft.com/oidc/userinfo",
    }
    for name, value in pairs(changes or {}) do body[name] = value end
    return oauth.judge_discovery(answer(200, body), AUTHORITY)
  end

  it("gives tenant and issuer", function()
    assert.same({ tenant = TENANT, issuer = HOST .. TENANT .. "/v2.0" }, document())
  end)

  it("takes another spelling of the same origin", function()
    assert(document { token_endpoint = "https://LOGIN.microsoftonline.com:443/x/token" })
  end)

  local PREFIX = "the login service's answer cannot be used: "
  local shapes = {
    { { token_endpoint = "https://evil.example/token" }, "token_endpoint is missing or at another host than the"
      .. " authority" },
    { { token_endpoint = "https://login.microsoftonline.com@evil.example/token" },
      "token_endpoint is missing or at another host than the authority" },
    { { token_endpoint = "http://login.microsoftonline.com/token" },
      "token_endpoint is missing or at another host than the authority" },
    { { token_endpoint = "https://login.microsoftonline.com:8443/token" },
      "token_endpoint is missing or at another host than the authority" },
    { { token_endpoint = 5 }, "token_endpoint is missing or at another host than the authority" },
    { { issuer = "https://evil.example/" .. TENANT }, "issuer is missing or at another host than the authority" },
    { { issuer = "https://login.microsoftonline.com" }, "issuer names no tenant" },
    { { issuer = "https://login.microsoftonline.com/{tenantid}/v2.0" },
      "issuer is missing or at another host than the authority" },
    { { issuer = "https://login.microsoftonline.com/common/v2.0" }, "issuer names no tenant" },
    { { authorization_endpoint = "https://evil.example/a" }, "authorization_endpoint is at another host than the"
      .. " authority" },
    { { device_authorization_endpoint = "https://evil.example/a" },
      "device_authorization_endpoint is at another host than the authority" },
  }
  for _, shape in ipairs(shapes) do
    it("refuses " .. json.encode(shape[1]), function()
      local found, failure = document(shape[1])
      assert.is_nil(found)
      assert.equal(PREFIX .. shape[2], failure.message)
    end)
  end

  it("refuses another tenant than the GUID asked for", function()
    local body = { issuer = HOST .. TENANT .. "/v2.0", token_endpoint = HOST .. "t" }
    local _, failure = oauth.judge_discovery(answer(200, body), HOST .. "11111111-1111-1111-1111-111111111111")
    assert.equal(PREFIX .. "issuer is another tenant than the requested one", failure.message)
    assert(oauth.judge_discovery(answer(200, body), HOST .. TENANT:upper()))
  end)

  it("passes on that there is no such tenant", function()
    local _, failure = oauth.judge_discovery(answer(400, {
      error = "invalid_tenant", error_description = "AADSTS90002: Tenant 'x' not found.",
        error_codes = json.array { 90002 },
    }), AUTHORITY)
    assert.same({ 90002 }, failure.codes)
  end)
end)

describe("host.oauth", function()
  local function judge_all(status, body)
    oauth.judge_token(answer(status, body), GRAPH)
    oauth.judge_device_code(answer(status, body))
    oauth.judge_discovery(answer(status, body), AUTHORITY)
  end

  it("survives any bytes", function()
    math.randomseed(3)
    for _ = 1, 1000 do
      local bytes = {}
      for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
      judge_all(({ 200, 302, 400, 401, 500 })[math.random(5)], table.concat(bytes))
    end
  end)

  it("survives every cut and every changed byte of an answer", function()
    local text = json.encode {
      token_type = "Bearer", access_token = "e30.eyJhIjoxfQ.c2ln", expires_in = 5, refresh_token = "r", scope = "s",
      issuer = "https://login.microsoftonline.com/x/v2.0", token_endpoint = "https://login.microsoftonline.com/t",
    }
    for i = 1, #text do
      judge_all(200, text:sub(1, i))
      for _, c in ipairs { '"', "{", "0", "\\", "\0", "." } do
        judge_all(200, text:sub(1, i - 1) .. c .. text:sub(i + 1))
      end
    end
  end)
end)
