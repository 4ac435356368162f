--- The emulated Graph and Devolutions Server over the wire, with curl as the
--- client: what leaves as a secret arrives as text, and the other way round.

local curl = require "curl"
local json = require "json"
local emulators = require "emulators"

local function quoted(text, member)
  local value = text:match('"' .. member .. '":"(.-[^\\])"')
  return value and value:gsub("\\(.)", "%1")
end

describe("the emulator over the wire", function()
  local emulator

  before_each(function() emulator = emulators.open { users = 250 } end)
  after_each(function() emulator:close() end)

  local function ask(...)
    return curl.run(function(ms) emulator:turn(ms) end, "--cacert", emulator.ready.ca, ...)
  end

  local function add_app(options)
    local body = json.encode { ["do"] = "add_app", with = { options } }
    local out = ask("-d", body, emulator.ready.control .. "/tenant").out
    return { client = quoted(out, "appId"), secret = quoted(out, "secret"), principal = quoted(out, "principal") }
  end

  local function token(client, secret)
    local answer = ask("--data-urlencode", "grant_type=client_credentials", "--data-urlencode", "client_id=" .. client,
      "--data-urlencode", "client_secret=" .. secret, "--data-urlencode",
      "scope=https://graph.microsoft.com/.default",
      ("%s/%s/oauth2/v2.0/token"):format(emulator.ready.login, emulator.ready.tenant))
    return quoted(answer.out, "access_token"), answer
  end

  --- A function that asks Graph as this app.
  local function client(options)
    local app = add_app(options)
    local bearer = "Authorization: Bearer " .. token(app.client, app.secret)
    return function(method, target, body, ...)
      local words = { "-X", method, "-H", bearer, ... }
      if body then table.move({ "-H", "Content-Type: application/json", "-d", body }, 1, 4, #words + 1, words) end
      words[#words + 1] = emulator.ready.graph .. target
      return ask(table.unpack(words))
    end
  end

  it("makes an application whose secret signs in", function()
    local graph = client { name = "Automation", permissions = { "Application.ReadWrite.OwnedBy" } }
    local made = graph("PATCH", "/applications(uniqueName='ours')", '{"displayName":"Ours"}',
      "-H", "Prefer: create-if-missing")
    assert.equals(201, made.status)
    local id, app_id = quoted(made.out, "id"), quoted(made.out, "appId")
    assert.equals(201, graph("POST", "/servicePrincipals", ('{"appId":"%s"}'):format(app_id)).status)
    local minted = graph("POST", ("/applications/%s/addPassword"):format(id),
      '{"passwordCredential":{"displayName":"ml:1"}}')
    assert.equals(200, minted.status)
    local value = quoted(minted.out, "secretText")
    assert.equals(40, #value)
    assert.equals(value:sub(1, 3), quoted(minted.out, "hint"))
    assert.is_string((token(app_id, value)))
    local refused = select(2, token(app_id, value .. "x"))
    assert.equals(401, refused.status)
    local listed = graph("GET", "/applications/" .. id .. "?$select=passwordCredentials").out
    assert.is_nil(listed:find(value, 1, true))
    assert.equals(200, graph("GET", "/applications?$filter=appId%20eq%20'" .. app_id .. "'").status)
  end)

  it("sets a password that then signs in", function()
    local graph = client { name = "Rotator", roles = json.array { "Helpdesk Administrator" },
      permissions = json.array { "User.Read.All" } }
    local target = "/users/uma%40contoso.onmicrosoft.com"
    local function set(value)
      return graph("PATCH", target, ('{"passwordProfile":{"password":"%s","forceChangePasswordNextSignIn":false}}')
        :format(value))
    end
    assert.equals(400, set("too short").status)
    assert.equals(204, set("Correct-Horse-7-Battery").status)
    local user = graph("GET", target .. "?$select=lastPasswordChangeDateTime,passwordProfile").out
    assert.matches('"password":null', user)
    assert.is_nil(user:find("Correct-Horse", 1, true))
    assert.is_true(emulator.tenant:check_password("uma", require("host.secret").from("Correct-Horse-7-Battery")))
    assert.equals(403, graph("PATCH", "/users/adele@contoso.onmicrosoft.com",
      '{"passwordProfile":{"password":"Correct-Horse-7-Battery"}}').status)
  end)

  it("takes odd keys and queries as they are escaped, and turns pages", function()
    local graph = client { name = "Reader", permissions = json.array { "User.Read.All" } }
    local guest = graph("GET", "/users/gail_fabrikam.com%23EXT%23%40contoso.onmicrosoft.com")
    assert.equals(200, guest.status)
    local seen, target = 0, "/users?$select=id&$top=100"
    repeat
      local page = json.decode(graph("GET", target).out)
      seen = seen + #page.value
      target = page["@odata.nextLink"] and page["@odata.nextLink"]:sub(#emulator.ready.graph + 1)
    until not target
    assert.equals(266, seen)
    local refused = graph("GET", "/groups")
    assert.equals(403, refused.status)
    assert.matches("request%-id: ", refused.head)
  end)

  it("keeps an entry in Devolutions Server", function()
    local server = emulator.devolutions
    local file <close> = assert(io.open((emulator.ready.config:gsub("[^/]+$", "devolutions.secret"))))
    local app_secret, base = file:read("a"):gsub("\n$", ""), emulator.ready.devolutions
    local form = ask("--data-urlencode", "AppKey=" .. server.app_key, "--data-urlencode", "AppSecret=" .. app_secret,
      base .. "/api/v1/login")
    assert.equals(200, form.status)
    local body = json.encode { appKey = server.app_key, appSecret = "@" }:gsub("@", function() return app_secret end)
    local opened = ask("-H", "Content-Type: application/json", "-d", body, base .. "/api/v1/login")
    assert.equals(200, opened.status, opened.out)
    local header = "tokenId: " .. quoted(opened.out, "tokenId")
    local entries = ("%s/api/v1/vault/%s/entry"):format(base, server:vault_id("Privileged"))
    local entry = [[{"name":"x","type":"Credential","subType":"AzureServicePrincipal","path":"Entra\\Apps",
      "data":{"clientId":"c","clientSecret":"v\"alue~1"}}]]
    local created = ask("-H", header, "-H", "Content-Type: application/json", "-d", entry, entries)
    assert.equals(201, created.status, created.out)
    local read = ask("-H", header, entries .. "/" .. quoted(created.out, "id"))
    assert.matches('"clientSecret":"v\\"alue~1"', read.out)
    assert.equals("true", ask("-H", header, base .. "/api/is-logged").out)
    assert.equals(200, ask("-H", header, "-X", "POST", "-H", "Content-Length: 0", base .. "/api/v1/logout").status)
    assert.equals(401, ask("-H", header, entries).status)
  end)
end)
