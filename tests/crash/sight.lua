--- What is there now, seen from the clouds' side: what is ours, and beside it what
--- is others'.

local json = require "host.json"

local M = {}

M.NAME = "Devolutions PAM"
M.MARKER = "ml:%x+:%x+"

local TAG = "moonlatch-setup-entra-pam-provider"

---@class crash.sight
---@field applications table[] of our name
---@field principals table[]
---@field grants table[]
---@field roles table[]
---@field deleted table[] applications in the bin
---@field entries string[] that carry our tag
---@field probes string[]
---@field rows table<string, table> the journal's client secrets by marker
---@field permissions table<string, string> Graph's, by id

local function each(list, holds)
  local found = {}
  for _, item in ipairs(list) do
    if holds(item) then found[#found + 1] = item end
  end
  return found
end

local function with(texts, tag)
  return each(texts, function(text) return text:find('"' .. tag .. '"', 1, true) ~= nil end)
end

local function read_rows(point)
  local rows = {}
  for _, row in ipairs(json.decode(point:must(0, { "journal", "list", "--json" }).out)) do
    if row.kind == "client secret" then rows[row.name] = row end
  end
  return rows
end

local function is_ours(thing) return thing.displayName == M.NAME end

local function read_granted(point, found)
  local principal = found.principals[1]
  if not principal then return end
  local grants, roles = table.unpack(point.cloud:graph_all {
    "/servicePrincipals/" .. principal.id .. "/appRoleAssignments",
    "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'" .. principal.id .. "'",
  })
  found.grants, found.roles = grants.value, roles.value
end

--- All of it.
---@param point crash.point
---@return crash.sight
function M.read(point)
  local cloud = point.cloud
  cloud:open_server()
  local found, entries = { grants = {}, roles = {}, rows = read_rows(point) }, cloud:entries()
  local applications, principals, deleted, graph = table.unpack(cloud:graph_all {
    "/applications?$top=999", "/servicePrincipals?$top=999", "/directory/deletedItems/microsoft.graph.application",
    "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=appRoles",
  })
  found.applications, found.principals = each(applications.value, is_ours), each(principals.value, is_ours)
  found.deleted, found.permissions = deleted.value, {}
  for _, role in ipairs(graph.appRoles) do found.permissions[role.id] = role.value end
  found.entries, found.probes = with(entries, TAG), with(entries, "moonlatch-probe")
  read_granted(point, found)
  return found
end

--- Our entry.
---@param point crash.point
---@return string?
function M.entry(point) return with(point.cloud:entries(), TAG)[1] end

---------------------------------------------------------------------------
-- What is nobody's business here

local FOREIGN = [[{"name":"Payroll","path":"","type":"Credential","subType":"Default","description":"",
  "tags":["payroll"],"data":{"domain":"","username":"payroll","password":"correct horse"}}]]

--- All of what is others', as texts to be compared.
---@param point crash.point
---@param app table as the emulator made it
---@return string[]
function M.foreign(point, app)
  local texts = {}
  for i, value in ipairs(point.cloud:graph_all {
    "/applications(appId='" .. app.appId .. "')", "/servicePrincipals(appId='" .. app.appId .. "')",
    "/servicePrincipals/" .. app.principal .. "/appRoleAssignments",
    "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'" .. app.principal .. "'",
  }) do texts[i] = json.encode(value) end
  for _, text in ipairs(point.cloud:entries()) do
    if not text:find('"moonlatch', 1, true) then texts[#texts + 1] = text end
  end
  return texts
end

local function add_app(point, name)
  return point.cloud:control("/tenant", { ["do"] = "add_app", with = { {
    name = name, permissions = { "User.Read.All" }, roles = { "Directory Readers" }, days = 3650,
  } } }).result
end

--- Put things of others beside ours.
---@param point crash.point
---@return table foreign
function M.furnish(point)
  local app = add_app(point, "Payroll")
  point.cloud:open_server()
  point.cloud:add_entry(FOREIGN)
  return { app = app, texts = M.foreign(point, app) }
end

--- Have an application of our name be there before us, with a permission, a role and a secret.
---@param point crash.point
---@return string client_id
function M.legacy(point) return add_app(point, M.NAME).appId end

return M
