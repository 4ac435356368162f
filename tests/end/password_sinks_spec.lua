-- takes 8 s: runs the program some sixty times, and waits for answers that come late
-- Users' passwords in sinks that are scripts: pending there and read back before Entra is asked, then current; in
-- several sinks at once; beside a second installation; and by a function of the policy. The services are
-- tests/stores.py.

local rehearsal = require "rehearsal"
local stores = require "stores"
local sys = require "host.sys"

local POLICY = [[
local policy = require "policy"
%s
return policy {
  summary = "some people", select = policy.users { upn = { %s } }, every = "30d", limits = { canary = 0 }, %s
}
]]

local VAULT = [[policy.sink("sinks/vault", { path = "people/{id}", field = "password" })]]
local KEYS = [[policy.sink("sinks/azure-key-vault", { name = "person-{id}" })]]
local KUBERNETES = [[policy.sink("sinks/kubernetes-secret",
  { namespace = "prod", name = "person-{id}", key = "password" })]]

local PLACES = {
  [VAULT] = { "vault", "secret/people/" }, [KEYS] = { "keys", "person-" },
  [KUBERNETES] = { "kubernetes", "prod/person-" },
}
-- A pending value as each service keeps it.
local PENDING = { [VAULT] = "-pending", [KEYS] = "-pending", [KUBERNETES] = "" }

