local fake = require "fake_tenant"
local json = require "json"
local refused = fake.refused

describe("the emulated Graph's permissions and roles", function()
  local world

  before_each(function() world = fake.new() end)

  describe("grants permissions of Graph", function()
    local principal, body, path

    before_each(function()
      principal = select(2, world:set_up("priya"))
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
    local _, principal = world:set_up("priya")
    local body = { clientId = principal.id, resourceId = world.tenant.graph.id, consentType = "AllPrincipals",
      principalId = json.null, scope = "User.Read" }
    local status, made = world:ask(who, "POST", "/oauth2PermissionGrants", body)
    assert.equals(201, status)
    assert.equals(409, (world:ask(who, "POST", "/oauth2PermissionGrants", body)))
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
      local _, principal = world:set_up("priya")
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
      assert.same({ 2, "AAD_PREMIUM" }, { #skus.value, skus.value[2].skuPartNumber })
      world.tenant:set_flag("p1", false)
      assert.equals(1, #select(2, world:ask("priya", "GET", "/subscribedSkus")).value)
    end)
  end)
end)
