-- takes 4 s: each case starts an emulator
--- The emulator as the script it is: loaded like any other, with what scripts may use.

local client = require "client"
local crypto = require "host.crypto"
local curl = require "curl"
local json = require "json"
local moonlatch = require "moonlatch"
local peers = require "peers"
local process = require "host.process"
local script = require "script.load"
local sys = require "host.sys"

describe("the emulator's script", function()
  it("loads with what scripts may use, and reads its arguments", function()
    local declaration = script.load("emulator/main", true)
    local args = script.arguments(declaration, { "--users", "5", "--fault", "GET /users 503", "--private" })
    assert.same({ 5, true, 1, "1-5", 0 }, { args.users, args.private, args.seed, args.lag, args.latency })
    assert.same({ "GET /users 503" }, args.fault)
    assert.is_function(declaration.run)
  end)

  local PROGRAM = os.getenv("MOONLATCH")

  --- Run a shell line with the program as $0; what it wrote on its standard output.
  local function shell(line)
    local result = curl.finish(curl.program { "sh", "-c", line, PROGRAM }, function() os.execute("sleep 0.02") end)
    assert.equal(0, result.exit, result.err)
    return result.out
  end

  it("says that it is ready in one line, and ends with its standard input", function()
    local out = shell('until [ -s ready ]; do sleep 0.05; done | "$0" emulator --private --users 3 >ready; cat ready')
    local ready = json.decode(out)
    assert.matches("^[^\n]+\n$", out)
    assert.matches("^https://127%.0%.0%.1:%d+/v1%.0$", ready.graph)
    assert.is_nil(sys.stat(ready.config))
  end)

  it("tells a person on a terminal where all is, and with --json a program", function()
    local place <close> = moonlatch.place()
    local out = place:talk({ "emulator", "--users", "3", "--lag", "0" }, { "one line of JSON", "^C" })
    assert.matches("moonlatch plan setup/entra%-pam%-provider %-%-config [\\%s]*/", out) -- a shell reads it as one line
    assert.matches("control      https://127", out)
    assert.matches("\n  adele       Global Administrator\r?\n", out)
    local document = shell '"$0" emulator --private --users 3 --json </dev/null'
    assert.matches("^https://127", json.decode(document).graph)
  end)

  it("gives the addresses of a proxy before it for its own", function()
    local behind = "https://a.example,https://b.example:8443,https://c.example"
    local out = shell(('echo | "$0" emulator --private --users 3 --behind %s'):format(behind))
    local ready = json.decode(out)
    assert.same({ "https://a.example", "https://b.example:8443/v1.0", "https://c.example" },
      { ready.login, ready.graph, ready.devolutions })
    out = shell [["$0" emulator --private --behind https://a.example 2>&1; true]]
    assert.matches("three addresses.*login service, Graph and Devolutions Server, in this order", out)
  end)

  it("has a profile for each kind of Devolutions; --devolutions says which one commands use", function()
    local out = shell(table.concat({
      'mkfifo stop; "$0" emulator --private --users 3 --devolutions cloud --directory here >ready <stop &',
      'exec 3>stop; until [ -s ready ]; do sleep 0.05; done',
      "where() { \"$0\" --stdlib '" .. SOURCE .. "/tests/inside' \\",
      "--config here/moonlatch.lua \"$@\" -e 'local p = require(\"profile.current\")",
      "local d = p.current().devolutions",
      "print(d.cloud or d.server, d.linked)'; }",
      'where; where --profile emulator; where --profile server_unlinked; cat ready; exec 3>&-; wait',
    }, "\n"))
    local cloud, linked, unlinked, ready = out:match "^(.-)\n(.-)\n(.-)\n(.*)$"
    ready = json.decode(ready)
    assert.same({ "https://contoso.devolutions.app\tfalse", ready.devolutions .. "\ttrue",
      ready.devolutions .. "\tfalse" }, { cloud, linked, unlinked })
    assert.equal("https://contoso.devolutions.app", ready.cloud)
  end)

  it("ends when it is told to, or its terminal closes, and leaves nothing behind", function()
    local wait = "until [ -s ready ]; do sleep 0.05; done"
    for _, signal in ipairs { "TERM", "HUP" } do
      local out = shell(('"$0" emulator --users 3 >ready & %s; kill -%s $!; wait $!; cat ready'):format(wait, signal))
      assert.is_nil(sys.stat(json.decode(out).config), signal)
    end
  end)

  it("may live in a folder named from here", function()
    local out = shell(table.concat({
      'mkfifo stop; "$0" emulator --private --lag 0 --users 3 --directory here >ready <stop &',
      'exec 3>stop; until [ -s ready ]; do sleep 0.05; done',
      '"$0" --config here/moonlatch.lua whoami; exec 3>&-; wait',
    }, "\n"))
    assert.matches("adele@contoso.onmicrosoft.com %(person%)", out)
  end)

  it("is served by the bundled program to any client", function()
    local out = shell(table.concat({
      'mkfifo stop; "$0" emulator --private --lag 0 --latency 1 >ready <stop &',
      'exec 3>stop; until [ -s ready ]; do sleep 0.05; done',
      "field() { sed 's/.*\"'$1'\":\"\\([^\"]*\\)\".*/\\1/' ready; }",
      'curl -sS --cacert "$(field ca)" "$(field login)/$(field tenant)/v2.0/.well-known/openid-configuration"',
      'curl -sS --cacert "$(field ca)" "$(field devolutions)/api/public-instance-information"',
      "exec 3>&-; wait",
    }, "\n"))
    assert.matches('"token_endpoint":"https://127', out)
    assert.matches('"version":"', out)
  end)

  it("signs tokens with the key it is given, and with a new one otherwise", function()
    local function published(...)
      local emulator <close> = assert(process.start { PROGRAM, "emulator", "--private", "--users", "3", ... })
      local ready = json.decode(emulator:line(20))
      local asking <close> = client.open(ready.ca)
      local _, text = assert(asking:ask("GET", ready.login .. "/" .. ready.tenant .. "/discovery/v2.0/keys", {}))
      return json.decode(text).keys[1].n
    end
    local place <close> = peers.place()
    place:openssl "x509 -in app.crt -noout -modulus -out modulus"
    local modulus = sys.read(place.path .. "/modulus", 4096):match "Modulus=(%x+)"
    local given = published("--signing-key", place.path .. "/app.pem")
    assert.equal(modulus:lower(), crypto.hex(crypto.unbase64(given)))
    assert.not_equal(given, published())
  end)

  it("does not start with a signing key that is none", function()
    local place <close> = peers.place()
    local function refusal(name)
      local home <close> = moonlatch.place()
      local outcome = home:run { "emulator", "--private", "--signing-key", place.path .. "/" .. name }
      assert.equal(2, outcome.status)
      return outcome.err
    end
    assert.matches("read the key that signs the emulator's tokens from .*app.crt\n"
      .. ".*it holds no unencrypted private key in PEM.*Make a key %(openssl genrsa %-out FILE 2048%)",
      refusal "app.crt")
    assert.matches("its key is not an RSA key", refusal "key.pem")
    assert.matches("No such file", refusal "nothing.pem")
  end)
end)
