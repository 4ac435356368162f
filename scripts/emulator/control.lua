--- The control page of the emulator, below /emulator on the login address: through it a test or a person changes the
--- emulated world. Answers are JSON.

local json = require "json"
local time = require "time"
local vault_check = require "emulator.vault_check"

local M = {}

M.HELP = [[
GET    /emulator                this text
GET    /emulator/requests       what was asked so far: {requests: [...]}; ?after=N only newer ones
DELETE /emulator/requests       forget them
GET    /emulator/held           what the vaults hold, and whether it is in force; no secrets
GET    /emulator/faults         the rules and how often each was used
POST   /emulator/faults         {"rule": "POST /applications/*/addPassword drop-after"}
DELETE /emulator/faults         no more faults
GET    /emulator/clock          {now, offset}
POST   /emulator/clock          {"advance": "30d"}, or seconds; it never goes back
POST   /emulator/lag            {"lag": "1-5"}; "0" for none
POST   /emulator/approve        {"user": "adele"|"none"|"decline", "consent": true}: who signs in from now on;
                                with {"code": "ABCDEFGHJ"} only at that device code
POST   /emulator/tenant         {"do": "disable", "with": ["adele"]}: what another admin would do; see `actions`;
                                with {"as": "priya"} the audits name that person, or the application of a client id
GET    /emulator/cloud          what is in Devolutions Cloud, and which secret its providers hold; no secrets
POST   /emulator/cloud          {"do": "reset_password", "with": ["uma@…"]}: what a person does there; see `actions`
*      /emulator/server         the same for privileged access in Devolutions Server
*      /emulator/programs       programs that sign in by themselves, and when they did; see `actions`
GET    /emulator/sign-ins       all sign-ins of applications in the last 30 days, without the delays of Graph
GET    /emulator/audits         all directory audits of the last 30 days, likewise
POST   /emulator/devolutions    {"do": "permit", "with": ["view_password", false]}, likewise "seal" and "enable"
*      /emulator/graph/v1.0/... Graph as a Global Administrator with every permission
]]

--- The tenant's methods that stand for acts of another admin, with their arguments.
M.ACTIONS = {
  activate = "person",
  add_access_policy = "{name, only: [client]?, state?, except: [location id]?}: Conditional Access blocks applications",
  add_app = "{name, client_id?, permissions, roles, days, secret, certificate}; the certificate is DER in base64",
  add_awkward = "a user, a group and an application whose names attack every format of output",
  add_federation = "client, {issuer, subject, audience?, keys: [{n, e}]}",
  add_group = "name, [members]",
  add_identity = "{name, permissions, roles, resource_id?}: a managed identity",
  add_issuer = "issuer, [{n, e}]: the keys of an issuer that federated credentials name",
  add_location = "{name, ranges, trusted}; the flag `location` says from which applications sign in",
  add_member = "group, member",
  add_owner = "group, owner, true to take it away again",
  add_person = "user principal name, name?; may have any domain",
  add_unit = "{name, restricted, members}",
  approve_role = "id of the request",
  assign_role = "principal, role, {eligible, scope, days}?",
  change = "object, {properties}",
  change_password = "person; the value as the member \"password\", else random",
  consent = "client, [scopes], person?",
  disable = "principal",
  enable = "principal",
  erase_application = "client",
  exclude_from_access_policy = "id, client",
  grant = "client, permission",
  make_eligible = "person or group, group, member or owner?: by PIM for Groups",
  remove_access_policy = "id",
  remove_consent = "client, permission?",
  remove_member = "group, member",
  remove_role = "principal, role",
  remove_secret = "key id",
  remove_unit = "id",
  set_flag = "name, value",
  set_policy = "{secrets: false?, days?, certificate_days?, authority: true?, app?, since?}",
}

--- The same for Devolutions Server.
M.SERVER_ACTIONS = {
  add_vault = "name",
  enable = "true or false: the application identity",
  permit = "view, view_password, add, edit or delete; true or false",
  seal = "vault id, entry id",
}

