-- Which services a profile may name as peers.

local fail = require "fail"
local profile = require "profile.current"
local sys = require "host.sys"

local folder

local function load_peers(peers, rest)
  local file = folder .. "/moonlatch.lua"
  local body = ('return { profiles = { contoso = { tenant = "contoso.com", %s peers = { %s } } } }')
    :format(rest or "", peers)
  assert(sys.write(file, body, "replace"))
  return profile.load { config = file }.peers
end

-- What is refused, and the fix, in one text.
local function refusal(peers, rest)
  local ok, failure = pcall(load_peers, peers, rest)
  assert.is_false(ok, peers)
  assert.is_true(fail.is(failure), tostring(failure))
  return (tostring(failure):gsub(folder:gsub("%p", "%%%0"), "DIR"))
end

local SECRET = '{ from = "file", path = "s" }'

describe("the peers of a profile", function()
  before_each(function() folder = assert(sys.temporary "peers") end)
  after_each(function()
    profile.use(nil)
    sys.remove_tree(folder)
  end)

  it("are services with an address and a way to prove who we are", function()
    local peers = load_peers(([[
      vault = { url = "https://vault.contoso.com/", ca = "vault.pem", credential = { bearer = %s } },
      keys = { url = "https://contoso.vault.azure.net", credential = { scope = "https://vault.azure.net/.default" } },
      teams = { url = { from = "sealed" } },
      agent = { url = "https://127.0.0.1:8200", loopback = true },
    ]]):format(SECRET))
    assert.equal("https://vault.contoso.com", peers.vault.url)
    assert.equal(folder .. "/vault.pem", peers.vault.ca)
    assert.same({ "Authorization", "Bearer ", folder .. "/s" },
      { peers.vault.credential.header, peers.vault.credential.prefix, peers.vault.credential.secret.path })
    assert.equal("https://vault.azure.net/.default", peers.keys.credential.scope)
    assert.is_nil(peers.teams.url)
    assert.equal("peer-teams", peers.teams.address.name)
    assert.is_true(peers.agent.loopback)
  end)

  local function credential(text) return ('a = { url = "https://a.test", credential = { %s } }'):format(text) end

  for peers, expected in pairs {
    -- services that hold the tenant
    ['a = { url = "https://graph.microsoft.com/v1.0" }'] = "https://graph.microsoft.com/v1.0 is the address of Graph",
    ['a = { url = "https://GRAPH.microsoft.com:443" }'] = "is the address of Graph",
    ['a = { url = "https://login.microsoftonline.com" }'] = "is the address of login",
    ['a = { url = "https://graph.microsoft.us" }'] = "is the address of Microsoft's login or Graph",
    ['a = { url = "https://login.windows.net/x" }'] = "is the address of Microsoft's login or Graph",
    ['a = { url = "https://169.254.169.254/x" }'] = "is the address of this machine's metadata service",
    ['a = { url = "https://contoso.webhook.office.com/webhookb2/x" }'] =
      "https://contoso.webhook.office.com:443 is the address of an Office 365 connector, and Microsoft has retired",
    ['a = { url = "https://127.0.0.1" }'] = "https://127.0.0.1 is on this machine",
    ['a = { url = "https://localhost:8200" }'] = "https://localhost:8200 is on this machine",
    ['a = { url = "https://a.test", loopback = true }'] = "loopback = true, but https://a.test is not on this machine",
    [credential 'scope = "https://graph.microsoft.com/.default"'] =
      "a token with the scope https://graph.microsoft.com/.default is one for the tenant itself",
    [credential 'scope = "00000003-0000-0000-c000-000000000000/.default"'] = "is one for the tenant itself",
    [credential 'scope = "https://graph.windows.net/.default"'] = "is one for the tenant itself",
    -- one origin, one credential
    [('a = { url = "https://a.test/x", credential = { bearer = %s } }, b = { url = "https://A.test:443/y" }')
      :format(SECRET)] = "the peer 'a' is at the same address, with another credential",
    -- forms
    ['a = { url = "http://a.test" }'] = '"http://a.test" is not a URL of the form https://HOST',
    ['a = { url = "https://user:word@a.test" }'] = "the URL carries a user or a password",
    ['a = { url = "https://a.test/?a=1" }'] = "is not a URL of the form https://HOST",
    ['a = { }'] = "it is missing",
    ['graph = { url = "https://a.test" }'] = "'graph' is the name of a service that Moonlatch speaks to itself",
    ['path = { url = "https://a.test" }'] = "'path' is a function of the module peer",
    ['["a b"] = { url = "https://a.test" }'] = "'a b' cannot be a name here",
    ['a = { url = "https://a.test", token = "x" }'] = "Name the place that the secret comes from",
    [credential ""] = "it says nothing that proves who we are",
    [credential(('bearer = %s, webhook = %s'):format(SECRET, SECRET))] = "it has both bearer and webhook",
    [credential(('bearer = %s, prefix = "x"'):format(SECRET))] = "prefix does not belong to bearer",
    [credential 'header = "X-A"'] = "header needs secret = SOURCE",
    [credential(('header = "Host", secret = %s'):format(SECRET))] = "the header Host is not for a credential",
    [credential 'scope = "https://a.test/Read"'] = 'is not of the form "https://SERVICE/.default"',
    [credential 'scope = "https://a.test/.default", sign_in = { method = "device_code" }'] =
      "a token for another service is asked for as an application",
    [credential 'bearer = "abc"'] = "Name the place that the secret comes from, not the secret",
    [('a = { url = %s, credential = { bearer = %s } }'):format(SECRET, SECRET)] =
      "its address is a secret, so it takes no other credential than { webhook = SOURCE }",
  } do
    it("refuse " .. peers, function()
      local text = refusal(peers)
      assert.is_truthy(text:find(expected, 1, true), text)
      assert.matches("\n%u", text)
    end)
  end

  it("are not Devolutions either", function()
    local rest = 'devolutions = { cloud = "https://contoso.devolutions.app" },'
    assert.matches("https://contoso.devolutions.app is the address of Devolutions",
      refusal('a = { url = "https://contoso.devolutions.app" }', rest))
    assert.matches("is one for the tenant itself",
      refusal(credential 'scope = "https://contoso.devolutions.app/.default"', rest))
  end)

  it("may share an origin with one credential, or with secret addresses", function()
    local same = ('{ bearer = %s }'):format(SECRET)
    load_peers(('a = { url = "https://a.test/x", credential = %s }, b = { url = "https://a.test/y", credential = %s }')
      :format(same, same))
    load_peers(('a = { url = %s }, b = { url = { from = "sealed" } }'):format(SECRET))
  end)

  it("of an emulator's profile are on this machine", function()
    local rest = 'emulator = true, cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:2" },'
    assert.matches("an emulator's profile may only reach this machine", refusal('a = { url = "https://a.test" }', rest))
    assert.is_truthy(load_peers('a = { url = "https://127.0.0.1:3" }', rest).a)
  end)
end)
