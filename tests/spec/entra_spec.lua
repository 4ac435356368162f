--- entra: what a tenant's things are, and what may be done to them.

local admin = require "entra.admin"
local api_permissions = require "entra.api_permissions"
local application = require "entra.application"
local contoso = require "contoso"
local credential_policy = require "entra.credential_policy"
local client_secrets = require("journal.rotations").client_secrets
local deleted = require "entra.deleted"
local names = require "base.microsoft_ids"
local oauth = require "oauth.sign_in"
local pim = require "entra.pim"
local reach = require "entra.reach"
local stage = require "stage"
local time = require "time"

local DAY = 86400

local tenant

before_each(function() tenant = contoso.new() end)
after_each(function() tenant:close() end)

describe("a name as part of another", function()
  it("keeps letters and digits, and never makes one of two", function()
    assert.equal("devolutions-pam", names.slug "Devolutions PAM")
    assert.equal("setup-entra-pam-provider", names.slug "setup/entra-pam-provider")
    assert.are_not.equal(names.slug "日本", names.slug "中国")
    assert.truthy(names.slug("Büro PAM"):match "^b.*%-%x+$")
  end)
end)

describe("an application", function()
  local function wanted(more)
    local fields = { name = "Devolutions PAM", workflow = "setup/entra-pam-provider" }
    for name, value in pairs(more or {}) do fields[name] = value end
    return application(fields)
  end
  local BY_NAME = "/v1.0/applications(uniqueName='moonlatch-setup-entra-pam-provider-devolutions-pam')"
  local MARK = "Made by Moonlatch, workflow setup/entra-pam-provider."

  it("is made by its uniqueName, single tenant, and carries our line", function()
    tenant.door:on("PATCH", BY_NAME, { 201, {}, { id = "o", appId = "a", notes = MARK } })
    local made = tenant:run(function() return wanted():create() end)
    assert.is_true(made.ours)
    local sent = tenant.door.requests[2]
    assert.equal("AzureADMyOrg", sent.body.signInAudience)
    assert.equal(1, sent.body.notes:find(MARK, 1, true))
  end)

  it("is read when it was there already after all", function()
    tenant.door:on("PATCH", BY_NAME, { 204 })
    tenant.door:once("GET", BY_NAME, { 404, {}, { error = { code = "Request_ResourceNotFound", message = "" } } })
    tenant.door:once("GET", BY_NAME, { 200, {}, { id = "o", appId = "a", notes = MARK } })
    local made = tenant:run(function() return wanted():create() end)
    assert.equal("o", made.id)
    assert.is_true(made.ours)
  end)

  it("is not taken over when its uniqueName is ours but its notes are not", function()
    tenant.door:on("GET", BY_NAME, { 200, {}, { id = "o", appId = "a-1", notes = "mine" } })
    local err = tenant:fails(function() wanted():read() end)
    assert.equal("not_ours", err.kind)
    assert.truthy(tostring(err):find("add --client-id a-1 to the same command; otherwise choose another name", 1, true))
  end)

  it("is adopted by its client id, is never changed and never ours", function()
    tenant.door:on("GET", "/v1.0/applications(appId='a-1')",
      { 200, {}, { id = "o", appId = "a-1", displayName = "X" } })
    local journal = stage.journal()
    tenant:run(function()
      local thing = wanted { client_id = "a-1" }
      local actual = thing:read()
      assert.is_true(actual.adopted)
      assert.same({}, thing:differs(actual))
      thing:adopt({ id = "w", journal = journal }, actual)
      assert.same({ false, "it was adopted, not made here" }, { thing:ours(actual) })
    end)
    assert.equal("o", journal:get("adopted", "application/a-1").body.id)
  end)

  it("that is to be adopted has to be there", function()
    tenant.door:on("GET", "/v1.0/applications(appId='a-1')",
      { 404, {}, { error = { code = "Request_ResourceNotFound", message = "" } } })
    local err = tenant:fails(function() wanted { client_id = "a-1" }:read() end)
    assert.equal("adopt the application with the client id a-1: "
      .. "there is no such application registration in this tenant", tostring(err):match "^[^\n]+")
  end)

  describe("of which a deleted one holds the uniqueName", function()
    local journal, marked

    before_each(function()
      journal = stage.journal()
      marked = { id = "y", appId = "a-9", displayName = "Devolutions PAM", uniqueName = wanted().unique_name,
        notes = wanted().mark, deletedDateTime = "2025-12-24T00:00:00Z" }
      tenant.door:on("GET", "/v1.0/directory/deletedItems/microsoft.graph.application", { 200, {}, { value = {
        { id = "x", appId = "other" }, marked,
      } } })
    end)

    it("is found in the bin", function()
      tenant:run(function() assert.equal("a-9", deleted.find_by_unique_name(wanted().unique_name).appId) end)
    end)

    it("is restored when its notes and the journal show that it is ours", function()
      local ours = wanted()
      client_secrets:put(journal, client_secrets:new(journal, { app_id = "a-9" }), "confirmed")
      deleted.require_ours(ours, marked, journal)
      ours:restore_instead(marked)
      assert.equal("restored from the deleted ones (deleted on 2025-12-24)", ours.made)
      assert.is_true(ours.returning.ours)
    end)

    it("stops the run when the journal does not know it: its credentials would come back", function()
      local _, err = pcall(deleted.require_ours, wanted(), marked, journal)
      assert.equal("conflict", err.kind)
      assert.equal("the uniqueName 'moonlatch-setup-entra-pam-provider-devolutions-pam' is still held by the "
        .. "application deleted on 2025-12-24 (client id a-9), and this journal does not know it: restored, it would "
        .. "bring back credentials that nobody here knows", err.why)
      assert.truthy(err.fix:find("`moonlatch destroy setup/entra-pam-provider --purge` deletes it for good", 1, true))
    end)

    it("stops the run when its notes do not name us: then it is a person's", function()
      marked.notes = "mine"
      client_secrets:put(journal, client_secrets:new(journal, { app_id = "a-9" }), "confirmed")
      local _, err = pcall(deleted.require_ours, wanted(), marked, journal)
      assert.truthy(err.why:find("its notes do not carry the line", 1, true))
      assert.equal("In the Entra admin center under App registrations > Deleted applications: either restore it, and "
        .. "it is used again, or delete it permanently. (Or choose another --name.)", err.fix)
    end)

  end)
end)

