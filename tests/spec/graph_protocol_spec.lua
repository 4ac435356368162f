--- host.graph by bytes: requests built, answers judged.

local gate = require "host.gate"
local graph = require "host.graph"
local json = require "host.json"
local secret = require "host.secret"

local BASE = "https://graph.microsoft.com/v1.0"
local DATE = "Mon, 23 Nov 2026 05:00:00 GMT"

local function get(path, query, headers)
  return graph.request(BASE, "GET", path or "/users", query, nil, headers)
end

local function judge(status, body, headers, request)
  if type(body) == "table" then body = json.encode(body) end
  return graph.judge(request or get(), gate.answer(status, headers or {}, body or ""))
end

describe("host.graph.request", function()
  it("puts base, path and query together", function()
    assert.equal(BASE .. "/users?$filter=displayName%20eq%20'O''Brien%20%26%20S%C3%B8n'&$select=id,mail&$top=999",
      get("/users", { ["$top"] = "999", ["$select"] = "id,mail",
        ["$filter"] = "displayName eq 'O''Brien & Søn'" }):url())
    assert.equal("graph", get():peer())
  end)

  it("lets a value never become another parameter", function()
    assert.equal(BASE .. "/users?$filter=a%26$top%3D1%23%2B%25", get("/users", { ["$filter"] = "a&$top=1#+%" }):url())
  end)

  it("encodes the body, secrets in it masked for reading", function()
    local request = graph.request(BASE, "PATCH", "/users/1", nil,
      { passwordProfile = { password = secret.from("Hunter2-Hunter2"), forceChangePasswordNextSignIn = false } })
    assert.equal('{"passwordProfile":{"forceChangePasswordNextSignIn":false,"password":"[secret]"}}', request:body())
    assert.is_nil(get():body())
  end)

  local ways = {
    -- method, path, changes, repeatable
    { "GET", "/users", false, true },
    { "POST", "/applications", true, false },
    { "POST", "/applications/1/addPassword", true, false },
    { "PATCH", "/applications(uniqueName='x')", true, true },
    { "PATCH", "/users/1", true, true },
    { "PUT", "/users/1", true, true },
    { "DELETE", "/users/1", true, true },
    { "POST", "/directoryObjects/getByIds", false, true },
    { "POST", "/directoryObjects/validateProperties", false, true },
    { "POST", "/users/1/checkMemberGroups", false, true },
    { "POST", "/users/1/getMemberObjects", false, true },
    { "POST", "/users/getByIdsX", true, false },
    { "POST", "/getByIds/x", true, false },
  }
  for _, way in ipairs(ways) do
    it(("knows what %s %s does"):format(way[1], way[2]), function()
      local request = graph.request(BASE, way[1], way[2])
      assert.equal(way[3], request:changes())
      assert.equal(way[3], graph.changes(way[1], way[2]))
      assert.equal(way[4], request:repeatable())
    end)
  end

  it("refuses paths that two readers could read differently", function()
    for _, path in ipairs {
      "", "users", "//users", "/users/", "/users/../applications", "/users/%2e%2E/applications", "/users/.",
        "/users/%2e",
      "/users?$top=1", "/users#x", "/users/a b", "/users/a\\b", "/users/%2Fapplications", "/users/%5c", "/users/%zz",
        "/users/%2",
      "/users/\r\n", "/users/%0d%0a", "/users/ü", "/users/\0", "/users/a%00",
    } do
      assert.has_error(function() get(path) end, nil, path)
    end
    assert.has_error(function() get("/users/../x") end,
      "bad argument #3 to 'request' (the path cannot be sent: an empty or dotted segment in '/users/../x')")
  end)

  it("takes only known methods and the two headers", function()
    assert.has_error(function() graph.request(BASE, "HEAD", "/users") end)
    get("/users", nil, { ConsistencyLevel = "eventual", Prefer = "create-if-missing" })
    assert.has_error(function() get("/users", nil, { Authorization = "Bearer x" }) end,
      "header 'Authorization' cannot be set here")
    assert.has_error(function() get("/users", nil, { ["client-request-id"] = "x" }) end)
    assert.has_error(function() get("/users", nil, { Prefer = "a\r\nb" }) end)
    assert.has_error(function() get("/users", nil, { Prefer = 5 }) end, "header 'Prefer' is not a string")
    assert.has_error(function() get("/users", { ["$top"] = 5 }) end, "query member '$top' is not a string")
  end)

  describe("of a batch", function()
    local function batch(...)
      return graph.request(BASE, "POST", "/$batch", nil, { requests = json.array { ... } })
    end

    it("does what its parts do", function()
      local read = { id = "1", method = "GET", url = "/users?$top=1" }
      local ask = { id = "2", method = "POST", url = "/directoryObjects/getByIds", body = { ids = json.array { "a" } } }
      local write = { id = "3", method = "PATCH", url = "/users/1", body = { accountEnabled = false } }
      local make = { id = "4", method = "POST", url = "/groups", body = {} }
      assert.is_false(batch(read, ask):changes())
      assert.is_true(batch(read, ask):repeatable())
      assert.is_true(batch(read, write):changes())
      assert.is_true(batch(read, write):repeatable())
      assert.is_false(batch(make, read):repeatable())
    end)

    it("refuses what is none", function()
      local function refused(text, ...)
        local parts = table.pack(...)
        assert.has_error(function() batch(table.unpack(parts)) end, text)
      end
      refused("a batch carries 1 to 20 requests, not 0")
      refused("request 1 of the batch has no method", { url = "/users" })
      refused("request 1 of the batch: unknown method 'BREW'", { method = "BREW", url = "/users" })
      refused("request 1 of the batch has no url", { method = "GET" })
      refused("request 1 of the batch: an empty or dotted segment in '/a/../b'", { method = "GET", url = "/a/../b" })
      refused("request 1 of the batch: a batch inside a batch in '/$batch'", { method = "POST", url = "/$batch" })
      refused("request 1 of the batch is not a table", "x")
      local function with(name, value) return { id = "1", method = "GET", url = "/users", [name] = value } end
      refused("request 1 of the batch: it has no member 'URL'", with("URL", "/groups"))
      refused("request 1 of the batch: header 'X-HTTP-Method-Override' cannot be set",
        with("headers", { ["X-HTTP-Method-Override"] = "DELETE" }))
      refused("request 1 of the batch: header 'Authorization' cannot be set",
        with("headers", { Authorization = "Bearer x" }))
      refused("request 1 of the batch: header 'Content-Type' cannot be set",
        with("headers", { ["Content-Type"] = "text/plain" }))
      refused("request 1 of the batch: the value of header 'Prefer' cannot be sent",
        with("headers", { Prefer = "a\r\nAuthorization: b" }))
      refused("request 1 of the batch: its headers are not a table", with("headers", "Prefer: a"))
      local many = {}
      for i = 1, 21 do many[i] = { method = "GET", url = "/users" } end
      refused("a batch carries 1 to 20 requests, not 21", table.unpack(many))
      assert.has_error(function() graph.request(BASE, "POST", "/$batch", nil, {}) end,
        "a batch needs a body with a list of requests")
      local twice = { requests = json.array { with("id", "1") }, Requests = json.array { with("method", "DELETE") } }
      assert.has_error(function() graph.request(BASE, "POST", "/$batch", nil, twice) end,
        "a batch: it has no member 'Requests'")
    end)
  end)
end)

