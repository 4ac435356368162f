--- Lines to a terminal, a screen at a time; elsewhere all at once.

local log = require "log"
local term = require "host.term"

local M = {}

local function pages()
  return term.is_terminal("in") and term.is_terminal("out") and not log.json()
end

-- How many lines to show next; 0 for no more.
local KEYS = { q = 0, Q = 0, ["\n"] = 1, ["\r"] = 1, ["\4"] = 0, ["\27"] = 0 }

local function ask(shown, total, screen)
  local text = ("-- %d of %d lines: space for more, Enter for one, q to stop --"):format(shown, total)
  local key = term.read_key(text)
  term.clear()
  if not key then return 0 end
  return KEYS[key] or screen
end

--- Write the lines.
---@param lines string[]
function M.show(lines)
  local screen = pages() and math.max(2, term.height() - 1) or #lines
  local shown, take = 0, screen
  while shown < #lines and take > 0 do
    local last = math.min(#lines, shown + take)
    log.say(table.concat(lines, "\n", shown + 1, last))
    shown = last
    if shown < #lines then take = ask(shown, #lines, screen) end
  end
end

return M
