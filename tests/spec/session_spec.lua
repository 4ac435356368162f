local fail = require "fail"
local http = require "http.client"
local profile = require "profile.current"
local scheduler = require "task.scheduler"
local session = require "session.open"
local sys = require "host.sys"
local time = require "time"

local folder

local function loaded(more)
  local file = folder .. "/moonlatch.lua"
  if not sys.stat(folder .. "/key") then
    assert(sys.write(folder .. "/key", require("host.secret").generate(32), "new"))
  end
  assert(sys.write(file, ([[return { profiles = { p = { tenant = "x", emulator = true,
    cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:2" },
    key = { from = "file", path = "key" }, %s } } }]]):format(more or ""), "replace"))
  return profile.load { config = file }
end

-- What a door would send of these calls; the connection is refused, or the door does.
local function kinds(calls)
  local graph, list = require "host.graph", {}
  scheduler.run(http.poll, function()
    for i, call in ipairs(calls) do
      local method, path = call:match("(%S+) (%S+)")
      local body = method ~= "GET" and { displayName = "x" } or nil
      local request = graph.request("https://127.0.0.1:2/v1.0", method, path, nil, body)
      local _, _, kind = http.send(request)
      list[i] = kind
    end
  end)
  return list
end

describe("session", function()
  before_each(function() folder = assert(sys.temporary "session") end)
  after_each(function()
    session.close()
    sys.remove_tree(folder)
  end)

  it("opens journal and door for the profile, and closes them again", function()
    local open = session.open(loaded())
    assert.equal(open, session.current())
    assert.equal(8, #session.journal():installation())
    assert.equal("directory", sys.stat(folder .. "/state").type)
    assert.equal("p", profile.current().name)
    assert.error_matches(function() session.open(open.profile) end, "a session is open already")
    open:close()
    open:close()
    assert.is_nil(session.current())
    assert.is_nil(session.journal())
    assert.equal("no session is open: a file that is loaded may call no service", select(2, pcall(profile.current)).why)
  end)

  it("tells the system's log where the chain ends, when it went on and the tenant is real", function()
    local told, syslog = {}, sys.syslog
    sys.syslog = function(text) told[#told + 1] = text end
    local _ <close> = setmetatable({}, { __close = function() sys.syslog = syslog end })
    local real = loaded()
    real.kind, real.login, real.graph = "real", "https://login.example", "https://graph.example/v1.0"
    local function visit(act)
      local open <close> = session.open(real)
      act(open.journal)
      return open.journal:head()
    end
    visit(function(journal)
      journal:audit("x", {}, 1)
      assert(journal:commit())
    end)
    local seq, hash = visit(function() end)
    assert.same({ ("journal of %s ends with record %d:%s"):format(real.binding, seq, hash) }, told)
    real.kind = "emulator"
    real.login, real.graph = "https://127.0.0.1:1", "https://127.0.0.1:2"
    visit(function(journal) journal:audit("x", {}, 2) end)
    assert.equal(1, #told)
  end)

  it("lets through what is declared, and in a plan only what reads of it", function()
    local needs = { graph = { "GET /users/{id}", "PATCH /users/{id}#displayName", "POST /directoryObjects/getByIds" } }
    local calls = { "GET /users/a", "PATCH /users/a", "POST /directoryObjects/getByIds", "GET /groups" }
    local open = session.open(loaded(), { needs = needs })
    assert.same({ "connect", "connect", "connect", "undeclared" }, kinds(calls))
    open:close()
    session.open(loaded(), { needs = needs, reading = true })
    assert.same({ "connect", "undeclared", "connect", "undeclared" }, kinds(calls))
  end)

  it("lets undeclared code read, or all with write", function()
    local calls = { "GET /users/a", "PATCH /users/a" }
    local open = session.open(loaded(), { mode = "read", journal = false })
    assert.same({ "connect", "undeclared" }, kinds(calls))
    open:close()
    session.open(loaded(), { mode = "write" })
    assert.same({ "connect", "connect" }, kinds(calls))
  end)

  it("says what is wrong with a journal, and leaves nothing open", function()
    session.open(loaded()):close()
    assert(sys.remove(folder .. "/key"))
    local _, failure = pcall(session.open, loaded()) -- a new key
    assert.is_true(fail.is(failure, "journal"))
    assert.equal("open the journal in " .. folder .. "/state", failure.what)
    assert.matches("To give the journal the new key: moonlatch journal rekey %-%-old%-key file:PATH", failure.fix)
    assert.is_nil(session.current())
    assert.equal("no session is open: a file that is loaded may call no service", select(2, pcall(profile.current)).why)
  end)

  it("refuses a program, folder or service that the profile does not name", function()
    local function refused(needs)
      local _, failure = pcall(session.open, loaded(), { owner = "x.lua", needs = needs })
      assert.is_nil(session.current())
      return (tostring(failure):gsub(folder, "DIR", 1))
    end
    assert.equal("x.lua: use the program 'tell': the profile p names no program 'tell'\nAdd programs = { tell = "
      .. '{ "/path/of/the/program" } } to the profile in DIR/moonlatch.lua.', refused { run = { "tell" } })
    assert.equal("x.lua: use the folder 'reports': the profile p names no folder 'reports'\nAdd folders = { "
      .. 'reports = "/path/of/the/folder" } to the profile in DIR/moonlatch.lua.', refused { files = { "reports" } })
    assert.equal("x.lua: use the peer 'vault': the profile p names no peer 'vault'\nAdd peers = { vault = "
      .. '{ url = "https://…" } } to the profile in DIR/moonlatch.lua.',
      refused { peers = { vault = { "GET /v1/x" } } })
    assert.matches('Add peers = { ["key-vault"] = {', refused { peers = { ["key-vault"] = { "GET /v1/x" } } }, 1, true)
    assert.matches('Add programs = { ["end"] = {', refused { run = { "end" } }, 1, true)
  end)

  it("follows an emulator's clock while it is open", function()
    assert(sys.clock(folder .. "/clock", true)):advance(1000)
    local open = session.open(loaded [[emulator = { clock = "clock" }]])
    assert.is_true(time.now() - sys.time() > 999)
    open:close()
    assert.is_true(math.abs(time.now() - sys.time()) < 1)
    sys.remove(folder .. "/clock")
    local _, failure = pcall(session.open, loaded [[emulator = { clock = "clock" }]])
    assert.matches("^follow the emulator's clock .*\nStart the emulator again %(moonlatch emulator%), and name the "
      .. "configuration that it prints with "
      .. "%-%-config FILE%.$",
      tostring(failure))
  end)

  it("comes when it is first needed, for code that declares nothing", function()
    loaded()
    profile.use(nil)
    local later = require "session.on_demand" { config = folder .. "/moonlatch.lua" }
    assert.is_nil(session.current())
    assert.equal("p", profile.current().name)
    assert.is_not_nil(session.current())
    assert.is_nil(session.journal())
    debug.getmetatable(later).__close(later)
    assert.is_nil(session.current())
  end)
end)