--- What a person does in the menu Privileged Access.
M.PAM_ACTIONS = {
  add_account = "{username, vault, provider, every?}: an entry Entra ID user",
  add_provider = "{name, description?, tenant, client_id, client_secret}: the form Entra ID user; on Server `linked`,"
    .. " the name of an entry, stands for client_secret",
  add_vault = "{name, every?}: a PAM vault, and how often its accounts are reset",
  delete_account = "user name",
  delete_provider = "name",
  edit_provider = "name, {description?, tenant?, client_id?, client_secret?, linked?}",
  give_role = "vault, application identity or person, role; without a role it is taken away",
  reset_password = "user name of an entry; makes a task",
  run_services = "true or false: start or stop what takes tasks; on Cloud also the machine",
  set_flag = "name, value",
  test_connection = "name of a provider, {client_secret?, linked?} that is not saved: {ok, message}",
}

--- What an administrator does in Devolutions Cloud, or on a machine with its services.
M.CLOUD_ACTIONS = {
  add_identity = "name: an application identity; its key and secret are told once",
  add_service = "{name, identity}: a PAM service",
  install_services = "{host, key, secret, pam?, machine?}: Devolutions Cloud Services",
  permit = "application identity, system permission, false to take it away",
  regenerate_identity = "name: a new secret, told once",
  remove_service = "name of a PAM service",
  set_licence = "false to take the licence for PAM away",
}
for name, arguments in pairs(M.PAM_ACTIONS) do M.CLOUD_ACTIONS[name] = arguments end

--- What a person does with programs that sign in in a rhythm of their own.
M.PROGRAM_ACTIONS = {
  add_program = "{name, client_id, client_secret, every, address?}: signs in at once, and then each `every`",
  edit_program = "name, {client_secret?, every?, address?}",
  remove_program = "name",
}

local function bad(message)
  return 400, {}, { message = message, error = { code = "badRequest", message = message } }
end

local function done(result)
  return 200, {}, { result = result == nil and true or result }
end

--- Parse "1-5", "3" or "0".
---@param text string
---@return number[]|false|nil range, string? message
function M.lag(text)
  local min, max = tostring(text):match("^(%d+%.?%d*)%-(%d+%.?%d*)$")
  if not min then min = tostring(text):match("^%d+%.?%d*$") end
  if not min then return nil, ("lag %q: give seconds as MIN-MAX, or 0 for none"):format(tostring(text)) end
  min, max = tonumber(min), tonumber(max or min)
  if min > max then return nil, ("lag %q: the first number is the smaller one"):format(text) end
  return max > 0 and { min, max } or false
end

