-- takes 15 s: each rotation makes a key
--- Certificates whose private key goes to sinks, as PKCS#12 or PEM: in every sink before Entra is asked, in force after
--- the proof, and read by other people's programs. The services are tests/stores.py.

local process = require "host.process"
local rehearsal = require "rehearsal"
local stores = require "stores"
local sys = require "host.sys"

local POLICY = [[
local policy = require "policy"
return policy {
  summary = "certificates", select = policy.applications { client_id = %q }, credential = "certificate",
  every = "90d", lifetime = "360d", grace = "7d", sink = %s,
}
]]

local VAULT = [[policy.sink("sinks/vault", { path = "apps/{id}", field = "certificate", linked = true })]]
local KEYS = [[policy.sink("sinks/azure-key-vault", { name = "app-{id}", linked = true })]]
local KUBERNETES = [[policy.sink("sinks/kubernetes-secret", { namespace = "prod", name = "app-{id}", linked = true })]]
local ALL = ("{ %s, %s, %s }"):format(VAULT, KEYS, KUBERNETES)

local function shell(line, ...)
  local pipe <close> = assert(io.popen(line:format(...) .. " 2>&1"))
  return pipe:read "a"
end

describe("the certificate of an application", function()
  local emu, double, app, path

  setup(function()
    emu = rehearsal.new()
    path = emu.place.path
    assert(os.execute("mkdir " .. path .. "/stores"))
    double = stores.start(path .. "/stores")
    local peers = double:peers(emu.place:write("token", double.token))
    emu:configure(function(text) return (text:gsub("emulator = { clock", peers:gsub("%%", "%%%%") .. " %0")) end)
  end)
  teardown(function()
    double:close()
    local _ <close> = emu
  end)

  before_each(function() app = emu:admin("add_app", { name = "Billing", days = 3650 }) end)

  local function rotate(sink, ...)
    local file = emu.place:write("certificates.lua", POLICY:format(app.appId, sink))
    local status, document, outcome = emu:json { "rotate", file, "--yes", ... }
    return status, document.policies and document.policies[1].accounts[1] or document, outcome
  end

  -- The certificates that Entra has, by their SHA-1 digests.
  local function registered()
    emu:later "60s"
    local found = {}
    for _, one in ipairs(emu:graph("/applications/" .. app.id .. "?$select=id,keyCredentials").keyCredentials) do
      found[one.customKeyIdentifier] = one.displayName
    end
    return found
  end

  local function digest(file)
    return (shell("openssl x509 -in '%s' -noout -fingerprint -sha1", file):match("=([%x:]+)"):gsub(":", ""))
  end

  local function current() return double:state() end
  local function in_vault()
    local list = current().vault["secret/apps/" .. app.appId]
    return emu.place:write("vault.pem", list[#list].data.certificate)
  end

  local function in_kubernetes(name)
    local data = current().kubernetes["prod/app-" .. app.appId].data
    emu.place:write("tls.b64", data[name])
    return shell("base64 -d '%s/tls.b64' >'%s/%s'", path, path, name) == "" and path .. "/" .. name
  end

  local function in_keys()
    local versions = current().keys["app-" .. app.appId].versions
    emu.place:write("p12.b64", versions[#versions].value)
    assert.equal("", shell("base64 -d '%s/p12.b64' >'%s/p12' && openssl pkcs12 -in '%s/p12' -passin pass: -nodes -out "
      .. "'%s/keys.pem'", path, path, path, path))
    return path .. "/keys.pem", versions[#versions].contentType
  end

  it("is PEM in Vault, PKCS#12 in Key Vault and kubernetes.io/tls, the same one, proven and in use", function()
    local status, row, outcome = rotate(ALL)
    assert.same({ 0, "changed" }, { status, row.what }, outcome.out .. outcome.err)
    local names, keys, content_type = registered(), in_keys()
    assert.equal("application/x-pkcs12", content_type)
    assert.equal("kubernetes.io/tls", current().kubernetes["prod/app-" .. app.appId].type)
    local name = names[digest(in_vault())]
    assert.matches("^ml:", name)
    assert.same({ name, name }, { names[digest(keys)], names[digest(in_kubernetes "tls.crt")] })
    local pair = shell("openssl pkey -in '%s' -pubout", in_vault())
    for _, file in ipairs { keys, in_kubernetes "tls.key" } do
      assert.equal(pair, shell("openssl pkey -in '%s' -pubout", file))
    end
    assert.is_nil((outcome.out .. outcome.err):find("PRIVATE KEY", 1, true))
    -- A server of openssl has the pair of Kubernetes, and curl shows it the PKCS#12 of Key Vault.
    local server <close> = assert(process.start { "/usr/bin/openssl", "s_server", "-accept", "0", "-naccept", "1",
      "-www", "-cert", in_kubernetes "tls.crt", "-key", in_kubernetes "tls.key", "-CAfile", in_kubernetes "tls.crt",
      "-Verify", "1", "-verify_return_error" })
    local line
    repeat line = assert(server:line(10)) until line:find "^ACCEPT"
    assert.matches("Verify return code: 0 %(ok%)", shell("curl -s -m 10 -k --cert '%s/p12:' --cert-type P12 "
      .. "https://127.0.0.1:%s/", path, line:match "%d+$"))
    local state = current()
    assert.is_nil(state.vault["secret/apps/" .. app.appId .. "-pending"])
    assert.same({}, state.kubernetes["prod/app-" .. app.appId .. "-pending"].data)
    assert.is_false(state.keys["app-" .. app.appId .. "-pending"].versions[1].attributes.enabled)
    status, row = rotate(ALL)
    assert.same({ 0, "wait" }, { status, row.what })
  end)

  it("is in all sinks before Entra is asked; a sink that refuses stops the run, the next goes on with it", function()
    double:rule { method = "PUT", path = "/secrets/app-" .. app.appId .. "-pending", ["do"] = 403 }
    local status, row = rotate(ALL)
    assert.same({ 1, "failed" }, { status, row.what })
    assert.same({}, registered())
    local pending = current().vault["secret/apps/" .. app.appId .. "-pending"]
    local file = emu.place:write("pending.pem", pending[1].data.certificate)
    -- The answer to the last store is lost, and Kubernetes cannot be written: stored in two of three.
    double:rule { method = "POST", path = "/secret/data/apps/" .. app.appId, ["do"] = "cut" }
    double:rule { method = "POST", path = "/secrets", ["do"] = "pass" } -- the pending one
    double:rule { method = "POST", path = "/secrets", ["do"] = 403 }
    status, row = rotate(ALL)
    assert.same({ 1, "failed" }, { status, row.what })
    assert.matches("^stored in 2 of 3; missing in tls.key in the Secret prod/app%-", row.why)
    assert.matches("^ml:", registered()[digest(file)])
    assert.equal(digest(file), digest(in_vault()))
    status, row = rotate(ALL)
    assert.same({ 0, "changed" }, { status, row.what })
    assert.equal(digest(file), digest(in_kubernetes "tls.crt"))
    assert.equal(digest(file), digest((in_keys())))
  end)

  it("is not made beside a pending value of another installation, nor over another application's", function()
    local theirs = { data = { certificate = "theirs", client_id = app.appId, moonlatch_marker = "ml:9:9" },
      deleted = false }
    double:set("vault", "secret/apps/" .. app.appId .. "-pending", { theirs })
    local status, row = rotate(VAULT)
    assert.same({ 1, "failed", "the pending place has a value of another installation (ml:9:9)" },
      { status, row.what, row.why })
    double:set("vault", "secret/apps/" .. app.appId .. "-pending", nil)
    local other = { data = { certificate = "x", client_id = "y" }, deleted = false }
    double:set("vault", "secret/apps/" .. app.appId, { other })
    status, row = rotate(VAULT)
    assert.same({ 1, "refuse", "there is a value of another application (client id y)" }, { status, row.what, row.why })
    assert.same({}, registered())
  end)

  it("is adopted by a journal that does not know it", function()
    local status = rotate(VAULT)
    assert.equal(0, status)
    local first = digest(in_vault())
    assert(sys.remove_tree(emu:state()))
    local row
    status, row = rotate(VAULT)
    assert.same({ 0, "changed" }, { status, row.what })
    assert.equal(first, digest(in_vault()))
    local names = registered()
    assert.same({ [first] = names[first] }, names)
  end)
end)
