-- What another process of the same user, or what is left of this one, can find out.

local child = require "child"
local moonlatch = require "moonlatch"
local process = require "host.process"
local sys = require "host.sys"

local NOBODY = "65534"
local SANITIZED = os.getenv "MOONLATCH" and os.getenv("MOONLATCH"):find("/asan/", 1, true) ~= nil

local function is_root()
  return os.execute "test \"$(id -u)\" = 0" == true
end

-- To be another user than root, whom nothing is kept from; the tests' own user else.
local function as_user()
  if not is_root() then return {} end
  return { "/usr/bin/setpriv", "--reuid=" .. NOBODY, "--regid=" .. NOBODY, "--clear-groups", "--" }
end

local function words(...)
  local list = {}
  for _, part in ipairs { ... } do
    for _, word in ipairs(type(part) == "table" and part or { part }) do list[#list + 1] = word end
  end
  return list
end

-- Output of a program run as that user, and whether it succeeded.
local function run_as(...)
  local lines, done <close> = {}, assert(process.start(words(as_user(), ...), nil, nil, "kept"))
  for line in function() return done:line(10) end do lines[#lines + 1] = line end
  return table.concat(lines, "\n"), done:wait(10) == 0, done:complaint() or ""
end

describe("a running moonlatch", function()
  local place

  before_each(function()
    place = child.folder()
    assert(os.execute(("chmod 711 '%s' && install -m 755 '%s' '%s/moonlatch'"):format(place.path,
      os.getenv "MOONLATCH", place.path)))
  end)
  after_each(function() local _ <close> = place end)

  -- One that waits, with a secret in its environment.
  local function start(...)
    return assert(process.start(words(as_user(), "/usr/bin/env", "CANARY=canary-1234", ...)))
  end

  local function waiting()
    local running = start(place.path .. "/moonlatch", "-e", "print 'ready' require('task').sleep(60)")
    assert.equal("ready", running:line(20))
    return running
  end

  it("shows its memory and environment to no other process of its user", function()
    local other <close> = start("/bin/sh", "-c", "echo ready; sleep 60")
    assert.equal("ready", other:line(10))
    local text, ok = run_as("/bin/cat", ("/proc/%d/environ"):format(other:pid()))
    assert.is_true(ok and text:find("canary-1234", 1, true) ~= nil) -- what is to be seen of others
    other:kill "KILL"

    local running <close> = waiting()
    for _, name in ipairs { "environ", "maps", "mem", "fd", "auxv", "map_files", "stack" } do
      local path = ("/proc/%d/%s"):format(running:pid(), name)
      local look = 'test -d "$0" && exec ls "$0" || exec head -c 1 "$0"'
      local shown, success, complaint = run_as("/bin/sh", "-c", look, path)
      assert.same({ "", false }, { shown, success }, path)
      assert.matches("Permission denied", complaint, 1, true)
    end
    running:kill "KILL"
  end)

  it("lets no debugger of its user in", function()
    if not os.execute "command -v strace >/dev/null" then return pending("needs strace") end
    local running <close> = waiting()
    local _, ok, complaint = run_as("/usr/bin/timeout", "5", "/usr/bin/strace", "-p", tostring(running:pid()))
    assert.is_false(ok)
    assert.matches("ptrace%(PTRACE_SEIZE[^\n]*: Operation not permitted", complaint)
    running:kill "KILL"
  end)

  it("leaves no core behind, and files only for its user", function()
    local running <close> = waiting()
    local limits = assert(io.open(("/proc/%d/limits"):format(running:pid()))):read "a"
    assert.matches("\nMax core file size +0 +0 ", limits)
    local status = assert(io.open(("/proc/%d/status"):format(running:pid()))):read "a"
    assert.matches("\nUmask:\t0077\n", status)
    assert.is_truthy(os.execute(("kill -ABRT %d"):format(running:pid())))
    assert.equal(128 + 6, running:wait(10))
    assert.is_nil(sys.stat(place.path .. "/core"))
  end)

  it("forgets a secret of the environment where the kernel shows it", function()
    if not is_root() then return pending("only root can look") end
    local home <close> = moonlatch.place()
    local config = home:write("moonlatch.lua", [[return { profiles = { x = {
      tenant = "x.com", state = "state", sign_in = { method = "client_secret", client_id = "x",
        secret = { from = "environment", name = "CANARY" } } } } }]])
    local code = "local p = require('profile.current') local s = p.secret(p.current().sign_in.secret, 'x') "
      .. "print 'ready' require('task').sleep(60)"
    local running <close> = assert(process.start { "/usr/bin/env", "CANARY=canary-1234", os.getenv "MOONLATCH",
      "--stdlib", moonlatch.INSIDE, "--config", config, "-e", code })
    assert.equal("ready", running:line(20))
    local environ = assert(io.open(("/proc/%d/environ"):format(running:pid()))):read "a"
    assert.is_truthy(environ:find("CANARY=", 1, true))
    assert.is_nil(environ:find("canary", 1, true))
    running:kill "KILL"
  end)

  it("takes nothing from the environment that weakens or redirects", function()
    local settings = {
      "SSLKEYLOGFILE=/x", "OPENSSL_CONF=/x", "OPENSSL_MODULES=/x", "SSL_CERT_FILE=/x", "SSL_CERT_DIR=/x",
      "CURL_CA_BUNDLE=/x", "CURL_HOME=/x", "https_proxy=http://x", "HTTPS_PROXY=http://x", "ALL_PROXY=http://x",
      "no_proxy=x", "LUA_PATH=/x", "LUA_CPATH_5_4=/x", "LUA_INIT=os.exit(9)", "LD_LIBRARY_PATH=/x",
      "MALLOC_ARENA_MAX=1", "GLIBC_TUNABLES=glibc.malloc.check=0", "HARMLESS=1",
    }
    local arguments = child.arguments(place, [[
      local sys, term, left = require "host.sys", require "host.term", {}
      for _, name in ipairs(arguments) do left[#left + 1] = sys.getenv(name) and name end
      term.write("out", table.concat(left, " ") .. "\n")
      return 0]])
    for i, setting in ipairs(settings) do
      table.insert(arguments, 1 + i, setting)
      arguments[#arguments + 1] = setting:match "^[^=]+"
    end
    local look <close> = assert(process.start(arguments))
    assert.equal("HARMLESS", look:line(10))
    assert.equal(0, look:wait(10))
  end)

  it("knows when secrets may reach the swap", function()
    if SANITIZED then return pending("the sanitizer needs memory of its own") end
    local arguments = child.arguments(place, [[
      local secret, term = require "host.secret", require "host.term"
      local value = secret.from "x"
      term.write("out", secret.heap() .. "\n")
      return #value - 1]])
    assert(os.execute(("chmod -R a+rX '%s'"):format(place.path)))
    local folder = arguments[#arguments]
    local limited <close> = assert(process.start(words("/usr/bin/prlimit", "--memlock=0", as_user(),
      place.path .. "/moonlatch", "--stdlib", folder)))
    assert.equal("unlocked", limited:line(10))
    local open <close> = assert(process.start(words(as_user(), place.path .. "/moonlatch", "--stdlib", folder)))
    assert.equal("locked", open:line(10))
  end)
end)
