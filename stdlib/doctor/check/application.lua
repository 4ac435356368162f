--- Does the application that the setup made exist, and is it unchanged?

local application = require "entra.application"
local deleted = require "entra.deleted"

-- The application is missing: tell whether it was deleted or never made.
local function tell_missing(record, look)
  local wanted = application { name = look.args.name, workflow = look.workflow }
  local item = deleted.find_by_unique_name(wanted.unique_name)
  if item then
    return record:broken { evidence = ("the application '%s' was deleted"):format(look.args.name),
      cause = ("It was deleted on %s, and can be restored for 30 days."):format(deleted.deletion_day(item)),
      fix = look.setup .. " restores it. By hand: Entra admin center > App registrations > Deleted applications > "
        .. "Restore." }
  end
  record:broken {
    evidence = ("there is no application with the uniqueName '%s'"):format(wanted.unique_name),
    cause = "The setup was not applied in this tenant, or under another name, or it was deleted for good.",
    fix = look.setup .. "; or say which it is, with --name or --client-id.",
  }
end

---@type doctor.check
return {
  name = "application",
  run = function(record, look)
    local found = look:want "application"
    if not found then return tell_missing(record, look) end
    if found.signInAudience ~= "AzureADMyOrg" then
      record:warning {
        evidence = ("'%s' accepts accounts of other tenants (%s)"):format(found.displayName,
          tostring(found.signInAudience)),
        cause = "It is registered for more than this organisation.",
        fix = "In the Entra admin center: App registrations > the application > Authentication > "
          .. "Accounts in this organizational directory only.",
      }
    end
    record:ok("the application '%s' is there (client id %s)", found.displayName, found.appId)
  end,
}
