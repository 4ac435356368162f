-- takes 4 s: starts Python and MSAL for each case
--- Microsoft's client library for Python as the judge of the emulated login service.

local crypto = require "base.crypto"
local curl = require "curl"
local json = require "json"
local peers = require "peers"
local secret = require "host.secret"
local emulators = require "emulators"

local PYTHON = "/usr/bin/python3"

local function has_msal()
  return os.execute("env -i PATH=/usr/bin:/bin " .. PYTHON .. " -c 'import msal, jwt, requests' 2>/dev/null") == true
end

local function sign_in(emulator, how, client, value)
  local ready = emulator.ready
  local job = curl.program({ PYTHON, SOURCE .. "/tests/peer/msal_sign_in.py", how, ready.login, ready.tenant,
    ready.graph:gsub("/v1%.0$", ""), client, value }, { REQUESTS_CA_BUNDLE = ready.ca })
  local result = curl.finish(job, function(ms) emulator:turn(ms) end)
  assert.equal(0, result.exit, result.err)
  return json.decode(result.out)
end

describe("MSAL for Python", function()
  if not has_msal() then
    pending("is not there: install python3-msal to have the login service judged by it")
    return
  end

  --- The secret leaves as text only towards MSAL's command line.
  local function add_app(emulator)
    local text = "Ab0~" .. ("x.y_z-"):rep(5)
    local app = emulator.tenant:add_app {
      name = "one", permissions = { "User.Read.All" }, secret = secret.from(text),
    }
    return app.appId, text
  end

  it("signs in by client secret", function()
    local emulator <close> = emulators.open()
    local client, value = add_app(emulator)
    local claims = sign_in(emulator, "secret", client, value).claims
    assert.same({ "User.Read.All" }, claims.roles)
    assert.same({ client, "app" }, { claims.appid, claims.idtyp })
  end)

  it("signs in by certificate, by its older thumbprint", function()
    local emulator <close> = emulators.open()
    local place <close> = peers.place()
    place:openssl("x509 -in app.crt -outform der -out app.der")
    local file <close> = assert(io.open(place.path .. "/app.der", "rb"))
    local app = emulator.tenant:add_app { name = "one", permissions = { "User.Read.All" },
      certificate = crypto.base64(file:read("a")) }
    local report = sign_in(emulator, "certificate", app.appId, place.path .. "/app.pem")
    assert.same({ app.appId, "2" }, report.claims and { report.claims.appid, report.claims.appidacr },
      json.encode(report))
  end)

  it("understands a refusal", function()
    local emulator <close> = emulators.open()
    local client = add_app(emulator)
    local refused = sign_in(emulator, "secret", client, "not-the-secret")
    assert.same({ "invalid_client", { 7000215 } }, { refused.error, refused.error_codes })
  end)

  it("signs in by device code, and refreshes", function()
    local emulator <close> = emulators.open()
    local report = sign_in(emulator, "device", emulator.ready.admin.client_id)
    assert.equal(emulator.admin, report.claims and report.claims.upn, json.encode(report))
    assert.equal(emulator.admin, report.account)
    assert.is_true(report.refreshed and report.cached)
  end)

  it("signs in by code with PKCE, and refreshes", function()
    local emulator <close> = emulators.open()
    local report = sign_in(emulator, "code", emulator.ready.admin.client_id)
    assert.equal(emulator.admin, report.claims and report.claims.upn, json.encode(report))
    assert.equal(emulator.admin, report.account)
    assert.is_true(report.refreshed and report.cached)
  end)
end)
