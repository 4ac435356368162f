--- Every way to sign in, by the built program, at the emulator.

local certificates = require "certificates"
local crypto = require "base.crypto"
local curl = require "curl"
local json = require "json"
local memory = require "memory"
local sys = require "host.sys"
local time = require "time"
local emulators = require "emulators"

local PROGRAM = os.getenv("MOONLATCH")

local emulator, folder

local function slurp(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

local function write(name, text)
  local path = folder .. "/" .. name
  assert(sys.write(path, text, "replace"))
  return path
end

local function turn(ms) emulator:turn(ms) end

-- Put this profile beside those the emulator wrote.
local function configure(name, sign_in)
  local text = slurp(emulator.ready.config)
  write("moonlatch.lua", (text:gsub("profiles = {", function(found)
    return ("%s\n    %s = by { %s },"):format(found, name, sign_in)
  end)))
end

local function words(...)
  return { PROGRAM, "--config", emulator.ready.config, ... }
end

-- Files that hold what proves who we are.
local PROOFS = { "app.secret", "passphrase", "workload", "token", "identity.header" }

--- Run the program while the emulator serves. What it says holds no proof.
local function run(list, environment)
  local result = curl.finish(curl.program(list, environment), turn)
  for _, name in ipairs(PROOFS) do
    local proof = slurp(folder .. "/" .. name):match("^%s*(.-)%s*$")
    assert(proof == "" or not (result.out .. result.err):find(proof, 1, true), name)
  end
  return result
end

local function whoami(name, environment)
  local result = run(words("whoami", "--json", "--profile", name), environment)
  assert.equal(0, result.exit, result.err)
  return json.decode(result.out), result
end

local function refused(name, environment)
  local result = run(words("whoami", "--profile", name), environment)
  assert.equal(1, result.exit, result.out)
  return result.err
end

local function openssl(line)
  local command = ("cd '%s' && env -i PATH=/usr/bin:/bin openssl %s 2>/dev/null"):format(folder, line)
  local pipe <close> = assert(io.popen(command))
  local out = pipe:read("a")
  assert(pipe:close(), line)
  return out
end

local ROTATOR = { name = "rotator", permissions = { "User.Read.All" } }

local function add_app(more)
  local options = {}
  for _, from in ipairs { ROTATOR, more or {} } do
    for name, value in pairs(from) do options[name] = value end
  end
  return emulator.tenant:add_app(options)
end

local function assert_rotator(principal)
  assert.same({ "rotator", "app", "User.Read.All", emulator.tenant.id },
    { principal.name, principal.kind, principal.roles[1], principal.tenant })
  assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", principal.expires)
end

describe("signing in", function()
  setup(function()
    emulator = emulators.open()
    folder = emulator.ready.config:match("^(.*)/")
  end)
  teardown(function() emulator:close() end)

  it("works with a client secret, in the form and in the header", function()
    local app = add_app()
    write("app.secret", app.secret)
    local line = ('method = "client_secret", client_id = %q, secret = { from = "file", path = "app.secret" }')
      :format(app.appId)
    configure("post", line)
    configure("basic", line .. ', client_auth = "basic"')
    assert_rotator(whoami "post")
    assert_rotator(whoami "basic")
  end)

  describe("with a certificate", function()
    local app
    setup(function()
      certificates.write(folder, "app", 90)
      openssl("req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=other -keyout other.pem -out other.crt")
      openssl("pkcs12 -export -inkey app.key -in app.crt -passout pass:correct-horse -out app.p12")
      app = add_app { certificate = openssl("x509 -in app.crt -outform der | openssl base64 -A") }
      write("app.pem", slurp(folder .. "/app.key") .. slurp(folder .. "/app.crt"))
      write("other.pem", slurp(folder .. "/other.pem") .. slurp(folder .. "/other.crt"))
      write("app.p12", slurp(folder .. "/app.p12"))
      write("passphrase", "correct-horse\n")
      local line = ('method = "certificate", client_id = %q, certificate = { path = %%q%%s }'):format(app.appId)
      configure("pem", line:format("app.pem", ""))
      configure("p12", line:format("app.p12", ', passphrase = { from = "file", path = "passphrase" }'))
      configure("locked", line:format("app.p12", ""))
      configure("stranger", line:format("other.pem", ""))
    end)

    it("works from PEM and PKCS#12", function()
      assert_rotator(whoami "pem")
      assert_rotator(whoami "p12")
    end)

    it("says what is wrong with it", function()
      assert.matches("its private key is encrypted, and no passphrase was given", refused "locked")
      assert.matches("the signature was not made with a certificate of the application", refused "stranger")
      emulator.tenant:change(app.id, { keyCredentials = json.array {} })
      assert.matches("AADSTS700027", refused "pem")
    end)
  end)

  describe("with a workload's token", function()
    local issuer, app = "https://issuer.example/cluster", nil
    local key = crypto.key()

    local function token(changes)
      local now = math.floor(time.now())
      local claims = { iss = issuer, sub = "system:serviceaccount:pam:rotator", aud = "api://AzureADTokenExchange",
        iat = now, exp = now + 600 }
      for name, value in pairs(changes or {}) do claims[name] = value end
      write("workload", key:sign("RS256", '{"kid":"1"}', json.encode(claims)))
    end

    setup(function()
      app = add_app()
      local n, e = key:public()
      emulator.tenant:add_federation(app.appId, { issuer = issuer, subject = "system:serviceaccount:pam:rotator",
        keys = { { n = n, e = e } } })
      configure("workload", ('method = "workload_identity", client_id = %q, token_file = "workload"'):format(app.appId))
    end)

    it("works while it fits", function()
      token()
      assert_rotator(whoami "workload")
    end)

    it("is refused when it does not", function()
      local now = math.floor(time.now())
      for code, changes in pairs {
        [700211] = { iss = "https://issuer.example/other" }, [700213] = { sub = "system:serviceaccount:pam:other" },
        [700212] = { aud = "api://other" },
      } do
        token(changes)
        assert.matches("AADSTS" .. code, refused "workload")
      end
      token { exp = now - 600 }
      assert.matches("why: it expired at %d+%-", refused "workload")
      token()
      write("workload", (slurp(folder .. "/workload"):gsub("....$", "AAAA")))
      assert.matches("AADSTS700027", refused "workload")
    end)
  end)

  it("works with a managed identity, of a machine and of a service", function()
    assert.matches("this machine or service does not have that identity", refused "identity")
    local app = emulator.tenant:add_identity(ROTATOR)
    assert_rotator(whoami "identity")
    configure("service", 'method = "managed_identity"')
    local header = slurp(emulator.ready.identity.header)
    assert_rotator(whoami("service", { IDENTITY_ENDPOINT = emulator.ready.identity.service, IDENTITY_HEADER = header }))
    local err = refused("service", { IDENTITY_ENDPOINT = emulator.ready.identity.service, IDENTITY_HEADER = "wrong" })
    assert.matches("HTTP 401 unauthorized", err)
    local other = emulator.tenant:add_identity { name = "another" }
    assert.matches("does not have that identity", refused "identity")
    configure("one", ('method = "managed_identity", endpoint = %q, client_id = %q'):format(
      emulator.ready.identity.machine, other.appId))
    assert.equal("another", whoami("one").name)
    assert.not_equal(app.appId, other.appId)
  end)

  it("goes nowhere but to the identity's own endpoint", function()
    configure("far", 'method = "managed_identity", endpoint = "http://169.254.169.254/metadata/identity/oauth2/token"')
    assert.matches("an emulator's profile may only reach this machine", refused "far")
    local err = refused("service", { IDENTITY_ENDPOINT = "http://identity.example/msi/token", IDENTITY_HEADER = "x" })
    assert.matches("an emulator's profile reaches this machine only", err)
  end)

  it("works in a browser", function()
    local job = curl.program(words("whoami", "--profile", "browser"))
    local page
    repeat
      emulator:turn(20)
      page = slurp(job.path .. "/err"):match("(http://localhost:%d+/%S+)\n")
    until page or job:done()
    local shown = run { "curl", "-sSL", "--cacert", emulator.ready.ca, page }
    local result = curl.finish(job, turn)
    assert.equal(0, result.exit, result.err)
    assert.truthy(shown.out:find("You are signed in", 1, true), shown.out .. shown.err)
    assert.matches("^" .. emulator.admin:gsub("%p", "%%%0") .. " %(person%)\n", result.out)
    assert.matches("\n  tenant      " .. emulator.tenant.id:gsub("%p", "%%%0"), result.out)
    assert.matches("\n  token       until %d+%-%d+%-%d+T", result.out)
    assert.is_nil(result.out:find("eyJ", 1, true))
  end)

  it("works with a token that is handed in, and says what it lacks", function()
    configure("handed", 'method = "token"')
    local app = add_app()
    local token = emulator.login.tokens:access { aud = "https://graph.microsoft.com", appid = app.appId,
      oid = app.principal, idtyp = "app", app_displayname = "rotator", roles = { "User.Read.All" } }
    local path = write("token", token)
    local line = '"$0" "$@" <' .. path
    local function handed(...) return run { "sh", "-c", line, table.unpack(words("--profile", "handed", ...)) } end
    local result = handed "whoami"
    assert.matches("it is for https://graph.microsoft.com, not for https://127.0.0.1:%d+", result.err)
    token = emulator.login.tokens:access { aud = emulator.ready.graph:match("^%a+://[^/]+"), appid = app.appId,
      oid = app.principal, idtyp = "app", app_displayname = "rotator", roles = { "User.Read.All" } }
    write("token", token)
    result = handed("whoami", "--json")
    assert.equal(0, result.exit, result.err)
    assert_rotator(json.decode(result.out))
    result = handed("plan", "setup/entra-pam-provider")
    assert.equal(1, result.exit)
    assert.matches("use the access token that was handed in", result.err)
    assert.matches("it does not carry .*Application.ReadWrite.All", result.err)
    assert.is_nil((result.out .. result.err):find(token, 1, true))
  end)

  -- After all of the above, so that some are refused.
  it("leaves nothing in memory of what proves who we are", function()
    if memory.obstacle() then return pending(memory.obstacle()) end
    openssl("pkey -in app.pem -outform der -out app.der")
    openssl("pkey -in app.pem | grep -v -e ----- | tr -d '\\n' >app.body")
    local keys = json.array { folder .. "/app.der", folder .. "/app.body" }
    for i, name in ipairs(PROOFS) do keys[i + 2] = folder .. "/" .. name end
    local job = write("memory.json", json.encode { wire = "/dev/null", keys = keys })
    local scan = { "/usr/bin/python3", "-B", SOURCE .. "/tests/memory.py", job }
    local header = { IDENTITY_ENDPOINT = emulator.ready.identity.service,
      IDENTITY_HEADER = slurp(emulator.ready.identity.header) }
    for _, name in ipairs { "post", "basic", "pem", "p12", "locked", "workload", "one", "service", "handed" } do
      local line = { "sh", "-c", ('"$@" <%s/token'):format(folder), "sh", table.unpack(scan) }
      for _, word in ipairs(words("whoami", "--profile", name)) do
        line[#line + 1] = word == PROGRAM and os.getenv "DUMPABLE" or word
      end
      local result = curl.finish(curl.program(line, name == "service" and header or nil), turn)
      local found = assert(json.decode(result.out), result.err)
      assert.equal("", memory.describe(found), name)
      assert(found.status <= 1 and found.needles > 100, result.err)
    end
  end)

  it("points out the consents that were left behind", function()
    emulator.tenant:consent(emulator.client, { "Application.ReadWrite.All", "User.Read.All" })
    local principal = whoami "emulator"
    assert.same({ { client = "Microsoft Graph Command Line Tools", for_all = true,
      scopes = { "Application.ReadWrite.All" } } }, principal.left_behind)
  end)
end)
