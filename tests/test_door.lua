--- A door of host.gate for one test, with one rule set: it is sealed by its first request.

local gate = require "host.gate"

local M = {}

---@class test_door
---@field gate host.gate.door the door itself
---@field rights host.gate.rights? once it is sealed
---@field mode_ string
---@field calls table[]
local Door = { __name = "test door" }

for _, name in ipairs { "peer", "budget", "pace", "program", "folder", "close" } do
  Door[name] = function(self, ...) return self.gate[name](self.gate, ...) end
end
for _, name in ipairs { "flush", "poll", "running", "run", "ran", "write", "read", "list" } do
  Door[name] = function(self, ...) return self.gate[name](self.gate, ...) end
end
Door.__index = Door
Door.__close = Door.close

--- Declare a call, as rights:allow does.
function Door:allow(...) self.calls[#self.calls + 1] = table.pack(...) end

--- "declared", "read" or "write", as door:rights has it.
function Door:mode(mode) self.mode_ = mode end

--- Make the rights and seal the door. Idempotent.
---@return host.gate.rights
function Door:seal()
  if not self.rights then
    self.rights = self.gate:rights("the test", self.mode_)
    for _, call in ipairs(self.calls) do self.rights:allow(table.unpack(call, 1, call.n)) end
    self.gate:seal()
  end
  return self.rights
end

--- For http.use: these rights, whatever is done.
---@return task.rights.session
function Door:acting()
  local rights = self:seal()
  return { script = rights, own = rights, look = rights }
end

--- As the gate's, with the rights of this door.
function Door:submit(request, credential, timeout, note)
  return self.gate:submit(request, credential, self:seal(), timeout, note)
end

--- A door; see host.gate.
---@param kind "real"|"emulator"
---@param journal host.journal.journal?
---@return test_door
function M.new(kind, journal)
  return setmetatable({ gate = gate.door(kind, journal), mode_ = "declared", calls = {} }, Door)
end

return M
