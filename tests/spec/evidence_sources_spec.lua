--- What is read from Entra's logs, in the forms in which they were recorded: records that elastic/integrations@0c1eadf
--- (packages/azure/data_stream/auditlogs, 2022) and rknightion/graph2otel@dfd9ef7 (internal/collectors/entra, 2026)
--- published. Ids are replaced.

local audits = require "evidence.audits"
local counted_sign_ins = require "evidence.counted_sign_ins"
local daily_report = require "evidence.daily_report"
local fail = require "fail"
local json = require "json"
local principal_report = require "evidence.principal_report"
local reading = require "evidence.reading"
local sign_ins = require "evidence.sign_ins"
local time = require "time"

local APP = "a70a7931-c387-4dce-9f35-fbf95bdcc91e"

local function refuses(fn, record, why, ...)
  local ok, failure = pcall(fn, record, ...)
  assert.is_false(ok)
  assert.same({ "bad_answer", why }, { failure.kind, failure.why })
end

describe("a sign-in of an application", function()
  local RECORD = [[{"id":"66ea54eb-6301-4ee5-be62-ff5a759b0100","createdDateTime":"2026-07-17T07:15:02.5168093+00:00",
    "appId":"A70A7931-C387-4DCE-9F35-FBF95BDCC91E","servicePrincipalId":"b9814691-9ca1-4e55-a1ac-8ef5dd010ec0",
    "servicePrincipalCredentialKeyId":"7DFFCDC5-f2d5-43ae-86f1-682561befd4b","servicePrincipalCredentialThumbprint":"",
    "clientCredentialType":"clientSecret","userId":"","deviceDetail":{"deviceId":"","displayName":""},
    "clientAppUsed":"Unknown","signInEventTypes":["servicePrincipal"],"ipAddress":"203.0.113.88",
    "agent":{"agentType":"notAgentic","agentSubjectType":"notAgentic"},"resourceDisplayName":"Microsoft Graph",
    "correlationId":"53161141-E3F4-4944-85b6-7b953f17265e","status":{"errorCode":0,"failureReason":"Other."}}]]

  local function with(more)
    local record = json.decode(RECORD)
    for name, value in pairs(more or {}) do record[name] = value end
    return record
  end

  it("is read with its key id, address and moment", function()
    assert.same({
      id = "66ea54eb-6301-4ee5-be62-ff5a759b0100", at = time.parse "2026-07-17T07:15:02Z" + 0.5168093, app_id = APP,
      key_id = "7dffcdc5-f2d5-43ae-86f1-682561befd4b", credential = "secret", address = "203.0.113.88", error = 0,
      resource = "Microsoft Graph", correlation_id = "53161141-e3f4-4944-85b6-7b953f17265e",
    }, sign_ins.decode(with(), APP))
  end)

  it("that failed has its code and reason, and may have no key id", function()
    for _, none in ipairs { json.null, "", "00000000-0000-0000-0000-000000000000" } do
      local event = sign_ins.decode(with {
        servicePrincipalCredentialKeyId = none, ipAddress = json.null, clientCredentialType = "none",
        status = { errorCode = "7000222", failureReason = "The provided client secret keys are expired." },
      }, APP)
      assert.same({ 7000222, "The provided client secret keys are expired.", "unknown" },
        { event.error, event.reason, event.credential })
      assert.same({}, { event.key_id, event.address })
    end
  end)

  it("is refused when it says not when it was, or how it ended", function()
    local function is_refused(member, more) refuses(sign_ins.decode, with(more), "a record has no readable `" .. member
      .. "`", APP) end
    is_refused("createdDateTime", { createdDateTime = "yesterday" })
    is_refused("status.errorCode", { status = json.null })
    is_refused("id", { id = 5 })
  end)
end)

