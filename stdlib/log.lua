--- What a person is told while work goes on. Results go through `report`.
--
-- Everything leaves by host.term, which takes secrets out by value.

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

--- Did the person ask for more?
---@return boolean
function M.verbose() return settings.verbose == true end

--- Is only that to be said which has to be?
---@return boolean
function M.quiet() return settings.quiet == true end

--- Does standard output belong to one JSON document?
---@return boolean
function M.json() return settings.json == true end

--- Does a person read standard output: is it a terminal, and no JSON asked for?
---@return boolean
function M.person() return term.is_terminal("out") and not settings.json end

local STYLES = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

--- The text in this style, where colour is wanted.
---@param style "bold"|"dim"|"red"|"green"|"yellow"|"cyan"
---@param text string
---@return string
function M.style(style, text)
  if not settings.color then return text end
  return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

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

local function line(stream, text)
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
  return term.is_terminal(stream) and layout.fit(text, term.width()) or text
end

--- A question that fits the terminal, with a space for the answer.
---@param text string
---@return string
function M.question(text) return (M.fitted(text):gsub("%s*$", " ")) end

--- A part of the work begins.
---@param name string
function M.step(name)
  if settings.quiet then return end
  line("out", M.style("bold", name))
end

--- A part of what goes on, that --quiet can do without.
---@param text string
function M.note(text)
  if settings.quiet then return end
  line("out", M.fitted(text))
end

--- Something the person has to hear, as it is: `prose` breaks what is sentences.
---@param text string
function M.say(text)
  line("out", text)
end

--- Sentences, that may be broken to fit.
---@param text string
function M.prose(text) M.say(M.fitted(text)) end

--- Something beside the result: never mixed into standard output, and left out with --quiet.
---@param text string
function M.aside(text)
  if settings.quiet then return end
  line("err", M.style("dim", text))
end

--- Something for who asked for --verbose.
---@param text string
function M.detail(text)
  if not settings.verbose then return end
  line("err", M.style("dim", text))
end

--- Something that may be wrong.
---@param text string
function M.warn(text)
  line("err", M.fitted(M.style("yellow", "warning: ") .. text, "err"))
end

--- Something that went wrong. Not for failures: those are raised.
---@param text string
function M.error(text)
  line("err", text)
end

--- How far a long piece of work is: one changing line on a terminal, now and
--- then a plain line elsewhere.
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
