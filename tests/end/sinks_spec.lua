-- takes 20 s: runs the program some thirty times
-- Sinks that are scripts: the client secret of an application goes to Vault, Key Vault, Kubernetes and a program, is
-- read back, and never replaces what belongs to another. The services are tests/stores.py.

local client = require "client"
local json = require "host.json"
local process = require "host.process"
local rehearsal = require "rehearsal"

local POLICY = [[
local policy = require "policy"
return policy {
  summary = "one application", select = policy.applications { client_id = %q },
  every = "30d", lifetime = "90d", grace = "7d", sink = %s,
}
]]

local VAULT = [[policy.sink("sinks/vault", { path = "apps/{client_id}", linked = true })]]
local KEYS = [[policy.sink("sinks/azure-key-vault", { name = "app-{client_id}", linked = true })]]
local KUBERNETES = [[policy.sink("sinks/kubernetes-secret",
  { namespace = "prod", name = "app-{client_id}", linked = true })]]

describe("a sink script", function()
  local emu, child, stores, asking, app, count

  local function ask(method, path, body)
    local status, text = asking:ask(method, stores.base .. path, { "Content-Type: application/json" },
      body and json.encode(body))
    assert(tonumber(status) and status < 300 or text, tostring(status))
    return text ~= "" and json.decode(text) or nil
  end

  local function state() return ask("GET", "/state") end

  setup(function()
    emu = rehearsal.new()
    local folder = emu.place.path .. "/stores"
    assert(os.execute("mkdir " .. folder))
    child = assert(process.start({ "/usr/bin/python3", "-B", SOURCE .. "/tests/stores.py", folder }, nil, nil, "kept"))
    stores = assert(json.decode(assert(child:line(30))))
    stores.folder = folder
    asking = client.open(stores.ca)
    local function source(name, text) return ("{ from = 'file', path = '%s' }"):format(emu.place:write(name, text)) end
    local program = emu.place:write("take", "#!/bin/sh\ncat >'" .. emu.place.path .. "/taken'\n")
    local token, list = source("token", stores.token), {}
    for _, name in ipairs { "vault", "keys", "kubernetes" } do
      list[#list + 1] = ("%s = { url = '%s/%s', ca = '%s', credential = { bearer = %s } },"):format(name, stores.base,
        name, stores.ca, token)
    end
    local profile = ("peers = { %s }, programs = { take = { '/bin/sh', '%s', confirms = true }, "
      .. "other = { '/bin/sh', '%s' } },"):format(table.concat(list, " "), program, program)
    emu:configure(function(text) return (text:gsub("emulator = { clock", profile:gsub("%%", "%%%%") .. " %0")) end)
  end)
  teardown(function()
    asking:close()
    child:close()
    local _ <close> = emu
  end)

  before_each(function()
    count = (count or 0) + 1
    app = emu:admin("add_app", { name = "Billing " .. count, days = 3650 })
    app.name = "Billing " .. count
  end)

  local function rule(fields)
    local file <close> = assert(io.open(stores.folder .. "/rules", "a"))
    file:write(json.encode(fields), "\n")
  end

  local function requests()
    local list = {}
    for line in io.lines(stores.log) do
      local one = json.decode(line)
      if one.path:find(app.appId, 1, true) then list[#list + 1] = one.method end
    end
    return table.concat(list, " ")
  end

  local function rotate(sink, ...)
    local file = emu.place:write("billing.lua", POLICY:format(app.appId, sink))
    local status, document, outcome = emu:json { "rotate", file, "--yes", ... }
    return status, document.policies and document.policies[1].accounts[1] or document, outcome
  end

  local function signs_in(value)
    local line = ("curl -s -o /dev/null -w '%%{http_code}' --cacert '%s' '%s/%s/oauth2/v2.0/token' -d client_id=%s "
      .. "-d grant_type=client_credentials -d scope=https://graph.microsoft.com/.default "
      .. "--data-urlencode client_secret@- <'%s'"):format(emu.ready.ca, emu.ready.login, emu.ready.tenant, app.appId,
        emu.place:write("value", value))
    local pipe <close> = assert(io.popen(line))
    return pipe:read "a" == "200"
  end

  local PLACES = {
    [VAULT] = { "vault", "secret/apps/" }, [KEYS] = { "keys", "app-" }, [KUBERNETES] = { "kubernetes", "prod/app-" },
  }

  -- The value that a service holds for the application, as its consumer reads it.
  local function held(sink)
    local place = PLACES[sink]
    local _, text = asking:ask("GET", ("%s/held/%s/%s%s"):format(stores.base, place[1], place[2], app.appId), {})
    return text
  end

  local function versions() return state().vault["secret/apps/" .. app.appId] end

  local function minted()
    local number = 0
    emu:later "1h" -- Entra lists new ones late
    for _, one in ipairs(emu:graph("/applications/" .. app.id .. "?$select=passwordCredentials").passwordCredentials) do
      if one.displayName:match "^ml:" then number = number + 1 end
    end
    return number
  end

  for _, sink in ipairs { VAULT, KEYS, KUBERNETES } do
    it("stores, reads back, confirms, and survives a lost answer: " .. sink:match '"([^"]*)"', function()
      local status, row, outcome = rotate(sink)
      assert.same({ 0, "changed" }, { status, row.what }, outcome.out .. outcome.err)
      local value = held(sink)
      assert.is_true(signs_in(value))
      assert.is_nil((outcome.out .. outcome.err):find(value, 1, true))
      local before = requests()
      status, row = rotate(sink)
      assert.same({ 0, "wait" }, { status, row.what })
      assert.not_matches("P", requests():sub(#before + 1)) -- reads only
      -- The answer to the next store is lost. In Kubernetes the pending value is in the same Secret, and before it.
      local method = sink == VAULT and "POST" or sink == KEYS and "PUT" or "PATCH"
      for _ = 1, sink == KUBERNETES and 2 or 0 do rule { method = method, path = app.appId, ["do"] = "pass" } end
      rule { method = method, path = app.appId, ["do"] = "cut" }
      status, row, outcome = rotate(sink, "--now", app.name)
      assert.same({ 0, "changed" }, { status, row.what }, outcome.out .. outcome.err)
      assert.not_equal(value, held(sink))
      assert.is_true(signs_in(held(sink)))
      assert.equal(2, minted())
    end)
  end

  it("refuses to write over a change of somebody else, and the next run keeps that change", function()
    for sink, method in pairs { [VAULT] = "POST", [KUBERNETES] = "PATCH" } do
      rotate(sink)
      rule { method = method, path = app.appId, ["do"] = "other" }
      local status, row = rotate(sink, "--now", app.name)
      if sink == KUBERNETES then
        -- the pending value was written meanwhile: the Secret is one object
        assert.equal(1, status)
      else
        assert.same({ 1, "failed", "conflict" }, { status, row.what, row.failure.kind })
        assert.matches("somebody else wrote apps/" .. app.appId:gsub("%-", "%%-") .. " since it was read", row.why)
      end
      status = rotate(sink)
      assert.equal(0, status)
      assert.is_true(signs_in(held(sink)))
    end
    assert.equal("x", versions()[#versions()].data.other)
    assert.equal("eA==", state().kubernetes["prod/app-" .. app.appId].data.other)
  end)

  it("leaves alone what belongs to another application, and nothing is made", function()
    ask("POST", "/set", { store = "vault", key = "secret/apps/" .. app.appId,
      value = { { data = { client_secret = "their value", client_id = "another" }, deleted = false } } })
    local status, row = rotate(VAULT)
    assert.same({ 1, "refuse", "not_ours" }, { status, row.what, row.code })
    assert.equal("there is a value of another application (client id another)", row.why)
    assert.equal(("Choose another place in the policy. If that value may be replaced, mark it there with the client id "
      .. "%s."):format(app.appId), row.fix)
    assert.equal(0, minted())
    assert.equal("their value", (held(VAULT)))
  end)

  it("goes on where a version was deleted, and keeps other members", function()
    ask("POST", "/set", { store = "vault", key = "secret/apps/" .. app.appId,
      value = { { data = { note = "kept" }, deleted = false }, { data = { a = "1" }, deleted = true } } })
    assert.equal(0, (rotate(VAULT)))
    local status = rotate(VAULT, "--now", app.name)
    assert.equal(0, status)
    assert.equal(4, #versions())
  end)

  it("says what to do about a deleted name, a missing role and an immutable Secret", function()
    local pending = "app-" .. app.appId .. "-pending"
    ask("POST", "/set", { store = "keys", key = pending, value = { versions = {}, deleted = true } })
    local status, row = rotate(KEYS)
    assert.same({ 1, "failed", 409 }, { status, row.what, row.failure.status })
    assert.equal("A secret of this name was deleted. Recover it (az keyvault secret recover --vault-name VAULT --name "
      .. pending .. "), or purge it, or choose another name in the policy.", row.failure.fix)
    ask("POST", "/set", { store = "keys", key = pending })
    rule { method = "PUT", path = pending, ["do"] = 403, body = { error = { code = "Forbidden",
      message = "Caller is not authorized", innererror = { code = "ForbiddenByRbac" } } } }
    status, row = rotate(KEYS)
    assert.equal(1, status)
    assert.matches("Give the identity of the peer the role Key Vault Secrets Officer", row.failure.fix)
    ask("POST", "/set", { store = "kubernetes", key = "prod/app-" .. app.appId,
      value = { metadata = { resourceVersion = "1" }, immutable = true } })
    status, row = rotate(KUBERNETES)
    assert.same({ 1, 422 }, { status, row.failure.status })
    assert.matches("An immutable Secret cannot be changed", row.failure.fix)
    assert.equal(0, minted()) -- each was found before a client secret was made
  end)

  it("stores in every sink of a policy, and catches up with one that failed", function()
    local both = ("{ %s, %s }"):format(VAULT, KUBERNETES)
    rule { method = "POST", path = "/secrets", ["do"] = 201, body = {} } -- it accepts the pending value, and loses it
    assert.equal(1, (rotate(both)))
    assert.equal(0, minted())
    assert.equal(0, (rotate(both)))
    local first = held(VAULT)
    assert.equal(first, held(KUBERNETES))
    local denied = { kind = "Status", status = "Failure", reason = "Forbidden", code = 403, message = "no" }
    for _ = 1, 2 do rule { method = "PATCH", path = app.appId, ["do"] = "pass" } end -- of the pending value
    rule { method = "PATCH", path = app.appId, ["do"] = 403, body = denied }
    local status, row = rotate(both, "--now", app.name)
    assert.same({ 1, "failed" }, { status, row.what })
    assert.matches("^stored in 1 of 2; missing in client%-secret in the Secret prod/app%-.* of "
      .. "sinks/kubernetes%-secret: our credential may not do this", row.why)
    assert.matches("it stores the secret where it is missing. Until then no old client secret is removed%.$",
      row.failure.fix)
    local second = held(VAULT)
    assert.not_equal(first, second)
    assert.equal(first, held(KUBERNETES))
    assert.is_true(signs_in(first))
    emu:later "20d" -- past the grace period
    status, row = rotate(both)
    assert.same({ 0, "changed" }, { status, row.what })
    assert.equal(second, (held(VAULT)))
    assert.equal(second, held(KUBERNETES))
    assert.equal(2, minted()) -- nothing was made anew, and the old one stays for its grace period
  end)

  it("is a program whose exit status counts, where the profile says so", function()
    local function program(name)
      return ('policy.sink("sinks/program", { program = "%s", arguments = { "{name}" } })'):format(name)
    end
    local status, row = rotate(program "take")
    assert.same({ 0, "changed" }, { status, row.what })
    local file <close> = assert(io.open(emu.place.path .. "/taken"))
    assert.is_true(signs_in(file:read "a"))
    status, row = rotate(program "other", "--now", app.name)
    assert.same({ 1, "person" }, { status, row.what })
    assert.equal(1, (rotate(program "other")))
  end)

  it("has rights of its own, and gives a secret nowhere else", function()
    emu.place:write("mine.lua", [[
      local peer = require "peer"
      return {
        summary = "a sink that does what it did not declare",
        needs = { peers = { vault = { { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" } } } } },
        where = function() return "somewhere" end,
        store = function(_, item, value)
          local function attempt(path, body) print(select(2, pcall(peer.vault.post, peer.vault, path, body)).why) end
          attempt("/v1/sys/seal", {})
          attempt("/v1/secret/data/x", { note = value })
          print(pcall(peer.kubernetes.get, peer.kubernetes, "/x"))
          error("no " .. item.slot)
        end,
      }
    ]])
    local status, row, outcome = rotate(('policy.sink("%s/mine.lua")'):format(emu.place.path))
    assert.same({ 1, "failed" }, { status, row.what })
    assert.matches("mine.lua:%d+: no current", row.why)
    assert.equal(("Correct the function `store` in %s/mine.lua."):format(emu.place.path), row.failure.fix)
    assert.matches('add "POST /v1/sys/seal" to needs.peers.vault of ', outcome.err)
    assert.matches("would send a secret in 'note': in the body of this call data%.%* may hold a secret", outcome.err)
    assert.matches("kubernetes", outcome.err)
  end)

  it("is refused with what is wrong in it, before anything is sent", function()
    local function why(sink)
      local outcome = emu:run { "plan", emu.place:write("p.lua", POLICY:format(app.appId, sink)) }
      assert.not_equal(0, outcome.status, outcome.out)
      return outcome.err .. outcome.out
    end
    local cases = {
      ['policy.sink("sinks/vault", { pth = "x" })'] = "sink.pth\n  why: there is no such member\n  fix: Did you mean "
        .. '"path"?',
      ['policy.sink("sinks/kubernetes-secret", { name = "x" })'] = "sink.namespace\n  why: it is missing; a string is "
        .. "needed",
      ['policy.sink("sinks/program", { program = "/bin/tee" })'] = '"/bin/tee" is a path; programs and folders are '
        .. "named in the profile",
      ['policy.sink("sinks/program", { program = "take", linked = true })'] = "sink.linked\n  why: nothing that this "
        .. "sink stores can be read back",
      ['policy.sink("doctor")'] = "use doctor as a sink\n  why: the script of that name is not a sink",
      ['policy.sink("sinks/vault", { peer = "elsewhere" })'] = "names no peer 'elsewhere'",
      ['{ policy.handover {}, policy.sink("sinks/vault") }'] = "a hand-over to a person is a policy's only sink",
      ['policy.sink("sinks/vault", { path = "apps/{policy}" })'] = "/p.lua' is no name in a path",
    }
    for sink, expected in pairs(cases) do
      local text = why(sink)
      assert(text:find(expected, 1, true), sink .. ": " .. text)
    end
  end)
end)
