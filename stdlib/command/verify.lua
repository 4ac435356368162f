--- moonlatch verify SCRIPT: check that everything is as apply left it.

local workflow_command = require "cli.workflow_command"

local function run_verify_command(options)
  local invocation = workflow_command.load(options, "verify")
  return workflow_command.run(invocation, true, function(run_steps)
    local result, status = run_steps "verify"
    workflow_command.print_result(result)
    workflow_command.print_next(invocation, result)
    return status
  end)
end

---@type cli.command
return {
  summary = "check that everything is as apply left it",
  details = "Exit status: 0 when everything is; 3 when something has drifted, waits for a person, or could not be\n"
    .. "looked at; 1 when the purpose of the job fails: the client secret in Devolutions has expired, for\n"
    .. "example.",
  usage = workflow_command.usage,
  arguments = workflow_command.arguments,
  script = "named",
  examples = { "moonlatch verify setup/entra-pam-provider", "moonlatch verify setup/entra-pam-provider --json" },
  help = workflow_command.help "verify",

  run = run_verify_command,
}
