--- What the commands plan, apply, verify and destroy share: load a script of steps, read its arguments, open a session,
--- run the steps, and print the result.

local agreed = require "workflow.agreed"
local answers = require "cli.answers"
local copies = require "script.copies"
local fail = require "fail"
local hint = require "log.hint"
local http = require "http.client"
local log = require "log"
local output = require "log.output"
local profiles = require "profile.current"
local report = require "report"
local report_failure = require "report.failure"
local scheduler = require "task.scheduler"
local script = require "script.load"
local session = require "session.open"
local term = require "host.term"

local M = {}

---@type manual.argument[]
M.arguments = {
  { name = "script", help = "name or path of the script: setup/entra-pam-provider, ./mine.lua", complete = "jobs" },
}
M.usage = "SCRIPT [--name value …] [options]"

---@class cli.invocation a script, with the arguments and options of the command line
---@field declaration script.declaration
---@field args table
---@field given table<string, boolean> names of the arguments that are on the command line or on record
---@field options table of the command line
---@field owner string describes the script, for the lease
---@field text string of the script

--- Let a person accept a copy that needs more than the bundled script of its name. A command that only reads prints the
--- needs and goes on. On a private emulator nothing has to be accepted. Raises "person".
---@param declaration script.declaration
---@param found script.found
---@param options table of the command line
---@param reads_only boolean?
function M.check_growth(declaration, found, options, reads_only)
  if found.origin == "bundled" or options.emulator then return end
  local growth = require "script.growth"
  if reads_only then return growth.show(declaration, found) end
  growth.check(declaration, found, not options.yes and M.is_interactive() and M.ask_yes_or_no or nil)
end

--- Load the script and read its arguments. Raises "usage" for a script without steps.
---@param options table of the command line
---@param command string
---@return cli.invocation
function M.load(options, command)
  local declaration, found = script.load(options.script)
  copies.tell_replacement(found)
  M.check_growth(declaration, found, options, command == "plan" or command == "verify")
  if declaration.steps then
    local args, given = script.arguments(declaration, options.rest)
    return { declaration = declaration, options = options, args = args, given = given,
      owner = script.describe(found), text = found.text }
  end
  fail.raise {
    kind = "usage", what = ("%s %s"):format(command, options.script), why = "it has no steps",
    fix = hint.text("Run it with the command for its kind: {moonlatch} "
      .. (declaration.policy and "rotate %s" or "run %s"), options.script),
  }
end

--- Make the function that returns the help of the script on the command line; nil when the command line names no
--- script.
---@param command string
---@return fun(options: table): string?
function M.help(command)
  return function(options)
    if not options.script then return nil end
    local declaration, found = script.load(options.script)
    return script.help(declaration, found, command)
  end
end

--- Can a person be asked at the terminal?
---@return boolean
function M.is_interactive()
  return term.is_terminal("in") and term.is_terminal("err") and not log.json()
end

--- Raise "usage" when no person can be asked before changes, and --yes is not given.
---@param options table
---@param command string the command line without the program's name
---@param has_plan boolean? false: `plan` does not show these changes
function M.require_consent(options, command, has_plan)
  if options.yes or M.is_interactive() then return end
  fail.raise {
    kind = "usage", what = command, why = "there is no terminal on which to ask before changes",
    fix = (has_plan == false and "" or hint.text("To see what would change: {moonlatch} plan %s. ",
      command:match " (%S+)"))
      .. "To make the changes without a question, add --yes to the same command.",
  }
end

--- Ask a question. Only the answers "y" and "yes" mean yes.
---@param question string
---@return boolean
function M.ask_yes_or_no(question)
  output.end_progress()
  local answer = term.read_line(output.wrap_question(question .. " [y/N] "))
  return answer ~= nil and (answer:lower() == "y" or answer:lower() == "yes")
end

local function notes_of(result)
  local shown = {}
  for _, step in ipairs(result.steps) do
    for _, text in ipairs(step.notes) do shown[text] = true end
  end
  return shown
