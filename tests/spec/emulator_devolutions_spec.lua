package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local devolutions = require "emulator.devolutions"
local json = require "json"
local secret = require "host.secret"

describe("the emulated Devolutions Server", function()
  local now, server, token

  local function ask(method, target, body, headers)
    local path, text = target:match("^([^?]*)%??(.*)$")
    local query = {}
    for name, value in text:gmatch("([^&=]+)=([^&]*)") do
      query[name] = value
    end
    headers = headers or { tokenid = token }
    local status, sent, answered = devolutions.handle(server, {
      method = method, path = path, query = query, body = body,
      header = function(name) return headers[name:lower()] end,
    })
    return status, answered, sent
  end

  local function start(flags)
    now = 1795000000
    server = devolutions.new { now = function() return now end, flags = flags }
    server.app_secret = secret.from("the secret of the application")
    -- what a client sends back is text; the emulator only ever gave it a secret
    token = "a session that the test knows"
    server.sessions = { { token = secret.from(token), till = now + 1200 } }
  end

  before_each(function() start() end)

  local function vault(name)
    return "/api/v1/vault/" .. server:vault_id(name or "Privileged")
  end

  local function entry(more)
    local body = { name = "svc-app", path = "Entra\\Apps", type = "Credential", subType = "AzureServicePrincipal",
      description = "", tags = json.array { "moonlatch" },
      data = { tenantId = "t", clientId = "c", clientSecret = secret.from("value") } }
    for key, value in pairs(more or {}) do
      body[key] = value
    end
    return body
  end

  local function create(more)
    local status, body = ask("POST", vault() .. "/entry", entry(more))
    assert.equals(201, status)
    return body.id
  end

  describe("opens sessions", function()
    it("for the application's key and secret", function()
      local status, body = ask("POST", "/api/v1/login",
        { appKey = server.app_key, appSecret = secret.from("the secret of the application") }, {})
      assert.equals(200, status)
      assert.is_true(secret.is(body.tokenId))
      assert.equals(2, #server.sessions)
    end)

    it("by form too, names in any case", function()
      local form = { AppKey = server.app_key, AppSecret = "the secret of the application" }
      local status, _, body = devolutions.handle(server, { method = "POST", path = "/api/v1/login", query = {},
        header = function(name) return name == "content-type" and "application/x-www-form-urlencoded" or nil end,
        form = function() return form end })
      assert.equals(200, status)
      assert.is_true(secret.is(body.tokenId))
    end)

    it("and for nobody else, with a status that is a switch", function()
      local body = { appKey = server.app_key, appSecret = secret.from("wrong") }
      local status, answered = ask("POST", "/api/v1/login", body, {})
      assert.equals(401, status)
      assert.equals("Invalid application key or secret.", answered.message)
      server.flags.login_failure = 400
      assert.equals(400, (ask("POST", "/api/v1/login", body, {})))
      server:enable(false)
      assert.equals(400, (ask("POST", "/api/v1/login",
        { appKey = server.app_key, appSecret = secret.from("the secret of the application") }, {})))
    end)

    it("that end", function()
      assert.equals("true", select(2, ask("GET", "/api/is-logged")))
      assert.equals(200, (ask("POST", "/api/v1/logout")))
      assert.equals("false", select(2, ask("GET", "/api/is-logged")))
      assert.equals(401, (ask("GET", "/api/v1/vault")))
      start()
      now = now + 1200
      assert.equals("false", select(2, ask("GET", "/api/is-logged")))
    end)

    it("without which nothing is said but the version", function()
      local _, body = ask("GET", "/api/public-instance-information", nil, {})
      assert.equals("2026.2.12.0", body.data.version)
      assert.equals(1, body.result)
      local status, private = ask("GET", "/api/private-instance-information", nil, {})
      assert.equals(200, status)
      assert.same({ result = 10 }, private)
      assert.equals(1, select(2, ask("GET", "/api/private-instance-information")).result)
      local refused, answered = ask("GET", vault() .. "/entry", nil, { authorization = "Bearer " .. token })
      assert.equals(401, refused)
      assert.equals("The session is missing or has expired.", answered.message)
    end)
  end)

  it("lists vaults, makes them, and refuses the system's kind", function()
    local _, body = ask("GET", "/api/v1/vault")
    assert.equals(3, body.totalCount)
    assert.equals("00000000-0000-0000-0000-000000000000", body.data[1].id)
    assert.equals("Default", body.data[1].contentType)
    assert.equals(201, (ask("POST", "/api/v1/vault", { name = "New", contentType = "Credentials" })))
    assert.equals(400, (ask("POST", "/api/v1/vault", { name = "New", contentType = "Default" })))
    assert.equals(400, (ask("POST", "/api/v1/vault", { contentType = "Credentials" })))
    assert.equals("New", select(2, ask("GET", vault("New"))).name)
    assert.equals(404, (ask("GET", "/api/v1/vault/11111111-1111-4111-8111-111111111111")))
  end)

  describe("keeps entries", function()
    it("and gives the secret back to who asks for one", function()
      local id = create()
      local status, body = ask("GET", vault() .. "/entry/" .. id)
      assert.equals(200, status)
      assert.equals("svc-app", body.name)
      assert.equals("Entra\\Apps", body.path)
      assert.equals("AzureServicePrincipal", body.subType)
      assert.same({ "moonlatch" }, { table.unpack(body.tags) })
      assert.is_true(secret.equals(body.data.clientSecret, secret.from("value")))
    end)

    it("but not in a list", function()
      create()
      local _, body = ask("GET", vault() .. "/entry")
      assert.equals(1, body.totalCount)
      assert.is_nil(body.data[1].data)
      assert.equals("svc-app", body.data[1].name)
    end)

    it("hiding secrets without View password: absent or empty, a switch", function()
      local id = create()
      server:permit("view_password", false)
      local _, body = ask("GET", vault() .. "/entry/" .. id)
      assert.is_nil(body.data.clientSecret)
      assert.equals("c", body.data.clientId)
      server.flags.hidden_secret = "empty"
      assert.equals("", select(2, ask("GET", vault() .. "/entry/" .. id)).data.clientSecret)
    end)

    it("giving secrets only to who asks for passwords: a switch", function()
      local id = create()
      server.flags.ask_for_passwords = true
      assert.is_nil(select(2, ask("GET", vault() .. "/entry/" .. id)).data.clientSecret)
      assert.is_truthy(select(2, ask("GET", vault() .. "/entry/" .. id .. "?includePasswords=true")).data.clientSecret)
    end)

    it("replacing them whole: what is left out is cleared", function()
      local id = create { description = "kept by hand" }
      now = now + 60
      assert.equals(200, (ask("PUT", vault() .. "/entry/" .. id, { name = "renamed", data = { clientId = "d" } })))
      local _, body = ask("GET", vault() .. "/entry/" .. id)
      assert.equals("renamed", body.name)
      assert.equals("", body.description)
      assert.equals("", body.path)
      assert.equals(0, #body.tags)
      assert.same({ clientId = "d" }, body.data)
      assert.equals("AzureServicePrincipal", body.subType)
      assert.not_equals(body.createdOn, body.modifiedOn)
      assert.equals(400, (ask("PUT", vault() .. "/entry/" .. id, { description = "no name" })))
    end)

    it("taking member names in any case, and keeping members it does not know", function()
      local status, body = ask("POST", vault() .. "/entry", { Name = "x", type = "Credential", subtype = "ApiKey",
        data = { ApiKey = "k", apiid = "i", future = "kept" } })
      assert.equals(201, status)
      local _, read = ask("GET", vault() .. "/entry/" .. body.id)
      assert.equals("ApiKey", read.subType)
      assert.is_true(secret.is(read.data.apiKey))
      assert.equals("i", read.data.apiId)
      assert.equals("kept", read.data.future)
    end)

    it("refusing what is no entry", function()
      for _, more in ipairs { { name = "" }, { type = "Nonsense" }, { subType = "Nonsense" } } do
        assert.equals(400, (ask("POST", vault() .. "/entry", entry(more))))
      end
      assert.equals(404, (ask("GET", vault() .. "/entry/11111111-1111-4111-8111-111111111111")))
      assert.equals(404, (ask("GET", "/api/v2/vault")))
      assert.equals(201, (ask("POST", vault() .. "/entry", { name = "Entra", type = "Folder", subType = "Folder" })))
    end)

    it("until they are deleted", function()
      local id = create()
      assert.equals(200, (ask("DELETE", vault() .. "/entry/" .. id)))
      assert.equals(404, (ask("GET", vault() .. "/entry/" .. id)))
    end)

    it("as far as the application may", function()
      local id = create()
      local path = vault() .. "/entry/" .. id
      for permission, call in pairs { add = { "POST", vault() .. "/entry", entry() }, edit = { "PUT", path, entry() },
        delete = { "DELETE", path }, view = { "GET", path } } do
        server:permit(permission, false)
        local status, body = ask(table.unpack(call))
        assert.equals(403, status, permission)
        assert.equals("Access denied.", body.message)
        server:permit(permission, true)
      end
      server:seal(server:vault_id("Privileged"), id)
      assert.equals(403, (ask("GET", path)))
    end)

    it("found by name and tag exactly, by part of a path, never by type", function()
      create { name = "a", path = "Entra\\Apps" }
      create { name = "b", path = "Entra\\Apps\\Old", tags = json.array {} }
      create { name = "ab", path = "Other" }
      local function count(query) return select(2, ask("GET", vault() .. "/entry?" .. query)).totalCount end
      assert.equals(1, count("name=A"))
      assert.equals(2, count("path=Entra\\Apps"))
      assert.equals(3, count("path="))
      assert.equals(2, count("tag=moonlatch"))
      assert.equals(3, count("type=Certificate"))
    end)

    it("with dates in the layouts clients have met", function()
      local seen = {}
      for i = 1, 30 do
        local id = create { name = "n" .. i }
        local _, body = ask("GET", vault() .. "/entry/" .. id)
        seen[body.createdOn] = true
        assert.matches("^2026%-11%-18T11:06:40", body.createdOn)
      end
      for _, layout in ipairs(devolutions.DATES) do
        assert.is_true(seen[layout:format("2026-11-18T11:06:40")])
      end
      server.flags.date_layout = "%sZ"
      assert.equals("2026-11-18T11:06:40Z", select(2, ask("GET", vault() .. "/entry/" .. create())).createdOn)
    end)
  end)

  it("finds entries by the names they have now, in the order they were made", function()
    local ids = {}
    for i, name in ipairs { "a", "b", "a", "c", "B" } do ids[i] = create { name = name } end
    local function found(name)
      local places = {}
      for _, row in ipairs(select(2, ask("GET", vault() .. "/entry?name=" .. name)).data) do
        for i, id in ipairs(ids) do places[#places + 1] = id == row.id and i or nil end
      end
      return table.concat(places, " ")
    end
    assert.same({ "1 3", "2 5", "4", "", "1 2 3 4 5" }, { found "A", found "b", found "c", found "d", found "" })
    ask("PUT", vault() .. "/entry/" .. ids[1], entry { name = "c" })
    server.entries[server:vault_id "Privileged"]:get(ids[2]).name = "d"
    assert.same({ "3", "5", "1 4", "2", "1 2 3 4 5" }, { found "A", found "b", found "c", found "d", found "" })
    for _, place in ipairs { 1, 2, 3, 5 } do ask("DELETE", vault() .. "/entry/" .. ids[place]) end
    assert.same({ "", "", "4", "", "4" }, { found "A", found "b", found "c", found "d", found "" })
    assert.equals(404, (ask("DELETE", vault() .. "/entry/" .. ids[1])))
  end)

  describe("turns pages", function()
    before_each(function()
      for i = 1, 5 do
        create { name = "n" .. i }
      end
    end)

    local function page(query)
      local status, body = ask("GET", vault() .. "/entry?pageSize=2&" .. query)
      assert.equals(200, status)
      assert.equals(5, body.totalCount)
      assert.equals(3, body.totalPage)
      return body.currentPage, #body.data
    end

    it("by pageNumber, by page or by both: a switch; the other one gives the first page for ever", function()
      assert.same({ 3, 1 }, { page("pageNumber=3") })
      assert.same({ 1, 2 }, { page("page=3") })
      server.flags.page_parameter = "page"
      assert.same({ 1, 2 }, { page("pageNumber=3") })
      assert.same({ 3, 1 }, { page("page=3&pageNumber=3") })
      server.flags.page_parameter = "both"
      assert.same({ 2, 2 }, { page("page=2") })
      assert.same({ 2, 2 }, { page("pageNumber=2") })
    end)

    it("of what is there now, though the pages before were of something else", function()
      local function names(query)
        local list = {}
        local _, body = ask("GET", vault() .. "/entry?pageSize=2&" .. query)
        for i, row in ipairs(body.data) do list[i] = row.name end
        return table.concat(list, " ")
      end
      assert.equals("n1 n2", names "pageNumber=1")
      create { name = "n6" }
      assert.equals("n5 n6", names "pageNumber=3")
      local first = select(2, ask("GET", vault() .. "/entry?name=N1")).data[1].id
      ask("DELETE", vault() .. "/entry/" .. first)
      assert.equals("n4 n5", names "pageNumber=2")
    end)

    it("of at most a thousand", function()
      assert.equals(400, (ask("GET", vault() .. "/entry?pageSize=1001")))
    end)
  end)

  it("may live below a path", function()
    start { base_path = "/dvls" }
    assert.equals(200, (ask("GET", "/dvls/api/v1/vault")))
    assert.equals(404, (ask("GET", "/api/v1/vault")))
  end)

  it("refuses a flag it does not know", function()
    assert.error_matches(function() start { nonsense = true } end, "unknown flag \"nonsense\"")
  end)
end)
