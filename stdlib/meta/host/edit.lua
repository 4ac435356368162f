---@meta host.edit
--- Let a person type and edit a line on the terminal.

error("this describes a native module for editors and help; it is not to be required")

---@class host.edit.editor
local Editor = {}
--- Show the prompt, and let a person edit a line. A line that was recalled from the history may have newlines. Without
--- a line, `why` is "end" (Ctrl-D) or "interrupted". `complete(before, after)` is called for Tab with the text before
--- and after the cursor. It returns the text to insert, the number of characters before the cursor to remove first, and
--- whether it wrote below the line. It must not wait.
---@param prompt string
---@param complete nil|fun(before: string, after: string): string?, integer?, boolean?
---@return string|nil text, string? why
function Editor:read(prompt, complete) end
--- Add an entry to the history in memory, which keeps the latest 1,000 entries.
---@param text string may hold newlines
function Editor:remember(text) end
function Editor:close() end

local M = {}
--- Open an editor on the terminal; nil when there is no terminal, or its cursor cannot be moved.
---@return host.edit.editor|nil editor, string? message
function M.open() end

return M