local function act(target, actions, body)
  local action = body["do"]
  if not actions[action] then
    return 400, {}, { message = ("there is no action %q"):format(tostring(action)), actions = actions }
  end
  local arguments = body.with or {}
  if body.password then arguments[#arguments + 1] = body.password end
  local ok, result = pcall(target[action], target, table.unpack(arguments))
  if not ok then return bad(tostring(result)) end
  return done(result)
end

-- Acts in the tenant have an initiator.
local function act_in_tenant(world, request, body)
  local tenant, status, headers, answer = world.tenant, nil, nil, nil
  tenant:acting({ caller = tenant:claims_of(body.as or world.admin), address = request.address }, function()
    status, headers, answer = act(tenant, M.ACTIONS, body)
  end)
  return status, headers, answer
end

local function approve(world, body)
  local name = body.user
  if name and name ~= "none" and name ~= "decline" and not world.tenant:person(name) then
    return bad(("there is no person %q"):format(name))
  end
  if body.code then
    local ok, message = world.login:approve_device(body.code, name or world.login.approve)
    if not ok then return bad(message) end
    return done()
  end
  world.login.approve = name or world.login.approve
  if body.consent ~= nil then world.login.consents = body.consent end
  return done()
end

local function graph(world, request, path)
  local admin = world.tenant:person(world.admin)
  local scopes = {}
  for i, row in ipairs(world.tenant.graph.oauth2PermissionScopes) do scopes[i] = row.value end
  local claims = {
    oid = admin.id, appid = world.client, idtyp = "user", scp = table.concat(scopes, " "),
    wids = { world.tenant.role_ids["Global Administrator"] }, tid = world.tenant.id,
  }
  request.path, request.steady = path, true
  return world.graph(request, claims)
end

local function read_clock(world)
  return 200, {}, { now = time.iso(time.now()), offset = world.clock:offset() }
end

---@type table<string, fun(world: table, request: httpd.request, body: table?)>
local ROUTES = {
  ["GET /emulator"] = function() return 200, { ["Content-Type"] = "text/plain" }, M.HELP end,
  ["GET /emulator/requests"] = function(world, request)
    return 200, {}, { requests = world.record:after(tonumber(request.query.after) or 0) }
  end,
  ["DELETE /emulator/requests"] = function(world) return done(world.record:clear()) end,
  ["GET /emulator/faults"] = function(world) return 200, {}, { faults = json.array(world.faults:list()) } end,
  ["GET /emulator/held"] = function(world)
    return 200, {}, { held = vault_check.list(world.tenant, world.devolutions) }
  end,
  ["POST /emulator/faults"] = function(world, _, body)
    local ok, message = world.faults:add(tostring(body.rule))
    if not ok then return bad(message) end
    return done()
  end,
  ["DELETE /emulator/faults"] = function(world) return done(world.faults:clear()) end,
  ["GET /emulator/clock"] = read_clock,
  ["POST /emulator/clock"] = function(world, _, body)
    local ok, seconds = pcall(time.duration, body.advance)
    if not ok or seconds < 0 then return bad("advance: give seconds, or a duration like \"30d\"") end
    world.clock:advance(seconds)
    return read_clock(world)
  end,
  ["POST /emulator/lag"] = function(world, _, body)
    local range, message = M.lag(body.lag)
    if range == nil then return bad(message) end
    world.tenant:set_lag(range)
    return done()
  end,
  ["POST /emulator/approve"] = function(world, _, body) return approve(world, body) end,
  ["POST /emulator/tenant"] = act_in_tenant,
  ["GET /emulator/cloud"] = function(world) return 200, {}, world.cloud:state() end,
  ["POST /emulator/cloud"] = function(world, _, body) return act(world.cloud, M.CLOUD_ACTIONS, body) end,
  ["GET /emulator/server"] = function(world) return 200, {}, world.server:state() end,
  ["POST /emulator/server"] = function(world, _, body) return act(world.server, M.PAM_ACTIONS, body) end,
  ["GET /emulator/programs"] = function(world) return 200, {}, world.programs:state() end,
  ["POST /emulator/programs"] = function(world, _, body) return act(world.programs, M.PROGRAM_ACTIONS, body) end,
  ["GET /emulator/sign-ins"] = function(world) return 200, {}, { sign_ins = world.tenant:sign_in_events() } end,
  ["GET /emulator/audits"] = function(world) return 200, {}, { audits = world.tenant:audit_events() } end,
  ["POST /emulator/devolutions"] = function(world, _, body) return act(world.devolutions, M.SERVER_ACTIONS, body) end,
}

--- Does the path belong to the control page?
---@param path string
---@return boolean
function M.owns(path)
  return path == "/emulator" or path:sub(1, 10) == "/emulator/"
end

--- Answer one request.
---@param world table {tenant, login, faults, record, clock, graph, admin, client}
---@param request httpd.request
---@return integer|table status, table? headers, string|table|nil body
function M.handle(world, request)
  local path = request.path:match("^/emulator/graph(/.*)$")
  if path then return graph(world, request, path) end
  local route = ROUTES[request.method .. " " .. request.path]
  if not route then return 404, { ["Content-Type"] = "text/plain" }, M.HELP end
  if request.method ~= "POST" then return route(world, request) end
  local body, message = request.json()
  if type(body) ~= "table" then return bad(message or "send a JSON object") end
  return route(world, request, body)
end

return M
