--- explain.denied: why Graph said no, asked from a tenant that is not there.

local contoso = require "contoso"
local crypto = require "host.crypto"
local denied = require "permissions.denied"
local fail = require "fail"
local graph = require "graph"
local json = require "host.json"

local REFUSED = { 403, { ["request-id"] = "r-1" }, { error = { code = "Authorization_RequestDenied",
  message = "Insufficient privileges to complete the operation." } } }
local SAID = "Graph said: 403 Authorization_RequestDenied: Insufficient privileges to complete the operation. "
  .. "(request-id r-1)"
local GRAPH = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')"
local HELPDESK, GLOBAL = "729827e3-9c14-49f7-bb1b-9608f156bbb8", "62e90394-69f5-4237-9190-012177145e10"

local tenant

local function on(...) tenant.door:on(...) end

local function token(claims)
  local function part(text) return crypto.base64url(text) end
  tenant.door:on("POST", contoso.TOKEN,
    contoso.token { access_token = ("%s.%s.sig"):format(part "{}", part(json.encode(claims))) })
end

local function app(...)
  token { oid = "sp-1", appid = "app-1", tid = "t", idtyp = "app", roles = json.array { ... } }
end

local function person(scopes, ...)
  token { oid = "me-1", appid = "client-1", tid = "t", idtyp = "user", scp = scopes, wids = json.array { ... } }
end

-- What the tenant tells about our application.
local function tells(granted, requested)
  on("GET", GRAPH, { 200, {}, { id = "graph-sp", appRoles = {
    { id = "role-user", value = "User.ReadWrite.All" }, { id = "role-group", value = "Group.ReadWrite.All" } } } })
  local assignments = json.array {}
  for i, id in ipairs(granted) do assignments[i] = { resourceId = "graph-sp", appRoleId = id } end
  on("GET", "/v1.0/servicePrincipals/sp-1/appRoleAssignments", { 200, {}, { value = assignments } })
  local access = json.array {}
  for i, id in ipairs(requested or {}) do access[i] = { id = id, type = "Role" } end
  on("GET", "/v1.0/applications(appId='app-1')", { 200, {}, { requiredResourceAccess = { {
    resourceAppId = "00000003-0000-0000-c000-000000000000", resourceAccess = access } } } })
  on("GET", "/v1.0/roleManagement/directory/roleAssignments", { 200, {}, { value = json.array {} } })
end

-- The failure of a call, explained.
local function failure(fn, ...)
  local args = table.pack(...)
  return tenant:run(function()
    local ok, err = pcall(fn, table.unpack(args, 1, args.n))
    assert(not ok)
    denied.explain(err)
    return err
  end)
end

local function because(err) return (err.why:gsub("%. " .. SAID:gsub("%p", "%%%0"), "")) end

