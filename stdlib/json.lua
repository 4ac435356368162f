--- Strict JSON, for decoding and encoding.

local native_json = require "host.json"

local M = {}

M.null = native_json.null
M.decode = native_json.decode
M.encode = native_json.encode
M.array = native_json.array
M.is_array = native_json.is_array

--- Encode a value, indented for a person.
---@param value any
---@return string
function M.pretty(value)
  return native_json.encode(value, true)
end

return M
