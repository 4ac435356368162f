--- Ask a person for a secret on the terminal, without echo.

local term = require "host.term"

local M = {}

local FIXES = {
  empty = "Run the same command again, and type the secret before you press Enter. ",
  interrupted = "Run the same command again, and type the secret. ",
  terminal = "",
}

--- Ask for a secret. Returns nil, the reason and the fix when nothing was typed, or when there is no terminal.
---@param prompt string
---@param without_terminal string how to give the secret without a terminal: sentences
---@return host.secret|nil value, string? why, string? fix
function M.ask(prompt, without_terminal)
  local value, why, kind = term.read_secret(prompt)
  if value then return value end
  return nil, why, FIXES[kind] .. without_terminal
end

return M
