---@meta host.edit
--- Let a person type and edit a line, or several, on the terminal.

error("this describes a native module for editors and help; it is not to be required")

---@class host.edit.editor
local Editor = {}
--- Show the prompt, and let a person edit a line. A line that was recalled from the history may have newlines. Without
--- a line, `why` is "end" (Ctrl-D) or "interrupted". `complete(before, after)` is called for Tab with the text before
--- and after the cursor. It returns the text to insert, the number of characters before the cursor to remove first, and
--- whether it wrote below the line. It must not wait. `is_complete(text)` is called for Enter: when it returns false, a
--- new line begins in the same entry. The arrow keys move between the lines of an entry, and beyond them through the
--- history.
---@param prompt string
---@param complete nil|fun(before: string, after: string): string?, integer?, boolean?
---@param is_complete nil|fun(text: string): boolean
---@return string|nil text, string? why
function Editor:read(prompt, complete, is_complete) end
--- Add an entry to the history in memory, which keeps the latest 1,000 entries.
---@param text string may hold newlines
function Editor:remember(text) end
function Editor:close() end

local M = {}
--- Open an editor on the terminal; nil when there is no terminal, or its cursor cannot be moved.
---@return host.edit.editor|nil editor, string? message
function M.open() end

return M
