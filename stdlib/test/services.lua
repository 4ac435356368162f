--- Stand-ins of other services, for a test: HTTPS on loopback, answered by functions of the test.

local class = require "base.class"
local http_server = require "http.server"

local M = {}

---@class test.services
---@field service httpd.service?
---@field requests test.stand_in.request[] what the stand-ins were asked
local Services = class "test.services"

local JSON = { ["Content-Type"] = "application/json" }

local function copy_query(request)
  local query = {}
  for name, value in pairs(request.query) do query[name] = value end
  return query
end

-- The handler of a stand-in. An error of the test's function is kept: it ends the case.
local function handler_of(self, name, answer)
  return function(request)
    local asked = { service = name, method = request.method, path = request.path, query = copy_query(request),
      body = request.size > 0 and request.json() or nil }
    table.insert(self.requests, asked)
    local ok, status, body = pcall(answer, asked)
    if not ok then
      self.failure = self.failure or status
      return 500, JSON, { message = "the stand-in failed" }
    end
    return math.tointeger(status) or 200, JSON, body == nil and "" or body
  end
end

--- Start the stand-ins.
---@param answers table<string, fun(request: test.stand_in.request): integer, any>
---@return test.services
function M.start(answers)
  local self, listeners = Services { requests = {} }, {}
  for name, answer in pairs(answers) do
    listeners[#listeners + 1] = { name = name, host = "127.0.0.1", port = 0, handle = handler_of(self, name, answer) }
  end
  self.service = #listeners > 0 and http_server.open { listeners = listeners } or nil
  return self
end

--- The members of a profile for the stand-ins: peers, with the certificate in this file.
---@param ca string file name
---@return string Lua text
function Services:peers(ca)
  local lines = {}
  for name, address in pairs(self.service and self.service.addresses or {}) do
    lines[#lines + 1] = ("[%q] = { url = %q, ca = %q }"):format(name, address, ca)
  end
  return ("peers = { %s },"):format(table.concat(lines, ", "))
end

--- The certificate of the stand-ins' authority.
---@return string?
function Services:ca() return self.service and self.service.ca end

--- Is there a stand-in for this peer?
---@param name string
---@return boolean
function Services:has(name) return self.service ~= nil and self.service.addresses[name] ~= nil end

--- Answer requests for at most `ms` milliseconds. Raises the error of a stand-in.
---@param ms integer
function Services:turn(ms)
  if self.service then self.service:turn(ms) end
  local failure = self.failure
  self.failure = nil
  if failure then error(failure, 0) end
end

--- Stop the stand-ins. A second call does nothing.
function Services:close()
  if self.service then self.service:close() end
  self.service = nil
end

Services.__close = Services.close

return M
