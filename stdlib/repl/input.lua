--- Read entries from the terminal or from a pipe: lines, joined until they are complete Lua.

local class = require "base.class"
local edit = require "host.edit"
local history = require "repl.history"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

---@class repl.input
---@field editor host.edit.editor? nil for a pipe, or a terminal that cannot edit
---@field is_complete fun(text: string): boolean
---@field complete nil|fun(before: string, after: string): string?, integer?, boolean?
local Input = class "repl.input"

local function read_line_plainly(prompt)
  local line = term.read_line(prompt)
  if line then return (line:gsub("\r$", "")) end
  if sys.interrupts() == 0 then return nil, "end" end
  term.write("err", "\n")
  return nil, "interrupted"
end

-- Read a line; with the editor, an entry of any number of lines.
function Input:line(prompt)
  if not self.editor then return read_line_plainly(prompt) end
  local text, why = self.editor:read(prompt, self.complete, self.is_complete)
  if why then term.write("out", "\n") end
  return text, why
end

--- Read one entry: a line, or several lines that are complete together. Returns nil and "end" or "interrupted" (the
--- typed lines are dropped).
---@param prompt string
---@return string|nil text, string? why
function Input:read(prompt)
  local text, next_prompt = "", prompt
  while true do
    sys.forget_interrupts()
    local line, why = self:line(next_prompt)
    if not line then
      if why == "end" and text:match("%S") then return text end -- the last line of a pipe may be incomplete
      return nil, why
    end
    text = text .. line
    if self.is_complete(text) then return text end
    text = text .. "\n"
    next_prompt = (" "):rep(math.max(0, utf8.len(prompt) - 4)) .. "... "
  end
end

--- Add an entry to the history, without its secrets.
---@param text string
function Input:remember(text)
  if not text:match("%S") or not self.editor then return end
  local clean = history.mask_secrets((text:gsub("%s+$", "")))
  self.editor:remember(clean)
  history.add(clean)
end

function Input:close()
  if self.editor then self.editor:close() end
  self.editor = nil
end

Input.__close = Input.close

--- Read from standard input.
---@param is_complete fun(text: string): boolean
---@param complete nil|fun(before: string, after: string): string?, integer?, boolean?
---@return repl.input
function M.open(is_complete, complete)
  local editor = edit.open()
  for _, entry in ipairs(editor and history.load() or {}) do editor:remember(entry) end
  return Input { editor = editor, is_complete = is_complete, complete = complete }
end

return M
