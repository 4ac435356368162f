--- Write lines, and one changing line of progress, for the person; or hand the lines to a listener. Scripts use `log`.
--
-- All output passes host.term, which masks the values of secrets.

local layout = require "terminal.layout"
local term = require "host.term"
local time = require "time"

local M = {}

local TERMINAL_PAUSE = 0.1 -- seconds between two states of the changing line
local PIPE_PAUSE = 10 -- seconds between two plain lines of progress

---@class log.settings
---@field json boolean? standard output belongs to one JSON document
---@field quiet boolean? leave out progress, notes and remarks
---@field verbose boolean?
---@field color boolean?

local settings = {} ---@type log.settings
local changing_line ---@type string? the changing line that is on the terminal now
local last_progress ---@type number? the moment of the last text of progress, or of the first that was held back
local listener ---@type nil|fun(text: string) receives every line instead of the person

--- Use these settings from now on.
---@param new log.settings
function M.configure(new)
  settings, changing_line, last_progress = new, nil, nil
end

--- The settings in use.
---@return log.settings
function M.settings() return settings end

local function clear_changing_line()
  if not changing_line then return end
  changing_line = nil
  term.clear()
end

-- Hand a line to the listener. What the listener itself writes meanwhile goes to the person.
local function tell_listener(text)
  local hear = listener
  local _ <close> = M.divert_to(nil)
  hear(text)
end

--- Write a line: to the stream, or to the listener. "terminal" is standard error, or the terminal that the program runs
--- in, where standard error leads elsewhere.
---@param stream "out"|"err"|"terminal"
---@param text string
function M.write_line(stream, text)
  if listener then return tell_listener(text) end
  clear_changing_line()
  term.write(stream == "out" and settings.json and "err" or stream, text .. "\n")
end

--- The text wrapped to the width of the terminal (layout.fit); the same text when the stream is no terminal.
---@param text string
---@param stream "out"|"err"|"terminal"|nil "out"
---@return string
function M.wrap_to_terminal(text, stream)
  stream = (settings.json or stream == "terminal") and "err" or stream or "out"
  return term.is_terminal(stream) and layout.fit(text, term.width()) or text
end

--- A line with a command, wrapped to the width of the terminal (layout.command).
---@param line string
---@return string
function M.wrap_command(line)
  local stream = settings.json and "err" or "out"
  return term.is_terminal(stream) and layout.command(line, term.width()) or line
end

--- A question wrapped to the width of the terminal, with one space at the end, before the answer.
---@param text string
---@return string
function M.wrap_question(text) return (M.wrap_to_terminal(text):gsub("%s*$", " ")) end

-- Seconds between two texts of progress. A log gets all of them with --verbose.
local function progress_pause(live)
  return live and TERMINAL_PAUSE or settings.verbose and 0 or PIPE_PAUSE
end

--- See `log.progress`.
---@param text string
function M.progress(text)
  if settings.quiet or listener then return end
  local now, live = time.monotonic(), term.is_terminal("err")
  last_progress = last_progress or (live and -math.huge or now) -- work that ends soon leaves no line in a log
  if now - last_progress < progress_pause(live) then return end
  last_progress = now
  if not live then return term.write("err", text .. "\n") end
  changing_line = layout.cut(text, term.width() - 1)
  term.clear()
  term.write("err", changing_line)
end

--- Hand every line to a function instead of the person, until the returned value is closed.
---@param hear nil|fun(text: string) nil: the person again
---@return table closable
function M.divert_to(hear)
  local before = listener
  listener = hear
  return setmetatable({}, { __close = function() listener = before end })
end

--- End the progress of a long piece of work: remove the changing line from the terminal.
function M.end_progress()
  clear_changing_line()
  last_progress = nil
end

return M
