--- The credentials of all applications: the built program on a tenant with 300 applications, and on single ones.

local json = require "host.json"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local DAY = 86400

local emu

local function words_of(words)
  local all = { "applications", "--no-evidence" }
  return table.move(words, 1, #words, #all + 1, all)
end

local function list(...) return emu:json(words_of { ... }) end

-- The rows of one application.
local function of(rows, name)
  local found = {}
  for _, row in ipairs(rows) do
    if row.application == name then found[#found + 1] = row end
  end
  return found
end

local function owned(app, ...)
  local owners = {}
  for _, id in ipairs { ... } do owners[id] = true end
  emu:admin("change", app.id, { _owners = owners })
end

local function person(key)
  for _, one in ipairs(emu:graph("/users?$top=999")) do
    if one.userPrincipalName:match("^" .. key .. "@") then return one.id end
  end
end

describe("moonlatch applications", function()
  setup(function() emu = rehearsal.new("--lag", "0", "--users", "0", "--applications", "300") end)
  teardown(function() local _ <close> = emu end)

  it("lists what expires next first, then what never expires, then what has expired", function()
    local app = emu:admin("add_app", { name = "Payroll", days = 3 })
    emu:admin("add_federation", app.appId, { issuer = "https://issuer.example", subject = "job" })
    local status, rows = list()
    assert.equal(0, status)
    local rank, last, names = 1, "", {}
    local now = os.date("!%Y-%m-%dT%H:%M:%S")
    for _, row in ipairs(rows) do
      local mine = row.expires == "never" and 2 or row.expires > now and 1 or 3
      assert.is_true(mine >= rank, row.expires)
      if mine ~= rank then rank, last = mine, mine == 3 and "9" or "" end
      if mine == 1 then assert.is_true(row.expires >= last) end
      if mine == 3 then assert.is_true(row.expires <= last) end
      last, names[row.credential] = row.expires, true
    end
    assert.same({ secret = true, certificate = true, ["signing certificate"] = true, federated = true }, names)
    local mine = of(rows, "Payroll")
    assert.equal(2, #mine)
    assert.same({ "secret", "Payroll", "application", "own", "yes" },
      { mine[1].credential, mine[1].name, mine[1].origin, mine[1].tenant, mine[1].without_secret })
    local because = "^the application has a federated credential: federated%-%x+ %(issuer.example%)$"
    assert.truthy(mine[1].because:find(because), mine[1].because)
    assert.same({ "federated", "never", "" }, { mine[2].credential, mine[2].expires, mine[2].without_secret })
  end)

  it("leaves out what expires later with --expiring, and says how many have expired already", function()
    local outcome = emu:run(words_of { "--expiring", "5d", "--json" })
    assert.equal(0, outcome.status, outcome.err)
    local rows = json.decode(outcome.out)
    local limit = os.date("!%Y-%m-%dT%H:%M:%S", os.time() + 5 * DAY + 60)
    assert.equal(1, #of(rows, "Payroll"))
    for _, row in ipairs(rows) do assert.is_true(row.expires < limit, row.expires) end
    assert.truthy(outcome.err:find("%d+ credentials that expired already: left out"), outcome.err)
  end)

  it("tells which permissions can reach Global Administrator", function()
    emu:admin("add_app", { name = "Strong", permissions = { "RoleManagement.ReadWrite.Directory", "User.Read.All",
      "Application.ReadWrite.All" } })
    emu:admin("add_app", { name = "Weak", permissions = { "User.Read.All" } })
    local _, rows = list()
    assert.equal("Application.ReadWrite.All RoleManagement.ReadWrite.Directory",
      of(rows, "Strong")[1].global_administrator)
    assert.equal("", of(rows, "Weak")[1].global_administrator)
  end)

  it("lists the credentials of service principals, with whose they are, but no managed identity", function()
    emu:admin("add_identity", { name = "Machine" })
    local outcome = emu:run(words_of { "--format", "csv" })
    assert.equal(0, outcome.status, outcome.err)
    assert.is_nil(outcome.out:find("Machine", 1, true))
    assert.truthy(outcome.err:find("1 managed identity: left out, as Azure renews their certificates", 1, true),
      outcome.err)
    assert.truthy(outcome.out:find("service principal,foreign,signing certificate,", 1, true))
    local _, rows = list()
    for _, row in ipairs(rows) do -- the key that verifies and the password belong to the one that signs
      if row.origin == "service principal" then assert.equal("signing certificate", row.credential) end
    end
  end)

  it("names owners, filters by one, and suggests a name that is near", function()
    local app = emu:admin("add_app", { name = "Owned", days = 1 })
    owned(app, person "uma", person "henry")
    local _, rows = list("--owner", "HENRY@contoso.onmicrosoft.com")
    assert.equal(1, #rows)
    assert.equal("henry@contoso.onmicrosoft.com, uma@contoso.onmicrosoft.com", rows[1].owners)
    local outcome = emu:run(words_of { "--owner", "henri@contoso.onmicrosoft.com" })
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("why: no application with a credential that was asked for has an owner of that "
      .. "name\n  fix: Did you mean 'henry@contoso.onmicrosoft.com'?", 1, true), outcome.err)
  end)

  it("names all owners of an application that has more than the service expands", function()
    local app, ids = emu:admin("add_app", { name = "Crowded", days = 2 }), {}
    for i = 1, 23 do ids[i] = emu:admin("add_person", ("owner%02d@contoso.onmicrosoft.com"):format(i)) end
    owned(app, table.unpack(ids))
    for _, more in ipairs { {}, { "--expiring", "3d" } } do -- with the list, and in batches
      local _, rows = list(table.unpack(more))
      local _, count = of(rows, "Crowded")[1].owners:gsub("owner%d%d@", "")
      assert.equal(23, count)
    end
  end)

  it("says what could not be read, and exits with 3", function()
    emu:fault "graph GET /servicePrincipals/*/appRoleAssignedTo 403 1"
    emu:fault "graph GET /applications/*/federatedIdentityCredentials 403 1"
    local outcome = emu:run(words_of { "--expiring", "4d" })
    assert.equal(3, outcome.status, outcome.err)
    assert.truthy(outcome.err:find("the list is not whole, as this could not be read: who may reach Global "
      .. "Administrator: ", 1, true), outcome.err)
    assert.truthy(outcome.out:find("permissions unknown", 1, true), outcome.out)
  end)

  it("lists what Entra knows no use of, and counts apart where that is unknown", function()
    local outcome = emu:run { "applications", "--json", "--unused", "90d" }
    assert.equal(3, outcome.status, outcome.err) -- of some it is unknown
    local limit = os.date("!%Y-%m-%dT%H:%M:%S", os.time() - 90 * DAY)
    local rows = json.decode(outcome.out)
    assert.is_true(#rows > 20)
    for _, row in ipairs(rows) do
      assert.is_true(row.last_use < limit and row.starts < limit, row.last_use)
      assert.equal("daily report", row.last_use_source)
    end
    assert.equal(0, #of(rows, "Payroll")) -- made today: not unused for so long, and not unknown
    assert.truthy(outcome.err:find("warning: of %d+ credentials it is unknown whether they were used in that time, so "
      .. "they are not listed"), outcome.err)
    assert.truthy(outcome.err:find("not complete: that is no proof that nobody uses them", 1, true), outcome.err)
  end)

  it("says that the use is unknown where the tenant has no licence for it, and never that there is none", function()
    emu:admin("set_flag", "p1", false)
    local status, rows, outcome = emu:json { "applications", "--expiring", "4d" }
    assert.equal(3, status)
    for _, row in ipairs(rows) do assert.equal("unknown", row.last_use) end
    assert.truthy(outcome.err:find("this could not be read: when the credentials were last used (the daily report): "
      .. "the tenant has no licence Entra ID P1 or P2", 1, true), outcome.err)
    assert.truthy(outcome.err:find("Leave that out: --no-evidence.", 1, true), outcome.err)
    outcome = emu:run { "applications", "--unused", "90d" }
    assert.equal(3, outcome.status)
    assert.truthy(outcome.out:find("(nothing)", 1, true), outcome.out)
    emu:admin("set_flag", "p1", true)
  end)

  it("refuses options that exclude each other", function()
    local outcome = emu:run { "applications", "--no-evidence", "--unused", "90d" }
    assert.equal(2, outcome.status)
    assert.truthy(outcome.err:find("why: without evidence nothing is known of the use of a credential\n"
      .. "  fix: Leave out --no-evidence, or --unused.", 1, true), outcome.err)
  end)

  it("takes one application into rotation with `new policy secret --app NAME`", function()
    local app = emu:admin("add_app", { name = "Export" })
    local outcome = emu:run { "new", "policy", "secret", "--app", "Export", "--scripts", emu.place.path }
    assert.equal(0, outcome.status, outcome.err)
    local path = emu.place.path .. "/policies/secret.lua"
    local text = assert(sys.read(path, 65536))
    assert.truthy(text:find(("  -- The application 'Export'.\n  select = policy.applications { client_id = %q },\n")
      :format(app.appId), 1, true), text)
    assert.is_nil(outcome.err:find("behalf", 1, true))
    outcome = emu:run { "plan", "policies/secret", "--scripts", emu.place.path }
    assert.truthy((outcome.out .. outcome.err):find("Export", 1, true), outcome.out .. outcome.err)
  end)

  it("says of an application that signs in on behalf of people that its use cannot be seen", function()
    local app = emu:admin("add_app", { name = "Shop" })
    emu:admin("change", app.id, { web = { redirectUris = { "https://shop.example" } } })
    local outcome = emu:run { "new", "policy", "shop", "--app", app.appId, "--scripts", emu.place.path }
    assert.equal(0, outcome.status, outcome.err)
    assert.truthy(outcome.err:find("warning: 'Shop' signs in on behalf of people (it has redirect URIs): Entra's log "
      .. "of applications does not show that.", 1, true), outcome.err)
    emu:admin("change", app.id, { web = { redirectUris = {} }, signInAudience = "AzureADMultipleOrgs" })
    outcome = emu:run { "new", "policy", "shop2", "--app", app.appId, "--scripts", emu.place.path }
    assert.truthy(outcome.err:find("warning: 'Shop' may sign in to other tenants: Entra's log of this tenant does not "
      .. "show that. So that use of its secret is not seen", 1, true), outcome.err)
  end)

  it("writes nothing for a name that no application has, or that two have", function()
    for _ = 1, 2 do emu:admin("add_app", { name = "Twice" }) end
    for name, why in pairs { Nobody = "there is no registration of that name in this tenant",
      Twice = "there are 2 registrations of that name" } do
      local outcome = emu:run { "new", "policy", "none", "--app", name, "--scripts", emu.place.path }
      assert.equal(1, outcome.status)
      assert.truthy(outcome.err:find("why: " .. why, 1, true), outcome.err)
      assert.is_nil(sys.stat(emu.place.path .. "/policies/none.lua"))
    end
  end)

  it("lets no name of an application become code of the policy", function()
    local app = emu:admin("add_app", { name = "x'\nerror 'owned' --\r]]\u{2028}error 'owned'\u{202E}" })
    local outcome = emu:run { "new", "policy", "odd", "--app", app.appId, "--scripts", emu.place.path }
    assert.equal(0, outcome.status, outcome.err)
    local text = assert(sys.read(emu.place.path .. "/policies/odd.lua", 65536))
    assert.truthy(text:find("  -- The application 'x' error 'owned' -- ]] error 'owned' '.\n", 1, true), text)
  end)

  it("prints a table for people", function()
    local outcome = emu:run(words_of { "--expiring", "4d" })
    assert.truthy(outcome.out:find("EXPIRES%s+APPLICATION%s+CREDENTIAL%s+LAST USE%s+ABOUT\n"), outcome.out)
    assert.truthy(outcome.out:find("in %d+ %a+%s+Owned%s+secret 'Owned'%s+not read%s+owned by "
      .. "henry@contoso.onmicrosoft.com, uma@contoso.onmicrosoft.com\n"), outcome.out)
    assert.truthy(outcome.out:find("could do without: it has a federated credential", 1, true), outcome.out)
  end)
end)
