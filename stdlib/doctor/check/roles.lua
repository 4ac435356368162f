--- The directory roles of the application, compared with what the managed accounts need.

local microsoft_ids = require "base.microsoft_ids"
local reach = require "entra.reach"
local sets = require "base.sets"
local time = require "time"

local SOON = 14 * 86400
local EITHER = { "Helpdesk Administrator", "Privileged Authentication Administrator" }

-- Where each role is held: role id -> scope -> true.
local function scopes_of(held)
  local by_role = {}
  for _, assignment in ipairs(held) do
    local scopes = by_role[assignment.roleDefinitionId] or {}
    scopes[#scopes + 1] = assignment.directoryScopeId
    if assignment.directoryScopeId == "/" then scopes.whole = true end
    by_role[assignment.roleDefinitionId] = scopes
  end
  return by_role
end

-- A role held through a group shows in a token.
local HOW = "In the Entra admin center: Roles and administrators > %s > Add assignments, to the application, in the "
  .. "whole directory; or %s."

local function tell_missing(record, look, name, scopes)
  local apply, managed = look.setup, look.args.managed or {}
  if #managed > 0 then apply = ("%s --managed '%s'"):format(apply, table.concat(managed, ",")) end
  if scopes then
    return record:broken {
      evidence = ("the role '%s' is held on %s only"):format(name, table.concat(scopes, ", ")),
      cause = "It was assigned on the wrong scope: outside of that it reaches nobody.", fix = HOW:format(name, apply),
    }
  end
  record:broken { evidence = ("the application does not hold the role '%s'"):format(name),
    cause = "It was never assigned, was taken away, or a temporary assignment (PIM) has expired.",
    fix = HOW:format(name, apply) }
end

local function check_needed(record, look, needed)
  local by_role, proof, lacking = scopes_of(look:want "held" or {}), look:want "proof", false
  local in_token = sets.of(proof and proof.claims and proof.claims.wids)
  for _, name in ipairs(needed) do
    local id = microsoft_ids.roles[name]
    if not (by_role[id] and by_role[id].whole) and not in_token[id] then
      lacking = true
      tell_missing(record, look, name, by_role[id])
    end
  end
  if not lacking then record:ok("the application holds %s", table.concat(needed, ", ")) end
end

-- Report assignments that expire and that no other assignment follows.
local function check_ends(record, look)
  local schedules = look:want "schedules" or {}
  if schedules.unread then
    record:unknown { evidence = "not checked: whether a role assignment expires", cause = schedules.unread.why,
      fix = schedules.unread.fix }
  end
  for _, one in ipairs(schedules) do
    local ends = type(one.endDateTime) == "string" and time.parse(one.endDateTime)
    if ends then
      local name = look:want("role_names")[one.roleDefinitionId] or one.roleDefinitionId
      local left = ends - time.now()
      local text = ("the role '%s' is assigned for a time, until %s (%s)"):format(name, time.day(ends), time.span(left))
      if left > SOON then record:ok("%s", text)
      else
        record:warning { evidence = text, cause = "After that, no account can be reset.",
          fix = "Have it renewed: Entra admin center > Privileged Identity Management > Microsoft Entra roles > "
            .. "Assignments > Extend." }
      end
    end
  end
end

-- Without the accounts it is unknown which of the two roles is needed: either one passes.
local function without_accounts(record, look)
  local by_role = scopes_of(look:want "held" or {})
  for _, name in ipairs(EITHER) do
    local scopes = by_role[microsoft_ids.roles[name]]
    if scopes and scopes.whole then
      record:ok("the application holds %s", name)
      return record:unknown { evidence = "not checked: whether its roles reach the managed accounts",
        cause = "Neither --managed nor the setup's record says which these are." }
    end
  end
  check_needed(record, look, { EITHER[1] })
end

---@type doctor.check
return {
  name = "roles",
  run = function(record, look)
    if not look:want "principal_of_app" then
      return record:unknown { evidence = "not checked: there is no service principal" }
    end
    if #look:want("terms").managed == 0 then without_accounts(record, look)
    else check_needed(record, look, (reach.roles_for(look:want "accounts"))) end
    check_ends(record, look)
  end,
}
