local fake = require "fake_tenant"
local directory = require "emulator.tenant.directory"
local lag = require "emulator.lag"
local random = require "emulator.random"
local secret = require "host.secret"
local tenant = require "emulator.tenant"

describe("emulator.random", function()
  it("gives every number a GUID of its own and finds the number again", function()
    local seen = {}
    for _, n in ipairs { 1, 2, 3, 1000, 999999, 4294967295 } do
      local guid = random.guid(7, "user", n)
      assert.matches("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$", guid)
      assert.equals(36, #guid)
      assert.is_nil(seen[guid])
      seen[guid] = true
      assert.equals(n, random.number(7, "user", guid))
      assert.equals(n, random.number(7, "user", guid:upper()))
      assert.is_nil(random.number(7, "group", guid))
      assert.is_nil(random.number(8, "user", guid))
    end
    assert.is_nil(random.number(7, "user", "nonsense"))
  end)
end)

describe("emulator.lag", function()
  local now, source

  before_each(function()
    now = 1000
    source = lag.source { seed = 1, now = function() return now end, min = 1, max = 5 }
  end)

  it("shows a write after its delay, and at once to who asks for the newest", function()
    local rows = lag.collection(source)
    rows:put("a", { n = 1 })
    assert.is_nil(rows:get("a", now))
    assert.same({ n = 1 }, rows:newest("a"))
    assert.is_nil(rows:get("a", now + 0.99))
    assert.same({ n = 1 }, rows:get("a", now + 5))
  end)

  it("keeps the order of writes to one row", function()
    local rows = lag.collection(source)
    for n = 1, 20 do
      rows:put("a", { n = n })
      now = now + 0.1
    end
    local before = 0
    for at = now, now + 6, 0.05 do
      local row = rows:get("a", at)
      assert.is_true(not row or row.n >= before)
      before = row and row.n or before
    end
    assert.equals(20, before)
  end)

  it("hides a removed row a little later too", function()
    local rows = lag.collection(source)
    rows:seed("a", {})
    rows:drop("a")
    assert.is_truthy(rows:get("a", now))
    assert.is_nil(rows:newest("a"))
    assert.is_nil(rows:get("a", now + 5))
  end)

  it("forgets a removed row when nobody can ask for it any more, and lists the others as before", function()
    local rows = lag.collection(source)
    for _, id in ipairs { "a", "b", "c" } do rows:put(id, { id = id }, 0) end
    rows:drop("b", 0)
    now = now + 3599
    rows:put("a", {}, 0)
    assert.same({ true, true }, { rows:knows("b"), rows:get("b", 999) == nil })
    now = now + 2
    rows:put("d", { id = "d" }, 0)
    assert.is_false(rows:knows("b"))
    local places = {}
    for place, _, id in rows:scan(now) do places[#places + 1] = place .. id end
    assert.same({ "1a", "3c", "4d" }, places)
    assert.equals("c", rows:find(function(row) return row.id == "c" end).id)
    rows:put("b", { id = "b" }, 0)
    assert.same({ id = "b" }, rows:get("b", now))
  end)

  it("does not forget that one of a crowd was removed", function()
    local crowd = { size = 3, id = tostring, number = tonumber, row = function(n) return { n = n } end }
    local rows = lag.collection(source, crowd)
    rows:drop("2", 0)
    now = now + 4000
    rows:put("1", { n = 1 }, 0)
    assert.is_nil(rows:get("2", now))
    assert.equals(2, rows:count(now))
  end)

  it("repeats exactly with the same seed", function()
    local function delays(seed)
      local other = lag.source { seed = seed, now = function() return now end, min = 1, max = 5 }
      return { other:delay(), other:delay(), other:delay() }
    end
    assert.same(delays(3), delays(3))
    assert.not_same(delays(3), delays(4))
  end)

  it("does not lag without a range, whatever range a write asks for", function()
    local exact = lag.source { seed = 1, now = function() return now end }
    assert.equals(0, exact:delay())
    assert.equals(0, exact:delay { 5, 60 })
  end)
end)

describe("an emulated tenant", function()
  it("is the same for the same seed, and another for another", function()
    local a, b, c = fake.new { seed = 5 }, fake.new { seed = 5 }, fake.new { seed = 6 }
    assert.equals(a.tenant.id, b.tenant.id)
    assert.equals(a.tenant.ids.adele, b.tenant.ids.adele)
    assert.not_equals(a.tenant.id, c.tenant.id)
  end)

  it("has the real permissions and roles", function()
    local world = fake.new()
    assert.equals(141, #world.tenant.role_order)
    assert.equals("Global Administrator", world.tenant.role_names["62e90394-69f5-4237-9190-012177145e10"])
    assert.equals("df021288-bdef-4463-88db-98f22de89214", world:permission("User.Read.All"))
    local values = {}
    for _, list in ipairs { world.tenant.graph.appRoles, world.tenant.graph.oauth2PermissionScopes } do
      for _, row in ipairs(list) do
        values[row.value] = true
      end
    end
    local count = 0
    for _ in pairs(values) do
      count = count + 1
    end
    assert.equals(1134, count)
  end)

  it("knows Graph's own tool as a first-party client", function()
    local client = fake.new().tenant:client(tenant.CLI_APP)
    assert.is_true(client.first_party)
    assert.is_nil(client.application)
    assert.equals("Microsoft Graph Command Line Tools", client.service_principal.displayName)
    assert.is_nil(fake.new().tenant:client("99999999-0000-0000-0000-000000000000"))
  end)

  it("refuses a flag it does not know", function()
    assert.error_matches(function() fake.new { flags = { nonsense = true } } end, "unknown flag \"nonsense\"")
    assert.error_matches(function() fake.new().tenant:set_flag("nonsense", 1) end, "unknown flag \"nonsense\"")
  end)

  it("has people by name, with the roles their names promise", function()
    local world = fake.new()
    local function roles(key)
      local names = {}
      for _, id in ipairs(world.tenant:directory_roles(world.tenant.ids[key])) do
        names[#names + 1] = world.tenant.role_names[id]
      end
      table.sort(names)
      return table.concat(names, ", ")
    end
    assert.equals("Global Administrator", roles("adele"))
    assert.equals("Application Administrator, Privileged Role Administrator", roles("priya"))
    assert.equals("", roles("elias"))
    assert.equals("Security Administrator", roles("t0-emil"))
    world.tenant:activate("elias")
    assert.equals("Application Administrator, Privileged Role Administrator", roles("elias"))
    assert.equals("adele@contoso.onmicrosoft.com", world.tenant:people()[1].upn)
    assert.equals(world.tenant.ids.uma, world.tenant:person("UMA@contoso.onmicrosoft.com").id)
  end)

  it("makes a million people from the seed, each findable by id and name", function()
    local started = collectgarbage("count")
    local world = fake.new { users = 1000000 }
    local n = 777777
    local id = random.guid(1, "user", n)
    local row = world.tenant:person(id)
    assert.equals(id, row.id)
    assert.equals(id, world.tenant:person(row.userPrincipalName).id)
    assert.equals(1000000 + 16, world.tenant.users:count(world.time))
    assert.is_true(collectgarbage("count") - started < 20000)
    local groups = directory.all_groups(world.tenant, id, world.time)
    assert.equals(2, #groups)
    assert.is_true(directory.is_member(world.tenant, groups[1], id, world.time))
    assert.is_true(directory.is_member(world.tenant, world.tenant.ids.everybody, id, world.time))
  end)

  it("has role holders in the crowd, the same by person and by list", function()
    local world = fake.new { users = 1000 }
    local listed = 0
    for _, row in world.tenant.role_assignments:scan(world.time) do
      local person = world.tenant.users.crowd.number(row.principalId)
      if person then
        listed = listed + 1
        assert.same({ row.roleDefinitionId }, world.tenant:directory_roles(row.principalId))
        assert.same(row, world.tenant.role_assignments:get(row.id, world.time))
      end
    end
    assert.equals(5, listed)
  end)

  it("lets people into and out of groups, the crowd's too", function()
    local world = fake.new { users = 10, groups = 2 }
    local group, member = world.tenant.groups.crowd.id(1), world.tenant.users.crowd.id(1)
    local function members()
      local count = 0
      for _ in directory.members(world.tenant, group, world.time) do
        count = count + 1
      end
      return count
    end
    assert.equals(5, members())
    world.tenant:remove_member(group, member)
    assert.equals(4, members())
    assert.is_false(directory.is_member(world.tenant, group, member, world.time))
    world.tenant:add_member(group, member)
    world.tenant:add_member(group, "uma")
    assert.equals(6, members())
    world.tenant:remove_member(group, "uma")
    assert.equals(5, members())
  end)

  describe("checks secrets as the token endpoint does", function()
    local world, app

    before_each(function()
      world = fake.new()
      app = world.tenant:add_app { name = "App", permissions = { "User.Read.All" },
        roles = { "Helpdesk Administrator" } }
    end)

    it("taking the right one", function()
      assert.is_true(world.tenant:check_secret(app.appId, app.secret))
      assert.is_true(world.tenant:check_secret(app.appId:upper(), app.secret))
    end)

    it("refusing others, with the reason", function()
      local function reason(client, value) return select(2, world.tenant:check_secret(client, value)) end
      assert.equals("invalid", reason(app.appId, secret.from("not the secret")))
      assert.equals("unknown_app", reason("11111111-0000-0000-0000-000000000000", app.secret))
      world:wait(181 * 86400)
      assert.equals("expired", reason(app.appId, app.secret))
      world.tenant:disable(app.appId)
      assert.equals("disabled", reason(app.appId, app.secret))
    end)

    it("until it is removed", function()
      for key in pairs(world.tenant.listed_secrets.versions) do
        world.tenant:remove_secret(key)
      end
      assert.equals("invalid", select(2, world.tenant:check_secret(app.appId, app.secret)))
    end)

    it("and says what a token may carry", function()
      assert.same({ "User.Read.All" }, world.tenant:app_roles(app.principal))
      assert.same({ world.tenant.role_ids["Helpdesk Administrator"] }, world.tenant:directory_roles(app.principal))
      assert.equals(1, world.tenant:remove_consent(app.appId))
      assert.same({}, world.tenant:app_roles(app.principal))
      assert.equals(1, world.tenant:remove_role(app.appId, "Helpdesk Administrator"))
      assert.same({}, world.tenant:directory_roles(app.principal))
    end)
  end)

  it("adds up what is consented to a client", function()
    local world = fake.new()
    world.tenant:consent(tenant.CLI_APP, { "User.Read", "Group.Read.All" })
    world.tenant:consent(tenant.CLI_APP, { "User.Read.All" })
    world.tenant:consent(tenant.CLI_APP, { "Policy.Read.All" }, "priya")
    assert.same({ "Group.Read.All", "User.Read", "User.Read.All" }, world.tenant:scopes(tenant.CLI_APP))
    assert.same({ "Group.Read.All", "Policy.Read.All", "User.Read", "User.Read.All" },
      world.tenant:scopes(tenant.CLI_APP, world.tenant.ids.priya))
  end)
end)
