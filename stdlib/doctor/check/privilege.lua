--- Does the application hold rights that PAM does not need, and did earlier jobs leave consents behind?

local microsoft_ids = require "base.microsoft_ids"
local sets = require "base.sets"

local EXPECTED_ROLES = {
  [microsoft_ids.roles["Helpdesk Administrator"]] = true,
  [microsoft_ids.roles["Privileged Authentication Administrator"]] = true,
}

local TAKE_BACK = "In the Entra admin center: Enterprise applications > the application > Permissions > %s > "
  .. "Revoke permission."

local function report_unneeded_permissions(findings, facts)
  local grants, offered = facts:want "grants", facts:want "offered"
  local wanted, named = sets.of(facts:want("terms").permissions), {}
  for value, id in pairs(offered.permissions) do named[id] = value end
  for _, grant in ipairs(grants or {}) do
    local value = named[grant.appRoleId] or grant.appRoleId
    if not wanted[value] then
      findings:warning {
        id = "permission " .. value,
        evidence = ("the application holds the permission %s, which this job does not need"):format(value),
        cause = value == "RoleManagement.ReadWrite.Directory"
          and "It serves just-in-time elevation only, and can make its holder Global Administrator."
          or "It was granted for something else, or for an earlier setup.", fix = TAKE_BACK:format(value) }
    end
  end
end

-- The ids of the roles that are needed. The stronger role is not needed where the weaker one reaches all accounts.
local function needed_roles(facts)
  if #facts:want("terms").managed == 0 then return EXPECTED_ROLES end
  local ids = {}
  local names = require("entra.reach").roles_for(facts:want "accounts")
  for _, name in ipairs(names) do ids[microsoft_ids.roles[name]] = true end
  return ids
end

local function report_unneeded_roles(findings, facts)
  local needed = needed_roles(facts)
  for _, assignment in ipairs(facts:want "role_assignments" or {}) do
    local id = assignment.roleDefinitionId
    if not needed[id] then
      local name = facts:want("role_names")[id] or id
      findings:warning { id = "role " .. id,
        evidence = ("the application holds the role '%s', which this job does not need"):format(name),
        cause = "It was assigned for something else, or the managed accounts changed.",
        fix = ("In the Entra admin center: Roles and administrators > %s > remove the application."):format(name) }
    end
  end
end

local function report_left_consents(findings, facts)
  for _, left in ipairs(facts:want "left_consents") do
    findings:warning { id = "consent", about = left.client,
      evidence = ("'%s' has consent%s to change things: %s"):format(left.client,
        left.for_all and " for everybody" or "", table.concat(left.scopes, " ")),
      cause = "An earlier setup asked for it; any program that signs in through this client may use it.",
      fix = ("If nobody needs it any more: Entra admin center > Enterprise applications > %s > Permissions.")
        :format(left.client) }
  end
end

---@type doctor.check
return {
  name = "privilege",
  run = function(findings, facts)
    report_left_consents(findings, facts)
    if facts:want "principal_of_app" then
      report_unneeded_permissions(findings, facts)
      report_unneeded_roles(findings, facts)
    end
    if #findings == 0 then
      findings:ok "neither the application nor the sign-in client holds more than the job needs"
    end
    if facts:want("terms").elevation and facts:want "principal_of_app" then
      findings:ok("%s is expected, for just-in-time elevation; --no-jit-elevation says it is not",
        facts:want("terms").elevation)
    end
  end,
}
