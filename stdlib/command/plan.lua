--- moonlatch plan SCRIPT: what apply would change.

local job = require "cli.job"

---@type cli.command
return {
  summary = "what apply would change, changing nothing",
  details = "Exits with 0 when there is nothing to do and with 3 when there is.",
  usage = job.usage,
  arguments = job.arguments,
  script = "named",
  examples = {
    "moonlatch plan setup/entra-pam-provider --emulator",
    "moonlatch plan setup/entra-pam-provider --name 'PAM provider' --no-jit-elevation",
    "moonlatch plan setup/entra-pam-provider --help      the script's own arguments",
  },
  help = job.help "plan",

  run = function(options)
    return job.run(job.load(options, "plan"), true, function(go)
      local result, status = go "plan"
      job.show(result)
      return status
    end)
  end,
}
