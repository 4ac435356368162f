--- Who is signed in, and which parts of a job this person or application can do. The answer comes from the roles and
--- permissions in the token, and from roles that are eligible but not activated.

local class = require "base.class"
local fail = require "fail"
local graph = require "graph"
local layout = require "terminal.layout"
local licence = require "entra.licence"
local microsoft_ids = require "base.microsoft_ids"
local oauth = require "oauth.sign_in"
local sets = require "base.sets"
local token_cache = require "oauth.token_cache"

local M = {}

---@class entra.ability
---@field what string
---@field roles string[] any one of them, for a person
---@field scopes string[] any one of them, for a person
---@field permissions string[] any one of them, for an application

--- The abilities that a job may need.
---@type table<string, entra.ability>
M.abilities = {
  applications = {
    what = "register applications and add secrets to them",
    roles = { "Application Administrator", "Cloud Application Administrator", "Global Administrator" },
    scopes = { "Application.ReadWrite.All" },
    permissions = { "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy" },
  },
  consent = {
    what = "grant admin consent to application permissions of Microsoft Graph",
    roles = { "Privileged Role Administrator", "Global Administrator" },
    scopes = { "AppRoleAssignment.ReadWrite.All" },
    permissions = { "AppRoleAssignment.ReadWrite.All" },
  },
  roles = {
    what = "assign directory roles",
    roles = { "Privileged Role Administrator", "Global Administrator" },
    scopes = { "RoleManagement.ReadWrite.Directory" },
    permissions = { "RoleManagement.ReadWrite.Directory" },
  },
}

---@class entra.admin
---@field principal oauth.principal
---@field eligible table<string, boolean>? template ids of roles that could be activated; nil: not asked
---@field reasons table<string, string> ability -> why not
local Admin = class("entra.admin", { open = { "principal", "may", "why_not", "what" } })

local function first_granted(names, granted, id_of)
  for _, value in ipairs(names) do
    if granted[id_of and id_of[value] or value] then return value end
  end
end

local function why_app_may_not(principal, ability)
  if first_granted(ability.permissions, sets.of(principal.roles)) then return nil end
  return ("the application '%s' that is signed in does not have %s")
    :format(principal.name, layout.list(ability.permissions, "or"))
end

local function why_person_may_not(admin, ability)
  local principal = admin.principal
  if not first_granted(ability.scopes, sets.of(principal.scopes)) then
    return ("the sign-in was not consented to %s"):format(layout.list(ability.scopes, "or"))
  end
  if first_granted(ability.roles, sets.of(principal.wids), microsoft_ids.roles) then return nil end
  local dormant = first_granted(ability.roles, admin.eligible or {}, microsoft_ids.roles)
  if dormant then
    return ("%s is eligible for the role '%s' but has not activated it; that is done under "
      .. "Privileged Identity Management > My roles, and then it takes a new sign-in"):format(principal.name, dormant)
  end
  return ("%s does not hold the role %s"):format(principal.name, layout.list(ability.roles, "or"))
end

local function find_missing_abilities(admin)
  for name, ability in pairs(M.abilities) do
    admin.reasons[name] = admin.principal.kind == "app" and why_app_may_not(admin.principal, ability) or
      admin.principal.kind == "user" and why_person_may_not(admin, ability) or nil
  end
end

--- Has the principal this ability?
---@param ability "applications"|"consent"|"roles"
---@return boolean
function Admin:may(ability) return self.reasons[ability] == nil end

--- Why the principal lacks the ability; nil when the principal has it.
---@param ability string
---@return string?
function Admin:why_not(ability) return self.reasons[ability] end

--- An ability in words.
---@param ability string
---@return string
function Admin.what(ability) return M.abilities[ability].what end

-- The roles that the person could activate; none in a tenant without the licence, or when Entra refuses to tell.
local function read_eligible_roles(user_id)
  local ok, list = pcall(graph.all, "/roleManagement/directory/roleEligibilityScheduleInstances", {
    filter = graph.filter("principalId eq %s", user_id), what = "read which roles could be activated",
  })
  if ok then
    local ids = {}
    for i, instance in ipairs(list) do ids[i] = instance.roleDefinitionId end
    return sets.of(ids)
  end
  if licence.is_missing(list) or fail.is(list, "denied") then return {} end
  error(list, 0)
end

--- Read which roles the person could activate, and say so in the reasons for missing abilities. Waits.
function Admin:check_eligible_roles()
  if self.principal.kind ~= "user" or next(self.reasons) == nil then return end
  self.eligible = read_eligible_roles(self.principal.oid)
  find_missing_abilities(self)
end

--- Raise a failure when the principal that is signed in lacks the ability.
---@param ability string
function Admin:require_ability(ability)
  local why = self.reasons[ability]
  if not why then return end
  fail.raise {
    kind = "denied", what = M.abilities[ability].what, why = why,
    fix = ("Sign in as somebody with the role %s, or have that role assigned and sign in again.")
      :format(layout.list(M.abilities[ability].roles, "or")),
  }
end

local signed_in_profiles = setmetatable({}, { __mode = "k" }) -- profiles with which this process signed in

-- Will signing in now ask a person to do something?
local function sign_in_asks_person(profile)
  return profile.sign_in ~= nil and token_cache.is_personal(profile) and not token_cache.about(profile)
end

-- The scopes that the last sign-in of a run that made changes had. They are on record, so that a person who signs in
-- again is told only of what is new.
local function consented_key(profile) return "consented/" .. (profile.sign_in.client_id or "") end

local function announce_sign_in(run)
  local profile = run.profile
  if signed_in_profiles[profile] or not sign_in_asks_person(profile) then return end
  local kept = run.journal and run.journal:kept(consented_key(profile))
  oauth.announce(profile, kept and kept.scopes)
end

local function record_consented(run, principal)
  if run.journal and run:acting() and principal.kind == "user" then
    run.journal:keep(consented_key(run.profile), { scopes = principal.scopes })
  end
end

--- Sign in, once for all runs in this process, and judge what the principal can do. Waits.
---@param run workflow.Run whose profile says as whom
---@return entra.admin
function M.sign_in(run)
  local profile = run.profile
  announce_sign_in(run)
  local principal = signed_in_profiles[profile] and oauth.principal() or oauth.sign_in(profile)
  signed_in_profiles[profile] = true
  record_consented(run, principal)
  local admin = Admin { principal = principal, reasons = {} }
  find_missing_abilities(admin)
  return admin
end

return M
