--- Read what a person types, or what a pipe contains: lines, joined until they are complete.

local class = require "base.class"
local edit = require "host.edit"
local history = require "repl.history"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

---@class repl.input
---@field editor host.edit.editor? nil for a pipe, or a terminal that cannot edit
---@field is_whole fun(text: string): boolean
---@field complete nil|fun(before: string, after: string): string?, integer?, boolean?
local Input = class "repl.input"

local function read_plain(prompt)
  local line = term.read_line(prompt)
  if line then return (line:gsub("\r$", "")) end
  if sys.interrupts() == 0 then return nil, "end" end
  term.write("err", "\n")
  return nil, "interrupted"
end

function Input:line(prompt, earlier)
  if not self.editor then return read_plain(prompt) end
  local function complete(before, after) return self.complete(earlier .. before, after) end
  local text, why = self.editor:read(prompt, self.complete and complete)
  if why then term.write("out", "\n") end
  return text, why
end

--- Read one entry: a line, or as many as make it complete. Nil and why: "end" or "interrupted" (what was typed is
--- dropped).
---@param prompt string
---@return string|nil text, string? why
function Input:read(prompt)
  local text, next_prompt = "", prompt
  while true do
    sys.forget_interrupts()
    local line, why = self:line(next_prompt, text)
    if not line then
      if why == "end" and text:match("%S") then return text end -- the last line of a pipe may be incomplete
      return nil, why
    end
    text = text .. line
    if self.is_whole(text) then return text end
    text = text .. "\n"
    next_prompt = (" "):rep(math.max(0, utf8.len(prompt) - 4)) .. "... "
  end
end

--- Add an entry to the history, without its secrets.
---@param text string
function Input:remember(text)
  if not text:match("%S") or not self.editor then return end
  local clean = history.clean((text:gsub("%s+$", "")))
  self.editor:remember(clean)
  history.add(clean)
end

function Input:close()
  if self.editor then self.editor:close() end
  self.editor = nil
end

Input.__close = Input.close

--- Read from standard input.
---@param is_whole fun(text: string): boolean
---@param complete nil|fun(before: string, after: string): string?, integer?, boolean?
---@return repl.input
function M.open(is_whole, complete)
  local editor = edit.open()
  for _, entry in ipairs(editor and history.load() or {}) do editor:remember(entry) end
  return Input { editor = editor, is_whole = is_whole, complete = complete }
end

return M
