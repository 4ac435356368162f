--- moonlatch plan SCRIPT: show what apply would change, or for a policy what rotate would change.

local job = require "cli.workflow_command"
local log = require "log"
local output = require "log.output"
local profile = require "profile.current"
local report = require "report"
local session = require "session.open"
local work = require "cli.command_task"

-- What of the programs that a script may run a reader of its `needs` should know.
local function say_remarks(needs)
  for _, remark in ipairs(require("program.run").remarks(profile.current(), needs.run)) do log.warn(remark) end
end

-- Who is due by a policy, and why.
local function plan_policy(options)
  local rotate = require "rotate.policies"
  local loaded = rotate.load { options.script }
  local open <close> = session.start(options, {
    needs = loaded.needs, scripts = loaded.scripts, reading = true,
  })
  local surroundings = { journal = open.journal, profile = open.profile, rights = open.rights }
  local all, status = work.run(rotate.plan, loaded.policies, surroundings)
  output.done()
  if log.json() then report.json(rotate.json(all, status)) else log.say(rotate.plan_text(all)) end
  for _, script in ipairs(loaded.scripts) do say_remarks(script.needs) end
  return status
end

---@type cli.command
return {
  summary = "show what apply would change; changes nothing",
  details = "Exit status: 0 when there is nothing to do, 3 when there is.",
  usage = job.usage,
  arguments = job.arguments,
  script = "named",
  examples = {
    "moonlatch plan setup/entra-pam-provider --emulator",
    "moonlatch plan setup/entra-pam-provider --name 'PAM provider' --no-jit-elevation",
    "moonlatch plan setup/entra-pam-provider --help      # the script's own arguments",
    "moonlatch plan policies/tier0-users                 # who is due, and why",
  },
  help = job.help "plan",

  run = function(options)
    if require("script.load").load(options.script).policy then return plan_policy(options) end
    local loaded = job.load(options, "plan")
    return job.run(loaded, true, function(go)
      local result, status = go "plan"
      job.show(result)
      say_remarks(loaded.declaration.needs)
      return status
    end)
  end,
}
