--- Does the application have a service principal in this tenant, and is its sign-in enabled?

local who_did = require "doctor.who_did"

local NOT_FOUND = 7000229 -- AADSTS number for an application without a service principal

---@type doctor.check
return {
  name = "service principal",
  run = function(findings, facts)
    local found = facts:want "application"
    if not found then return findings:unknown { id = "no application",
      evidence = "not checked: there is no application" } end
    local principal = facts:want "principal_of_app"
    if not principal then
      return findings:broken { id = "missing",
        evidence = ("'%s' has no service principal in this tenant"):format(found.displayName),
        cause = "The enterprise application was deleted.",
        fix = "Run " .. facts.setup .. ": it makes it again, with its grants." }
    end
    if principal.accountEnabled == false then
      return findings:broken { id = "disabled",
        evidence = ("the service principal of '%s' is disabled"):format(found.displayName),
        cause = "Somebody switched off its sign-ins, so no secret of it is accepted."
          .. who_did(facts, principal.id, function(change) return change.kind == "disabled" end),
        fix = "In the Entra admin center: Enterprise applications > the application > Properties > "
          .. "Enabled for users to sign-in: Yes." }
    end
    local tried, proof = pcall(facts.want, facts, "proof") -- where it could not be tried, another check says so
    if tried and proof and proof.failure and proof.failure.code == NOT_FOUND then
      return findings:warning {
        id = "not found at login",
        evidence = ("Graph lists the service principal of '%s', and the login service does not find it (AADSTS%d)")
          :format(found.displayName, NOT_FOUND),
        cause = "It was made or restored a moment ago, and the login service does not know it yet.",
        fix = "Run this again in some minutes. If it stays so, look at it under Enterprise applications." }
    end
    findings:ok("the service principal is there and enabled (%s)", principal.id)
  end,
}
