--- Check that the application that is signed in still has the rights to change what a policy rotates. Checked before
--- each run, so that no rotation begins that cannot be ended. Permissions to read are not checked, because Entra
--- refuses a read before anything was changed. The rights of a person are not checked: Entra decides call by call.

local fail = require "fail"
local graph = require "graph"
local hint = require "log.hint"
local required = require "graph.required"
local sets = require "base.sets"
local task = require "task"

local M = {}

local PASSWORD = { "PATCH", "/users/{id}", { "passwordProfile" } }
local SESSIONS = { "POST", "/users/{id}/revokeSignInSessions" }
local SECRETS = { "POST", "/applications/{id}/addPassword" }
local ALL = { "Application.ReadWrite.All", "Directory.ReadWrite.All" }

-- The permission that is missing for a call; nil when none is.
local function missing_permission(token, call)
  for _, row in ipairs(required.rows(table.unpack(call))) do
    if not required.covers(token, row.application) then return table.concat(row.application[1], " and ") end
  end
end

-- The permission that is missing for a policy of users; nil when none is. An application that holds a directory role
-- may be able to set passwords without the permission: Microsoft's pages contradict each other.
local function missing_permission_for_users(terms, tenant, token)
  local missing = missing_permission(token, PASSWORD)
  if missing and not next(tenant.role_ids) then return missing .. ", and it holds no directory role" end
  return terms.after.revoke_sessions and missing_permission(token, SESSIONS) or nil
end

--- Raise a failure when the application that is signed in lacks rights that the policy needs. Waits.
---@param terms policy.terms
---@param tenant rotation.tenant
function M.check(terms, tenant)
  local me = tenant.me
  if me.kind == "user" then return end
  local token = sets.of(me.roles)
  local missing
  if terms.target == "users" then missing = missing_permission_for_users(terms, tenant, token)
  else missing = missing_permission(token, SECRETS) end
  if not missing then return end
  fail.raise {
    kind = "denied", what = ("begin %s as %s"):format(terms.name, me.name),
    why = "its token carries no " .. missing,
    fix = hint.text("Give the rights back: {moonlatch} apply setup/rotator --policies %s. To see which are missing: "
      .. "{moonlatch} verify setup/rotator --policies %s", terms.name, terms.name),
  }
end

local LAG = 6 -- seconds after which a read is not that of a replica that lacks a new owner

-- Does one read of the owners show us among them?
local function is_listed_owner(application, me)
  local owners, denied = fail.catch("denied", graph.all, graph.path("/applications/{id}/owners", application.id), {
    select = { "id" }, what = ("read who owns '%s'"):format(application.displayName),
  })
  if denied then return true end -- unknown: Entra refuses the change when it is tried, and nothing is lost
  for _, owner in ipairs(owners) do
    if owner.id == me.oid then return true end
  end
  return false
end

-- Two reads, because a single one may come from before we were made an owner.
local function is_owner(application, me)
  if is_listed_owner(application, me) then return true end
  task.sleep(LAG)
  return is_listed_owner(application, me)
end

--- Why the application that is signed in may not change this application: it may change only applications that it owns.
--- Nil when it may. Waits.
---@param application entra.owned_application
---@param me oauth.principal
---@return string?
function M.why_not_changeable(application, me)
  if me.kind == "user" then return nil end
  local token = sets.of(me.roles)
  for _, name in ipairs(ALL) do
    if token[name] then return nil end
  end
  if is_owner(application, me) then return nil end
  return hint.text("%s does not own it, and may change only what it owns: `{moonlatch} apply setup/rotator` makes it "
    .. "an owner", me.name)
end

return M
