--- What sinks store before clients that others wrote: Microsoft's @azure/keyvault-secrets, and kubectl. The services
--- are tests/stores.py, so this holds the double against these clients, too.

local crypto = require "host.crypto"
local json = require "host.json"
local peers = require "peers"
local process = require "host.process"
local rehearsal = require "rehearsal"
local secret = require "host.secret"
local stores = require "stores"

local POLICY = [[
local policy = require "policy"
return policy {
  summary = "one application", select = policy.applications { client_id = %q }, every = "30d", lifetime = "90d",
  grace = "7d", credential = %q, sink = policy.sink(%s),
}
]]
local KEYS = [["sinks/azure-key-vault", { name = "app-{client_id}", linked = true }]]
local KUBERNETES = [["sinks/kubernetes-secret", { namespace = "prod", name = "app-{client_id}", linked = true }]]

describe("a secret that a sink stored", function()
  local emu, double, app

  setup(function()
    emu = rehearsal.new()
    local folder = emu.place.path .. "/stores"
    assert(os.execute("mkdir " .. folder))
    double = stores.start(folder)
    local profile = double:peers(emu.place:write("token", double.token))
    emu:configure(function(text) return (text:gsub("emulator = { clock", profile:gsub("%%", "%%%%") .. " %0")) end)
  end)
  teardown(function()
    double:close()
    local _ <close> = emu
  end)
  before_each(function() app = emu:admin("add_app", { name = "Billing", days = 3650 }) end)

  local function rotate_credential(credential, sink, ...)
    local file = emu.place:write("billing.lua", POLICY:format(app.appId, credential, sink))
    local status, document, outcome = emu:json { "rotate", file, "--yes", ... }
    return status, document.policies and document.policies[1].accounts[1] or {}, outcome.out .. outcome.err
  end

  local function rotate(...) return rotate_credential("secret", ...) end

  -- Ask Microsoft's client of Key Vault.
  local function ask(...)
    local sdk <close> = assert(process.start({ "/usr/bin/env", "NODE_EXTRA_CA_CERTS=" .. double.ca, peers.node(),
      SOURCE .. "/tests/peer/key_vault.mjs", double.base .. "/keys", double.token, ... }))
    return assert(sdk:line(30))
  end

  local function kubectl(line)
    local command = ("HOME='%s' /usr/bin/kubectl --server '%s/kubernetes' --certificate-authority '%s' --token '%s' "
      .. "--namespace prod %s 2>&1"):format(emu.place.path, double.base, double.ca, double.token, line)
    local pipe <close> = assert(io.popen(command))
    return (pipe:read "a")
  end

  -- Entra's certificate of the application, in DER.
  local function registered()
    emu:later "60s"
    return crypto.unbase64(emu:graph("/applications/" .. app.id .. "?$select=id,keyCredentials").keyCredentials[1].key)
  end

  it("is a certificate that Microsoft's client of Key Vault reads as PKCS#12, and node opens", function()
    local lacking = peers.lacking "@azure/keyvault-secrets"
    if lacking then return pending(lacking) end
    local status, _, text = rotate_credential("certificate", KEYS)
    assert.equal(0, status, text)
    local read = json.decode(ask("get", "app-" .. app.appId))
    local key = assert(crypto.certificate(secret.from(assert(crypto.unbase64(read.value)))))
    assert.equal(registered(), key:describe().der)
    local node <close> = assert(process.start { peers.node(), "-e", "require('tls').createSecureContext({ pfx: "
      .. "Buffer.from(require('fs').readFileSync(process.argv[1], 'ascii'), 'base64'), passphrase: '' }); "
      .. "console.log('opened')", emu.place:write("pkcs12", read.value) })
    assert.equal("opened", node:line(30))
  end)

  it("is a certificate that kubectl reads from a Secret of type kubernetes.io/tls", function()
    if not os.execute "test -x /usr/bin/kubectl" then return pending "kubectl is not there" end
    local status, _, text = rotate_credential("certificate", KUBERNETES)
    assert.equal(0, status, text)
    local get = ("get secret app-%s -o "):format(app.appId)
    assert.equal("kubernetes.io/tls", kubectl(get .. "'jsonpath={.type}'"))
    local function part(name) return crypto.unbase64(kubectl(("%s 'jsonpath={.data.tls\\.%s}'"):format(get, name))) end
    local key = assert(crypto.certificate(secret.from(part "key"), nil, part "crt"))
    assert.equal(registered(), key:describe().der)
  end)

  it("is read by Microsoft's client of Key Vault, whose own version is not overwritten", function()
    local lacking = peers.lacking "@azure/keyvault-secrets"
    if lacking then return pending(lacking) end
    local name = "app-" .. app.appId
    local status, _, text = rotate(KEYS)
    assert.equal(0, status, text)
    assert.equal(1, #json.decode(ask("versions", name)).list)
    local read = ask("get", name)
    assert(read:find('"value":"' .. double:held("keys", name) .. '"', 1, true), "the client reads another value")
    assert(read:find('"client_id":"' .. app.appId .. '"', 1, true), "the client reads other tags")
    assert.matches("challenge resource", ask("strict", name)) -- as we, it follows no challenge elsewhere
    ask("set", name, "theirs")
    local row
    status, row = rotate(KEYS, "--now", "Billing")
    assert.same({ 1, "there is a value that is not marked as one of this application" }, { status, row.why })
    assert.equal("theirs", double:held("keys", name))
  end)

  it("is read by kubectl, and leaves what kubectl wrote beside it", function()
    if not os.execute "test -x /usr/bin/kubectl" then return pending "kubectl is not there" end
    local name = "app-" .. app.appId
    local manifest = emu.place:write("secret.json", json.encode { apiVersion = "v1", kind = "Secret", type = "Opaque",
      metadata = { name = name }, data = { user = "YmlsbGluZw==" } })
    -- From a file, because `create secret` sends protobuf.
    assert.equal(("secret/%s created\n"):format(name), kubectl(("create -f '%s' --validate=false"):format(manifest)))
    local status, _, text = rotate(KUBERNETES)
    assert.equal(0, status, text)
    local encoded = kubectl(("get secret %s -o 'jsonpath={.data.client-secret}'"):format(name))
    assert.equal(double:held("kubernetes", "prod/" .. name), crypto.unbase64(encoded))
    assert.equal("YmlsbGluZw==", kubectl(("get secret %s -o 'jsonpath={.data.user}'"):format(name)))
    local patch = [['{"data":{"more":"eA=="}}']]
    assert.matches("patched", kubectl(("patch secret %s --type merge -p %s"):format(name, patch)))
    status, _, text = rotate(KUBERNETES, "--now", "Billing")
    assert.equal(0, status, text)
    assert.equal("eA== YmlsbGluZw==",
      kubectl(("get secret %s -o 'jsonpath={.data.more} {.data.user}'"):format(name)))
  end)
end)
