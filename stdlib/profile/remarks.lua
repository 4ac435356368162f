--- Remarks on a profile whose secrets could be kept more safely. `doctor` and `whoami` print these remarks.

local secret = require "host.secret"

local M = {}

---@class profile.remark
---@field what string
---@field why string the consequence for the secret
---@field fix string

local UNLOCKED = {
  what = "the memory for secrets could not be locked",
  why = "The system may write it to swap: the limit for locked memory is too low.",
  fix = "Let this user lock 2 MiB or more (`ulimit -l`; LimitMEMLOCK= in a service's unit), or use encrypted swap.",
}

-- The sources of the profile's secrets, each with the name of the secret.
local function secret_sources(profile)
  local sign_in, devolutions = profile.sign_in or {}, profile.devolutions or {}
  return {
    { "the client secret", sign_in.secret }, { "Devolutions Server's application secret", devolutions.app_secret },
    { "the passphrase of the certificate", sign_in.certificate and sign_in.certificate.passphrase },
    { "the proxy's password", profile.proxy and profile.proxy.password },
  }
end

--- The remarks on the profile, and on this process once it has used a secret.
---@param profile profile
---@return profile.remark[]
function M.of(profile)
  local list = {}
  if secret.heap() == "unlocked" then list[1] = UNLOCKED end
  for _, entry in ipairs(secret_sources(profile)) do
    local what, source = entry[1], entry[2]
    if source and source.from == "environment" then
      list[#list + 1] = {
        what = what .. " comes from the environment",
        why = "Every process of the same user can read it until Moonlatch has read it.",
        fix = 'Use from = "credentials_directory" in a service, else "sealed" or "keyring".',
      }
    end
  end
  if not profile.key then
    list[#list + 1] = {
      what = "the profile names no key",
      why = "Nothing can be kept: no journal, no sign-in, no sealed secret.",
      fix = 'Add key = { from = "keyring" }, "file", "credentials_directory" or "passphrase".',
    }
  end
  return list
end

return M
