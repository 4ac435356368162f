--- The text of a note or warning of a plan, with its values filled in.

--- A value may be a name in the tenant. A line break in it would be read as further lines of the plan, so control
--- characters in values become blanks.
---@param text string a format, when there are values
---@param ... any values for text:format
---@return string
return function(text, ...)
  local values = table.pack(...)
  for i, value in ipairs(values) do values[i] = type(value) == "string" and value:gsub("%c", " ") or value end
  return values.n > 0 and text:format(table.unpack(values, 1, values.n)) or text
end
