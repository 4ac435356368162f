-- takes 6 s: each request is a process of curl
--- The emulated login service, with curl as its client.

local crypto = require "base.crypto"
local curl = require "curl"
local json = require "json"
local open = require("emulators").open

local GRAPH = "https://graph.microsoft.com"

local function ask(emulator, ...)
  local answer = curl.run(function(ms) emulator:turn(ms) end, "--cacert", emulator.ready.ca, ...)
  answer.json = json.decode(answer.out)
  return answer
end

--- POST to the control page.
local function control(emulator, path, body)
  local answer = ask(emulator, "-d", json.encode(body), emulator.ready.control .. path)
  assert.equal(200, answer.status, answer.out)
  return answer.json
end

--- Secrets as text: for curl's arguments only.
local function add_app(emulator, options)
  local answer = curl.run(function(ms) emulator:turn(ms) end, "--cacert", emulator.ready.ca, "-d",
    json.encode { ["do"] = "add_app", with = { options } }, emulator.ready.control .. "/tenant")
  return {
    id = answer.out:match('"id":"([^"]*)"'), client = answer.out:match('"appId":"([^"]*)"'),
    principal = answer.out:match('"principal":"([^"]*)"'),
    secret = answer.out:match('"secret":"([^"]*)"'):gsub("\\(.)", "%1"),
  }
end

local function endpoint(emulator, path, tenant)
  return ("%s/%s%s"):format(emulator.ready.login, tenant or emulator.ready.tenant, path)
end

