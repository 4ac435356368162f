--- Hand a client secret over on a terminal: the form, the secret on request, and a person's confirmation that the
--- secret is used.

local deliver = require "handover.deliver"
local desktop = require "http.desktop"
local form = require "devolutions.form"
local log = require "log"
local output = require "log.output"
local page = require "handover.page"
local states = require "handover.state"
local sys = require "host.sys"
local term = require "host.term"

local M = {}

--- The function that asks a person. Tests replace it.
M.ask = term.read_line

local FIRST = "Show the client secret now, to paste it there? [s]how%s, or Enter for later: "
local AGAIN = "Pasted, and Test connection succeeded? [y]es, [s]how it again%s, or Enter for later: "
local ON_PAGE = ", all of it on a [p]age in your browser"

--- A form as lines: where it is, and what to put into which field.
---@param made devolutions.form?
---@return string[]
function M.form_lines(made)
  if not made then return {} end
  local lines = { ("%s: %s"):format(made.title, made.where) }
  for _, line in ipairs(form.field_lines(made.fields)) do lines[#lines + 1] = "  " .. line end
  lines[#lines + 1] = ("then %s"):format(made.button)
  for i, line in ipairs(made.proof) do lines[#lines + 1] = (i == 1 and "the proof: " or "  ") .. line end
  return lines
end

-- The question to ask. The page is offered only where a browser can be opened.
local function secret_prompt(row, renewable)
  local on_page = desktop.is_available() and ON_PAGE or ""
  if states.delivery_stage(row) == "to give" then return FIRST:format(on_page) end
  return AGAIN:format(on_page .. (renewable and ", have a [n]ew one made" or ""))
end

local function show_secret_on_terminal(journal, row, state)
  local shown, message = deliver.show(journal, row, state.name)
  if not shown then log.warn(("the secret could not be shown: %s"):format(message or "there is no terminal")) end
end

---@class handover.terminal.options
---@field shown boolean? show the secret before the first question?
---@field renewable boolean? may the person ask for a new secret?

--- Ask the person at the terminal until the secret is confirmed, or left for later.
---@param journal host.journal.journal
---@param row rotation.row brought up to date
---@param state handover.state
---@param options handover.terminal.options?
---@return "confirmed"|"new"|"later" "new": the person asks for a new secret
function M.ask_until_confirmed(journal, row, state, options)
  options = options or {}
  if options.shown then show_secret_on_terminal(journal, row, state) end
  while true do
    output.end_progress()
    local answer = (M.ask(output.wrap_question(secret_prompt(row, options.renewable))) or ""):lower():sub(1, 1)
    local given = states.delivery_stage(row) ~= "to give"
    if answer == "s" then show_secret_on_terminal(journal, row, state)
    elseif answer == "p" then
      page.serve(journal, states.rows(journal, state.client_id)[1])
      deliver.reread_row(journal, row)
      if states.delivery_stage(row) == "in use" then return "confirmed" end
    elseif answer == "y" and given then
      deliver.confirm(journal, row, sys.user())
      return "confirmed"
    elseif answer == "n" and given and options.renewable then return "new"
    else return "later" end
  end
end

return M
