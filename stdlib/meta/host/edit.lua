---@meta host.edit
--- A line a person types and edits.

error("this describes a native module for editors and help; it is not to be required")

---@class host.edit.editor
local Editor = {}
--- Show the prompt and let a person edit a line; it may hold newlines when it was recalled. Why there is none:
--- "end" (Ctrl-D) or "interrupted". `complete(before, after)`, the text on both sides of the cursor, is called for
--- Tab: it returns what to insert, how many characters before the cursor to take away first, and whether it wrote
--- something below the line. It must not wait.
---@param prompt string
---@param complete nil|fun(before: string, after: string): string?, integer?, boolean?
---@return string|nil text, string? why
function Editor:read(prompt, complete) end
--- Put an entry into the history in memory; the oldest of 1,000 goes.
---@param text string may hold newlines
function Editor:remember(text) end
function Editor:close() end

local M = {}
--- An editor on the terminal; nil where there is none, or none whose cursor can be moved.
---@return host.edit.editor|nil editor, string? message
function M.open() end

return M