describe("a row of the daily report", function()
  it("is read in the recorded form and in the documented one", function()
    local recorded = json.decode [[{"id":"NmZiYjFjZDItZmM3MC0wMDAw","keyId":"6FBB1CD2-fc70-4000-8000-000000000000",
      "keyType":"password","keyUsage":"verify","appId":"A70A7931-c387-4dce-9f35-fbf95bdcc91e","appObjectId":"x",
      "servicePrincipalObjectId":null,"resourceId":"00000003-0000-0000-c000-000000000000",
      "credentialOrigin":"application","createdDateTime":"2026-07-15T22:03:48.075Z",
      "expirationDateTime":"2027-05-15T00:00:00Z",
      "signInActivity":{"lastSignInDateTime":"2026-07-16T23:59:55Z","lastSignInRequestId":"Aggregated"}}]]
    assert.same({ app_id = APP, key_id = "6fbb1cd2-fc70-4000-8000-000000000000",
      at = time.parse "2026-07-16T23:59:55Z", origin = "application" }, daily_report.decode(recorded))
    local documented = { keyId = "k", appId = APP, keyType = "clientSecret", credentialOrigin = "servicePrincipal",
      expirationDate = "2027-05-15T00:00:00Z", signInActivity = json.null }
    assert.same({ app_id = APP, key_id = "k", origin = "servicePrincipal" }, daily_report.decode(documented))
    refuses(daily_report.decode, { appId = APP }, "a record has no readable `keyId`")
  end)

  it("is the newest where a key id has two", function()
    local rows = daily_report.newest {
      { key_id = "a", at = 5, origin = "application" }, { key_id = "b", origin = "application" },
      { key_id = "a", at = 9, origin = "servicePrincipal" }, { key_id = "b", at = 1, origin = "servicePrincipal" },
    }
    assert.same({ { "a", 9 }, { "b", 1 } }, { { rows[1].key_id, rows[1].at }, { rows[2].key_id, rows[2].at } })
  end)
end)

describe("a row of the report on service principals", function()
  it("is read in the recorded form, and an object without moments is unknown", function()
    local none = { lastSignInDateTime = json.null, lastSignInRequestId = json.null }
    local recorded = { id = "YTcwYTc5MzE=", appId = APP:upper(), delegatedResourceSignInActivity = none,
      applicationAuthenticationClientSignInActivity = { lastSignInDateTime = "2026-07-16T23:58:00Z",
        lastSignInRequestId = "Aggregated" },
      applicationAuthenticationResourceSignInActivity = none,
      delegatedClientSignInActivity = { lastSignInDateTime = "2026-07-16T23:59:55Z" },
      lastSignInActivity = { lastSignInDateTime = "2026-07-16T23:59:55Z" } }
    assert.same({ app_id = APP, itself = time.parse "2026-07-16T23:58:00Z", people = time.parse "2026-07-16T23:59:55Z",
      last = time.parse "2026-07-16T23:59:55Z" }, principal_report.decode(recorded))
    assert.same({ app_id = "a" }, principal_report.decode { appId = "a", lastSignInActivity = json.null })
    refuses(principal_report.decode, {}, "a record has no readable `appId`")
  end)
end)

describe("counted sign-ins", function()
  local RECORD = [[{"signInCount":24,"aggregationDateTime":"2025-02-26T06:00:00Z",
    "firstSignInDateTime":"2025-02-26T06:05:14Z","appId":"A70A7931-c387-4dce-9f35-fbf95bdcc91e",
    "ipAddress":"203.0.113.88","resourceDisplayName":"Microsoft Graph",
    "status":{"errorCode":7000222,"failureReason":"Expired."},"agent":{"agentType":"notAgentic"}}]]

  it("are read with their number, address and code, as documented", function()
    assert.same({ app_id = APP, from = time.parse "2025-02-26T06:00:00Z", first = time.parse "2025-02-26T06:05:14Z",
      count = 24, address = "203.0.113.88", error = 7000222, reason = "Expired.", resource = "Microsoft Graph" },
      counted_sign_ins.decode(json.decode(RECORD), APP))
    for member, name in pairs { aggregationDateTime = "aggregationDateTime", signInCount = "signInCount",
      status = "status.errorCode" } do
      local record = json.decode(RECORD)
      record[member] = json.null
      refuses(counted_sign_ins.decode, record, ("a record has no readable `%s`"):format(name), APP)
    end
  end)
end)

