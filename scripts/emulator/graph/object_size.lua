--- How much an application or service principal may hold (Microsoft Learn: supported-accounts-validation, "a global
--- limit of about 1000 items across all the collection properties").

local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local json = require "json"

local M = {}

-- The values in the lists of an object, and in the lists of its members.
local function values_in(object)
  local count = 0
  for name, member in pairs(object) do
    if type(member) == "table" and member ~= json.null and not tostring(name):find "^_" then
      count = count + (json.is_array(member) and #member or 0) + values_in(member)
    end
  end
  return count
end

--- Refuse a write that would leave more in an object than it may hold; see the flag object_values.
---@param ctx emulator.context
---@param id string of the object
---@param changes table? the members that are written
---@param more integer? credentials that are added
function M.check(ctx, id, changes, more)
  local object, newest = {}, directory.object(ctx.tenant, id, math.huge)
  for _, members in ipairs { newest, changes or {} } do
    for name, value in pairs(members) do object[name] = value end
  end
  local count = values_in(object) + #ctx.tenant:passwords(id, math.huge) + (more or 0)
  if count <= ctx.tenant.flags.object_values then return end
  answer.refuse(403, "Directory_ResourceSizeExceeded",
    "The size of the object has exceeded its limit. Please reduce the number of values and retry your request.")
end

return M
