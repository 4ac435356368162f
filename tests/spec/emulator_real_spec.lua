--- What real traffic taught the emulator: delays and refusals that pass, replicas that differ, the forms of addresses
--- that programs use, and the lists that a script of an administrator reads.

local crypto = require "base.crypto"
local emulators = require "emulators"
local fake = require "fake_tenant"
local json = require "host.json"
local secret = require "host.secret"

local refused = fake.refused
local ALL = fake.SCOPES .. " Application.Read.All Directory.Read.All Device.Read.All Domain.Read.All "
  .. "Group.ReadWrite.All User.ReadWrite.All UserAuthenticationMethod.Read.All DelegatedPermissionGrant.ReadWrite.All"

describe("the emulated Graph, as recorded,", function()
  local world

  local function ask(method, target, body, headers)
    return world:ask(world:claims("adele", { scp = ALL }), method, target, body, headers)
  end

  before_each(function() world = fake.new() end)

  describe("takes its time", function()
    local function mint(application)
      return select(2, ask("POST", ("/applications/%s/addPassword"):format(application.id), {}))
    end

    it("to find a secret that is to be removed, or does not", function()
      local function removed_at_once(lag)
        world = fake.new { flags = { removal_lag = lag } }
        local application = world:set_up("priya")
        local key = mint(application).keyId
        local remove = ("/applications/%s/removePassword"):format(application.id)
        local status, body = ask("POST", remove, { keyId = key })
        if status == 204 then return true end
        refused(400, "Request_BadRequest", ("No password credential found with keyId '%s'."):format(key), status, body)
        world:wait(9)
        assert.equal(204, (ask("POST", remove, { keyId = key })))
        return false
      end
      assert.is_true(removed_at_once(false))
      assert.is_false(removed_at_once { 1, 8 })
    end)

    it("in each replica, so that a list shows a secret, and not, and again", function()
      local function seen(flip)
        world = fake.new { flags = { reads_flip = flip, secret_hidden = false } }
        local application = world:set_up("priya")
        world:wait(5)
        mint(application)
        local counts = {}
        world:wait(5.5)
        for i = 1, 12 do
          local _, shown = ask("GET", "/applications/" .. application.id)
          counts[i] = #shown.passwordCredentials
        end
        return table.concat(counts)
      end
      assert.equal(("1"):rep(12), seen(false))
      assert.matches("1.*0.*1", seen(6))
    end)

    it("to know an owner, where the flag says so", function()
      world = fake.new { flags = { owner_delay = { 20, 20 } } }
      local app = world.tenant:add_app { name = "runner", permissions = { "Application.ReadWrite.OwnedBy" } }
      local _, made = world:ask(app, "POST", "/applications", { displayName = "x" })
      world:wait(10)
      local path = ("/applications/%s/addPassword"):format(made.id)
      refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.",
        world:ask(app, "POST", path, {}))
      world:wait(11)
      assert.equal(200, (world:ask(app, "POST", path, {})))
    end)
  end)

  describe("refuses", function()
    it("one value more than an object holds, in whichever list, and takes it when one is gone", function()
      local FULL = "The size of the object has exceeded its limit. Please reduce the number of values and retry your "
        .. "request."
      local application, principal = world:set_up("priya")
      local function put(path, body) return ask(body and "PATCH" or "POST", path, body or {}) end
      local add = ("/applications/%s/addPassword"):format(application.id)
      world.tenant:set_flag("object_values", 3)
      local _, secret_made = put(add)
      assert.equal(204, (put("/applications/" .. application.id, { tags = json.array { "a", "b" } })))
      refused(403, "Directory_ResourceSizeExceeded", FULL, put(add))
      refused(403, "Directory_ResourceSizeExceeded", FULL,
        put("/applications/" .. application.id, { web = { redirectUris = json.array { "https://a.example" } } }))
      refused(403, "Directory_ResourceSizeExceeded", FULL, put("/servicePrincipals/" .. principal.id,
        { tags = json.array { "a", "b", "c", "d" } }))
      world:wait(9)
      assert.equal(204, (ask("POST", add:gsub("add", "remove", 1), { keyId = secret_made.keyId })))
      assert.equal(200, (put(add)))
    end)

    it("a write to what cannot be seen yet with the code that the flag names", function()
      local function told(code)
        world = fake.new { lag = { 5, 5 }, flags = { unseen_code = code } }
        local _, made = ask("POST", "/applications", { displayName = "x" })
        local add = ("/applications/%s/addPassword"):format(made.id)
        local status, body = ask("POST", add, {})
        local read_status, read = ask("GET", "/applications/" .. made.id)
        world:wait(6)
        assert.same({ 404, 404, "Request_ResourceNotFound", 200 },
          { status, read_status, read.error.code, (ask("POST", add, {})) })
        return body.error.code, body.error.message
      end
      local code, message = told "Request_ResourceNotFound"
      assert.equal("Request_ResourceNotFound", code)
      assert.matches("^Resource '.*' does not exist", message)
      assert.same({ "Directory_ObjectNotFound", "Unable to read the company information from the directory." },
        { told "Directory_ObjectNotFound" })
      refused(404, "Request_ResourceNotFound", "Resource 'eeeeeeee-0000-4000-8000-000000000001' does not exist or one "
        .. "of its queried reference-property objects are not present.",
        ask("POST", "/applications/eeeeeeee-0000-4000-8000-000000000001/addPassword", {}))
    end)
  end)

  describe("takes a secret's", function()
    local application
    before_each(function() application = world:set_up("priya") end)

    local function mint(asked)
      return ask("POST", ("/applications/%s/microsoft.graph.addPassword"):format(application.id),
        { passwordCredential = asked })
    end

    it("key id from the request, or does not", function()
      local id = "eeeeeeee-0000-4000-8000-000000000001"
      local status, made, headers = mint { keyId = id }
      assert.same({ 200, id, "https://127.0.0.1:4711" }, { status, made.keyId, headers.Location })
      assert.equal(400, (mint { keyId = id })) -- taken
      world.tenant:set_flag("own_key_id", false)
      assert.equal(400, (mint { keyId = "eeeeeeee-0000-4000-8000-000000000002" }))
    end)

    it("dates as they were sent, in UTC; what is not sent has seven digits", function()
      local _, made = mint { startDateTime = "2026-11-18T20:00:00.1557753+08:00" }
      assert.equal("2026-11-18T12:00:00.1557753Z", made.startDateTime)
      world.time = world.time + 0.25
      _, made = mint {}
      assert.matches("^2028%-11%-17T.*%.25Z$", made.endDateTime)
      world:wait(100)
      local _, shown = ask("GET", "/applications/" .. application.id)
      assert.equal(made.keyId, shown.passwordCredentials[1].keyId) -- the newest is the first
    end)
  end)

  describe("understands", function()
    it("a $select in any case, and says in the context what was selected", function()
      local _, shown = ask("GET", "/users/uma@contoso.onmicrosoft.com?$select=ID,DisplayName")
      assert.equal("Uma Keller", shown.displayName)
      assert.matches("#users%(id,displayName%)/%$entity$", shown["@odata.context"])
      _, shown = ask("GET", "/users?$select=Id")
      assert.matches("#users%(id%)$", shown["@odata.context"])
    end)

    it("myorganization, and one property of an object", function()
      local graph = world.tenant.graph
      local status, body = ask("GET", ("/myorganization/servicePrincipals/%s/oauth2PermissionScopes"):format(graph.id))
      assert.equal(200, status)
      assert.equal(#graph.oauth2PermissionScopes, #body.value)
      assert.equal(204, (ask("GET", "/users/uma@contoso.onmicrosoft.com/jobTitle")))
      refused(400, "BadRequest", "Resource not found for the segment 'nonsense'.",
        ask("GET", "/users/uma@contoso.onmicrosoft.com/nonsense"))
    end)

    it("keys of 43 letters, which may begin with a hyphen", function()
      local _, list = ask("GET", "/roleManagement/directory/roleAssignments")
      for _, row in ipairs(list.value) do
        assert.matches("^" .. ("[%w_-]"):rep(43) .. "%-1$", row.id)
        assert.equal(200, (ask("GET", "/roleManagement/directory/roleAssignments/" .. row.id)))
      end
      world = fake.new { users = 1000 }
      _, list = ask("GET", "/roleManagement/directory/roleAssignments?$top=999")
      local seen = {}
      for _, row in ipairs(list.value) do
        assert.is_nil(seen[row.id])
        seen[row.id] = true
        assert.equal(200, (ask("GET", "/roleManagement/directory/roleAssignments/" .. row.id)))
      end
    end)
  end)

  describe("has what an administrator's script reads:", function()
    local UMA = "uma@contoso.onmicrosoft.com"

    local function names(target)
      local status, body = ask("GET", target)
      assert.equal(200, status, target)
      local list = {}
      for i, row in ipairs(body.value) do list[i] = row.displayName or row.id end
      return list
    end

    it("groups and directory roles of a user; ids only without the permission to see them", function()
      assert.same({ "Global Administrator" }, names("/users/adele@contoso.onmicrosoft.com/memberOf"))
      assert.same({ "PAM managed tier 0", "Security administrators", "PAM managed",
        "Security Administrator" }, names("/users/t0-emil@contoso.onmicrosoft.com/transitiveMemberOf"))
      local _, body = world:ask(world:claims("uma", { scp = "User.Read GroupMember.ReadBasic.All" }), "GET",
        "/users/adele@contoso.onmicrosoft.com/memberOf")
      assert.same({ "#microsoft.graph.directoryRole" }, { body.value[1]["@odata.type"], body.value[1].displayName })
    end)

    it("directory roles by their id in the tenant or by their template", function()
      local _, list = ask("GET", "/directoryRoles?$expand=members")
      for _, role in ipairs(list.value) do
        assert.are_not.equal(role.id, role.roleTemplateId)
        assert.is_true(#role.members > 0)
        local _, by_template = ask("GET", ("/directoryRoles(roleTemplateId='%s')"):format(role.roleTemplateId))
        assert.equal(role.id, by_template.id)
        assert.equal(404, (ask("GET", "/directoryRoles/" .. role.roleTemplateId)))
      end
    end)

    it("and assigns them in the older way", function()
      local _, role = ask("GET", ("/directoryRoles(roleTemplateId='%s')"):format(
        world.tenant.role_ids["Helpdesk Administrator"]))
      local path = ("/directoryRoles/%s/members/$ref"):format(role.id)
      local body = { ["@odata.id"] = "https://graph.microsoft.com/v1.0/directoryObjects/" .. world.tenant.ids.uma }
      assert.equal(204, (ask("POST", path, body)))
      assert.equal(400, (ask("POST", path, body)))
      world:wait(6)
      assert.same({ "Helpdesk Administrator" }, { names(("/users/%s/memberOf"):format(UMA))[3] })
      assert.equal(204, (ask("DELETE", ("/directoryRoles/%s/members/%s/$ref"):format(role.id, world.tenant.ids.uma))))
      assert.equal(404, (ask("DELETE", ("/directoryRoles/%s/members/%s/$ref"):format(role.id, world.tenant.ids.dora))))
    end)

    it("manager, direct reports, methods, devices, domains, partners, the authorization policy", function()
      assert.equal("Henry Osei", select(2, ask("GET", ("/users/%s/manager"):format(UMA))).displayName)
      assert.same({ "Uma Keller" }, names("/users/henry@contoso.onmicrosoft.com/directReports"))
      assert.equal(404, (ask("GET", "/users/henry@contoso.onmicrosoft.com/manager")))
      local _, methods = ask("GET", ("/users/%s/authentication/methods"):format(UMA))
      assert.same({ "#microsoft.graph.passwordAuthenticationMethod", "2021-01-02T00:00:00Z" },
        { methods.value[1]["@odata.type"], methods.value[1].createdDateTime })
      assert.same({ "LAPTOP-ADELE" }, names("/devices"))
      assert.same({ "LAPTOP-ADELE" }, names("/users/adele@contoso.onmicrosoft.com/ownedDevices"))
      assert.same({ "contoso.onmicrosoft.com" }, names("/domains"))
      assert.equal("Managed", select(2, ask("GET", "/domains/contoso.onmicrosoft.com")).authenticationType)
      assert.same({}, names("/contracts"))
      local _, policy = ask("GET", "/policies/authorizationPolicy")
      assert.is_false(policy.defaultUserRolePermissions.allowedToCreateApps)
      world.tenant:set_flag("users_register_apps", true)
      _, policy = ask("GET", "/policies/authorizationPolicy")
      assert.is_true(policy.defaultUserRolePermissions.allowedToCreateApps)
    end)

    it("the groups of any object, checked and listed", function()
      local uma, tenant = world.tenant.ids.uma, world.tenant
      local _, all = ask("POST", ("/users/%s/getMemberGroups"):format(uma), { securityEnabledOnly = false })
      assert.equal(2, #all.value)
      local asked = { groupIds = json.array { tenant.ids.managed, tenant.ids.tier0 } }
      local _, some = ask("POST", ("/directoryObjects/%s/checkMemberGroups"):format(uma), asked)
      assert.same({ tenant.ids.managed }, { some.value[1], some.value[2] })
    end)

    it("what changed since: users made, changed and deleted", function()
      local function walk(link)
        local found, target = {}, link
        repeat
          local status, page = ask("GET", target)
          assert.equal(200, status)
          for _, row in ipairs(page.value) do found[#found + 1] = row end
          target = (page["@odata.nextLink"] or page["@odata.deltaLink"]):gsub("^https://127.0.0.1:4711/v1.0", "")
        until not page["@odata.nextLink"]
        return found, target
      end
      local everybody, link = walk("/users/delta?$select=displayName&$top=5")
      assert.equal(16, #everybody)
      assert.same({ 0 }, { #walk(link) })
      world.tenant:change("uma", { displayName = "Uma K." })
      world:wait(1)
      local kim = world.tenant:add_person("kim@contoso.onmicrosoft.com", "Kim")
      ask("DELETE", "/users/" .. world.tenant.ids.dora)
      world:wait(6)
      local changed, later = walk(link)
      local told = {}
      for _, row in ipairs(changed) do told[row.id] = row["@removed"] and row["@removed"].reason or row.displayName end
      assert.same({ [world.tenant.ids.uma] = "Uma K.", [kim] = "Kim", [world.tenant.ids.dora] = "deleted" }, told)
      assert.equal(0, #walk(later))
      local _, latest = ask("GET", "/users/delta?$deltatoken=latest")
      assert.same({ 0, true }, { #latest.value, latest["@odata.deltaLink"] ~= nil })
      world:wait(8 * 86400)
      local status, body, headers = ask("GET", link)
      assert.same({ 410, "syncStateNotFound" }, { status, body.error.code })
      assert.equal("https://127.0.0.1:4711/v1.0/users/delta", headers.Location)
    end)
  end)

  it("keeps federated credentials, one issuer and subject once", function()
    local application = world:set_up("priya")
    local path = ("/applications/%s/federatedIdentityCredentials"):format(application.id)
    local body = { name = "Testing", issuer = "https://issuer.example", subject = "job",
      audiences = json.array { "api://AzureADTokenExchange" } }
    local status, made = ask("POST", path, body)
    assert.equal(201, status)
    assert.equal(409, (ask("POST", path, body)))
    world:wait(6)
    assert.equal(1, #world.tenant:federations_of(application.appId))
    assert.equal(made.id, select(2, ask("GET", path .. "/Testing")).id)
    assert.equal(204, (ask("PATCH", path .. "/" .. made.id, { subject = "other" })))
    assert.equal(400, (ask("PATCH", path .. "/" .. made.id, { audiences = json.array { "a", "b" } })))
    assert.equal(204, (ask("DELETE", path .. "/" .. made.id)))
    world:wait(6)
    assert.same({}, world.tenant:federations_of(application.appId))
  end)

  it("lets Directory.AccessAsUser.All do what the person may, or does not", function()
    local function assigns(who)
      return (world:ask(world:claims(who, { scp = "Directory.AccessAsUser.All" }), "POST",
        "/roleManagement/directory/roleAssignments", { principalId = world.tenant.ids.uma, directoryScopeId = "/",
          roleDefinitionId = world.tenant.role_ids["Helpdesk Administrator"] }))
    end
    assert.equal(403, assigns("uma"))
    assert.equal(201, assigns("adele"))
    world.tenant:set_flag("access_as_user", false)
    assert.equal(403, assigns("adele"))
  end)

  it("refuses Privileged Identity Management in its own words", function()
    local status, body = world:ask(world:claims("adele", { scp = "Directory.AccessAsUser.All" }), "GET",
      "/roleManagement/directory/roleAssignmentScheduleRequests")
    assert.same({ 403, "UnknownError" }, { status, body.error.code })
    local inner = json.decode(body.error.message)
    assert.equal("PermissionScopeNotGranted", inner.errorCode)
    assert.equal("Authorization failed due to missing permission scope "
      .. "RoleAssignmentSchedule.ReadWrite.Directory,RoleManagement.ReadWrite.Directory.", inner.message)
  end)

  it("throttles in the words of Graph", function()
    world = fake.new { flags = { write_quota = { 1, 60 } } }
    local app = world.tenant:add_app { name = "busy", permissions = { "Application.ReadWrite.OwnedBy" } }
    world:ask(app, "POST", "/applications", { displayName = "x" })
    local status, body, headers = world:ask(app, "POST", "/applications", { displayName = "y" })
    assert.same({ 429, "TooManyRequests", "60" }, { status, body.error.code, headers["Retry-After"] })
    assert.equal(("Too many requests from Identifier:%s under category:aadgraph.app.tenant_large. Please try again "
      .. "later."):format(app.appId), body.error.message)
    assert.same({ "date" }, { next(body.error.innerError), (next(body.error.innerError, "date")) })
  end)
end)

describe("the emulated login service, as recorded,", function()
  local emulator

  before_each(function() emulator = emulators.open() end)
  after_each(function() emulator:close() end)

  local function token(form)
    local status, _, body = emulator.login:handle { method = "POST", path = "/" .. emulator.tenant.id
      .. "/oauth2/v2.0/token", query = {}, header = function() end, basic = function() end,
      form = function() return form end }
    return status, body
  end

  local function by_secret(app, scope)
    return token { grant_type = "client_credentials", client_id = app.appId, client_secret = app.secret,
      scope = scope or "https://graph.microsoft.com/.default" }
  end

  it("names the policy that blocks an application", function()
    local app = emulator.tenant:add_app { name = "one" }
    local policy = emulator.tenant:add_access_policy { name = "block", only = { app.appId } }
    local status, body = by_secret(app)
    assert.same({ 400, "invalid_grant", "message_only" }, { status, body.error, body.suberror })
    assert.same({ access_token = { capolids = { essential = true, values = { policy } } } }, json.decode(body.claims))
  end)

  it("tells an application without a service principal from one that is not there", function()
    local app = emulator.tenant:add_app { name = "one" }
    emulator.tenant.service_principals:drop(app.principal, 0)
    local status, body = by_secret(app)
    assert.same({ 401, "invalid_client", { 7000229 } }, { status, body.error, body.error_codes })
    assert.truthy(body.error_description:find(("The client application %s is missing service principal in the tenant "
      .. "%s."):format(app.appId, emulator.tenant.id), 1, true))
    emulator.tenant:erase_application(app.appId)
    status, body = by_secret(app)
    assert.same({ 400, { 700016 } }, { status, body.error_codes })
  end)

  it("answers with the scopes in the form in which they were asked for", function()
    local client = emulator.client
    emulator.tenant:consent(client, { "User.Read" })
    local function scope_of(asked)
      local person = emulator.tenant:person "adele"
      local value, text = secret.generate(30), "x"
      emulator.login.refresh_tokens[1] = { value = value, client_id = client, person = person.id, issued = os.time(),
        line = {}, ends = os.time() + 3600 }
      local _, body = token { grant_type = "refresh_token", client_id = client, refresh_token = value, scope = asked }
      return body.scope, text
    end
    assert.equal("openid User.Read", (scope_of "User.Read openid"))
    assert.equal("https://graph.microsoft.com/User.Read", (scope_of "https://graph.microsoft.com/User.Read"))
    assert.equal("https://graph.microsoft.com//User.Read https://graph.microsoft.com//.default",
      (scope_of "https://graph.microsoft.com//.default"))
  end)

  it("gives azure-cli a token for Resource Manager that Graph does not take", function()
    local app = emulator.tenant:add_app { name = "one" }
    local _, body = by_secret(app, "https://management.core.windows.net//.default")
    assert.is_nil(emulator.login:caller("Bearer " .. body.access_token))
    local claims = emulator.login:claims("Bearer " .. body.access_token, "resource manager")
    assert.equal(app.appId, claims.appid)
  end)

  it("shows what vaults hold of people who were renamed or deleted", function()
    local tenant, server = emulator.tenant, emulator.devolutions
    for i, name in ipairs { "uma", "dora", "henry" } do
      local value = secret.generate(20)
      tenant:change_password(name, value)
      server.entries[server.vaults[1].id]:add({ id = ("entry-%d"):format(i), type = "Credential", subType = "Default",
        path = "", name = name .. "@contoso.onmicrosoft.com", tags = {}, data = { password = value } })
    end
    tenant:change("uma", { userPrincipalName = "uma.k@contoso.onmicrosoft.com" })
    tenant:bury("user", tenant:person "dora")
    local held = {}
    for _, row in ipairs(require("emulator.vault_check").list(tenant, server)) do
      held[row.name:match("^%a+")] = { row.of:match("^[%a.]+"), row.in_force, row.renamed, row.deleted }
    end
    assert.same({ uma = { "uma.k", true, true }, dora = { "dora", false, nil, true }, henry = { "henry", true } }, held)
  end)
end)

describe("moments", function()
  local moments = require "emulator.moments"

  it("have the fractions that Graph shows", function()
    assert.equal("2025-04-08T09:40:20.288244Z", (moments.ticks(1744105220.288244)))
    assert.equal("2025-04-08T09:40:20Z", moments.ticks(1744105220))
    assert.equal("2025-04-08T09:40:20.288Z", moments.milliseconds(1744105220.28824))
    assert.equal("2025-04-08T09:40:20.9Z", moments.milliseconds(1744105220.9001))
    assert.equal("2021-10-12T09:05:26.1557753Z", moments.as_sent "2021-10-12T17:05:26.1557753+08:00")
    assert.equal("2024-05-07T06:52:43Z", moments.as_sent "2024-05-07T06:52:43Z")
    assert.equal("2024-05-07T06:52:43Z", moments.as_sent "2024-05-07T06:52:43.0000000Z")
  end)

  it("are not confused by ids of another seed", function()
    local random = require "emulator.random"
    local id = random.long_id(1, "holder", 77)
    assert.equal(77, random.long_number(1, "holder", id))
    assert.is_nil(random.long_number(2, "holder", id))
    assert.is_nil(random.long_number(1, "holder", "x"))
    assert.equal(32, #crypto.unbase64(id))
  end)
end)
