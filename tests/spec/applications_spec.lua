--- The list of applications: what is said of the last use of a credential, and what is never said.

local credential_list = require "applications.credential_list"
local credential_rows = require "applications.credential_rows"
local daily_report = require "evidence.daily_report"
local graph = require "graph"
local last_use = require "applications.last_use"
local principal_report = require "evidence.principal_report"
local owners = require "applications.owners"
local store = require "evidence.store"
local task = require "task"
local tenant_credentials = require "applications.tenant_credentials"
local time = require "time"

local NOW, DAY = 1795000000, 86400
local OPTIONS = { evidence = true, now = NOW }

-- A list with one credential, or with one of an application and one of its service principal.
local function list_of(...)
  local list = credential_list.new { permissions = true, federated = true }
  for _, more in ipairs { ... } do
    local object = list:add_object { id = "object", client_id = more.client_id or "client", name = "Billing",
      origin = more.origin or "application", tenant = more.tenant or "own", federated = more.federated,
      other_tenants = more.other_tenants }
    list:add(object, { kind = more.kind or "secret", name = "one", key = more.key or "key", from = more.from,
      ends = more.ends })
  end
  return list
end

local function row(app_id, key_id, at, origin)
  return { app_id = app_id, key_id = key_id, at = at, origin = origin or "application" }
end

local function use(more)
  local made = { key_id = "key", address = "203.0.113.88", ours = false, last = NOW, last_success = more.last or NOW }
  for name, value in pairs(more) do made[name] = value end
  return made
end

local function places_of(list)
  local places = {}
  for place = 1, list.count do places[place] = place end
  return places
end

