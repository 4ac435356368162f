-- takes 15 s: runs the program some forty times
-- Sinks that are scripts: the client secret of an application goes to Vault, Key Vault, Kubernetes and a program, is
-- read back, and never replaces what belongs to another. The services are tests/stores.py.

local rehearsal = require "rehearsal"
local stores = require "stores"

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

-- A version in Vault that belongs to another application.
local THEIRS = { data = { client_secret = "their value", client_id = "another" }, deleted = false }

describe("a sink script", function()
  local emu, double, app, count

  setup(function()
    emu = rehearsal.new()
    local folder = emu.place.path .. "/stores"
    assert(os.execute("mkdir " .. folder))
    double = stores.start(folder)
    local program = emu.place:write("take", "#!/bin/sh\ncat >'" .. emu.place.path .. "/taken'\n")
    local profile = double:peers(emu.place:write("token", double.token)) .. (" programs = { take = { '/bin/sh', '%s', "
      .. "confirms = true }, other = { '/bin/sh', '%s' } },"):format(program, program)
    emu:configure(function(text) return (text:gsub("emulator = { clock", profile:gsub("%%", "%%%%") .. " %0")) end)
  end)
  teardown(function()
    double:close()
    local _ <close> = emu
  end)

  before_each(function()
    count = (count or 0) + 1
    app = emu:admin("add_app", { name = "Billing " .. count, days = 3650 })
    app.name = "Billing " .. count
  end)

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
  local function held(sink) return double:held(PLACES[sink][1], PLACES[sink][2] .. app.appId) end

  local function versions() return double:state().vault["secret/apps/" .. app.appId] end

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
      local before = double:methods(app.appId)
      status, row = rotate(sink)
      assert.same({ 0, "wait" }, { status, row.what })
      assert.not_matches("P", double:methods(app.appId):sub(#before + 1)) -- reads only
      -- The answer to the next store is lost. In Kubernetes the pending value is in the same Secret, and before it.
      local method = sink == VAULT and "POST" or sink == KEYS and "PUT" or "PATCH"
      for _ = 1, sink == KUBERNETES and 2 or 0 do double:rule { method = method, path = app.appId, ["do"] = "pass" } end
      double:rule { method = method, path = app.appId, ["do"] = "cut" }
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
      double:rule { method = method, path = app.appId, ["do"] = "other" }
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
    assert.equal("eA==", double:state().kubernetes["prod/app-" .. app.appId].data.other)
  end)

  it("leaves alone what belongs to another application, and nothing is made", function()
    double:set("vault", "secret/apps/" .. app.appId, { THEIRS })
    local status, row = rotate(VAULT)
    assert.same({ 1, "refuse", "not_ours" }, { status, row.what, row.code })
    assert.equal("there is a value of another application (client id another)", row.why)
    assert.equal(("Choose another place in the policy. If that value may be replaced, mark it there with the client id "
      .. "%s."):format(app.appId), row.fix)
    assert.equal(0, minted())
    assert.equal("their value", (held(VAULT)))
  end)

  it("goes on where a version was deleted, and keeps other members", function()
    double:set("vault", "secret/apps/" .. app.appId,
      { { data = { note = "kept" }, deleted = false }, { data = { a = "1" }, deleted = true } })
    assert.equal(0, (rotate(VAULT)))
    local status = rotate(VAULT, "--now", app.name)
    assert.equal(0, status)
    assert.equal(4, #versions())
  end)

  it("says what to do about a deleted name, a missing role and an immutable Secret", function()
    local pending = "app-" .. app.appId .. "-pending"
    double:set("keys", pending, { versions = {}, deleted = true })
    local status, row = rotate(KEYS)
    assert.same({ 1, "failed", 409 }, { status, row.what, row.failure.status })
    assert.equal("A secret of this name was deleted. Recover it (az keyvault secret recover --vault-name VAULT --name "
      .. pending .. "), or purge it, or choose another name in the policy.", row.failure.fix)
    double:set("keys", pending)
    double:rule { method = "PUT", path = pending, ["do"] = 403, body = { error = { code = "Forbidden",
      message = "Caller is not authorized", innererror = { code = "ForbiddenByRbac" } } } }
    status, row = rotate(KEYS)
    assert.equal(1, status)
    assert.matches("Give the identity of the peer the role Key Vault Secrets Officer", row.failure.fix)
    double:set("kubernetes", "prod/app-" .. app.appId, { metadata = { resourceVersion = "1" }, immutable = true })
    status, row = rotate(KUBERNETES)
    assert.same({ 1, 422 }, { status, row.failure.status })
    assert.matches("An immutable Secret cannot be changed", row.failure.fix)
    assert.equal(0, minted()) -- each was found before a client secret was made
  end)

  it("stores in every sink of a policy, and catches up with one that failed", function()
    local both = ("{ %s, %s }"):format(VAULT, KUBERNETES)
    double:rule { method = "POST", path = "/secrets", ["do"] = 201, body = {} } -- the pending value is lost
    assert.equal(1, (rotate(both)))
    assert.equal(0, minted())
    assert.equal(0, (rotate(both)))
    local first = held(VAULT)
    assert.equal(first, held(KUBERNETES))
    local denied = { kind = "Status", status = "Failure", reason = "Forbidden", code = 403, message = "no" }
    for _ = 1, 2 do double:rule { method = "PATCH", path = app.appId, ["do"] = "pass" } end -- of the pending value
    double:rule { method = "PATCH", path = app.appId, ["do"] = 403, body = denied }
    local status, row = rotate(both, "--now", app.name)
    assert.same({ 1, "failed" }, { status, row.what })
    assert.matches("^stored in 1 of 2; missing in client%-secret in the Secret prod/app%-.* of "
      .. "sinks/kubernetes%-secret: our credential may not do this", row.why)
    assert.matches("it stores the client secret where it is missing. Until then no old client secret is removed%.$",
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
      local secret = require "secret"
      return {
        summary = "a sink that does what it did not declare",
        needs = { peers = { vault = { { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" } } } } },
        where = function() return "somewhere" end,
        store = function(_, item, value)
          local function attempt(path, body) print(select(2, pcall(peer.vault.post, peer.vault, path, body)).why) end
          attempt("/v1/sys/seal", {})
          attempt("/v1/secret/data/x", { note = value })
          attempt("/v1/secret/data/x", { tags = { secret.base64(value) } })
          for _, options in ipairs { { query = { x = value } }, { headers = { ["X-Vault-Namespace"] = value } } } do
            print(select(2, pcall(peer.vault.post, peer.vault, "/v1/secret/data/x", { data = {} }, options)))
          end
          print(select(2, pcall(peer.path, "/v1/secret/data/{name}", value)))
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
    assert.matches("would send a secret in 'tags%[1%]': in the body", outcome.err) -- its base64
    assert.matches("query member 'x' is not a string", outcome.err)
    assert.matches("the value of a header is a string", outcome.err)
    assert.matches("bad argument #1 to 'segment' %(string expected, got host.secret%)", outcome.err)
    assert.matches("kubernetes", outcome.err)
  end)

  describe("that is rehearsed", function()
    local function rehearse(name, ...)
      return emu:run { "rehearse", "sink", name, "--yes", ... }
    end

    it("keeps the contract: those for Vault, Key Vault and Kubernetes", function()
      for name, arguments in pairs {
        ["sinks/vault"] = { "--with", "path=trial/{id}" }, ["sinks/azure-key-vault"] = {},
        ["sinks/kubernetes-secret"] = { "--with", "namespace=trial", "--with", "name=t-{id}" },
      } do
        local outcome = rehearse(name, table.unpack(arguments))
        assert.equal(0, outcome.status, outcome.out .. outcome.err)
        assert.equal(name == "sinks/azure-key-vault" and 9 or 10, select(2, outcome.out:gsub("✓", "")))
      end
      for key, list in pairs(double:state().vault) do -- of a user's pending value the versions are destroyed
        assert(not key:find "trial" or list[#list].destroyed, key)
      end
    end)

    it("keeps the contract: those that cannot read back", function()
      local outcome = rehearse("sinks/program", "--with", "program=take", "--with", "arguments=--name={name},x")
      assert.equal(0, outcome.status, outcome.out .. outcome.err)
      assert.equal(3, select(2, outcome.out:gsub("✓", "")))
    end)

    -- A copy of the sink for Vault in which this text is replaced.
    local function broken(from, to)
      local file <close> = assert(io.open(SOURCE .. "/scripts/sinks/vault.lua"))
      local text, count_replaced = file:read("a"):gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%")))
      assert.equal(1, count_replaced, from)
      return emu.place:write("broken.lua", text)
    end

    it("does not keep it, and is told so, when a rule of it is broken", function()
      for _, case in ipairs {
        { "options = { cas = before.version.number }", "options = { cas = deleted_version(args, item) }",
          "a store by an old `before` was accepted: it wrote over what was stored since" },
        { 'item.slot ~= "current" and "-" .. item.slot or ""', '""', "the pending value has replaced the current one" },
        { "marker = members.moonlatch_marker, edition", "marker_x = 'x', edition", "another marker" },
        { "data[args.field], data.moonlatch_marker", "data.other, data.moonlatch_marker",
          "read does not return the value that was" },
      } do
        local outcome = rehearse(broken(case[1], case[2]), "--with", "path=broken/{client_id}")
        assert.equal(1, outcome.status, outcome.out .. outcome.err)
        assert(outcome.out:find(case[3], 1, true), case[3] .. "\n" .. outcome.out .. outcome.err)
      end
    end)

    it("touches no place that is in use", function()
      double:set("vault", "secret/in/use", { THEIRS })
      local outcome = rehearse("sinks/vault", "--with", "path=in/use")
      assert.equal(1, outcome.status)
      assert.matches("try the sink sinks/vault at secret/in/use\n  why: a value is stored there, and trying would "
        .. "replace it\n  fix: Choose another place for the trial", outcome.err)
      assert.equal(1, #double:state().vault["secret/in/use"])
    end)
  end)

  it("is told of by `permissions`, with the rights that it needs at its service", function()
    local outcome = emu:run { "permissions", emu.place:write("p.lua", POLICY:format(app.appId, VAULT)) }
    assert.matches("\n  sinks/vault: peers%.vault: GET /v1/{mount}/data/{path%+} %(answers data%.data%.client_secret%)",
      outcome.out, outcome.err)
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