end

--- Print what would be changed, and ask whether to do it. Returns the options of the run that makes the changes to
--- which the person agreed; or nil and the exit status.
---@param result workflow.result of a plan, or of a dry destroy
---@param verb string "Apply"
---@param last boolean? false: with --json, a later result is printed
---@return { agreed: workflow.agreed, shown: table<string, boolean> }?, integer? exit_status
function M.agree(result, verb, last)
  M.print_result(result, last)
  if result.status ~= 3 then return nil, result.status end
  local profile = profiles.current()
  local question = ("%s this %s %s (profile %s)?"):format(verb, verb == "Remove" and "from" or "to", profile.tenant,
    profile.name)
  if M.ask_yes_or_no(question) then return { agreed = agreed.of(result), shown = notes_of(result) } end
  log.prose("Nothing was changed.")
  return nil, 1
end

--- Open a session for the script, and call `fn(run_steps)` in a task. `run_steps(mode, more)` runs the steps once, and
--- returns the result and the exit status.
---@param invocation cli.invocation
---@param reads_only boolean may the session change nothing?
---@param fn fun(run_steps: function): integer
---@return integer exit_status
function M.run(invocation, reads_only, fn)
  local open_session <close> = session.start(invocation.options, {
    owner = invocation.owner, needs = script.needs(invocation.declaration, invocation.args), reading = reads_only,
  })
  answers.recall_last_apply(invocation, open_session.journal)
  local options = { journal = open_session.journal, profile = open_session.profile }
  options.renew = invocation.options.renew and "asked for with --renew" or nil
  options.old_now = invocation.options.old_now
  options.interactive = not invocation.options.yes and M.is_interactive()
  local function run_steps(mode, more)
    for name, value in pairs(more or {}) do options[name] = value end
    return require("workflow.run").run(invocation.declaration, mode, invocation.args, options)
  end
  return scheduler.run(http.poll, fn, run_steps)
end

-- The result as a document, with the number of requests and the length of their longest chain.
local function workflow_result_document(result)
  local document = require("workflow.print").json(result)
  document.requests, document.chain = http.request_count(), http.longest_chain()
  return document
end

--- Print the result of the steps. With --json only the last result is printed.
---@param result workflow.result
---@param last boolean?
function M.print_result(result, last)
  output.end_progress()
  if log.json() then
    if last ~= false then report.json(workflow_result_document(result)) end
  else
    local after_changes = log.person() and not result.dry and (result.mode == "apply" or result.mode == "destroy")
    log.prose((after_changes and "\n" or "") .. require("workflow.print").text(result, log.quiet()))
  end
  if result.failure then log.error(report_failure.text(result.failure)) end
end

-- The command that comes next for a person, and what it does; nil when there is none.
local function next_command(result)
  local changes = result.changes.create + result.changes.update + result.changes.delete
  if result.failure then return nil end
  if result.mode == "plan" and changes > 0 then return "apply", "make these changes" end
  if result.mode == "verify" and changes > 0 then return "plan", "see what apply would repair" end
  if result.mode == "apply" and changes > 0 and #result.waiting == 0 then
    return "verify", "check later that all is still so"
  end
end

--- Tell a person at the terminal which command comes next, if one does. What waits for a person was printed with the
--- result.
---@param invocation cli.invocation
---@param result workflow.result
function M.print_next(invocation, result)
  local options = invocation.options
  local command, meaning = next_command(result)
  if not command or not log.person() or log.quiet() then return end
  local words = { hint.text("{moonlatch} " .. command), hint.word(options.script) }
  for _, word in ipairs(options.rest) do words[#words + 1] = hint.word(word) end
  if options.emulator then words[#words + 1] = "--emulator" end
  log.say(log.style("bold", "\nNext:"))
  log.command(("  %s  # %s"):format(table.concat(words, " "), meaning))
end

return M
