--- entra.key_credentials: a list that is written as a whole, on a tenant that is not there.

local contoso = require "contoso"
local crypto = require "host.crypto"
local json = require "host.json"
local key_credentials = require "entra.key_credentials"
local stage = require "stage"

local APP = "/v1.0/applications/app-object"

local tenant, ears, list, written, own, der

local function entry(name)
  return { keyId = "key-of-" .. name, displayName = name, type = "AsymmetricX509Cert", usage = "Verify",
    key = crypto.base64(name), customKeyIdentifier = name }
end

local function names(of)
  local found = {}
  for i, one in ipairs(of) do found[i] = one.displayName end
  return found
end

describe("the certificates of an application", function()
  before_each(function()
    tenant, ears, written = contoso.new(), stage.ears(), {}
    der = "the bytes of ours"
    own = { key_id = "key-of-ours", sha256 = crypto.hex(crypto.digest("sha256", der)), name = "ours" }
    list = { entry "first", entry "second" }
    tenant.door:on("GET", APP, function() return 200, {}, { id = "app-object", keyCredentials = json.array(list) } end)
  end)
  after_each(function()
    tenant:close()
    local _ <close> = ears
  end)

  -- What Entra makes of the nth list that is written.
  local function keeps(fn)
    tenant.door:on("PATCH", APP, function(request)
      written[#written + 1] = request.body.keyCredentials
      list = {}
      for _, one in ipairs(written[#written]) do
        if fn(one, #written) then list[#list + 1] = one end
      end
      return 204
    end)
  end

  local function application() return { id = "app-object", displayName = "Billing" } end
  local function add() return key_credentials.add(application(), own, der) end

  it("go back as they were, and the new one is known by its bytes", function()
    keeps(function() return true end)
    assert.equal("key-of-ours", tenant:run(add))
    assert.same({ "first", "second", "ours" }, names(list))
    assert.same({ "key-of-first", crypto.base64 "first" }, { written[1][1].keyId, written[1][1].key })
    assert.equal("key-of-ours", tenant:run(add)) -- it is there already
    assert.equal(1, #written)
  end)

  it("are put back once when they are not listed any more, which is said", function()
    keeps(function(one, nth) return nth > 1 or one.displayName ~= "second" end)
    tenant:run(add)
    assert.same({ "first", "ours", "second" }, names(list))
    assert.equal("add a certificate to 'Billing': put back, since they were not listed any more: 'second' "
      .. "(key-of-second)", ears.warned[1])
  end)

  it("are named when they do not come back", function()
    keeps(function(one) return one.displayName ~= "second" end)
    local failure = tenant:fails(add)
    assert.equal("change the certificates of 'Billing': certificates of others are not listed any more after the "
      .. "change, although they were written back: 'second' (key-of-second)\nAdd the missing certificates "
      .. "again, because nobody can sign in with them now: Entra admin center > App registrations > the application > "
      .. "Certificates & secrets. The audit log says who changed them.", tostring(failure))
    assert.equal(2, #written)
  end)

  it("are left as they are when what is to go is gone, or what is in use is not listed", function()
    keeps(function() return true end)
    tenant:run(key_credentials.remove, application(), own)
    assert.equal(0, #written)
    list[3] = entry "ours"
    list[3].key = crypto.base64(der)
    local failure = tenant:fails(key_credentials.remove, application(), own, { key_id = "other", sha256 = "00" })
    assert.equal("transient", failure.kind)
    assert.equal(0, #written)
    tenant:run(key_credentials.remove, application(), own)
    assert.same({ "first", "second" }, names(list))
  end)
end)
