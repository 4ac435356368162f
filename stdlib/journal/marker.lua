--- The marker of a rotation, "ml:<installation>:<rotation>", both parts hexadecimal. A marker in a credential, in a
--- password entry or in a pending entry says which journal made it, and in which rotation. It is at the start of a
--- credential's displayName, and in an entry's description.

local M = {}

--- The Lua pattern of a marker, without captures, for use in longer patterns.
M.PATTERN = "ml:%x+:%x+"

local AT_START, ANYWHERE = "^" .. M.PATTERN, M.PATTERN
local OF_VALUE = "(" .. M.PATTERN .. ")/(%d+)"

--- Make the marker of a rotation.
---@param installation string id of the journal's installation, hexadecimal
---@param rotation string id of the rotation, hexadecimal
---@return string
function M.make(installation, rotation) return ("ml:%s:%s"):format(installation, rotation) end

--- The marker a credential's displayName begins with. Nil when there is none.
---@param display_name any a text, or what the service gives instead of one
---@return string?
function M.of_credential(display_name)
  return type(display_name) == "string" and display_name:match(AT_START) or nil
end

--- The first marker in an entry's description or note. Nil when there is none.
---@param text any
---@return string?
function M.find(text)
  return type(text) == "string" and text:match(ANYWHERE) or nil
end

--- The name of one value of a rotation: "<marker>/<number>".
---@param marker string
---@param number integer
---@return string
function M.of_value(marker, number) return ("%s/%d"):format(marker, number) end

--- The marker and the number of the first value named in a text. Nil when there is none.
---@param text any
---@return string? marker, integer? number
function M.find_value(text)
  if type(text) ~= "string" then return nil end
  local marker, number = text:match(OF_VALUE)
  return marker, math.tointeger(number)
end

--- The id of the installation in a marker. Nil for any other text.
---@param marker any
---@return string?
function M.installation_of(marker)
  return type(marker) == "string" and marker:match("^ml:(%x+):%x+") or nil
end

--- The id of the rotation in a marker. Nil for any other text.
---@param marker any
---@return string?
function M.rotation_of(marker)
  return type(marker) == "string" and marker:match("^ml:%x+:(%x+)") or nil
end

return M