describe("a refusal", function()
  before_each(function()
    tenant = contoso.new()
    on("GET", "/v1.0/*", REFUSED)
    on("PATCH", "/v1.0/*", REFUSED)
    on("POST", "/v1.0/*", REFUSED)
  end)
  after_each(function() tenant:close() end)

  local function update() return failure(graph.patch, "/users/u1", { department = "x" }) end

  it("of a call that was never made is a script's own, and nothing is asked about it", function()
    app "User.ReadWrite.All"
    tells({ "role-user" }, { "role-user" })
    on("GET", "/v1.0/users/boss", { 200, {}, { id = "boss", userPrincipalName = "boss@x.test",
      isManagementRestricted = true } })
    local err = failure(fail.raise, {
      kind = "denied", status = 403, what = "a", why = "b", said = "c",
      call = { method = "PATCH", path = "/users/boss", members = { "department" } },
    })
    assert.equal("b", err.why)
    assert.equal(0, #tenant.door.requests)
  end)

  it("is for a permission that the application does not ask for", function()
    app("User.Read.All")
    tells({}, { "role-group" })
    local err = update()
    assert.equal("User.ReadWrite.All is not among the permissions that the application asks for. " .. SAID, err.why)
    assert.equal("Add User.ReadWrite.All to its API permissions, and have admin consent granted.", err.fix)
  end)

  it("is for a permission that is asked for but not consented", function()
    app("User.Read.All")
    tells({}, { "role-user" })
    assert.equal("the application asks for User.ReadWrite.All, but nobody has consented to it", because(update()))
  end)

  it("is for a permission that is consented but not in this token", function()
    app("User.Read.All")
    tells({ "role-user" }, { "role-user" })
    local err = update()
    assert.equal("User.ReadWrite.All is granted, but not in this token, which was issued before the grant",
      because(err))
    assert.matches("^Sign in again", err.fix)
  end)

  it("is for a permission of which more is not known, where that may not be read", function()
    app("User.Read.All")
    assert.equal("User.ReadWrite.All is not in our token; whether it is granted is not known: we may not read it",
      because(update()))
  end)

  it("is for what an application cannot do at all", function()
    app("UserAuthenticationMethod.ReadWrite.All")
    local err = failure(graph.post, "/users/u1/authentication/methods/m/resetPassword", {})
    assert.equal("an application cannot do this by itself, with no permission", because(err))
  end)

  it("is for a scope that was not consented, or not asked for at this sign-in", function()
    person("User.Read.All")
    on("GET", "/v1.0/servicePrincipals(appId='client-1')", { 200, {}, { id = "client-sp" } })
    on("GET", "/v1.0/oauth2PermissionGrants", { 200, {}, { value = json.array {} } })
    assert.equal("User.ReadWrite.All was not consented to the client that you signed in with", because(update()))
    on("GET", "/v1.0/oauth2PermissionGrants", { 200, {}, { value = {
      { clientId = "client-sp", consentType = "Principal", principalId = "me-1", scope = "User.ReadWrite.All" } } } })
    assert.equal("User.ReadWrite.All is granted, but not in this token, which was issued before the grant",
      because(update()))
  end)

  it("is for a directory role that is missing", function()
    person("User.ReadWrite.All", HELPDESK)
    on("GET", "/v1.0/users/u1", { 200, {}, { id = "u1", userPrincipalName = "u1@contoso" } })
    local err = update()
    assert.equal("a directory role is missing: User Administrator would do. Yours: Helpdesk Administrator",
      because(err))
    assert.equal("Have User Administrator assigned to you, or sign in as somebody who holds it.", err.fix)
  end)

  local function account(roles, more)
    local user = { id = "u1", userPrincipalName = "u1@contoso" }
    for name, value in pairs(more or {}) do user[name] = value end
    on("GET", "/v1.0/users/{id}", { 200, {}, user })
    on("GET", "/v1.0/roleManagement/directory/roleAssignments", { 200, {}, { value = json.array(roles) } })
    on("GET", "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances", { 200, {}, { value = json.array {} } })
    on("GET", "/v1.0/roleManagement/directory/roleDefinitions", { 200, {},
      { value = { { id = GLOBAL, displayName = "Global Administrator" } } } })
    on("GET", "/v1.0/groups", { 200, {}, { value = json.array {} } })
  end

  local function reset() return failure(graph.patch, "/users/u1", { passwordProfile = { password = "x" } }) end

  it("is for a target whose roles are stronger than ours", function()
    person("User-PasswordProfile.ReadWrite.All", HELPDESK)
    account { { principalId = "u1", roleDefinitionId = GLOBAL } }
    local err = reset()
    assert.equal("u1@contoso has stronger roles than we have: Global Administrator (active). Our directory roles: "
      .. "Helpdesk Administrator",
      because(err))
    assert.matches("Privileged Authentication Administrator", err.fix)
  end)

  it("is for a target in a restricted unit", function()
    person("User-PasswordProfile.ReadWrite.All", HELPDESK)
    account({}, { isManagementRestricted = true })
    assert.equal("u1@contoso is in a restricted management administrative unit: only roles scoped to that unit reach "
      .. "it", because(reset()))
  end)

  it("is for an application that is not ours", function()
    app("Application.ReadWrite.OwnedBy")
    local err = failure(graph.patch, "/applications/a1", { displayName = "x" })
    assert.equal("Application.ReadWrite.OwnedBy reaches only what we own, and this is not among it", because(err))
  end)

  it("to create an application may come though Application.ReadWrite.OwnedBy is there", function()
    app("Application.ReadWrite.OwnedBy")
    local posted = failure(graph.post, "/applications", { displayName = "x" })
    local upserted = failure(graph.patch, "/applications(uniqueName='x')", { displayName = "x" })
    for _, err in ipairs { posted, upserted } do
      assert.equal("Application.ReadWrite.OwnedBy, which should let us create applications, does not suffice in some "
        .. "tenants", because(err))
      assert.matches("^Grant Application.ReadWrite.All", err.fix)
    end
  end)

  it("is said to be unexplained where nothing is missing", function()
    person("User.ReadWrite.All", GLOBAL)
    on("GET", "/v1.0/users/u1", { 200, {}, { id = "u1", userPrincipalName = "u1@contoso" } })
    assert.equal("our token has the permissions that this needs (User.ReadWrite.All); our directory roles: Global "
      .. "Administrator, so it is unknown why Graph refused it", because(update()))
  end)

  for code, cause in pairs {
    Directory_ResourceSizeExceeded = "the object has no room for another value",
    RoleAssignmentRequestPolicyValidationFailed = "the role's own settings refuse the request",
    Authentication_RequestFromNonPremiumTenantOrB2CTenant = "the tenant lacks the licence that this list needs",
    Authentication_RequestFromUnsupportedUserRole = "the signed-in person holds no role that may read reports",
    CannotUpdateLockedServicePrincipalProperty = "the application locks this property of its service principals",
    Directory_QuotaExceeded = "the directory, or the creator of these objects, has too many objects",
    insufficient_claims = "a Conditional Access policy requires a stronger sign-in",
  } do
    it("that no permission would change is not asked about: " .. code, function()
      app("User.Read.All")
      on("PATCH", "/v1.0/*", { 403, {}, { error = { code = code, message = "Words." } } })
      local err = update()
      assert.equal(cause, err.why:sub(1, #cause))
      assert.same({ "POST", "PATCH" }, { tenant.door.requests[1].method, tenant.door.requests[2].method })
      assert.equal(2, #tenant.door.requests)
    end)
  end

  it("of a user by a quoted address is about that user", function()
    person("User-PasswordProfile.ReadWrite.All", HELPDESK)
    on("GET", "/v1.0/users('%24o%27%27neil@x.test')", { 200, {}, { id = "u1", userPrincipalName = "$o'neil@x.test",
      isManagementRestricted = true } })
    local path = graph.path("/users/{id}", "$o'neil@x.test")
    local err = failure(graph.patch, path, { passwordProfile = { password = "x" } })
    assert.matches("^%$o'neil@x%.test is in a restricted management administrative unit", err.why)
  end)

  it("keeps what is known by itself where the call is not in the table", function()
    app()
    local err = failure(graph.get, "/reports/something")
    assert.matches("^we are not allowed to do this", err.why)
  end)

  it("does not hide itself behind a failure to ask", function()
    app("User.Read.All")
    on("GET", GRAPH, { nil, "no route", "connect", false })
    local err = update()
    assert.matches("User.ReadWrite.All is not in our token; whether it is granted is not known", err.why)
  end)
end)
