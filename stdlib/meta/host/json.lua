---@meta host.json
--- Decode and encode strict JSON. Secrets never become Lua strings.

error("this describes a native module for editors and help; it is not to be required")

local M = {}
M.null = nil ---@type lightuserdata the JSON null; never the same as absent
--- Strict decode (RFC 8259): one value of at most 4 MiB and 64 levels, in UTF-8, no name
--- twice in an object. Objects become tables; arrays become tables with the array mark
--- (so [] stays []); whole numbers become integers, exact to 64 bits. Refused are integers
--- beyond that and numbers beyond 1.8e308. String values of well-known secret members, and
--- of those named, become host.secret. The message names the byte (from 1) and what was
--- expected there, and never quotes the text.
---@param text string
---@param secrets string[]? further member names to lift
---@return any|nil value, string? message
function M.decode(text, secrets) end
--- Encode. Keys sorted, so that the same value gives the same text. A secret gives "[secret]".
--- An empty table without the array mark gives {}. Tables are read raw. What JSON has no form
--- for raises with the path to it ("users[2].name cannot be written as JSON: it is a function").
---@param value any
---@param pretty boolean? two-space indentation
---@return string
function M.encode(value, pretty) end
--- Mark a table as an array, so that it encodes as [] when empty. Returns it.
---@param list table?
---@return table
function M.array(list) end
--- Is the value encoded as an array: is it a table with the array mark, or with a first element?
---@param value any
---@return boolean
function M.is_array(value) end

return M
