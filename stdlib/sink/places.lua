--- The places of an application's client secret that can be read back, as one place: several sinks of a policy hold the
--- same value.

local class = require "base.class"

---@class sink.Places: rotation.place
---@field sinks rotation.place[] one or more
local Places = class "sink.Places"

--- The value that the first of the places holds for the application.
---@param client_id string
---@return host.secret?
function Places:held(client_id)
  for _, place in ipairs(self.sinks) do
    local value = place:held(client_id)
    if value then return value end
  end
end

--- Does a value that is stored in all the places count as in use?
---@return boolean
function Places:confirms()
  for _, place in ipairs(self.sinks) do
    if not place:confirms() then return false end
  end
  return true
end

function Places:__tostring()
  local names = {}
  for i, place in ipairs(self.sinks) do names[i] = tostring(place) end
  return table.concat(names, " and ")
end

--- Make one place of several; nil for none.
---@param list rotation.place[]
---@return sink.Places?
local function places(list) return list[1] and Places { sinks = list } or nil end

return places
