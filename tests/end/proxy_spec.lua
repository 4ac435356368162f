-- A company's proxy that asks for a name and password, and the variables that other programs find proxies by.

local moonlatch = require "moonlatch"
local process = require "host.process"
local rehearsal = require "rehearsal"

local NAME, PASSWORD = "svc-moonlatch", "Correct.Horse:9 battery"

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("a proxy that asks for a name and password", function()
  local emulator, proxy, port, log, direct

  setup(function()
    emulator = rehearsal.new()
    log = emulator.place.path .. "/proxy.log"
    proxy = assert(process.start({ "/usr/bin/python3", "-B", SOURCE .. "/tests/connect_proxy.py", NAME, PASSWORD, log },
      nil, nil, "kept"))
    port = assert(proxy:line(20))
    emulator.place:write("password", PASSWORD .. "\n")
    emulator:configure(function(text)
      direct = text
      return text
    end)
  end)
  teardown(function()
    proxy:close()
    local _ <close> = emulator
  end)

  -- Let the emulator's profiles lead by way of the proxy, and return the outcome of `whoami`.
  local function whoami(login, other_port)
    local at = other_port or port
    local members = login and (', user = "%s", password = { from = "file", path = "%s" }'):format(NAME, login) or ""
    local text = ('proxy = { url = "http://127.0.0.1:%s"%s }, '):format(at, members)
    if not login then text = ('proxy = "http://127.0.0.1:%s", '):format(at) end
    emulator:configure(function() return (direct:gsub("emulator = { clock", text .. "%0")) end)
    return emulator:run { "whoami" }
  end

  it("lets the program through, and nobody else learns the password", function()
    local outcome = whoami(emulator.place.path .. "/password")
    assert.equal(0, outcome.status, outcome.err)
    local lines = slurp(log)
    assert.matches("^200 127%.0%.0%.1:%d+ host proxy%-authorization proxy%-connection user%-agent\n", lines)
    assert.is_nil(("\n" .. lines):find("\n407 ", 1, true), lines) -- a port may hold these digits
    local told = emulator:run { "whoami", "--verbose" }
    assert.equal(0, told.status, told.err)
    assert.is_nil((told.out .. told.err):find(PASSWORD, 1, true))
  end)

  -- A page to sign in on, a redirect, what is no HTTP: each ends in an error that names the proxy, and the login stays
  -- with the proxy.
  it("that answers for the server is named in the error", function()
    for answer, why in pairs {
      ["HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>sign in</html>"] = "no secure connection to",
      ["HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"] = "could not connect to",
      ["\27]0;owned\7 garbage\r\n\r\n"] = "could not connect to",
    } do
      local words = { "/usr/bin/python3", "-B", SOURCE .. "/tests/connect_proxy.py", NAME, PASSWORD,
        emulator.place.path .. "/answer.log", emulator.place:write("answer", answer) }
      local other = assert(process.start(words, nil, nil, "kept"))
      local outcome = whoami(emulator.place.path .. "/password", assert(other:line(20)))
      other:close()
      assert.equal(1, outcome.status)
      assert.matches(why .. " 127%.0%.0%.1 port %d+ by the proxy http://127%.0%.0%.1:%d+: ", outcome.err)
      assert.is_nil(outcome.err:find("owned", 1, true))
    end
    for line in slurp(emulator.place.path .. "/answer.log"):gmatch "[^\n]+" do
      assert.matches("^%- 127%.0%.0%.1:%d+ ", line)
    end
  end)

  it("that refuses the password is told as such", function()
    emulator.place:write("wrong", "other-password")
    local outcome = whoami(emulator.place.path .. "/wrong")
    assert.equal(1, outcome.status)
    assert.matches("\n  why: the proxy connects only after a login that it accepts %(the proxy "
      .. "http://127%.0%.0%.1:%d+ does not accept the name and password %(407%)%)\n", outcome.err)
    assert.matches('  fix: Name user and password in the profile: proxy = { url = "…", user = "…", password = ',
      outcome.err, 1, true)
  end)

  it("is known by its answer where the profile names no login", function()
    local outcome = whoami()
    assert.equal(1, outcome.status)
    assert.matches("the proxy http://127%.0%.0%.1:%d+ asks for a name and password %(407%)", outcome.err)
  end)
end)

describe("a variable of the environment that names a proxy", function()
  it("is named when no connection can be made without it", function()
    local place <close> = moonlatch.place()
    local config = place:write("moonlatch.lua", [[return { profiles = { x = { tenant = "contoso.com",
      cloud = { login = "https://login.invalid", graph = "https://graph.invalid" } } } }]])
    local outcome = place:run({ "whoami", "--config", config }, { env = { "HTTPS_PROXY=http://127.0.0.1:9" } })
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("the variable HTTPS_PROXY names a proxy, and only `proxy` in the profile is used", 1,
      true), outcome.err)
    outcome = place:run({ "whoami", "--config", config }, { env = { "HTTPS_PROXY=" } })
    assert.is_nil(outcome.err:find("names a proxy", 1, true))
  end)
end)