describe("host.graph.next", function()
  it("follows a link as it is", function()
    local link = BASE .. "/users?$select=id&$skiptoken=RFNwdAIAAQ%3d%3d"
    local request = graph.next(BASE, link)
    assert.equal(link, request:url())
    assert.equal("GET", request:method())
    assert.is_false(request:changes())
    assert(graph.next(BASE, "https://GRAPH.microsoft.com:443/v1.0/users?$skiptoken=x"))
  end)

  local ELSEWHERE = "the next page's link is refused: its host is not the host of Graph"
  local BELOW = "the next page's link is refused: its path is not below the address of Graph"
  local links = {
    { "https://evil.example/v1.0/users", ELSEWHERE },
    { "http://graph.microsoft.com/v1.0/users", ELSEWHERE },
    { "https://graph.microsoft.com:444/v1.0/users", ELSEWHERE },
    { "https://graph.microsoft.com@evil.example/v1.0/users", ELSEWHERE },
    { "https://graph.microsoft.com.evil.example/v1.0/users", ELSEWHERE },
    { "/v1.0/users", ELSEWHERE },
    { "https://graph.microsoft.com/beta/users", BELOW },
    { "https://graph.microsoft.com/v1.0", BELOW },
    { "https://graph.microsoft.com/v1.0?x=1", BELOW },
    { "https://graph.microsoft.com/v1.0/../beta/users", ELSEWHERE },
    { "https://graph.microsoft.com/v1.0//users", "the next page's link is refused: an empty or dotted segment" },
    { "https://graph.microsoft.com/v1.0/users#x", ELSEWHERE },
    { "https://graph.microsoft.com/v1.0/users?a b", "the next page's link is refused: it is not a URL" },
    { "https://graph.microsoft.com/v1.0/users?a\r\nb", "the next page's link is refused: it is not a URL" },
    { "", "the next page's link is refused: it is not a URL" },
  }
  it("stays in the version of the first page", function()
    local path = "/beta/auditLogs/signIns"
    local request = graph.request(BASE, "GET", path, { ["$top"] = "5" })
    assert.equal("https://graph.microsoft.com/beta/auditLogs/signIns?$top=5", request:url())
    local link = "https://graph.microsoft.com/beta/auditLogs/signIns?$skiptoken=x"
    assert.equal(link, assert(graph.next(BASE, link, nil, path)):url())
    for _, case in ipairs { { link, "/auditLogs/signIns" }, { BASE .. "/auditLogs/signIns?$skiptoken=x", path },
      { "https://graph.microsoft.com/betatest/x", path }, { "https://graph.microsoft.com/beta", path } } do
      local refused, message = graph.next(BASE, case[1], nil, case[2])
      assert.same({ nil, BELOW }, { refused, message })
    end
    assert.equal("https://other/base/beta/x", graph.request("https://other/base", "GET", "/beta/x"):url())
  end)

  for _, case in ipairs(links) do
    it(("refuses %q"):format(case[1]), function()
      local request, message = graph.next(BASE, case[1])
      assert.is_nil(request)
      assert.equal(case[2], message)
    end)
  end
end)