describe("the list of applications", function()
  local real = { read = daily_report.read, applications = store.applications, uses = store.uses }

  after_each(function()
    daily_report.read, store.applications, store.uses = real.read, real.applications, real.uses
  end)

  local function report(list, ...)
    local rows, place = { ... }, 0
    daily_report.read = function()
      return function()
        place = place + 1
        if rows[place] == "fails" then error({ kind = "throttled" }, 0) end
        return rows[place]
      end
    end
    last_use.add_report(list, places_of(list))
  end

  local function log(list, ...)
    local uses = { ... }
    store.applications = function() return { "client" } end
    store.uses = function() return uses end
    last_use.add_log(list, places_of(list), {})
  end

  local function told(list, place)
    return credential_rows.for_people(list:at(place or 1), OPTIONS).last_use
  end

  it("keeps what it is given, one by one", function()
    local list = list_of({ from = NOW - 5.5, ends = NOW + 5.25, tenant = "foreign", origin = "service principal" },
      { kind = "signing certificate", key = "" })
    assert.same({ kind = "secret", name = "one", key = "key", from = NOW - 5.5, ends = NOW + 5.25,
      of = { place = 1, id = "object", client_id = "client", name = "Billing", origin = "service principal",
        tenant = "foreign", permissions = {}, federated = {} } }, list:at(1))
    assert.same({ "signing certificate", "own" }, { list:at(2).kind, list:at(2).of.tenant })
    assert.is_nil(list:at(2).from or list:at(2).ends)
  end)

  it("says unknown without a row of the report, and none seen with a row without a moment", function()
    local list = list_of({ key = "a" }, { key = "b" }, { key = "c" })
    report(list, row("client", "a"), row("client", "b", NOW - 3 * DAY))
    assert.same({ "none seen", "3 days ago", "unknown" }, { told(list, 1), told(list, 2), told(list, 3) })
    local rows = {}
    for place = 1, 3 do rows[place] = credential_rows.row(list:at(place), OPTIONS) end
    assert.same({ "none seen", time.iso(NOW - 3 * DAY), "unknown" },
      { rows[1].last_use, rows[2].last_use, rows[3].last_use })
    assert.same({ "", "daily report", "" }, { rows[1].last_use_source, rows[2].last_use_source,
      rows[3].last_use_source })
    assert.equal("not read", credential_rows.row(list:at(2), { evidence = false }).last_use)
  end)

  it("takes no row of another application, or of another origin, with the same key id", function()
    local list = list_of({}, { origin = "service principal" })
    report(list, row("other", "key", NOW), row("client", "key", NOW - 9 * DAY, "servicePrincipal"))
    assert.same({ "unknown", "9 days ago" }, { told(list, 1), told(list, 2) })
  end)

  it("takes the newest of two rows of one key id, in any order", function()
    for _, rows in ipairs { { 9, 2 }, { 2, 9 } } do
      local list = list_of {}
      report(list, row("client", "key", NOW - rows[1] * DAY), row("client", "key"),
        row("client", "key", NOW - rows[2] * DAY))
      assert.equal("2 days ago", told(list))
    end
  end)

  it("takes nothing from a part of a report: a later row could have told of a later use", function()
    local list = list_of {}
    assert.has_error(function() report(list, row("client", "key", NOW - 99 * DAY), "fails") end)
    assert.equal("unknown", told(list))
  end)

  it("says when people signed in through an application, which no credential's row tells", function()
    local list, rows = list_of({}, { client_id = "other" }), { { app_id = "client", itself = NOW - 9 * DAY,
      people = NOW - 2 * DAY, last = NOW - 2 * DAY }, { app_id = "stranger", last = NOW }, { app_id = "other" } }
    local read = principal_report.read
    principal_report.read = function() return function() return table.remove(rows) end end
    last_use.add_principals(list, places_of(list))
    principal_report.read = read
    local found = { credential_rows.row(list:at(1), OPTIONS), credential_rows.row(list:at(2), OPTIONS) }
    assert.same({ time.iso(NOW - 2 * DAY), time.iso(NOW - 2 * DAY), "unknown", "unknown" },
      { found[1].application_last_use, found[1].people_last_use, found[2].application_last_use,
        found[2].people_last_use })
    assert.truthy(credential_rows.for_people(list:at(1), OPTIONS).about:find(
      "people signed in through it 2 days ago", 1, true))
    assert.equal("not read", credential_rows.row(list:at(1), { evidence = false }).people_last_use)
  end)

  it("does not know a credential to be unused while people sign in through its application", function()
    local one = { of = { use_by_kind = { last = NOW - DAY, people = NOW - DAY } }, use = { at = NOW - 99 * DAY } }
    assert.equal("unknown", last_use.unused_for(one, 90 * DAY, NOW))
    one.of.use_by_kind.people = NOW - 91 * DAY
    assert.equal("yes", last_use.unused_for(one, 90 * DAY, NOW))
    one.of.use_by_kind = { last = NOW } -- as itself, with another credential
    assert.equal("yes", last_use.unused_for(one, 90 * DAY, NOW))
    one.of.other_tenants = true -- whose reports are not read
    assert.equal("unknown", last_use.unused_for(one, 90 * DAY, NOW))
    one.of.other_tenants, one.use = nil, nil
    assert.equal("unknown", last_use.unused_for(one, 90 * DAY, NOW))
  end)

  it("says of an application that other tenants may use it", function()
    local list = list_of({ other_tenants = true, tenant = "own" }, {})
    assert.same({ true, "own" }, { list:at(1).of.other_tenants, list:at(1).of.tenant })
    local words = { credential_rows.for_people(list:at(1), OPTIONS).about,
      credential_rows.for_people(list:at(2), OPTIONS).about }
    assert.truthy(words[1]:find("other tenants may use it", 1, true))
    assert.is_nil(words[2]:find("tenants", 1, true))
  end)

  it("says from where, by the sign-in log, when that is newer; and that a sign-in failed", function()
    local list = list_of {}
    report(list, row("client", "key", NOW - 2 * DAY))
    log(list, use { last = NOW - 180 }, use { last = NOW - DAY, address = "198.51.100.7" })
    assert.equal("3 minutes ago from 203.0.113.88", told(list))
    assert.equal("203.0.113.88", credential_rows.row(list:at(1), OPTIONS).last_use_from)
    log(list, use { last = NOW - 180, last_success = NOW - 9 * DAY })
    assert.equal("tried 3 minutes ago from 203.0.113.88", told(list))
  end)

  it("does not take our own sign-ins, or those with another credential, for a use", function()
    local list = list_of {}
    log(list, use { ours = true }, use { key_id = "other" }, use { key_id = "" })
    assert.equal("unknown", told(list))
  end)

  it("says when the use in the report may be a proof of ours", function()
    local list = list_of {}
    report(list, row("client", "key", NOW - 2 * DAY))
    log(list, use { ours = true, last = NOW - 2 * DAY - 3600 })
    assert.equal("2 days ago (maybe ours)", told(list))
    assert.equal("daily report, may be a proof by Moonlatch",
      credential_rows.row(list:at(1), OPTIONS).last_use_source)
    list = list_of {}
    report(list, row("client", "key", NOW - 2 * DAY))
    log(list, use { ours = true, last = NOW - 9 * DAY })
    assert.equal("2 days ago", told(list))
  end)

  it("says never only of what never expires, and unknown of a date that is missing or unreadable", function()
    local list = list_of({}, { kind = "federated" })
    for place, text in ipairs { "unknown", "never" } do
      assert.equal(text, credential_rows.row(list:at(place), OPTIONS).expires)
      assert.equal(text, credential_rows.for_people(list:at(place), OPTIONS).expires)
    end
  end)

  it("says whether a secret could be done without, and what that rests on", function()
    local function verdict(more)
      local list = list_of(more)
      if more.unread then list.federated = false end
      return { credential_rows.without_secret(list:at(1)) }
    end
    assert.same({ "yes", "the application has a federated credential: deploy (issuer)" },
      verdict { federated = { "deploy (issuer)" } })
    assert.equal("unknown", verdict({})[1])
    assert.same({ "unknown", "the federated credentials could not be read" }, verdict { unread = true })
    assert.equal("unknown", verdict({ tenant = "foreign", origin = "service principal" })[1])
    assert.same({ "no", "it signs SAML tokens, and nothing signs in with it" },
      verdict { kind = "signing certificate", federated = { "deploy" } })
    assert.same({ "", "" }, verdict { kind = "federated" })
  end)
end)

