-- takes 60 s: azure-cli and cli-microsoft365 start anew for each command
--- The guide that setup/entra-pam-provider replaces, done with the programs that people have: unmodified azure-cli and
--- cli-microsoft365, which sign in at login.microsoftonline.com and ask graph.microsoft.com (a proxy leads these names
--- to an emulator). What they leave is held against what `moonlatch apply` leaves, member by member.

local cloud_names = require "cloud_names"
local json = require "json"
local peers = require "peers"
local rehearsal = require "rehearsal"
local secret = require "host.secret"
local sys = require "host.sys"

local AZ = "/usr/bin/az"
local M365 = SOURCE .. "/tests/peer/node_modules/@pnp/cli-microsoft365/dist/index.js"
local NAME, TENANT, GRAPH = "Devolutions PAM", "contoso.onmicrosoft.com", "https://graph.microsoft.com/v1.0"
local GRAPH_APP, MANAGED = "00000003-0000-0000-c000-000000000000", "PAM managed tier 0"
local PERMISSIONS = { ["Group.Read.All"] = "5b567255-7703-4780-807c-7be8301ae99b",
  ["RoleManagement.ReadWrite.Directory"] = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8",
  ["User.Read.All"] = "df021288-bdef-4463-88db-98f22de89214" }
local ROLES = { "729827e3-9c14-49f7-bb1b-9608f156bbb8", "7be44c8a-adaf-4e2a-84d6-ab2649e08a13" }
local FEDERATED = { name = "Testing", issuer = "https://token.actions.githubusercontent.com/",
  subject = "repo:octo-org/octo-repo:environment:Production", audiences = json.array { "api://AzureADTokenExchange" } }

