--- moonlatch plan SCRIPT: show what apply would change, or for a policy what rotate would change.

local command_task = require "cli.command_task"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local output = require "log.output"
local profiles = require "profile.current"
local report = require "report"
local saved_plan = require "workflow.saved_plan"
local script = require "script.load"
local session = require "session.open"
local workflow_command = require "cli.workflow_command"

-- Warn of the shells and interpreters that a script may run.
local function print_shell_warnings(needs)
  for _, remark in ipairs(require("program.run").shell_warnings(profiles.current(), needs.run)) do log.warn(remark) end
end

-- Plan a policy: print which accounts or applications are due, and why.
local function plan_policy(options)
  local rotate_policies = require "rotate.policies"
  local args = script.arguments(script.load(options.script), options.rest)
  local invocation = rotate_policies.load({ options.script }, args.evidence)
  local open <close> = session.start(options, {
    needs = invocation.needs, scripts = invocation.scripts, reading = true,
  })
  local surroundings = { journal = open.journal, profile = open.profile, rights = open.rights }
  local all, status = command_task.run(function()
    local found, outcome = rotate_policies.plan(invocation.policies, surroundings)
    rotate_policies.explain_stops(found, surroundings)
    return found, outcome
  end)
  output.end_progress()
  if log.json() then report.json(rotate_policies.json(all, status)) else log.prose(rotate_policies.plan_text(all)) end
  for _, policy in ipairs(invocation.scripts) do print_shell_warnings(policy.needs) end
  return status
end

local function save_plan(options, invocation, result)
  if result.failure then return end
  saved_plan.write(options.out, { tenant = profiles.current().tenant, script = options.script, text = invocation.text,
    args = invocation.args, result = result })
  log.prose(hint.text("Saved. To make exactly these changes: {moonlatch} apply %s", options.out))
end

local function run_plan_command(options)
  if script.load(options.script).policy then
    if options.out then
      fail.raise { kind = "usage", what = "plan --out", why = "a policy decides when it runs who is due",
        fix = "Leave out --out." }
    end
    return plan_policy(options)
  end
  local invocation = workflow_command.load(options, "plan")
  return workflow_command.run(invocation, true, function(run_steps)
    local result, status = run_steps "plan"
    workflow_command.print_result(result)
    if options.out then save_plan(options, invocation, result) else workflow_command.print_next(invocation, result) end
    print_shell_warnings(invocation.declaration.needs)
    return status
  end)
end

---@type cli.command
return {
  summary = "show what apply would change; changes nothing",
  details = "Exit status: 0 when there is nothing to change, 3 when there is.",
  usage = workflow_command.usage,
  arguments = workflow_command.arguments,
  script = "named",
  options = {
    { name = "--out", value = "FILE", help = "save the plan to a new file NAME.plan, for `moonlatch apply NAME.plan`" },
  },
  examples = {
    "moonlatch plan setup/entra-pam-provider --emulator",
    "moonlatch plan setup/entra-pam-provider --name 'PAM provider' --no-jit-elevation",
    "moonlatch plan setup/entra-pam-provider --help      # the script's own arguments",
    "moonlatch plan setup/entra-pam-provider --out contoso.plan",
    "moonlatch plan policies/tier0-users                 # who is due, and why",
  },
  help = workflow_command.help "plan",

  run = run_plan_command,
}
