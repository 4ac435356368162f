--- Does the sign-in of the profile work?

local oauth = require "oauth.sign_in"
local time = require "time"

---@type doctor.check
return {
  name = "sign-in",
  denied = "broken",
  shared = true,
  run = function(findings, facts)
    local principal = facts:want "principal"
    findings:ok("signed in as %s (%s), until %s", principal.name, principal.kind == "app" and "application" or "person",
      time.iso(oauth.expires()))
  end,
}
