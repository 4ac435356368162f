--- Opening the person's browser: when, with what, and that nobody else gets in by it.

local await = require "await"
local json = require "host.json"
local moonlatch = require "moonlatch"
local process = require "host.process"
local sys = require "host.sys"

local PAGE = "http://localhost:4711/sign-in/x"

-- The module as it is on a machine where these are so.
local function on(machine)
  local names = { "host.httpd", "host.process", "host.sys", "host.term", "log", "oauth.desktop" }
  local kept, started = {}, nil
  for _, name in ipairs(names) do kept[name] = package.loaded[name] end
  package.loaded["host.process"] = { detach = function(words, pass)
    started = { words = words, pass = pass }
    return machine.starts ~= false or nil
  end }
  package.loaded["host.httpd"] = { server = function()
    return { watch = function() end, poll = function() end, close = function() machine.closed = true end,
      lines = function() return table.remove(machine.lines or {}, 1) or 0 end }
  end }
  package.loaded["host.sys"] = {
    getenv = function(name) return machine[name] end,
    stat = function(path) return path == machine.program and {} or nil end,
  }
  package.loaded["host.term"] = { is_terminal = function(stream)
    return machine.terminal ~= false and machine.terminal ~= stream
  end }
  package.loaded["log"] = { json = function() return machine.json end }
  package.loaded["http.desktop"] = nil
  local desktop = require "http.desktop"
  for _, name in ipairs(names) do package.loaded[name] = kept[name] end
  local opened = desktop.open(PAGE)
  return opened, started, desktop, function() return started end
end

describe("the browser of the desktop", function()
  it("is opened at the page, by the desktop's own choice", function()
    for _, display in ipairs { "DISPLAY", "WAYLAND_DISPLAY" } do
      local opened, started = on { [display] = ":0", program = "/usr/bin/xdg-open" }
      assert.is_true(opened)
      assert.same({ "/usr/bin/xdg-open", PAGE }, started.words)
      for _, name in ipairs(started.pass) do assert.not_equal("BROWSER", name) end
    end
  end)

  it("is left alone where nobody sits, or none can come", function()
    for _, machine in ipairs {
      { program = "/usr/bin/xdg-open" }, { DISPLAY = "", program = "/usr/bin/xdg-open" }, { DISPLAY = ":0" },
      { DISPLAY = ":0", program = "/usr/bin/xdg-open", terminal = false },
      { DISPLAY = ":0", program = "/usr/bin/xdg-open", json = true },
    } do
      local opened, started = on(machine)
      assert.is_false(opened)
      assert.is_nil(started)
    end
    assert.is_false((on { DISPLAY = ":0", program = "/usr/bin/xdg-open", starts = false }))
  end)

  it("is far away where somebody came by ssh without a display", function()
    local function is_remote(machine)
      local _, _, desktop = on(machine)
      return desktop.is_remote()
    end
    assert.is_true(is_remote { SSH_CONNECTION = "192.0.2.1 1 192.0.2.2 22" })
    assert.is_false(is_remote { SSH_CONNECTION = "192.0.2.1 1 192.0.2.2 22", DISPLAY = "localhost:10.0" })
    assert.is_false(is_remote {})
  end)

  it("is opened at the page of a login service when Enter is pressed, and not before", function()
    local machine = { DISPLAY = ":0", program = "/usr/bin/xdg-open", lines = { 0, 1, 0 } }
    local _, _, desktop, started = on(machine)
    local before = started()
    do
      local offer <close> = assert(desktop.offer "https://microsoft.com/devicelogin")
      offer:look()
      assert.equal(before, started())
      offer:look()
      assert.same({ "/usr/bin/xdg-open", "https://microsoft.com/devicelogin" }, started().words)
    end
    assert.is_true(machine.closed)
    for _, url in ipairs { "http://microsoft.com/devicelogin", "https://microsoft.com/x?y=--z", "file:///etc/passwd",
      "https://a@microsoft.com/", "https://microsoft.com/ -x" } do
      assert.is_nil(desktop.offer(url), url)
    end
    _, _, desktop = on { DISPLAY = ":0", program = "/usr/bin/xdg-open", terminal = "in" }
    assert.is_nil(desktop.offer "https://microsoft.com/devicelogin") -- nobody can press a key
    _, _, desktop = on { program = "/usr/bin/xdg-open" }
    assert.is_nil(desktop.offer "https://microsoft.com/devicelogin")
  end)

  it("is opened at pages of ours only", function()
    local _, _, desktop = on {}
    for _, url in ipairs { "https://evil.example/", "http://localhost.evil.example/", "http://localhost@evil:1/",
      "file:///etc/passwd", "http://localhost/" } do
      assert.error_matches(function() desktop.open(url) end, "the page is not on loopback")
    end
  end)
end)

