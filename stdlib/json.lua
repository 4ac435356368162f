--- Strict JSON, for decoding and encoding.

local native = require "host.json"

local M = {}

M.null = native.null
M.decode = native.decode
M.encode = native.encode
M.array = native.array
M.is_array = native.is_array

--- Encode a value, indented for a person.
---@param value any
---@return string
function M.pretty(value)
  return native.encode(value, true)
end

return M
