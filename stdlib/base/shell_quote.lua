--- The text as one word of a shell, in single quotes, so that a printed command can be pasted.

---@param text string
---@return string
return function(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end