describe("a page that waits for the browser", function()
  local CONFIG = [[return { profiles = { x = { tenant = "x.com", emulator = true, state = "state",
    cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:1" }, sign_in = { method = "browser" } } } }]]

  local function is_root() return os.execute "test \"$(id -u)\" = 0" end

  local function as(user, ...)
    return { "/usr/bin/setpriv", "--reuid=" .. user, "--regid=" .. user, "--clear-groups", "--", ... }
  end

  local function status(user, host, url)
    local curl <close> = assert(process.start(as(user, "/usr/bin/curl", "-s", "-m", "5", "-o", "/dev/null", "-w",
      "%{http_code}\n", "--connect-to", "localhost::" .. host .. ":", url)))
    return curl:line(10)
  end

  local function place_for(user)
    local place = moonlatch.place()
    place:write("moonlatch.lua", CONFIG)
    assert(os.execute(("install -m 755 '%s' '%s/moonlatch' && chown -R %s '%s'"):format(os.getenv "MOONLATCH",
      place.path, user, place.path)))
    return place, as(user, "/usr/bin/env", "ASAN_OPTIONS=" .. (os.getenv "ASAN_OPTIONS" or ""),
      place.path .. "/moonlatch", "--config", place.path .. "/moonlatch.lua", "whoami")
  end

  it("is there for its own user, not for the others of the machine, and root is one of them", function()
    if not is_root() then return pending "only root can be several users" end
    local place, words = place_for "12345"
    local _ <close> = place
    local running <close> = assert(process.start { "/bin/sh", "-c", 'exec "$@" 2>&1', "sh", table.unpack(words) })
    local url = assert(running:line(20)):match("http://%S+")
    for _, host in ipairs { "127.0.0.1", "[::1]" } do
      if host == "127.0.0.1" or sys.stat "/proc/net/if_inet6" then
        assert.same({ "302", "403", "403" }, { status("12345", host, url), status("0", host, url),
          status("1", host, url) }, host)
      end
    end
    running:kill "KILL"
  end)

  it("is not there for a user whose id the namespace does not map", function()
    if not is_root() then return pending "only root can be several users" end
    local place, words = place_for "65534"
    local _ <close> = place
    local running <close> = assert(process.start(words, nil, nil, "kept"))
    assert.equal(1, running:wait(20))
    assert.truthy(running:complaint():find("this namespace does not map that user", 1, true))
  end)
end)

describe("a program that is left to itself", function()
  it("goes on in a session of its own, hears and says nothing, and knows what it was given", function()
    local place <close> = moonlatch.place()
    local path = place.path .. "/said"
    local code = ('exec >%s.new; cut -d" " -f5,6 /proc/$$/stat; readlink /proc/$$/fd/0 /proc/$$/fd/2; env; echo $$; '
      .. "mv %s.new %s"):format(path, path, path)
    assert.is_true(process.detach({ "/bin/sh", "-c", code }, { "HOME", "NOT_THERE" }))
    await.event("the program writes", function() return sys.stat(path) end)
    local text = assert(sys.read(path, 4096))
    local pid = text:match("(%d+)\n$")
    assert.matches(("^%s %s\n/dev/null\n/dev/null\n"):format(pid, pid), text)
    assert.matches("\nHOME=" .. os.getenv("HOME"):gsub("%p", "%%%0") .. "\n", text)
    assert.is_nil(text:find("MOONLATCH", 1, true), json.encode(text))
  end)

  it("is not started by what is no program, nor with a secret", function()
    local ok, message = process.detach({ "/no/such/program" })
    assert.is_nil(ok)
    assert.equal("cannot start '/no/such/program': No such file or directory", message)
    local value <close> = require("host.secret").from "correct-horse-battery"
    assert.error_matches(function() process.detach { "/bin/true", "x=correct-horse-battery" } end,
      "a secret must not be an argument")
    assert.is_truthy(value)
  end)
end)
