local fake = require "fake_tenant"
local json = require "json"
local secret = require "secret"

local DENIED = "Insufficient privileges to complete the operation."

describe("the emulated Graph", function()
  local world

  before_each(function() world = fake.new() end)

  --- Register an application with its service principal, both visible.
  local function set_up(who, name)
    local _, application = world:ask(who, "PATCH", ("/applications(uniqueName='%s')"):format(name or "ours"),
      { displayName = "Ours", signInAudience = "AzureADMyOrg" }, { prefer = "create-if-missing" })
    world:wait(5)
    local _, principal = world:ask(who, "POST", "/servicePrincipals", { appId = application.appId })
    world:wait(5)
    return application, principal
  end

  local function refused(status, code, message, got, body)
    assert.equals(status, got)
    assert.equals(code, body.error.code)
    assert.equals(message, body.error.message)
  end

  describe("answers every request", function()
    it("with ids, the emulator's time and what Graph calls JSON", function()
      local status, body, headers = world:ask("adele", "GET", "/me", nil, { ["client-request-id"] = "abc" })
      assert.equals(200, status)
      assert.equals("Adele Arden", body.displayName)
      assert.equals("https://127.0.0.1:4711/v1.0/$metadata#users/$entity", body["@odata.context"])
      assert.equals("abc", headers["client-request-id"])
      assert.matches("^%x+%-", headers["request-id"])
      assert.equals("Wed, 18 Nov 2026 11:06:40 GMT", headers.Date)
      assert.matches("^application/json", headers["Content-Type"])
    end)

    it("with a 401 when there is no token, or the caller is gone", function()
      refused(401, "InvalidAuthenticationToken", "Access token is empty.", world:ask(nil, "GET", "/me"))
      world.refusal = "Lifetime validation failed, the token is expired."
      refused(401, "InvalidAuthenticationToken", world.refusal, world:ask(nil, "GET", "/me"))
      local app = world.tenant:add_app { name = "App", permissions = { "User.Read.All" } }
      local claims = world:claims(app)
      world.tenant:erase_application(app.appId)
      refused(401, "Authorization_IdentityNotFound",
        "The identity of the calling application could not be established.", world:ask(claims, "GET", "/users"))
    end)

    it("with an error that carries the ids", function()
      local _, body, headers = world:ask("adele", "GET", "/users/nobody@contoso.onmicrosoft.com")
      assert.same({
        code = "Request_ResourceNotFound",
        message = "Resource 'nobody@contoso.onmicrosoft.com' does not exist or one of its queried reference-property "
          .. "objects are not present.",
        innerError = { date = "2026-11-18T11:06:40", ["request-id"] = headers["request-id"],
          ["client-request-id"] = headers["client-request-id"] },
      }, body.error)
    end)

    it("with what is wrong with a path or method", function()
      refused(400, "BadRequest", "Resource not found for the segment 'nonsense'.",
        world:ask("adele", "GET", "/nonsense"))
      refused(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.",
        world:ask("adele", "DELETE", "/organization"))
      refused(400, "BadRequest", "Empty Payload. JSON content expected.",
        world:ask("adele", "PATCH", "/applications(uniqueName='x')"))
    end)

    it("taking segments in any case, and keys in both forms", function()
      local application = set_up("priya")
      for _, path in ipairs { "/Applications/" .. application.id, ("/applications('%s')"):format(application.id),
        ("/applications(appId='%s')"):format(application.appId), "/applications(uniqueName='ours')" } do
        local status, body = world:ask("priya", "GET", path)
        assert.equals(200, status)
        assert.equals(application.id, body.id)
      end
    end)
  end)

  describe("checks permissions", function()
    it("of an app by its roles", function()
      local app = world.tenant:add_app { name = "App", permissions = { "Group.Read.All" } }
      assert.equals(200, (world:ask(app, "GET", "/groups")))
      refused(403, "Authorization_RequestDenied", DENIED, world:ask(app, "GET", "/users"))
      refused(403, "Authorization_RequestDenied", DENIED,
        world:ask(app, "POST", "/applications", { displayName = "x" }))
    end)

    it("of a person by scope, and then by role", function()
      local poor = world:claims("adele", { scp = "User.Read" })
      refused(403, "Authorization_RequestDenied", DENIED, world:ask(poor, "GET", "/applications"))
      for _, who in ipairs { "uma", "elias", "rita", "henry" } do
        refused(403, "Authorization_RequestDenied", DENIED,
          world:ask(who, "POST", "/applications", { displayName = "x" }))
      end
      for _, who in ipairs { "adele", "priya", "arno" } do
        assert.equals(201, (world:ask(who, "POST", "/applications", { displayName = "x" })))
      end
    end)

    it("that every call has a row for", function()
      local access = require "emulator.graph.access"
      local open = { ["POST /$batch"] = true }
      local nothing = { tenant = world.tenant, caller = { oid = "x", idtyp = "app" } }
      for _, part in ipairs { "users", "groups", "applications", "credentials", "principals", "grants", "roles",
        "policies", "directory", "deleted", "batch" } do
        for call in pairs(require("emulator.graph." .. part).routes) do
          local method, path = call:match("^(%u+) (.+)$")
          local key = method .. " " .. path:lower():gsub("/%$count$", ""):gsub("/microsoft%.graph%.user$", "")
          assert.equals(open[call] or false, access.permits(nothing, key), call)
        end
      end
    end)

    it("of members to be seen: stubs without them", function()
      local app = world.tenant:add_app { name = "App", permissions = { "GroupMember.Read.All" } }
      local _, body = world:ask(app, "GET", ("/groups/%s/members"):format(world.tenant.ids.tier0))
      assert.equals(5, #body.value)
      assert.same({ id = world.tenant.ids["t0-anna"], ["@odata.type"] = "#microsoft.graph.user" }, body.value[1])
    end)

    it("of basic properties only", function()
      local app = world.tenant:add_app { name = "App", permissions = { "User.ReadBasic.All" } }
      assert.equals(200, (world:ask(app, "GET", "/users?$select=id,displayName")))
      assert.equals(403, (world:ask(app, "GET", "/users?$select=id,accountEnabled")))
      local _, body = world:ask(app, "GET", "/users?$top=1")
      assert.is_nil(body.value[1].businessPhones)
    end)

    it("as the token has them, until there is a new token", function()
      local app = world.tenant:add_app { name = "App", permissions = { "User.Read.All" } }
      local claims = world:claims(app)
      world.tenant:remove_consent(app.appId)
      assert.equals(200, (world:ask(claims, "GET", "/users")))
      assert.equals(403, (world:ask(app, "GET", "/users")))
    end)
  end)

  describe("upserts applications by unique name", function()
    local PATH = "/applications(uniqueName='ours')"
    local CREATE = { prefer = "create-if-missing" }

    it("making one once, though readers do not see it yet", function()
      local status, made, headers = world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)
      assert.equals(201, status)
      assert.equals("ours", made.uniqueName)
      assert.equals("https://127.0.0.1:4711/v1.0/applications/" .. made.id, headers.Location)
      assert.equals(404, (world:ask("priya", "GET", "/applications/" .. made.id)))
      assert.equals(404, (world:ask("priya", "PATCH", "/applications/" .. made.id, { displayName = "Other" })))
      assert.equals(204, (world:ask("priya", "PATCH", PATH, { displayName = "Ours, again" }, CREATE)))
      world:wait(10)
      local _, body = world:ask("priya", "GET", "/applications?$filter=startswith(displayName,'Ours')")
      assert.equals(1, #body.value)
      assert.equals("Ours, again", body.value[1].displayName)
    end)

    it("not without being told to", function()
      assert.equals(404, (world:ask("priya", "PATCH", PATH, { displayName = "Ours" })))
    end)

    it("with the widest audience unless it is named", function()
      local _, wide = world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)
      assert.equals("AzureADandPersonalMicrosoftAccount", wide.signInAudience)
    end)

    it("refusing what a client may not set", function()
      local function message(body)
        local status, answered = world:ask("priya", "PATCH", PATH, body, CREATE)
        assert.equals(400, status)
        return answered.error.message
      end
      assert.equals("A value is required for property 'displayName' of resource 'Application'.", message {})
      assert.equals("Invalid property 'displayname'.", message { displayname = "x" })
      assert.equals("Property 'passwordCredentials' is read-only and cannot be set.",
        message { displayName = "x", passwordCredentials = json.array {} })
      assert.equals("Invalid value specified for property 'displayName' of resource 'Application'.",
        message { displayName = 5 })
      assert.equals("Invalid value specified for property 'signInAudience' of resource 'Application'.",
        message { displayName = "x", signInAudience = "Everybody" })
      assert.equals("Property 'uniqueName' is read-only and cannot be set.",
        message { displayName = "x", uniqueName = "other" })
    end)

    it("keeping the name of a deleted one taken, until that is gone for good", function()
      local application = set_up("priya")
      assert.equals(204, (world:ask("priya", "DELETE", "/applications/" .. application.id)))
      world:wait(10)
      assert.equals(404, (world:ask("priya", "GET", PATH)))
      refused(400, "Request_MultipleObjectsWithSameKeyValue",
        "Another object with the same value for property uniqueName already exists.",
        world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE))
      local _, deleted = world:ask("priya", "GET", "/directory/deletedItems/microsoft.graph.application")
      assert.equals("ours", deleted.value[1].uniqueName)
      assert.equals("2026-11-18T11:06:50Z", deleted.value[1].deletedDateTime)
      assert.equals(204, (world:ask("priya", "DELETE", "/directory/deletedItems/" .. application.id)))
      world:wait(10)
      assert.equals(201, (world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)))
    end)

    it("or giving it away at once, where the directory does not mind", function()
      world = fake.new { flags = { deleted_keeps_unique_name = false } }
      local application = set_up("priya")
      world:ask("priya", "DELETE", "/applications/" .. application.id)
      assert.equals(201, (world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)))
    end)

    it("refusing a taken name with either status", function()
      world.tenant:set_flag("same_key_status", 409)
      local application = set_up("priya")
      world:ask("priya", "DELETE", "/applications/" .. application.id)
      assert.equals(409, (world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)))
    end)
  end)

  describe("deletes softly", function()
    it("and restores the application with its service principal and grants", function()
      local application, principal = set_up("priya")
      world.tenant:grant(principal.id, "User.Read.All")
      world.tenant:assign_role(principal.id, "Helpdesk Administrator")
      world:ask("priya", "DELETE", "/applications/" .. application.id)
      world:wait(10)
      assert.equals(404, (world:ask("priya", "GET", "/servicePrincipals/" .. principal.id)))
      assert.same({}, world.tenant:app_roles(principal.id))
      local status, body = world:ask("priya", "POST",
        ("/directory/deletedItems/%s/microsoft.graph.restore"):format(application.id))
      assert.equals(200, status)
      assert.equals("#microsoft.graph.application", body["@odata.type"])
      world:wait(10)
      local _, again = world:ask("priya", "GET", "/applications(uniqueName='ours')")
      assert.equals(application.id, again.id)
      assert.equals(200, (world:ask("priya", "GET", "/servicePrincipals/" .. principal.id)))
      assert.same({ "User.Read.All" }, world.tenant:app_roles(principal.id))
      assert.equals(1, #world.tenant:directory_roles(principal.id))
    end)

    it("for 30 days", function()
      local application = set_up("priya")
      world:ask("priya", "DELETE", "/applications/" .. application.id)
      world:wait(29 * 86400)
      assert.equals(200, (world:ask("priya", "GET", "/directory/deletedItems/" .. application.id)))
      world:wait(2 * 86400)
      assert.equals(404, (world:ask("priya", "GET", "/directory/deletedItems/" .. application.id)))
    end)
  end)

  describe("makes service principals", function()
    it("only for an application that can be seen already", function()
      local _, application = world:ask("priya", "POST", "/applications", { displayName = "Ours" })
      refused(400, "Request_BadRequest", ("The appId '%s' of the service principal does not reference a valid "
        .. "application object."):format(application.appId),
        world:ask("priya", "POST", "/servicePrincipals", { appId = application.appId }))
      world:wait(5)
      local status, principal = world:ask("priya", "POST", "/servicePrincipals", { appId = application.appId })
      assert.equals(201, status)
      assert.equals("Ours", principal.displayName)
      assert.equals(application.appId, principal.servicePrincipalNames[1])
    end)

    it("telling an app-only caller something misleading", function()
      local app = world.tenant:add_app { name = "App", permissions = { "Application.ReadWrite.All" } }
      local _, application = world:ask(app, "POST", "/applications", { displayName = "Ours" })
      refused(403, "Authorization_RequestDenied", "When using this permission, the backing application of the service "
        .. "principal being created must in the local tenant",
        world:ask(app, "POST", "/servicePrincipals", { appId = application.appId }))
    end)

    it("once", function()
      local application = set_up("priya")
      refused(400, "Request_MultipleObjectsWithSameKeyValue", ("The service principal cannot be created, updated, or "
        .. "restored because the service principal name %s is already in use."):format(application.appId),
        world:ask("priya", "POST", "/servicePrincipals", { appId = application.appId }))
      assert.equals(204, (world:ask("priya", "PATCH", ("/servicePrincipals(appId='%s')"):format(application.appId),
        { tags = json.array { "x" } }, { prefer = "create-if-missing" })))
    end)

    it("by upsert too", function()
      local _, application = world:ask("priya", "POST", "/applications", { displayName = "Ours" })
      world:wait(5)
      assert.equals(201, (world:ask("priya", "PATCH", ("/servicePrincipals(appId='%s')"):format(application.appId),
        {}, { prefer = "create-if-missing" })))
    end)
  end)

  describe("mints secrets", function()
    local application

    before_each(function() application = set_up("priya") end)

    local function mint(credential, who)
      return world:ask(who or "priya", "POST", ("/applications/%s/addPassword"):format(application.id),
        { passwordCredential = credential })
    end

    local function listed()
      local _, body = world:ask("priya", "GET", ("/applications/%s?$select=passwordCredentials"):format(application.id))
      return body.passwordCredentials
    end

    it("shown once, usable a little later, listed later still", function()
      local status, made = mint { displayName = "ml:a:b", endDateTime = "2027-05-17T00:00:00Z" }
      assert.equals(200, status)
      assert.is_true(secret.is(made.secretText))
      assert.equals(40, made.secretText:size())
      assert.equals(made.secretText:hint(3), made.hint)
      assert.equals("2027-05-17T00:00:00Z", made.endDateTime)
      assert.equals("invalid", select(2, world.tenant:check_secret(application.appId, made.secretText)))
      world:wait(5)
      assert.is_true(world.tenant:check_secret(application.appId, made.secretText))
      assert.equals(0, #listed())
      world:wait(60)
      local row = listed()[1]
      assert.equals(made.keyId, row.keyId)
      assert.equals("ml:a:b", row.displayName)
      assert.equals(json.null, row.secretText)
    end)

    it("listed like any other write, where the flag says so", function()
      world.tenant:set_flag("secret_hidden", false)
      mint {}
      world:wait(5)
      assert.equals(1, #listed())
    end)

    it("for two years unless told otherwise", function()
      local _, made = mint()
      assert.equals("2028-11-17T11:06:50Z", made.endDateTime)
    end)

    it("and removes them", function()
      local _, made = mint {}
      world:wait()
      local path = ("/applications/%s/removePassword"):format(application.id)
      assert.equals(204, (world:ask("priya", "POST", path, { keyId = made.keyId })))
      world:wait()
      assert.equals(0, #listed())
      assert.equals("invalid", select(2, world.tenant:check_secret(application.appId, made.secretText)))
      refused(400, "Request_BadRequest", ("No password credential found with keyId '%s'."):format(made.keyId),
        world:ask("priya", "POST", path, { keyId = made.keyId }))
    end)

    it("not with a value or dates that make no sense", function()
      assert.equals(400, (mint { secretText = secret.from("mine") }))
      assert.equals(400, (mint { endDateTime = "soon" }))
      assert.equals(400, (mint { endDateTime = "2020-01-01T00:00:00Z" }))
    end)

    it("as far as the tenant's policy allows", function()
      world.tenant:set_policy { days = 90 }
      refused(400, "CredentialInvalidLifetimeAsPerAppPolicy",
        "Credential lifetime exceeds the max value allowed as per assigned policy 'PasswordLifetime'.", mint {})
      assert.equals(200, (mint { endDateTime = "2027-02-01T00:00:00Z" }))
      world.tenant:set_policy { secrets = false }
      refused(400, "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed as per assigned policy 'PasswordAddition'.", mint {})
      local _, policy = world:ask("priya", "GET", "/policies/defaultAppManagementPolicy")
      assert.is_true(policy.isEnabled)
      assert.equals("passwordAddition", policy.applicationRestrictions.passwordCredentials[1].restrictionType)
      world.tenant:set_policy { secrets = false, since = "2099-01-01T00:00:00Z" }
      assert.equals(200, (mint {}))
    end)

    it("as far as the application's own policy allows, which goes first", function()
      world.tenant:set_policy { secrets = false }
      world.tenant:set_policy { days = 30, app = application.id }
      assert.equals(200, (mint { endDateTime = "2026-12-01T00:00:00Z" }))
      assert.equals(400, (mint { endDateTime = "2027-12-01T00:00:00Z" }))
      local _, body = world:ask("priya", "GET", ("/applications/%s/appManagementPolicies"):format(application.id))
      assert.equals("P30D", body.value[1].restrictions.passwordCredentials[1].maxLifetime)
    end)

    it("for an app that owns the application, and no other", function()
      local app = world.tenant:add_app { name = "App", permissions = { "Application.ReadWrite.OwnedBy" } }
      assert.equals(403, (mint({}, app)))
      local _, own = world:ask(app, "POST", "/applications", { displayName = "Own" })
      world:wait(5)
      assert.equals(200, (world:ask(app, "POST", ("/applications/%s/addPassword"):format(own.id), {})))
    end)
  end)

  describe("grants permissions of Graph", function()
    local principal, body, path

    before_each(function()
      principal = select(2, set_up("priya"))
      path = ("/servicePrincipals/%s/appRoleAssignedTo"):format(world.tenant.graph.id)
      body = { principalId = principal.id, resourceId = world.tenant.graph.id,
        appRoleId = world:permission("User.Read.All") }
    end)

    it("that tokens carry a little later", function()
      local status, row = world:ask("priya", "POST", path, body)
      assert.equals(201, status)
      assert.equals("Ours", row.principalDisplayName)
      assert.same({}, world.tenant:app_roles(principal.id))
      world:wait(5)
      assert.same({ "User.Read.All" }, world.tenant:app_roles(principal.id))
      local _, list = world:ask("priya", "GET", ("/servicePrincipals/%s/appRoleAssignments"):format(principal.id))
      assert.equals(row.id, list.value[1].id)
      assert.equals(204, (world:ask("priya", "DELETE", path .. "/" .. row.id)))
      world:wait(5)
      assert.same({}, world.tenant:app_roles(principal.id))
    end)

    it("once, even before readers see it", function()
      world:ask("priya", "POST", path, body)
      refused(400, "Request_BadRequest", "Permission being assigned already exists on the object",
        world:ask("priya", "POST", path, body))
    end)

    it("by a Privileged Role Administrator, not by an application administrator", function()
      assert.equals(403, (world:ask("arno", "POST", path, body)))
      assert.equals(201, (world:ask("rita", "POST", path, body)))
    end)

    it("by an app with the permission for it, and only with a second one that reads applications", function()
      local half = world.tenant:add_app { name = "Half", permissions = { "AppRoleAssignment.ReadWrite.All" } }
      assert.equals(403, (world:ask(half, "POST", path, body)))
      local whole = world.tenant:add_app { name = "Whole",
        permissions = { "AppRoleAssignment.ReadWrite.All", "Application.Read.All" } }
      assert.equals(201, (world:ask(whole, "POST", path, body)))
    end)

    it("to a principal that is there", function()
      body.principalId = "11111111-1111-4111-8111-111111111111"
      refused(400, "Request_BadRequest", "Not a valid reference update.", world:ask("priya", "POST", path, body))
      body.principalId, body.appRoleId = principal.id, "11111111-1111-4111-8111-111111111111"
      assert.equals(400, (world:ask("priya", "POST", path, body)))
    end)
  end)

  it("keeps one delegated grant for a client and resource", function()
    local scopes = fake.SCOPES .. " DelegatedPermissionGrant.ReadWrite.All"
    local who = world:claims("priya", { scp = scopes })
    local _, principal = set_up("priya")
    local body = { clientId = principal.id, resourceId = world.tenant.graph.id, consentType = "AllPrincipals",
      principalId = json.null, scope = "User.Read" }
    local status, made = world:ask(who, "POST", "/oauth2PermissionGrants", body)
    assert.equals(201, status)
    assert.equals(400, (world:ask(who, "POST", "/oauth2PermissionGrants", body)))
    world:wait(5)
    assert.same({ "User.Read" }, world.tenant:scopes(principal.appId))
    local path = "/oauth2PermissionGrants/" .. made.id
    assert.equals(204, (world:ask(who, "PATCH", path, { scope = "User.Read Group.Read.All" })))
    world:wait(5)
    assert.same({ "Group.Read.All", "User.Read" }, world.tenant:scopes(principal.appId))
    assert.equals(204, (world:ask(who, "DELETE", path)))
    assert.equals(403, (world:ask(world:claims("uma", { scp = scopes }), "POST", "/oauth2PermissionGrants", body)))
  end)

  describe("assigns directory roles", function()
    local PATH = "/roleManagement/directory/roleAssignments"
    local body

    before_each(function()
      local _, principal = set_up("priya")
      body = { ["@odata.type"] = "#microsoft.graph.unifiedRoleAssignment", principalId = principal.id,
        roleDefinitionId = world.tenant.role_ids["Helpdesk Administrator"], directoryScopeId = "/" }
    end)

    it("once, to be seen a little later", function()
      local status, made = world:ask("priya", "POST", PATH, body)
      assert.equals(201, status)
      refused(400, "Request_BadRequest", "A conflicting object with one or more of the specified property values is "
        .. "present in the directory.", world:ask("priya", "POST", PATH, body))
      assert.equals(404, (world:ask("priya", "GET", PATH .. "/" .. made.id)))
      world:wait(5)
      local _, list = world:ask("priya", "GET", PATH
        .. ("?$filter=principalId eq '%s'&$expand=principal,roleDefinition"):format(body.principalId))
      assert.equals("Helpdesk Administrator", list.value[1].roleDefinition.displayName)
      assert.equals("#microsoft.graph.servicePrincipal", list.value[1].principal["@odata.type"])
      assert.equals(204, (world:ask("priya", "DELETE", PATH .. "/" .. made.id)))
      world:wait(5)
      assert.same({}, world.tenant:directory_roles(body.principalId))
    end)

    it("by who may", function()
      assert.equals(403, (world:ask("arno", "POST", PATH, body)))
      assert.equals(403, (world:ask("elias", "POST", PATH, body)))
      assert.equals(201, (world:ask("rita", "POST", PATH, body)))
    end)

    it("to who is there and can hold them", function()
      body.principalId = world.tenant.ids.tier0
      assert.equals(400, (world:ask("priya", "POST", PATH, body)))
      body.principalId = world.tenant.ids["security-admins"]
      assert.equals(201, (world:ask("priya", "POST", PATH, body)))
      body.principalId = "11111111-1111-4111-8111-111111111111"
      assert.equals(404, (world:ask("priya", "POST", PATH, body)))
    end)

    it("for one object only where the role allows it", function()
      body.directoryScopeId = "/" .. world.tenant.ids.handmade
      refused(400, "Request_BadRequest", "The given built-in role is not supported to be assigned to a single resource "
        .. "scope.", world:ask("priya", "POST", PATH, body))
      body.roleDefinitionId = world.tenant.role_ids["Application Administrator"]
      assert.equals(201, (world:ask("priya", "POST", PATH, body)))
    end)

    it("through PIM only, where the policy says so", function()
      local path = "/policies/roleManagementPolicyAssignments?$expand=policy($expand=rules)&$filter=scopeId eq '/' and "
        .. "scopeType eq 'DirectoryRole' and roleDefinitionId eq '" .. body.roleDefinitionId .. "'"
      local function expires()
        local _, answered = world:ask("priya", "GET", path)
        assert.equals(1, #answered.value)
        for _, rule in ipairs(answered.value[1].policy.rules) do
          if rule.id == "Expiration_Admin_Assignment" then return rule.isExpirationRequired end
        end
      end
      assert.is_false(expires())
      world.tenant:set_flag("pim_only", { "Helpdesk Administrator" })
      assert.is_true(expires())
      assert.equals(400, (world:ask("priya", "POST", PATH, body)))
    end)

    it("and shows PIM's view of them, with a licence for it", function()
      local path = "/roleManagement/directory/roleEligibilityScheduleInstances?$filter=principalId eq '"
        .. world.tenant.ids.elias .. "'"
      local _, answered = world:ask("priya", "GET", path)
      assert.equals(2, #answered.value)
      assert.equals("Direct", answered.value[1].memberType)
      local _, active = world:ask("priya", "GET", "/roleManagement/directory/roleAssignmentScheduleInstances")
      assert.equals("Assigned", active.value[1].assignmentType)
      world.tenant:set_flag("premium", false)
      refused(400, "AadPremiumLicenseRequired", "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID "
        .. "Governance license.", world:ask("priya", "GET", path))
      world.tenant:set_flag("premium_status", 403)
      assert.equals(403, (world:ask("priya", "GET", path)))
      local _, skus = world:ask("priya", "GET", "/subscribedSkus")
      assert.equals(1, #skus.value)
    end)
  end)

  describe("sets passwords", function()
    local RESET = "User-PasswordProfile.ReadWrite.All"

    local function reset(who, target, value, flags)
      local profile = {
        password = secret.from(value or "Correct-Horse-7-Battery"),
        forceChangePasswordNextSignIn = false,
      }
      for name, flag in pairs(flags or {}) do
        profile[name] = flag
      end
      return world:ask(who, "PATCH", "/users/" .. world.tenant.ids[target], { passwordProfile = profile })
    end

    local function app(roles, permissions)
      return world.tenant:add_app { name = "App", roles = roles, permissions = permissions }
    end

    it("with a role alone, or with the permission besides: a switch", function()
      local role_only, both = app({ "Helpdesk Administrator" }, {}), app({ "Helpdesk Administrator" }, { RESET })
      assert.equals(204, (reset(role_only, "uma")))
      assert.equals(204, (reset(both, "uma")))
      world.tenant:set_flag("reset_needs_permission", true)
      refused(403, "Authorization_RequestDenied", DENIED, reset(role_only, "uma"))
      assert.equals(204, (reset(both, "uma")))
    end)

    it("of people without a role with the permission alone, or not: a switch", function()
      local permitted = app({}, { RESET })
      assert.equals(204, (reset(permitted, "uma")))
      assert.equals(403, (reset(permitted, "t0-anna")))
      world.tenant:set_flag("reset_needs_role", true)
      assert.equals(403, (reset(permitted, "uma")))
    end)

    it("by the matrix", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local all = app({ "Privileged Authentication Administrator" }, { RESET })
      local reach = { uma = true, ["t0-chen"] = true, ["t0-boris"] = true, ["t0-dana"] = true, ["t0-anna"] = false,
        ["t0-emil"] = false, adele = false, henry = true }
      for target, reached in pairs(reach) do
        assert.equals(reached and 204 or 403, (reset(helpdesk, target)), target)
        assert.equals(204, (reset(all, target)), target)
      end
    end)

    it("not of members of a restricted unit", function()
      local all = app({ "Privileged Authentication Administrator" }, { RESET })
      local unit = world.tenant.units:newest(world.tenant.ids.restricted)
      unit._members[world.tenant.ids.uma] = true
      assert.equals(403, (reset(all, "uma")))
      local _, user = world:ask("priya", "GET", "/users/" .. world.tenant.ids.uma .. "?$select=isManagementRestricted")
      assert.is_true(user.isManagementRestricted)
    end)

    it("by a person with the scope and the role", function()
      local who = world:claims("henry", { scp = RESET })
      assert.equals(204, (reset(who, "uma")))
      assert.equals(403, (reset("henry", "uma")))
      assert.equals(403, (reset(world:claims("uma", { scp = RESET }), "dora")))
    end)

    it("and the date of the change follows", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local function changed()
        local _, user = world:ask("priya", "GET",
          ("/users/%s?$select=lastPasswordChangeDateTime,passwordProfile"):format(world.tenant.ids.uma))
        return user.lastPasswordChangeDateTime, user.passwordProfile
      end
      assert.equals("2021-01-02T00:00:00Z", (changed()))
      reset(helpdesk, "uma")
      assert.equals("2021-01-02T00:00:00Z", (changed()))
      world:wait(5)
      local at, profile = changed()
      assert.equals("2026-11-18T11:06:40Z", at)
      assert.same({ password = json.null, forceChangePasswordNextSignIn = false,
        forceChangePasswordNextSignInWithMfa = false }, profile)
      assert.is_true(world.tenant:check_password("uma", secret.from("Correct-Horse-7-Battery")))
      assert.is_false(world.tenant:check_password("uma", secret.from("something else")))
    end)

    it("that are strong enough", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local weak = "The specified password does not comply with password complexity requirements. "
        .. "Please provide a different password."
      for _, value in ipairs { "Ab1-xyz", "onlylowercaseletters", "lowerUPPER", ("aB1"):rep(86) } do
        refused(400, "Request_BadRequest", weak, reset(helpdesk, "uma", value))
      end
      world.tenant:change("uma", { passwordPolicies = "DisableStrongPassword" })
      assert.equals(204, (reset(helpdesk, "uma", "onlylowercaseletters")))
    end)

    it("of synced people not, or only in the cloud: a switch", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      refused(400, "Request_BadRequest", "Unable to update the specified properties for on-premises mastered Directory "
        .. "Sync objects or objects currently undergoing migration.", reset(helpdesk, "sven"))
      world.tenant:set_flag("synced_reset", "cloud")
      assert.equals(204, (reset(helpdesk, "sven")))
      assert.equals(400, (reset(helpdesk, "gail")))
    end)

    it("and nothing else with that permission", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local path = "/users/" .. world.tenant.ids.uma
      assert.equals(403, (world:ask(helpdesk, "PATCH", path, { jobTitle = "x" })))
      assert.equals(403, (world:ask(helpdesk, "PATCH", path, { accountEnabled = false })))
      local writer = app({}, { "User.ReadWrite.All" })
      assert.equals(204, (world:ask(writer, "PATCH", path, { jobTitle = "x" })))
      assert.equals(204, (world:ask(writer, "PATCH", path, { accountEnabled = false })))
      assert.equals(403, (reset(writer, "uma")))
    end)
  end)

  it("revokes sessions with a value", function()
    local app = world.tenant:add_app { name = "App", permissions = { "User.RevokeSessions.All" } }
    local status, body = world:ask(app, "POST", ("/users/%s/revokeSignInSessions"):format(world.tenant.ids.uma))
    assert.equals(200, status)
    assert.is_true(body.value)
  end)

  it("changes who owns an application and who is in a group", function()
    local scopes = fake.SCOPES .. " Directory.Read.All GroupMember.ReadWrite.All"
    local who = world:claims("adele", { scp = scopes })
    local application = set_up(who)
    local uma = { ["@odata.id"] = "https://graph.microsoft.com/v1.0/directoryObjects/" .. world.tenant.ids.uma }
    for _, path in ipairs { ("/applications/%s/owners"):format(application.id),
      ("/groups/%s/members"):format(world.tenant.ids.tier0) } do
      local function there()
        local _, body = world:ask(who, "GET", path)
        for _, row in ipairs(body.value) do
          if row.id == world.tenant.ids.uma then return true end
        end
        return false
      end
      assert.equals(204, (world:ask(who, "POST", path .. "/$ref", uma)))
      local status, body = world:ask(who, "POST", path .. "/$ref", uma)
      assert.equals(400, status)
      assert.matches("^One or more added object references already exist", body.error.message)
      world:wait(5)
      assert.is_true(there())
      assert.equals(204, (world:ask(who, "DELETE", ("%s/%s/$ref"):format(path, world.tenant.ids.uma))))
      world:wait(5)
      assert.is_false(there())
    end
  end)

  it("tells what the tenant is", function()
    local _, body = world:ask("uma", "GET", "/organization?$select=id,displayName,verifiedDomains")
    assert.equals(world.tenant.id, body.value[1].id)
    assert.equals("contoso.onmicrosoft.com", body.value[1].verifiedDomains[1].name)
    local _, units = world:ask("adele", "GET", "/directory/administrativeUnits")
    assert.is_true(units.value[1].isMemberManagementRestricted)
  end)

  it("finds objects of any type by id, leaving out those it does not know", function()
    local app = world.tenant:add_app { name = "App", permissions = { "Directory.Read.All" } }
    local ids = { world.tenant.ids.uma, world.tenant.ids.tier0, app.principal, "11111111-1111-4111-8111-111111111111" }
    local status, body = world:ask(app, "POST", "/directoryObjects/getByIds?$select=id,userPrincipalName",
      { ids = json.array(ids) })
    assert.equals(200, status)
    assert.equals(3, #body.value)
    assert.same({ ["@odata.type"] = "#microsoft.graph.user", id = world.tenant.ids.uma,
      userPrincipalName = "uma@contoso.onmicrosoft.com" }, body.value[1])
    local _, users = world:ask(app, "POST", "/directoryObjects/getByIds",
      { ids = json.array(ids), types = json.array { "user" } })
    assert.equals(1, #users.value)
    local many = {}
    for i = 1, 1001 do
      many[i] = "x"
    end
    assert.equals(400, (world:ask(app, "POST", "/directoryObjects/getByIds", { ids = json.array(many) })))
  end)

  it("runs batches, each part checked like any request", function()
    local _, body = world:ask("uma", "POST", "/$batch", { requests = json.array {
      { id = "1", method = "GET", url = "/me?$select=id" },
      { id = "2", method = "POST", url = "/applications", body = { displayName = "x" } },
      { id = "3", method = "GET", url = "/me", dependsOn = json.array { "2" } },
    } })
    local statuses = {}
    for i, part in ipairs(body.responses) do
      statuses[i] = part.status
    end
    assert.same({ 200, 403, 424 }, statuses)
    local many = json.array {}
    for i = 1, 21 do
      many[i] = { id = tostring(i), method = "GET", url = "/me" }
    end
    assert.equals(400, (world:ask("uma", "POST", "/$batch", { requests = many })))
  end)

  it("limits an app's writes where asked to, and says when to come back", function()
    world.tenant:set_flag("write_quota", { 2, 150 })
    local function create() return world:ask("priya", "POST", "/applications", { displayName = "x" }) end
    assert.equals(201, (create()))
    world:wait(10)
    assert.equals(201, (create()))
    local status, body, headers = create()
    assert.equals(429, status)
    assert.equals("TooManyRequests", body.error.code)
    assert.equals("140", headers["Retry-After"])
    assert.equals("WriteLimitExceeded", headers["x-ms-throttle-information"])
    assert.equals(200, (world:ask("priya", "GET", "/me")))
    world:wait(140)
    assert.equals(201, (create()))
  end)

  it("shows an older state to a stale read", function()
    local application = set_up("priya")
    world:ask("priya", "PATCH", "/applications/" .. application.id, { displayName = "New" })
    world:wait(10)
    world.stale = 30
    assert.equals(404, (world:ask("priya", "GET", "/applications/" .. application.id)))
    world.stale = 6
    local _, body = world:ask("priya", "GET", "/applications/" .. application.id)
    assert.is_truthy(body.displayName == "New" or body.displayName == "Ours")
  end)

  it("shows writes at once without lag", function()
    world = fake.new { lag = false }
    local _, made = world:ask("priya", "POST", "/applications", { displayName = "x" })
    assert.equals(200, (world:ask("priya", "GET", "/applications/" .. made.id)))
  end)

  it("shows no private member of a row", function()
    for _, path in ipairs { "/users", "/groups", "/applications", "/servicePrincipals" } do
      local _, body = world:ask("adele", "GET", path)
      for _, row in ipairs(body.value) do
        for name in pairs(row) do
          assert.is_nil(name:match("^_"), path)
        end
      end
    end
  end)
end)