local function token(emulator, fields, tenant)
  local words = {}
  for name, value in pairs(fields) do
    words[#words + 1] = "--data-urlencode"
    words[#words + 1] = name .. "=" .. value
  end
  words[#words + 1] = endpoint(emulator, "/oauth2/v2.0/token", tenant)
  return ask(emulator, table.unpack(words))
end

local function by_secret(emulator, app, more)
  local fields = { grant_type = "client_credentials", client_id = app.client, client_secret = app.secret,
    scope = GRAPH .. "/.default" }
  for name, value in pairs(more or {}) do fields[name] = value ~= "" and value or nil end
  return token(emulator, fields)
end

local ONE = { name = "one", permissions = { "User.Read.All" }, roles = { "Helpdesk Administrator" } }
local NOBODY = "11111111-2222-3333-4444-555555555555"
local DISCOVERY = "/v2.0/.well-known/openid-configuration"

--- The claims of the access token in an answer, which is a secret to JSON.
local function claims_of(answer)
  return json.decode(crypto.unbase64(answer.out:match('"access_token":"[^.]+%.([^.]+)%.')))
end

--- The answer is Entra's refusal with this code.
local function assert_refused(answer, status, name, code)
  assert.equal(status, answer.status, answer.out)
  local body = answer.json
  assert.same({ name, { code } }, { body.error, body.error_codes })
  assert.matches("^AADSTS" .. code .. ": .+ Trace ID: %x+%-.+ Correlation ID: .+ Timestamp: %d+%-%d%d%-%d%d [%d:]+Z$",
    body.error_description)
  assert.matches("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%dZ$", body.timestamp)
  assert.is_string(body.trace_id)
  assert.is_string(body.correlation_id)
  assert.matches("code=" .. code .. "$", body.error_uri)
end

describe("the emulated login service", function()
  it("discovers a tenant by domain and by GUID", function()
    local emulator <close> = open()
    local by_name = ask(emulator, endpoint(emulator, DISCOVERY)).json
    local by_id = ask(emulator, endpoint(emulator, DISCOVERY, emulator.tenant.id)).json
    assert.same(by_name, by_id)
    assert.equal(("%s/%s/v2.0"):format(emulator.ready.login, emulator.tenant.id), by_name.issuer)
    assert.equal(endpoint(emulator, "/oauth2/v2.0/token", emulator.tenant.id), by_name.token_endpoint)
    local devices = endpoint(emulator, "/oauth2/v2.0/devicecode", emulator.tenant.id)
    assert.equal(devices, by_name.device_authorization_endpoint)
    local keys = ask(emulator, by_name.jwks_uri).json.keys
    assert.same({ "RSA", "sig", "AQAB" }, { keys[1].kty, keys[1].use, keys[1].e })
  end)

  it("does not know other tenants", function()
    local emulator <close> = open()
    for _, name in ipairs { "fabrikam.onmicrosoft.com", "00000000-0000-0000-0000-000000000000" } do
      assert_refused(ask(emulator, endpoint(emulator, DISCOVERY, name)), 400, "invalid_request", 90002)
    end
    assert_refused(ask(emulator, endpoint(emulator, DISCOVERY, "nonsense")), 400, "invalid_request", 900023)
  end)

  it("gives an app a token by its secret, in the body or by Basic", function()
    local emulator <close> = open()
    local app = add_app(emulator, ONE)
    local answer = by_secret(emulator, app)
    assert.equal(200, answer.status, answer.out)
    local body = answer.json
    assert.same({ "Bearer", 3599, 3599 }, { body.token_type, body.expires_in, body.ext_expires_in })
    local basic = ask(emulator, "-u", app.client .. ":" .. app.secret:gsub("[^%w]", function(letter)
      return ("%%%02X"):format(letter:byte())
    end), "-d", "grant_type=client_credentials&scope=" .. GRAPH .. "/.default",
      endpoint(emulator, "/oauth2/v2.0/token"))
    assert.equal(200, basic.status, basic.out)
  end)

  it("puts into the token what the tenant knows", function()
    local emulator <close> = open()
    local app = add_app(emulator, ONE)
    local claims = claims_of(by_secret(emulator, app))
    assert.same({ GRAPH, app.client, "app", app.principal, emulator.tenant.id, { "User.Read.All" },
      { emulator.tenant.role_ids["Helpdesk Administrator"], "0997a1d0-0d1d-4acb-b408-d5ca73121e90" } },
      { claims.aud, claims.appid, claims.idtyp, claims.oid, claims.tid, claims.roles, claims.wids })
    assert.equal(("https://sts.windows.net/%s/"):format(emulator.tenant.id), claims.iss)
    assert.equal(3599, claims.exp - claims.iat)
    control(emulator, "/tenant", { ["do"] = "remove_consent", with = { app.client } })
    assert.is_nil(claims_of(by_secret(emulator, app)).roles)
  end)

  it("refuses as Entra does", function()
    local emulator <close> = open()
    local app = add_app(emulator, { name = "one" })
    assert_refused(by_secret(emulator, app, { client_secret = "wrong" }), 401, "invalid_client", 7000215)
    assert_refused(by_secret(emulator, app, { client_secret = "" }), 401, "invalid_client", 7000216)
    assert_refused(by_secret(emulator, app, { client_assertion = "x.y.z" }), 400, "invalid_request", 900144)
    assert_refused(by_secret(emulator, app, { client_assertion = "x.y.z", client_assertion_type =
      "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" }), 401, "invalid_client", 700027)
    assert_refused(by_secret(emulator, app, { client_id = NOBODY }), 400, "unauthorized_client", 700016)
    assert_refused(by_secret(emulator, app, { client_id = "" }), 400, "invalid_request", 900144)
    assert_refused(by_secret(emulator, app, { grant_type = "" }), 400, "invalid_request", 900144)
    assert_refused(by_secret(emulator, app, { grant_type = "magic" }), 400, "unsupported_grant_type", 70003)
    assert_refused(by_secret(emulator, app, { scope = "" }), 400, "invalid_request", 900144)
    assert_refused(by_secret(emulator, app, { scope = GRAPH .. "/User.Read" }), 400, "invalid_scope", 1002012)
    assert_refused(by_secret(emulator, app, { scope = "https://x.example/.default" }), 400, "invalid_resource", 500011)
    assert_refused(ask(emulator, endpoint(emulator, "/oauth2/v2.0/token")), 400, "invalid_request", 900561)
    control(emulator, "/tenant", { ["do"] = "disable", with = { app.client } })
    assert_refused(by_secret(emulator, app), 400, "unauthorized_client", 7000112)
  end)

  it("refuses an expired secret, by the emulator's clock", function()
    local emulator <close> = open()
    local app = add_app(emulator, { name = "one", days = 30 })
    assert.equal(200, by_secret(emulator, app).status)
    control(emulator, "/clock", { advance = "31d" })
    assert_refused(by_secret(emulator, app), 401, "invalid_client", 7000222)
  end)

  it("learns of a new app, its secret, its permissions and roles when the lag has passed", function()
    local emulator <close> = open { lag = "60-60" }
    local graph = emulator.ready.control .. "/graph/v1.0"
    local made = ask(emulator, "-d", '{"displayName":"late"}', graph .. "/applications").json
    local app = { client = made.appId }
    control(emulator, "/clock", { advance = 63 }) -- the lag, and that of the replicas
    local principal = ask(emulator, "-d", json.encode { appId = app.client }, graph .. "/servicePrincipals").json
    app.secret = ask(emulator, "-d", "{}", graph .. "/applications/" .. made.id .. "/addPassword").out
      :match('"secretText":"([^"]*)"')
    assert_refused(by_secret(emulator, app), 401, "invalid_client", 7000229)
    control(emulator, "/clock", { advance = 61 })
    assert.is_nil(claims_of(by_secret(emulator, app)).roles)
    app.secret = ask(emulator, "-d", "{}", graph .. "/applications/" .. made.id .. "/addPassword").out
      :match('"secretText":"([^"]*)"')
    assert_refused(by_secret(emulator, app), 401, "invalid_client", 7000215)
    local role
    for id, name in pairs(emulator.tenant:graph_roles()) do
      if name == "User.Read.All" then role = id end
    end
    local grant = { principalId = principal.id, resourceId = emulator.tenant.graph.id, appRoleId = role }
    local url = ("%s/servicePrincipals/%s/appRoleAssignedTo"):format(graph, emulator.tenant.graph.id)
    assert.equal(201, ask(emulator, "-d", json.encode(grant), url).status)
    control(emulator, "/clock", { advance = 61 })
    assert.same({ "User.Read.All" }, claims_of(by_secret(emulator, app)).roles)
  end)

  it("takes an administrator's consent on its page", function()
    local emulator <close> = open()
    local role
    for id, name in pairs(emulator.tenant:graph_roles()) do
      if name == "Group.Read.All" then role = id end
    end
    local app = add_app(emulator, { name = "one" })
    emulator.tenant:change(app.id, {
      requiredResourceAccess = { { resourceAppId = emulator.tenant.graph.appId,
        resourceAccess = { { id = role, type = "Role" } } } },
      web = { redirectUris = { "https://app.example/done" } },
    })
    local url = endpoint(emulator, "/adminconsent?client_id=" .. app.client
      .. "&state=7&redirect_uri=https%3A%2F%2Fapp.example%2Fdone")
    control(emulator, "/approve", { user = "uma" })
    assert.matches("Location: https://app%.example/done%?error=permission_denied", ask(emulator, url).head)
    control(emulator, "/approve", { user = "adele" })
    assert.matches("Location: https://app%.example/done%?admin_consent=True&state=7&tenant=", ask(emulator, url).head)
    assert.same({ "Group.Read.All" }, claims_of(by_secret(emulator, app)).roles)
    assert.equal(302, ask(emulator, url).status)
    assert.same({ "Group.Read.All" }, emulator.tenant:app_roles(app.principal))
  end)

  it("signs a person in by device code: pending first", function()
    local emulator <close> = open()
    local device = ask(emulator, "-d", "client_id=" .. emulator.ready.admin.client_id,
      "--data-urlencode", "scope=" .. GRAPH .. "/Application.ReadWrite.All offline_access openid profile",
      endpoint(emulator, "/oauth2/v2.0/devicecode"))
    local code = device.out:match('"device_code":"([^"]+)"')
    assert.same({ 900, 1 }, { device.json.expires_in, device.json.interval })
    assert.matches(device.json.user_code, device.json.message, 1, true)
    local fields = { grant_type = "urn:ietf:params:oauth:grant-type:device_code", device_code = code, client_info = "1",
      client_id = emulator.ready.admin.client_id }
    assert_refused(token(emulator, fields), 400, "authorization_pending", 70016)
    control(emulator, "/clock", { advance = 1 })
    local answer = token(emulator, fields)
    assert.equal(200, answer.status, answer.out)
    assert.matches("Application%.ReadWrite%.All", answer.json.scope)
    assert.is_string(answer.json.client_info)
    local claims = claims_of(answer)
    assert.same({ "user", emulator.admin, { emulator.tenant.role_ids["Global Administrator"],
      "b79fbf4d-3ef9-4689-8143-76b194e85509" } }, { claims.idtyp, claims.upn, claims.wids })
    assert_refused(token(emulator, fields), 400, "bad_verification_code", 70018)
  end)

  local function device(emulator, scope)
    local answer = ask(emulator, "-d", "client_id=" .. emulator.ready.admin.client_id, "--data-urlencode",
      "scope=" .. (scope or GRAPH .. "/User.Read offline_access"), endpoint(emulator, "/oauth2/v2.0/devicecode"))
    return { grant_type = "device_code", client_id = emulator.ready.admin.client_id,
      device_code = answer.out:match('"device_code":"([^"]+)"') }, answer.json.user_code
  end

  local function redeem(emulator, fields)
    control(emulator, "/clock", { advance = 10 })
    return token(emulator, fields)
  end

  it("says slow down, declined, expired and unknown", function()
    local emulator <close> = open { approve = "none", interval = 4 }
    local fields = device(emulator)
    assert_refused(token(emulator, fields), 400, "authorization_pending", 70016)
    assert_refused(token(emulator, fields), 400, "slow_down", 70016)
    assert_refused(redeem(emulator, fields), 400, "authorization_pending", 70016)
    control(emulator, "/clock", { advance = 900 })
    assert_refused(redeem(emulator, fields), 400, "expired_token", 70020)
    control(emulator, "/approve", { user = "decline" })
    local declined = device(emulator)
    redeem(emulator, declined)
    assert_refused(redeem(emulator, declined), 400, "authorization_declined", 65004)
    local forgotten = fields.device_code
    fields.device_code = "x"
    assert_refused(redeem(emulator, fields), 400, "bad_verification_code", 70018)
    control(emulator, "/clock", { advance = "2d" })
    device(emulator)
    fields.device_code = forgotten
    assert_refused(redeem(emulator, fields), 400, "bad_verification_code", 70018)
  end)

  it("lets the control page approve one code", function()
    local emulator <close> = open { approve = "none" }
    local fields, user_code = device(emulator)
    assert_refused(redeem(emulator, fields), 400, "authorization_pending", 70016)
    control(emulator, "/approve", { code = user_code, user = "uma" })
    local answer = redeem(emulator, fields)
    assert.equal(200, answer.status, answer.out)
    local claims = claims_of(answer)
    assert.matches("^uma@", claims.upn)
  end)

  it("asks for an admin's consent where one is needed", function()
    local emulator <close> = open { approve = "uma" }
    local fields = device(emulator, GRAPH .. "/RoleManagement.ReadWrite.Directory")
    redeem(emulator, fields)
    local answer = redeem(emulator, fields)
    assert_refused(answer, 400, "invalid_grant", 65001)
    assert.equal("consent_required", answer.json.suberror)
    control(emulator, "/approve", { user = "adele", consent = false })
    local again = device(emulator, GRAPH .. "/RoleManagement.ReadWrite.Directory")
    redeem(emulator, again)
    assert_refused(redeem(emulator, again), 400, "access_denied", 65004)
  end)

  it("rotates refresh tokens and ends them with a new password", function()
    local emulator <close> = open()
    local fields = device(emulator)
    redeem(emulator, fields)
    local first = redeem(emulator, fields).out:match('"refresh_token":"([^"]+)"')
    local refresh = { grant_type = "refresh_token", client_id = fields.client_id, refresh_token = first,
      scope = GRAPH .. "/User.Read" }
    local answer = token(emulator, refresh)
    assert.equal(200, answer.status, answer.out)
    assert.not_equal(first, answer.out:match('"refresh_token":"([^"]+)"'))
    assert.equal(200, token(emulator, refresh).status)
    control(emulator, "/clock", { advance = 10 })
    control(emulator, "/tenant", { ["do"] = "change_password", with = { "adele" } })
    assert_refused(token(emulator, refresh), 400, "invalid_grant", 50173)
    refresh.refresh_token = "unknown"
    assert_refused(token(emulator, refresh), 400, "invalid_grant", 70000)
  end)

  local VERIFIER = ("v"):rep(50)
  local CHALLENGE = crypto.base64url(crypto.digest("sha256", VERIFIER))

  local function authorize(emulator)
    local query = "client_id=%s&response_type=code&redirect_uri=http%%3A%%2F%%2Flocalhost%%3A4000%%2F&state=s1"
      .. "&scope=%s%%2FUser.Read%%20openid&code_challenge=%s&code_challenge_method=S256"
    local page = endpoint(emulator, "/oauth2/v2.0/authorize?")
    return ask(emulator, page .. query:format(emulator.ready.admin.client_id, GRAPH, CHALLENGE))
  end

  it("signs in by code with PKCE, once", function()
    local emulator <close> = open()
    local answer = authorize(emulator)
    assert.equal(302, answer.status)
    local location = answer.head:match("Location: (%S+)")
    assert.matches("^http://localhost:4000/%?code=[%w_-]+&state=s1$", location)
    local fields = { grant_type = "authorization_code", client_id = emulator.ready.admin.client_id,
      code = location:match("code=([%w_-]+)"), redirect_uri = "http://localhost:4000/", code_verifier = VERIFIER }
    local tokens = token(emulator, fields)
    assert.equal(200, tokens.status, tokens.out)
    assert_refused(token(emulator, fields), 400, "invalid_grant", 54005)
    fields.code, fields.code_verifier = authorize(emulator).head:match("code=([%w_-]+)"), "w" .. VERIFIER
    assert_refused(token(emulator, fields), 400, "invalid_grant", 501481)
    fields.client_secret = "x"
    assert_refused(token(emulator, fields), 401, "invalid_client", 700025)
  end)

  it("does not send a browser to an address it does not know", function()
    local emulator <close> = open()
    local query = "?client_id=%s&response_type=code&redirect_uri=http%%3A%%2F%%2Fevil.example%%2F&scope=openid"
    local answer = ask(emulator, endpoint(emulator, "/oauth2/v2.0/authorize")
      .. query:format(emulator.ready.admin.client_id))
    assert.equal(400, answer.status)
    assert.matches("AADSTS50011", answer.out)
    assert.not_matches("Location", answer.head)
    control(emulator, "/approve", { user = "none" })
    assert.matches("error=access_denied", authorize(emulator).head)
  end)

  it("proves a password", function()
    local emulator <close> = open()
    local ok = curl.run(function(ms) emulator:turn(ms) end, "--cacert", emulator.ready.ca, "-d",
      '{"do":"change_password","with":["uma"],"password":"Tr0ub4dor&3x"}', emulator.ready.control .. "/tenant")
    assert.equal(200, ok.status, ok.out)
    local fields = { grant_type = "password", client_id = emulator.ready.admin.client_id, scope = GRAPH .. "/User.Read",
      username = "uma@contoso.onmicrosoft.com", password = "Tr0ub4dor&3x" }
    assert_refused(token(emulator, fields), 400, "invalid_grant", 65001)
    emulator.tenant:consent(fields.client_id, { "User.Read" })
    assert.equal(200, token(emulator, fields).status)
    fields.password = "another"
    assert_refused(token(emulator, fields), 400, "invalid_grant", 50126)
    fields.username = "nobody@contoso.onmicrosoft.com"
    assert_refused(token(emulator, fields), 400, "invalid_grant", 50034)
  end)
end)
