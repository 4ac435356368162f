--- devolutions.server: vaults and entries, on a network that is not there.

local contoso = require "contoso"
local fail = require "fail"
local json = require "host.json"
local secret = require "host.secret"
local server = require "devolutions.server"
local task = require "task"

local LOGIN, LOGOUT = "/dvls/api/v1/login", "/dvls/api/v1/logout"
local VAULTS = "/dvls/api/v1/vault"
local ENTRIES, ENTRY = "/dvls/api/v1/vault/v-1/entry", "/dvls/api/v1/vault/v-1/entry/e-1"

local tenant

local function on(...) tenant.door:on(...) end
local function once(...) tenant.door:once(...) end
local function run(...) return tenant:run(...) end
local function fails(...) return tenant:fails(...) end

local function page(items, number, total)
  return { 200, {}, { data = json.array(items), currentPage = number or 1, pageSize = 100, totalPage = total or 1 } }
end

local function entry(changes)
  local made = {
    id = "e-1", name = "svc", path = "Entra\\Apps", type = "Credential", subType = "AzureServicePrincipal",
      description = "d",
    tags = json.array { "moonlatch" }, modifiedOn = "2026-01-01T00:00:00",
    data = { tenantId = "t", clientId = "c", clientSecret = "old-secret-1" },
  }
  for name, value in pairs(changes or {}) do made[name] = value end
  return { 200, {}, made }
end

