--- moonlatch plan SCRIPT: show what apply would change, or for a policy what rotate would change.

local command_task = require "cli.command_task"
local log = require "log"
local output = require "log.output"
local profiles = require "profile.current"
local report = require "report"
local session = require "session.open"
local workflow_command = require "cli.workflow_command"

-- What of the programs that a script may run a reader of its `needs` should know.
local function say_remarks(needs)
  for _, remark in ipairs(require("program.run").shell_warnings(profiles.current(), needs.run)) do log.warn(remark) end
end

-- Who is due by a policy, and why.
local function plan_policy(options)
  local rotate_policies = require "rotate.policies"
  local loaded = rotate_policies.load { options.script }
  local open <close> = session.start(options, {
    needs = loaded.needs, scripts = loaded.scripts, reading = true,
  })
  local surroundings = { journal = open.journal, profile = open.profile, rights = open.rights }
  local all, status = command_task.run(rotate_policies.plan, loaded.policies, surroundings)
  output.end_progress()
  if log.json() then report.json(rotate_policies.json(all, status)) else log.say(rotate_policies.plan_text(all)) end
  for _, script in ipairs(loaded.scripts) do say_remarks(script.needs) end
  return status
end

---@type cli.command
return {
  summary = "show what apply would change; changes nothing",
  details = "Exit status: 0 when there is nothing to do, 3 when there is.",
  usage = workflow_command.usage,
  arguments = workflow_command.arguments,
  script = "named",
  examples = {
    "moonlatch plan setup/entra-pam-provider --emulator",
    "moonlatch plan setup/entra-pam-provider --name 'PAM provider' --no-jit-elevation",
    "moonlatch plan setup/entra-pam-provider --help      # the script's own arguments",
    "moonlatch plan policies/tier0-users                 # who is due, and why",
  },
  help = workflow_command.help "plan",

  run = function(options)
    if require("script.load").load(options.script).policy then return plan_policy(options) end
    local loaded = workflow_command.load(options, "plan")
    return workflow_command.run(loaded, true, function(go)
      local result, status = go "plan"
      workflow_command.show(result)
      say_remarks(loaded.declaration.needs)
      return status
    end)
  end,
}
