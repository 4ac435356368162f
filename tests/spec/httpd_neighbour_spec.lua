-- takes 4 s: each request is a process of curl
--- Which user of this machine sent a request, as the server on loopback tells.

local curl = require "curl"
local httpd = require "host.httpd"
local lfs = require "lfs"
local process = require "host.process"
local sys = require "host.sys"

local OTHER = 12345

-- A client that sends one request: with the family, address and port it is told to use, and how it goes on.
local CLIENT = [[
import socket, sys, time
family, local, remote, source, port, how = sys.argv[1:7]
client = socket.socket(getattr(socket, family))
client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
client.bind((local, int(source)))
client.connect((remote, int(port)))
if how != "idle":
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
if how == "leaves":
    client.close()
    sys.exit()
if how == "idle":
    print("idle", flush=True)
    time.sleep(20)
print(client.recv(4096).decode().splitlines()[-1])
]]

local function client_words(uid, ...)
  local words = { "/usr/bin/python3", "-c", CLIENT, ... }
  if uid then
    table.move({ "/usr/bin/setpriv", "--reuid=" .. uid, "--regid=" .. uid, "--clear-groups" }, 1, 4, 1,
      table.move(words, 1, #words, 5))
  end
  return words
end

describe("the user of a request", function()
  local server, port, seen

  local function turn(ms)
    for _, incoming in ipairs(server:poll(ms)) do
      seen[#seen + 1] = incoming:user() or "nobody"
      incoming:reply(200, {}, "seen")
    end
  end

  local function ask(uid, family, here, there, source)
    local outcome = curl.finish(curl.program(client_words(uid, family, here, there, tostring(source or 0),
      tostring(port), "waits")), turn)
    assert.equal("seen\n", outcome.out, outcome.err)
    return seen[#seen]
  end

  before_each(function()
    seen, server = {}, httpd.server()
    port = assert(server:listen("127.0.0.1", 0))
  end)
  after_each(function() server:close() end)

  it("is who opened the connection", function()
    local mine = sys.user_id(sys.user())
    assert.equal(mine, ask(nil, "AF_INET", "127.0.0.1", "127.0.0.1"))
    assert.equal(mine, ask(nil, "AF_INET", "127.0.0.5", "127.0.0.1"))
    if sys.user() ~= "root" then return pending "only root can be another user" end
    assert.equal(OTHER, ask(OTHER, "AF_INET", "127.0.0.1", "127.0.0.1"))
  end)

  it("is found for both families", function()
    assert(server:listen("::1", port))
    local mine = sys.user_id(sys.user())
    assert.equal(mine, ask(nil, "AF_INET6", "::1", "::1"))
    assert.equal(mine, ask(nil, "AF_INET6", "::ffff:127.0.0.1", "::ffff:127.0.0.1"))
    if sys.user() ~= "root" then return pending "only root can be another user" end
    assert.equal(OTHER, ask(OTHER, "AF_INET6", "::1", "::1"))
    assert.equal(OTHER, ask(OTHER, "AF_INET6", "::ffff:127.0.0.1", "::ffff:127.0.0.1"))
  end)

  it("is not taken from another's connection with the same port numbers", function()
    if sys.user() ~= "root" then return pending "only root can be another user" end
    local words = client_words(nil, "AF_INET", "127.0.0.1", "127.0.0.1", "0", tostring(port), "idle")
    local idle <close> = assert(process.start(words))
    assert.equal("idle", idle:line(10))
    local text = io.open("/proc/self/net/tcp"):read("a")
    local source = tonumber(text:match("0100007F:(%x+) 0100007F:" .. ("%04X"):format(port) .. " 01"), 16)
    assert.equal(OTHER, ask(OTHER, "AF_INET", "127.0.0.2", "127.0.0.1", source))
  end)

  it("is nobody once the client has closed its end: the kernel then gives root's number", function()
    local job = curl.program(client_words(nil, "AF_INET", "127.0.0.1", "127.0.0.1", "0", tostring(port), "leaves"))
    while not job:done() do sys.sleep(10) end
    curl.finish(job, turn)
    for _ = 1, 20 do if #seen == 0 then turn(50) end end
    assert.same({ "nobody" }, seen)
  end)
end)

-- A connection of the first user, then twenty of another, who keeps them open; then requests by all that are left.
local CROWD = [[
import os, select, socket, sys

def connect():
    client = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    client.settimeout(10)
    return client

def ask(client):
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return client.recv(4096).decode().splitlines()[-1]

mine = connect()
os.setuid(int(sys.argv[1]))
theirs, ended = [connect() for _ in range(20)], []
while len(ended) < 12:
    ready = select.select([client for client in theirs if client not in ended], [], [], 10)[0]
    if not ready:
        break
    ended += ready
print(len(ended), ask(mine), [ask(client) for client in theirs if client not in ended])
]]

describe("a server for one user", function()
  it("keeps eight connections of all others, and each of the user's own", function()
    if sys.user() ~= "root" then return pending "only root can be another user" end
    local server <close> = httpd.server()
    server:limit(0)
    local port = assert(server:listen("127.0.0.1", 0))
    local function turn(ms)
      for _, incoming in ipairs(server:poll(ms)) do incoming:reply(200, {}, tostring(incoming:user())) end
    end
    local words = { "/usr/bin/python3", "-c", CROWD, tostring(OTHER), tostring(port) }
    local outcome = curl.finish(curl.program(words), turn)
    assert.equal("12 0 [" .. ("'12345', "):rep(7) .. "'12345']\n", outcome.out, outcome.err)
  end)
end)

-- The open descriptors of this process that lead to a pipe.
local function pipes()
  local found = {}
  for name in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and target:match "^pipe:" then found[tonumber(name)] = true end
  end
  return found
end

describe("the lines of a watched descriptor", function()
  it("are counted until they are asked for", function()
    local server <close> = httpd.server()
    assert.equal(0, server:lines())
    local before = pipes()
    local pipe = io.popen("printf 'a\\nb\\nc'", "r")
    for fd in pairs(pipes()) do
      if not before[fd] then server:watch(fd) end
    end
    for _ = 1, 50 do if not server:ended() then server:poll(100) end end
    assert.is_true(server:ended())
    assert.same({ 2, 0 }, { server:lines(), server:lines() })
    pipe:close()
  end)
end)

describe("sys.person", function()
  it("is the real user where there is no terminal", function()
    local uid, name = sys.person()
    if require("host.term").is_terminal "in" then return pending "this runs on a terminal" end
    assert.same({ sys.user_id(sys.user()), sys.user() }, { uid, name })
  end)

  it("knows users by name", function()
    assert.equal(0, sys.user_id "root")
    assert.is_nil(sys.user_id "nobody-of-that-name")
  end)
end)
