-- takes 3 s: makes keys
--- The emulated Graph: certificates of applications, who owns them, and what an
--- owner may change.

local crypto = require "host.crypto"
local fake = require "fake_tenant"
local json = require "json"
local reveal = require "reveal"
local refused = fake.refused

local DAY = 86400
local ID = "11111111-2222-3333-4444-555555555555"

local function certificate()
  local now = 1795000000
  return crypto.base64(crypto.certificate(crypto.self_signed("rotator", now, now + 30 * DAY)):describe().der)
end

local function entry(key, more)
  local made = { type = "AsymmetricX509Cert", usage = "Verify", key = key }
  for name, value in pairs(more or {}) do made[name] = value end
  return made
end

describe("the certificates of an application", function()
  local world, application, path, one, other

  setup(function() one, other = certificate(), certificate() end)

  before_each(function()
    world = fake.new()
    application = world:set_up("priya")
    path = "/applications/" .. application.id
  end)

  local function write(list)
    local status, body = world:ask("priya", "PATCH", path, { keyCredentials = json.array(list) })
    world:wait(10)
    return status, body
  end

  local function read()
    local _, body = world:ask("priya", "GET", path .. "?$select=id,keyCredentials")
    return body.keyCredentials
  end

  it("are written as a whole list; what is not said follows from the certificate", function()
    assert.equals(204, (write { entry(one, { displayName = "first", keyId = ID }) }))
    local first = read()[1]
    assert.same({ "first", ID, one, "AsymmetricX509Cert", "Verify" },
      { first.displayName, first.keyId, first.key, first.type, first.usage })
    assert.equals("2026-12-18T11:06:40Z", first.endDateTime)
    assert.equals(40, #first.customKeyIdentifier)
    assert.equals(204, (write { first, entry(other) }))
    local both = read()
    assert.same(first, both[1])
    assert.equals("CN=rotator", both[2].displayName)
    assert.equals(204, (write { both[2] }))
    assert.same({ both[2] }, { table.unpack(read()) })
  end)

  it("show their key only when they are asked for by name", function()
    write { entry(one) }
    local _, body = world:ask("priya", "GET", path)
    assert.equals(json.null, body.keyCredentials[1].key)
  end)

  it("may go back without their key, or may not: a flag, for it is not documented", function()
    write { entry(one) }
    local bare = read()[1]
    bare = entry(json.null, { keyId = bare.keyId })
    assert.equals(204, (write { bare }))
    assert.equals(one, read()[1].key)
    world.tenant:set_flag("null_key_keeps", false)
    refused(400, "Request_BadRequest", "Invalid value specified for property 'key' of resource 'KeyCredential'.",
      write { bare })
  end)

  it("are refused when they are none", function()
    local function message(list)
      local status, body = write(list)
      assert.equals(400, status)
      return body.error.message:match("property '(%w+)'")
    end
    assert.equals("key", message { entry("AAAA") })
    assert.equals("type", message { entry(one, { type = "Symmetric" }) })
    assert.equals("usage", message { entry(one, { usage = "Encrypt" }) })
    assert.equals("keyId", message { entry(one, { keyId = ID }), entry(other, { keyId = ID }) })
  end)

  it("keep to the tenant's policy when they are new", function()
    write { entry(one) }
    local there = read()[1]
    world.tenant:set_policy { certificate_days = 10 }
    assert.equals(204, (write { there }))
    refused(400, "CredentialInvalidLifetimeAsPerAppPolicy",
      "Credential lifetime exceeds the max value allowed as per assigned policy "
        .. "'00000000-0000-0000-0000-000000000000'.",
      write { there, entry(other) })
    world.tenant:set_policy { certificate_days = 30 }
    assert.equals(204, (write { there, entry(other) }))
    write { there }
    world.tenant:set_policy { authority = true }
    refused(400, "CredentialTypeNotAllowedAsPerAppPolicy",
      "Credential type not allowed as per assigned policy 'TrustedCertificateAuthority'.", write { entry(other) })
  end)
end)

describe("addKey", function()
  local world, application, path, vouching, new

  local function key_of(pem) return crypto.certificate(pem) end

  setup(function()
    vouching = key_of(crypto.self_signed("first", 1795000000, 1795000000 + 30 * DAY))
    new = crypto.base64(key_of(crypto.self_signed("second", 1795000000, 1795000000 + 30 * DAY)):describe().der)
  end)

  before_each(function()
    world = fake.new()
    application = world:set_up("priya")
    path = "/applications/" .. application.id
    world:ask("priya", "PATCH", path, { keyCredentials = json.array { entry(crypto.base64(vouching:describe().der)) } })
    world:wait(10)
  end)

  local function proof(key, more)
    local claims = { aud = "00000002-0000-0000-c000-000000000000", iss = application.id, nbf = world.time,
      exp = world.time + 600 }
    for name, value in pairs(more or {}) do claims[name] = value end
    return reveal(key:assertion("RS256", '{"typ":"JWT"}', json.encode(claims)))
  end

  local function add(given)
    return world:ask("priya", "POST", path .. "/addKey", {
      keyCredential = entry(new, { keyId = ID, displayName = "second" }), passwordCredential = json.null, proof = given,
    })
  end

  local function count()
    world:wait(10)
    return #select(2, world:ask("priya", "GET", path .. "?$select=id,keyCredentials")).keyCredentials
  end

  it("adds one that a valid key vouches for, under an id of the service's own", function()
    local status, made = add(proof(vouching))
    assert.equals(200, status)
    assert.equals("second", made.displayName)
    assert.are_not.equal(ID, made.keyId)
    assert.equals(json.null, made.key)
    assert.equals(2, count())
  end)

  it("takes no proof that is for another, too long, over, or by another key", function()
    for _, given in ipairs {
      proof(vouching, { iss = application.appId }), proof(vouching, { aud = "https://graph.microsoft.com" }),
      proof(vouching, { exp = world.time + 601 }), proof(vouching, { nbf = world.time - 700, exp = world.time - 100 }),
      proof(crypto.key()), "no proof", json.null,
    } do
      assert.equals(400, (add(given)))
    end
    assert.equals(1, count())
  end)
end)

describe("Application.ReadWrite.OwnedBy", function()
  local world, application, app

  before_each(function()
    world = fake.new()
    application = world:set_up("priya")
    app = world.tenant:add_app { name = "Rotator", permissions = { "Application.ReadWrite.OwnedBy" } }
  end)

  local function own(who, wanted)
    local claims = world:claims(who, wanted)
    local status = world:ask(claims, "POST", ("/applications/%s/owners/$ref"):format(application.id),
      { ["@odata.id"] = "https://127.0.0.1:4711/v1.0/directoryObjects/" .. app.principal })
    world:wait(10)
    return status
  end

  local function add() return world:ask(app, "POST", ("/applications/%s/addPassword"):format(application.id), {}) end

  local function remove(key)
    return world:ask(app, "POST", ("/applications/%s/removePassword"):format(application.id), { keyId = key })
  end

  it("lets an app add and remove the secrets of what it owns, and of nothing else", function()
    local denied = "Insufficient privileges to complete the operation."
    refused(403, "Authorization_RequestDenied", denied, add())
    assert.equals(204, own("priya", { scp = fake.SCOPES .. " Directory.Read.All" }))
    local status, made = add()
    assert.equals(200, status)
    world:wait()
    assert.equals(204, (remove(made.keyId)))
    made = select(2, add())
    world:wait()
    local owner = ("/applications/%s/owners/%s/$ref"):format(application.id, app.principal)
    assert.equals(204, (world:ask("priya", "DELETE", owner)))
    world:wait(10)
    refused(403, "Authorization_RequestDenied", denied, add())
    refused(403, "Authorization_RequestDenied", denied, remove(made.keyId))
  end)

  it("is no way to become an owner; and a person needs Directory.Read.All for it besides", function()
    assert.equals(403, own(app))
    assert.equals(403, own("priya"))
    world.tenant:grant(app.appId, "Directory.Read.All")
    assert.equals(403, own(app))
  end)
end)
