--- The permissions that the application declares, those that are consented, and those in its tokens.

local api_permissions = require "entra.api_permissions"
local sets = require "base.sets"

local function granted_ids(grants, graph_id)
  local ids = {}
  for _, grant in ipairs(grants) do
    if grant.resourceId == graph_id then ids[grant.appRoleId] = true end
  end
  return ids
end

local function lacking(wanted, held)
  local list = {}
  for _, value in ipairs(wanted) do
    if not api_permissions.is_held(held, value) then list[#list + 1] = value end
  end
  return list
end

-- The permissions in `wanted` of which neither the id nor that of a stronger one is in `ids`.
local function missing(wanted, offered, ids)
  local held = {}
  for _, role in ipairs(offered.appRoles) do held[role.value] = ids[role.id] end
  return lacking(wanted, held)
end

local CONSENT = "%s grants it; or in the Entra admin center: App registrations > the application > API permissions > "
  .. "Grant admin consent."

local function tell_consent(record, look, absent)
  record:broken { evidence = "no admin consent for " .. table.concat(absent, ", "),
    cause = "It was never granted, or somebody took it back.", fix = CONSENT:format(look.setup) }
end

local function tell_token(record, look, absent)
  local proof = look:want "proof"
  if not proof or not proof.accepted then
    return record:unknown { evidence = "not checked: there is no token to look into" }
  end
  local waiting = {}
  local there = {}
  for _, value in ipairs(absent) do there[value] = true end
  for _, value in ipairs(lacking(look:want("terms").permissions, sets.of(proof.claims.roles))) do
    if not there[value] then waiting[#waiting + 1] = value end
  end
  if #waiting > 0 then
    return record:broken { evidence = ("a token made now does not carry %s, which is consented")
      :format(table.concat(waiting, ", ")), cause = "A new consent takes some minutes to reach the tokens.",
      fix = "Wait some minutes; then have Devolutions sign in again: a token that is there already never changes." }
  end
  if #absent == 0 then record:ok("a token carries %s", table.concat(look:want("terms").permissions, ", ")) end
end

---@type doctor.check
return {
  name = "permissions",
  run = function(record, look)
    local found = look:want "application"
    if not found then return record:unknown { evidence = "not checked: there is no application" } end
    local grants, offered = look:want "grants", look:want "offered"
    if not grants then return record:unknown { evidence = "not checked: there is no service principal" } end
    local absent = missing(look:want("terms").permissions, offered, granted_ids(grants, offered.id))
    if #absent > 0 then tell_consent(record, look, absent) end
    tell_token(record, look, absent)
    local undeclared = missing(look:want("terms").permissions, offered, api_permissions.declared(found))
    if #undeclared > 0 then
      record:warning { evidence = "the application does not declare " .. table.concat(undeclared, ", "),
        cause = "Somebody removed it from its API permissions; the next \"Grant admin consent\" would leave it out.",
        fix = look.setup }
    end
  end,
}
