--- The ways to sign in besides secret and device code, on a network that is not there.

local certificates = require "certificates"
local contoso = require "contoso"
local crypto = require "host.crypto"
local fail = require "fail"
local json = require "host.json"
local log = require "log"
local oauth = require "oauth.sign_in"
local sys = require "host.sys"
local task = require "task"

local START = 1767225600 -- of the clock here

local tenant, said, warned

local function jwt(claims)
  return ("e30.%s.c2ln"):format(crypto.base64url(json.encode(claims)))
end

local APP = jwt { oid = "o-1", appid = "app-1", tid = "t-1", idtyp = "app", roles = json.array { "User.Read.All" } }

local function open(sign_in)
  tenant = contoso.new(sign_in)
  tenant.door:on("POST", contoso.TOKEN, contoso.token { access_token = APP })
end

local function file(name, text)
  local path = tenant.folder .. "/" .. name
  assert(sys.write(path, text, "replace"))
  return path
end

local function sign_in() return oauth.sign_in(tenant.profile) end
local function run(...) return tenant:run(...) end
local function fails(...) return tenant:fails(...) end

describe("oauth", function()
  local say, warn = log.instruct, log.warn
  before_each(function()
    said, warned = {}, {}
    log.instruct = function(text) said[#said + 1] = text end
    log.warn = function(text) warned[#warned + 1] = text end
    oauth.use_scopes {}
  end)
  after_each(function()
    log.instruct, log.warn = say, warn
    if tenant then tenant:close() end
  end)

  describe("with a certificate", function()
    local assertions, issued

    -- The assertion itself never is a Lua string; what is signed is seen on its way there.
    local certificate = crypto.certificate
    local function spied(...)
      local key, message, kind = certificate(...)
      if not key then return nil, message, kind end
      local spy = {}
      function spy.describe() return key:describe() end
      function spy.assertion(_, algorithm, header, claims)
        table.insert(assertions,
          { algorithm = algorithm, header = json.decode(header), claims = json.decode(claims) })
        return key:assertion(algorithm, header, claims)
      end
      return spy
    end

    -- Write `key`, which holds both, and `crt`; of the tests' key or a new one.
    local function make(days, is_new_key)
      local place = tenant.folder
      certificates.write(place, "crt", days, is_new_key)
      local line = "cd '%s' && mv crt.crt crt && cat crt.key crt >key && chmod 600 key && "
        .. "openssl x509 -in crt -outform der | sha256sum"
      local pipe <close> = assert(io.popen(line:format(place)))
      issued = assert(pipe:read("a"):match("%x+"))
      return { path = place .. "/key" }
    end

    before_each(function()
      assertions = {}
      crypto.certificate = spied
      open { method = "certificate", client_id = "app-1" }
      tenant.profile.sign_in.certificate = make(90)
      tenant.clock.start = os.time()
    end)
    after_each(function() crypto.certificate = certificate end)

    it("signs an assertion anew for each token", function()
      run(function()
        assert.equal("PAM", sign_in().name == "app-1" and "PAM")
        oauth.renew()
      end)
      local first, second = assertions[1], assertions[2]
      assert.equal("PS256", first.algorithm)
      assert.same({ "JWT", issued },
        { first.header.typ, crypto.hex(crypto.unbase64(first.header["x5t#S256"])) })
      local now = first.claims.nbf
      assert.same({
        aud = "https://login.example" .. contoso.TOKEN, iss = "app-1", sub = "app-1", nbf = now, iat = now,
        exp = now + 600, jti = first.claims.jti,
      }, first.claims)
      assert.matches("^%x+%-%x+%-4%x+%-%x+%-%x+$", first.claims.jti)
      assert.not_equal(first.claims.jti, second.claims.jti)
      assert.equal("grant_type=client_credentials&client_id=app-1&scope=https%3A%2F%2Fgraph.example%2F.default"
        .. "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        .. "&client_assertion=[secret]", tenant.door.requests[1].body)
    end)

    it("is read again when it was renewed meanwhile, and goes on with the old one when its file is away", function()
      run(function()
        sign_in()
        local first = assertions[1].header["x5t#S256"]
        make(91)
        tenant.clock.start = os.time() + 60
        oauth.renew()
        assert.equal(issued, crypto.hex(crypto.unbase64(assertions[2].header["x5t#S256"])))
        assert.not_equal(first, assertions[2].header["x5t#S256"])
        assert(os.remove(tenant.profile.sign_in.certificate.path))
        oauth.renew()
        assert.equal(assertions[2].header["x5t#S256"], assertions[3].header["x5t#S256"])
      end)
    end)

    -- Put a new key and certificate into the volume, as kubelet does.
    local function mount(version, days)
      make(days, true)
      assert(os.execute((("cd FOLDER && mkdir -p volume/..VERSION && mv key volume/..VERSION/tls.key"
        .. " && mv crt volume/..VERSION/tls.crt && chmod 644 volume/..VERSION/* && cd volume && ln -s ..VERSION new"
        .. " && mv -T new ..data && ln -sf ..data/tls.key . && ln -sf ..data/tls.crt .")
        :gsub("%u%u+", { FOLDER = tenant.folder, VERSION = version }))))
    end

    it("is of one version where the volume is exchanged between the two reads, or its former folder removed", function()
      local volume, read_secret = tenant.folder .. "/volume", sys.read_secret
      tenant.profile.sign_in.certificate = { from = "mounted", path = volume }
      tenant.clock.start = os.time() + 60
      for round, is_removed in ipairs { false, true } do
        mount(2 * round, 90)
        local before, exchanged = issued, false
        sys.read_secret = function(...)
          local content, message, kind = read_secret(...)
          if not exchanged then
            exchanged = true
            mount(2 * round + 1, 91)
            if is_removed then assert(sys.remove_tree(("%s/..%d"):format(volume, 2 * round))) end
          end
          return content, message, kind
        end
        run(sign_in)
        sys.read_secret = read_secret
        assert.equal(is_removed and issued or before, crypto.hex(crypto.unbase64(assertions[round].header["x5t#S256"])))
      end
    end)

    it("comes from a mounted volume with files for key and certificate, and follows its exchange", function()
      local volume = tenant.folder .. "/volume"
      run(function()
        for version, days in ipairs { 90, 91 } do
          mount(version, days)
          tenant.clock.start = os.time() + 60
          tenant.profile.sign_in.certificate = { from = "mounted", path = volume }
          if version == 1 then sign_in() else oauth.renew() end
          assert.equal(issued, crypto.hex(crypto.unbase64(assertions[version].header["x5t#S256"])))
        end
      end)
      assert(os.remove(volume .. "/..2/tls.crt"))
      local err = fails(sign_in)
      assert.equal(("cannot open '%s/..2/tls.crt': No such file or directory"):format(volume), err.why)
      assert.equal("Check that the volume is mounted there, and that nobody may write to it.", err.fix)
    end)

    it("says how to convert a file that an older tool encrypted", function()
      local old = tenant.folder .. "/old.pfx"
      assert(os.execute(("cd '%s' && openssl pkcs12 -export -legacy -in key -passout pass:p -out old.pfx"
        .. " && chmod 600 old.pfx")
        :format(tenant.folder)))
      file("passphrase", "p")
      tenant.profile.sign_in.certificate = { path = old,
        passphrase = { from = "file", path = tenant.folder .. "/passphrase" } }
      local err = fails(sign_in)
      assert.matches("RC2 or 3DES", err.why)
      local command = err.fix:match "^Convert it, then name the new file: (.*)$":gsub("NEW", "new")
      assert(os.execute(("cd '%s' && %s"):format(tenant.folder, command:gsub(" %-out", " -passin pass:p%0"))))
      tenant.profile.sign_in.certificate = { path = tenant.folder .. "/new.pem" }
      run(sign_in)
    end)

    it("signs anew when the service asks to try again", function()
      tenant.door:once("POST", contoso.TOKEN, { 503, {}, "" })
      run(sign_in)
      assert.not_equal(assertions[1].claims.jti, assertions[2].claims.jti)
    end)

    it("speaks of its end before it comes, and stops after", function()
      tenant.clock.start = os.time() + 80 * 86400
      run(sign_in)
      assert.matches("key expires in %d+ days?, on %d%d%d%d%-", warned[1])
      tenant.clock.start = os.time() + 91 * 86400
      local err = fails(sign_in)
      assert.equal("config", err.kind)
      assert.matches("^it expired on ", err.why)
      tenant.clock.start = os.time() - 86400
      assert.matches("^it is not valid before ", fails(sign_in).why)
      assert.equal(1, tenant.door:count("POST", contoso.TOKEN))
    end)

    it("says what is wrong with the file", function()
      local path = tenant.profile.sign_in.certificate.path
      assert(os.execute(("chmod 644 '%s'"):format(path)))
      local err = fails(sign_in)
      assert.equal(("use the certificate %s: refused '%s': other users may read it; run chmod 600 on it\n"
        .. "Close it to other users: chmod 600 '%s'"):format(path, path, path), tostring(err))
      tenant.profile.sign_in.certificate = { path = file("none", "hello") }
      err = fails(sign_in)
      assert.equal("it is neither PEM nor PKCS#12", err.why)
      assert.truthy(err.fix:find("openssl req -x509", 1, true))
    end)
  end)

  describe("with a workload's token", function()
    before_each(function() open { method = "workload_identity", client_id = "app-1" } end)

    it("reads the file for each token, also through a link", function()
      local one, link = file("one", "token-of-the-workload-1\n"), tenant.folder .. "/link"
      assert(os.execute(("ln -s one '%s'; chmod 644 '%s'"):format(link, one)))
      tenant.profile.sign_in.token_file = link
      run(function()
        sign_in()
        file("one", "")
        local ok, err = pcall(oauth.renew)
        assert.is_false(ok)
        assert.equal(("read the workload's token from %s: no secret in '%s': it is empty"):format(link, link),
          tostring(err):match("^[^\n]*"))
        file("one", "token-of-the-workload-2")
        oauth.renew()
      end)
      assert.equal(2, tenant.door:count("POST", contoso.TOKEN))
      assert.matches("&client_assertion=%[secret%]$", tenant.door.requests[1].body)
    end)

    it("says what did not fit", function()
      tenant.profile.sign_in.token_file = file("token", "token-of-the-workload-1")
      tenant.door:on("POST", contoso.TOKEN, { 401, {}, { error = "invalid_client", error_codes = { 700213 },
        error_description = "AADSTS700213: No match." } })
      assert.matches("^no federated credential of the application fits", fails(sign_in).why)
    end)

    it("looks at the token's own expiry before a clock is blamed", function()
      local function token_of(expiry)
        return ("%s.%s.x"):format(crypto.base64url '{"alg":"RS256"}', crypto.base64url(('{"exp":%d}'):format(expiry)))
      end
      local path = file("token", token_of(START - 299))
      tenant.profile.sign_in.token_file = path
      run(sign_in)
      file("token", token_of(START - 7200))
      local err = fails(sign_in)
      assert.equal("config", err.kind)
      assert.matches("^it expired at %d+%-%d+%-%d+T[%d:]+Z, 2 hours ago by this computer's clock$", err.why)
      assert.matches("^The platform has to renew the file %(Kubernetes: a projected service account token%)%.", err.fix)
      assert.equal(1, tenant.door:count("POST", contoso.TOKEN))
    end)
  end)

  describe("with a managed identity", function()
    local PATH = "/metadata/identity/oauth2/token"
    local function token(changes)
      local body = { token_type = "Bearer", expires_in = "3599", expires_on = tostring(START + 3599),
        access_token = APP, refresh_token = "" }
      for name, value in pairs(changes or {}) do body[name] = value end
      return { 200, {}, body }
    end

    before_each(function()
      open { method = "managed_identity" }
      tenant.door:on("GET", PATH, token())
    end)

    it("asks the machine's endpoint, with the header that it wants", function()
      assert.equal("o-1", run(sign_in).oid)
      local request = tenant.door.requests[1]
      assert.equal("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
        .. "&resource=https://graph.example", request.url)
      assert.same({ "identity" }, { request.peer })
      assert.is_nil(request.credential)
    end)

    it("names the one that is meant", function()
      tenant.profile.sign_in.client_id, tenant.profile.sign_in.resource_id = "c-1", "/sub/x"
      run(sign_in)
      assert.same({ "c-1", "/sub/x" },
        { tenant.door.requests[1].query.client_id, tenant.door.requests[1].query.msi_res_id })
    end)

    it("is patient as Microsoft's page says", function()
      tenant.door:once("GET", PATH, { 404, {}, "" })
      tenant.door:once("GET", PATH, { 429, {}, "" })
      tenant.door:once("GET", PATH, { 500, {}, "" })
      tenant.door:once("GET", PATH, { 410, {}, "" })
      run(sign_in)
      assert.equal(70, tenant:passed())
      assert.equal(5, #tenant.door.requests)
    end)

    it("waits for three minutes at most, and says until when it is asked to", function()
      tenant.door:once("GET", PATH, { 429, { ["retry-after"] = "120" }, "" })
      tenant.door:on("GET", PATH, { 429, { ["retry-after"] = "181" }, "" })
      local err = fails(sign_in)
      assert.equal(120, tenant:passed())
      assert.equal("throttled", err.kind)
      assert.matches("^Run the same command again after 20", err.fix)
    end)

    it("stops after five tries, and at once when it is refused", function()
      tenant.door:on("GET", PATH, { 500, {}, "" })
      assert.equal("transient", fails(sign_in).kind)
      assert.equal(5, #tenant.door.requests)
      tenant.door:on("GET", PATH, { 400, {}, { error = "invalid_request", error_description = "Identity not found" } })
      local err = fails(sign_in)
      assert.equal("sign in to 'contoso.onmicrosoft.com' with the managed identity: this machine or service does not"
        .. " have that identity. The endpoint said: Identity not found", (tostring(err):match("^[^\n]*")))
      assert.equal(6, #tenant.door.requests)
    end)

    it("says when something else answers there", function()
      for _, answer in ipairs { { 403, {}, "Forbidden" }, { 200, {}, "<html>" }, { 302, { location = "/x" }, "" } } do
        tenant.door:on("GET", PATH, answer)
        local err = fails(sign_in)
        assert.matches("^the answer is not from Azure's endpoint of managed identities%. The endpoint said", err.why)
        assert.matches("not in Azure Arc", err.fix)
      end
    end)

    it("says when there is none where it runs", function()
      tenant.door:on("GET", PATH, { nil, "curl's words", "timeout", false })
      local err = fails(sign_in)
      assert.equal("this machine has no endpoint of managed identities (curl's words)", err.why)
      assert.equal(2, #tenant.door.requests)
      tenant.door:on("GET", PATH, { nil, "curl's words", "timeout", true })
      assert.equal("no answer came in time (curl's words)", fails(sign_in).why)
      assert.equal(7, #tenant.door.requests)
    end)
  end)

  describe("with a token that is handed in", function()
    local TENANT = "9c8f6b7e-0f4b-4a4b-8a55-6a5b6f2d1c3e"
    local given

    -- On a descriptor of this process, as a shell opens it for a program.
    local read = sys.read_secret_fd
    local function hand_in(changes)
      local claims = { aud = "https://graph.example", tid = TENANT, scp = "User.Read.All Group.ReadWrite.All",
        exp = START + 3600, upn = "ann@contoso.com", oid = "o-2" }
      for name, value in pairs(changes or {}) do claims[name] = value ~= "gone" and value or nil end
      given = jwt(claims)
    end

    before_each(function()
      open { method = "token", token = { from = "fd", fd = 9 } }
      tenant.profile.login = "https://login-given.example"
      tenant.door:on("GET", "/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration", { 200, {}, {
        issuer = "https://login-given.example/" .. TENANT .. "/v2.0",
        token_endpoint = "https://login-given.example/" .. TENANT .. "/oauth2/v2.0/token",
      } })
      sys.read_secret_fd = function(fd)
        if fd ~= 9 then return nil, "file descriptor 0 was read" end
        return require("host.secret").from(given)
      end
      hand_in()
    end)
    after_each(function() sys.read_secret_fd = read end)

    it("is used as it is", function()
      local person = run(sign_in)
      assert.same({ "ann@contoso.com", "user" }, { person.name, person.kind })
      assert.equal(0, tenant.door:count("POST", contoso.TOKEN))
    end)

    it("is used to its end, for it cannot be renewed", function()
      local err = fails(function()
        sign_in()
        task.sleep(3598)
        assert(oauth.credential())
        task.sleep(3)
        oauth.credential()
      end)
      assert.equal("auth", err.kind)
      assert.equal("use the access token that was handed in: it has expired or is not accepted any more, and it "
        .. "cannot be renewed here\nRun the command again with a new one: it goes on where it stopped.", tostring(err))
      hand_in { exp = START + 20000 }
      assert.equal("auth", fails(function()
        sign_in()
        oauth.renew(oauth.credential())
      end).kind)
    end)

    it("is for this tenant's Graph, or is not used", function()
      for why, changes in pairs {
        ["it is for https://vault.example, not for https://graph.example"] = { aud = "https://vault.example" },
        ["it is for an unknown API, not for https://graph.example"] = { aud = "gone" },
        ["it is of tenant t-2, but 'contoso.onmicrosoft.com' is " .. TENANT] = { tid = "t-2" },
        ["it is of tenant nil, but 'contoso.onmicrosoft.com' is " .. TENANT] = { tid = "gone" },
        ["it has expired"] = { exp = START },
      } do
        hand_in(changes)
        local err = fails(sign_in)
        assert.same({ "config", why }, { err.kind, err.why })
      end
      for _, aud in ipairs { "00000003-0000-0000-c000-000000000000", "https://graph.example/" } do
        hand_in { aud = aud }
        run(sign_in)
      end
    end)

    it("carries what is to be changed with it before anything starts", function()
      oauth.use_scopes { "User.Read.All", "Group.Read.All", "Application.ReadWrite.All", "Policy.Read.All" }
      local err = fails(sign_in)
      assert.same({ "denied", "it does not carry Application.ReadWrite.All" }, { err.kind, err.why })
      oauth.use_scopes { "User.Read.All", "Group.Read.All", "Policy.Read.All" }
      run(sign_in)
      assert.same({ "the access token that was handed in does not carry Policy.Read.All; what needs it will not be"
        .. " checked, or fail" }, warned)
      hand_in { scp = "gone", roles = json.array { "Application.ReadWrite.All" }, idtyp = "app" }
      oauth.use_scopes { "Application.ReadWrite.All" }
      assert.equal("app", run(sign_in).kind)
    end)

    it("is not waited for at a terminal, nor taken from a closed place", function()
      tenant.profile.sign_in.token = { from = "stdin" }
      local err = fails(sign_in)
      assert.is_true(fail.is(err, "config"))
      assert.equal("file descriptor 0 was read", err.why)
    end)
  end)
end)
