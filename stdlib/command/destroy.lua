--- moonlatch destroy SCRIPT: remove what apply made, and only that.

local fail = require "fail"
local job = require "cli.workflow_command"
local log = require "log"
local session = require "session.open"

-- A real tenant's things go only when its profile is named once more.
local function require_name(options)
  local profile = session.current().profile
  if profile.kind == "emulator" or options.confirm == profile.name then return end
  fail.raise {
    kind = "usage", what = "destroy " .. options.script,
    why = options.confirm and ("--confirm says '%s', the profile is '%s'"):format(options.confirm, profile.name)
      or "this is a real tenant",
    fix = ("Say --confirm %s when that is meant."):format(profile.name),
  }
end

-- Show what would go and ask. True when it may go on; else the exit status.
local function agreed(go)
  local result = go("destroy", { dry = true })
  job.show(result, false)
  if result.failure then return false, 1 end
  if result.changes.delete == 0 then return false, 0 end
  if job.ask("Remove this?") then return true end
  log.say("Nothing was changed.")
  return false, 1
end

---@type cli.command
return {
  summary = "remove what apply made, and nothing else, after asking",
  details = "What cannot be proven to be ours is listed and left alone. A real tenant also needs --confirm PROFILE.\n"
    .. "An application can be restored for 30 days, which the next apply does; with --purge it is gone for good, and "
    .. "so\nare its credentials.",
  usage = job.usage,
  arguments = job.arguments,
  options = {
    { name = "--confirm", value = "PROFILE", help = "the profile's name, to destroy in a real tenant" },
    { name = "--purge", help = "delete the application for good, also one that was deleted in the last 30 days" },
  },
  script = "named",
  examples = {
    "moonlatch destroy setup/entra-pam-provider --confirm contoso",
    "moonlatch destroy setup/entra-pam-provider --confirm contoso --purge     # gone for good",
  },
  help = job.help "destroy",

  run = function(options)
    local made = job.load(options, "destroy")
    made.args.purge = options.purge -- what it takes is declared under that name
    job.require_consent(options, "destroy " .. options.script)
    return job.run(made, false, function(go)
      require_name(options)
      if not options.yes then
        local yes, status = agreed(go)
        if not yes then return status end
      end
      local result, status = go("destroy", { dry = false })
      job.show(result)
      return status
    end)
  end,
}
