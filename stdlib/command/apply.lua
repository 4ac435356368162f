--- moonlatch apply SCRIPT: make the changes that plan shows.

local answers = require "cli.answers"
local fail = require "fail"
local profiles = require "profile.current"
local saved_plan = require "workflow.saved_plan"
local session = require "session.open"
local workflow_command = require "cli.workflow_command"

local function apply_steps(invocation, run_steps, more)
  answers.record_answers(invocation, session.journal())
  local result, status = run_steps("apply", more)
  workflow_command.print_result(result)
  workflow_command.print_next(invocation, result)
  return status
end

-- Load the script of a saved plan, with the plan's arguments.
local function load_planned_script(options, plan, path)
  if #options.rest > 0 or options.renew or options.old_now then
    fail.raise { kind = "usage", what = "apply " .. path, why = "a saved plan has its arguments with it",
      fix = "Leave out all other arguments, --renew and --old-now." }
  end
  options.script = plan.script
  local invocation = workflow_command.load(options, "apply")
  invocation.args = plan.args
  for name in pairs(invocation.declaration.args or {}) do invocation.given[name] = true end
  return invocation
end

-- Make the changes of a saved plan, without a question: who named the file has read the plan.
local function apply_saved_plan(options)
  local path = options.script
  local plan = saved_plan.read(path)
  local invocation = load_planned_script(options, plan, path)
  return workflow_command.run(invocation, false, function(run_steps)
    saved_plan.check_origin(plan, path, profiles.current().tenant, invocation.text)
    local now, status = run_steps "plan"
    if now.failure then
      workflow_command.print_result(now)
      return status
    end
    saved_plan.check_unchanged(plan, path, now)
    return apply_steps(invocation, run_steps, { agreed = plan.changes })
  end)
end

local function run_apply_command(options)
  if saved_plan.is_path(options.script) then return apply_saved_plan(options) end
  local invocation = workflow_command.load(options, "apply")
  workflow_command.require_consent(options, "apply " .. options.script)
  return workflow_command.run(invocation, false, function(run_steps)
    if options.yes then return apply_steps(invocation, run_steps) end
    answers.ask_for_missing(invocation)
    local agreement, status = workflow_command.agree(run_steps "plan", "Apply")
    return agreement and apply_steps(invocation, run_steps, agreement) or status
  end)
end

---@type cli.command
return {
  summary = "make the changes that plan shows, after asking",
  details = "On a terminal it asks what a person has to decide. The answers also count for plan, verify and later\n"
    .. "applies. It is safe to stop with Ctrl-C and to run again: it goes on where it stopped. Exit status: 0\n"
    .. "when all is done, 1 when something failed or waits for a person. When a secret leaked: --renew\n"
    .. "--old-now makes a new secret, and removes the old secret as soon as the new one is in use. Without\n"
    .. "--old-now, the old secret works until its grace period is over.\n"
    .. "A plan that `plan --out FILE.plan` saved is applied as it is, without a question; when the tenant has changed\n"
    .. "since, nothing is changed. A plan that was shown on a terminal is kept to in the same way.",
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
    "moonlatch apply contoso.plan                    # what `moonlatch plan setup/… --out contoso.plan` saved",
    "moonlatch apply setup/entra-pam-provider --renew --old-now     # the client secret leaked",
  },
  help = workflow_command.help "apply",

  run = run_apply_command,
}
