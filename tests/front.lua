--- nginx before a tap, so that the program speaks HTTP/2 with it.

local httpd = require "host.httpd"
local nginx = require "nginx"
local sys = require "host.sys"
local tap = require "tap"

local M = {}

local PEERS = { "login", "graph", "devolutions" }

local CONFIGURATION = [[
  log_format protocol "$server_protocol $uri";
  access_log FOLDER/access.log protocol;
  ssl_certificate FOLDER/server.pem;
  ssl_certificate_key FOLDER/server.key;
SERVERS
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

local function servers(far, ports)
  local list = {}
  for i, peer in ipairs(PEERS) do list[i] = SERVER:format(ports[i], far["behind_" .. peer]) end
  return table.concat(list, "\n")
end

--- Is it there?
---@return boolean
function M.is_there()
  return nginx.is_there()
end

--- Start the tap, and nginx before it.
---@return front
function M.start()
  local ports, fronts = free_ports(#PEERS), {}
  for i, peer in ipairs(PEERS) do fronts[peer] = ports[i] end
  local far = tap.start(nil, fronts)
  local child = nginx.run(far.directory, CONFIGURATION, { SERVERS = servers(far, ports) })
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
