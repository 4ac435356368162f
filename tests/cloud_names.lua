--- The names of Microsoft's cloud, leading to an emulator in this process: what lets programs that know nothing of an
--- emulator, and are not told of one, sign in at login.microsoftonline.com and ask graph.microsoft.com.

local curl = require "curl"
local emulators = require "emulators"
local json = require "host.json"
local peers = require "peers"
local process = require "host.process"
local sys = require "host.sys"

local M = {}

local LOGIN, GRAPH = "https://login.microsoftonline.com", "https://graph.microsoft.com"
local NAMES = { "login.microsoftonline.com", "login.windows.net", "management.azure.com", "management.core.windows.net",
  "graph.microsoft.com" }

---@class cloud_names
---@field emulator emulator.world
---@field place peers.place
---@field environment table<string, string> of the programs: the proxy and its authority
local Cloud = { __name = "cloud_names" }
Cloud.__index = Cloud

function Cloud:__close()
  self.child:close()
  self.emulator:close()
  self.place:__close()
end
Cloud.close = Cloud.__close

local function certify(place)
  place:write("names", "subjectAltName=DNS:" .. table.concat(NAMES, ",DNS:") .. "\nextendedKeyUsage=serverAuth\n"
    .. "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
  place:openssl("x509 -req -in peer.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem")
end

--- An emulator that is called by Microsoft's names, and a proxy that leads these names to it.
---@param options emulator.options?
---@return cloud_names
function M.open(options)
  local given = { behind = { LOGIN, GRAPH, "https://dvls.contoso.com" } }
  for name, value in pairs(options or {}) do given[name] = value end
  local place, emulator = peers.place(), emulators.open(given)
  certify(place)
  local addresses = emulator.service.addresses
  local child = assert(process.start({ "/usr/bin/python3", "-B", SOURCE .. "/tests/peer/microsoft_cloud.py", place.path,
    emulator.ready.ca, addresses.login, addresses.graph }, nil, nil, "kept"))
  local line = child:line(20)
  local proxy = assert(line, child:complaint()) and json.decode(line).proxy
  return setmetatable({ place = place, emulator = emulator, child = child, environment = {
    HTTPS_PROXY = proxy, https_proxy = proxy, LANG = "C.UTF-8", REQUESTS_CA_BUNDLE = place.path .. "/ca.pem",
    NODE_EXTRA_CA_CERTS = place.path .. "/ca.pem",
  } }, Cloud)
end

--- Run a program to its end.
---@param words string[]
---@param more table<string, string>? of its environment
---@return table result exit, out, err
function Cloud:run(words, more)
  local environment = {}
  for _, part in ipairs { self.environment, more or {} } do
    for name, value in pairs(part) do environment[name] = value end
  end
  return curl.finish(curl.program(words, environment, 120), function(ms) self.emulator:turn(ms) end)
end

--- The names beyond Microsoft's login, Graph and Resource Manager that programs asked for: name -> how often. The proxy
--- refused them.
---@return table<string, integer>
function Cloud:refused()
  local found = {}
  for name in (sys.read(self.place.path .. "/refused", 65536) or ""):gmatch("[^\n]+") do
    found[name] = (found[name] or 0) + 1
  end
  return found
end

--- What Graph was asked since the last call, in order: { method, path without query, status }.
---@return { method: string, path: string, status: integer|string }[]
function Cloud:asked()
  local list = {}
  for _, request in ipairs(self.emulator.record:after(self.seen or 0)) do
    self.seen = request.n
    if request.peer == "graph" then
      list[#list + 1] = { method = request.method, path = request.path:match("^[^?]*"), status = request.status }
    end
  end
  return list
end

--- What Graph says to a Global Administrator with every permission.
---@param path string below /v1.0
---@return table
function Cloud:graph(path)
  local world = self.emulator
  local names, target = {}, path
  for i, row in ipairs(world.tenant.graph.oauth2PermissionScopes) do names[i] = row.value end
  local admin = world.tenant:person(world.admin)
  local plain, text = target:match("^([^?]*)%??(.*)$")
  local status, _, body = world.graph({ method = "GET", path = "/v1.0" .. plain, base = GRAPH, size = 0,
    query = require("emulator.graph.batch").options(text), header = function() return nil end },
    { oid = admin.id, appid = world.client, idtyp = "user", scp = table.concat(names, " "), tid = world.tenant.id,
      wids = { world.tenant.role_ids["Global Administrator"] } })
  assert(status == 200, path)
  return body
end

return M
