--- permissions: the least a set of calls needs, held against what is known of single calls.

local permissions = require "permissions.least"
local required = require "graph.required"

-- Facts with their sources, gathered apart from stdlib/data/calls.tsv. `app` and `person` are the least permission
-- ("a+b": both; "-": impossible), `role` the weakest directory role of a person.
-- PERM: Microsoft's permission table (microsoft-graph-devx-content@6cbd6bb, 2026-08); Learn: the page of the call;
-- TF: terraform's azuread provider; RBAC: graph-docs-contrib, includes/rbac-for-apis.
local FACTS = {
  { "POST /applications", app = "Application.ReadWrite.OwnedBy", person = "Application.ReadWrite.All" }, -- PERM
  { "DELETE /applications/{id}", app = "Application.ReadWrite.OwnedBy", person = "Application.ReadWrite.All" }, -- PERM
  { "PATCH /applications(uniqueName)", app = "Application.ReadWrite.OwnedBy" }, -- Learn: application-upsert
  { "PATCH /servicePrincipals(appId)", app = "Application.ReadWrite.OwnedBy" }, -- Learn: serviceprincipal-upsert
  { "POST /applications/{id}/addPassword", app = "Application.ReadWrite.OwnedBy" }, -- PERM; Learn
  { "POST /applications/{id}/removePassword", app = "Application.ReadWrite.OwnedBy" }, -- PERM
  { "POST /applications/{id}/owners/$ref", app = "Application.ReadWrite.OwnedBy+Directory.Read.All",
    person = "Application.ReadWrite.All+Directory.Read.All" }, -- PERM: alsoRequires
  { "GET /policies/defaultAppManagementPolicy", app = "Policy.Read.All" }, -- PERM; Learn: tenantappmanagementpolicy
  { "GET /applications/{id}/appManagementPolicies", app = "Policy.Read.All" }, -- Learn
  { "POST /servicePrincipals/{id}/appRoleAssignedTo", app = "AppRoleAssignment.ReadWrite.All+Application.Read.All",
    person = "AppRoleAssignment.ReadWrite.All+Application.Read.All",
    role = "Privileged Role Administrator" }, -- Learn; RBAC: rbac-approleassignments-apis-write
  { "POST /oauth2PermissionGrants", app = "DelegatedPermissionGrant.ReadWrite.All",
    person = "DelegatedPermissionGrant.ReadWrite.All" }, -- PERM
  { "POST /roleManagement/directory/roleAssignments", app = "RoleManagement.ReadWrite.Directory",
    person = "RoleManagement.ReadWrite.Directory", role = "Privileged Role Administrator" }, -- PERM; Learn
  { "GET /roleManagement/directory/roleAssignments", app = "RoleManagement.Read.Directory" }, -- PERM
  { "GET /roleManagement/directory/roleDefinitions", app = "RoleManagement.Read.Directory" }, -- PERM
  { "POST /roleManagement/directory/roleEligibilityScheduleRequests",
    app = "RoleEligibilitySchedule.ReadWrite.Directory",
    role = "Privileged Role Administrator" }, -- PERM; RBAC: rbac-pim-entra-roles-apis
  { "POST /roleManagement/directory/roleAssignmentScheduleRequests",
    app = "RoleAssignmentSchedule.ReadWrite.Directory" }, -- PERM
  { "PATCH /users/{id}#passwordProfile", app = "User-PasswordProfile.ReadWrite.All",
    person = "User-PasswordProfile.ReadWrite.All", role = "Helpdesk Administrator" }, -- Learn: user-update, 2026-07-04
  { "PATCH /users/{id}", app = "User.ReadWrite.All", person = "User.ReadWrite.All" }, -- PERM
  { "PATCH /users/{id}#accountEnabled", app = "User.EnableDisableAccount.All+User.Read.All" }, -- Learn: user-update
  { "POST /users/{id}/authentication/methods/{id}/resetPassword", app = "-",
    person = "UserAuthenticationMethod.ReadWrite.All", role = "Authentication Administrator" }, -- Learn, 2025-07-23
  { "GET /users", app = "User.Read.All", person = "User.Read.All" }, -- Learn: user-list; more than the basic properties
  { "GET /users/{id}/transitiveMemberOf", app = "User.Read.All" }, -- PERM
  { "POST /users/{id}/revokeSignInSessions", app = "User.RevokeSessions.All" }, -- PERM
  { "GET /users/{id}/authentication/methods", app = "UserAuthenticationMethod.Read.All" }, -- PERM
  { "POST /groups", app = "Group.Create", person = "Group.ReadWrite.All" }, -- PERM
  { "GET /groups/{id}/members", app = "GroupMember.Read.All" }, -- Learn: group-list-members
  { "GET /groups/{id}/transitiveMembers", app = "GroupMember.Read.All" }, -- Learn
  { "GET /groups/{id}/transitiveMembers/microsoft.graph.user", app = "GroupMember.Read.All" }, -- as without the cast
  { "POST /directoryObjects/getByIds", app = "Directory.Read.All" }, -- PERM
  { "GET /organization", app = "Organization.Read.All" }, -- Learn: organization-get
  { "GET /auditLogs/directoryAudits", app = "AuditLog.Read.All", role = "Reports Reader" }, -- PERM; RBAC
  { "GET /directory/administrativeUnits", app = "AdministrativeUnit.Read.All" }, -- PERM
}

local function joined(list, impossible)
  if impossible then return "-" end
  return table.concat(list, "+")
end

local function in_order(text)
  local list = {}
  for name in text:gmatch("[^+]+") do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, "+")
end

