--- Are the needed permissions declared, consented, and in the application's tokens?

local api_permissions = require "entra.api_permissions"
local sets = require "base.sets"
local who_did = require "doctor.who_did"

local function granted_permission_ids(grants, graph_id)
  local ids = {}
  for _, grant in ipairs(grants) do
    if grant.resourceId == graph_id then ids[grant.appRoleId] = true end
  end
  return ids
end

local function missing_permission_values(wanted, granted)
  local list = {}
  for _, value in ipairs(wanted) do
    if not api_permissions.is_held(granted, value) then list[#list + 1] = value end
  end
  return list
end

-- The permissions in `wanted` that are not in `ids`, themselves or by a stronger permission.
local function missing_permissions(wanted, offered, ids)
  local granted = {}
  for value, id in pairs(offered.permissions) do granted[value] = ids[id] end
  return missing_permission_values(wanted, granted)
end

local CONSENT = "Run %s: it grants it; or in the Entra admin center: App registrations > the application > API "
  .. "permissions > Grant admin consent."

-- Who changed the consent of the application last, as a sentence to append.
local function who_changed_consent(facts)
  local principal = facts:want "principal_of_app"
  return principal and who_did(facts, principal.id, function(change) return change.kind == "consent" end) or ""
end

local function report_missing_consent(findings, facts, absent)
  findings:broken { id = "consent", subjects = absent, evidence = "no admin consent for " .. table.concat(absent, ", "),
    cause = "It was never granted, or somebody took it back." .. who_changed_consent(facts),
    fix = CONSENT:format(facts.setup) }
end

local function report_token_permissions(findings, facts, absent)
  local proof = facts:want "proof"
  if not proof or not proof.accepted then
    return findings:unknown { id = "no token", evidence = "not checked: there is no token to look into" }
  end
  local waiting = {}
  local there = {}
  for _, value in ipairs(absent) do there[value] = true end
  for _, value in ipairs(missing_permission_values(facts:want("terms").permissions, sets.of(proof.claims.roles))) do
    if not there[value] then waiting[#waiting + 1] = value end
  end
  if #waiting > 0 then
    return findings:broken { id = "token", subjects = waiting,
      evidence = ("a token made now does not carry %s, which is consented")
      :format(table.concat(waiting, ", ")), cause = "A new consent takes some minutes to reach the tokens.",
      fix = "Wait some minutes; then have Devolutions sign in again, because a token never changes." }
  end
  if #absent == 0 then findings:ok("a token carries %s", table.concat(facts:want("terms").permissions, ", ")) end
end

---@type doctor.check
return {
  name = "permissions",
  run = function(findings, facts)
    local found = facts:want "application"
    if not found then return findings:no_application() end
    local grants, offered = facts:want "grants", facts:want "offered"
    if not grants then return findings:no_service_principal() end
    local granted = granted_permission_ids(grants, offered.id)
    local absent = missing_permissions(facts:want("terms").permissions, offered, granted)
    if #absent > 0 then report_missing_consent(findings, facts, absent) end
    report_token_permissions(findings, facts, absent)
    local undeclared = missing_permissions(facts:want("terms").permissions, offered, api_permissions.declared(found))
    if #undeclared > 0 then
      findings:warning { id = "declared", subjects = undeclared,
        evidence = "the application does not declare " .. table.concat(undeclared, ", "),
        cause = "Somebody removed it from its API permissions; the next \"Grant admin consent\" would leave it out.",
        fix = "Declare it again: " .. facts.setup }
    end
  end,
}
