--- moonlatch destroy SCRIPT: remove what apply made, and only that.

local fail = require "fail"
local hint = require "log.hint"
local session = require "session.open"
local workflow_command = require "cli.workflow_command"

-- Raise "usage" unless --confirm names the profile of a real tenant.
local function require_profile_name(options)
  local profile = session.current().profile
  if profile.kind == "emulator" or options.confirm == profile.name then return end
  fail.raise {
    kind = "usage", what = "destroy " .. options.script,
    why = options.confirm and ("--confirm says '%s', the profile is '%s'"):format(options.confirm, profile.name)
      or "the profile is of a real tenant, and --confirm is missing",
    fix = hint.text("If you mean this tenant: {moonlatch} destroy %s --confirm %s", options.script, profile.name),
  }
end

---@type cli.command
return {
  summary = "remove what apply made, and nothing else, after asking",
  details = "What is not proven to be ours is listed, and stays. A real tenant also needs --confirm PROFILE. A\n"
    .. "deleted application can be restored for 30 days, and the next apply does that. With --purge the\n"
    .. "application and its credentials are gone for good. While something in Devolutions waits for a person to\n"
    .. "remove it, the exit status is 1; `moonlatch handover` keeps the list.",
  usage = workflow_command.usage,
  arguments = workflow_command.arguments,
  options = {
    { name = "--confirm", value = "PROFILE", help = "name of the profile; needed in a real tenant" },
    { name = "--purge", help = "delete the application for good, also one that was deleted within the last 30 days" },
  },
  script = "named",
  examples = {
    "moonlatch destroy setup/entra-pam-provider --confirm contoso",
    "moonlatch destroy setup/entra-pam-provider --confirm contoso --purge     # gone for good",
  },
  help = workflow_command.help "destroy",

  run = function(options)
    local invocation = workflow_command.load(options, "destroy")
    invocation.args.purge = options.purge -- the script declares the calls for it under `needs.when.purge`
    workflow_command.require_consent(options, "destroy " .. options.script, false)
    return workflow_command.run(invocation, false, function(run_steps)
      require_profile_name(options)
      local agreement, declined
      if not options.yes then
        agreement, declined = workflow_command.agree(run_steps("destroy", { dry = true }), "Remove", false)
        if not agreement then return declined end
      end
      local result, status = run_steps("destroy", { dry = false, agreed = agreement and agreement.agreed })
      workflow_command.print_result(result)
      return status
    end)
  end,
}
