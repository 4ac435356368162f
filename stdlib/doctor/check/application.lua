--- Does the application that the setup made exist, and is it unchanged?

local application = require "entra.application"
local deleted = require "entra.deleted"
local hint = require "log.hint"

-- Report that the application is missing, and whether it was deleted or never made.
local function report_application_missing(findings, facts)
  local wanted = application { name = facts.args.name, workflow = facts.workflow }
  local item = deleted.find_by_unique_name(wanted.unique_name)
  if item then
    return findings:broken { id = "missing", evidence = ("the application '%s' was deleted"):format(facts.args.name),
      cause = ("It was deleted on %s, and can be restored for 30 days."):format(deleted.deletion_day(item)),
      fix = "Run " .. facts.setup .. ": it restores it. By hand: Entra admin center > App registrations > Deleted "
        .. "applications > Restore." }
  end
  findings:broken {
    id = "missing",
    evidence = ("there is no application with the uniqueName '%s'"):format(wanted.unique_name),
    cause = "The setup was not applied in this tenant, or under another name, or it was deleted for good.",
    fix = "Make it: " .. facts.setup .. hint.text "; or name the one that is meant: {moonlatch} doctor --client-id ID",
  }
end

---@type doctor.check
return {
  name = "application",
  run = function(findings, facts)
    local found = facts:want "application"
    if not found then return report_application_missing(findings, facts) end
    if found.signInAudience ~= "AzureADMyOrg" then
      findings:warning {
        id = "audience",
        evidence = ("'%s' accepts accounts of other tenants (%s)"):format(found.displayName,
          tostring(found.signInAudience)),
        cause = "It is registered for more than this organisation.",
        fix = "In the Entra admin center: App registrations > the application > Authentication > "
          .. "Accounts in this organizational directory only.",
      }
    end
    findings:ok("the application '%s' is there (client id %s)", found.displayName, found.appId)
  end,
}