describe("a record of the audit log", function()
  -- A record with this name and these modified properties.
  local function record(name, properties, more)
    local all = {
      id = "Directory_53161141-e3f4-4944-85b6-7b953f17265e_6X649_134684731",
      activityDateTime = "2022-01-22T18:15:02.5168093Z", activityDisplayName = name, result = "success",
      initiatedBy = { app = { appId = json.null, displayName = "Devolutions PAM",
        servicePrincipalId = "B9814691-9ca1-4e55-a1ac-8ef5dd010ec0", servicePrincipalName = json.null },
        user = json.null },
      targetResources = { { id = "A7D5DCBE-0627-4ddf-a2f4-86b6785bcc42", displayName = json.null, type = "User",
        userPrincipalName = "anna@contoso.com", modifiedProperties = properties or {} } },
    }
    for member, value in pairs(more or {}) do all[member] = value end
    return all
  end

  it("has the key ids that were added and removed, in the recorded form", function()
    local change = audits.decode(json.decode([==[{
      "id":"Directory_53161141-e3f4-4944-85b6-7b953f17265e_6X649_134684731","category":"ApplicationManagement",
      "correlationId":"53161141-e3f4-4944-85b6-7b953f17265e","result":"success","resultReason":"",
      "activityDisplayName":"Add service principal credentials","activityDateTime":"2022-01-22T18:15:02.5168093+00:00",
      "loggedByService":"Core Directory","operationType":"Update","userAgent":null,
      "initiatedBy":{"app":{"appId":null,"displayName":"Managed Service Identity",
        "servicePrincipalId":"b9814691-9ca1-4e55-a1ac-8ef5dd010ec0","servicePrincipalName":null}},
      "targetResources":[{"id":"a7d5dcbe-0627-4ddf-a2f4-86b6785bcc42","displayName":"billing-test-wus",
        "type":"ServicePrincipal","modifiedProperties":[{"displayName":"KeyDescription",
        "oldValue":"[\"[]==]
      .. [==[KeyIdentifier=7dffcdc5-f2d5-43ae-86f1-682561befd4b,KeyType=AsymmetricX509Cert,KeyUsage=Verify]\",\"[]==]
      .. [==[KeyIdentifier=C9C0B961-a80a-4a71-9c3a-b67b33edf874,KeyType=AsymmetricX509Cert,KeyUsage=Verify]\"]",
        "newValue":"[\"[]==]
      .. [==[KeyIdentifier=7dffcdc5-f2d5-43ae-86f1-682561befd4b,KeyType=AsymmetricX509Cert,KeyUsage=Verify]\",\"[]==]
      .. [==[KeyIdentifier=d747da7e-e11b-4af2-aede-0487c44067af,KeyType=Password,KeyUsage=Verify,DisplayName=x]\"]"},
        {"displayName":"Included Updated Properties","oldValue":null,"newValue":"\"KeyDescription\""}],
        "administrativeUnits":[]}],"additionalDetails":[{"key":"AppId","value":"a70a7931-c387-4dce-9f35-fbf95bdcc91e"}]
      }]==]))
    assert.same({ "credentials", "success", { "d747da7e-e11b-4af2-aede-0487c44067af" },
      { "c9c0b961-a80a-4a71-9c3a-b67b33edf874" } }, { change.kind, change.result, change.added, change.removed })
    assert.same({ kind = "application", object_id = "b9814691-9ca1-4e55-a1ac-8ef5dd010ec0",
      name = "Managed Service Identity" }, change.by)
    assert.same({ { object_id = "a7d5dcbe-0627-4ddf-a2f4-86b6785bcc42", name = "billing-test-wus",
      type = "ServicePrincipal" } }, change.targets)
    assert.equal(time.parse "2022-01-22T18:15:02Z" + 0.5168093, change.at)
  end)

  it("says who acted: an application by its service principal, a person with the address, or nobody known", function()
    local function by(initiated) return audits.decode(record("x", nil, { initiatedBy = initiated })).by end
    assert.same({ kind = "person", object_id = "u1", name = "Anna", user_name = "anna@contoso.com",
      address = "203.0.113.9" }, by { app = json.null, user = { id = "U1", displayName = "Anna",
      userPrincipalName = "anna@contoso.com", ipAddress = "203.0.113.9" } })
    assert.same({ kind = "unknown" }, by { app = json.null, user = json.null })
    assert.same({ kind = "unknown" }, by(json.null))
    assert.same({ kind = "application", object_id = "b9814691-9ca1-4e55-a1ac-8ef5dd010ec0", name = "Devolutions PAM" },
      audits.decode(record "x").by)
  end)

  local KINDS = {
    reset = { "Reset user password", "Reset user password.", "reset password", "Reset password (by admin) ",
      "Reset password (self-service)", "Update PasswordProfile", "Change user password" },
    credentials = { "Update application – Certificates and secrets management ",
      "Update application - Certificates and secrets management", "Add service principal credentials",
      "Remove service principal credentials" },
    consent = { "Consent to application", "Add app role assignment to service principal",
      "Remove app role assignment from service principal", "Add delegated permission grant",
      "Add app role assignment grant to user" },
    role = { "Add member to role", "Remove member from role", "Add scoped member to role",
      "Add eligible member to role", "Add member to role outside of PIM (permanent)",
      "Add member to role in PIM completed (timebound)", "Remove member from role (PIM activation expired)" },
    deleted = { "Delete application", "Hard Delete application", "Remove service principal", "Delete user" },
    disabled = { "Disable account" },
    other = { "Update user", "Update application", "Update service principal", "Add user", "Enable account",
      "Update StsRefreshTokenValidFrom Timestamp", "Add owner to application" },
  }
  for kind, names in pairs(KINDS) do
    it(("is a change of the kind '%s' by its name, in whatever spelling"):format(kind), function()
      for _, name in ipairs(names) do assert.equal(kind, audits.decode(record(name)).kind, name) end
    end)
  end

  it("with a general name is told by what it changed", function()
    local function kind(name, property, new)
      return audits.decode(record(name, { { displayName = property, oldValue = json.null, newValue = new } })).kind
    end
    assert.equal("reset", kind("Update user", "PasswordProfile", "\"\""))
    assert.equal("other", kind("Update user", "PasswordPolicies", "\"DisablePasswordExpiration\""))
    assert.equal("other", kind("Add user", "PasswordProfile", "\"\""))
    assert.equal("credentials", kind("Update application", "KeyDescription", "[]"))
    assert.equal("credentials", kind("Update application", "FederatedIdentityCredentials", "[]"))
    assert.equal("disabled", kind("Update service principal", "AccountEnabled", "[false]"))
    assert.equal("other", kind("Update service principal", "AccountEnabled", "[true]"))
  end)

  it("is refused when it has no moment or name", function()
    refuses(audits.decode, record("x", nil, { activityDateTime = json.null }),
      "a record has no readable `activityDateTime`")
    refuses(audits.decode, record(""), "a record has no readable `activityDisplayName`")
  end)
end)

describe("a source that cannot be read", function()
  local function gap(failure) return reading.gap(fail.new(failure)) end

  it("is not available here, with the reason and what would lift it", function()
    local unlicensed = gap { kind = "denied", what = "x", why = "y", status = 403,
      code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant" }
    assert.same({ "the tenant has no licence Entra ID P1 or P2, which Entra demands for this log",
      "With a licence Entra ID P1 or P2 this can be known; it takes up to three days to show.", true },
      { unlicensed.why, unlicensed.fix, unlicensed.unavailable })
    local denied = gap { kind = "denied", what = "x", why = "y", status = 403, code = "Authorization_RequestDenied" }
    assert.same({ "not permitted", "Grant the permission AuditLog.Read.All to the application that signs in; a person "
      .. "needs the directory role Reports Reader or Security Reader. Or leave evidence out: --no-evidence.", true },
      { denied.why, denied.fix, denied.unavailable })
    assert.equal("this cloud does not have it", gap { kind = "missing", what = "x", why = "y", status = 404 }.why)
    assert.equal("this cloud does not have it", gap { kind = "refused", what = "x", why = "y", status = 400 }.why)
  end)

  it("for a while keeps its own reason, and stopping is no gap", function()
    local busy = gap { kind = "throttled", what = "x", why = "429: too many", status = 429, fix = "Wait." }
    assert.same({ why = "429: too many", fix = "Wait." }, busy)
    assert.equal("there was no time to read it", gap({ kind = "timeout", what = "x", why = "y" }).why)
    for _, kind in ipairs { "interrupted", "journal" } do
      local stop = fail.new { kind = kind, what = "x", why = "y" }
      local ok, failure = pcall(reading.gap, stop)
      assert.same({ false, stop }, { ok, failure })
    end
    assert.error_matches(function() reading.gap "a mistake" end, "a mistake", 1, true)
  end)
end)
