--- nginx on a free port of loopback, over TLS and HTTP/2, for what our own servers do not speak.

local await = require "await"
local httpd = require "host.httpd"
local process = require "host.process"
local sys = require "host.sys"

local M = {}

local NGINX, ECHO = "/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_http_echo_module.so"

local CONFIGURATION = [[
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/error.log;
events { worker_connections 512; }
http {
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
HTTP}
]]

local OWN = [[
  access_log off;
  keepalive_requests RETIRE;
  server {
    listen 127.0.0.1:PORT ssl http2 backlog=512;
    ssl_certificate FOLDER/cert.pem;
    ssl_certificate_key FOLDER/key.pem;
    default_type application/json;
    LOCATIONS
  }
]]

---@class nginx
---@field base string "https://127.0.0.1:4711/v1.0"
---@field ca string PEM file
---@field child host.process.child
---@field folder string
local Nginx = { __name = "nginx" }
Nginx.__index = Nginx

--- Is it there? And, where that is asked for, with its module for delays?
---@param echo boolean?
---@return boolean
function M.is_there(echo)
  return sys.stat(NGINX) ~= nil and (not echo or sys.stat(ECHO) ~= nil)
end

local function run(...)
  local child <close> = assert(process.start({ ... }))
  assert(child:wait(30) == 0, "openssl failed")
end

--- A port nobody listens on just now.
---@return integer
function M.free_port()
  local server <close> = httpd.server()
  return assert(server:listen("127.0.0.1", 0))
end

function Nginx:close()
  if not self.child then return end
  self.child:kill("TERM")
  self.child:wait(5)
  self.child:close()
  self.child = nil
  sys.remove_tree(self.folder)
end
Nginx.__close = Nginx.close

--- Run it in a folder.
---@param folder string where it keeps all its files
---@param http string what stands in its `http { … }`, with names in capitals for what is filled in
---@param values table<string, string> what for; FOLDER is known
---@return host.process.child
function M.run(folder, http, values)
  local text = CONFIGURATION:gsub("HTTP", function() return http end)
  text = text:gsub("%u%u%u%u+", function(name) return name == "FOLDER" and folder or values[name] end)
  text = (text:find("echo_", 1, true) and "load_module " .. ECHO .. ";\n" or "") .. text
  assert(sys.write(folder .. "/nginx.conf", text, "new"))
  local child = assert(process.start { NGINX, "-p", folder, "-e", folder .. "/error.log", "-c",
    folder .. "/nginx.conf" })
  await.event("nginx writes its number", function() return sys.stat(folder .. "/pid") end)
  return child
end

-- Until it answers by HTTP at all.
local function wait_for_answer(server)
  await.event("nginx answers", function()
    local curl <close> = assert(process.start { "/usr/bin/curl", "-s", "--cacert", server.ca, "-o", "/dev/null",
      server.base .. "/" })
    return curl:wait(await.PATIENCE) == 0
  end)
  return server
end

--- Start it with these locations; a connection is retired after so many requests.
---@param locations string nginx's configuration of the server
---@param retire integer
---@return nginx
function M.start(locations, retire)
  local folder = assert(sys.temporary("nginx"))
  run("/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-days", "2", "-subj", "/CN=nginx", "-addext", "subjectAltName=IP:127.0.0.1",
    "-keyout", folder .. "/key.pem", "-out", folder .. "/cert.pem")
  local port = M.free_port()
  local child = M.run(folder, OWN, { PORT = tostring(port), LOCATIONS = locations, RETIRE = tostring(retire) })
  return wait_for_answer(setmetatable({
    child = child, folder = folder, base = ("https://127.0.0.1:%d/v1.0"):format(port), ca = folder .. "/cert.pem",
  }, Nginx))
end

return M
