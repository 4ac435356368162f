-- takes 10 s: starts Node for each way to sign in
--- Microsoft's Graph client for JavaScript and @azure/identity, unmodified, at the names of Microsoft's cloud: each way
--- in which a program without a person signs in, and every list that the emulator has.

local cloud_names = require "cloud_names"
local crypto = require "base.crypto"
local json = require "json"
local peers = require "peers"
local secret = require "host.secret"
local sys = require "host.sys"

local TENANT, UMA = "contoso.onmicrosoft.com", "uma@contoso.onmicrosoft.com"
local ALL = { "Directory.Read.All", "Policy.Read.All", "RoleManagement.Read.Directory", "User.Read.All",
  "UserAuthenticationMethod.Read.All", "DelegatedPermissionGrant.ReadWrite.All", "AuditLog.Read.All" }

describe("Graph's client for JavaScript", function()
  local lacking = peers.lacking("@azure/identity", "@microsoft/microsoft-graph-client")
  if lacking then
    pending(lacking)
    return
  end

  local cloud

  setup(function() cloud = cloud_names.open { users = 5, flags = { report_quota = false } } end)
  teardown(function() cloud:close() end)

  local function run(how, client, value, more)
    local environment = { NODE_USE_ENV_PROXY = "1", NO_PROXY = "127.0.0.1" }
    for name, text in pairs(more or {}) do environment[name] = text end
    local words = { peers.node(), SOURCE .. "/tests/peer/graph_client.mjs", how, TENANT, client or "" }
    words[#words + 1] = value
    local result = cloud:run(words, environment)
    assert.equal(0, result.exit, result.err)
    local report = json.decode(result.out)
    assert.is_nil(report.error, result.out)
    return report
  end

  -- Five programs that sign in each day, four days long.
  local function let_programs_sign_in()
    local emulator = cloud.emulator
    for i = 1, 5 do
      local app = emulator.tenant:add_app { name = "App " .. i }
      emulator.programs:add_program { name = "program " .. i, client_id = app.appId, client_secret = app.secret,
        every = "1d" }
    end
    emulator.clock:advance(4 * 86400)
    emulator:catch_up()
  end

  local function add_app(options)
    options.name, options.permissions = "program", ALL
    return cloud.emulator.tenant:add_app(options)
  end

  local function last_sign_in()
    local list = cloud.emulator.tenant:sign_in_events()
    return list[#list]
  end

  it("signs in by certificate", function()
    cloud.place:openssl("x509 -in app.crt -outform der -out app.der")
    local app = add_app { certificate = crypto.base64(assert(sys.read(cloud.place.path .. "/app.der", 65536))) }
    assert.equal(UMA, run("certificate", app.appId, cloud.place.path .. "/app.pem").user)
    local key = cloud.emulator.tenant:application_of(app.appId).keyCredentials[1]
    local sign_in = last_sign_in()
    assert.same({ "certificate", key.keyId, key.customKeyIdentifier }, { sign_in.clientCredentialType,
      sign_in.servicePrincipalCredentialKeyId, sign_in.servicePrincipalCredentialThumbprint })
  end)

  it("signs in by the token of another issuer", function()
    local issuer, app = crypto.key(), add_app {}
    local n, e = issuer:public()
    cloud.emulator.tenant:add_federation(app.appId, { issuer = "https://issuer.example", subject = "job",
      keys = { { n = n, e = e } } })
    local now = os.time()
    local token = issuer:sign("RS256", json.encode { typ = "JWT" }, json.encode { iss = "https://issuer.example",
      sub = "job", aud = "api://AzureADTokenExchange", iat = now, nbf = now, exp = now + 600 })
    assert.equal(UMA, run("workload", app.appId, cloud.place:write("token", token)).user)
    local sign_in = last_sign_in()
    assert.same({ "federatedIdentityCredential", json.null }, { sign_in.clientCredentialType,
      sign_in.servicePrincipalCredentialKeyId })
    assert.matches("^%x+%-%x+", sign_in.federatedCredentialId)
  end)

  it("signs in by the managed identity of a service", function()
    cloud.emulator.tenant:add_identity { name = "service", permissions = ALL }
    local identity = cloud.emulator.ready.identity
    local header = assert(sys.read(identity.header, 4096)):gsub("%s+$", "")
    assert.equal(UMA, run("identity", nil, nil, { IDENTITY_ENDPOINT = identity.service,
      IDENTITY_HEADER = header }).user)
    assert.equal("managedIdentity", last_sign_in().signInEventTypes[1])
  end)

  -- The last one: it moves the clock, which Node does not see.
  it("pages through everything that the emulator has, by client secret", function()
    let_programs_sign_in()
    local text = "Ab0~" .. ("x.y_z-"):rep(5)
    local report = run("secret", add_app({ secret = secret.from(text) }).appId, text)
    for path, walked in pairs(report.walked) do
      assert.equal(walked.count, walked.distinct, path)
    end
    assert.equal(21, report.walked["/users"].count)
    local sign_ins = report.walked["/beta/auditLogs/signIns?$filter=signInEventTypes/any(t: t eq 'servicePrincipal')"]
    assert.equal(28, sign_ins.count) -- five programs at five moments, and three clients here
    assert.equal(6, report.walked["/beta/reports/appCredentialSignInActivities"].count) -- the certificate, too
    assert.equal(#cloud.emulator.tenant:audit_events(), report.walked["/v1.0/auditLogs/directoryAudits"].count)
    assert.equal(21, report.walked["/users/delta"].count)
    assert.equal(141, report.walked["/roleManagement/directory/roleDefinitions"].count)
    assert.same({ ["1"] = 200, ["2"] = 400 }, report.batch)
    assert.same({ UMA, "authorizationPolicy", "Global Administrator", "Henry Osei" },
      { report.user, report.policy, report.role, report.manager })
    assert.equal("#microsoft.graph.passwordAuthenticationMethod", report.methods[1]["@odata.type"])
    assert.same({ 400, "BadRequest", "Resource not found for the segment 'nonsense'." },
      { report.unknown.status, report.unknown.code, report.unknown.message })
  end)
end)
