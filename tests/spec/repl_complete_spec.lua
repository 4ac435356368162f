local complete = require "repl.complete"
local extras = require "repl.extras"
local globals = require "repl.globals"
local secret = require "host.secret"
local seen = require "repl.seen"
local sys = require "host.sys"

local ID = "5da79005-66ce-490b-bf77-e8975bf17403"

local function new()
  local repl = { seen = seen.new() }
  repl.env, repl.names = globals.new(extras.new(repl))
  local env = repl.env
  repl.seen:learn({ { id = ID, userPrincipalName = "adele@contoso.com", nested = { appId = "app-1" } } }, "/users")
  repl.seen:learn({ { id = "group-1" } }, "/groups")
  env.last = { value = { { displayName = "x", id = "1", ["@odata.type"] = "y" } } }
  env.key = secret.from "hunter2hunter2"
  env.boom = setmetatable({}, { __index = function() error "completion called something" end })
  return repl
end

describe("completion", function()
  local repl = new()

  local function check(before, ...)
    local list = complete.candidates(repl, before)
    assert.same({ ... }, list, before)
  end

  local function has(before, ...)
    local known = {}
    for _, text in ipairs((complete.candidates(repl, before))) do known[text] = true end
    for _, text in ipairs { ... } do assert(known[text], ("%s: no %s"):format(before, text)) end
  end

  it("offers names: the language's, the library's, one's own", function()
    check("gra", "graph")
    check("x = devol", "devolutions")
    check("for i, v in ipai", "ipairs")
    check("whi", "while")
    check("boo", "boom")
    check("GRA", "graph")
    check("nothing_like_it")
    check("12")
  end)

  it("offers members of modules, rooms, values and objects, and calls nothing for it", function()
    check("graph.li", "list")
    has("devolutions.", "vaults", "entry")
    has("entra.", "application", "reach")
    check("entra.admin.si", "sign_in")
    check("http")
    check("last.value[1].", "displayName", "id")
    has("key:", "close", "equals")
    check("boom.x")
    check("boom.x.y.")
    check("graph.get('/x').")
    check("'text'.")
    has("last.value[1].id:", "format", "upper")
    check("a .. gra", "graph")
  end)

  it("offers options where a call takes them, and properties where a body is written", function()
    check("graph.get('/users', { sel", "select")
    check("graph.get('/users', { top = 1, fil", "filter")
    check("graph.patch('/users/1', { accountE", "accountEnabled")
    check("graph.get('/users', { top = las", "last")
  end)

  it("offers Graph's paths, segment by segment, with ids that were seen", function()
    check("graph.get(\"", "/")
    has("graph.get \"/", "/users", "/groups", "/applications", "/applications(appId='")
    check("graph.get('/us", "/users")
    has("graph.get('/users/", "/users/adele@contoso.com", "/users/" .. ID, "/users/delta")
    check("graph.get('/groups/", "/groups/group-1")
    check("graph.get('/users/adele@contoso.com/mem", "/users/adele@contoso.com/memberOf")
    has("help \"/roleManagement/directory/", "/roleManagement/directory/roleAssignments")
  end)

  it("offers properties of what the path answers with", function()
    check("graph.get('/users', { select = 'id,displayN", "displayName")
    check("graph.all('/users', { select = { 'id', 'userP", "userPrincipalName")
    check("graph.all('/applications', { filter = \"uniq", "uniqueName")
    check("graph.all('/nowhere', { select = 'disp")
  end)

  it("offers topics of help, modules, and words", function()
    has("help \"", "403", "graph.list", "/users/{id}", "Authorization_RequestDenied")
    check("require 'entra.ad", "entra.admin")
    check("trace \"", "off", "on")
    check("x = \"adel", "adele@contoso.com")
  end)

  it("goes on over lines, and stops at comments and long texts", function()
    check("graph.get('/users', {\n  sel", "select")
    check("x = [[\n gra")
    check("-- comment\ngra", "graph")
    check("x = 'it\\'s' .. gra", "graph")
  end)

  it("inserts what is common, then shows the choice", function()
    local tab = complete.new(repl)
    assert.same({ "ph", nil }, { tab "gra" })
    assert.same({ "graph", 3 }, { tab "GRA" })
    assert.same({ "  ", nil }, { tab "   " })
    assert.is_nil((tab "nothing_like_it"))
    assert.equal("rs", (tab "graph.get('/use"))
  end)

  it("takes less than 50 ms, however much was seen", function()
    local large = new()
    for i = 1, 3000 do large.seen:learn({ { id = "id-" .. i, userPrincipalName = ("u%d@x"):format(i) } }, "/users") end
    complete.candidates(large, "graph.")
    for _, before in ipairs { "g", "graph.", "entra.", "graph.get '/users/", "help '", "graph.get('/users', { " } do
      local start = sys.monotonic()
      complete.candidates(large, before)
      local ms = (sys.monotonic() - start) * 1000
      assert(ms < 250, ("%s: %.0f ms"):format(before, ms)) -- 50 on a machine that does nothing else
    end
  end)
end)
