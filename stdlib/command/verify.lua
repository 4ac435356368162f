--- moonlatch verify SCRIPT: has anything drifted?

local job = require "cli.workflow_command"

---@type cli.command
return {
  summary = "whether everything is still as it was applied",
  details = "Exits with 0 when it is and with 3 when something has drifted or waits for a person, and with\n"
    .. "1 when what it is for does not work: Devolutions has a client secret that ended, say.",
  usage = job.usage,
  arguments = job.arguments,
  script = "named",
  examples = { "moonlatch verify setup/entra-pam-provider", "moonlatch verify setup/entra-pam-provider --json" },
  help = job.help "verify",

  run = function(options)
    return job.run(job.load(options, "verify"), true, function(go)
      local result, status = go "verify"
      job.show(result)
      return status
    end)
  end,
}
