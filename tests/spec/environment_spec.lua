-- takes 12 s: runs the program with every variable that could lead it astray
-- An environment that would weaken TLS, lead elsewhere or load code: nothing of
-- it reaches what the program does.

local bad_tls = require "bad_tls"
local child = require "child"
local moonlatch = require "moonlatch"
local sys = require "host.sys"
local tap = require "tap"

local IS_ASAN = os.getenv "MOONLATCH":find("/asan/", 1, true) ~= nil

-- Lets anything through that asks OpenSSL for its defaults.
local WEAK = [[
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = weak
[weak]
MinProtocol = TLSv1
CipherString = ALL:eNULL:@SECLEVEL=0
]]

-- Lua that would leave a mark when it is run.
local MARK = "local file = io and io.open('%s', 'w') if file then file:close() end return {}"

---@class environment a home with traps in it
---@field settings string[]
---@field marks string
---@field keys string

-- Put traps into the home; `ca` is an authority to trust, `port` a proxy that leads astray.
local function lay_traps(place, ca, port)
  local path = place.path
  local marks, keys = path .. "/marks", path .. "/tls-keys"
  place:write("weak.cnf", WEAK)
  place:write("evil/command/main.lua", MARK:format(marks))
  place:write("evil/init.lua", MARK:format(marks))
  place:write(".netrc", "machine 127.0.0.1 login evil password evil\ndefault login evil password evil\n")
  place:write(".curlrc", ("insecure\nproxy = http://127.0.0.1:%d\n"):format(port))
  place:write("hosts", "localhost evil.test\n")
  local proxy = ("http://127.0.0.1:%d"):format(port)
  local settings = {
    "SSLKEYLOGFILE=" .. keys, "OPENSSL_CONF=" .. path .. "/weak.cnf", "OPENSSL_MODULES=" .. path .. "/evil",
    "OPENSSL_ENGINES=" .. path .. "/evil", "SSL_CERT_FILE=" .. ca, "SSL_CERT_DIR=" .. path, "CURL_CA_BUNDLE=" .. ca,
    "CURL_HOME=" .. path, "CURL_SSL_BACKEND=gnutls", "NETRC=" .. path .. "/.netrc", "HOSTALIASES=" .. path .. "/hosts",
    "LUA_PATH=" .. path .. "/evil/?.lua", "LUA_PATH_5_4=" .. path .. "/evil/?.lua",
    "LUA_CPATH=" .. path .. "/evil/?.so", "LUA_INIT=@" .. path .. "/evil/init.lua",
    "LUA_INIT_5_4=@" .. path .. "/evil/init.lua",
    "QLOGDIR=" .. path,
    "GCONV_PATH=" .. path .. "/evil", "RES_OPTIONS=ndots:15", "LOCALDOMAIN=evil.test", "EVENT_SHOW_METHOD=1",
    "SQLITE_TMPDIR=" .. path .. "/evil", "XDG_CONFIG_HOME=evil", "XDG_STATE_HOME=evil", "no_proxy=", "NO_PROXY=",
  }
  for _, name in ipairs { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "ftp_proxy" } do
    settings[#settings + 1] = name .. "=" .. proxy
  end
  return { settings = settings, marks = marks, keys = keys }
end

local function check_unsprung(traps)
  assert.is_nil(sys.stat(traps.keys), "a TLS key log was made")
  assert.is_nil(sys.stat(traps.marks), "Lua from the environment was run")
end

describe("an environment full of traps", function()
  it("is scrubbed of them at the start, and of them only", function()
    local place <close> = child.folder()
    local names = { "HOME", "LANG", "NO_COLOR" }
    local words = child.arguments(place, [[
      local sys, term = require "host.sys", require "host.term"
      for _, name in ipairs(arguments) do
        if sys.getenv(name) then term.write("out", name .. "\n") end
      end
      return 0]], table.unpack(names))
    local settings = lay_traps(setmetatable({ path = place.path }, { __index = { write = function() end } }), "/x", 1)
    for _, setting in ipairs(settings.settings) do
      local name = setting:match("^[^=]+")
      if not name:find("^XDG") then words[#words + 1] = name end
      table.insert(words, 2, setting)
    end
    for _, name in ipairs(names) do table.insert(words, 2, name .. "=x") end
    local started <close> = assert(require("host.process").start(words))
    local left = {}
    for line in function() return started:line(20) end do left[#left + 1] = line end
    assert.same(names, left)
  end)

  it("changes nothing in what TLS is believed", function()
    local place <close> = moonlatch.place()
    local servers <close> = bad_tls.start()
    local traps = lay_traps(place, servers.folder .. "/stranger.pem", servers.cases.good.port)
    local names = {}
    for name in pairs(servers.cases) do
      if name ~= "renegotiates" and name ~= "wants_certificate" then names[#names + 1] = name end
    end
    table.sort(names)
    for i = 1, #names, IS_ASAN and 6 or 1 do
      local name = names[i]
      local base = servers:base(name):gsub("/v1.0$", "")
      place:write("profile.lua", ([[return { profiles = { p = { tenant = "x.test", emulator = true,
        cloud = { login = %q, graph = %q, ca = %q } } } }]]):format(base, base, servers.ca))
      local words = { "--config", "profile.lua", "-e", "require('oauth.sign_in').tenant()" }
      local clean = place:run(words, { inside = true })
      local weak = place:run(words, { env = traps.settings, inside = true })
      assert.same({ clean.status, clean.out, clean.err }, { weak.status, weak.out, weak.err })
      local is_refused = weak.err:find("no secure connection to", 1, true) ~= nil
      assert.equal(name:find("^good") == nil, is_refused, name .. "\n" .. weak.err)
    end
    check_unsprung(traps)
  end)

  it("changes nothing in what a job does, and leads it nowhere", function()
    local far <close> = tap.start()
    local traps = lay_traps(far.place, far.ca, far.stray_plain)
    local outcome = far:run({ "apply", "setup/entra-pam-provider", "--yes", "--verbose" }, { env = traps.settings })
    assert.equal(0, outcome.status, outcome.err)
    assert.same({}, far:strays())
    check_unsprung(traps)
    for _, one in ipairs(far:wire()) do
      for _, header in ipairs(one.headers) do
        assert.is_nil(header[2]:find("Basic", 1, true))
        assert.not_equal("proxy-authorization", header[1])
      end
    end
    assert.is_nil(sys.stat(far.place.path .. "/evil/moonlatch"))
  end)

  it("reaches no program that is started", function()
    if IS_ASAN or not sys.stat "/usr/bin/strace" then return pending("no strace here") end
    local place <close> = moonlatch.place()
    local trace = place.path .. "/trace"
    local traps = lay_traps(place, "/x", 9)
    local outcome = place:run({ "-e", "require('oauth.sign_in').tenant()", "--emulator" }, {
      env = traps.settings, inside = true,
      before = { "/usr/bin/strace", "-f", "--seccomp-bpf", "-v", "-qq", "-s", "4000", "-e", "trace=execve",
        "-o", trace },
    })
    assert.equal(0, outcome.status, outcome.err)
    local started = {}
    for line in io.lines(trace) do
      if line:find("execve(", 1, true) then started[#started + 1] = line end
    end
    assert.equal(2, #started)
    assert.truthy(started[1]:find("SSLKEYLOGFILE", 1, true))
    for _, name in ipairs { "SSLKEYLOGFILE", "OPENSSL", "CURL", "LUA_", "proxy", "HOME=" } do
      assert.is_nil(started[2]:find(name, 1, true), started[2])
    end
  end)

  it("with a home that others can write brings no configuration", function()
    local place <close> = moonlatch.place()
    local file = place:write(".config/moonlatch/moonlatch.lua", [[return { profiles = { p = { tenant = "x.test",
      cloud = { login = "https://evil.test", graph = "https://evil.test" } } } }]])
    for _, mode in ipairs { "g+w", "o+w" } do
      os.execute(("chmod 600 '%s'; chmod %s '%s'"):format(file, mode, file))
      local outcome = place:run { "whoami" }
      assert.equal(1, outcome.status)
      assert.matches("other users may write", outcome.err)
      assert.matches("fix: Let only its owner write it, because it decides where secrets go", outcome.err)
    end
    if os.execute(("chmod 644 '%s'; chown 65534 '%s' 2>/dev/null"):format(file, file)) then
      assert.matches("why: refused '.*': it belongs to another user", place:run({ "whoami" }).err)
    end
  end)
end)
