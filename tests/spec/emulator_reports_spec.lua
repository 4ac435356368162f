--- The reports on the use of credentials in the emulated Graph, and what acts in the emulator by itself.

local crypto = require "base.crypto"
local emulators = require "emulators"
local fake = require "fake_tenant"
local json = require "host.json"

local refused = fake.refused
local KEYS, PRINCIPALS = "/beta/reports/appCredentialSignInActivities", "/beta/reports/servicePrincipalSignInActivities"
local DAY, HOUR = 86400, 3600

describe("the reports of the emulated Graph", function()
  local world, app, reader, key

  local function open(more)
    local flags = { report_quota = false }
    for name, value in pairs(more or {}) do flags[name] = value end
    world = fake.new { lag = false, flags = flags }
    world.time = (world.time // DAY + 1) * DAY - HOUR -- an hour before midnight
    app = world.tenant:add_app { name = "Consumer" }
    key = world.tenant.keys_of[app.id][1]
    reader = world:claims(world.tenant:add_app { name = "Reader", permissions = { "AuditLog.Read.All" } })
  end

  local function ask(target) return world:ask(reader, "GET", target) end

  local function rows(target)
    local status, body = ask(target)
    assert.equal(200, status, body.error and body.error.message)
    return body.value, body
  end

  local function sign_in(more)
    local about = { kind = "servicePrincipal", app = app.appId, name = "Consumer", principal = app.principal,
      credential = "clientSecret", key = key, resource = "graph" }
    for name, value in pairs(more or {}) do about[name] = value end
    world.tenant:record_sign_in(about)
  end

  local function of_app() return rows(("%s?$filter=appId eq '%s'"):format(KEYS, app.appId:upper())) end

  before_each(function() open() end)

  it("show the last use of a key id in the recorded shape, after the end of its UTC day", function()
    world.time = world.time + 0.075
    sign_in()
    world:wait(HOUR + 6 * HOUR - 1)
    assert.equal(0, #of_app())
    world:wait(1)
    sign_in() -- not in the report before the next day is over
    local list, body = of_app()
    assert.matches("/beta/%$metadata#reports/appCredentialSignInActivities$", body["@odata.context"])
    local row = list[1]
    assert.equal(1, #list)
    local names = {}
    for name in pairs(row) do names[#names + 1] = name end
    table.sort(names)
    assert.equal("appId appObjectId createdDateTime credentialOrigin expirationDateTime id keyId keyType keyUsage "
      .. "resourceId servicePrincipalObjectId signInActivity", table.concat(names, " ")) -- recorded 2026
    assert.same({ crypto.base64(key), key, "password", "verify", app.appId, app.id, "application", json.null },
      { row.id, row.keyId, row.keyType, row.keyUsage, row.appId, row.appObjectId, row.credentialOrigin,
        row.servicePrincipalObjectId })
    assert.matches("T23:00:00%.075Z$", row.signInActivity.lastSignInDateTime)
    assert.same({ world.tenant.graph.appId, nil }, { row.resourceId, row.expirationDate })
    assert.matches("^%d+%-%d%d%-%d%dT", row.expirationDateTime)
    assert.equal(world.tenant:sign_in_events()[1].id, row.signInActivity.lastSignInRequestId)
  end)

  it("are two days late, or lack rows: switches", function()
    open { report_delay = 2 * DAY }
    sign_in()
    world:wait(HOUR + 2 * DAY - 1)
    assert.equal(0, #rows(KEYS))
    sign_in()
    world:wait(1)
    assert.matches("T23:00:00Z$", rows(KEYS)[1].signInActivity.lastSignInDateTime)
    world.tenant:set_flag("report_lost", 1)
    assert.equal(0, #rows(KEYS))
  end)

  it("have rows of what was never used, and of failures: switches", function()
    sign_in { code = 7000222, reason = "expired" }
    world:wait(DAY)
    assert.equal(0, #of_app())
    world.tenant:set_flag("report_has_unused", true)
    assert.equal(json.null, of_app()[1].signInActivity.lastSignInDateTime)
    world.tenant:set_flag("report_counts_failures", true)
    assert.matches("T23", of_app()[1].signInActivity.lastSignInDateTime)
  end)

  it("follow the documentation where that differs: switches", function()
    sign_in()
    world:wait(DAY)
    for name, value in pairs { report_id_has_origin = true, report_key_type = "clientSecret",
      report_end = "expirationDate", report_doubles = true, report_bare = true } do
      world.tenant:set_flag(name, value)
    end
    local row = select(2, ask(("%s?$filter=keyId eq '%s'"):format(KEYS, key)))
    assert.same({ crypto.base64(key .. "|application"), "clientSecret", nil }, { row.id, row.keyType,
      row.expirationDateTime })
    assert.is_string(row.expirationDate)
    local list = rows(KEYS)
    assert.same({ "servicePrincipal", json.null }, { list[#list].credentialOrigin,
      list[#list].signInActivity.lastSignInDateTime })
  end)

  it("cannot be filtered: a switch; nor by another property", function()
    refused(400, "BadRequest", "Invalid filter clause", ask(KEYS .. "?$filter=keyType eq 'password'"))
    world.tenant:set_flag("report_filters", false)
    refused(400, "BadRequest", "Invalid filter clause", ask(("%s?$filter=appId eq '%s'"):format(KEYS, app.appId)))
    assert.equal(200, (ask(KEYS)))
  end)

  it("do not exist in national clouds, and need Entra ID P1: what they answer without is a switch", function()
    world.tenant:set_flag("national_cloud", true)
    refused(400, "BadRequest", "Resource not found for the segment 'appCredentialSignInActivities'.", ask(KEYS))
    world.tenant:set_flag("national_cloud", false)
    world.tenant:set_flag("p1", false)
    for _, status in ipairs { 403, 400, 404 } do
      world.tenant:set_flag("unlicensed_report", status)
      refused(status, "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        "Neither tenant is B2C or tenant doesn't have premium license", ask(KEYS))
    end
    world.tenant:set_flag("unlicensed_report", "empty")
    assert.equal(0, #rows(KEYS))
  end)

  it("forget a credential that is removed, and do not know one that was made today", function()
    sign_in()
    world:wait(DAY)
    world.tenant:set_flag("report_has_unused", true)
    world.tenant:seed_secret(app.id, "new", world.time, world.time + 90 * DAY)
    assert.equal(1, #of_app())
    world.tenant:remove_secret(key)
    assert.equal(0, #of_app())
  end)

  it("in pages, newest use first", function()
    for i = 1, 5 do
      local other = world.tenant:add_app { name = "Other " .. i }
      sign_in { app = other.appId, key = world.tenant.keys_of[other.id][1] }
      world:wait(60)
    end
    world:wait(DAY)
    local seen, target, last = 0, KEYS .. "?$top=2", "~"
    while target do
      local list, body = rows(target)
      for _, row in ipairs(list) do
        assert.is_true(row.signInActivity.lastSignInDateTime < last)
        last, seen = row.signInActivity.lastSignInDateTime, seen + 1
      end
      target = body["@odata.nextLink"] and body["@odata.nextLink"]:match("^https://[^/]+(/.*)$")
    end
    assert.equal(5, seen)
    assert.equal(404, (ask(KEYS .. "/" .. app.appId)))
    assert.equal(200, (ask(KEYS .. "/" .. crypto.base64(world.tenant.keys_of[world.tenant:application_of(
      rows(KEYS)[1].appId).id][1]))))
  end)

  it("show the use of an application as a client, and by people apart", function()
    sign_in()
    world:wait(60)
    sign_in { kind = "interactiveUser", user = world.tenant:person "adele", key = false }
    world:wait(DAY)
    local row = rows(("%s?$filter=appId eq '%s'"):format(PRINCIPALS, app.appId))[1]
    assert.equal(crypto.base64(app.appId), row.id)
    assert.matches("T23:00:00Z$", row.applicationAuthenticationClientSignInActivity.lastSignInDateTime)
    assert.matches("T23:01:00Z$", row.delegatedClientSignInActivity.lastSignInDateTime)
    assert.matches("T23:01:00Z$", row.lastSignInActivity.lastSignInDateTime)
    assert.same({ lastSignInDateTime = json.null, lastSignInRequestId = json.null },
      row.delegatedResourceSignInActivity)
    assert.matches("T23:01:00Z$", (function()
      local graph = rows(("%s?$filter=appId eq '%s'"):format(PRINCIPALS, world.tenant.graph.appId))[1]
      return graph.applicationAuthenticationResourceSignInActivity.lastSignInDateTime
    end)())
  end)
end)

describe("in the emulator", function()
  it("programs sign in in their own rhythm, in one order with the PAM service, until their secret ends", function()
    local emulator <close> = emulators.open { flags = { location = false } }
    local app = emulator.tenant:add_app { name = "Consumer", days = 30 }
    local start = emulator.tenant.now()
    emulator.programs:add_program { name = "script", client_id = app.appId, client_secret = app.secret, every = "10d" }
    emulator.programs:add_program { name = "report", client_id = app.appId, client_secret = app.secret, every = "15d",
      address = "198.51.100.9" }
    emulator.clock:advance(40 * DAY + 60)
    emulator:catch_up()
    local found = {}
    for i, row in ipairs(emulator.tenant:sign_in_events()) do
      local day = (require("time").parse(row.createdDateTime) - start) / DAY + 0.5
      found[i] = ("%d %s %d"):format(day // 1, row.ipAddress:match("%d+$"), row.status.errorCode)
    end
    assert.same({ "15 9 0", "20 99 0", "30 99 7000222", "30 9 7000222", "40 99 7000222" }, found)
    local state = emulator.programs:state().programs
    assert.same({ "report", "script" }, { state[1].name, state[2].name })
    assert.matches("^AADSTS7000222", state[2].message)
    emulator.programs:remove_program "script"
    assert.has_error(function() emulator.programs:edit_program("script", {}) end, 'there is no program "script"')
  end)

  it("role assignments that end by themselves are in the directory audits", function()
    local emulator <close> = emulators.open()
    emulator.tenant:assign_role("uma", "User Administrator", { days = 2 })
    emulator.clock:advance(3 * DAY)
    emulator:catch_up()
    local list = emulator.tenant:audit_events()
    local last = list[#list]
    assert.same({ "Remove member from role (PIM activation expired)", "MS-PIM", "PIM" }, { last.activityDisplayName,
      last.initiatedBy.app.displayName, last.loggedByService })
    assert.equal("Remove member from role", list[#list - 1].activityDisplayName)
  end)
end)
