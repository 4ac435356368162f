--- What the tenant's application management policies allow: client secrets and certificates at all, and for how long.

local class = require "base.class"
local fail = require "fail"
local graph = require "graph"
local time = require "time"

---@class entra.credential_policy
---@field forbidden boolean are new secrets refused?
---@field longest number? seconds a secret may live; nil for no limit
---@field longest_key number? seconds a certificate may live; nil for no limit
---@field authority boolean must a certificate be of an authority the tenant trusts?
---@field says string which policy limits client secrets, in words
---@field says_of_keys string? which policy limits certificates, in words
---@field checked boolean could it be read?
local CredentialPolicy = class "entra.credential_policy"

local M = {}

-- The parts of a date in an ISO 8601 duration, in days; years and months as Entra counts them.
local DATE_PART = { Y = 365, M = 30, W = 7, D = 1 }
local TIME_PART = { H = 3600, M = 60, S = 1 }

--- The seconds of an ISO 8601 duration ("P90D", "P1Y", "PT12H", "P4DT12H30M5S"); nil for any other text.
---@param text string
---@return number?
function M.seconds(text)
  local date, clock = tostring(text):match("^P([%dYMWD]*)T?([%dHMS.]*)$")
  if not date or (date == "" and clock == "") then return nil end
  local seconds = 0
  for count, part in date:gmatch("(%d+)(%a)") do seconds = seconds + count * DATE_PART[part] * 86400 end
  for count, part in clock:gmatch("([%d.]+)(%a)") do seconds = seconds + count * TIME_PART[part] end
  return math.tointeger(seconds) or seconds
end

-- Does the restriction apply? It may apply only to applications created after a date.
local function restriction_applies(restriction, created)
  if restriction.state == "disabled" then return false end
  local from = restriction.restrictForAppsCreatedAfterDateTime
  return type(from) ~= "string" or created >= time.parse(from)
end

local function shorter_lifetime(restriction, longest)
  local seconds = M.seconds(restriction.maxLifetime)
  return seconds and seconds < (longest or math.huge) and seconds or nil
end

-- Restriction type -> a function that returns the fields of the policy that the restriction changes.
local EFFECTS = {}

function EFFECTS.passwordAddition() return { forbidden = true } end
function EFFECTS.passwordLifetime(policy, restriction)
  return { longest = shorter_lifetime(restriction, policy.longest) }
end
function EFFECTS.asymmetricKeyLifetime(policy, restriction)
  return { longest_key = shorter_lifetime(restriction, policy.longest_key) }
end
function EFFECTS.trustedCertificateAuthority() return { authority = true } end

local function apply_restrictions(policy, restrictions, created, says)
  for _, kind in ipairs { "passwordCredentials", "keyCredentials" } do
    for _, restriction in ipairs(restrictions[kind] or {}) do
      local rule = restriction_applies(restriction, created) and EFFECTS[restriction.restrictionType]
      for name, value in pairs(rule and rule(policy, restriction) or {}) do
        policy[name] = value
        if kind == "passwordCredentials" then policy.says = says else policy.says_of_keys = says end
      end
    end
  end
end

local function new_credential_policy(default)
  return CredentialPolicy {
    forbidden = false, checked = default ~= nil, default = default, says = "no policy limits client secrets",
  }
end

local function apply_default_policy(policy, created)
  local default = policy.default
  local restrictions = default and default.isEnabled and default.applicationRestrictions
  if not restrictions then return policy end
  apply_restrictions(policy, restrictions, created, "the tenant's default application management policy")
  return policy
end

--- Read the tenant's policy, as it applies to applications created now. Waits.
---@return entra.credential_policy
function M.read()
  -- Reading policies needs a permission of its own. Without it the policy stays unchecked.
  local default = fail.catch("denied", function()
    return graph.get("/policies/defaultAppManagementPolicy", { what = "read the tenant's policy for client secrets" })
  end)
  return apply_default_policy(new_credential_policy(default), time.now())
end

--- The policy for one application: a policy assigned to the application replaces the tenant's. Waits.
---@param application table
---@return entra.credential_policy
function CredentialPolicy:of(application)
  local own = fail.catch("denied", function()
    return graph.first(graph.path("/applications/{id}/appManagementPolicies", application.id), {
      what = "read the policies of " .. tostring(application.displayName),
    })
  end)
  local created = application.createdDateTime and time.parse(application.createdDateTime) or time.now()
  local policy = new_credential_policy(self.default)
  if not own or own.isEnabled == false or not own.restrictions then return apply_default_policy(policy, created) end
  apply_restrictions(policy, own.restrictions, created,
    ("the policy '%s' of this application"):format(tostring(own.displayName)))
  return policy
end

local function raise_policy_refusal(why, fix, what)
  fail.raise { kind = "refused", what = what or "plan the client secret", why = why, fix = fix }
end

--- The lifetime of a new client secret, in seconds: `wanted`, or the shorter of the default and the tenant's maximum.
---@param wanted number? seconds
---@param default number? seconds (180 days)
---@return number seconds
function CredentialPolicy:lifetime(wanted, default)
  if self.forbidden then
    raise_policy_refusal(self.says .. " forbids client secrets",
      "Have this application exempted (Entra admin center > Enterprise applications > Application policies), "
        .. "then run the same command again.")
  end
  if not wanted then return math.min(default or 180 * 86400, self.longest or math.huge) end
  if self.longest and wanted > self.longest then
    raise_policy_refusal(("a lifetime of %s was asked for; %s allows %s")
      :format(time.span(wanted), self.says, time.span(self.longest)),
      ("Add --lifetime %dd to the command, or write lifetime = \"%dd\" in the policy.")
        :format(self.longest // 86400, self.longest // 86400))
  end
  return wanted
end

--- The lifetime of a new self-signed certificate, in seconds: `wanted`, or the shorter of a year and the tenant's
--- maximum.
---@param wanted number? seconds
---@return number seconds
function CredentialPolicy:key_lifetime(wanted)
  local what = "plan the certificate"
  if self.authority then
    raise_policy_refusal(self.says_of_keys .. " demands certificates of an authority the tenant trusts, and this "
      .. "certificate is self-signed",
      "Have this application exempted (Entra admin center > Enterprise applications > Application policies); or have a "
        .. "certificate issued, and name it in sign_in of the profile.", what)
  end
  if not wanted then return math.min(365 * 86400, self.longest_key or math.huge) end
  if self.longest_key and wanted > self.longest_key then
    raise_policy_refusal(("a lifetime of %s was asked for; %s allows %s")
      :format(time.span(wanted), self.says_of_keys, time.span(self.longest_key)),
      ("Add --lifetime %dd to the command, or write lifetime = \"%dd\" in the policy.")
        :format(self.longest_key // 86400, self.longest_key // 86400), what)
  end
  return wanted
end

return M
