--- Rights that the job does not need, and consents that earlier jobs left behind.

local microsoft_ids = require "base.microsoft_ids"
local sets = require "base.sets"

local EXPECTED_ROLES = {
  [microsoft_ids.roles["Helpdesk Administrator"]] = true,
  [microsoft_ids.roles["Privileged Authentication Administrator"]] = true,
}

local TAKE_BACK = "In the Entra admin center: Enterprise applications > the application > Permissions > %s > "
  .. "Revoke permission."

local function check_grants(record, look)
  local grants, offered = look:want "grants", look:want "offered"
  local wanted, named = sets.of(look:want("terms").permissions), {}
  for _, role in ipairs(offered.appRoles) do named[role.id] = role.value end
  for _, grant in ipairs(grants or {}) do
    local value = named[grant.appRoleId] or grant.appRoleId
    if not wanted[value] then
      record:warning {
        evidence = ("the application holds the permission %s, which this job does not need"):format(value),
        cause = value == "RoleManagement.ReadWrite.Directory"
          and "It serves just-in-time elevation only, and can make its holder Global Administrator."
          or "It was granted for something else, or for an earlier setup.", fix = TAKE_BACK:format(value) }
    end
  end
end

-- The roles that are needed. The stronger role is not, where the weaker one reaches all accounts.
local function needed_roles(look)
  if #look:want("terms").managed == 0 then return EXPECTED_ROLES end
  local ids = {}
  local names = require("entra.reach").roles_for(look:want "accounts")
  for _, name in ipairs(names) do ids[microsoft_ids.roles[name]] = true end
  return ids
end

local function check_roles(record, look)
  local needed = needed_roles(look)
  for _, assignment in ipairs(look:want "held" or {}) do
    local id = assignment.roleDefinitionId
    if not needed[id] then
      local name = look:want("role_names")[id] or id
      record:warning { evidence = ("the application holds the role '%s', which this job does not need"):format(name),
        cause = "It was assigned for something else, or the managed accounts changed.",
        fix = ("In the Entra admin center: Roles and administrators > %s > remove the application."):format(name) }
    end
  end
end

local function check_consents(record, look)
  for _, left in ipairs(look:want "left_behind") do
    record:warning { evidence = ("'%s' has consent%s to change things: %s"):format(left.client,
        left.for_all and " for everybody" or "", table.concat(left.scopes, " ")),
      cause = "An earlier setup asked for it; any program that signs in through this client may use it.",
      fix = ("If nobody needs it any more: Entra admin center > Enterprise applications > %s > Permissions.")
        :format(left.client) }
  end
end

---@type doctor.check
return {
  name = "privilege",
  run = function(record, look)
    check_consents(record, look)
    if look:want "principal_of_app" then
      check_grants(record, look)
      check_roles(record, look)
    end
    if #record == 0 then record:ok "neither the application nor the sign-in client holds more than the job needs" end
    if look:want("terms").elevation and look:want "principal_of_app" then
      record:ok("%s is expected, for just-in-time elevation; --no-jit-elevation says it is not",
        look:want("terms").elevation)
    end
  end,
}