describe("host.graph texts", function()
  it("escape a segment", function()
    assert.equal("ann_fabrikam.com%23EXT%23@contoso.onmicrosoft.com",
      graph.segment("ann_fabrikam.com#EXT#@contoso.onmicrosoft.com"))
    assert.equal("a%20b%3Fc%25d", graph.segment("a b?c%d"))
    assert.equal("..a", graph.segment("..a"))
    for _, bad in ipairs { "", ".", "..", "a/b", "a\\b", "a\0b" } do
      assert.has_error(function() graph.segment(bad) end)
    end
  end)

  it("quote a literal", function()
    assert.equal("'O''Brien'", graph.literal("O'Brien"))
    assert.equal("''' or 1 eq 1'", graph.literal("' or 1 eq 1"))
    assert.equal("''", graph.literal(""))
    assert.equal("true", graph.literal(true))
    assert.equal("42", graph.literal(42))
    assert.has_error(function() graph.literal(nil) end)
    assert.has_error(function() graph.literal({}) end)
  end)
end)

describe("host.graph.judge, success", function()
  it("gives the body and the server's time", function()
    local value, date = judge(200, '{"id":"1","n":5,"list":[]}', { date = DATE })
    assert.same({ id = "1", n = 5, list = {} }, value)
    assert.equal(1795410000, date)
  end)

  it("gives an empty table for no body", function()
    local value, date = judge(204, "")
    local _, failure = judge(200, "")
    assert.same({ "bad_answer", "the answer is empty" }, { failure.kind, failure.message })
    assert.same({}, value)
    assert.is_nil(date)
  end)

  it("takes a plain count, also behind a byte order mark", function()
    assert.equal(42, (judge(200, "42")))
    assert.equal(42, (judge(200, "\xEF\xBB\xBF42")))
  end)

  it("lifts a new secret out", function()
    local value = judge(200, '{"keyId":"k","secretText":"abc~DEF","hint":"abc"}')
    assert.is_true(secret.equals(value.secretText, secret.from("abc~DEF")))
    assert.equal("abc", value.hint)
  end)

  it("names what is no answer of Graph's", function()
    local value, failure = judge(200, "<html>proxy</html>", { ["content-type"] = "text/html", ["request-id"] = "r1",
      date = DATE })
    assert.is_nil(value)
    assert.same({ kind = "bad_answer", status = 200, code = "", message = "the answer is not JSON: it is an HTML page",
      request_id = "r1", date = 1795410000.0 }, failure)
    for _, body in ipairs { "{", '{"a":1}{', '{"a":1,"a":2}', "[]", "[1]", '"text"', "null", "true" } do
      value, failure = judge(200, body)
      assert.is_nil(value, body)
      assert.equal("bad_answer", failure.kind, body)
    end
    value, failure = judge(302, "", { location = "https://evil.example" })
    assert.is_nil(value)
    assert.equal("bad_answer", failure.kind)
    assert.equal("the server sent a redirect; redirects are never followed", failure.message)
  end)
end)

