--- The places of an application's client secret that can be read back, as one place: several sinks of a policy hold the
--- same value.

local class = require "base.class"

---@class sink.Places: rotation.place
---@field sinks rotation.place[] one or more
---@field is_confirming boolean does a value that all sinks of the policy have count as in use?
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

--- Does a value that all sinks of the policy have count as in use? Some of them may be none of these places.
---@return boolean
function Places:confirms() return self.is_confirming end

function Places:__tostring()
  local names = {}
  for i, place in ipairs(self.sinks) do names[i] = tostring(place) end
  return table.concat(names, " and ")
end

--- Make one place of several; nil for none.
---@param list rotation.place[]
---@param is_confirming boolean does a value that all sinks of the policy have count as in use?
---@return sink.Places?
local function places(list, is_confirming)
  return list[1] and Places { sinks = list, is_confirming = is_confirming } or nil
end

return places