describe("declared API permissions", function()
  local GRAPH_SP = { id = "g", permissions = { ["User.Read.All"] = "u", ["Group.Read.All"] = "gr" } }
  local wanted = api_permissions.look_up(GRAPH_SP, { "User.Read.All", "Group.Read.All" })

  local function host(access, more)
    local app = { id = "o", appId = "a", displayName = "PAM", requiredResourceAccess = access }
    for name, value in pairs(more or {}) do app[name] = value end
    return app
  end
  local function of(app) return api_permissions.of { name = "PAM", application = app, permissions = wanted } end

  it("are looked up by value, never by a constant of ours", function()
    assert.same({ { value = "User.Read.All", id = "u" }, { value = "Group.Read.All", id = "gr" } }, wanted)
    local ok, err = pcall(api_permissions.look_up, GRAPH_SP, { "User.Reed.All" })
    assert.is_false(ok)
    assert.truthy(tostring(err):find("look up the application permission User.Reed.All", 1, true))
  end)

  it("are added to what is declared, of which nothing is taken away", function()
    local app = host {
      { resourceAppId = "other-api", resourceAccess = { { id = "o1", type = "Scope" } } },
      { resourceAppId = names.GRAPH, resourceAccess = { { id = "s1", type = "Scope" }, { id = "u", type = "Role" } } },
    }
    tenant.door:on("PATCH", "/v1.0/applications/o", { 204 })
    local thing = of(app)
    local changes = thing:differs(app)
    assert.same({ "Group.Read.All" }, { changes[1].member, changes[2] })
    tenant.door:on("GET", "/v1.0/applications/o", { 200, {}, { id = "o", requiredResourceAccess = {
      { resourceAppId = "added-meanwhile", resourceAccess = { { id = "m1", type = "Scope" } } },
      table.unpack(app.requiredResourceAccess),
    } } })
    tenant:run(function() thing:update(app, changes) end)
    local sent = tenant.door.requests[3].body.requiredResourceAccess
    assert.equal(3, #sent)
    assert.same({ id = "m1", type = "Scope" }, sent[1].resourceAccess[1])
    assert.same({ id = "o1", type = "Scope" }, sent[2].resourceAccess[1])
    assert.same({ { id = "s1", type = "Scope" }, { id = "u", type = "Role" }, { id = "gr", type = "Role" } },
      { table.unpack(sent[3].resourceAccess) })
    assert.equal(0, #thing:differs(app))
  end)

  it("are taken back from an adopted application only as far as the journal says we added them", function()
    local journal = stage.journal()
    journal:put("added", "API permissions/a", "added", { entries = { "gr" } }, 0)
    local app = host({ { resourceAppId = names.GRAPH,
      resourceAccess = { { id = "u", type = "Role" }, { id = "gr", type = "Role" } } } }, { adopted = true })
    tenant.door:on("PATCH", "/v1.0/applications/o", { 204 })
    tenant:run(function() of(app):delete(app, { id = "w", journal = journal }) end)
    local sent = tenant.door.requests[2].body.requiredResourceAccess
    assert.same({ { id = "u", type = "Role" } }, { table.unpack(sent[1].resourceAccess) })
  end)
end)

describe("the policy for client secrets", function()
  local function policies(default, own)
    tenant.door:on("GET", "/v1.0/policies/defaultAppManagementPolicy", { 200, {}, default })
    tenant.door:on("GET", "/v1.0/applications/o/appManagementPolicies", { 200, {}, { value = own or {} } })
  end
  local function limits(kind, longest, from)
    return { passwordCredentials = { {
      restrictionType = kind, maxLifetime = longest, restrictForAppsCreatedAfterDateTime = from, state = "enabled",
    } } }
  end
  local function default(restrictions) return { isEnabled = true, applicationRestrictions = restrictions } end

  it("reads durations as Graph writes them", function()
    assert.equal(90 * DAY, credential_policy.seconds "P90D")
    assert.equal(365 * DAY, credential_policy.seconds "P1Y")
    assert.equal(4 * DAY + 12 * 3600 + 30 * 60 + 5, credential_policy.seconds "P4DT12H30M5S")
    assert.is_nil(credential_policy.seconds "soon")
    assert.is_nil(credential_policy.seconds "P")
  end)

  it("gives 180 days, or less where the tenant says so", function()
    policies { isEnabled = false }
    assert.equal(180 * DAY, tenant:run(credential_policy.read):lifetime())
    policies(default(limits("passwordLifetime", "P90D")))
    assert.equal(90 * DAY, tenant:run(credential_policy.read):lifetime())
    assert.equal(30 * DAY, tenant:run(credential_policy.read):lifetime(30 * DAY))
  end)

  it("refuses a longer one before anything is made, and says how long it may be", function()
    policies(default(limits("passwordLifetime", "P90D")))
    local policy = tenant:run(credential_policy.read)
    local ok, err = pcall(policy.lifetime, policy, 365 * DAY)
    assert.is_false(ok)
    assert.equal("plan the client secret: a lifetime of 365 days was asked for; the tenant's default application "
      .. "management policy allows 90 days\nAdd --lifetime 90d to the command, or write lifetime = \"90d\" in the "
      .. "policy.",
      tostring(err))
  end)

  it("says so when there may be no secrets at all", function()
    policies(default(limits "passwordAddition"))
    local policy = tenant:run(credential_policy.read)
    local ok, err = pcall(policy.lifetime, policy)
    assert.is_false(ok)
    assert.equal("refused", err.kind)
    assert.truthy(err.why:find("forbids client secrets", 1, true))
  end)

  it("says how long a certificate may live, and whose it has to be", function()
    local function keys(kind, longest)
      return { keyCredentials = { { restrictionType = kind, maxLifetime = longest, state = "enabled" } } }
    end
    policies { isEnabled = false }
    assert.equal(365 * DAY, tenant:run(credential_policy.read):key_lifetime())
    policies(default(keys("asymmetricKeyLifetime", "P90D")))
    local policy = tenant:run(credential_policy.read)
    assert.same({ 90 * DAY, 30 * DAY, 180 * DAY },
      { policy:key_lifetime(), policy:key_lifetime(30 * DAY), policy:lifetime() })
    local _, err = pcall(policy.key_lifetime, policy, 91 * DAY)
    assert.equal("plan the certificate: a lifetime of 91 days was asked for; the tenant's default application "
      .. "management policy allows 90 days\nAdd --lifetime 90d to the command, or write lifetime = \"90d\" in the "
      .. "policy.",
      tostring(err))
    policies(default(keys "trustedCertificateAuthority"))
    policy = tenant:run(credential_policy.read)
    _, err = pcall(policy.key_lifetime, policy)
    assert.truthy(err.why:find("demands certificates of an authority the tenant trusts", 1, true))
  end)

  it("may count only for applications made later, and an application's own replaces it", function()
    policies(default(limits("passwordAddition", nil, "2026-06-01T00:00:00Z")))
    local policy = tenant:run(credential_policy.read)
    assert.equal(180 * DAY, policy:lifetime())
    policies(default(limits "passwordAddition"), {
      { displayName = "PAM may", isEnabled = true, restrictions = limits("passwordLifetime", "P60D") },
    })
    policy = tenant:run(function()
      return credential_policy.read():of { id = "o", createdDateTime = time.iso(time.now()) }
    end)
    assert.equal(60 * DAY, policy:lifetime())
    assert.equal("the policy 'PAM may' of this application", policy.says)
  end)

  it("that may not be read is not checked, which is no failure", function()
    tenant.door:on("GET", "/v1.0/policies/defaultAppManagementPolicy",
      { 403, {}, { error = { code = "Authorization_RequestDenied", message = "no" } } })
    local policy = tenant:run(credential_policy.read)
    assert.is_false(policy.checked)
    assert.equal(180 * DAY, policy:lifetime())
  end)
end)

describe("a duration as Graph takes it", function()
  it("is written in days, hours and minutes", function()
    for text, seconds in pairs { P15D = 15 * DAY, PT8H = 8 * 3600, P1DT1H = DAY + 3600, PT1H30M = 5400 } do
      assert.equal(text, pim.iso_duration(seconds))
      assert.equal(seconds, credential_policy.seconds(text))
    end
  end)
end)

describe("who is signed in", function()
  local sign_in, scopes = oauth.sign_in, oauth.scopes
  after_each(function() oauth.sign_in, oauth.scopes = sign_in, scopes end)

  local function signed(principal)
    oauth.sign_in = function() return principal end
    return tenant:run(admin.sign_in, { profile = { name = "p", sign_in = {} } })
  end
  local ALL = { "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "RoleManagement.ReadWrite.Directory" }
  local function person(roles)
    local wids = {}
    for i, role in ipairs(roles) do wids[i] = names.roles[role] end
    return { name = "ann@contoso.com", oid = "o-1", kind = "user", scopes = ALL, roles = {}, wids = wids }
  end
  local function may(who) return { who:may "applications", who:may "consent", who:may "roles" } end

  it("can do what its roles allow", function()
    assert.same({ true, true, true }, may(signed(person { "Global Administrator" })))
    assert.same({ true, true, true }, may(signed(person { "Privileged Role Administrator",
      "Application Administrator" })))
    assert.same({ true, false, false }, may(signed(person { "Cloud Application Administrator" })))
    assert.same({ false, true, true }, may(signed(person { "Privileged Role Administrator" })))
    assert.same({ false, false, false }, may(signed(person { "Helpdesk Administrator" })))
  end)

  it("is told which role is missing", function()
    local who = signed(person { "Application Administrator" })
    assert.equal("ann@contoso.com does not hold the role Privileged Role Administrator or Global Administrator",
      who:why_not "consent")
  end)

  it("is told when a role is eligible but not activated", function()
    local who = signed(person {})
    tenant.door:on("GET", "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances", { 200, {}, { value = {
      { roleDefinitionId = names.roles["Privileged Role Administrator"] },
    } } })
    tenant:run(function() who:check_eligible_roles() end)
    assert.equal("ann@contoso.com is eligible for the role 'Privileged Role Administrator' but has not activated it; "
      .. "that is done under Privileged Identity Management > My roles, and then it takes a new sign-in",
        who:why_not "roles")
    local err = tenant:fails(function() who:require_ability "applications" end)
    assert.equal("denied", err.kind)
    assert.truthy(tostring(err):find("Sign in as somebody with the role Application Administrator, Cloud", 1, true))
  end)

  it("may be short of a consented permission instead", function()
    local who = person { "Global Administrator" }
    who.scopes = { "Application.ReadWrite.All" }
    assert.equal("the sign-in was not consented to AppRoleAssignment.ReadWrite.All", signed(who):why_not "consent")
  end)

  it("may be an application, which goes by its permissions", function()
    local app = { name = "setup", oid = "o", kind = "app", roles = { "Application.ReadWrite.OwnedBy" }, scopes = {},
      wids = {} }
    assert.same({ true, false, false }, may(signed(app)))
  end)
end)

describe("who may reset whose password", function()
  local HELPDESK = { "Helpdesk Administrator" }
  local BOTH = { "Helpdesk Administrator", "Privileged Authentication Administrator" }

  local function account(roles, more)
    local one = { id = "u", upn = "u@contoso.com", roles = {}, restricted = false, synced = false, guest = false }
    for i, name in ipairs(roles or {}) do one.roles[i] = { id = names.roles[name] or name, name = name,
      how = "active" } end
    for name, value in pairs(more or {}) do one[name] = value end
    return one
  end

  it("goes by Microsoft's table", function()
    assert.equal("yes", reach.judge(account(), HELPDESK))
    assert.equal("yes", reach.judge(account { "Helpdesk Administrator" }, HELPDESK))
    assert.equal("no", reach.judge(account { "Global Administrator" }, HELPDESK))
    assert.equal("no", reach.judge(account { "Authentication Administrator" }, HELPDESK))
    assert.equal("yes", reach.judge(account { "Global Administrator" }, BOTH))
    assert.equal("no", reach.judge(account { "a-custom-role" }, HELPDESK))
  end)

  it("needs a role for every role the account holds", function()
    assert.equal("no", reach.judge(account { "Helpdesk Administrator", "Global Administrator" }, HELPDESK))
  end)

  it("counts members and owners of role-assignable groups", function()
    local verdict, why = reach.judge(account({}, { group = "Tier 0" }), HELPDESK)
    assert.equal("no", verdict)
    assert.equal("member or owner of the role-assignable group 'Tier 0'", why)
    assert.equal("yes", reach.judge(account({}, { group = "Tier 0" }), BOTH))
  end)

  it("cannot reach what is kept elsewhere, whatever the role", function()
    assert.same({ "no", "its password is kept on-premises (synced account)" },
      { reach.judge(account({}, { synced = true }), BOTH) })
    assert.equal("no", reach.judge(account({}, { guest = true }), BOTH))
    assert.equal("no", reach.judge(account({}, { restricted = true }), BOTH))
  end)

  it("leaves unknown what Microsoft's pages contradict each other on", function()
    local uxsm = { id = "27460883-1df1-4691-b032-3b79643e5e63", name = "User Experience Success Manager",
      how = "active" }
    assert.equal("unknown", reach.judge(account({}, { roles = { uxsm } }), HELPDESK))
  end)

  it("decides which roles are needed", function()
    assert.same(HELPDESK, (reach.roles_for {}))
    assert.same(HELPDESK, (reach.roles_for { account(), account({}, { synced = true }) }))
    local roles, privileged = reach.roles_for { account(), account { "Global Administrator" } }
    assert.same(BOTH, roles)
    assert.equal(1, #privileged)
  end)

  it("gives the weakest single role that reaches as many as any does", function()
    for role, accounts in pairs {
      ["Password Administrator"] = { account(), account({}, { synced = true }) },
      ["Helpdesk Administrator"] = { account(), account { "Helpdesk Administrator" } },
      ["Authentication Administrator"] = { account { "Authentication Administrator" } },
      ["User Administrator"] = { account { "Groups Administrator" }, account { "Helpdesk Administrator" } },
      ["Privileged Authentication Administrator"] = {
        account { "Authentication Administrator" }, account { "Groups Administrator" },
      },
    } do
      local found, beyond = reach.weakest_for(accounts)
      assert.same({ role, 0 }, { found, #beyond })
    end
    local role = { id = "27460883-1df1-4691-b032-3b79643e5e63", name = "U", how = "active" }
    local unsettled = account({}, { roles = { role } })
    assert.same({ unsettled }, select(2, reach.weakest_for { account(), unsettled }))
  end)
end)
