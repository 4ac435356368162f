local fake = require "fake_tenant"
local json = require "json"
local refused = fake.refused
local secret = require "host.secret"

describe("the emulated Graph's applications", function()
  local world

  before_each(function() world = fake.new() end)

  describe("upserts applications by unique name", function()
    local PATH = "/applications(uniqueName='ours')"
    local CREATE = { prefer = "create-if-missing" }

    it("making one once, though readers do not see it yet", function()
      local status, made, headers = world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)
      assert.equals(201, status)
      assert.equals("ours", made.uniqueName)
      assert.equals(("https://127.0.0.1:4711/v2/%s/directoryObjects/%s/Microsoft.DirectoryServices.Application")
        :format(world.tenant.id, made.id), headers.Location)
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

    it("for this tenant only, or with the widest audience, unless it is named", function()
      local _, made = world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)
      assert.equals("AzureADMyOrg", made.signInAudience)
      assert.equals(json.null, made.api.requestedAccessTokenVersion)
      world.tenant:set_flag("default_audience", "AzureADandPersonalMicrosoftAccount")
      local _, wide = world:ask("priya", "PATCH", "/applications(uniqueName='wide')", { displayName = "x" }, CREATE)
      assert.same({ "AzureADandPersonalMicrosoftAccount", 2 },
        { wide.signInAudience, wide.api.requestedAccessTokenVersion })
    end)

    it("changing only what is sent of a complex member", function()
      local application = world:set_up("priya")
      local path = "/applications/" .. application.id
      local redirect = { redirectUris = json.array { "https://b.example" } }
      for _, web in ipairs { { homePageUrl = "https://a.example" }, redirect } do
        assert.equals(204, (world:ask("priya", "PATCH", path, { web = web })))
        world:wait(5)
      end
      local _, shown = world:ask("priya", "GET", path)
      assert.same({ "https://a.example", { "https://b.example" }, json.null },
        { shown.web.homePageUrl, shown.web.redirectUris, shown.web.logoutUrl })
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
      local application = world:set_up("priya")
      assert.equals(204, (world:ask("priya", "DELETE", "/applications/" .. application.id)))
      world:wait(10)
      assert.equals(404, (world:ask("priya", "GET", PATH)))
      refused(400, "Request_BadRequest",
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
      local application = world:set_up("priya")
      world:ask("priya", "DELETE", "/applications/" .. application.id)
      assert.equals(201, (world:ask("priya", "PATCH", PATH, { displayName = "Ours" }, CREATE)))
    end)

  end)

  describe("deletes softly", function()
    it("and restores the application, and its service principal with its grants by a call of its own", function()
      local application, principal = world:set_up("priya")
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
      assert.equals(404, (world:ask("priya", "GET", "/servicePrincipals/" .. principal.id)))
      assert.equals(200, (world:ask("priya", "POST", ("/directory/deletedItems/%s/restore"):format(principal.id))))
      world:wait(10)
      assert.equals(200, (world:ask("priya", "GET", "/servicePrincipals/" .. principal.id)))
      assert.same({ "User.Read.All" }, world.tenant:app_roles(principal.id))
      assert.equals(1, #world.tenant:directory_roles(principal.id))
    end)

    it("and restores both at once where the flag says so", function()
      world = fake.new { flags = { restore_brings_principal = true } }
      local application, principal = world:set_up("priya")
      world:ask("priya", "DELETE", "/applications/" .. application.id)
      world:wait(10)
      world:ask("priya", "POST", ("/directory/deletedItems/%s/restore"):format(application.id))
      world:wait(10)
      assert.equals(200, (world:ask("priya", "GET", "/servicePrincipals/" .. principal.id)))
    end)

    it("for 30 days", function()
      local application = world:set_up("priya")
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
      local application = world:set_up("priya")
      refused(409, "Request_MultipleObjectsWithSameKeyValue", ("The service principal cannot be created, updated, or "
        .. "restored because the service principal name %s is already in use."):format(application.appId),
        world:ask("priya", "POST", "/servicePrincipals", { appId = application.appId }))
      assert.equals(204, (world:ask("priya", "PATCH", ("/servicePrincipals(appId='%s')"):format(application.appId),
        { tags = json.array { "x" } }, { prefer = "create-if-missing" })))
      world.tenant:set_flag("same_key_status", 400)
      assert.equals(400, (world:ask("priya", "POST", "/servicePrincipals", { appId = application.appId })))
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

    before_each(function() application = world:set_up("priya") end)

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
      assert.equals(40, #made.secretText)
      assert.equals(secret.hint(made.secretText, 3), made.hint)
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
      local LONG = "Credential lifetime exceeds the max value allowed as per assigned policy "
        .. "'00000000-0000-0000-0000-000000000000'."
      refused(400, "CredentialInvalidLifetimeAsPerAppPolicy", LONG, mint {})
      assert.same({ { code = "InvalidKeyEndDate", message = LONG, target = "EndDate" } },
        select(2, mint {}).error.details)
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
end)

describe("the emulated tenant's crowd of applications", function()
  local EVENTUAL = { consistencylevel = "eventual" }
  local world

  setup(function() world = fake.new { applications = 250 } end)

  local function get(path, headers)
    local status, body = world:ask("priya", "GET", path, nil, headers)
    assert.equals(200, status, json.encode(body))
    return body
  end

  -- All items of a list, and the sizes of its pages.
  local function all(path, headers)
    local items, sizes = {}, {}
    repeat
      local body = get(path, headers)
      sizes[#sizes + 1] = #body.value
      for _, item in ipairs(body.value) do items[#items + 1] = item end
      path = body["@odata.nextLink"] and body["@odata.nextLink"]:match("/v1%.0(/.+)$")
    until not path
    return items, sizes
  end

  it("is listed with its credentials, each application once, and read one by one", function()
    local items, seen, secrets, certificates = all "/applications?$top=999", {}, 0, 0
    for _, item in ipairs(items) do
      assert.is_nil(seen[item.id])
      seen[item.id], secrets = true, secrets + #item.passwordCredentials
      certificates = certificates + #item.keyCredentials
      for _, secret_row in ipairs(item.passwordCredentials) do assert.equals(json.null, secret_row.secretText) end
    end
    assert.equals(251, #items) -- and the one that a person made by hand
    assert.is_true(secrets > 200 and certificates > 10, secrets .. " " .. certificates)
    local one = get("/applications/" .. items[200].id)
    assert.same(items[200].passwordCredentials, one.passwordCredentials)
  end)

  it("has owners, who come with the list a hundred to a page, or by themselves", function()
    local items, sizes = all "/applications?$select=id&$expand=owners($select=id,userPrincipalName)&$top=999"
    assert.same({ 100, 100, 51 }, sizes)
    for _, item in ipairs { items[2], items[77], items[250] } do
      assert.equals(#item.owners, #get("/applications/" .. item.id .. "/owners").value)
    end
  end)

  it("has federated credentials, which the advanced engine finds", function()
    local query = "/applications?$select=id&$filter=federatedIdentityCredentials/$count ne 0&$count=true"
    local items = all(query, EVENTUAL)
    assert.equals(6, #items)
    for _, item in ipairs(items) do
      assert.equals("deploy", get("/applications/" .. item.id .. "/federatedIdentityCredentials").value[1].name)
    end
    assert.equals(400, (world:ask("priya", "GET", query:gsub("&$count=true", ""))))
  end)

  it("has service principals, own ones and foreign ones, and permissions", function()
    local own, foreign = 0, 0
    for _, item in ipairs(all "/servicePrincipals?$select=id,appOwnerOrganizationId,displayName&$top=999") do
      own = own + (item.appOwnerOrganizationId == world.tenant.id and 1 or 0)
      foreign = foreign + (item.displayName:find "^Gallery" and 1 or 0)
    end
    assert.same({ 251, 62 }, { own, foreign })
    local path = ("/servicePrincipals/%s/appRoleAssignedTo?$top=999"):format(world.tenant.graph.id)
    local granted = all(path)
    assert.equals(25, #granted)
    local mine = get("/servicePrincipals/" .. granted[7].principalId .. "/appRoleAssignments").value
    assert.same({ granted[7].id }, { mine[1].id })
  end)
end)
