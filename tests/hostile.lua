--- Starts tests/hostile.py and leads requests to it through a door.

local await = require "await"
local graph = require "host.graph"
local json = require "host.json"
local process = require "host.process"
local sys = require "host.sys"
local test_door = require "test_door"

local M = {}

---@class hostile
---@field ports table<string, integer>
---@field ca string
---@field other string
local Server = { __name = "hostile" }
Server.__index = Server

--- Start the server; it ends when it is closed, or after two minutes.
---@return hostile
function M.start()
  local folder = assert(sys.temporary("hostile"))
  local child = assert(process.start({ "/usr/bin/python3", "-B", SOURCE .. "/tests/hostile.py", folder }))
  local line = assert(child:line(30))
  local server = assert(json.decode(line))
  server.child, server.folder = child, folder
  return setmetatable(server, Server)
end

function Server:close()
  self.child:close()
  sys.remove_tree(self.folder)
end
Server.__close = Server.close

--- Where Graph would be.
---@param name string? which certificate ("good")
---@return string
function Server:base(name)
  return ("https://127.0.0.1:%d/v1.0"):format(self.ports[name or "good"])
end

--- An emulator's door to this server that lets every call through.
---@param name string? which certificate ("good")
---@param ca string?
---@param journal host.journal.journal?
---@return test_door
function Server:door(name, ca, journal)
  local door = test_door.new("emulator", journal)
  assert(door:peer("graph", self:base(name), ca or self.ca))
  door:mode("write")
  return door
end

--- A GET of this path.
---@param path string
---@param name string?
---@return host.request
function Server:get(path, name)
  return graph.request(self:base(name), "GET", path)
end

--- Poll until the transfer is done, and give its answer or failure.
---@param door test_door
---@param transfer host.gate.transfer
---@return host.answer|nil answer, string? message, string? kind, boolean? maybe_sent
function M.wait(door, transfer)
  await.event("the transfer ends", function()
    for _, done in ipairs(door:poll(1000)) do
      if done == transfer then return true end
    end
  end)
  return transfer:answer()
end

--- Send and wait.
---@param door test_door
---@param request host.request
---@param timeout number?
---@param credential host.credential?
function M.send(door, request, timeout, credential)
  local transfer, message, kind = door:submit(request, credential, timeout or 10)
  if not transfer then return nil, message, kind end
  return M.wait(door, transfer)
end

return M