describe("devolutions.server", function()
  before_each(function()
    tenant = contoso.new()
    on("POST", LOGIN, { 200, {}, { tokenId = "session-1" } })
    on("POST", LOGOUT, { 200 })
    run(server.login, tenant.profile)
    tenant.door.requests = {}
  end)
  after_each(function()
    run(server.logout)
    tenant:close()
  end)

  describe("the session", function()
    it("goes with every call, to this server only", function()
      on("GET", VAULTS, page {})
      run(server.vaults)
      assert.equal("https://dvls.example:443", tenant.door.requests[1].credential:origin())
    end)

    it("is opened again once when it ended", function()
      once("GET", VAULTS, { 401, {}, { message = "expired" } })
      on("GET", VAULTS, page { { id = "v-1", name = "A" } })
      assert.equal("v-1", run(server.vaults)[1].id)
      assert.equal(1, tenant.door:count("POST", LOGIN))
    end)

    it("is not opened twice for one call", function()
      on("GET", VAULTS, { 401, {}, { message = "no" } })
      local err = fails(server.vaults)
      assert.equal("auth", err.kind)
      assert.equal(1, tenant.door:count("POST", LOGIN))
      assert.equal("list the vaults: the session was not accepted. Devolutions Server said: 401: no\nCheck the"
        .. " application key"
        .. " and secret in the profile, and that the application is enabled.", tostring(err))
    end)

    it("says what is wrong with the key or secret", function()
      on("POST", LOGIN, { 401, {}, { message = "Invalid" } })
      local err = fails(server.login, tenant.profile)
      assert.equal("auth", err.kind)
      assert.equal("log in to Devolutions Server https://dvls.example/dvls: the session was not accepted. Devolutions"
        .. " Server said:"
        .. " 401: Invalid\nCheck the application key and secret in the profile, and that the application is enabled.",
          tostring(err))
    end)

    it("needs a server in the profile", function()
      tenant.profile.devolutions = nil
      local err = fails(server.login, tenant.profile)
      assert.equal("config", err.kind)
      assert.truthy(tostring(err):find("the profile names no Devolutions Server", 1, true))
    end)

    it("is ended", function()
      run(server.logout)
      assert.equal(1, tenant.door:count("POST", LOGOUT))
      run(server.logout)
      assert.equal(1, tenant.door:count("POST", LOGOUT))
    end)
  end)

  it("tells its version", function()
    on("GET", "/dvls/api/public-instance-information", { 200, {}, { result = 1, data = { version = "2026.2.12.0",
      servername = "S" } } })
    assert.same({ version = "2026.2.12.0", name = "S" }, run(server.info))
    on("GET", "/dvls/api/public-instance-information", { 200, {}, { result = 1, data = {} } })
    assert.equal("bad_answer", fails(server.info).kind)
  end)

  describe("lists", function()
    it("go through all pages", function()
      on("GET", VAULTS, function(request)
        local number = math.tointeger(tonumber(request.query.page))
        assert.equal(request.query.page, request.query.pageNumber)
        return table.unpack(page({ { id = "v-" .. number, name = "V" .. number } }, number, 3))
      end)
      assert.equal(3, #run(server.vaults))
      assert.equal(3, #tenant.door.requests)
    end)

    it("notice a server that gives the first page for ever", function()
      on("GET", VAULTS, page({ { id = "v-1", name = "A" } }, 1, 3))
      local err = fails(server.vaults)
      assert.equal("bad_answer", err.kind)
      assert.truthy(tostring(err):find("page 2 was asked for and page 1 came", 1, true))
    end)

    it("refuse what is no page", function()
      on("GET", VAULTS, { 200, {}, "true" })
      local err = fails(server.vaults)
      assert.truthy(tostring(err):find("the answer is not a page: it has no list called data", 1, true))
    end)

    it("find one vault by name or id", function()
      on("GET", VAULTS, page { { id = "v-1", name = "A" }, { id = "v-2", name = "B" }, { id = "v-3", name = "B" } })
      assert.equal("v-1", run(server.vault, "A").id)
      assert.equal("B", run(server.vault, "v-3").name)
      local err = fails(server.vault, "C")
      assert.equal("missing", err.kind)
      assert.equal("find the vault 'C': the application identity sees no vault of that name\nCorrect the name, "
        .. "or give the application identity access to the vault in Devolutions Server.", tostring(err))
      err = fails(server.vault, "B")
      assert.equal("conflict", err.kind)
      assert.equal("find the vault 'B': 2 vaults have that name\nName the vault by its id, or rename the "
        .. "others in Devolutions Server.", tostring(err))
    end)

    it("refuse to end before all was looked at", function()
      on("GET", VAULTS, function(request)
        local number = math.tointeger(tonumber(request.query.page))
        return table.unpack(page({ { id = "v-" .. number, name = "V" } }, number, 2000))
      end)
      local err = fails(server.vaults)
      assert.equal("bad_answer", err.kind)
      assert.truthy(tostring(err):find("there are more than 1000 pages", 1, true))
    end)

    it("find a folder in any spelling, whatever the server's filter makes of it", function()
      on("GET", ENTRIES, page {
        { id = "1", name = "svc", path = "ENTRA\\apps" }, { id = "2", name = "svc", path = "Entra\\Apps\\" },
        { id = "3", name = "svc", path = "Entra\\Apps\\Old" }, { id = "4", name = "svc", path = json.null },
      })
      local found = run(server.entries, "v-1", { path = "Entra\\Apps" })
      assert.same({ "1", "2" }, { found[1].id, found[2].id })
      assert.is_nil(found[3])
      assert.equal("4", run(server.entries, "v-1", { path = "" })[1].id)
      assert.is_nil(tenant.door.requests[1].query.path)
    end)

    it("hold the server to the filter", function()
      on("GET", ENTRIES, page {
        { id = "1", name = "svc", path = "Entra\\Apps", tags = { "a" } }, { id = "2", name = "svc",
          path = "Entra\\Apps\\Old" },
        { id = "3", name = "svc2", path = "Entra\\Apps" }, { id = "4", name = "svc" },
      })
      local function ids(filter)
        local list = {}
        for _, found in ipairs(run(server.entries, "v-1", filter)) do list[#list + 1] = found.id end
        return table.concat(list, " ")
      end
      assert.equal("1", ids { name = "svc", path = "Entra\\Apps" })
      assert.equal("4", ids { path = "" })
      assert.equal("1", ids { tag = "a" })
      assert.equal("1 2 3 4", ids(nil))
      assert.equal("svc", tenant.door.requests[1].query.name)
    end)
  end)

  describe("an entry", function()
    it("comes with its secret, which no text shows", function()
      on("GET", ENTRY, entry())
      local found = run(server.entry, "v-1", "e-1")
      assert.is_true(secret.equals(found.data.clientSecret, secret.from("old-secret-1")))
      assert.equal("t", found.data.tenantId)
      assert.same({ includePasswords = "true", includeSensitiveData = "true" }, tenant.door.requests[1].query)
    end)

    it("is refused when the server hides its secret", function()
      for _, hidden in ipairs { { clientId = "c" }, { clientId = "c", clientSecret = "" },
        { clientSecret = json.null } } do
        on("GET", ENTRY, entry { data = hidden })
        local err = fails(server.entry, "v-1", "e-1")
        assert.equal("denied", err.kind)
        assert.equal("read the entry e-1: the server does not show the entry's clientSecret\nGive the "
          .. "application identity \"View password\" on the vault in Devolutions Server, then run the same command "
          .. "again.",
          tostring(err))
      end
    end)

    it("of an unknown subtype comes as it is", function()
      on("GET", ENTRY, entry { subType = "New", data = { a = 1 } })
      assert.same({ a = 1 }, run(server.entry, "v-1", "e-1").data)
    end)

    it("that is missing fails as missing", function()
      on("GET", ENTRY, { 404, {}, "" })
      local err = fails(server.entry, "v-1", "e-1")
      assert.equal("missing", err.kind)
      assert.equal("read the entry e-1: it does not exist, or the application identity may not see it."
        .. " Devolutions Server said:"
        .. " 404: the answer is empty\nCheck the name, and give the application identity access to the vault.",
          tostring(err))
    end)
  end)

  describe("making one", function()
    local NEW = { name = "svc", path = "Entra\\Apps", subType = "AzureServicePrincipal", tags = { "moonlatch" } }

    local function create(value)
      NEW.data = { tenantId = "t", clientId = "c", clientSecret = secret.from(value or "old-secret-1") }
      return server.create_entry("v-1", NEW)
    end

    it("sends everything and reads it back", function()
      on("POST", ENTRIES, { 201, {}, { id = "e-1" } })
      on("GET", ENTRY, entry())
      assert.equal("e-1", run(create).id)
      assert.equal('{"data":{"clientId":"c","clientSecret":"[secret]","tenantId":"t"},"description":"","name":"svc",'
        .. '"path":"Entra\\\\Apps","subType":"AzureServicePrincipal","tags":["moonlatch"],"type":"Credential"}',
        tenant.door.requests[1].text)
    end)

    it("fails when another value is read back", function()
      on("POST", ENTRIES, { 201, {}, { id = "e-1" } })
      on("GET", ENTRY, entry())
      local err = fails(create, "new-secret-2")
      assert.equal("conflict", err.kind)
      assert.equal("create the entry 'Entra\\Apps\\svc': read back, its clientSecret is not what was written\nLook at "
        .. "the entry in Devolutions Server, because somebody may have changed it at the same time; then run the same "
        .. "command again.", tostring(err))
    end)

    it("may lie in another spelling of its folder", function()
      on("POST", ENTRIES, { 201, {}, { id = "e-1" } })
      on("GET", ENTRY, entry { path = "entra\\APPS" })
      assert.equal("entra\\APPS", run(create).path)
    end)

    it("is taken back, and fails, when the server has put it into another folder", function()
      local fix = "Name the folder as Devolutions Server shows it, as path in the policy or in the profile's "
        .. "devolutions."
      for text, path in pairs {
        ["the vault itself"] = "", ["the folder 'Apps'"] = "Apps",
        ["a folder that the server does not name"] = json.null,
      } do
        on("POST", ENTRIES, { 201, {}, { id = "e-1" } })
        on("GET", ENTRY, entry { path = path })
        on("DELETE", ENTRY, { 204 })
        local before, err = tenant.door:count("DELETE", ENTRY), fails(create)
        assert.equal("conflict", err.kind)
        assert.equal(("create the entry 'Entra\\Apps\\svc': the server has put it into %s, not into the folder "
          .. "'Entra\\Apps'; there it was deleted again\n%s"):format(text, fix), tostring(err))
        assert.equal(before + 1, tenant.door:count("DELETE", ENTRY))
      end
      on("DELETE", ENTRY, { 403, {}, { message = "no" } })
      assert.truthy(tostring(fails(create)):find("; there it is left, as e-1\n", 1, true))
    end)

    it("is not repeated, and unknown when its answer is lost", function()
      on("POST", ENTRIES, { nil, "broken", "cut", true })
      assert.equal("unknown_outcome", fails(create).kind)
      assert.equal(1, tenant.door:count("POST", ENTRIES))
      on("POST", ENTRIES, { 500, {}, "" })
      assert.equal("unknown_outcome", fails(create).kind)
      on("POST", ENTRIES, { 201, {}, {} })
      assert.equal("unknown_outcome", fails(create).kind)
      on("POST", ENTRIES, { 403, {}, { message = "no" } })
      assert.equal("denied", fails(create).kind)
    end)
  end)

  describe("replacing one", function()
    local function replace()
      local found = server.entry("v-1", "e-1")
      found.data.clientSecret = secret.from("new-secret-2")
      return server.replace_entry("v-1", found)
    end

    it("reads, writes the whole, and reads again", function()
      once("GET", ENTRY, entry())
      once("GET", ENTRY, entry())
      on("PUT", ENTRY, { 200, {}, "" })
      on("GET", ENTRY, entry { modifiedOn = "2026-01-01T00:00:09",
        data = { tenantId = "t", clientId = "c", clientSecret = "new-secret-2" } })
      assert.equal("2026-01-01T00:00:09", run(replace).modifiedOn)
      assert.equal('{"data":{"clientId":"c","clientSecret":"[secret]","tenantId":"t"},"description":"d","name":"svc",'
        .. '"path":"Entra\\\\Apps","subType":"AzureServicePrincipal","tags":["moonlatch"],"type":"Credential"}',
        tenant.door.requests[3].text)
    end)

    it("fails when it lies in another folder afterwards", function()
      once("GET", ENTRY, entry())
      once("GET", ENTRY, entry())
      on("PUT", ENTRY, { 200, {}, "" })
      on("GET", ENTRY, entry { path = "Elsewhere",
        data = { tenantId = "t", clientId = "c", clientSecret = "new-secret-2" } })
      local err = fails(replace)
      assert.equal("conflict", err.kind)
      assert.equal("the server has put it into the folder 'Elsewhere', not into the folder 'Entra\\Apps'", err.why)
      assert.equal(0, tenant.door:count("DELETE", ENTRY))
    end)

    it("looks no second time at what was just read", function()
      once("GET", ENTRY, entry())
      on("PUT", ENTRY, { 200, {}, "" })
      on("GET", ENTRY, entry { data = { tenantId = "t", clientId = "c", clientSecret = "new-secret-2" } })
      run(function()
        local found = server.entry("v-1", "e-1")
        found.data.clientSecret = secret.from("new-secret-2")
        server.replace_entry("v-1", found, { just_read = true })
      end)
      assert.equal(2, tenant.door:count("GET", ENTRY))
    end)

    it("stops when somebody else changed it", function()
      once("GET", ENTRY, entry())
      on("GET", ENTRY, entry { modifiedOn = "2026-01-01T00:00:05" })
      local err = fails(replace)
      assert.equal("conflict", err.kind)
      assert.equal("change the entry 'Entra\\Apps\\svc': somebody changed it after it was read\nRun this again: it"
        .. " starts from"
        .. " the entry as it is now.", tostring(err))
      assert.equal(0, tenant.door:count("PUT", ENTRY))
    end)

    it("stops when somebody else changed it within the same second", function()
      once("GET", ENTRY, entry())
      on("GET", ENTRY, entry { data = { tenantId = "t", clientId = "c", clientSecret = "their-secret-3" } })
      assert.equal("conflict", fails(replace).kind)
      once("GET", ENTRY, entry())
      on("GET", ENTRY, entry { tags = json.array { "theirs" } })
      assert.equal("conflict", fails(replace).kind)
      assert.equal(0, tenant.door:count("PUT", ENTRY))
    end)

    it("does not need the old secret to be open still", function()
      once("GET", ENTRY, entry())
      once("GET", ENTRY, entry())
      on("PUT", ENTRY, { 200, {}, "" })
      on("GET", ENTRY, entry { data = { tenantId = "t", clientId = "c", clientSecret = "new-secret-2" } })
      run(function()
        local found = server.entry("v-1", "e-1")
        found.data.clientSecret:close()
        found.data.clientSecret = secret.from("new-secret-2")
        server.replace_entry("v-1", found)
      end)
    end)

    it("repeats a lost write, and says so when it stays lost", function()
      on("GET", ENTRY, entry())
      on("PUT", ENTRY, { nil, "broken", "cut", true })
      assert.equal("unknown_outcome", fails(replace).kind)
      assert.equal(4, tenant.door:count("PUT", ENTRY))
    end)

    it("fails when the old value is read back", function()
      on("GET", ENTRY, entry())
      on("PUT", ENTRY, { 200, {}, "" })
      assert.equal("conflict", fails(replace).kind)
    end)
  end)

  it("removes one, or finds it gone", function()
    on("DELETE", ENTRY, { 200 })
    run(server.delete_entry, "v-1", "e-1")
    on("DELETE", ENTRY, { 404, {}, "" })
    run(server.delete_entry, "v-1", "e-1")
    on("DELETE", ENTRY, { 403, {}, "" })
    assert.is_true(fail.is(fails(server.delete_entry, "v-1", "e-1"), "denied"))
  end)

  it("opens one session for many at once", function()
    run(server.logout)
    on("GET", VAULTS, page {})
    tenant.door.latency = 1
    run(function() task.map({ 1, 2, 3 }, 3, server.vaults) end)
    assert.equal(1, tenant.door:count("POST", LOGIN))
  end)

  it("says which calls a script's words stand for", function()
    local calls = require "devolutions.calls"
    assert.same({ { "GET", "/api/v1/vault" }, { "GET", "/api/v1/vault/{id}" } }, calls.calls_of_word "vaults:read")
    assert.equal(5, #calls.calls_of_word "entries:write")
    assert.equal(2, #calls.calls_of_word "entries:read")
    assert.equal(3, #calls.SESSION)
    assert.is_nil(calls.calls_of_word "entries:burn")
  end)
end)
