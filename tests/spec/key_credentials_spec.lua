--- entra.key_credentials: a list that is written as a whole, on a tenant that is not there.

local contoso = require "contoso"
local crypto = require "host.crypto"
local json = require "host.json"
local key_credentials = require "entra.key_credentials"
local stage = require "stage"

local APP = "/v1.0/applications/app-object"

local tenant, ears, list, written, own, der, reads, shown

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
    reads, shown = 0, function() return list end
    tenant.door:on("GET", APP, function()
      reads = reads + 1
      return 200, {}, { id = "app-object", keyCredentials = json.array(shown(reads)) }
    end)
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

  for stale = 1, 4 do
    it("are not left out because a reading is stale: " .. stale, function()
      keeps(function() return true end)
      shown = function(nth) return nth == stale and { list[1] } or list end
      tenant:run(add)
      assert.same({ "first", "second", "ours" }, names(list))
    end)
  end

  it("of another program that wrote the list at the same time are put back", function()
    keeps(function() return true end)
    shown = function(nth)
      -- The first reading after the write shows what was there just before: the other's write, which ours replaced.
      return nth == 4 and { entry "first", entry "second", entry "theirs" } or list
    end
    tenant:run(add)
    assert.same({ "first", "second", "ours", "theirs" }, names(list))
    assert.equal("add a certificate to 'Billing': put back, since they were not listed any more: 'theirs' "
      .. "(key-of-theirs)", ears.warned[1])
  end)

  it("are not said to have changed when Entra does not show it", function()
    keeps(function(one) return one.displayName ~= "ours" end)
    local failure = tenant:fails(add)
    assert.equal("transient", failure.kind)
    assert.equal("add a certificate to 'Billing': Entra accepted the list of certificates, and does not show the "
      .. "change after 120 seconds: somebody else may have written the list at the same time\n"
      .. "Run the same command again: it reads the list, and makes the change once more if need be.", tostring(failure))
  end)

  it("are not written while two readings never agree", function()
    keeps(function() return true end)
    shown = function(nth) return nth % 2 == 0 and { list[1] } or { list[2] } end
    local failure = tenant:fails(add)
    assert.equal("add a certificate to 'Billing': the list of certificates keeps changing, or Entra takes more than "
      .. "five seconds to show it\n"
      .. "Run the same command again in a few minutes. Nothing was changed.", tostring(failure))
    assert.equal(0, #written)
  end)

  it("are named when ours is gone after it was proven", function()
    local failure = tenant:fails(key_credentials.check_listed, application(), own)
    assert.equal("conflict", failure.kind)
    assert.equal("find the new certificate of 'Billing' in Entra's list once more: the certificate ours is not "
      .. "listed any more: somebody else wrote the list of certificates at the same time\n"
      .. "Run the same command again: it makes another certificate. One program should change the certificates of "
      .. "an application at a time.",
      tostring(failure))
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
