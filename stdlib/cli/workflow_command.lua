--- What plan, apply, verify and destroy share: a script of steps, its arguments,
--- a session, a run, and what is said of it.

local answers = require "cli.answers"
local copies = require "script.copies"
local fail = require "fail"
local http = require "http.client"
local log = require "log"
local output = require "log.output"
local report = require "report"
local report_failure = require "report.failure"
local scheduler = require "task.scheduler"
local script = require "script.load"
local session = require "session.open"
local term = require "host.term"

local M = {}

---@type { name: string, help: string }[]
M.arguments = { { name = "script", help = "name or path of the script: setup/entra-pam-provider, ./mine.lua" } }
M.usage = "SCRIPT [--name value …] [options]"

---@class cli.job
---@field declaration script.declaration
---@field args table
---@field given table<string, boolean> arguments that were said, or are on record
---@field options table

--- A copy that needs more than the bundled script of its name has to be accepted once. What
--- only reads shows the difference and goes on; a private emulator needs no such care.
---@param declaration script.declaration
---@param found script.found
---@param options table of the command line
---@param reading boolean?
function M.check_growth(declaration, found, options, reading)
  if found.origin == "bundled" or options.emulator then return end
  local growth = require "script.growth"
  if reading then return growth.show(declaration, found) end
  growth.check(declaration, found, not options.yes and M.is_interactive() and M.ask or nil)
end

--- Load the script and read its arguments; nothing is asked of anybody yet.
---@param options table of the command line
---@param command string
---@return cli.job
function M.load(options, command)
  local declaration, found = script.load(options.script)
  copies.tell(found)
  M.check_growth(declaration, found, options, command == "plan" or command == "verify")
  if declaration.steps then
    local args, given = script.arguments(declaration, options.rest)
    return { declaration = declaration, options = options, args = args, given = given,
      owner = script.describe(found) }
  end
  fail.raise {
    kind = "usage", what = ("%s %s"):format(command, options.script), why = "it has no steps",
    fix = ("moonlatch %s %s"):format(declaration.policy and "rotate" or "run", options.script),
  }
end

--- Help for the script when one is named, else nil.
---@param command string
---@return fun(options: table): string?
function M.help(command)
  return function(options)
    if not options.script then return nil end
    local declaration, found = script.load(options.script)
    return script.help(declaration, found, command)
  end
end

--- Can a person be asked something?
---@return boolean
function M.is_interactive()
  return term.is_terminal("in") and term.is_terminal("err") and not log.json()
end

--- Without a person to ask, changes need --yes.
---@param options table
---@param command string as it was given, without the program's name
---@param has_plan boolean? false: `plan` shows nothing of it
function M.require_consent(options, command, has_plan)
  if options.yes or M.is_interactive() then return end
  fail.raise {
    kind = "usage", what = command, why = "there is no terminal on which to ask before changes",
    fix = (has_plan == false and "" or "moonlatch plan shows what would change; ")
      .. ("moonlatch %s --yes does it."):format(command),
  }
end

--- Ask a question that only "y" or "yes" answers with yes.
---@param question string
---@return boolean
function M.ask(question)
  output.end_progress()
  local answer = term.read_line(question .. " [y/N] ")
  return answer ~= nil and (answer:lower() == "y" or answer:lower() == "yes")
end

--- Open the job's session and run `fn(go)` in a task; `go(mode, more)` goes through
--- the steps once and returns result and exit status.
---@param job cli.job
---@param reading boolean nothing may be changed
---@param fn fun(go: function): integer
---@return integer exit status
function M.run(job, reading, fn)
  local open <close> = session.start(job.options, {
    owner = job.owner, needs = script.needs(job.declaration, job.args), reading = reading,
  })
  answers.recall(job, open.journal)
  local options = { journal = open.journal, profile = open.profile }
  options.renew, options.old_now = job.options.renew and "asked for with --renew" or nil, job.options.old_now
  options.interactive = not job.options.yes and M.is_interactive()
  local function go(mode, more)
    for name, value in pairs(more or {}) do options[name] = value end
    return require("workflow.run").run(job.declaration, mode, job.args, options)
  end
  return scheduler.run(http.poll, fn, go)
end

-- What it took: the requests so far, and how many of them each needed the answer before.
local function json_of(result)
  local document = require("workflow.print").json(result)
  document.requests, document.chain = http.request_count(), http.longest_chain()
  return document
end

--- Say what came of it. With --json only the last result counts.
---@param result workflow.result
---@param last boolean?
function M.show(result, last)
  output.end_progress()
  if log.json() then
    if last ~= false then report.json(json_of(result)) end
  else
    log.prose(require("workflow.print").text(result, log.quiet()))
  end
  if result.failure then log.error(report_failure.text(result.failure)) end
end

return M
