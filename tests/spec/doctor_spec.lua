--- Parts of doctor and discover that need nobody else.

local access = require "doctor.check.conditional_access"
local csv = require "report.csv"
local inventory = require "rotation.inventory"
local json = require "host.json"
local peers = require "doctor.peers"
local secret = require "host.secret"

describe("an HTTP date", function()
  it("is read as it is written, and nothing else is", function()
    assert.equal(784111777, peers.parse_http_date "Sun, 06 Nov 1994 08:49:37 GMT")
    for _, text in ipairs { "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "1994-11-06" } do
      assert.is_nil(peers.parse_http_date(text))
    end
    assert.is_nil(peers.parse_http_date(nil))
  end)
end)

describe("a Secret ID", function()
  it("is known from the credentials, in any case of its letters", function()
    local list = { { keyId = "0a1b2c3d-0000-4000-8000-00000000000f" } }
    assert.equal(list[1], inventory.credential_with_id(secret.from "0a1b2c3d-0000-4000-8000-00000000000f", list))
    assert.equal(list[1], inventory.credential_with_id(secret.from "0A1B2C3D-0000-4000-8000-00000000000F", list))
    assert.is_nil(inventory.credential_with_id(secret.from "something else", list))
  end)
end)

describe("a Conditional Access policy for workload identities", function()
  local function policy(changes)
    local made = { state = "enabled", grantControls = { builtInControls = { "block" } },
      conditions = { clientApplications = { includeServicePrincipals = { "ServicePrincipalsInMyTenant" } } } }
    for name, value in pairs(changes or {}) do made[name] = value end
    return made
  end

  it("blocks whom it names, unless it excludes them, is off, or blocks nothing", function()
    assert.truthy(access.blocks(policy(), "sp"))
    local named = { clientApplications = { includeServicePrincipals = { "sp" } } }
    assert.truthy(access.blocks(policy { conditions = named }, "sp"))
    assert.falsy(access.blocks(policy { state = "disabled" }, "sp"))
    assert.falsy(access.blocks(policy { grantControls = json.null }, "sp"))
    assert.falsy(access.blocks(policy { conditions = { users = {} } }, "sp"))
    assert.falsy(access.blocks(policy { conditions = { clientApplications = {
      includeServicePrincipals = { "ServicePrincipalsInMyTenant" }, excludeServicePrincipals = { "sp" } } } }, "sp"))
  end)
end)

describe("a sign-in of the application that policies refuse", function()
  local ID, OTHER = "99999999-0000-4000-8000-000000000002", "99999999-0000-4000-8000-000000000003"
  local REFUSED = { code = 53003, error = "invalid_grant", status = 400, application = true, policies = { ID },
    correlation_id = "c-1", message = "AADSTS53003: Blocked." }
  local function policy(id, name) return { id = id, displayName = name, conditions = {} } end

  -- The finding, when these policies were read.
  local function told(failure, found)
    local said
    access.report_blocked({ broken = function(_, fields) said = fields end }, failure, found)
    return said
  end

  it("is told with the name of the policy that the answer names, and of no other", function()
    local found = { locations = {}, policies = { policy(OTHER, "Guess") },
      by_id = { [ID] = policy(ID, "No workloads"), [OTHER] = policy(OTHER, "Guess") } }
    local said = told(REFUSED, found)
    assert.equal("AADSTS53003: the sign-in of the application is blocked (correlation id c-1)", said.evidence)
    assert.equal("The policy 'No workloads' blocks it everywhere.", said.cause)
  end)

  it("is told with the id, where the policies may not be read", function()
    assert.equal("a Conditional Access policy blocks this sign-in (id of the policy: " .. ID .. ")",
      told(REFUSED, { locations = {}, by_id = {} }).cause)
  end)

  it("is told by the conditions of the policies, where the answer names none", function()
    local failure = { code = 53003, error = "invalid_grant", status = 400, policies = {} }
    local found = { locations = {}, policies = { policy(OTHER, "Guess") }, by_id = {} }
    assert.equal("The policy 'Guess' blocks it everywhere.", told(failure, found).cause)
  end)
end)

describe("where a policy blocks", function()
  local LOCATIONS = { here = { displayName = "Office", ipRanges = { { cidrAddress = "198.51.100.7/32" } } },
    there = { displayName = "Canada", countriesAndRegions = { "CA" } } }

  local function where(include, exclude)
    local locations = include and { includeLocations = include, excludeLocations = exclude } or json.null
    return access.where({ conditions = { locations = locations } }, LOCATIONS)
  end

  it("is said by the names of the locations", function()
    assert.equal("everywhere", where())
    assert.equal("everywhere but 'Office' (198.51.100.7/32), 'Canada'", where({ "All" }, { "here", "there" }))
    assert.equal("all trusted locations", where({ "AllTrusted" }, json.null))
    assert.equal("'Canada', an-unknown-id", where({ "there", "an-unknown-id" }, {}))
  end)
end)

describe("what the doctor could not read", function()
  local contoso = require "contoso"
  local tenant
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  -- The findings of a check that gets these facts.
  local function findings(check, facts)
    local said, record = {}, {}
    for _, verdict in ipairs { "broken", "warning", "unknown" } do
      record[verdict] = function(_, fields) said[#said + 1] = verdict .. ": " .. fields.evidence end
    end
    record.ok = function(_, text, ...) said[#said + 1] = "ok: " .. text:format(...) end
    tenant:run(require("doctor.check." .. check).run, record, { want = function(_, name) return facts[name] end,
      args = {}, setup = "moonlatch apply" })
    return said
  end

  local ANN = { id = "u", upn = "ann@x.test", roles = {}, enabled = true }
  local FACTS = { terms = { managed = { "ann@x.test" } }, accounts = { ANN, unread = {} } }
  local REFUSED = { 403, {}, { error = { code = "Authorization_RequestDenied", message = "no" } } }

  it("is not said to be so: whether accounts are federated", function()
    tenant.door:on("GET", "/v1.0/organization", { 200, {}, { value = { { verifiedDomains = {} } } } })
    assert.same({ "ok: 1 account, none synced, guest, federated or disabled" }, findings("accounts", FACTS))
    tenant.door:on("GET", "/v1.0/organization", REFUSED)
    assert.same({ "unknown: not checked: whether accounts are in a federated domain",
      "ok: 1 account, none synced, guest or disabled" }, findings("accounts", FACTS))
  end)

  it("is not said to be so: which roles the accounts could get", function()
    tenant.door:on("GET", "/v1.0/organization", { 200, {}, { value = { { verifiedDomains = {} } } } })
    local facts = { terms = FACTS.terms, accounts = { ANN, unread = { "who is eligible: no" } } }
    assert.equal("unknown: not checked: whether the accounts can get more roles than are listed",
      findings("accounts", facts)[1])
  end)

  it("is not said to be so: whether a role assignment expires", function()
    local facts = { principal_of_app = { id = "sp" }, terms = { managed = {} }, role_assignments = {
      { roleDefinitionId = "729827e3-9c14-49f7-bb1b-9608f156bbb8", directoryScopeId = "/" } } }
    assert.equal(2, #findings("roles", facts))
    facts.schedules = { unread = { why = "no" } }
    assert.equal("unknown: not checked: whether a role assignment expires", findings("roles", facts)[3])
  end)
end)

describe("a field of CSV", function()
  it("is quoted where it must be, and never a formula", function()
    assert.equal("", csv.field(nil))
    assert.equal("12", csv.field(12))
    assert.equal("-3", csv.field(-3))
    assert.same({ "12", "1.5" }, { csv.field(12.0), csv.field(1.5) })
    assert.equal("'-3", csv.field "-3")
    assert.equal('"a,b"', csv.field "a,b")
    assert.equal('"say ""so"""', csv.field 'say "so"')
    assert.equal("'=1+1", csv.field "=1+1")
    assert.equal("\"'@x,y\"", csv.field "@x,y")
  end)
end)
