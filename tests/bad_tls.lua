--- Starts tests/bad_tls.py and leads requests to its servers through a door.

local graph = require "host.graph"
local hostile = require "hostile"
local json = require "host.json"
local process = require "host.process"
local sys = require "host.sys"
local test_door = require "test_door"

local M = {}

---@class bad_tls
---@field ca string
---@field sloppy_ca string of an authority that was made at home
---@field cases table<string, { port: integer, host: string, valid: boolean, seen: string }>
local Servers = { __name = "bad tls" }
Servers.__index = Servers

--- Start the servers; they end when this is closed, or after two minutes.
---@return bad_tls
function M.start()
  local folder = assert(sys.temporary("bad-tls"))
  local child = assert(process.start({ "/usr/bin/python3", "-B", SOURCE .. "/tests/bad_tls.py", folder }))
  local servers = assert(json.decode(assert(child:line(60))))
  servers.child, servers.folder = child, folder
  return setmetatable(servers, Servers)
end

function Servers:close()
  self.child:close()
  sys.remove_tree(self.folder)
end
Servers.__close = Servers.close

--- Where the case's server is.
---@param name string
---@return string
function Servers:base(name)
  local case = self.cases[name]
  return ("https://%s:%d/v1.0"):format(case.host, case.port)
end

--- Send one request to the case's server.
---@param name string
---@param options { ca: string?, lenient: boolean?, timeout: number? }?
---@return host.answer|nil answer, string? message, string? kind, boolean? maybe_sent
function Servers:ask(name, options)
  options = options or {}
  local door <close> = test_door.new("emulator")
  assert(door:peer("graph", self:base(name), options.ca or self.ca, nil, options.lenient))
  door:mode("read")
  return hostile.send(door, graph.request(self:base(name), "GET", "/ok"), options.timeout or 10)
end

return M
