--- moonlatch apply SCRIPT: make the changes that plan shows.

local answers = require "cli.answers"
local log = require "log"
local session = require "session.open"
local workflow_command = require "cli.workflow_command"

-- Print the plan, and ask whether to apply it. Returns true; or false and the exit status.
local function ask_to_apply(run_steps)
  local result, status = run_steps "plan"
  workflow_command.print_result(result)
  if result.failure or status == 0 then return false, status end
  if workflow_command.ask_yes_or_no("Apply this?") then return true end
  log.say("Nothing was changed.")
  return false, 1
end

local function run_apply_command(options)
  local invocation = workflow_command.load(options, "apply")
  workflow_command.require_consent(options, "apply " .. options.script)
  return workflow_command.run(invocation, false, function(run_steps)
    if not options.yes then
      answers.ask_for_missing(invocation)
      local yes, status = ask_to_apply(run_steps)
      if not yes then return status end
    end
    answers.record_answers(invocation, session.journal())
    local result, status = run_steps "apply"
    workflow_command.print_result(result)
    return status
  end)
end

---@type cli.command
return {
  summary = "make the changes that plan shows, after asking",
  details = "On a terminal it asks what a person has to decide. The answers also count for plan, verify and later\n"
    .. "applies. It is safe to stop with Ctrl-C and to run again: it goes on where it stopped. Exit status: 0\n"
    .. "when all is done, 1 when something failed or waits for a person. When a secret leaked: --renew\n"
    .. "--old-now makes a new secret, and removes the old secret as soon as the new one is in use. Without\n"
    .. "--old-now, the old secret works until its grace period is over.",
  usage = workflow_command.usage,
  arguments = workflow_command.arguments,
  script = "named",
  options = {
    { name = "--renew", help = "make a new client secret or certificate now, whatever the dates say" },
    { name = "--old-now", help = "remove the old secret or certificate as soon as the new one is in use" },
  },
  examples = {
    "moonlatch apply setup/entra-pam-provider --emulator",
    "moonlatch apply setup/entra-pam-provider --yes --json",
    "moonlatch apply setup/entra-pam-provider --renew --old-now     # the client secret leaked",
  },
  help = workflow_command.help "apply",

  run = run_apply_command,
}
