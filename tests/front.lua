--- nginx before a tap, so that the program speaks HTTP/2 with it.

local httpd = require "host.httpd"
local process = require "host.process"
local sys = require "host.sys"
local tap = require "tap"

local M = {}

local NGINX = "/usr/sbin/nginx"
local PEERS = { "login", "graph", "devolutions" }

local CONFIGURATION = [[
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/error.log;
events { worker_connections 256; }
http {
  log_format protocol "$server_protocol $uri";
  access_log FOLDER/access.log protocol;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  ssl_certificate FOLDER/server.pem;
  ssl_certificate_key FOLDER/server.key;
SERVERS
}
]]

local SERVER = [[
  server {
    listen 127.0.0.1:%d ssl http2;
    location / {
      proxy_pass https://127.0.0.1:%d;
      proxy_set_header Host $http_host;
      proxy_pass_header Date;
    }
  }]]

---@class front
---@field far tap what it stands before
---@field child host.process.child
local Front = { __name = "front" }
Front.__index = Front

local function free_ports(count)
  local held, ports = {}, {}
  for i = 1, count do
    held[i] = httpd.server()
    ports[i] = assert(held[i]:listen("127.0.0.1", 0))
  end
  for _, server in ipairs(held) do server:close() end
  return ports
end

local function configuration(far, ports)
  local servers = {}
  for i, peer in ipairs(PEERS) do servers[i] = SERVER:format(ports[i], far["behind_" .. peer]) end
  local values = { FOLDER = far.directory, SERVERS = table.concat(servers, "\n") }
  return (CONFIGURATION:gsub("%u%u%u%u+", values))
end

--- Is it there?
---@return boolean
function M.is_there()
  return sys.stat(NGINX) ~= nil
end

--- Start the tap, and nginx before it.
---@return front
function M.start()
  local ports, fronts = free_ports(#PEERS), {}
  for i, peer in ipairs(PEERS) do fronts[peer] = ports[i] end
  local far = tap.start(nil, fronts)
  local file = far.place:write("nginx.conf", configuration(far, ports))
  local log = far.directory .. "/error.log"
  local child = assert(process.start { NGINX, "-p", far.directory, "-e", log, "-c", file })
  local deadline = sys.monotonic() + 10
  while not sys.stat(far.directory .. "/pid") and sys.monotonic() < deadline do sys.sleep(20) end
  return setmetatable({ far = far, child = child }, Front)
end

--- How many requests came over HTTP/2.
---@return integer
function Front:shared()
  local text = assert(sys.read(self.far.directory .. "/access.log", 1 << 20))
  return select(2, text:gsub("HTTP/2%.0", ""))
end

function Front:close()
  self.child:close()
  self.far:close()
end
Front.__close = Front.close

return M
