--- Create and delete users (Microsoft Learn: user-post-users, user-delete, 2026).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local head = require "emulator.graph.head"
local json = require "json"
local query = require "emulator.query"
local schema = require "emulator.schema"
local time = require "time"
local users = require "emulator.graph.users"

local M = {}

local REQUIRED = { "accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName" }
local ROLES = { "Global Administrator", "User Administrator" }

local function check(ctx, body)
  local refusal = schema.refusal("user", body)
  if refusal then answer.bad("%s", refusal) end
  for _, name in ipairs(REQUIRED) do
    if body[name] == nil or body[name] == json.null or body[name] == "" then
      answer.bad("A value is required for property '%s' of resource 'User'.", name)
    end
  end
  users.check_name(ctx, body.userPrincipalName)
end

local function create(ctx)
  access.need_role(ctx, ROLES)
  local body = ctx.body
  check(ctx, body)
  local row, now = { userType = "Member" }, time.iso(ctx:now())
  for name, value in pairs(body) do
    if name ~= "passwordProfile" then row[name] = value end
  end
  row.id, row.createdDateTime, row.lastPasswordChangeDateTime = directory.new_id(ctx.tenant), now, now
  row.identities = json.array { {
    signInType = "userPrincipalName", issuer = ctx.tenant.domain, issuerAssignedId = row.userPrincipalName,
  } }
  for name, value in pairs(users.password(ctx, row, body.passwordProfile)) do row[name] = value end
  ctx.tenant.users:put(row.id, row)
  local _, shown = query.entity(ctx, "user", row)
  return 201, shown, head.created(ctx, "User", row.id)
end

--- The roles decide whom an admin may delete, as for other sensitive changes (Microsoft Learn:
--- privileged-roles-permissions).
local function delete(ctx, key)
  local user = users.find(ctx, key)
  local reaches, ordinary = access.outranks(ctx, "sensitive", user)
  if not reaches and (access.is_person(ctx) or not ordinary) then answer.denied() end
  if access.restricted(ctx, user.id) then answer.denied() end
  ctx.tenant:bury("user", user)
  return 204
end

M.routes = { ["POST /users"] = create, ["DELETE /users/{id}"] = delete }

return M
