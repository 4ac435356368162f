-- Many requests in flight over HTTP/2, against nginx.

local gate = require "host.gate"
local graph = require "host.graph"
local httpd = require "host.httpd"
local process = require "host.process"
local sys = require "host.sys"

local NGINX = "/usr/sbin/nginx"

local CONFIGURATION = [[
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  keepalive_requests 300;
  server {
    listen 127.0.0.1:PORT ssl http2;
    ssl_certificate FOLDER/cert.pem;
    ssl_certificate_key FOLDER/key.pem;
    default_type application/json;
    location /v1.0/ { return 200 '{"protocol":"$server_protocol"}'; }
  }
}
]]

local function run(...)
  local child <close> = assert(process.start({ ... }))
  assert.equal(0, child:wait(30))
end

local function free_port()
  local server <close> = httpd.server()
  return assert(server:listen("127.0.0.1", 0))
end

--- Start nginx on a free port; its folder holds certificate and configuration.
local function start()
  local folder = assert(sys.temporary("nginx"))
  run("/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-days", "2", "-subj", "/CN=nginx", "-addext", "subjectAltName=IP:127.0.0.1",
    "-keyout", folder .. "/key.pem", "-out", folder .. "/cert.pem")
  local port = free_port()
  local text = CONFIGURATION:gsub("FOLDER", folder):gsub("PORT", tostring(port))
  assert(sys.write(folder .. "/nginx.conf", text, "new"))
  local log, configuration = folder .. "/error.log", folder .. "/nginx.conf"
  local child = assert(process.start({ NGINX, "-p", folder, "-e", log, "-c", configuration }))
  local base = ("https://127.0.0.1:%d/v1.0"):format(port)
  return { child = child, folder = folder, base = base, ca = folder .. "/cert.pem" }
end

local function stop(server)
  server.child:kill("TERM")
  server.child:wait(5)
  server.child:close()
  sys.remove_tree(server.folder)
end

local function open(server)
  local door = gate.door("emulator")
  assert(door:peer("graph", server.base, server.ca))
  door:mode("read")
  return door
end

local function get(server)
  return graph.request(server.base, "GET", "/users")
end

--- A question, so that no journal is needed; said to be one that must not be asked twice.
local function post_once(server)
  local request = graph.request(server.base, "POST", "/users/getByIds", nil, { ids = { "1" } })
  request:set_repeatable(false)
  return request
end

--- Ask until nginx answers.
local function ready(server)
  local deadline = sys.monotonic() + 10
  repeat
    local door <close> = open(server)
    local transfer = assert(door:submit(get(server), nil, 30))
    repeat local done = door:poll(1000) until #done > 0
    local answer = transfer:answer()
    if answer then return end
    sys.sleep(20)
  until sys.monotonic() > deadline
  error("nginx does not answer")
end

--- Send `count` requests, at most 100 in flight; how many brought which protocol.
local function load(server, count, make)
  local door <close> = open(server)
  local started, protocols = 0, {}
  repeat
    while started < count and door:running() < 100 do
      assert(door:submit(make(server), nil, 30))
      started = started + 1
    end
    for _, transfer in ipairs(door:poll(1000)) do
      local answer <close>, message = transfer:answer()
      local value = graph.judge(make(server), assert(answer, message))
      protocols[value.protocol] = (protocols[value.protocol] or 0) + 1
      transfer:close()
    end
  until started == count and door:running() == 0
  return protocols
end

describe("many requests", function()
  local server

  setup(function()
    if not sys.stat(NGINX) then return end
    server = start()
    ready(server)
  end)
  teardown(function()
    if server then stop(server) end
  end)

  it("share connections by HTTP/2, and all are answered when the server retires these", function()
    if not server then return pending("nginx is not installed") end
    local count = tonumber(sys.getenv("GATE_REQUESTS") or 2000)
    local before = sys.monotonic()
    assert.same({ ["HTTP/2.0"] = count }, load(server, count, get))
    local took = sys.monotonic() - before
    if sys.getenv("GATE_REQUESTS") then print(("# %d requests in %.2f s: %d/s"):format(count, took, count // took)) end
  end)

  it("that must not be sent twice have a connection to themselves, so that none is lost", function()
    if not server then return pending("nginx is not installed") end
    assert.same({ ["HTTP/1.1"] = 2000 }, load(server, 2000, post_once))
  end)
end)
