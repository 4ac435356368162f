--- Does the application have a service principal in this tenant, and is its sign-in enabled?

---@type doctor.check
return {
  name = "service principal",
  run = function(findings, facts)
    local found = facts:want "application"
    if not found then return findings:unknown { evidence = "not checked: there is no application" } end
    local principal = facts:want "principal_of_app"
    if not principal then
      return findings:broken { evidence = ("'%s' has no service principal in this tenant"):format(found.displayName),
        cause = "The enterprise application was deleted.", fix = facts.setup .. " makes it again, with its grants." }
    end
    if principal.accountEnabled == false then
      return findings:broken { evidence = ("the service principal of '%s' is disabled"):format(found.displayName),
        cause = "Somebody switched off its sign-ins, so no secret of it is accepted.",
        fix = "In the Entra admin center: Enterprise applications > the application > Properties > "
          .. "Enabled for users to sign-in: Yes." }
    end
    findings:ok("the service principal is there and enabled (%s)", principal.id)
  end,
}
