--- Messages for a person while work goes on. Results go through `report`.
---
--- All output passes host.term, which masks the values of secrets.

local hint = require "log.hint"
local output = require "log.output"
local term = require "host.term"

local M = {}

--- Was --verbose given?
---@return boolean
function M.verbose() return output.settings().verbose == true end

--- Was --quiet given?
---@return boolean
function M.quiet() return output.settings().quiet == true end

--- Was --json given? Then standard output holds one JSON document.
---@return boolean
function M.json() return output.settings().json == true end

--- Does a person read standard output: is it a terminal, without --json?
---@return boolean
function M.person() return term.is_terminal("out") and not output.settings().json end

local STYLES = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

--- The text in this style when colours are on, else the plain text.
---@param style "bold"|"dim"|"red"|"green"|"yellow"|"cyan"
---@param text string
---@return string
function M.style(style, text)
  if not output.settings().color then return text end
  return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

--- Print the heading of a part of the work.
---@param name string
function M.step(name)
  if output.settings().quiet then return end
  output.write_line("out", M.style("bold", name))
end

--- Print a line of progress. --quiet leaves it out.
---@param text string
function M.note(text)
  if output.settings().quiet then return end
  output.write_line("out", output.wrap_to_terminal(text))
end

--- Print a line that the person has to see, without wrapping. `prose` wraps sentences.
---@param text string
function M.say(text)
  output.write_line("out", text)
end

--- Print sentences, wrapped to the terminal.
---@param text string
function M.prose(text) M.say(output.wrap_to_terminal(text)) end

--- Print a command to copy, with what it does behind a "#". On a terminal that is too narrow, what it does comes before
--- it, and the command takes several lines, which a shell reads as one.
---@param text string
function M.command(text) M.say(output.wrap_command(text)) end

--- A text with commands that a person is told to run: `{moonlatch} rotate policies/weekly` becomes the command with the
--- options of this run that decide what it acts on (--profile, --config, --scripts). What comes from the tenant is
--- passed for the %s of the template.
---@param template string
---@param ... any for template:format
---@return string
function M.hint(template, ...) return hint.text(template, ...) end

--- Print sentences that the person has to follow for the program to go on, such as where to sign in: to standard output
--- where that is a terminal, else to the terminal that the program runs in, else to standard error.
---@param text string
function M.instruct(text)
  local stream = M.person() and "out" or "terminal"
  output.write_line(stream, output.wrap_to_terminal(text, stream))
end

--- Print a remark to standard error. --quiet leaves it out.
---@param text string
function M.aside(text)
  if output.settings().quiet then return end
  output.write_line("err", M.style("dim", text))
end

--- Print a detail, with --verbose only.
---@param text string
function M.detail(text)
  if not output.settings().verbose then return end
  output.write_line("err", M.style("dim", text))
end

--- Print a warning.
---@param text string
function M.warn(text)
  output.write_line("err", output.wrap_to_terminal(M.style("yellow", "warning: ") .. text, "err"))
end

--- Print an error that is no failure. (Failures are raised.)
---@param text string
function M.error(text)
  output.write_line("err", text)
end

--- Show how far a long piece of work is: one changing line on a terminal; elsewhere a plain line after each ten
--- seconds.
---@param text string
M.progress = output.progress

return M
