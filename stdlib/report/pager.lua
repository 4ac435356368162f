--- Lines to a terminal, by a pager where they take more than a screen; elsewhere all at once.

local log = require "log"
local process = require "host.process"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

-- The host starts these pagers and no others (runtime/process_own.c). less: colours, no page for what fits on a screen,
-- the text stays when it is left, and the prompt says where one is.
---@type table<string, string[]>
local PAGERS = { less = { "/usr/bin/less", "-RFXM" }, more = { "/usr/bin/more" } }

-- The pager that $PAGER names, with plain options: no shell reads it. false when it says that there shall be none, nil
-- when it names none of ours.
local function wanted()
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

-- The pager to use; nil for none.
local function pager()
  local choice = wanted()
  if choice == false then return nil end
  for _, arguments in ipairs { choice or PAGERS.less, PAGERS.less, PAGERS.more } do
    if sys.stat(arguments[1]) then return arguments end
  end
end

local function takes_more_than_a_screen(lines)
  if log.json() or not (term.is_terminal "in" and term.is_terminal "out") then return false end
  local width, rows = term.width(), 0
  for _, line in ipairs(lines) do rows = rows + math.max(1, math.ceil(term.text_width(line) / width)) end
  return rows >= term.height()
end

--- Write the lines. $PAGER may be less or more, with options; another one is not used.
---@param lines string[]
function M.show(lines)
  local arguments = takes_more_than_a_screen(lines) and pager()
  if arguments and process.page(arguments, table.concat(lines, "\n") .. "\n") == 0 then return end
  log.say(table.concat(lines, "\n"))
end

return M
