local fake = require "fake_tenant"
local json = require "json"
local refused = fake.refused

local DENIED = "Insufficient privileges to complete the operation."

describe("the emulated Graph", function()
  local world

  before_each(function() world = fake.new() end)

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
      local application = world:set_up("priya")
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
      -- an application needs no permission to roll a key of its own
      local open = { ["POST /$batch"] = true, ["POST /applications/{id}/addKey"] = true }
      local nothing = { tenant = world.tenant, caller = { oid = "x", idtyp = "app" } }
      for _, part in ipairs { "users", "accounts", "groups", "applications", "credentials", "principals", "grants",
        "roles", "policies", "directory", "deleted", "batch" } do
        for call in pairs(require("emulator.graph." .. part).routes) do
          local method, path = call:match("^(%u+) (.+)$")
          path = path:lower():gsub("/%$count$", ""):gsub("members/microsoft%.graph%.user$", "members")
          local key = method .. " " .. path
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

  it("changes who owns an application and who is in a group", function()
    local scopes = fake.SCOPES .. " Directory.Read.All GroupMember.ReadWrite.All"
    local who = world:claims("adele", { scp = scopes })
    local application = world:set_up(who)
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
    local application = world:set_up("priya")
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
