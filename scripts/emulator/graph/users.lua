--- /me and /users (Microsoft Learn: user-list, user-get, user-update, 2026-07).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local directory = require "emulator.tenant.directory"
local groups = require "emulator.graph.groups"
local json = require "json"
local query = require "emulator.query"
local schema = require "emulator.schema"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

local BASIC = {} -- the properties that User.ReadBasic.All shows (Microsoft Learn: permissions reference)
for name in ("displayName givenName id mail photo securityIdentifier surname userPrincipalName"):gmatch("%S+") do
  BASIC[name] = true
end

-- Members that are computed from the row when they are asked for.
local DRESS = {
  isManagementRestricted = function(ctx, row) return directory.is_restricted(ctx.tenant, row.id, ctx.at) end,
  -- the flags are shown, the password never
  passwordProfile = function(_, row)
    return {
      password = json.null,
      forceChangePasswordNextSignIn = row._force or false,
      forceChangePasswordNextSignInWithMfa = row._force_mfa or false,
    }
  end,
}

local function dressed(ctx)
  local Dressed = {}
  function Dressed.__index(shown, name)
    local make = DRESS[name]
    if make then return make(ctx, shown._row) end
    return shown._row[name]
  end
  return function(row) return setmetatable({ _row = row }, Dressed) end
end

local function objects_of(ctx, ids)
  local list = json.array {}
  for i, id in ipairs(ids) do
    if i > 20 then break end -- $expand gives at most 20 and no next page (query-parameters)
    local row, type_name = directory.object(ctx.tenant, id, ctx.at)
    list[i] = query.object(ctx, type_name, row)
  end
  return list
end

local function manager_row(ctx, user)
  return user._manager and ctx.tenant.users:get(user._manager, ctx.at)
end

local function source(ctx)
  return query.source(ctx.tenant.users, {
    dress = dressed(ctx),
    expand = {
      manager = function(row)
        local found = manager_row(ctx, row)
        return found and query.object(ctx, "user", found) or nil
      end,
      memberOf = function(row) return objects_of(ctx, directory.memberships(ctx.tenant, row.id, ctx.at, false)) end,
      transitiveMemberOf = function(row)
        return objects_of(ctx, directory.memberships(ctx.tenant, row.id, ctx.at, true))
      end,
    },
  })
end

--- With only User.ReadBasic.All, a query for other properties is refused.
local function check_basic(ctx)
  local permissions = access.permissions(ctx)
  for _, name in ipairs { "User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All" } do
    if permissions[name] then return end
  end
  if ctx.call == "GET /me" then return end
  for name in (ctx.request.query["$select"] or ""):gmatch("[^,%s]+") do
    if not BASIC[name] then answer.denied() end
  end
  ctx.request.query["$select"] = ctx.request.query["$select"]
    or "displayName,givenName,id,mail,surname,userPrincipalName"
end

--- The user of a path segment: object id or user principal name.
---@param ctx emulator.context
---@param key string
---@return table
function M.find(ctx, key)
  local row = type(key) == "string" and ctx.tenant.users:get(key:lower(), ctx.at)
  if row then return row end
  local wanted = tostring(key):lower()
  for _, user in ctx.tenant.users:scan(ctx.at, 1, { "userPrincipalName", key }) do
    if user.userPrincipalName:lower() == wanted then return user end
  end
  answer.missing(key)
end

local function list(ctx)
  check_basic(ctx)
  return query.list(ctx, "user", source(ctx))
end

local function count(ctx)
  return query.count(ctx, "user", source(ctx))
end

local function get(ctx, key)
  check_basic(ctx)
  return query.entity(ctx, "user", M.find(ctx, key), source(ctx))
end

--- The person who calls. Refuses an application.
---@param ctx emulator.context
---@return table
function M.me(ctx)
  if not access.is_person(ctx) then
    answer.bad("/me request is only valid with delegated authentication flow.")
  end
  return M.find(ctx, ctx.caller.oid)
end

local function me(ctx)
  return get(ctx, M.me(ctx).id)
end

---------------------------------------------------------------------------
-- PATCH

local WEAK = "The specified password does not comply with password complexity requirements. "
  .. "Please provide a different password."

--- 8 to 256 characters from three of four classes (Microsoft Learn: concept-sspr-policy, 2025-05).
local function check_password(user, value)
  local strong = not (user.passwordPolicies or ""):find("DisableStrongPassword")
  local size = #value
  if size < 8 or size > 256 or strong and secret.classes(value) < 3 then answer.bad(WEAK) end
end

--- Refuse to set the password of a user whose password is kept elsewhere.
local function check_mastered(ctx, user)
  if user.onPremisesSyncEnabled == true and ctx.tenant.flags.synced_reset == "refuse" then
    answer.bad("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects "
      .. "currently undergoing migration.")
  end
  if user.userType == "Guest" then -- an assumption: Microsoft's pages only say that it cannot be done
    answer.bad("Unable to update the password of an external user.")
  end
end

--- The changes to a user's row that a passwordProfile makes; refuses a weak password.
---@param ctx emulator.context
---@param user table
---@param profile table
---@return table
function M.password(ctx, user, profile)
  local changes = {
    _force = profile.forceChangePasswordNextSignIn,
    _force_mfa = profile.forceChangePasswordNextSignInWithMfa,
  }
  if profile.password == nil or profile.password == json.null then return changes end
  if not secret.is(profile.password) then
    answer.bad("Invalid value specified for property 'password' of resource 'User'.")
  end
  check_mastered(ctx, user)
  check_password(user, profile.password)
  changes._password = profile.password
  changes.lastPasswordChangeDateTime = time.iso(ctx:now())
  return changes
