--- Privileged access in the emulated Devolutions Cloud and Server: what a person does there, and the
--- service that signs in with the secret it was given and resets passwords on its own rhythm.

package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local control = require "emulator.control"
local json = require "json"
local time = require "time"
local emulators = require "emulators"

local UMA, CHEN = "uma@contoso.onmicrosoft.com", "t0-chen@contoso.onmicrosoft.com"
local TASKS, PROVIDERS = "Manage privileged access tasks", "Manage privileged access providers"

local emulator, app

-- A request to the control page, without a socket.
local function page(method, path, body)
  local _, _, answer = control.handle(emulator, { method = method, path = "/emulator" .. path, query = {},
    json = function() return body end })
  return answer
end

-- Something a person does in Cloud; what was due before happens first, as with every request.
local function act(what, ...)
  emulator:catch_up()
  return page("POST", "/cloud", { ["do"] = what, with = { ... } })
end

local function did(what, ...)
  local answer = act(what, ...)
  assert.is_nil(answer.message)
  return answer.result
end

local function later(span)
  emulator.clock:advance(time.duration(span))
  emulator:catch_up()
end

local function state() return page("GET", "/cloud") end
local function sign_ins() return page("GET", "/sign-ins").sign_ins end

local function resets()
  local found = {}
  for _, audit in ipairs(page("GET", "/audits").audits) do
    if audit.category == "UserManagement" then found[#found + 1] = audit end
  end
  return found
end

local function last_task()
  local tasks = state().tasks
  return tasks[#tasks]
end

local function set_up_service()
  local identity = did("add_identity", "PAM service")
  did("permit", "PAM service", TASKS)
  did("permit", "PAM service", PROVIDERS)
  did("give_role", "Tier 0", "PAM service", "Contributor")
  did("install_services", { host = emulator.cloud.address, key = identity.key, secret = identity.secret })
  did("add_service", { name = "PAM", identity = "PAM service" })
end

local function form(more)
  local fields = { name = "Entra", tenant = emulator.tenant.id, client_id = app.appId, client_secret = app.secret }
  for name, value in pairs(more or {}) do fields[name] = value end
  return fields
end

local function open(options)
  emulator = emulators.open { flags = (options or {}).flags }
  app = emulator.tenant:add_app { name = "Devolutions PAM", days = (options or {}).days or 180,
    roles = { "Helpdesk Administrator" }, permissions = { "User.Read.All" } }
  did("set_licence")
  did("add_vault", { name = "Tier 0" })
  return emulator
end

-- From nothing to an account that is reset; `every` by itself.
local function set_up(every, options)
  local opened = open(options)
  set_up_service()
  did("add_provider", form())
  did("add_account", { username = UMA, vault = "Tier 0", provider = "Entra", every = every })
  return opened
end

local function assert_failed(words)
  did("reset_password", UMA)
  later "1m"
  local task = last_task()
  assert.equal("Failed", task.status)
  assert.truthy(task.message:find(words, 1, true), task.message)
end

describe("a person in the emulated Devolutions Cloud", function()
  it("sees nothing of Privileged Access without a licence", function()
    local _ <close> = open()
    did("set_licence", false)
    assert.equal("the menu Privileged Access is not there: no licence for PAM is assigned",
      act("add_provider", form()).message)
    did("set_licence")
    did("add_provider", form())
  end)

  it("fills in forms whose fields have to be there, and names what is there", function()
    local _ <close> = open()
    assert.equal('the field "client_id" is empty', act("add_provider", form { client_id = "" }).message)
    assert.equal('there is no provider "Entra"',
      act("add_account", { username = UMA, vault = "Tier 0", provider = "Entra" }).message)
    assert.equal('there is no PAM vault "Tier 9"', act("give_role", "Tier 9", "x").message)
    assert.equal('there is no system permission "Everything"', act("permit", "PAM service", "Everything").message)
  end)

  it("installs the service with the application identity's key and secret, shown once", function()
    local _ <close> = open()
    local identity = did("add_identity", "PAM service")
    assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+;%x+%-%x+%-%x+%-%x+%-%x+$", identity.key)
    assert.equal(44, #identity.secret)
    local right = { host = emulator.cloud.address, key = identity.key, secret = identity.secret }
    for _, wrong in ipairs { { host = "https://fabrikam.devolutions.app" }, { key = identity.secret },
      { secret = identity.key } } do
      local given = { host = right.host, key = right.key, secret = right.secret }
      for name, value in pairs(wrong) do given[name] = value end
      assert.equal("Test connection failed: check the host, the key and the secret",
        act("install_services", given).message)
    end
    did("install_services", right)
    assert.equal("PAM service", state().installed[1].identity)
    did("regenerate_identity", "PAM service")
    assert.is_nil(state().installed[1].identity)
    assert.is_nil(json.encode(state()):find(identity.secret, 1, true))
  end)

  it("tests a connection, which is a sign-in and no more: it is green without any right", function()
    local _ <close> = set_up()
    emulator.tenant:remove_role(app.appId, "Helpdesk Administrator")
    emulator.tenant:remove_consent(app.appId)
    assert.same({ ok = true, message = "Connection succeeded." }, did("test_connection", "Entra"))
    assert_failed "403 Authorization_RequestDenied"
  end)

  it("tests a connection that asks Graph too: a switch", function()
    local _ <close> = set_up()
    emulator.tenant:remove_consent(app.appId)
    did("set_flag", "test_asks_graph", true)
    local tested = did("test_connection", "Entra")
    assert.is_false(tested.ok)
    assert.truthy(tested.message:find("403 Authorization_RequestDenied", 1, true))
    emulator.tenant:grant(app.appId, "User.Read.All")
    assert.is_true(did("test_connection", "Entra").ok)
  end)

  it("tests a connection that the service makes: a switch", function()
    local _ <close> = open()
    did("add_provider", form())
    assert.is_true(did("test_connection", "Entra").ok)
    did("set_flag", "test_needs_service", true)
    assert.same({ ok = false, message = "no PAM service answers" }, did("test_connection", "Entra"))
    set_up_service()
    assert.is_true(did("test_connection", "Entra").ok)
  end)

  it("pastes the wrong thing, and Test connection says what Entra says", function()
    local _ <close> = open()
    local key = emulator.tenant.keys_of[app.id][1]
    for code, wrong in pairs {
      AADSTS90002 = { tenant = "11111111-2222-3333-4444-555555555555" },
      AADSTS700016 = { client_id = "11111111-2222-3333-4444-555555555555" },
      AADSTS7000215 = { client_secret = key },
    } do
      did("add_provider", form(wrong))
      local tested = did("test_connection", "Entra")
      assert.is_false(tested.ok)
      assert.truthy(tested.message:find(code, 1, true), tested.message)
      did("delete_provider", "Entra")
    end
  end)
end)

describe("the PAM service of the emulated Devolutions Cloud", function()
  it("resets a password when a person asks, signs in for it, and both are on record", function()
    local _ <close> = set_up()
    did("reset_password", UMA)
    assert.equal("Pending", last_task().status)
    later "1m"
    assert.equal("Completed", last_task().status)
    assert.is_true(state().accounts[1].in_force)
    local key = emulator.tenant.keys_of[app.id][1]
    assert.same({ state = "in force", key = key, short = "…" .. key:sub(-4) }, state().providers[1].secret)
    local sign_in = sign_ins()[1]
    assert.same({ app.appId, key, "clientSecret", "203.0.113.88", 0 }, { sign_in.appId,
      sign_in.servicePrincipalCredentialKeyId, sign_in.clientCredentialType, sign_in.ipAddress,
      sign_in.status.errorCode })
    local reset, update = table.unpack(resets())
    assert.same({ "Reset user password", "Update user" }, { reset.activityDisplayName, update.activityDisplayName })
    assert.equal(reset.correlationId, update.correlationId)
    assert.same({ app.principal, UMA }, { reset.initiatedBy.app.servicePrincipalId,
      reset.targetResources[1].userPrincipalName })
  end)

  it("is named in the audit as the tenant names it: a switch", function()
    local _ <close> = set_up(nil, { flags = { reset_activities = { "Update PasswordProfile" } } })
    did("reset_password", UMA)
    later "1m"
    assert.equal(1, #resets())
    assert.equal("Update PasswordProfile", resets()[1].activityDisplayName)
  end)

  it("keeps its own rhythm: each reset at its due time, in order, however far the clock jumps", function()
    local _ <close> = set_up "10d"
    did("add_account", { username = CHEN, vault = "Tier 0", provider = "Entra", every = "7d" })
    local start = emulator.tenant.now()
    later "29d"
    local days = {}
    for i, task in ipairs(state().tasks) do
      assert.equal("Completed", task.status)
      days[i] = (task.entry == UMA and "u" or "c") .. math.floor((time.parse(task.created) - start + 3600) / 86400)
    end
    assert.equal("c7 u10 c14 u20 c21 c28", table.concat(days, " "))
    local before = ""
    for _, row in ipairs(resets()) do
      assert.is_true(row.activityDateTime >= before)
      before = row.activityDateTime
    end
    assert.equal(12, #resets())
    assert.is_true(#sign_ins() == 6)
  end)

  it("works until the secret ends, fails from that moment, and heals when a new one is pasted", function()
    local _ <close> = set_up("10d", { days = 25 })
    later "29d"
    local states = {}
    for i, task in ipairs(state().tasks) do states[i] = task.status end
    assert.same({ "Completed", "Completed" }, states)
    later "2d"
    assert.equal("Failed", last_task().status)
    assert.truthy(last_task().message:find("AADSTS7000222", 1, true))
    assert.equal("expired", state().providers[1].secret.state)
    local failed = sign_ins()[#sign_ins()]
    assert.same({ 7000222, json.null }, { failed.status.errorCode, failed.servicePrincipalCredentialKeyId })
    local now = emulator.tenant.now()
    local value = emulator.tenant:seed_secret(app.id, "new", now - 60, now + 86400 * 90)
    did("edit_provider", "Entra", { client_secret = value })
    later "10d"
    assert.equal("Completed", last_task().status)
  end)

  it("may tell which key failed: a switch", function()
    local _ <close> = set_up(nil, { days = 1, flags = { failed_sign_in_has_key = true } })
    later "2d"
    assert_failed "AADSTS7000222"
    assert.equal(emulator.tenant.keys_of[app.id][1], sign_ins()[1].servicePrincipalCredentialKeyId)
  end)

  it("fails as Entra does: no role, principal disabled, application gone, blocked from that place", function()
    local _ <close> = set_up()
    emulator.tenant:disable(app.appId)
    assert_failed "AADSTS7000112"
    assert.equal(7000112, sign_ins()[#sign_ins()].status.errorCode)
    emulator.tenant:enable(app.appId)
    local policy = emulator.tenant:add_access_policy { name = "No workloads" }
    assert_failed "AADSTS53003"
    emulator.tenant:remove_access_policy(policy)
    emulator.tenant:remove_role(app.appId, "Helpdesk Administrator")
    assert_failed "403 Authorization_RequestDenied"
    later "2h"
    emulator.tenant:erase_application(app.appId)
    assert_failed "AADSTS700016"
  end)

  it("reads the user first: a switch, which makes the permission matter", function()
    local _ <close> = set_up()
    emulator.tenant:remove_consent(app.appId)
    did("reset_password", UMA)
    later "1m"
    assert.equal("Completed", last_task().status)
    later "2h" -- a new token
    did("set_flag", "reads_user_first", true)
    assert_failed "403 Authorization_RequestDenied"
    emulator.tenant:grant(app.appId, "User.Read.All")
    later "2h"
    did("reset_password", UMA)
    later "1m"
    assert.equal("Completed", last_task().status)
  end)

  it("tests a secret that was typed and not saved, from another address: a switch", function()
    local _ <close> = set_up()
    local now = emulator.tenant.now()
    local value = emulator.tenant:seed_secret(app.id, "new", now - 60, now + 86400 * 90)
    assert.is_true(did("test_connection", "Entra", { client_secret = value }).ok)
    did("set_flag", "test_address", "192.0.2.44")
    assert.is_true(did("test_connection", "Entra").ok)
    local found = {}
    for i, row in ipairs(sign_ins()) do found[i] = { row.ipAddress, row.servicePrincipalCredentialKeyId } end
    local keys = emulator.tenant.keys_of[app.id]
    assert.same({ { "203.0.113.88", keys[2] }, { "192.0.2.44", keys[1] } }, found)
  end)

  it("signs in with nothing to do: a switch", function()
    local _ <close> = set_up()
    later "3d"
    assert.equal(0, #sign_ins())
    did("set_flag", "heartbeat", 86400)
    later "3d"
    assert.equal(3, #sign_ins())
  end)

  it("leaves tasks pending until every part of it is there, and then works on them", function()
    local _ <close> = open()
    did("add_provider", form())
    did("add_account", { username = UMA, vault = "Tier 0", provider = "Entra" })
    did("reset_password", UMA)
    local identity = did("add_identity", "PAM service")
    local steps = {
      { "install_services", { host = emulator.cloud.address, key = identity.key, secret = identity.secret } },
      { "permit", "PAM service", TASKS }, { "permit", "PAM service", PROVIDERS },
      { "add_service", { name = "PAM", identity = "PAM service" } },
      { "give_role", "Tier 0", "PAM service", "Contributor" },
    }
    for _, step in ipairs(steps) do
      later "1h"
      assert.equal("Pending", last_task().status)
      did(table.unpack(step))
    end
    later "1m"
    assert.equal("Completed", last_task().status)
  end)

  it("takes no tasks while it is stopped, without the feature PAM, or with a regenerated secret", function()
    local _ <close> = set_up()
    did("run_services", false)
    did("reset_password", UMA)
    later "1h"
    assert.equal("Pending", last_task().status)
    did("run_services", true)
    later "1m"
    assert.equal("Completed", last_task().status)
    did("regenerate_identity", "PAM service")
    did("reset_password", UMA)
    later "1h"
    assert.equal("Pending", last_task().status)
  end)

  it("fails for an account whose provider was deleted", function()
    local _ <close> = set_up()
    did("delete_provider", "Entra")
    assert_failed "there is no provider 'Entra'"
  end)
end)

describe("privileged access in the emulated Devolutions Server", function()
  local function server(what, ...)
    emulator:catch_up()
    return page("POST", "/server", { ["do"] = what, with = { ... } })
  end

  local function reset()
    server("reset_password", UMA)
    emulator.clock:advance(60)
    emulator:catch_up()
    local tasks = page("GET", "/server").tasks
    return tasks[#tasks]
  end

  local function open_server(more)
    local opened = open()
    server("add_vault", { name = "Tier 0" })
    server("add_provider", form(more))
    server("add_account", { username = UMA, vault = "Tier 0", provider = "Entra" })
    return opened
  end

  it("needs nothing installed: its own service takes the tasks while it runs", function()
    local _ <close> = open_server()
    assert.equal("Completed", reset().status)
    server("run_services", false)
    assert.equal("Pending", reset().status)
    server("run_services", true)
    emulator.clock:advance(60)
    emulator:catch_up()
    assert.equal("Completed", page("GET", "/server").tasks[2].status)
  end)

  it("reads the secret from an entry where the provider is linked, and follows what is written there", function()
    local _ <close> = open()
    local entry = { id = "1", path = "", tags = {}, type = "Credential", name = "Devolutions PAM", data = {} }
    emulator.devolutions.entries[emulator.devolutions:vault_id "Privileged"]:add(entry)
    server("add_vault", { name = "Tier 0" })
    local fields = form { linked = "Devolutions PAM" }
    fields.client_secret = nil
    server("add_provider", fields)
    server("add_account", { username = UMA, vault = "Tier 0", provider = "Entra" })
    assert.truthy(reset().message:find("AADSTS7000216", 1, true))
    entry.data.clientSecret = app.secret
    assert.equal("Completed", reset().status)
    assert.equal("the form has no field Linked credential", act("add_provider", fields).message)
  end)
end)
