--- Print lines: through a pager when they take more than the screen of a terminal, else at once.

local log = require "log"
local process = require "host.process"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

-- The host starts these pagers and no others (runtime/process_own.c). The options of less: -R shows colours, -F exits
-- at once when the text fits on the screen, -X leaves the text on the screen at the end, -M shows the position.
---@type table<string, string[]>
local PAGERS = { less = { "/usr/bin/less", "-RFXM" }, more = { "/usr/bin/more" } }

-- The program and options that the variable PAGER names. No shell reads the variable, so options are plain words. false
-- when PAGER is empty or "cat": no pager is wanted. nil when PAGER is not set, or names another program.
local function pager_from_environment()
  local text = sys.getenv "PAGER"
  if not text then return nil end
  if text:match "^%s*$" or text:match "^%s*cat%s*$" then return false end
  local words = {}
  for word in text:gmatch "%S+" do words[#words + 1] = word end
  local known = PAGERS[words[1]:match "[^/]*$"]
  if not known or #words == 1 then return known end
  words[1] = known[1]
  for i = 2, #words do
    if not words[i]:match "^[-+][%w-]+$" then return nil end
  end
  return words
end

-- The program and options of the pager to use; nil for none.
local function choose_pager()
  local choice = pager_from_environment()
  if choice == false then return nil end
  for _, arguments in ipairs { choice or PAGERS.less, PAGERS.less, PAGERS.more } do
    if sys.stat(arguments[1]) then return arguments end
  end
end

local function lines_exceed_screen(lines)
  if log.json() or not (term.is_terminal "in" and term.is_terminal "out") then return false end
  local width, rows = term.width(), 0
  for _, line in ipairs(lines) do rows = rows + math.max(1, math.ceil(term.text_width(line) / width)) end
  return rows >= term.height()
end

--- Print the lines. The variable PAGER may name less or more, with options; other programs are not used.
---@param lines string[]
function M.show(lines)
  local arguments = lines_exceed_screen(lines) and choose_pager()
  if arguments and process.page(arguments, table.concat(lines, "\n") .. "\n") == 0 then return end
  log.say(table.concat(lines, "\n"))
end

return M