end

local function need_sensitive(ctx, user)
  access.need(ctx, "PATCH /users/{id}#accountenabled")
  local reaches, ordinary = access.outranks(ctx, "sensitive", user)
  if not reaches and (access.is_person(ctx) or not ordinary) then answer.denied() end
end

--- Each kind of property needs its own permission (Microsoft Learn: user-update, 2026-07-04).
local function check_update(ctx, user, body)
  local others = false
  for name in pairs(body) do
    if name ~= "passwordProfile" and name ~= "accountEnabled" and not name:find("@", 1, true) then others = true end
  end
  if body.passwordProfile ~= nil and not access.may_reset(ctx, user) then
    ctx.tenant:record_refused_reset(user)
    answer.denied()
  end
  if body.accountEnabled ~= nil then need_sensitive(ctx, user) end
  if others then access.need(ctx, "PATCH /users/{id}") end
end

local function is_taken(ctx, name, own)
  for _, user in ctx.tenant.users:scan(math.huge, 1, { "userPrincipalName", name }) do
    if user.userPrincipalName:lower() == name:lower() and user.id ~= own then return true end
  end
  return false
end

--- Refuse a user principal name that is in none of our domains, or another user's.
---@param ctx emulator.context
---@param name string
---@param own string? id of the user who gets the name
function M.check_name(ctx, name, own)
  local domain = name:match "^[^@%s]+@([^@%s]+)$"
  if not domain then answer.bad("Property userPrincipalName is invalid.") end
  if domain:lower() ~= ctx.tenant.domain then
    answer.bad("The domain portion of the userPrincipalName property is invalid. You must use one of the verified "
      .. "domain names in your organization.")
  end
  if is_taken(ctx, name, own) then answer.same_value "userPrincipalName" end
end

local function update(ctx, key)
  local user = M.find(ctx, key)
  if not ctx.tenant.users:newest(user.id) then answer.missing(key) end -- deleted, and still shown
  check_update(ctx, user, ctx.body)
  local refusal = schema.refusal("user", ctx.body)
  if refusal then answer.bad("%s", refusal) end
  local new_name = ctx.body.userPrincipalName
  if schema.is_given(new_name) then M.check_name(ctx, new_name, user.id) end
  local changes = {}
  for name, value in pairs(ctx.body) do
    if name ~= "passwordProfile" then changes[name] = value end
  end
  if type(ctx.body.passwordProfile) == "table" then
    for name, value in pairs(M.password(ctx, user, ctx.body.passwordProfile)) do
      changes[name] = value
    end
  end
  if changes.userPrincipalName then ctx.tenant:remember_name(user) end
  ctx.tenant.users:change(user.id, changes)
  return 204
end

---------------------------------------------------------------------------

---------------------------------------------------------------------------
-- The manager, and how a user signs in

local function manager(find)
  return function(ctx, key)
    local row = manager_row(ctx, find(ctx, key))
    if not row then answer.missing "manager" end
    local body = query.object(ctx, "user", row)
    body["@odata.context"] = ctx:context("directoryObjects/$entity")
    return 200, body
  end
end

local function set_manager(ctx, key)
  local user, id = M.find(ctx, key), groups.reference(ctx)
  ctx.tenant.users:change(user.id, { _manager = id })
  return 204
end

local function remove_manager(ctx, key)
  local user = M.find(ctx, key)
  if not user._manager then answer.missing "manager" end
  ctx.tenant.users:change(user.id, { _manager = false })
  return 204
end

local function reports(ctx, key)
  local user, ids = M.find(ctx, key), {}
  for _, row in ctx.tenant.users:scan(ctx.at) do
    if row._manager == user.id then ids[#ids + 1] = row.id end
  end
  return applications.list_objects(ctx, ids)
end

local PASSWORD_METHOD = "28c10230-6103-485e-b985-444c60001490" -- the same in each tenant (passwordAuthenticationMethod)

-- Here everybody signs in by password only; a guest's password is in another tenant.
local function methods(find)
  return function(ctx, key)
    local user, rows = find(ctx, key), {}
    if user.userType ~= "Guest" then
      rows[1] = { _type = "passwordAuthenticationMethod", id = PASSWORD_METHOD,
        createdDateTime = user.lastPasswordChangeDateTime }
    end
    ctx.collection = ("users('%s')/authentication/methods"):format(user.id)
    return query.list(ctx, "passwordAuthenticationMethod", query.rows(rows, { mixed = true, single_page = true }))
  end
end

--- The documentation says 204; the service answers 200 with a value (microsoft-graph-docs: known issues). No context
--- URL: the schema has none for this call.
local function revoke(ctx, key)
  local user = M.find(ctx, key)
  ctx.tenant.users:change(user.id, { signInSessionsValidFromDateTime = time.iso(ctx:now()) })
  return 200, { value = true }
end

query.dress("user", dressed)

M.routes = {
  ["GET /me/manager"] = manager(M.me),
  ["GET /users/{id}/manager"] = manager(M.find),
  ["PUT /users/{id}/manager/$ref"] = set_manager,
  ["DELETE /users/{id}/manager/$ref"] = remove_manager,
  ["GET /users/{id}/directReports"] = reports,
  ["GET /me/authentication/methods"] = methods(M.me),
  ["GET /users/{id}/authentication/methods"] = methods(M.find),
  ["GET /me"] = me,
  ["GET /users"] = list,
  ["GET /users/$count"] = count,
  ["GET /users/{id}"] = get,
  ["PATCH /users/{id}"] = update,
  ["POST /users/{id}/revokeSignInSessions"] = revoke,
}

return M
