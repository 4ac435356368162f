--- An emulated tenant with a clock that the test moves, asked without a server.

package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local batch = require "emulator.graph.batch"
local graph = require "emulator.graph"
local tenant = require "emulator.tenant"

local M = {}

--- The delegated scopes the whole setup asks for.
M.SCOPES = "Application.ReadWrite.All AppRoleAssignment.ReadWrite.All RoleManagement.ReadWrite.Directory User.Read.All "
  .. "Group.Read.All Policy.Read.All Organization.Read.All AdministrativeUnit.Read.All"

local World = {}
World.__index = World

--- A tenant at a fixed moment; options as tenant.new takes them.
function M.new(options)
  local world = setmetatable({ time = 1795000000 }, World)
  options = options or {}
  options.now = function() return world.time end
  world.tenant = tenant.new(options)
  return world
end

--- Let seconds pass; by default enough for every change to be seen.
function World:wait(seconds)
  self.time = self.time + (seconds or 120)
end

--- The claims of a token: of a person by short name, or of what add_app returned.
function World:claims(who, more)
  local claims
  if type(who) == "table" then
    claims = { oid = who.principal, appid = who.appId, idtyp = "app", roles = self.tenant:app_roles(who.principal),
      wids = self.tenant:directory_roles(who.principal) }
  else
    local id = self.tenant.ids[who]
    claims = { oid = id, appid = tenant.CLI_APP, idtyp = "user", scp = M.SCOPES,
      wids = self.tenant:directory_roles(id) }
  end
  for name, value in pairs(more or {}) do
    claims[name] = value
  end
  return claims
end

--- Ask Graph: status, body, headers. `headers` with lower-case names. A target may begin with /beta.
function World:ask(who, method, target, body, headers)
  local path, query = target:match("^([^?]*)%??(.*)$")
  headers = headers or {}
  local claims = who and (type(who) == "table" and who.oid and who or self:claims(who))
  local status, answered, content = graph.handle(self.tenant, {
    method = method, path = path:find("^/beta/") and path or "/v1.0" .. path, query = batch.options(query),
    header = function(name) return headers[name:lower()] end,
    body = body, base = "https://127.0.0.1:4711", stale = self.stale, refusal = self.refusal,
  }, claims)
  return status, content, answered
end

--- Register an application with its service principal, both visible.
function World:set_up(who)
  local _, application = self:ask(who, "PATCH", "/applications(uniqueName='ours')",
    { displayName = "Ours", signInAudience = "AzureADMyOrg" }, { prefer = "create-if-missing" })
  self:wait(5)
  local _, principal = self:ask(who, "POST", "/servicePrincipals", { appId = application.appId })
  self:wait(5)
  return application, principal
end

--- Hold an answer against a refusal.
function M.refused(status, code, message, got, body)
  local refusal = body and body.error or {}
  if got == status and refusal.code == code and refusal.message == message then return end
  error(("expected %s %s: %s\ngot %s %s: %s"):format(status, code, message, got, refusal.code, refusal.message), 2)
end

--- The id of a Graph application permission.
function World:permission(name)
  for id, value in pairs(self.tenant:graph_roles()) do
    if value == name then return id end
  end
end

return M
