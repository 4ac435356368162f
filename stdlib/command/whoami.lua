--- moonlatch whoami: sign in, and show who we are, with which rights, and until when.

local command_task = require "cli.command_task"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local microsoft_ids = require "base.microsoft_ids"
local oauth = require "oauth.sign_in"
local remarks = require "profile.remarks"
local report = require "report"
local session = require "session.open"
local time = require "time"
local token_cache = require "oauth.token_cache"

local function names_or_none(words)
  return #words > 0 and table.concat(words, " ") or "none"
end

local function token_expiry_text(expires)
  local left = expires - time.now()
  return ("%s, in %s"):format(time.iso(expires), time.span(left))
end

local function kept_sign_in_text(profile, stored)
  if not token_cache.is_personal(profile) then return nil end
  if not stored then return hint.text "no: `{moonlatch} login` keeps it" end
  return ("since %s, sealed in %s"):format(stored.since, token_cache.path(profile))
end

local CONSENT = [[

Left behind: %s has consent%s to change the tenant, with
  %s
%s
If nobody needs it any more, take it back:
  Entra admin center > Enterprise applications > %s > Permissions]]

local CONSENT_SCOPES = {
  [true] = { " for everybody", "Whoever signs in as this client may use that, as far as their own roles reach." },
  [false] = { " for you",
    "You may use that, and any program that you sign in to as this client, as far as your roles reach." },
  unknown = { "", "Any program that you sign in to as this client may use that, as far as your roles reach." },
}

local function print_left_behind_consent(consent)
  local who = consent.for_all == nil and CONSENT_SCOPES.unknown or CONSENT_SCOPES[consent.for_all]
  log.prose(CONSENT:format(consent.client, who[1], table.concat(consent.scopes, " "), who[2], consent.client))
end

local function tenant_of_principal(profile, principal)
  if not principal.tenant then return "not said" end
  return principal.tenant == profile.tenant and principal.tenant
    or ("%s (%s)"):format(principal.tenant, profile.tenant)
end

-- The names of the active directory roles. An eligible role that is not activated is not among them.
local function active_role_names(principal)
  local found = {}
  for i, id in ipairs(principal.wids) do found[i] = microsoft_ids.role_name(id) end
  return #found > 0 and table.concat(found, ", ") or "none"
end

-- A person's rights come from scopes and directory roles, an application's from app roles.
local function print_principal_rights(principal)
  if principal.kind == "app" then
    log.prose("  app roles   " .. names_or_none(principal.roles))
  else
    log.prose("  scopes      " .. names_or_none(principal.scopes))
  end
  log.prose("  roles       " .. active_role_names(principal))
end

local function print_principal(profile, principal, found)
  log.prose(("%s (%s)"):format(principal.name, principal.kind == "app" and "application" or "person"))
  log.prose("  tenant      " .. tenant_of_principal(profile, principal))
  log.prose("  object id   " .. (principal.oid or "not said"))
  print_principal_rights(principal)
  log.prose("  token       until " .. token_expiry_text(found.expires))
  local stored = kept_sign_in_text(profile, found.kept)
  if stored then log.prose("  kept        " .. stored) end
  log.prose(("  profile     %s (%s)"):format(profile.name, profile.file))
  for _, consent in ipairs(found.consents) do print_left_behind_consent(consent) end
  for _, remark in ipairs(remarks.of(profile)) do
    log.warn(("%s. %s %s"):format(remark.what, remark.why, remark.fix))
  end
end

local function print_principal_as_json(principal, found)
  for _, name in ipairs { "scopes", "roles", "wids" } do json.array(principal[name]) end
  principal.expires = time.iso(found.expires)
  principal.kept = found.kept and found.kept.since
  principal.left_behind = json.array(found.consents)
  report.json(principal)
end

local function find_left_behind_consents(profile, principal)
  if principal.kind ~= "user" then return {} end
  local client = oauth.claims().app_displayname or principal.appid or "the sign-in client"
  return require("entra.sign_in_client").read_left_consents(principal, client, profile.sign_in.scopes or {})
end

local function sign_in_and_print_principal(profile)
  local principal = oauth.sign_in(profile)
  local about = token_cache.is_personal(profile) and token_cache.about(profile) or nil
  local found = {
    expires = oauth.expires(), kept = about and about.oid == principal.oid and about or nil,
    consents = find_left_behind_consents(profile, principal),
  }
  if log.json() then return print_principal_as_json(principal, found) end
  print_principal(profile, principal, found)
end

local function run_whoami_command(options)
  local open <close> = session.start(options, { owner = "moonlatch whoami", journal = false, mode = "read" })
  command_task.run(sign_in_and_print_principal, open.profile)
  return 0
end

---@type cli.command
return {
  summary = "sign in, and show who we are, with which rights, and until when",
  examples = { "moonlatch whoami", "moonlatch whoami --profile contoso --json" },

  run = run_whoami_command,
}
