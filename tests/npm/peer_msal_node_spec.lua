--- Microsoft's client library for Node as the judge of the emulated login service.

local crypto = require "base.crypto"
local curl = require "curl"
local json = require "json"
local peers = require "peers"
local secret = require "host.secret"
local sys = require "host.sys"
local emulators = require "emulators"

describe("MSAL for Node", function()
  local lacking = peers.lacking("@azure/msal-node", "jose")
  if lacking then
    pending(lacking)
    return
  end

  local emulator, place

  setup(function()
    emulator = emulators.open()
    place = peers.place()
  end)
  teardown(function()
    emulator:close()
    place:__close()
  end)

  local function sign_in(how, client, value)
    local ready = emulator.ready
    local job = curl.program({ peers.node(), SOURCE .. "/tests/peer/msal_sign_in.mjs", how, ready.login, ready.tenant,
      ready.graph:gsub("/v1%.0$", ""), client, value }, { NODE_EXTRA_CA_CERTS = ready.ca })
    local result = curl.finish(job, function(ms) emulator:turn(ms) end)
    assert.equal(0, result.exit, result.err)
    return json.decode(result.out)
  end

  local function add_app(options)
    options.name, options.permissions = "one", { "User.Read.All" }
    return emulator.tenant:add_app(options)
  end

  local function assert_app(app, how, report)
    assert.is_table(report.claims, json.encode(report))
    assert.same({ { "User.Read.All" }, app.appId, "app", how },
      { report.claims.roles, report.claims.appid, report.claims.idtyp, report.claims.appidacr })
  end

  it("signs in by client secret, and understands a refusal", function()
    local text = "Ab0~" .. ("x.y_z-"):rep(5)
    local app = add_app { secret = secret.from(text) }
    assert_app(app, "1", sign_in("secret", app.appId, text))
    local refused = sign_in("secret", app.appId, "not-the-secret")
    assert.equal("invalid_client", refused.error)
    assert.matches("AADSTS7000215", refused.message)
  end)

  it("signs in by certificate, and is refused with another", function()
    place:openssl("x509 -in app.crt -outform der -out app.der")
    local file <close> = assert(io.open(place.path .. "/app.der", "rb"))
    local app = add_app { certificate = crypto.base64(file:read("a")) }
    assert_app(app, "2", sign_in("certificate", app.appId, place.path .. "/app.pem"))
    place:openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout other.key -out other.crt")
    local both = sys.read(place.path .. "/other.key", 65536) .. sys.read(place.path .. "/other.crt", 65536)
    local refused = sign_in("certificate", app.appId, place:write("other.pem", both))
    assert.matches("AADSTS700027", refused.message)
  end)

  for _, how in ipairs { "device", "code" } do
    it(("signs a person in by %s, and refreshes"):format(how), function()
      local report = sign_in(how, emulator.ready.admin.client_id)
      assert.equal(emulator.admin, report.claims and report.claims.upn, json.encode(report))
      assert.equal(emulator.admin, report.account)
      assert.is_true(report.refreshed and report.cached)
    end)
  end
end)