describe("a user's password in a sink script", function()
  local emu, double, people
  local installations = 0

  setup(function()
    emu = rehearsal.new()
    local folder = emu.place.path .. "/stores"
    assert(os.execute("mkdir " .. folder))
    double = stores.start(folder)
    local profile = double:peers(emu.place:write("token", double.token))
    emu:configure(function(text) return (text:gsub("emulator = { clock", profile:gsub("%%", "%%%%") .. " %0")) end)
    people = {}
    for _, name in ipairs { "t0-anna", "t0-boris", "t0-chen", "t0-dana", "t0-emil" } do
      local upn = name .. "@contoso.onmicrosoft.com"
      people[name] = { upn = upn, id = emu:graph("/users/" .. upn).id }
    end
  end)
  teardown(function()
    double:close()
    local _ <close> = emu
  end)

  -- A policy for one person, as a file.
  local function policy_of(name, sink, before, members)
    local select = ('"%s"'):format(people[name].upn)
    return emu.place:write(name .. ".lua", POLICY:format(before or "", select, members or "sink = " .. sink))
  end

  local function run(words)
    local status, document, outcome = emu:json(words)
    local policy = document.policies and document.policies[1]
    return status, policy and policy.accounts[1] or document, outcome, policy
  end

  local function rotate(file, ...) return run { "rotate", file, "--yes", ... } end

  local function key_of(sink, name) return PLACES[sink][2] .. people[name].id end
  local function held(sink, name) return double:held(PLACES[sink][1], key_of(sink, name)) end

  local function is_password(name, value)
    local line = ("curl -s -o /dev/null -w '%%{http_code}' --cacert '%s' '%s/%s/oauth2/v2.0/token' -d client_id=%s "
      .. "-d grant_type=password -d username=%s -d scope=openid --data-urlencode password@- <'%s'"):format(emu.ready.ca,
      emu.ready.login, emu.ready.tenant, emu.ready.admin.client_id, people[name].upn, emu.place:write("value", value))
    local pipe <close> = assert(io.popen(line))
    return pipe:read "a" == "200"
  end

  -- The pending values that are left at a service.
  local function pending_left(sink, name, place)
    local thing = double:state()[PLACES[sink][1]][key_of(sink, name) .. (place or PENDING[sink])]
    if not thing then return 0 end
    local count = 0
    if sink == VAULT then return thing[#thing].destroyed and 0 or 1 end
    for _, version in ipairs(thing.versions or {}) do count = count + (version.attributes.enabled and 1 or 0) end
    for key in pairs(thing.data or {}) do count = count + (key:find "pending" and 1 or 0) end
    return count
  end

  -- Another installation on the same tenant: a second configuration with a state folder of its own.
  local function another_installation()
    local text = assert(sys.read(emu.config, 65536))
    local path = emu.config:gsub("moonlatch%.lua$", "second.lua")
    installations = installations + 1
    local state = ('state = "%s/state%d", %%0'):format(emu.place.path, installations)
    assert(sys.write(path, (text:gsub("emulator = { clock", state)), "replace"))
    return { run = function(_, words)
      local all = { table.unpack(words) }
      for _, word in ipairs { "--config", path } do all[#all + 1] = word end
      return emu.place:run(all)
    end }
  end

  local PERSON = { [VAULT] = "t0-anna", [KEYS] = "t0-boris", [KUBERNETES] = "t0-chen" }

  for _, sink in ipairs { VAULT, KEYS, KUBERNETES } do
    it("is pending there before Entra is asked, then current, and survives lost answers: " .. sink:match '"([^"]*)"',
      function()
        local name = PERSON[sink]
        local file = policy_of(name, sink)
        local status, row, outcome = rotate(file)
        assert.same({ 0, "changed" }, { status, row.what }, outcome.out .. outcome.err)
        local first = held(sink, name)
        assert.is_true(is_password(name, first))
        assert.is_nil((outcome.out .. outcome.err):find(first, 1, true))
        assert.equal(0, pending_left(sink, name))
        status, row = run { "plan", file }
        assert.same({ 0, "wait" }, { status, row.what })
        -- Answers are lost: to the pending value, and to the change.
        emu:later "31d"
        local method = sink == VAULT and "POST" or sink == KEYS and "PUT" or "PATCH"
        double:rule { method = method, path = people[name].id .. PENDING[sink], ["do"] = "cut" }
        emu:fault "graph PATCH /users/* drop-after"
        status, row, outcome = rotate(file)
        assert.same({ 0, "changed" }, { status, row.what }, outcome.out .. outcome.err)
        assert.not_equal(first, held(sink, name))
        assert.is_true(is_password(name, held(sink, name)))
        assert.equal(0, pending_left(sink, name))
      end)

    it("leaves alone the pending value of another installation: " .. sink:match '"([^"]*)"', function()
      local name = PERSON[sink]
      local file, other = policy_of(name, sink), another_installation()
      emu:later "31d"
      -- The other installation sends the password, and dies before it knows that.
      emu:fault "graph PATCH /users/* drop-after 4"
      local before = held(sink, name)
      assert.equal(1, other:run({ "rotate", file, "--yes" }).status)
      assert.equal(1, pending_left(sink, name))
      local sent = emu:count "PATCH"
      local status, row = rotate(file)
      assert.same({ 1, "busy" }, { status, row.what }, row.why)
      assert.matches("^the sink has a pending password that may be in force, written by another installation of "
        .. "Moonlatch %(ml:%x+:%x+%)$", row.why)
      assert.same({ sent, 1, before }, { emu:count "PATCH", pending_left(sink, name), (held(sink, name)) })
      emu:later "20m"
      status, row = rotate(file)
      assert.same({ 1, "stop" }, { status, row.what })
      local marker = row.why:match "ml:%x+:%x+"
      -- A person passes over it: the new value is pending beside it, and that one stays.
      assert.equal(0, emu:run({ "journal", "resume", people[name].upn, "--over", marker }).status)
      status, row = rotate(file)
      assert.same({ 0, "changed" }, { status, row.what }, row.why)
      assert.is_true(is_password(name, held(sink, name)))
      assert.equal(1, pending_left(sink, name))
    end)
  end

  local SERVER = [[policy.devolutions.server { vault = "Privileged", path = "People" }]]

  describe("and in other sinks besides", function()
    local both = ("sink = { %s, %s }"):format(SERVER, VAULT)

    it("is pending in all of them before Entra is asked", function()
      double:rule { method = "POST", path = people["t0-dana"].id .. "-pending", ["do"] = 403,
        body = { errors = { "permission denied" } } }
      local sent = emu:count "PATCH"
      local file = policy_of("t0-dana", nil, nil, both)
      local status, row = rotate(file)
      assert.same({ 1, "failed", sent }, { status, row.what, emu:count "PATCH" })
      status, row = rotate(file)
      assert.same({ 0, "changed" }, { status, row.what }, row.why)
      assert.is_true(is_password("t0-dana", held(VAULT, "t0-dana")))
      assert.equal(0, pending_left(VAULT, "t0-dana"))
    end)

    it("is current in each by itself: the next run stores it where it is missing", function()
      emu:later "31d"
      local before, file = held(VAULT, "t0-dana"), policy_of("t0-dana", nil, nil, both)
      double:rule { method = "POST", path = people["t0-dana"].id, ["do"] = 403, body = { errors = { "no" } } }
      local status, row, outcome = rotate(file)
      assert.same({ 1, "failed" }, { status, row.what }, outcome.out)
      assert.matches("^stored in 1 of 2; missing in secret/people/%x[%x-]+ of sinks/vault: our credential may not do "
        .. "this", row.why)
      assert.matches("Then run the same command again: it stores the password where it is missing%.$", row.failure.fix)
      assert.equal(before, held(VAULT, "t0-dana"))
      assert.is_false(is_password("t0-dana", before))
      local sent = emu:count "PATCH"
      status, row = rotate(file)
      assert.same({ 0, "changed", sent }, { status, row.what, emu:count "PATCH" }, row.why)
      assert.is_true(is_password("t0-dana", held(VAULT, "t0-dana")))
      assert.equal(0, pending_left(VAULT, "t0-dana"))
    end)

    it("is stored in a sink that the policy gets later, and nothing is changed", function()
      local all = ("sink = { %s, %s, %s }"):format(SERVER, VAULT, KUBERNETES)
      local file, sent = policy_of("t0-dana", nil, nil, all), emu:count "PATCH"
      local status, row = run { "plan", file }
      assert.same({ 3, "recover", "stored in 2 of 3" }, { status, row.what, row.why })
      status, row = rotate(file)
      assert.same({ 0, "stored", sent }, { status, row.what, emu:count "PATCH" }, row.why)
      assert.equal(held(VAULT, "t0-dana"), held(KUBERNETES, "t0-dana"))
      status, row = run { "plan", file }
      assert.same({ 0, "wait" }, { status, row.what })
    end)
  end)

  describe("that a function of the policy chooses", function()
    local BEFORE = ("local vault, keys = %s, %s\n"):format(VAULT, KEYS)
    local function chosen(text)
      local members = ("sinks = { vault, keys }, sink = function(account) %s end"):format(text)
      return policy_of("t0-emil", nil, BEFORE, members)
    end

    it("gets a copy of the account, and a rotation keeps its choice until it is over", function()
      local file = chosen 'account.upn:sub(1, 7); account.id = "x"; return account.upn:find "^t0" and vault or keys'
      emu:fault "graph PATCH /users/* drop-after 4"
      local status, row = rotate(file)
      assert.same({ 1, "failed", 1 }, { status, row.what, pending_left(VAULT, "t0-emil") }, row.why)
      file = chosen "return keys"
      status, row = rotate(file)
      assert.same({ 0, "changed" }, { status, row.what }, row.why)
      assert.is_true(is_password("t0-emil", held(VAULT, "t0-emil")))
      assert.is_nil((held(KEYS, "t0-emil")))
      -- Afterwards the new choice holds: the value in force is stored there.
      status, row = rotate(file)
      assert.same({ 0, "stored" }, { status, row.what }, row.why)
      assert.equal(held(VAULT, "t0-emil"), held(KEYS, "t0-emil"))
    end)

    it("is refused with what is wrong in the function", function()
      for text, why in pairs {
        ["return nil"] = "the function `sink` returned nothing",
        ['return "vault"'] = "the function `sink` returned a string",
        ["return { }"] = "the function `sink` returned a value that is none of `sinks`",
        ['error "no"'] = "the function `sink` failed: .*no",
        ["while true do end"] = "the function `sink` failed: .*instructions",
        ['local t = {} while true do t[#t + 1] = ("x"):rep(1 << 20) .. #t end'] =
          "the function `sink` failed: .*memory",
        ['require("graph").get("/users"); return vault'] = "the function `sink` failed: .*",
        ['require("task").sleep(1); return vault'] = "the function `sink` failed: .*",
      } do
        local status, _, outcome = run { "plan", chosen(text) }
        assert.equal(1, status)
        assert.matches("choose the sink of t0%-emil@contoso%.onmicrosoft%.com", outcome.out .. outcome.err)
        assert.matches(why, outcome.out .. outcome.err)
        assert.matches("it returns one of the sinks that `sinks` lists, waits for nothing", outcome.out .. outcome.err)
      end
    end)
  end)

  it("goes nowhere where nobody could see another installation, or find the account again", function()
    local PASSWORDS = "cannot keep users' passwords: "
    for sink, why in pairs {
      ["policy.handover {}"] = "a person's hands " .. PASSWORDS .. "a user's password is set only when the sink holds "
        .. "the new one beside the current one and it was read back",
      ['policy.sink("sinks/program", { program = "take" })'] = "sinks/program " .. PASSWORDS .. "a user's password is "
        .. "set only when",
      ['policy.sink("sinks/vault", { path = "people/all" })'] = "its arguments give one place to all accounts",
      ['policy.sink("sinks/vault", { path = "people/{id}/{name}" })'] =
        "its arguments give an account another place when its name changes",
      ['policy.sink("sinks/vault", { path = "people/{client_id}" })'] = "'{client_id}' is no name in a path",
    } do
      local outcome = emu:run { "plan", policy_of("t0-anna", sink) }
      assert.equal(1, outcome.status, sink)
      assert((outcome.out .. outcome.err):find(why, 1, true), why .. "\n" .. outcome.out .. outcome.err)
    end
    assert.matches("this script is a sink", emu:run({ "run", "sinks/handover" }).err)
    assert.matches("the library keeps its values", emu:run({ "rehearse", "sink", "sinks/handover", "--yes" }).err)
    -- A sink of one's own that can hold a pending value, and neither compares nor lists.
    local own = emu.place:write("own.lua", [[
      local peer = require "peer"
      return { summary = "a shelf", needs = { peers = { vault = { "GET /v1/x" } } },
        can = { read_back = true, pending = true }, where = function(_, item) return item.id end,
        read = function() return peer.vault:get("/v1/x") end, store = print, remove = print }
    ]])
    local outcome = emu:run { "plan", policy_of("t0-anna", ('policy.sink(%q)'):format(own)) }
    assert.matches("of two installations that store a pending password at once, neither would see the other",
      outcome.err .. outcome.out, 1, true)
  end)

  it("is kept where the profile has Devolutions Cloud", function()
    local status, row = run { "rotate", policy_of("t0-anna", VAULT), "--yes", "--now", people["t0-anna"].upn,
      "--profile", "cloud" }
    assert.same({ 0, "changed" }, { status, row.what }, row.why)
    assert.is_true(is_password("t0-anna", held(VAULT, "t0-anna")))
  end)

  it("that somebody else replaced there stops the account; one that nobody marked is never replaced", function()
    local key = key_of(VAULT, "t0-anna")
    local versions = double:state().vault[key]
    local data = { password = "another value", user_id = people["t0-anna"].id,
      moonlatch_marker = versions[#versions].data.moonlatch_marker }
    double:set("vault", key, { { data = data, deleted = false } })
    local status, row = run { "plan", policy_of("t0-anna", VAULT) }
    assert.same({ 3, "stop", "edited" }, { status, row.what, row.code }, row.why)
    double:set("vault", key, { { data = { password = "by hand" }, deleted = false } })
    emu:later "31d"
    status, row = rotate(policy_of("t0-anna", VAULT))
    assert.same({ 1, "by hand" }, { status, (held(VAULT, "t0-anna")) })
    assert.matches("that is not marked as of this account", row.why)
    double:set("vault", key)
  end)

  it("that is pending is removed by `journal close --drop`", function()
    local file = policy_of("t0-boris", KEYS)
    emu:fault "graph PATCH /users/* 503 4"
    emu:later "31d"
    local status, row = rotate(file)
    assert.same({ 1, "failed" }, { status, row.what }, row.why)
    -- The other installation's pending value stays, so this one is in the next place.
    assert.same({ 1, 1 }, { pending_left(KEYS, "t0-boris"), pending_left(KEYS, "t0-boris", "-pending-2") })
    emu:later "5m"
    local outcome = emu:run { "journal", "close", people["t0-boris"].upn, "--drop" }
    assert.equal(0, outcome.status, outcome.err)
    assert.same({ 1, 0 }, { pending_left(KEYS, "t0-boris"), pending_left(KEYS, "t0-boris", "-pending-2") })
  end)

  it("is told of as left over when the policy does not select its account any more", function()
    local file = policy_of("t0-chen", KUBERNETES)
    run { "plan", file }
    local text = assert(sys.read(file, 65536)):gsub("t0%-chen", "t0-dana")
    assert(sys.write(file, text, "replace"))
    local _, _, _, policy = run { "plan", file }
    assert.equal(1, #policy.left_over)
    assert.matches("password in the Secret prod/person%-%x.* of sinks/kubernetes%-secret", policy.left_over[1].name)
  end)
end)
