--- Find out why Graph refused a call. Graph gives one answer ("Insufficient privileges") for a permission that the
--- application does not ask for, a permission without consent, a permission that this token lacks, a missing directory
--- role, a target whose roles are stronger than ours, and a target in a restricted unit. This module reads from the
--- tenant which of these applies. When that may not be read, the failure says so.

local call = require "graph.call"
local fail = require "fail"
local granted = require "permissions.granted"
local graph = require "graph"
local log = require "log"
local reach = require "entra.reach"
local required = require "graph.required"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local sets = require "base.sets"
local task = require "task"

local M = {}

local LONGEST_DIAGNOSIS = 20 -- seconds for all requests together

---@class denied.reason
---@field cause string
---@field fix string
---@field permissions string[]? that are missing

-- Join names with commas: "User.Read.All, Group.Read.All"; "none" for no names.
local function join_permissions(list)
  return #list > 0 and table.concat(list, ", ") or "none"
end

---------------------------------------------------------------------------
-- The permission

-- The missing permissions of the least alternative, and the row of the call that needs them; nil when none is missing.
local function missing_permissions(holder, rows)
  for _, row in ipairs(rows) do
    local least = row[holder.kind][1]
    if least and not required.covers(holder.token, row[holder.kind]) then
      local missing = {}
      for _, name in ipairs(least) do
        if not holder.token[name] then missing[#missing + 1] = name end
      end
      return missing, row
    end
    if not least then return {}, row end
  end
end

local IMPOSSIBLE = {
  application = { cause = "an application cannot do this by itself, with no permission",
    fix = "Run this as a person: sign_in = { method = \"device_code\" } in a profile." },
  delegated = { cause = "a person cannot do this, with no permission",
    fix = "Run this with a profile of an application." },
}

local function not_in_token_reason(missing)
  return {
    cause = ("%s is granted, but not in this token, which was issued before the grant")
      :format(join_permissions(missing)),
    fix = "Sign in again some minutes after the grant: a new token has the permission.",
  }
end

local function no_consent_reason(holder, missing, requested, why)
  local name = join_permissions(missing)
  if holder.kind == "delegated" then
    return { cause = name .. " was not consented to the client that you signed in with",
      fix = ("Have an administrator consent to %s, or name it in sign_in.scopes of the profile and sign in again.")
        :format(name) }
  elseif requested and required.covers(requested, { missing }) then
    return { cause = "the application asks for " .. name .. ", but nobody has consented to it",
      fix = "Have a Privileged Role Administrator grant admin consent: App registrations > API permissions." }
  elseif requested then
    return { cause = name .. " is not among the permissions that the application asks for",
      fix = ("Add %s to its API permissions, and have admin consent granted."):format(name) }
  end
  return { cause = ("%s is not granted to the application (whether it is asked for is not known: %s)")
      :format(name, why), fix = ("Grant %s to the application."):format(name) }
end

local function missing_permission_reason(holder, rows)
  local missing, row = missing_permissions(holder, rows)
  if not missing then return nil end
  if #missing == 0 and #row[holder.kind] == 0 then return IMPOSSIBLE[holder.kind] end
  local consented, why = granted.consented(holder)
  if consented and required.covers(consented, { missing }) then return not_in_token_reason(missing) end
  if consented then
    local reason = no_consent_reason(holder, missing, granted.requested(holder))
    reason.permissions = missing
    return reason
  end
  local name = join_permissions(missing)
  return {
    cause = ("%s is not in our token; whether it is granted is not known: %s"):format(name, why),
    fix = ("Grant %s, and consent to it; if it is granted, sign in again."):format(name), permissions = missing,
  }
end

---------------------------------------------------------------------------
-- The target

-- The key of the user in the path: /users/KEY or /users('KEY').
local function user_in_path(path)
  local function decoded(key)
    return (key:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
  end
  local quoted = path:match("^/users%('([^/]+)'%)")
  if quoted then return (decoded(quoted):gsub("''", "'")) end
  local key = path:match("^/users/([^/]+)")
  return key and decoded(key)
end

local function restricted_unit_reason(user)
  return {
    cause = ("%s is in a restricted management administrative unit: only roles scoped to that unit reach it")
      :format(user.userPrincipalName),
    fix = "Have a role assigned that is scoped to that unit, or leave this account out.",
  }
end

local function outranked_reason(user, why, roles)
  return {
    cause = ("%s has stronger roles than we have: %s. Our directory roles: %s")
      :format(user.userPrincipalName, why, join_permissions(roles)),
    fix = "Assign us a role that may reset it, by Microsoft's table: Privileged Authentication Administrator reaches "
      .. "all. Or leave this account out.",
  }
end

-- The reason that lies in the user at whom the call is directed; nil when there is none. The rules about whose password
-- a role may reset apply to passwords only.
local function protected_target_reason(asked, roles)
  local key = user_in_path(asked.path)
  if not key or asked.method == "GET" then return nil end
  local user = graph.get(graph.path("/users/{id}", key), {
    select = { "id", "userPrincipalName", "isManagementRestricted" }, missing = "nil", what = "look at the account",
  })
  if user and user.isManagementRestricted == true then return restricted_unit_reason(user) end
  if not user or not roles or not sets.of(asked.members).passwordProfile then return nil end
  local account = reach.find({ user.userPrincipalName })[1]
  if #account.roles == 0 and not account.group then return nil end
  local verdict, why = reach.judge(account, roles)
  return verdict == "no" and outranked_reason(user, why, roles) or nil
end

---------------------------------------------------------------------------
-- The role

local function missing_role_reason(holder, rows, roles, why)
  local wanted
  for _, row in ipairs(rows) do wanted = wanted or row.roles and #row.roles > 0 and row.roles end
  if holder.kind ~= "delegated" or not wanted then return nil end
  local weakest = wanted[1][1]
  local fix = ("Have %s assigned to you, or sign in as somebody who holds it."):format(weakest)
  if not roles then
    return { cause = ("a directory role may be missing, such as %s; ours are not known: %s"):format(weakest, why),
      fix = fix }
  end
  local mine = sets.of(roles)
  if mine["Global Administrator"] or required.covers(mine, wanted) then return nil end
  return {
    cause = ("a directory role is missing: %s would do. Yours: %s"):format(weakest, join_permissions(roles)), fix = fix,
  }
end

-- Does the call create an application?
local function creates_application(asked)
  return asked.method == "POST" and asked.path == "/applications"
    or asked.method == "PATCH" and asked.path:find "^/applications%(uniqueName=" ~= nil
end

local function owned_applications_reason(asked, holder, rows)
  if not holder.token["Application.ReadWrite.OwnedBy"] or holder.token["Application.ReadWrite.All"] then return nil end
  if creates_application(asked) then
    return { cause = "Application.ReadWrite.OwnedBy, which should let us create applications, does not suffice in some"
      .. " tenants", fix = "Grant Application.ReadWrite.All, or have a person create the application." }
  end
  for _, row in ipairs(rows) do
    if row.application[1] and row.application[1][1] == "Application.ReadWrite.OwnedBy" then
      return { cause = "Application.ReadWrite.OwnedBy reaches only what we own, and this is not among it",
        fix = "Make our service principal an owner of it, or grant Application.ReadWrite.All." }
    end
  end
end

local function unknown_denial_reason(holder, rows, roles)
  local names = {}
  for _, row in ipairs(rows) do
    for _, together in ipairs(row[holder.kind]) do
      if required.covers(holder.token, { together }) then names[#names + 1] = table.concat(together, " and ") end
    end
  end
  return {
    cause = ("our token has the permissions that this needs (%s)%s, so it is unknown why Graph refused it")
      :format(join_permissions(names), roles and ("; our directory roles: " .. join_permissions(roles)) or ""),
    fix = "Check the target: administrators, restricted units and protected actions need more.",
  }
end

-- Find the reason. A call that was refused for a while after we made something, although the token has the permission
-- (`waited`), has a better one already than "we do not own it" or "unknown".
local function find_denial_reason(asked, waited)
  local rows = required.rows(asked.method, asked.path, asked.members)
  if #rows == 0 then return nil end
  local holder = granted.holder_of_token()
  local reason = missing_permission_reason(holder, rows)
  if reason then return reason end
  local roles, why = granted.roles(holder)
  local ok, target = pcall(protected_target_reason, asked, roles)
  if ok and target then return target end
  reason = missing_role_reason(holder, rows, roles, why)
  if reason or waited then return reason end
  return owned_applications_reason(asked, holder, rows) or unknown_denial_reason(holder, rows, roles)
end

-- Codes of refusals that no permission would change.
local OTHER = {
  insufficient_claims = true, Authorization_IdentityNotFound = true,
  Authentication_RequestFromUnsupportedUserRole = true,
}

--- Find out why a call was denied, and write the reason and the fix into the failure. For failures that a person will
--- read. Other errors stay as they are. So does a failure that a script made: only calls that Graph denied are looked
--- at. Waits.
---@param err any
function M.explain(err)
  if not fail.is(err, "denied") or err.status ~= 403 or err.explained or OTHER[err.code] then return end
  err.explained = true
  local made = call.denied_call(err)
  if not made then return end
  local waited = type(err.cause) == "table" and err.cause.lagged ~= nil
  local ok, reason = rights.with(scheduler.require_current(), rights.diagnosis(), pcall, task.within, LONGEST_DIAGNOSIS,
    find_denial_reason, made, waited)
  if not ok then log.detail("could not find out why the call was denied: " .. tostring(reason)) end
  if not ok or not reason then return end
  err.permissions = reason.permissions
  err.why = ("%s. Graph said: %s"):format(reason.cause, err.said or err.why)
  err.fix = reason.fix
end

return M
