--- moonlatch logout: remove a stored sign-in, and print what stays valid.

local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local profiles = require "profile.current"
local report = require "report"
local sealed_file = require "profile.sealed_file"
local token_cache = require "oauth.token_cache"

local STILL_VALID = [[
What stays valid:
  - access tokens that were issued, until they expire, usually after 60 to 90 minutes: they cannot be revoked
  - the refresh token, if there is a copy of it elsewhere, until it was not used for 90 days
  - sign-ins in browsers and on other machines, and the consent that was given to the sign-in client
To end all sign-ins of %s: Entra admin center > Users > (the person) > Revoke sessions. It takes minutes.]]

local function refuse_logout_of_emulator()
  fail.raise {
    kind = "usage", what = "moonlatch logout --emulator", why = "a private emulator keeps nothing: it has ended",
    fix = hint.text("Nothing has to be done. For an emulator that keeps running: {moonlatch} logout --config FILE, "
      .. "with the file that it printed."),
  }
end

-- Remove the sealed secrets of the profile. Returns the names of their files.
local function remove_sealed_secrets(profile)
  local removed = {}
  local devolutions, certificate = profile.devolutions or {}, profile.sign_in.certificate or {}
  for _, from in ipairs { profile.sign_in.secret or {}, certificate.passphrase or {}, devolutions.app_secret or {} } do
    if from.from == "sealed" and sealed_file.has(profile, from.name) then
      sealed_file.remove(profile, from.name)
      removed[#removed + 1] = from.name
    end
  end
  return removed
end

local function print_signed_out(about, secrets, path)
  for _, name in ipairs(secrets) do
    log.prose(("the %s is forgotten. It stays valid where it was made."):format(name))
  end
  if about then
    log.prose(("signed out: the sign-in of %s is forgotten (%s)"):format(about.name, path))
    log.prose(STILL_VALID:format(about.name))
  elseif #secrets == 0 then
    log.prose "Nothing was kept, so there is nothing to forget."
  end
end

local function run_logout_command(options)
  if options.emulator then refuse_logout_of_emulator() end
  local profile = profiles.load { config = options.config, name = options.profile }
  local path, about = token_cache.path(profile), token_cache.forget(profile)
  local secrets = options.secrets and remove_sealed_secrets(profile) or {}
  profiles.use(nil)
  if log.json() then
    report.json { forgotten = about and about.name or nil, secrets = require("host.json").array(secrets) }
  else
    print_signed_out(about, secrets, path)
  end
  return 0
end

---@type cli.command
return {
  summary = "forget the stored sign-in, and say what stays valid at Entra",
  options = { { name = "--secrets", help = "forget the sealed secrets of the profile too" } },
  examples = { "moonlatch logout", "moonlatch logout --profile contoso --secrets" },

  run = run_logout_command,
}
