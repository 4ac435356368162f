local fail = require "fail"
local profile = require "profile.current"
local sys = require "host.sys"

local folder

-- Write a configuration and load a profile of it.
local function load_text(text, name)
  local file = folder .. "/moonlatch.lua"
  assert(sys.write(file, text, "replace"))
  return profile.load { config = file, name = name }
end

local function load_body(body)
  return load_text(("return { profiles = { contoso = { %s } } }"):format(body))
end

local function refusal(load, ...)
  local ok, failure = pcall(load, ...)
  assert.is_false(ok)
  assert.is_true(fail.is(failure), tostring(failure))
  return (tostring(failure):gsub(folder:gsub("%p", "%%%0"), "DIR"))
end

describe("profile", function()
  before_each(function() folder = assert(sys.temporary "profile") end)
  after_each(function()
    profile.use(nil)
    sys.remove_tree(folder)
  end)

  it("knows the clouds, and where things go by default", function()
    local loaded = load_body [[tenant = "Contoso.onmicrosoft.com"]]
    assert.equal("real", loaded.kind)
    assert.equal("contoso.onmicrosoft.com", loaded.tenant)
    assert.equal("https://login.microsoftonline.com", loaded.login)
    assert.equal("https://graph.microsoft.com/v1.0", loaded.graph)
    assert.same({ method = "device_code", client_id = "14d82eec-204b-4c2f-b7e8-296a70dab67e" }, loaded.sign_in)
    assert.equal("login.microsoftonline.com/contoso.onmicrosoft.com", loaded.binding)
    assert.matches("/moonlatch/login.microsoftonline.com/contoso.onmicrosoft.com$", loaded.state)
    assert.equal(loaded, profile.current())
    assert.equal("https://graph.microsoft.us/v1.0", load_body([[tenant = "x", cloud = "gcc_high"]]).graph)
    assert.equal("https://microsoftgraph.chinacloudapi.cn/v1.0", load_body([[tenant = "x", cloud = "china"]]).graph)
  end)

  it("insists on certificates of good form, unless it is told for whom not to", function()
    local body = [[tenant = "x", cloud = { login = "https://a.test", graph = "https://b.test", %s },
      devolutions = { server = "https://c.test", app_key = "k", app_secret = { from = "file", path = "d" }, %s }]]
    local function strict(cloud, devolutions)
      local loaded = load_body(body:format(cloud, devolutions))
      return { loaded.strict_certificates, loaded.devolutions.strict_certificates }
    end
    assert.same({ true, true }, strict("", ""))
    assert.same({ false, true }, strict("strict_certificates = false", ""))
    assert.same({ true, false }, strict("", "strict_certificates = false"))
    assert.is_true(load_body([[tenant = "x", cloud = "china"]]).strict_certificates)
  end)

  it("knows a vault's folder in one spelling", function()
    assert.equal("Entra\\Tier0",
      load_body([[tenant = "x", devolutions = { cloud = "https://d", path = "\\Entra\\\\Tier0 " }]]).devolutions.path)
  end)

  it("fills in what a way to sign in leaves open", function()
    local graph_tools = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
    local function sign_in(text)
      return load_body(([[tenant = "x", sign_in = { method = %s }]]):format(text)).sign_in
    end
    assert.same({ method = "browser", client_id = graph_tools, redirect = "http://localhost" }, sign_in '"browser"')
    assert.same({ method = "managed_identity" }, sign_in '"managed_identity"')
    assert.same({ method = "token", token = { from = "stdin" } }, sign_in '"token"')
    assert.same({ method = "certificate", client_id = "c", certificate = { path = folder .. "/app.pem" } },
      sign_in '"certificate", client_id = "c", certificate = { path = "app.pem" }')
    -- as Entra writes it: what the tenant answers is compared with it
    assert.equal("14d82eec-204b-4c2f-b7e8-296a70dab67e",
      sign_in '"device_code", client_id = "14D82EEC-204B-4C2F-B7E8-296A70DAB67E"'.client_id)
    local given = sign_in '"certificate", client_id = "c", certificate = { from = "credentials_directory", name = "a" }'
    assert.equal("$CREDENTIALS_DIRECTORY/a", given.certificate.path)
    assert.same({ method = "workload_identity", client_id = "c", token_file = "/var/run/token" },
      sign_in '"workload_identity", client_id = "c", token_file = "/var/run/token"')
    local redirects = { "http://localhost", "http://127.0.0.1", "http://localhost:8400/", "http://127.0.0.1/a-b" }
    for _, redirect in ipairs(redirects) do
      assert.equal(redirect, sign_in(('"browser", redirect = %q'):format(redirect)).redirect)
    end
  end)

  it("takes an emulator's profile, with paths relative to the file", function()
    local loaded = load_body [[tenant = "x", emulator = { clock = "clock" },
      cloud = { login = "https://127.0.0.1:81/", graph = "https://127.0.0.1:82/beta", ca = "ca.pem" },
      sign_in = { method = "client_secret", client_id = "c", secret = { from = "file", path = "s" } },
      key = { from = "file", path = "key" },
      devolutions = { server = "https://127.0.0.1:83/", app_key = "k", app_secret = { from = "file", path = "d" } }]]
    assert.equal("emulator", loaded.kind)
    assert.equal("https://127.0.0.1:81", loaded.login)
    assert.equal("https://127.0.0.1:82/beta", loaded.graph)
    assert.same({ folder .. "/clock", folder .. "/ca.pem", folder .. "/key", folder .. "/s", folder .. "/d" },
      { loaded.clock, loaded.ca, loaded.key.path, loaded.sign_in.secret.path, loaded.devolutions.app_secret.path })
    assert.equal(folder .. "/state", loaded.state)
    assert.equal("127.0.0.1_81/x", loaded.binding)
    assert.is_false(loaded.devolutions.linked)
  end)

  it("keeps emulators on this machine and real tenants off it", function()
    assert.equal("DIR/moonlatch.lua: profiles.contoso.cloud.login: an emulator's profile may only reach this machine, "
      .. "and https://login.microsoftonline.com is elsewhere\nRemove `emulator` from the profile for a real tenant; "
      .. "for an emulator, write its address on this machine.",
      refusal(load_body, [[tenant = "x", emulator = true]]))
    for _, host in ipairs { "127.0.0.1", "localhost", "[::1]:8443", "127.9.9.9:1" } do
      assert.matches("a real profile may not reach this machine",
        refusal(load_body, ([[tenant = "x", cloud = { login = "https://%s", graph = "https://g" }]]):format(host)))
    end
    assert.matches("http://login.example is not protected by TLS\nWrite it with https:// at the beginning.$",
      refusal(load_body, [[tenant = "x", cloud = { login = "http://login.example", graph = "https://g" }]]))
    assert.matches("devolutions.server: an emulator's profile may only reach this machine",
      refusal(load_body, [[tenant = "x", emulator = true,
        cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:1" },
        devolutions = { server = "https://d.example", app_key = "k", app_secret = { from = "prompt" } }]]))
  end)

  it("says what is wrong with file, member and what was meant", function()
    for body, message in pairs {
      [""] = "profiles.contoso.tenant: it is missing; a string is needed",
      [ [[tenant = 5]] ] = "profiles.contoso.tenant: a string is needed, but it is a number",
      [ [[tenat = "x"]] ] = 'profiles.contoso.tenat: there is no such member\nDid you mean "tenant"?',
      [ [[tenant = "common"]] ] = 'tenant: "common" stands for many tenants\nName the tenant by its domain or GUID',
      [ [[tenant = "a/b"]] ] = 'tenant: "a/b" is neither a domain nor a GUID',
      [ [[tenant = "x", cloud = "globl"]] ] = 'cloud: "globl" is not a known cloud\nDid you mean "global"?',
      [ [[tenant = "x", cloud = "bleu"]] ] =
        '"bleu" is not a known cloud\nWrite "global", "gcc", "gcc_high", "dod" or "china"; or name another cloud',
      [ [[tenant = "x", cloud = { login = "nonsense", graph = "https://g" }]] ] =
        'cloud.login: "nonsense" is not a URL of the form https://host',
      [ [[tenant = "x", cloud = { login = "https://a@b", graph = "https://g" }]] ] =
        "cloud.login: the URL carries a user or a password",
      [ [[tenant = "x", proxy = "http://ann:hunter2@proxy"]] ] = "proxy: the URL carries a user or a password",
      [ [[tenant = "x", sign_in = { method = "devicecode" }]] ] =
        'sign_in.method: "devicecode" is none of',
      [ [[tenant = "x", sign_in = { method = "certificate" }]] ] = 'sign_in: method = "certificate" needs a client_id',
      [ [[tenant = "x", sign_in = { method = "certificate", client_id = "c" }]] ] =
        'sign_in: method = "certificate" needs certificate = { path = "…" }',
      [ [[tenant = "x", sign_in = { method = "certificate", client_id = "c", certificate = { name = "b" } }]] ] =
        'sign_in.certificate: its members do not fit together\nWrite { path = "app.pem" }, { from = '
          .. '"credentials_directory", name = "app.pem" }',
      [ [[tenant = "x", sign_in = { method = "workload_identity", client_id = "c" }]] ] =
        'sign_in: method = "workload_identity" needs token_file = "…"',
      [ [[tenant = "x", sign_in = { method = "browser", token_file = "t" }]] ] =
        'sign_in: method = "browser" has no token_file; that is for "workload_identity"',
      [ [[tenant = "x", sign_in = { scopes = {}, method = "managed_identity" }]] ] =
        'method = "managed_identity" has no scopes; that is for "browser", "device_code", "token"',
      [ [[tenant = "x", sign_in = { method = "browser", redirect = "https://localhost" }]] ] =
        'sign_in.redirect: "https://localhost" is not http://localhost or http://127.0.0.1, with a port',
      [ [[tenant = "x", sign_in = { method = "browser", redirect = "http://localhost.evil.example" }]] ] =
        "is not http://localhost or",
      [ [[tenant = "x", sign_in = { method = "browser", redirect = "http://localhost:81@evil.example" }]] ] =
        "is not http://localhost or",
      [ [[tenant = "x", sign_in = { method = "token", token = { from = "fd" } }]] ] =
        'sign_in.token: its members do not fit together\nWrite { from = "stdin" } or { from = "fd", fd = 3 }.',
      [ [[tenant = "x", sign_in = { method = "managed_identity", endpoint = "http://169.254.169.254/x" }]] ] =
        "sign_in.endpoint: it is for an emulator's profile only",
      [ [[tenant = "x", sign_in = { method = "client_secret", client_id = "c" }]] ] =
        'sign_in: method = "client_secret" needs secret = { from = "file", path = "…" }',
      [ [[tenant = "x", key = { from = "keyring", path = "p" }]] ] = 'key: from = "keyring" has no path',
      [ [[tenant = "x", key = { from = "file" }]] ] = 'key: from = "file" needs path = "…"',
      [ [[tenant = "x", key = { from = "prompt" }]] ] = 'key.from: "prompt" is none of "file", "mounted", "keyring"',
      [ [[tenant = "x", sign_in = { secret = { from = "environment" } }]] ] =
        'sign_in.secret: from = "environment" needs name = "…"',
      [ [[tenant = "x", sign_in = { secret = { from = "environment", name = "A=B" } }]] ] =
        'sign_in.secret: "A=B" cannot be the name of an environment variable',
      [ [[tenant = "x", sign_in = { secret = { from = "fd", fd = "3" } }]] ] =
        'sign_in.secret.fd: an integer is needed, but it is a string',
      [ [[tenant = "x", sign_in = { secret = { from = "credentials_directory", name = "../key" } }]] ] =
        "sign_in.secret: name has a folder in it\nWrite the name of the credential alone",
      [ [[tenant = "x", sign_in = { secret = { from = "sealed", name = "x" } }]] ] =
        'sign_in.secret: from = "sealed" has no name',
      [ [[tenant = "x", devolutions = { cloud = "https://d", path = "Entra\tier0" }]] ] =
        "devolutions.path: it contains an invisible character (\\t in a Lua string)",
      [ [[tenant = "x", devolutions = { cloud = "https://d", path = "Entra/Tier0" }]] ] =
        "devolutions.path: folders are separated by \\\nWrite it as",
      [ [[tenant = "x", devolutions = { cloud = "https://d", vault = "P\rivileged" }]] ] =
        "devolutions.vault: it contains an invisible character (\\r in a Lua string)",
      [ [[tenant = "x", devolutions = {}]] ] = "devolutions: it needs either server or cloud",
      [ [[tenant = "x", devolutions = { server = "https://d" }]] ] = "devolutions: server needs app_key and app_secret",
    } do
      local text = refusal(load_body, body)
      assert.is_truthy(text:find(message, 1, true), text)
      assert.matches("^DIR/moonlatch.lua: ", text)
    end
  end)

  it("chooses the named one, the default, or the only one", function()
    local two = [[return { %s profiles = { a = { tenant = "a" }, b = { tenant = "b" } } }]]
    assert.equal("b", load_text(two:format "", "b").tenant)
    assert.equal("a", load_text(two:format [[default = "a",]]).tenant)
    assert.equal("choose a profile of DIR/moonlatch.lua: there are several, and none is the default\n"
      .. 'Add --profile NAME to the command, with one of a, b; or write default = "a" in the file.',
      refusal(load_text, two:format ""))
    assert.equal("choose the profile 'c' of DIR/moonlatch.lua: there is no such profile\nDid you mean 'a'?",
      refusal(load_text, two:format "", "c"))
    assert.matches("Name one of the profiles with %-%-profile: a, b.$", refusal(load_text, two:format "", "production"))
  end)

  it("refuses a file that is missing, open to others, or runs away", function()
    assert.matches("^read the configuration /nowhere/moonlatch.lua: .*\n"
      .. "Correct the path; or make a configuration there: moonlatch init %-%-config /nowhere/moonlatch.lua$",
      refusal(profile.load, { config = "/nowhere/moonlatch.lua" }))
    assert.matches("ten million instructions", refusal(load_text, "while true do end"))
    assert.matches("global 'require'", refusal(load_text, "return require 'x'"))
    assert.matches("a table is needed, but it is nil", refusal(load_text, ""))
  end)

  it("loads lazily when asked to, once", function()
    local calls = 0
    assert.equal("no session is open: a file that is loaded may call no service", select(2, pcall(profile.current)).why)
    profile.load_on_demand(function()
      calls = calls + 1
      profile.use { name = "made up" }
    end)
    assert.equal("made up", profile.current().name)
    assert.equal("made up", profile.current().name)
    assert.equal(1, calls)
  end)

  it("is remarked on where it could be safer", function()
    local remarks = require "profile.remarks"
    local loaded = load_body [[tenant = "x", key = { from = "keyring" },
      sign_in = { method = "client_secret", client_id = "c", secret = { from = "sealed" } }]]
    assert.same({}, remarks.of(loaded))
    loaded = load_body [[tenant = "x",
      sign_in = { method = "client_secret", client_id = "c", secret = { from = "environment", name = "X" } }]]
    local list = remarks.of(loaded)
    assert.equal("the client secret comes from the environment", list[1].what)
    assert.equal("the profile names no key", list[2].what)
  end)

  describe("key", function()
    local function key_of(size)
      assert(sys.write(folder .. "/key", require("host.secret").generate(size), "replace"))
      load_body [[tenant = "x", key = { from = "file", path = "key" }]]
      return profile.key()
    end

    it("comes from the file as a secret of 32 bytes or more", function()
      assert.equal("[secret]", tostring(key_of(32)))
      assert.equal(64, #key_of(64))
    end)

    it("is refused when it is not named, not there, or too short", function()
      assert.equal("open the journal's key (profile 'contoso' in DIR/moonlatch.lua): "
        .. "the key has 31 bytes, and 32 are the least\n"
        .. "Bring the right key back from your copy of it: a new key does not open what the old one "
        .. "sealed.", refusal(key_of, 31))
      load_body [[tenant = "x"]]
      assert.matches("the profile names no key, and there is no silent default\nAdd key = ", refusal(profile.key))
      load_body [[tenant = "x", key = { from = "file", path = "none" }]]
      assert.matches("^read the journal's key from DIR/none: .*\nMake the first key: moonlatch init%.",
        refusal(profile.key))
    end)
  end)
end)