describe("host.graph.judge, errors", function()
  local function failed(status, code, message, headers)
    local value, failure = judge(status, { error = { code = code, message = message } }, headers)
    assert.is_nil(value)
    return failure
  end

  local kinds = {
    { 400, "Request_BadRequest", "refused" }, { 401, "InvalidAuthenticationToken", "auth" },
    { 402, "x", "refused" }, { 403, "Authorization_RequestDenied", "denied" }, { 404, "Request_ResourceNotFound",
      "missing" },
    { 405, "x", "refused" }, { 408, "x", "transient" }, { 409, "Directory_ConcurrencyViolation", "conflict" },
    { 410, "resyncRequired", "refused" }, { 412, "x", "conflict" }, { 422, "x", "refused" }, { 423, "x", "refused" },
    { 429, "TooManyRequests", "throttled" }, { 429, "", "throttled" }, { 500, "Service_InternalServerError",
      "transient" },
    { 501, "x", "refused" }, { 502, "UnknownError", "transient" }, { 503, "", "transient" }, { 504, "", "transient" },
    { 503, "Directory_ThrottledTemporarily", "throttled" }, { 400, "Request_ThrottledTemporarily", "throttled" },
    { 403, "Directory_QuotaExceeded", "refused" }, { 403, "Directory_ResourceSizeExceeded", "refused" },
    { 403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "refused" },
    { 403, "AadPremiumLicenseRequired", "refused" }, { 400, "AadPremiumLicenseRequired", "refused" },
    { 403, "RoleAssignmentRequestPolicyValidationFailed", "refused" },
    { 400, "CannotUpdateLockedServicePrincipalProperty", "refused" },
    { 403, "CannotUpdateLockedServicePrincipalPropertyWithEnforcementScope", "refused" },
    { 403, "Authentication_RequestFromUnsupportedUserRole", "denied" }, { 403, "NewCode", "denied" },
    { 403, "insufficient_claims", "denied" },
    { 400, "Request_MultipleObjectsWithSameKeyValue", "conflict" },
  }
  for _, case in ipairs(kinds) do
    it(("calls %d %s %s"):format(case[1], case[2], case[3]), function()
      local failure = failed(case[1], case[2], "words")
      assert.equal(case[3], failure.kind)
      assert.equal(case[2], failure.code)
      assert.equal(case[1], failure.status)
    end)
  end

  local LAG = {
    { 400, "The appId 'x' of the service principal does not reference a valid application object." },
    { 403, "When using this permission, the backing application of the service principal being created must in the"
      .. " local tenant" },
    { 400, "Not a valid reference update." },
    { 404, "Resource 'x' does not exist or one of its queried reference-property objects are not present." },
  }
  for _, case in ipairs(LAG) do
    it("knows as not yet replicated: " .. case[2], function()
      local failure = failed(case[1], "Request_BadRequest", case[2])
      assert.is_true(failure.lag)
      assert.is_nil(failure.exists)
    end)
  end

  local EXISTS = {
    "Permission being assigned already exists on the object",
    "A conflicting object with one or more of the specified property values is present in the directory.",
    "One or more added object references already exist for the following modified properties: 'members'.",
    "Permission entry already exists.", "The service principal name 'x' is already in use.",
    "Another object with the same value for property userPrincipalName already exists.",
  }
  for _, message in ipairs(EXISTS) do
    it("knows as already there: " .. message, function()
      local failure = failed(400, "Request_BadRequest", message)
      assert.equal("conflict", failure.kind)
      assert.is_true(failure.exists)
      assert.is_nil(failure.lag)
    end)
  end

  it("takes nothing else from a text", function()
    local failure = failed(400, "Request_BadRequest", "Too many requests, not found, denied")
    assert.equal("refused", failure.kind)
    assert.is_nil(failure.lag)
    assert.is_nil(failure.exists)
  end)

  it("reads ids, target and details", function()
    local _, failure = judge(400, { error = {
      code = "Request_BadRequest", message = "Invalid.\r\nmore", target = "mail",
      details = json.array { { code = "PropertyConflict", target = "mail", message = "taken", extra = 1 } },
      innerError = { ["request-id"] = "r-1", ["client-request-id"] = "c-1", date = "2026-11-23T05:00:00" },
    } }, { date = DATE, ["retry-after"] = "3" })
    assert.same({
      kind = "refused", status = 400, code = "Request_BadRequest", message = "Invalid.", target = "mail",
      details = { { code = "PropertyConflict", target = "mail", message = "taken" } },
      request_id = "r-1", client_request_id = "c-1", date = 1795410000.0, retry_after = 3.0,
    }, failure)
  end)

  it("prefers the ids in the headers", function()
    local _, failure = judge(400, { error = { code = "x", message = "", innerError = { ["request-id"] = "inner" } } },
      { ["request-id"] = "outer", ["client-request-id"] = "client" })
    assert.equal("outer", failure.request_id)
    assert.equal("client", failure.client_request_id)
  end)

  it("reads every spelling that was seen", function()
    local function code_and_message(body)
      local _, failure = judge(400, body)
      return failure.code .. "|" .. failure.message
    end
    assert.equal("A|B", code_and_message { error = { code = "A", message = { lang = "en", value = "B" } } })
    assert.equal("A|B", code_and_message { ["odata.error"] = { code = "A", message = { lang = "en", value = "B" } } })
    assert.equal("C|B", code_and_message { error = { code = "", message = "B", innererror = { code = "C" } } })
    assert.equal("|", code_and_message { error = { code = "", message = "" } })
    assert.equal("|", code_and_message { error = { code = 5, message = 7 } })
    assert.equal("|", code_and_message { error = {} })
    local _, failure = judge(400, { error = { code = "A", details = { code = "one", message = "alone" } } })
    assert.same({ { code = "one", message = "alone" } }, failure.details)
    _, failure = judge(400, { error = { code = "A", details = json.array { 5, "x" } } })
    assert.same({ {}, {} }, failure.details)
  end)

  it("reads errors that are not Graph's", function()
    local function kind_and_message(status, body, headers)
      local _, failure = judge(status, body, headers)
      return failure.kind .. "|" .. failure.message
    end
    assert.equal("transient|the body of the answer is an HTML page", kind_and_message(502, "<html>Bad Gateway</html>"))
    assert.equal("denied|the body of the answer is an HTML page", kind_and_message(403, " \n<!doctype html>"))
    assert.equal("missing|the body of the answer is empty", kind_and_message(404, ""))
    assert.equal("refused|the body of the answer is not an error in JSON", kind_and_message(400, '{"error":"text"}'))
    assert.equal("refused|the body of the answer is not an error in JSON", kind_and_message(400, "[1,2]"))
  end)

  it("sees a claims challenge in the header", function()
    local challenge = 'Bearer realm="", authorization_uri="x", error="insufficient_claims", claims="e30="'
    local _, failure = judge(401, "", { ["www-authenticate"] = challenge })
    assert.equal("insufficient_claims", failure.code)
    assert.equal("denied", failure.kind)
  end)

  it("reads Retry-After as it is", function()
    assert.equal(3600, failed(429, "TooManyRequests", "", { ["retry-after"] = "3600" }).retry_after)
    assert.equal(12, failed(429, "", "", { ["retry-after"] = "Mon, 23 Nov 2026 05:00:12 GMT",
      date = DATE }).retry_after)
  end)

  it("survives any bytes", function()
    math.randomseed(7)
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
      local status = ({ 200, 204, 302, 400, 401, 403, 404, 409, 429, 500, 503 })[math.random(11)]
      judge(status, table.concat(bytes))
    end
  end)

  it("survives every cut and every changed byte of an error", function()
    local text = json.encode { error = { code = "A", message = "B", details = json.array { { code = "x" } },
      innerError = { ["request-id"] = "r" } } }
    for i = 0, #text do judge(400, text:sub(1, i)) end
    for i = 1, #text do
      for _, c in ipairs { '"', "{", "}", "0", "\\", "\0" } do judge(400, text:sub(1, i - 1) .. c
        .. text:sub(i + 1)) end
    end
  end)
end)
