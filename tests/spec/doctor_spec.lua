--- Parts of doctor and discover that need nobody else.

local access = require "doctor.check.conditional_access"
local json = require "host.json"
local peers = require "doctor.peers"
local secrets = require "doctor.check.secret"
local secret = require "host.secret"
local writer = require "discover.writer"

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
    assert.equal(list[1], secrets.credential_with_id(secret.from "0a1b2c3d-0000-4000-8000-00000000000f", list))
    assert.equal(list[1], secrets.credential_with_id(secret.from "0A1B2C3D-0000-4000-8000-00000000000F", list))
    assert.is_nil(secrets.credential_with_id(secret.from "something else", list))
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

describe("a field of CSV", function()
  it("is quoted where it must be, and never a formula", function()
    assert.equal("", writer.field(nil))
    assert.equal("12", writer.field(12))
    assert.equal('"a,b"', writer.field "a,b")
    assert.equal('"say ""so"""', writer.field 'say "so"')
    assert.equal("'=1+1", writer.field "=1+1")
    assert.equal("\"'@x,y\"", writer.field "@x,y")
  end)
end)
