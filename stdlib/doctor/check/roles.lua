--- Does the application hold the directory roles that the managed accounts need, and when do they expire?

local microsoft_ids = require "base.microsoft_ids"
local name_list = require "base.name_list"
local reach = require "entra.reach"
local sets = require "base.sets"
local shell_quote = require "base.shell_quote"
local time = require "time"
local who_did = require "doctor.who_did"

local SOON = 14 * 86400
local EITHER = { "Helpdesk Administrator", "Privileged Authentication Administrator" }

-- The scopes of each role: role id -> list of scopes; `whole` is set when one is the whole tenant.
local function scopes_by_role(assignments)
  local by_role = {}
  for _, assignment in ipairs(assignments) do
    local scopes = by_role[assignment.roleDefinitionId] or {}
    scopes[#scopes + 1] = assignment.directoryScopeId
    if assignment.directoryScopeId == "/" then scopes.whole = true end
    by_role[assignment.roleDefinitionId] = scopes
  end
  return by_role
end

local HOW = "In the Entra admin center: Roles and administrators > %s > Add assignments, to the application, in the "
  .. "whole directory; or %s."

-- Who changed the roles of the application last, as a sentence to append.
local function who_changed_roles(facts)
  local principal = facts:want "principal_of_app"
  return principal and who_did(facts, principal.id, function(change) return change.kind == "role" end) or ""
end

local function report_role_missing(findings, facts, name, scopes)
  local apply, managed = facts.setup, facts.args.managed or {}
  if #managed > 0 then apply = ("%s --managed %s"):format(apply, shell_quote(name_list.text(managed))) end
  if scopes then
    return findings:broken {
      id = "role " .. name,
      evidence = ("the role '%s' is held on %s only"):format(name, table.concat(scopes, ", ")),
      cause = "It was assigned on the wrong scope: outside of that it reaches nobody.", fix = HOW:format(name, apply),
    }
  end
  findings:broken { id = "role " .. name, evidence = ("the application does not hold the role '%s'"):format(name),
    cause = "It was never assigned, was taken away, or a temporary assignment (PIM) has expired."
      .. who_changed_roles(facts),
    fix = HOW:format(name, apply) }
end

local function check_needed_roles(findings, facts, needed)
  local by_role, proof, lacking = scopes_by_role(facts:want "role_assignments" or {}), facts:want "proof", false
  -- wids has roles that are held through a group, too
  local in_token = sets.of(proof and proof.claims and proof.claims.wids)
  for _, name in ipairs(needed) do
    local id = microsoft_ids.roles[name]
    if not (by_role[id] and by_role[id].whole) and not in_token[id] then
      lacking = true
      report_role_missing(findings, facts, name, by_role[id])
    end
  end
  if not lacking then findings:ok("the application holds %s", table.concat(needed, ", ")) end
end

-- Report the assignments that expire.
local function report_expiring_assignments(findings, facts)
  local schedules = facts:want "schedules" or {}
  if schedules.unread then
    findings:unknown { id = "schedules unread",
      evidence = "not checked: whether a role assignment expires", cause = schedules.unread.why,
      fix = schedules.unread.fix }
  end
  for _, one in ipairs(schedules) do
    local ends = type(one.endDateTime) == "string" and time.parse(one.endDateTime)
    if ends then
      local name = facts:want("role_names")[one.roleDefinitionId] or one.roleDefinitionId
      local left = ends - time.now()
      local text = ("the role '%s' is assigned for a time, until %s (%s)"):format(name, time.day(ends), time.span(left))
      if left > SOON then findings:ok("%s", text)
      else
        findings:warning { id = "expires " .. one.roleDefinitionId,
          evidence = text, cause = "After that, no account can be reset.",
          fix = "Have it renewed: Entra admin center > Privileged Identity Management > Microsoft Entra roles > "
            .. "Assignments > Extend." }
      end
    end
  end
end

-- Check that the application holds one of the two roles. Without the accounts it is unknown which one is needed.
local function check_either_role(findings, facts)
  local by_role = scopes_by_role(facts:want "role_assignments" or {})
  for _, name in ipairs(EITHER) do
    local scopes = by_role[microsoft_ids.roles[name]]
    if scopes and scopes.whole then
      findings:ok("the application holds %s", name)
      return findings:unknown { id = "accounts not named",
        evidence = "not checked: whether its roles reach the managed accounts",
        cause = "Neither --managed nor the setup's record says which these are." }
    end
  end
  check_needed_roles(findings, facts, { EITHER[1] })
end

---@type doctor.check
return {
  name = "roles",
  run = function(findings, facts)
    if not facts:want "principal_of_app" then
      return findings:unknown { id = "no service principal", evidence = "not checked: there is no service principal" }
    end
    if #facts:want("terms").managed == 0 then check_either_role(findings, facts)
    else check_needed_roles(findings, facts, (reach.roles_for(facts:want "accounts"))) end
    report_expiring_assignments(findings, facts)
  end,
}
