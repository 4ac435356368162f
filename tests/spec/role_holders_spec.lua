--- Who holds a role through a group: members, owners, and those whom PIM for Groups lets become either (Microsoft
--- Learn: privilegedaccessgroup-list-eligibilityscheduleinstances).

local contoso = require "contoso"
local json = require "host.json"
local privileged = require "entra.privileged"
local reach = require "entra.reach"
local role_holders = require "entra.role_holders"

local ROLE = "194ae4cb-b126-40b2-bd5b-6091b380977d" -- Security Administrator
local ELIGIBLE = "/v1.0/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"

local tenant

local function on(...) tenant.door:on(...) end
local function list(...) return { 200, {}, { value = json.array { ... } } } end

-- An instance as the page of the call shows it.
local function instance(principal, access)
  return { id = "g1_" .. access .. "_s1", startDateTime = "2023-08-18T00:33:48.8Z", endDateTime = json.null,
    accessId = access, principalId = principal, groupId = "g1", memberType = "Direct" }
end

local function refused(status, code)
  return { status, {}, { error = { code = code, message = "Words." } } }
end

describe("a role-assignable group", function()
  before_each(function()
    tenant = contoso.new()
    on("GET", "/v1.0/roleManagement/directory/roleAssignments",
      list { principalId = "g1", roleDefinitionId = ROLE, directoryScopeId = "/" })
    on("GET", "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances", list())
    on("GET", "/v1.0/roleManagement/directory/roleDefinitions", list { id = ROLE, displayName = "Security Admin" })
    on("GET", "/v1.0/groups", list { id = "g1", displayName = "Tier 0" })
    on("GET", "/v1.0/groups/g1/owners", list())
    on("GET", "/v1.0/groups/g1/transitiveMembers/microsoft.graph.user", list { id = "anna" })
    on("GET", "/v1.0/groups/{id}", refused(404, "Request_ResourceNotFound"))
    on("GET", "/v1.0/groups/nested", { 200, {}, { id = "nested", displayName = "Nested" } })
    on("GET", "/v1.0/groups/nested/transitiveMembers/microsoft.graph.user", list({ id = "nina" }, { id = "nora" }))
    on("GET", ELIGIBLE, list(instance("elias", "member"), instance("olga", "owner"), instance("nested", "member")))
    on("GET", "/v1.0/users/{id}", function(request)
      local id = request.path:match "([^/@]+)@?[^/]*$"
      return 200, {}, { id = id, userPrincipalName = id .. "@x.test" }
    end)
  end)
  after_each(function() tenant:close() end)

  local function privileges()
    local held, unread = tenant:run(privileged.holders)
    local texts = {}
    for id, all in pairs(held) do
      for _, one in ipairs(all) do texts[#texts + 1] = ("%s: %s, %s"):format(id, one.role, one.how) end
    end
    table.sort(texts)
    return texts, unread
  end

  local function find(name) return tenant:run(reach.find, { name .. "@x.test" }) end

  it("gives its role to its members, and to those who are eligible for it, nested ones too", function()
    local texts, unread = privileges()
    assert.same({
      "anna: Security Admin, active, through the group 'Tier 0'",
      "elias: Security Admin, eligible member of the group 'Tier 0'",
      "nina: Security Admin, eligible member of the group 'Tier 0'",
      "nora: Security Admin, eligible member of the group 'Tier 0'",
      "olga: Security Admin, eligible owner of the role-assignable group 'Tier 0'",
    }, texts)
    assert.same({}, unread)
    for _, request in ipairs(tenant.door.requests) do
      if request.path == ELIGIBLE then assert.equal("groupId eq 'g1'", request.query["$filter"]) end
    end
  end)

  it("without a role is power all the same: whoever gets in gets its next role", function()
    on("GET", "/v1.0/roleManagement/directory/roleAssignments", list())
    assert.equal("elias: none yet, eligible member of the role-assignable group 'Tier 0'", (privileges())[1])
  end)

  for _, name in ipairs { "elias", "nina", "olga" } do
    it("keeps who is eligible for it from the reach of weaker roles: " .. name, function()
      local verdict, why = reach.judge(find(name)[1], { "Helpdesk Administrator" })
      assert.equal("no", verdict)
      assert.truthy(why:find("Tier 0", 1, true), why)
    end)
  end

  it("says of a member that it is one, though it is eligible too", function()
    on("GET", ELIGIBLE, list(instance("anna", "owner")))
    local found = find "anna"
    assert.equal("Tier 0", found[1].group)
    assert.is_nil(found[1].eligible_only)
    assert.is_true(find("anna")[1].group ~= nil)
  end)

  for _, refusal in ipairs { refused(403, "Authorization_RequestDenied"), refused(404, "ResourceNotFound"),
    refused(400, "InvalidFilter") } do
    it("is not known as a whole where its eligible members may not be read, and says so: " .. refusal[1], function()
      on("GET", ELIGIBLE, refusal)
      local texts, unread = privileges()
      assert.same({ "anna: Security Admin, active, through the group 'Tier 0'" }, texts)
      assert.equal(1, #unread)
      assert.matches("^who is eligible for role%-assignable groups %(PIM for Groups%): ", unread[1])
      assert.same(unread, find("elias").unread)
    end)
  end

  it("has no eligible members in a tenant without the licence", function()
    for _, status in ipairs { 400, 403 } do
      on("GET", ELIGIBLE, refused(status, "AadPremiumLicenseRequired"))
      local _, unread = privileges()
      assert.same({}, unread)
    end
  end)

  it("is a failure where the network fails: then nothing is known", function()
    on("GET", ELIGIBLE, { nil, "no route", "connect", false })
    assert.equal("network", tenant:fails(privileged.holders).kind)
    assert.equal("network", tenant:fails(reach.find, { "elias@x.test" }).kind)
  end)

  it("is not asked who is eligible for it where nobody needs to know", function()
    tenant:run(role_holders.read_holders)
    assert.equal(0, tenant.door:count("GET", ELIGIBLE))
  end)
end)
