--- What a person is told while work goes on. Results go through `report`.
--
-- Everything leaves by host.term, which takes secrets out by value.

local output = require "log.output"
local term = require "host.term"

local M = {}

--- Did the person ask for more?
---@return boolean
function M.verbose() return output.settings().verbose == true end

--- Is only that to be said which has to be?
---@return boolean
function M.quiet() return output.settings().quiet == true end

--- Does standard output belong to one JSON document?
---@return boolean
function M.json() return output.settings().json == true end

--- Does a person read standard output: is it a terminal, and no JSON asked for?
---@return boolean
function M.person() return term.is_terminal("out") and not output.settings().json end

local STYLES = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

--- The text in this style, where colour is wanted.
---@param style "bold"|"dim"|"red"|"green"|"yellow"|"cyan"
---@param text string
---@return string
function M.style(style, text)
  if not output.settings().color then return text end
  return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

--- A part of the work begins.
---@param name string
function M.step(name)
  if output.settings().quiet then return end
  output.line("out", M.style("bold", name))
end

--- A part of what goes on, that --quiet can do without.
---@param text string
function M.note(text)
  if output.settings().quiet then return end
  output.line("out", output.fitted(text))
end

--- Something the person has to hear, as it is: `prose` breaks what is sentences.
---@param text string
function M.say(text)
  output.line("out", text)
end

--- Sentences, that may be broken to fit.
---@param text string
function M.prose(text) M.say(output.fitted(text)) end

--- Something beside the result: never mixed into standard output, and left out with --quiet.
---@param text string
function M.aside(text)
  if output.settings().quiet then return end
  output.line("err", M.style("dim", text))
end

--- Something for who asked for --verbose.
---@param text string
function M.detail(text)
  if not output.settings().verbose then return end
  output.line("err", M.style("dim", text))
end

--- Something that may be wrong.
---@param text string
function M.warn(text)
  output.line("err", output.fitted(M.style("yellow", "warning: ") .. text, "err"))
end

--- Something that went wrong. Not for failures: those are raised.
---@param text string
function M.error(text)
  output.line("err", text)
end

--- How far a long piece of work is: one changing line on a terminal, now and
--- then a plain line elsewhere.
---@param text string
M.progress = output.progress

return M