-- Graph, with lists and parts of batches by their path.
local function with_graph(lists, parts, fn)
  local list, batch, all = graph.list, graph.batch, task.all
  graph.list = function(path)
    local place = 0
    return function()
      place = place + 1
      return lists[path][place]
    end
  end
  graph.batch = function(asked)
    local outcomes = {}
    for i, part in ipairs(asked) do outcomes[i] = { ok = true, result = parts[part.path] } end
    return outcomes, 0
  end
  task.all = function(functions)
    local results = {}
    for i, one in ipairs(functions) do results[i] = one() or false end
    return table.unpack(results)
  end
  local ok, result = pcall(fn)
  graph.list, graph.batch, task.all = list, batch, all
  if not ok then error(result, 0) end
  return result
end

describe("an answer of Graph that lacks what was asked for", function()
  local function read(applications, principals, tenant)
    return with_graph({ ["/applications"] = applications, ["/servicePrincipals"] = principals }, {}, function()
      return tenant_credentials.read { tenant = tenant, held = {}, federated = {},
        is_wanted = function() return true end }
    end)
  end

  local WHOLE = { id = "a", appId = "c", displayName = "x", passwordCredentials = {}, keyCredentials = {} }

  it("does not pass for an application without credentials", function()
    for _, name in ipairs { "id", "appId", "passwordCredentials", "keyCredentials" } do
      local lacking = {}
      for member, value in pairs(WHOLE) do lacking[member] = member ~= name and value or nil end
      for _, lists in ipairs { { { lacking }, {} }, { {}, { lacking } } } do
        local ok, failure = pcall(read, lists[1], lists[2], "t")
        assert.is_false(ok, name)
        assert.equal("the answer has no " .. name, failure.why)
      end
    end
    assert.equal(1, read({ WHOLE }, {}, "t").applications)
  end)

  it("does not say whose a service principal is", function()
    local principal = { id = "p", appId = "c", displayName = "x", appOwnerOrganizationId = "T", keyCredentials = {},
      passwordCredentials = { { keyId = "k" } } }
    assert.equal("own", read({}, { principal }, "t").list:at(1).of.tenant)
    assert.equal("foreign", read({}, { principal }, "other").list:at(1).of.tenant)
    assert.equal("unknown", read({}, { principal }, nil).list:at(1).of.tenant)
  end)

  it("does not pass for an application that nobody owns", function()
    local list, places, expanded = list_of({}), { 1 }, {}
    local PATH = "/applications/object/owners"
    for i = 1, 5 do expanded[i] = { id = i == 1 and "object" or "other" } end -- the service ignored $expand
    local function fill(part)
      return with_graph({ ["/applications"] = expanded }, { [PATH] = part }, function()
        owners.fill(list, places, 1)
      end)
    end
    fill { value = { { id = "1", userPrincipalName = "anna@contoso.com" } } }
    assert.same({ "anna@contoso.com" }, list.owners[1])
    list = list_of({})
    local ok, failure = pcall(fill, {})
    assert.is_false(ok)
    assert.equal("the answer has no value", failure.why)
  end)
end)