describe("the least permissions", function()
  for _, fact in ipairs(FACTS) do
    it("of " .. fact[1], function()
      local least = permissions.least { fact[1] }
      assert.same({}, least.unknown)
      if fact.app then
        assert.equal(in_order(fact.app), joined(least.application, #least.unavailable.application > 0))
      end
      if fact.person then
        assert.equal(in_order(fact.person), joined(least.delegated, #least.unavailable.delegated > 0))
      end
      if fact.role then assert.equal(fact.role, joined(least.roles)) end
    end)
  end

  it("of several calls are one that covers many rather than many", function()
    local least = permissions.least { "GET /users", "GET /groups", "POST /directoryObjects/getByIds" }
    assert.same({ "Directory.Read.All" }, least.application)
    assert.same({ "GET /users", "GET /groups", "POST /directoryObjects/getByIds" },
      permissions.reasons(least, "application", "Directory.Read.All"))
  end)

  it("of several calls leave out what became needless", function()
    assert.same({ "Application.ReadWrite.OwnedBy" },
      permissions.least({ "GET /applications", "PATCH /applications/{id}" }).application)
    assert.same({ "RoleManagement.ReadWrite.Directory" }, permissions.least({
      "GET /roleManagement/directory/roleAssignments", "POST /roleManagement/directory/roleAssignments",
    }).application)
  end)

  it("of the setup are what its own list of scopes says", function()
    local declaration = require("script.load").load(SOURCE .. "/scripts/setup/entra-pam-provider.lua")
    local least = permissions.least(declaration.needs.graph)
    local wanted = {}
    for _, scope in ipairs(declaration.needs.scopes) do wanted[scope] = true end
    assert.same({}, least.unknown)
    local reads = { ["GroupMember.Read.All"] = "Group.Read.All" } -- the list has the wider one
    for _, name in ipairs(least.delegated) do
      assert(wanted[name] or wanted[reads[name]], name .. " is not among the scopes of the setup")
    end
    assert.same({ "Cloud Application Administrator", "Global Reader", "Privileged Role Administrator" }, least.roles)
  end)

  it("of nothing are none", function()
    local least = permissions.least {}
    assert.same({}, least.application)
    assert.same({}, least.roles)
  end)

  it("are not made up for calls that nothing is known of", function()
    local least = permissions.least { "GET /chats", "GET /users/*", "DELETE /organization" }
    assert.same({ "GET /chats", "GET /users/*", "DELETE /organization" }, least.unknown)
    assert.same({}, least.application)
  end)

  it("say where a role is not known, and where more is to be said", function()
    local least = permissions.least { "POST /users/{id}/revokeSignInSessions", "PATCH /users/{id}#passwordProfile" }
    assert.same({ "POST /users/{id}/revokeSignInSessions" }, least.roles_unknown)
    assert.equal(1, #least.notes)
    assert.matches("not known before a first reset", least.notes[1])
    for _, entry in ipairs { "POST /applications", "PATCH /applications(uniqueName)" } do
      assert.matches("Application.ReadWrite.OwnedBy alone was refused", permissions.least({ entry }).notes[1])
    end
    assert.same({}, permissions.least({ "PATCH /applications/{id}" }).notes)
    assert.matches("without members", permissions.least({ "PATCH /users/{id}" }).notes[1])
    assert.same({}, permissions.least({ "PATCH /users/{id}#department" }).notes)
  end)
end)

describe("what a call needs", function()
  local function calls(...)
    local list = {}
    for _, row in ipairs(required.rows(...)) do list[#list + 1] = row.call end
    return list
  end

  it("is found by a real path as by a template", function()
    assert.same({ "GET /users/{id}" }, calls("GET", "/users/adele%40contoso.com"))
    assert.same({ "GET /applications/{id}" }, calls("GET", "/applications(uniqueName='x')"))
    assert.same({ "GET /users/{id}/memberof" }, calls("GET", "/users/87d349ed-44d7-43e1-9a83-5f2406dee5bd/memberOf"))
    assert.same({ "GET /users" }, calls("GET", "/users/$count"))
    assert.same({}, calls("GET", "/chats"))
    assert.same({}, calls("DELETE", "/users"))
  end)

  it("depends on what the body sets", function()
    assert.same({ "PATCH /users/{id}#passwordProfile" }, calls("PATCH", "/users/u", { "passwordProfile" }))
    assert.same({ "PATCH /users/{id}#accountEnabled", "PATCH /users/{id}" },
      calls("PATCH", "/users/u", { "accountEnabled", "department", "city" }))
  end)

  it("has a source in every row", function()
    for _, fields in ipairs(require("base.fact_tables").rows "stdlib/data/calls.tsv") do
      assert.equal(6, #fields, fields[2])
      assert.matches("^[PLRM]", fields[6])
    end
  end)
end)

describe("the difference to what is held", function()
  local least = permissions.least { "GET /users", "PATCH /users/{id}#passwordProfile", "GET /organization" }

  it("is what to add, which calls that blocks, and what nothing needs", function()
    assert.same({
      missing = { "Organization.Read.All", "User-PasswordProfile.ReadWrite.All" },
      blocked = { "PATCH /users/{id}#passwordProfile", "GET /organization" },
      needless = { "Mail.Read" },
    }, permissions.compare(least, "application", { "User.ReadWrite.All", "Mail.Read" }))
  end)

  it("counts a wider permission", function()
    local held = { "User.Read.All", "User-PasswordProfile.ReadWrite.All", "Directory.Read.All" }
    assert.same({ missing = {}, blocked = {}, needless = { "User.Read.All" } },
      permissions.compare(least, "application", held))
  end)
end)
