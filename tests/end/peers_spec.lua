-- The services that a profile names as peers: what a script may call there, what leaves, and what never does. The
-- service is tests/service.py, which shares nothing with the program.

local crypto = require "host.crypto"
local json = require "host.json"
local process = require "host.process"
local rehearsal = require "rehearsal"

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- A script that stores a generated password in the store, and reads it back.
local STORE = [[
local peer, secret, report = require "peer", require "secret", require "report"
return {
  summary = "store a value",
  needs = { peers = { vault = {
    { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" } },
    { "GET /v1/{mount}/data/{path+}", answers = { "data.data.*" } },
  } } },
  run = function()
    local value = secret.generate(24)
    local path = peer.path("/v1/{mount}/data/{path}", "secret", "the app")
    peer.vault:post(path, { options = { cas = 0 }, data = { password = value, note = "plain" } })
    local found = peer.vault:get(path)
    print(found.status, found.body.data.metadata.version, found.body.data.data.password:equals(value),
      tostring(found.body.data.data.password), tostring(found.body.data.data.note))
    local ok, failure = pcall(peer.vault.post, peer.vault, path, { options = { cas = 0 }, data = { password = value } })
    print(ok, failure.kind, failure.status, failure.why)
    print(peer.vault:get(peer.path("/v1/{mount}/data/{path}", "secret", "none"), { missing = "nil" }))
    print(value:equals(found.body.data.data.password))
  end,
}
]]

-- Calls that a script did not declare, or that hide a secret elsewhere.
local MISDEEDS = [[
local peer, secret, graph = require "peer", require "secret", require "graph"
local function attempt(what, way)
  local ok, failure = pcall(way)
  print(what .. ": " .. (ok and "done" or type(failure) == "table" and failure.why or tostring(failure)))
end
return {
  summary = "misdeeds",
  needs = { peers = { vault = {
    { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" } }, "GET /echo", "GET /redirect", "POST /echo",
  } } },
  run = function()
    local value = secret.generate(24)
    attempt("another path", function() peer.vault:get("/v1/sys/seal") end)
    attempt("another method", function() peer.vault:delete("/echo") end)
    attempt("a second peer", function() peer.slack:post("/", { text = "hello" }) end)
    attempt("a path with dots", function() peer.vault:get("/echo/../v1/sys/seal") end)
    attempt("a secret in another member", function()
      peer.vault:post("/v1/secret/data/x", { data = { a = 1 }, note = value })
    end)
    attempt("a secret elsewhere", function() peer.vault:post("/echo", { a = value }) end)
    attempt("a secret as a header", function() peer.vault:get("/echo", { headers = { ["X-A"] = value } }) end)
    attempt("a secret in the query", function() peer.vault:get("/echo", { query = { a = value } }) end)
    attempt("a secret in the path", function() peer.path("/v1/{x}", value) end)
    attempt("the credential's header", function()
      peer.vault:get("/echo", { headers = { ["x-vault-token"] = "mine" } })
    end)
    attempt("a secret to Graph", function() graph.patch("/users/1", { displayName = value }) end)
    attempt("a redirect", function() peer.vault:get("/redirect") end)
    attempt("an option that is not there", function() peer.vault:get("/echo", { heders = {} }) end)
    attempt("a peer that is not there", function() peer.vaultt:get("/echo") end)
    attempt("a change of the module", function() peer.get = print end)
    attempt("a change of the peer", function() peer.vault.get = print end)
  end,
}
]]

describe("peers of a profile", function()
  local emu, child, service, folder

  local function read_log()
    local requests = {}
    for line in slurp(service.log):gmatch "[^\n]+" do requests[#requests + 1] = assert(json.decode(line)) end
    return requests
  end

  local function last_request() local list = read_log() return list[#list] end

  local function configure_peers(text)
    emu:configure(function(before)
      return (before:gsub("peers = %b{},\n", ""):gsub("emulator = { clock", "peers = {" .. text .. "},\n%0"))
    end)
  end

  local function peers_of_specs()
    return ('vault = { url = %q, ca = %q, credential = { header = "X-Vault-Token", secret = { from = "file", '
      .. 'path = %q } } }, slack = { url = { from = "file", path = %q }, ca = %q },'):format(service.base, service.ca,
        emu.place.path .. "/token", emu.place.path .. "/hook", service.ca)
  end

  setup(function()
    emu = rehearsal.new()
    folder = emu.place.path .. "/service"
    assert(os.execute("mkdir " .. folder))
    child = assert(process.start({ "/usr/bin/python3", "-B", SOURCE .. "/tests/service.py", folder }, nil, nil, "kept"))
    service = assert(json.decode(assert(child:line(30))))
    emu.place:write("token", service.token .. "\n")
    emu.place:write("hook", service.base .. service.hook .. "?sig=a1b2c3d4e5")
  end)
  teardown(function()
    child:close()
    local _ <close> = emu
  end)
  before_each(function() configure_peers(peers_of_specs()) end)

  local function run(text, ...)
    return emu:run { "run", emu.place:write("script.lua", text), ... }
  end

  it("carry a secret to its place and back, with compare-and-set", function()
    local outcome = run(STORE)
    assert.equal(0, outcome.status, outcome.err)
    local lines = {}
    for line in outcome.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal("200\t1\ttrue\t[secret]\t[secret]", lines[1])
    assert.equal("false\trefused\t400\tthe service refuses this. vault said: 400: check-and-set parameter did not "
      .. "match the current version", lines[2])
    assert.equal("nil", lines[3])
    assert.equal("true", lines[4])
    local sent = read_log()[1]
    assert.equal("/v1/secret/data/the%20app", sent.path)
    assert.equal(service.token, sent.headers["x-vault-token"])
    assert.equal(24, #json.decode(sent.body).data.password)
  end)

  it("refuse what a script did not declare, and secrets at other places", function()
    local before = #read_log()
    local outcome = run(MISDEEDS)
    assert.equal(0, outcome.status, outcome.err)
    local said = {}
    for what, why in outcome.out:gmatch "([^\n:]+): ([^\n]*)" do said[what] = why end
    local path = emu.place.path .. "/script.lua"
    local expected = {
      ["another path"] = 'add "GET /v1/sys/seal" to needs.peers.vault of ' .. path,
      ["another method"] = 'add "DELETE /echo" to needs.peers.vault of ' .. path,
      ["a second peer"] = "it is not the address of the profile's slack; the profile names none",
      ["a path with dots"] = "an empty or dotted segment",
      ["a secret in another member"] = "would send a secret in 'note': in the body of this call data.* may hold a "
        .. "secret",
      ["a secret elsewhere"] = "would send a secret in 'a': in the body of this call no member may hold a secret",
      ["a secret as a header"] = "the value of a header is a string",
      ["a secret in the query"] = "query member 'a' is not a string",
      ["a secret in the path"] = "string expected",
      ["the credential's header"] = "sets the header X-Vault-Token, which holds the credential of this peer",
      ["a secret to Graph"] = "",
      ["a redirect"] = "the service sent a redirect; redirects are never followed",
      ["an option that is not there"] = "it has no option 'heders'",
      ["a peer that is not there"] = "names no such peer",
      ["a change of the module"] = "'peer' cannot be changed by a script (writing 'get')",
      ["a change of the peer"] = "'peer' cannot be changed by a script (writing 'get')",
    }
    for what, why in pairs(expected) do
      assert.is_truthy(said[what], what)
      assert.is_truthy(said[what]:find(why, 1, true), what .. ": " .. said[what])
      assert.not_equal("done", said[what], what)
    end
    local seen = {}
    for i = before + 1, #read_log() do seen[#seen + 1] = read_log()[i].method .. " " .. read_log()[i].path end
    assert.same({ "GET /redirect" }, seen)
  end)

  it("are named by a script only when the profile has them", function()
    configure_peers ""
    local outcome = run(STORE)
    assert.equal(1, outcome.status)
    assert.matches("use the peer 'vault'\n  why: the profile %S+ names no peer 'vault'\n  fix: Add peers = { vault = "
      .. "{ url = \"https://…\" } } to the profile in ", outcome.err)
  end)

  it("show typed code numbers, and each text as a secret unless the profile says where secrets are", function()
    local read = { "-e", [[
      local json, peer = require "json", require "peer"
      print(json.encode(peer.vault:get("/list").body), tostring(peer.vault:get("/text").body))
      print(select(2, pcall(peer.vault.get, peer.vault, "/azure")).why)
    ]] }
    local refused = "\nour credential may not do this. vault said: 403 ForbiddenByRbac: Caller is not authorized\n"
    local hidden = emu:run(read)
    assert.equal('["[secret]",7,{"name":"[secret]","of":["[secret]",true]}]\t[secret]' .. refused, hidden.out,
      hidden.err)
    for text, shown in pairs { ["{}"] = "a name", ['{ "name" }'] = "[secret]" } do
      configure_peers((peers_of_specs():gsub("vault = {", "%0 answers = " .. text .. ", ")))
      local outcome = emu:run(read)
      assert.equal(('["a text",7,{"name":"%s","of":["another",true]}]\tok%s'):format(shown, refused), outcome.out,
        outcome.err)
    end
    configure_peers((peers_of_specs():gsub("vault = {", '%0 answers = { "data..x" }, ')))
    local wrong = emu:run(read)
    assert.equal(1, wrong.status)
    assert.matches('peers.vault.answers%[1%]\n  why: "data..x" is no place: "data.password", or "data.%*" for each',
      wrong.err)
  end)

  it("let typed code read, and change with --write only", function()
    configure_peers((peers_of_specs():gsub("vault = {", "%0 answers = {}, ")))
    local read = emu:run { "-e", 'print(require("peer").vault:get("/echo").status)' }
    assert.equal("200\n", read.out, read.err)
    local change = 'print(require("peer").vault:post("/echo", { a = 1 }).body.body)'
    local refused = emu:run { "-e", change }
    assert.equal(1, refused.status)
    assert.matches("POST /echo would change something, and this code may only read: %-%-write lifts that", refused.err)
    assert.equal('{"a":1}\n', emu:run({ "-e", change, "--write" }).out)
    local dotted = emu:run { "-e", 'require("peer").vault.get("/echo")' }
    assert.matches('a peer is needed: peer.NAME:get("/v1/…")', dotted.err, 1, true)
  end)

  it("put each change on record, with neither secret nor address", function()
    local outcome = run [[
      local peer = require "peer"
      return { summary = "tell", needs = { peers = { slack = { "POST /" } } },
        run = function() print(peer.slack:post("/", { text = "hello" }, { what = "tell the team" }).body) end }
    ]]
    assert.equal("ok\n", outcome.out, outcome.err)
    assert.equal(service.hook .. "?sig=a1b2c3d4e5", last_request().path)
    local told = run([[
      local peer = require "peer"
      return { summary = "tell", needs = { peers = { slack = { "POST /", "GET /" } } }, run = function()
        print(select(2, pcall(peer.slack.get, peer.slack, "/x")).why)
        peer.slack:post("/", { text = "again" })
      end }
    ]], "--verbose")
    assert.equal("the whole address of this peer is a secret, so a call has neither a path nor a query\n", told.out)
    local list = emu:run { "journal", "history", "50", "--json" }
    assert.matches('"note": "tell the team"', list.out)
    local everything = told.out .. told.err .. list.out .. list.err
    for _, name in ipairs { "repeats_all", "repeats_all_ok" } do -- a service that repeats all that it was sent
      emu.place:write("hook", ("%s/misdeed/%s/zVx3secretpart?sig=a1b2c3d4e5"):format(service.base, name))
      local echo = run [[
        local json, peer = require "json", require "peer"
        return { summary = "tell", needs = { peers = { slack = { "POST /" } } }, run = function()
          local ok, result = pcall(peer.slack.post, peer.slack, "/", { text = "again" })
          print(ok, ok and json.encode(result) or tostring(result))
        end }
      ]]
      assert.equal(0, echo.status, echo.err)
      assert.is_truthy(echo.out:find("[secret]", 1, true), echo.out)
      everything = everything .. echo.out .. echo.err
    end
    emu.place:write("hook", service.base .. service.hook .. "?sig=a1b2c3d4e5")
    for _, part in ipairs { "zVx3secretpart", "T0HOOK", "a1b2c3d4e5" } do
      assert.is_nil(everything:find(part, 1, true), part)
    end
  end)

  it("are signed for as Standard Webhooks asks, the same message under one id", function()
    configure_peers(('hook = { url = %q, ca = %q, credential = { webhook = { from = "file", path = %q } } },')
      :format(service.base .. "/webhook", service.ca, emu.place:write("signing", "whsec_" .. service.signing)))
    local text = [[
      local peer = require "peer"
      return { summary = "tell", needs = { peers = { hook = { "POST /" } } }, run = function()
        print(peer.hook:post("/", { type = "credential.expiring" }, { id = "msg_1" }).status)
      end }
    ]]
    local outcome = run(text)
    assert.equal("204\n", outcome.out, outcome.err)
    assert.equal("msg_1", last_request().headers["webhook-id"])
    emu.place:write("signing", "whsec_" .. ("QUJD"):rep(8))
    assert.matches("the service did not accept our credential. hook said: 401: wrong signature", run(text).err)
  end)

  it("get a token of their own from the tenant, never the one for Graph", function()
    local text = ('arm = { url = %q, ca = %q, answers = {}, '
      .. 'credential = { scope = "https://management.azure.com/.default" } },')
      :format(service.base, service.ca)
    configure_peers(text)
    emu:admin("add_identity", { name = "rotator", permissions = { "User.Read.All" } })
    local read = 'print(require("peer").arm:get("/token").body.authorization)'
    local outcome = emu:run { "-e", read, "--profile", "identity" }
    assert.equal("Bearer [secret]\n", outcome.out, outcome.err)
    local claims = last_request().headers.authorization:match "^Bearer [^.]+%.([^.]+)%."
    claims = assert(json.decode(crypto.unbase64(claims)))
    assert.equal("https://management.azure.com", claims.aud:gsub("/$", ""))
    local person = emu:run { "-e", read }
    assert.equal(1, person.status)
    assert.matches("get a token for the peer 'arm'\n  why: the profile signs in as a person", person.err)
  end)

  it("count as deleted what was there before the answer was lost, and nothing else", function()
    local outcome = emu:run { "-e", [[
      local peer = require "peer"
      print(peer.vault:delete("/deleted").status)
      local ok, failure = pcall(peer.vault.delete, peer.vault, "/never-there")
      print(ok, failure.kind, peer.vault:delete("/never-there", { missing = "nil" }))
    ]], "--write" }
    assert.equal("404\nfalse\tmissing\tnil\n", outcome.out, outcome.err)
  end)

  it("are asked again when that is safe, with a new credential when the old one is refused", function()
    local outcome = emu:run { "-e", [[
      local peer = require "peer"
      print(peer.vault:get("/busy").body.tries, peer.vault:get("/expired").body.tries)
      print(#peer.vault:get("/echo").headers.etag)
    ]] }
    assert.equal("2\t2\n3\n", outcome.out, outcome.err)
    local before = #read_log()
    local lost = emu:run { "-e", 'require("peer").vault:post("/lost", {})', "--write" }
    assert.equal(1, lost.status)
    assert.matches("POST /lost at vault\n  why: it is unknown whether the change was made", lost.err)
    assert.equal(before + 1, #read_log())
  end)
end)