--- Run one command; what it printed. `without_json` gives the text.
local function runner(cloud, program, more)
  return function(words, without_json)
    local line = table.move(words, 1, #words, #program + 1, table.move(program, 1, #program, 1, {}))
    local result = cloud:run(line, more)
    assert.equal(0, result.exit, table.concat(words, " ") .. ": " .. tostring(result.err))
    local text = result.out:gsub("\n$", "")
    return without_json and text or text ~= "" and json.decode(text) or nil
  end
end

---------------------------------------------------------------------------
-- azure-cli

local function azure_cli(cloud)
  return runner(cloud, { AZ }, { HOME = cloud.place.path, AZURE_CORE_COLLECT_TELEMETRY = "no",
    AZURE_CORE_ONLY_SHOW_ERRORS = "yes" })
end

-- az's own words for a new application end with what the guide asks for; the roles need its general request.
local function guide_by_az(az)
  local app = az { "ad", "app", "create", "--display-name", NAME }
  local principal = az { "ad", "sp", "create", "--id", app.appId }
  az { "ad", "app", "permission", "add", "--id", app.appId, "--api", GRAPH_APP, "--api-permissions",
    PERMISSIONS["Group.Read.All"] .. "=Role", PERMISSIONS["RoleManagement.ReadWrite.Directory"] .. "=Role",
    PERMISSIONS["User.Read.All"] .. "=Role" }
  local resource = az { "ad", "sp", "show", "--id", GRAPH_APP, "--query", "{id:id}" }
  local assignments = ("%s/servicePrincipals/%s/appRoleAssignments"):format(GRAPH, principal.id)
  for _, role in pairs(PERMISSIONS) do
    az { "rest", "--method", "post", "--url", assignments, "--body",
      json.encode { principalId = principal.id, resourceId = resource.id, appRoleId = role } }
  end
  for _, role in ipairs(ROLES) do
    az { "rest", "--method", "post", "--url", GRAPH .. "/roleManagement/directory/roleAssignments", "--body",
      json.encode { principalId = principal.id, roleDefinitionId = role, directoryScopeId = "/" } }
  end
  local made = az { "ad", "app", "credential", "reset", "--id", app.appId, "--append", "--display-name", "PAM" }
  return app, made.password
end

---------------------------------------------------------------------------
-- cli-microsoft365

-- It has no application of Microsoft's: an administrator registers one for it.
local function register_client(cloud)
  local tenant = cloud.emulator.tenant
  local app = tenant:add_app { name = "CLI for Microsoft 365" }
  local client = { redirectUris = json.array { "http://localhost" } }
  tenant:change(app.id, { isFallbackPublicClient = true, publicClient = client })
  tenant:consent(app.appId, { "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Directory.Read.All",
    "Group.Read.All", "RoleManagement.ReadWrite.Directory", "User-PasswordProfile.ReadWrite.All",
    "User.ReadWrite.All" })
  return app.appId
end

local function cli_microsoft365(cloud)
  local m365 = runner(cloud, { peers.node(), M365 }, { HOME = cloud.place.path })
  m365({ "cli", "config", "set", "--key", "disableTelemetry", "--value", "true" }, true)
  return m365
end

local function guide_by_m365(m365)
  local names = {}
  for name in pairs(PERMISSIONS) do names[#names + 1] = "https://graph.microsoft.com/" .. name end
  table.sort(names)
  local app = m365 { "entra", "app", "add", "--name", NAME, "--withSecret", "--apisApplication",
    table.concat(names, ","), "--grantAdminConsent" }
  local principal = m365 { "entra", "enterpriseapp", "get", "--id", app.appId }
  for _, role in ipairs(ROLES) do
    m365 { "request", "--url", GRAPH .. "/roleManagement/directory/roleAssignments", "--method", "post",
      "--content-type", "application/json", "--body",
      json.encode { principalId = principal.id, roleDefinitionId = role, directoryScopeId = "/" } }
  end
  return app, app.secrets[1].value
end

---------------------------------------------------------------------------
-- What is there afterwards

-- The text of a value with what differs from run to run put into words.
local function normal(value, names)
  if type(value) ~= "table" or value == json.null then
    local text = json.encode(value)
    for id, name in pairs(names) do text = text:gsub(id:gsub("%p", "%%%0"), name) end
    return (text:gsub("%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z", "<moment>"))
  end
  local parts = {}
  for name, member in pairs(value) do parts[#parts + 1] = tostring(name) .. "=" .. normal(member, names) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Ids, hints and texts that each run has of its own, and the secret's dates.
local OWN = { id = true, keyId = true, hint = true, appId = true, ["@odata.context"] = true }

local function without_own(value)
  if type(value) ~= "table" or value == json.null then return value end
  local made = json.is_array(value) and json.array {} or {}
  for name, member in pairs(value) do
    if not OWN[name] then made[name] = without_own(member) end
  end
  return made
end

local function sorted_by(list, member)
  table.sort(list, function(a, b) return a[member] < b[member] end)
  return list
end

-- Member -> text, of the application, its service principal, its permissions and its roles.
local function state_of(graph)
  local state = {}
  local function take(prefix, object, names)
    for member, value in pairs(without_own(object)) do state[prefix .. "." .. member] = normal(value, names) end
  end
  local app = graph(("/applications?$filter=displayName eq '%s'"):format(NAME)).value[1]
  local principal = graph(("/servicePrincipals(appId='%s')"):format(app.appId))
  local names = { [app.id] = "<application>", [app.appId] = "<client>", [principal.id] = "<principal>" }
  take("application", app, names)
  take("servicePrincipal", principal, names)
  local grants = graph(("/servicePrincipals/%s/appRoleAssignments"):format(principal.id)).value
  take("permissions", sorted_by(grants, "appRoleId"), names)
  local roles = graph(("/roleManagement/directory/roleAssignments?$filter=principalId eq '%s'"):format(principal.id))
  take("roles", sorted_by(roles.value, "roleDefinitionId"), names)
  return state
end

-- The members in which two states differ.
local function differing(left, right)
  local found = {}
  for _, pair in ipairs { { left, right }, { right, left } } do
    for member, text in pairs(pair[1]) do
      if pair[2][member] ~= text then found[member] = true end
    end
  end
  local list = {}
  for member in pairs(found) do list[#list + 1] = member end
  table.sort(list)
  return list
end

local end_of_apply

-- Moonlatch's own end, by the same people in a tenant of the same seed.
local function applied()
  if end_of_apply then return end_of_apply end
  local emu <close> = rehearsal.new("--lag", "0", "--users", "0")
  local outcome = emu:run { "apply", "setup/entra-pam-provider", "--managed", MANAGED, "--yes" }
  assert.equal(0, outcome.status, outcome.err)
  end_of_apply = state_of(function(path)
    return assert(emu:control("GET", "/graph/v1.0" .. path:gsub(" ", "%%20")))
  end)
  return end_of_apply
end

-- Where az and m365 end otherwise than Moonlatch does, and why.
local DIFFERENCES = {
  "application.notes", -- Moonlatch says there which job made the application
  "application.passwordCredentials", -- its name says which rotation made the secret; its life is the job's
  "application.uniqueName", -- by which Moonlatch finds the application again
  "servicePrincipal.tags", -- so that the portal lists it among the enterprise applications
}

-- Graph refused no call of the program.
local function assert_all_right(cloud)
  local calls = cloud:asked()
  assert.is_true(#calls > 0)
  for _, call in ipairs(calls) do
    assert.is_true(call.status < 400, ("%s %s: %s"):format(call.method, call.path, call.status))
  end
  if os.getenv "TELL" then io.stderr:write(#calls, " calls of Graph\n") end
end

local function accepted(cloud, app_id, value)
  return (cloud.emulator.tenant:check_secret(app_id, value))
end

describe("the guide by azure-cli", function()
  if not sys.stat(AZ) then
    pending "azure-cli is not there: ./dev test --all brings it"
    return
  end

  it("ends as `moonlatch apply` does, but for what it does not set", function()
    local cloud <close> = cloud_names.open()
    local az = azure_cli(cloud)
    local account = az { "login", "--use-device-code", "--tenant", TENANT, "--allow-no-subscriptions" }
    assert.equal("adele@" .. TENANT, account[1].user.name)
    local app, value = guide_by_az(az)
    assert.is_true(accepted(cloud, app.appId, value))
    assert_all_right(cloud)
    assert.same(DIFFERENCES, differing(state_of(function(path) return cloud:graph(path) end), applied()))
  end)

  it("signs in as the application, and does what an admin does later", function()
    local cloud <close> = cloud_names.open()
    local az = azure_cli(cloud)
    local tenant = cloud.emulator.tenant
    local text = "Ab0~" .. ("x.y_z-"):rep(5)
    local app = tenant:add_app { name = "automation", secret = secret.from(text), permissions = {
      "Application.ReadWrite.All", "Group.Read.All", "User.ReadWrite.All", "User-PasswordProfile.ReadWrite.All" } }
    az { "login", "--service-principal", "--username", app.appId, "--password", text, "--tenant", TENANT,
      "--allow-no-subscriptions" }
    assert.equal("uma@" .. TENANT, az({ "ad", "user", "show", "--id", "uma@" .. TENANT }).userPrincipalName)
    az({ "ad", "user", "update", "--id", "uma@" .. TENANT, "--password", "Abc12345~!xyz",
      "--force-change-password-next-sign-in", "false" }, true)
    assert.is_true(tenant:check_password("uma@" .. TENANT, secret.from "Abc12345~!xyz"))
    assert.equal(5, #az { "ad", "group", "member", "list", "--group", MANAGED })
    local made = az { "ad", "app", "create", "--display-name", "job" }
    local federated = az { "ad", "app", "federated-credential", "create", "--id", made.appId, "--parameters",
      json.encode(FEDERATED) }
    assert.same({ FEDERATED.name, FEDERATED.subject }, { federated.name, federated.subject })
    assert.equal(1, #az { "ad", "app", "federated-credential", "list", "--id", made.appId })
    az { "ad", "sp", "create", "--id", made.appId }
    local with = az { "ad", "app", "credential", "reset", "--id", made.appId, "--create-cert" }
    az { "login", "--service-principal", "--username", made.appId, "--password", with.fileWithCertAndPrivateKey,
      "--tenant", TENANT, "--allow-no-subscriptions" }
    assert_all_right(cloud)
  end)
end)

describe("the guide by cli-microsoft365", function()
  local lacking = peers.lacking "@pnp/cli-microsoft365"
  if lacking then
    pending(lacking)
    return
  end

  it("ends as `moonlatch apply` does, but for what it does not set", function()
    local cloud <close> = cloud_names.open()
    local m365 = cli_microsoft365(cloud)
    m365({ "login", "--appId", register_client(cloud), "--tenant", TENANT }, true)
    local app, value = guide_by_m365(m365)
    assert.is_true(accepted(cloud, app.appId, secret.from(value)))
    assert.same(DIFFERENCES, differing(state_of(function(path) return cloud:graph(path) end), applied()))
    m365 { "entra", "approleassignment", "list", "--appId", app.appId }
    m365 { "entra", "app", "permission", "list", "--appId", app.appId }
    m365({ "entra", "user", "set", "--userName", "uma@" .. TENANT, "--resetPassword", "--newPassword",
      "Abc12345~!xyz" }, true)
    assert.is_true(cloud.emulator.tenant:check_password("uma@" .. TENANT, secret.from "Abc12345~!xyz"))
    m365({ "login", "--authType", "secret", "--appId", app.appId, "--secret", value, "--tenant", TENANT }, true)
    assert.equal(5, #m365 { "entra", "group", "member", "list", "--groupName", MANAGED })
    assert_all_right(cloud)
  end)
end)
