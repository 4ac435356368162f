--- JSON, strict both ways: host.json under its plain name.

local native = require "host.json"

local M = {}

M.null = native.null
M.decode = native.decode
M.encode = native.encode
M.array = native.array
M.is_array = native.is_array

--- Encode for a person to read.
---@param value any
---@return string
function M.pretty(value)
  return native.encode(value, true)
end

return M
