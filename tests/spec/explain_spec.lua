--- explain: that every known error has a cause and a fix a person can use.

local aadsts = require "explain.aadsts"
local explain = require "explain.cause"
local login_codes = require "explain.login_codes"
local graph_rules = require "explain.graph_errors"

local function check_texts(entry, where)
  assert.equal("string", type(entry.cause), where)
  assert.equal("string", type(entry.fix), where)
  assert.is_true(#entry.cause <= 220, where)
  local first = entry.cause:match "^%S+"
  assert.truthy(first:match "^%l" or first == "Graph" or first == "Entra", where .. ": a cause stands after a colon")
  assert.is_nil(entry.cause:match("%.$"), where .. ": a cause has no full stop")
  assert.truthy(entry.fix:match("^%u.*%.$"), where .. ": a fix is a sentence")
  assert.truthy(entry.source == "docs" or entry.source == "field", where)
end

describe("why a peer's answer cannot be read", function()
  it("says what to do where its secrets need more room than there is", function()
    local reason = explain.peer({ kind = "bad_answer", status = 200, message = "the answer cannot be read: JSON has "
      .. "30000 texts that are secrets, more than there is room for" }, "vault")
    assert.matches("^the memory for secrets, which is never swapped out, is too small", reason.cause)
    assert.matches("^Ask for less at once: .* peers%.vault = { answers = { \"data%.token\" }, … } in the profile%.$",
      reason.fix)
  end)
end)

describe("explain.aadsts", function()
  it("has a cause, a fix and a source for each number, and each number once", function()
    local seen = {}
    local marks = { codes = true, source = true, cause = true, fix = true, application_fix = true, new = true,
      policy = true, wraps = true, kind = true }
    for _, entry in ipairs(aadsts) do
      for name in pairs(entry) do assert.is_true(marks[name], name) end
      for _, code in ipairs(entry.codes) do
        check_texts(entry, tostring(code))
        assert.is_nil(seen[code], code)
        seen[code] = true
      end
    end
  end)

  it("knows what an admin will meet", function()
    for _, code in ipairs {
      90002, 90038, 900144, 700016, 7000215, 7000222, 7000218, 700027, 700024, 70021, 65001, 90094, 50011, 70016,
        50034, 50126,
      50053, 50055, 50057, 50076, 50079, 50105, 53000, 53003, 53004, 50173, 70008, 50194, 50196, 90033, 90055, 500011,
      120002,
    } do
      assert.truthy(explain.aadsts(code), code)
    end
  end)

  it("takes a number, digits or the whole word", function()
    local reason = explain.aadsts(7000222)
    assert.equal("the client secret has expired", reason.cause)
    assert.same(reason, explain.aadsts("7000222"))
    assert.same(reason, explain.aadsts("AADSTS7000222"))
    for _, unknown in ipairs { 1, "x", "", 1.5, "AADSTS" } do assert.is_nil(explain.aadsts(unknown)) end
    assert.is_nil(explain.aadsts(nil))
  end)
end)

describe("explain.login_codes", function()
  it("chooses the last known number; one that wraps others only when it is alone", function()
    for _, case in ipairs {
      { { 7000215 }, 7000215 }, { { 70002, 70000 }, 70000 }, { { 70000, 70002 }, 70000 }, { { 70002 }, 70002 },
      { { 70002, 5 }, 5 }, { { 5, 53003 }, 53003 }, { { 53003, 5 }, 53003 }, { {}, 1 }, { { 5, 6 }, 6 },
    } do
      assert.equal(case[2], login_codes.choose(case[1], "AADSTS1: read only where there is no list"))
    end
  end)

  it("reads the numbers of the message where there is no list", function()
    local text = "AADSTS70002: Error validating credentials. AADSTS50126: Wrong."
    assert.equal(50126, login_codes.choose(nil, text))
    assert.equal(50126, login_codes.choose({}, text))
    assert.is_nil(login_codes.choose(nil, "no number"))
    assert.is_nil(login_codes.choose(nil, nil))
  end)

  it("tells what refuses something new, and what is a policy", function()
    for _, code in ipairs { 7000215, 700016, 7000229, 700027, 70021 } do assert.is_true(login_codes.is_new(code)) end
    for _, code in ipairs { 7000222, 53003, 5 } do assert.is_false(login_codes.is_new(code)) end
    for _, code in ipairs { 53000, 53003, 530032 } do assert.is_true(login_codes.is_policy(code)) end
    assert.is_false(login_codes.is_policy(7000229))
    assert.is_false(login_codes.is_policy(nil))
  end)
end)

describe("explain.graph", function()
  it("has a cause, a fix and a source for each rule", function()
    for place, rule in ipairs(graph_rules) do check_texts(rule, "rule " .. place) end
  end)

  local cases = {
    { { code = "Authorization_RequestDenied" }, { method = "POST", path = "/servicePrincipals/1/appRoleAssignedTo" },
      "we are not allowed to grant application permissions" },
    { { code = "Authorization_RequestDenied" }, { method = "POST",
      path = "/roleManagement/directory/roleAssignments" }, "we are not allowed to read or assign directory roles" },
    { { code = "Authorization_RequestDenied" }, { method = "GET", path = "/users" },
      "we are not allowed to do this: a permission is missing" },
    { { code = "Authorization_RequestDenied" }, { method = "PATCH", path = "/users/1", body = { city = "x" } },
      "we are not allowed to do this: a permission is missing" },
    { { status = 400, message = "The specified password does not comply with password complexity requirements." }, {},
      "the tenant's password policy refuses this password" },
    { { status = 400, message = "Unable to update the specified properties for on-premises mastered Directory Sync"
      .. " objects" },
      { path = "/users/1", body = { passwordProfile = {} } }, "the account is mastered on premises" },
    { { code = "CredentialTypeNotAllowedAsPerAppPolicy" }, {},
      "a policy of the tenant allows applications no client secrets" },
    { { code = "CredentialInvalidLifetimeAsPerAppPolicy" }, {},
      "a policy of the tenant allows client secrets only a shorter life" },
    { { code = "AadPremiumLicenseRequired" }, {}, "the tenant lacks the licence" },
    { { code = "insufficient_claims", kind = "denied" }, {},
      "a Conditional Access policy requires a stronger sign-in" },
    { { code = "Authorization_IdentityNotFound", kind = "auth" }, {},
      "the tenant does not know the signed-in application or user (yet)" },
    { { code = "InvalidAuthenticationToken", kind = "auth" }, {},
      "Graph does not accept the sign-in, not even a new one" },
    { { code = "UnknownError", kind = "denied" }, {}, "we are not allowed to do this" },
    { { code = "Request_UnsupportedQuery" }, {}, "this query needs Graph's advanced query mode" },
    { { code = "Directory_QuotaExceeded" }, {},
      "the directory, or the creator of these objects, has too many objects" },
    { { kind = "conflict" }, {}, "it is so already" },
    { { kind = "conflict", exists = true }, {}, "it exists already" },
    { { kind = "conflict", code = "NewCode", status = 409 }, {},
      "the code NewCode is unknown to Moonlatch; HTTP 409 often means that it is so already" },
    { { kind = "denied", code = "NewCode", status = 403 }, {},
      "the code NewCode is unknown to Moonlatch; HTTP 403 often means that we are not allowed to do this" },
    { { kind = "missing", code = "MailboxNotEnabledForRESTAPI", status = 404 }, {},
      "the code MailboxNotEnabledForRESTAPI is unknown to Moonlatch; HTTP 404 often means that the object" },
    { { kind = "missing", code = "Request_ResourceNotFound", status = 404 }, {}, "the object does not exist" },
    { { kind = "refused", code = "Directory_ResourceSizeExceeded" }, {}, "the object has no room for another value" },
    { { kind = "refused", code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant" }, {},
      "the tenant lacks the licence that this list needs" },
    { { kind = "denied", code = "Authentication_RequestFromUnsupportedUserRole" }, {},
      "the signed-in person holds no role that may read reports" },
    { { kind = "refused", code = "RoleAssignmentRequestAcrsValidationFailed" }, {}, "the role's settings ask for" },
    { { kind = "refused", code = "CannotUpdateLockedServicePrincipalProperty" }, {}, "the application locks this" },
    { { code = "Authorization_RequestDenied" }, { method = "PATCH", path = "/users('$x@y')",
      body = { passwordProfile = {} } }, "we may not set this person's password" },
    { { kind = "missing" }, {}, "the object does not exist" },
    { { kind = "missing" }, { fresh_write = true }, "Entra has not replicated the last change" },
    { { kind = "refused", lag = true }, { fresh_write = true }, "Entra has not replicated the last change" },
    { { kind = "throttled" }, {}, "there were too many requests" },
    { { kind = "transient" }, {}, "the service is in trouble" },
    { { kind = "bad_answer" }, {}, "the answer is not from Microsoft Graph" },
    { { kind = "refused", code = "Request_BadRequest", status = 400, message = "x" }, {},
      "Graph understood this and refuses it" },
    { { kind = "unknown_outcome", transport = "cut" }, {}, "it is unknown whether the change was made" },
    { { kind = "network", transport = "tls" }, {}, "no safe connection can be made" },
    { { kind = "network", transport = "certificate" }, {},
      "the server's certificate does not prove that it is the right server" },
  }
  for _, case in ipairs(cases) do
    it("says: " .. case[3], function()
      local reason = explain.graph(case[1], case[2])
      assert.equal(case[3], reason.cause:sub(1, #case[3]))
      assert.equal("string", type(reason.fix))
    end)
  end

  it("says nothing where it knows nothing", function()
    assert.same({}, explain.graph({ kind = "network", transport = "new" }))
  end)
end)

describe("explain.login and explain.devolutions", function()
  it("prefer the number, then the kind, then the word", function()
    assert.equal("the client secret has expired", explain.login({ code = 7000222, error = "invalid_client" }).cause)
    assert.equal("there were too many requests", explain.login({ kind = "throttled", error = "http" }).cause)
    assert.equal("the code AADSTS5 is unknown to Moonlatch; invalid_client often means that the application's "
      .. "credential was not accepted", explain.login({ code = 5, error = "invalid_client" }).cause)
    assert.equal("the code AADSTS5 is unknown to Moonlatch", explain.login({ code = 5, error = "new" }).cause)
    assert.equal("the application's credential was not accepted", explain.login({ error = "invalid_client" }).cause)
    assert.equal("the login service refuses", explain.login({ error = "new" }).cause)
    assert.equal("the host name cannot be resolved", explain.login({ transport = "dns" }).cause)
  end)

  it("know the server's refusals", function()
    assert.equal("the application identity may not do this", explain.devolutions({ kind = "denied" }).cause)
    assert.equal("the session was not accepted", explain.devolutions({ kind = "auth" }).cause)
    assert.equal("it is unknown whether the change was made: the answer is missing or unusable",
      explain.devolutions({ kind = "unknown_outcome" }).cause)
    assert.equal("Devolutions Server refuses this", explain.devolutions({ kind = "refused" }).cause)
  end)
end)
