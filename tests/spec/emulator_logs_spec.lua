--- The logs of the emulated tenant: what really happened in it, in the shapes, with the filters and with the refusals
--- of Graph (recorded 2022 to 2026: graph2otel@dfd9ef7, elastic/integrations@0c1eadf; issues of microsoft-graph-docs).

local crypto = require "host.crypto"
local curl = require "curl"
local emulators = require "emulators"
local fake = require "fake_tenant"
local json = require "host.json"
local secret = require "host.secret"

local refused = fake.refused
local SIGN_INS, AUDITS = "/beta/auditLogs/signIns", "/auditLogs/directoryAudits"
local OF_APPS = "$filter=signInEventTypes/any(t: t eq 'servicePrincipal')"
local NO_QUOTA = { report_quota = false }
local DAY = 86400

local function flags(more)
  local all = {}
  for _, set in ipairs { NO_QUOTA, more or {} } do
    for name, value in pairs(set) do all[name] = value end
  end
  return all
end

describe("the logs of the emulated Graph", function()
  local world, app, reader

  local function open(more)
    world = fake.new { lag = false, flags = flags(more) }
    app = world.tenant:add_app { name = "Consumer" }
    reader = world:claims(world.tenant:add_app { name = "Reader", permissions = { "AuditLog.Read.All" } })
  end

  local function ask(target) return world:ask(reader, "GET", target) end

  local function rows(target)
    local status, body = ask(target)
    assert.equal(200, status, body.error and body.error.message)
    return body.value, body
  end

  local function sign_in(more)
    local about = { kind = "servicePrincipal", app = app.appId, name = "Consumer", principal = app.principal,
      credential = "clientSecret", key = world.tenant.keys_of[app.id][1], address = "203.0.113.88",
      resource = "graph" }
    for name, value in pairs(more or {}) do about[name] = value end
    world.tenant:record_sign_in(about)
  end

  local function audits_of(id)
    return rows(("%s?$filter=targetResources/any(t: t/id eq '%s')"):format(AUDITS, id))
  end

  local function names(list)
    local found = {}
    for i, row in ipairs(list) do found[i] = row.activityDisplayName end
    return found
  end

  local function property(record, name)
    for _, target in ipairs(record.targetResources) do
      for _, one in ipairs(target.modifiedProperties) do
        if one.displayName == name then return one end
      end
    end
  end

  local function members(record)
    local found = {}
    for name in pairs(record) do found[#found + 1] = name end
    table.sort(found)
    return table.concat(found, " ")
  end

  before_each(function() open() end)

  describe("show sign-ins", function()
    it("of applications with key id, address and error code, newest first", function()
      sign_in()
      world:wait(60)
      sign_in { code = 7000222, reason = "expired", key = "x" }
      local list, body = rows(SIGN_INS .. "?" .. OF_APPS)
      assert.matches("/beta/%$metadata#auditLogs/signIns$", body["@odata.context"])
      assert.same({ 7000222, json.null }, { list[1].status.errorCode, list[1].servicePrincipalCredentialKeyId })
      local row = list[2]
      assert.same({ app.appId, app.principal, world.tenant.keys_of[app.id][1], "clientSecret", "203.0.113.88", 0 },
        { row.appId, row.servicePrincipalId, row.servicePrincipalCredentialKeyId, row.clientCredentialType,
          row.ipAddress, row.status.errorCode })
      assert.same({ "servicePrincipal" }, { table.unpack(row.signInEventTypes) })
      assert.same({ "", "" }, { row.userId, row.deviceDetail.browser })
    end)

    it("with the key id of a failed one: a switch", function()
      open { failed_sign_in_has_key = true }
      sign_in { code = 7000222, key = "some key" }
      assert.equal("some key", rows(SIGN_INS .. "?" .. OF_APPS)[1].servicePrincipalCredentialKeyId)
    end)

    it("only of people at a page, when no kind is asked for; v1.0 cannot ask for others", function()
      sign_in()
      assert.equal(0, #rows(SIGN_INS))
      assert.equal(0, #rows "/auditLogs/signIns")
      local person = world.tenant:person "adele"
      sign_in { kind = "interactiveUser", user = person }
      local row = rows("/auditLogs/signIns")[1]
      assert.same({ person.id, nil }, { row.userId, row.servicePrincipalCredentialKeyId })
      refused(400, "BadRequest", "Could not find a property named 'signInEventTypes' on type 'microsoft.graph.signIn'.",
        ask("/auditLogs/signIns?" .. OF_APPS))
      refused(400, "BadRequest", "Invalid filter clause", ask(SIGN_INS .. "?" .. OF_APPS
        .. " or signInEventTypes/any(t: t eq 'interactiveUser')"))
    end)

    it("that fit the filters which exist, and refuse the others", function()
      sign_in { address = "198.51.100.1" }
      sign_in { app = "another" }
      local function count(filter) return #rows(("%s?%s and %s"):format(SIGN_INS, OF_APPS, filter)) end
      assert.equal(1, count(("appId eq '%s'"):format(app.appId)))
      assert.equal(1, count "ipAddress eq '198.51.100.1'")
      assert.equal(2, count "createdDateTime ge 2026-11-01T00:00:00Z and createdDateTime le 2027-01-01")
      assert.equal(0, count "createdDateTime ge 2027-01-01")
      for _, filter in ipairs { "servicePrincipalCredentialKeyId eq 'x'", "createdDateTime gt 2026-11-01T00:00:00Z",
        "createdDateTime ge '2026-11-01T00:00:00Z'", "createdDateTime ge 2026-01-01", "appId ne 'x'",
        "contains(appDisplayName,'x')", "not (appId eq 'x')" } do
        refused(400, "BadRequest", "Invalid filter clause", ask(("%s?%s and %s"):format(SIGN_INS, OF_APPS, filter)))
      end
      refused(400, "BadRequest", "Could not find a property named 'keyId' on type 'microsoft.graph.signIn'.",
        ask(SIGN_INS .. "?$filter=keyId eq 'x'"))
      refused(400, "BadRequest", "Invalid orderby clause: 'appId' cannot be ordered by.",
        ask(SIGN_INS .. "?$orderby=appId"))
    end)

    it("in pages of at most 1000, which new ones do not disturb", function()
      for _ = 1, 5 do sign_in() end
      local list, body = rows(SIGN_INS .. "?$top=2&" .. OF_APPS)
      local seen = { list[1].id, list[2].id }
      sign_in()
      while body["@odata.nextLink"] do
        list, body = rows(body["@odata.nextLink"]:match("^https://[^/]+(/.*)$"))
        for _, row in ipairs(list) do seen[#seen + 1] = row.id end
      end
      local different = {}
      for _, id in ipairs(seen) do different[id] = true end
      assert.equal(5, #seen)
      assert.equal(6, #rows(SIGN_INS .. "?" .. OF_APPS))
      refused(400, "Request_UnsupportedQuery", "Invalid page size specified: '1001'. Must be between 1 and 1000 "
        .. "inclusive.", ask(SIGN_INS .. "?$top=1001"))
      assert.equal(5, (function() local n = 0 for _ in pairs(different) do n = n + 1 end return n end)())
    end)

    it("in several forms of their moment", function()
      world.time = world.time + 0.25
      local forms = {}
      for _ = 1, 40 do sign_in() end
      for _, row in ipairs(rows(SIGN_INS .. "?" .. OF_APPS)) do forms[row.createdDateTime:gsub("%d", "0")] = true end
      assert.same({ ["0000-00-00T00:00:00Z"] = true, ["0000-00-00T00:00:00.00Z"] = true,
        ["0000-00-00T00:00:00+00:00"] = true }, forms)
    end)

    it("one by one", function()
      sign_in()
      local id = rows(SIGN_INS .. "?" .. OF_APPS)[1].id
      assert.equal(app.appId, select(2, ask(SIGN_INS .. "/" .. id)).appId)
      assert.equal(404, (ask(SIGN_INS .. "/" .. app.appId)))
    end)

    it("late, and not all of them: switches", function()
      open { sign_in_delay = { 3600, 3600 } }
      sign_in()
      world:wait(3599)
      assert.equal(0, #rows(SIGN_INS .. "?" .. OF_APPS))
      world:wait(1)
      assert.equal(1, #rows(SIGN_INS .. "?" .. OF_APPS))
      world.tenant:set_flag("sign_ins_lost", 0.5)
      for _ = 1, 100 do sign_in() end
      world:wait(3600)
      local count = #rows(SIGN_INS .. "?" .. OF_APPS)
      assert.is_true(count > 30 and count < 70, count)
    end)

    it("with the client-request-id as correlation id: a switch", function()
      local mine = "6fbb1cd2-fc70-4e4c-b3ae-da576580a240"
      sign_in { request = mine }
      assert.are_not.equal(mine, rows(SIGN_INS .. "?" .. OF_APPS)[1].correlationId)
      world.tenant:set_flag("sign_in_keeps_request_id", true)
      assert.equal(mine, rows(SIGN_INS .. "?" .. OF_APPS)[1].correlationId)
    end)

    it("counted by hour or day, without key ids", function()
      world.time = (world.time // DAY + 1) * DAY + 3600
      sign_in()
      world:wait(600)
      sign_in()
      sign_in { code = 7000222, reason = "expired" }
      local target = "/beta/auditLogs/getSummarizedServicePrincipalSignIns(aggregationWindow='%s')?$filter=appId eq '"
        .. app.appId .. "'"
      local list = rows(target:format "d1")
      assert.same({ 1, 7000222, 2, 0 }, { list[1].signInCount, list[1].status.errorCode, list[2].signInCount,
        list[2].status.errorCode })
      assert.is_nil(list[1].servicePrincipalCredentialKeyId)
      refused(400, "BadRequest", "Invalid value specified for parameter 'aggregationWindow'.", ask(target:format "d2"))
    end)

    it("for 30 days", function()
      sign_in()
      world:wait(30 * DAY)
      assert.equal(1, #rows(SIGN_INS .. "?" .. OF_APPS))
      world:wait(1)
      assert.equal(0, #rows(SIGN_INS .. "?" .. OF_APPS))
    end)
  end)

  describe("are refused", function()
    it("without the permission, which is named; Directory.Read.All is not enough", function()
      local other = world:claims(world.tenant:add_app { name = "Other", permissions = { "Directory.Read.All" } })
      for _, target in ipairs { SIGN_INS, AUDITS } do
        refused(403, "Authentication_MSGraphPermissionMissing",
          "Calling principal does not have required MSGraph permissions AuditLog.Read.All",
          world:ask(other, "GET", target))
      end
    end)

    it("to people without a role that reads logs", function()
      local function as(who) return world:ask(world:claims(who, { scp = "AuditLog.Read.All" }), "GET", AUDITS) end
      refused(403, "Authentication_RequestFromUnsupportedUserRole", "User is not in the allowed roles", as "arno")
      world.tenant:assign_role("arno", "Reports Reader")
      assert.equal(200, (as "arno"))
    end)

    it("without Entra ID P1; audits are then kept for seven days", function()
      open { p1 = false }
      refused(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        "Neither tenant is B2C or tenant doesn't have premium license", ask(SIGN_INS))
      local count = #rows(AUDITS)
      world:wait(7 * DAY)
      assert.equal(count, #rows(AUDITS))
      world:wait(1)
      assert.equal(0, #rows(AUDITS))
      world.tenant:set_flag("p1", true)
      assert.equal(count, #rows(AUDITS))
    end)

    it("above five requests in ten seconds, without saying when to come again", function()
      open { report_quota = { 5, 10 } }
      for _ = 1, 5 do assert.equal(200, (ask(AUDITS))) end
      local status, body, headers = ask(SIGN_INS)
      refused(429, "UnknownError", "Too Many Requests", status, body)
      assert.is_nil(headers["Retry-After"])
      world:wait(10)
      assert.equal(200, (ask(AUDITS)))
    end)
  end)

  describe("show directory audits", function()
    it("with the members that were recorded, in 2026", function()
      local record = rows(AUDITS)[1]
      assert.equal("activityDateTime activityDisplayName additionalDetails category correlationId id initiatedBy "
        .. "loggedByService operationType result resultReason targetResources", members(record))
      assert.equal("displayName groupType id modifiedProperties type userPrincipalName",
        members(record.targetResources[1]))
      assert.equal("displayName newValue oldValue", members(record.targetResources[1].modifiedProperties[1]))
    end)

    it("of a password that an application sets, under several names with one correlation id", function()
      local pam = world.tenant:add_app { name = "PAM", roles = { "User Administrator" },
        permissions = { "User-PasswordProfile.ReadWrite.All" } }
      local uma = world.tenant:person "uma"
      assert.equal(204, (world:ask(pam, "PATCH", "/users/" .. uma.id, { passwordProfile = {
        password = secret.generate(24), forceChangePasswordNextSignIn = false } })))
      local list, body = audits_of(uma.id)
      assert.matches("/v1%.0/%$metadata#auditLogs/directoryAudits$", body["@odata.context"])
      assert.same({ "Update user", "Reset user password" }, names(list))
      assert.equal(list[1].correlationId, list[2].correlationId)
      assert.same({ user = json.null, app = { appId = json.null, displayName = "PAM",
        servicePrincipalId = pam.principal, servicePrincipalName = json.null } }, list[2].initiatedBy)
      assert.same({ uma.id, "User", uma.userPrincipalName, json.null }, { list[2].targetResources[1].id,
        list[2].targetResources[1].type, list[2].targetResources[1].userPrincipalName,
        list[2].targetResources[1].displayName })
      assert.matches("^Directory_" .. list[1].correlationId:gsub("%-", "%%-") .. "_%w%w%w%w%w_%d+$", list[1].id)
      assert.same({ "UserManagement", "Core Directory", "Reset", "success", "" }, { list[2].category,
        list[2].loggedByService, list[2].operationType, list[2].result, list[2].resultReason })
      assert.same('"PasswordProfile"', property(list[1], "Included Updated Properties").newValue)
    end)

    it("of a password under the names that this tenant has: switches", function()
      open { reset_activities = { "Update PasswordProfile" } }
      world.tenant:change_password "uma"
      assert.same({ "Update PasswordProfile" }, names(audits_of(world.tenant.ids.uma)))
      world.tenant:set_flag("reset_activities", { "Update user" })
      world.tenant:set_flag("reset_names_password", false)
      world.tenant:change_password "dora"
      assert.is_nil(property(audits_of(world.tenant.ids.dora)[1], "Included Updated Properties"))
    end)

    it("of a refused password: a switch", function()
      local other = world:claims(world.tenant:add_app { name = "Other" })
      local function try()
        world:ask(other, "PATCH", "/users/" .. world.tenant.ids.uma, { passwordProfile = {
          password = secret.generate(24) } })
        return audits_of(world.tenant.ids.uma)
      end
      assert.equal(0, #try())
      world.tenant:set_flag("audits_refusals", true)
      assert.same({ "failure", "Insufficient privileges to complete the operation." }, { try()[1].result,
        try()[1].resultReason })
    end)

    it("of secrets, with all key ids before and after in a text", function()
      local admin = world:claims "priya"
      local old = world.tenant.keys_of[app.id][1]
      local path = "/applications/" .. app.id
      local _, made = world:ask(admin, "POST", path .. "/addPassword",
        { passwordCredential = { displayName = "ml:1" } })
      local list = audits_of(app.id)
      assert.same({ "Update application", "Update application – Certificates and secrets management " },
        { list[1].activityDisplayName, list[2].activityDisplayName })
      local keys = property(list[2], "KeyDescription")
      assert.equal(('["[KeyIdentifier=%s,KeyType=Password,KeyUsage=Verify,DisplayName=Consumer]"]'):format(old),
        keys.oldValue)
      assert.equal(('["[KeyIdentifier=%s,KeyType=Password,KeyUsage=Verify,DisplayName=Consumer]",'
        .. '"[KeyIdentifier=%s,KeyType=Password,KeyUsage=Verify,DisplayName=ml:1]"]'):format(old, made.keyId),
        keys.newValue)
      world:wait(60)
      assert.equal(204, (world:ask(admin, "POST", path .. "/removePassword", { keyId = old })))
      keys = property(audits_of(app.id)[2], "KeyDescription")
      assert.is_nil(keys.newValue:find(old, 1, true))
      assert.truthy(keys.newValue:find(made.keyId, 1, true))
      local who = audits_of(app.id)[2].initiatedBy.user
      assert.same({ world.tenant.ids.priya, world.tenant:person("priya").userPrincipalName }, { who.id,
        who.userPrincipalName })
    end)

    it("of certificates, in the same list as the secrets", function()
      local made = crypto.certificate(crypto.self_signed("rotator", world.time, world.time + 30 * DAY)):describe()
      local entry = { type = "AsymmetricX509Cert", usage = "Verify", key = crypto.base64(made.der) }
      assert.equal(204, (world:ask(world:claims "priya", "PATCH", "/applications/" .. app.id,
        { keyCredentials = json.array { entry } })))
      local key = world.tenant.applications:newest(app.id).keyCredentials[1].keyId
      local keys = property(audits_of(app.id)[1], "KeyDescription")
      assert.is_nil(keys.oldValue:find(key, 1, true))
      assert.truthy(keys.newValue:find(("[KeyIdentifier=%s,KeyType=AsymmetricX509Cert,KeyUsage=Verify,"
        .. "DisplayName=CN=rotator]"):format(key), 1, true))
      assert.truthy(keys.newValue:find(world.tenant.keys_of[app.id][1], 1, true))
    end)

    it("of secrets of a service principal under another name", function()
      world:ask(world:claims "priya", "POST", ("/servicePrincipals/%s/addPassword"):format(app.principal), {})
      assert.same({ "Update service principal", "Add service principal credentials", "Add service principal" },
        names(audits_of(app.principal)))
    end)

    it("of consent, roles, disabling and deletion", function()
      local tenant = world.tenant
      tenant:grant(app.appId, "User.Read.All")
      local grant = rows(AUDITS)[1]
      assert.equal("Add app role assignment to service principal", grant.activityDisplayName)
      assert.same({ tenant.graph.id, '"User.Read.All"', ('"%s"'):format(app.appId) }, { grant.targetResources[1].id,
        property(grant, "AppRole.Value").newValue, property(grant, "ServicePrincipal.AppId").newValue })
      tenant:assign_role(app.appId, "User Administrator")
      local list = audits_of(app.principal)
      assert.same({ "Add member to role outside of PIM (permanent)", "Add member to role" },
        { list[1].activityDisplayName, list[2].activityDisplayName })
      assert.equal('"User Administrator"', property(list[2], "Role.DisplayName").newValue)
      tenant:remove_role(app.appId, "User Administrator")
      tenant:disable(app.appId)
      list = audits_of(app.principal)
      assert.same({ "Update service principal", "Remove member from role" }, { list[1].activityDisplayName,
        list[2].activityDisplayName })
      assert.same({ "[true]", "[false]" }, { property(list[1], "AccountEnabled").oldValue,
        property(list[1], "AccountEnabled").newValue })
      tenant:disable "uma"
      assert.same({ "Update user", "Disable account" }, names(audits_of(tenant.ids.uma)))
      world:ask(world:claims "priya", "DELETE", "/applications/" .. app.id)
      assert.equal("Delete application", audits_of(app.id)[1].activityDisplayName)
      assert.equal("Remove service principal", audits_of(app.principal)[1].activityDisplayName)
    end)

    it("that fit the filters which exist, and refuse the others", function()
      world.tenant:disable(app.appId)
      local function count(filter) return #rows(AUDITS .. "?$filter=" .. filter) end
      assert.equal(1, count "activityDisplayName eq 'Update service principal'")
      assert.equal(1, count "startswith(activityDisplayName,'Update service') and category eq 'ApplicationManagement'")
      assert.equal(0, count(("initiatedBy/app/appId eq '%s'"):format(app.appId)))
      assert.is_true(count "activityDateTime ge 2026-11-01" > 0)
      for _, filter in ipairs { "initiatedBy/app/servicePrincipalId eq 'x'", "resultReason eq 'x'",
        "activityDateTime gt 2026-11-01", "contains(activityDisplayName,'x')", "operationType eq 'Update'" } do
        refused(400, "BadRequest", "Invalid filter clause", ask(AUDITS .. "?$filter=" .. filter))
      end
      world.tenant:set_flag("audit_filter_principal", true)
      assert.equal(0, count "initiatedBy/app/servicePrincipalId eq 'x'")
    end)

    it("late, and not all of them: switches", function()
      world.tenant:set_flag("audit_delay", { 300, 300 })
      world.tenant:disable "uma"
      assert.equal(0, #audits_of(world.tenant.ids.uma))
      world:wait(300)
      assert.equal(2, #audits_of(world.tenant.ids.uma))
      world.tenant:set_flag("audits_lost", 1)
      assert.equal(0, #audits_of(world.tenant.ids.uma))
    end)
  end)
end)

describe("what happens on the emulator's pages", function()
  it("is audited in the name of the person: consent, and an act of another admin", function()
    local emulator <close> = emulators.open()
    local tenant = emulator.tenant
    local app = tenant:add_app { name = "Consumer" }
    local function ask(...)
      return curl.run(function(ms) emulator:turn(ms) end, "--cacert", emulator.ready.ca, ...)
    end
    assert.equal(200, ask(("%s/%s/adminconsent?client_id=%s"):format(emulator.ready.login, emulator.ready.tenant,
      app.appId)).status)
    local function last()
      local list = tenant:audit_events()
      local one = list[#list]
      return one.activityDisplayName, one.initiatedBy.user.userPrincipalName, one.initiatedBy.user.ipAddress
    end
    assert.same({ "Consent to application", tenant:person("adele").userPrincipalName, "127.0.0.1" }, { last() })
    ask("-d", ('{"do": "disable", "with": ["%s"], "as": "priya"}'):format(app.appId), "-H",
      "X-Emulator-Address: 192.0.2.3", emulator.ready.control .. "/tenant")
    assert.same({ "Update service principal", tenant:person("priya").userPrincipalName, "192.0.2.3" }, { last() })
  end)
end)

describe("a sign-in over the wire", function()
  local emulator, app

  local function ask(...)
    return curl.run(function(ms) emulator:turn(ms) end, "--cacert", emulator.ready.ca, ...)
  end

  local function try(value, header)
    return ask("--data-urlencode", "client_secret=" .. value, "-d", "grant_type=client_credentials&client_id="
      .. app.appId, "--data-urlencode", "scope=https://graph.microsoft.com/.default", "-H", header,
      ("%s/%s/oauth2/v2.0/token"):format(emulator.ready.login, emulator.ready.tenant))
  end

  setup(function()
    emulator = emulators.open()
    local value = secret.from "a secret that the test knows"
    app = emulator.tenant:add_app { name = "Consumer", secret = value }
  end)

  teardown(function() emulator:close() end)

  it("is recorded with the address that the caller names, refused or not", function()
    try("a secret that the test knows", "X-Emulator-Address: 198.51.100.7")
    try("wrong", "X-Emulator-Address: 198.51.100.8")
    emulator.tenant:set_flag("address", "192.0.2.1")
    try("a secret that the test knows", "Accept: application/json")
    local found = {}
    for i, row in ipairs(emulator.tenant:sign_in_events()) do
      local key = row.servicePrincipalCredentialKeyId
      found[i] = ("%s %d %s"):format(row.ipAddress, row.status.errorCode, key == json.null and "no key" or key)
    end
    local key = emulator.tenant.keys_of[app.id][1]
    assert.same({ "198.51.100.7 0 " .. key, "198.51.100.8 7000215 no key", "192.0.2.1 0 " .. key }, found)
  end)

  it("is recorded when a policy blocks it, and without a service principal", function()
    local tenant = emulator.tenant
    local function last_code()
      try("a secret that the test knows", "Accept: application/json")
      local list = tenant:sign_in_events()
      local last = list[#list]
      return last.status.errorCode, last.conditionalAccessStatus, last.appId, last.servicePrincipalId
    end
    local policy = tenant:add_access_policy { name = "No workloads" }
    assert.same({ 53003, "failure", app.appId, app.principal }, { last_code() })
    tenant:remove_access_policy(policy)
    tenant:disable(app.appId)
    assert.equal(7000112, (last_code()))
    tenant.service_principals:drop(app.principal, 0)
    assert.same({ 7000229, "notApplied", app.appId, "" }, { last_code() })
  end)
end)
