--- Do the tenant's policies allow the lifetimes of the secrets in use?

local inventory = require "rotation.inventory"
local time = require "time"

local EXEMPT = "Have the application exempted (Entra admin center > Enterprise applications > Application policies), "

-- The lifetime of the secret in use, in seconds: from Entra's dates, or as the setup asked for.
local function secret_lifetime(facts)
  local newest = facts:want "view" and facts:want("view").newest
  if not newest then return nil end
  local credential = inventory.find(newest, facts:want("application").passwordCredentials or {})
  local from, to = credential and credential.startDateTime, credential and credential.endDateTime
  if type(from) == "string" and type(to) == "string" then return time.parse(to) - time.parse(from) end
  return newest.body.lifetime
end

---@type doctor.check
return {
  name = "policy",
  run = function(findings, facts)
    local policy = facts:want "policy"
    if not policy.checked then
      return findings:unknown { id = "unread",
        evidence = "not checked: the policies for client secrets could not be read" }
    end
    if policy.forbidden then
      return findings:warning { id = "lifetime", evidence = policy.says .. " forbids new client secrets",
        cause = "The one in use works until it expires; it cannot be renewed.",
        fix = EXEMPT .. "before the secret in use expires." }
    end
    local longest, lifetime = policy.longest, secret_lifetime(facts)
    if longest and facts.args.renew_before and longest <= facts.args.renew_before then
      return findings:warning {
        id = "lifetime",
        evidence = ("%s allows %s, and a secret is renewed %s before it expires")
          :format(policy.says, time.span(longest), time.span(facts.args.renew_before)),
        cause = "A new secret would be due for renewal at once.",
        fix = ("Renew it earlier: %s --renew-before %dd"):format(facts.setup, math.max(1, longest // 86400 // 2)),
      }
    elseif longest and lifetime and lifetime > longest + 86400 then
      return findings:warning {
        id = "lifetime",
        evidence = ("%s allows %s; the secret in use was made for %s")
          :format(policy.says, time.span(longest), time.span(lifetime)),
        cause = "The tenant's policy was shortened since.",
        fix = ("From now on, use a shorter lifetime: %s --lifetime %dd. The secret in use stays valid.")
          :format(facts.setup, longest // 86400),
      }
    end
    findings:ok("%s", longest and ("%s allows %s"):format(policy.says, time.span(longest)) or policy.says)
  end,
}
