--- How the program speaks to the person: lines, and one line that changes; or to a listener instead. Scripts use `log`.
--
-- Everything leaves by host.term, which takes secrets out by value.

local hint = require "log.hint"
local layout = require "terminal.layout"
local term = require "host.term"
local time = require "time"

local M = {}

local ON_TERMINAL = 0.1 -- seconds between two states of the changing line
local PIPED = 10 -- seconds between two plain lines of progress

---@class log.settings
---@field json boolean? standard output belongs to one JSON document
---@field quiet boolean? only what has to be said
---@field verbose boolean?
---@field color boolean?

local settings = {} ---@type log.settings
local shown ---@type string? the changing line that is on the terminal now
local progressed = -math.huge
local listener ---@type nil|fun(text: string) who hears everything instead of the person

--- Set how to speak from now on.
---@param new log.settings
function M.configure(new)
  settings, shown, progressed = new, nil, -math.huge
end

--- How to speak now.
---@return log.settings
function M.settings() return settings end

local function clear()
  if not shown then return end
  shown = nil
  term.clear()
end

-- What a listener says itself is for the person.
local function tell_listener(text)
  local heard = listener
  local _ <close> = M.divert(nil)
  heard(text)
end

--- Write a line: to the stream, or to the listener.
---@param stream "out"|"err"
---@param text string
function M.line(stream, text)
  text = hint.complete(text)
  if listener then return tell_listener(text) end
  clear()
  term.write(settings.json and "err" or stream, text .. "\n")
end

--- The text as a stream shows it best: on a terminal broken between words (layout.fit).
---@param text string
---@param stream "out"|"err"|nil "out"
---@return string
function M.fitted(text, stream)
  stream = settings.json and "err" or stream or "out"
  text = hint.complete(text)
  return term.is_terminal(stream) and layout.fit(text, term.width()) or text
end

--- A question that fits the terminal, with a space for the answer.
---@param text string
---@return string
function M.question(text) return (M.fitted(text):gsub("%s*$", " ")) end

--- `log.progress` says how.
---@param text string
function M.progress(text)
  if settings.quiet or listener then return end
  local now, live = time.monotonic(), term.is_terminal("err")
  if now - progressed < (live and ON_TERMINAL or PIPED) then return end
  progressed = now
  if not live then return term.write("err", text .. "\n") end
  shown = layout.cut(text, term.width() - 1)
  term.clear()
  term.write("err", shown)
end

--- Have somebody else hear what the person would, until what this gives back is closed.
---@param heard nil|fun(text: string) nil: the person again
---@return table
function M.divert(heard)
  local before = listener
  listener = heard
  return setmetatable({}, { __close = function() listener = before end })
end

--- The long piece of work is over: take the changing line away.
function M.done()
  clear()
  progressed = -math.huge
end

return M
