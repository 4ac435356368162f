-- takes 12 s: runs the program some forty times
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
  local function pending_left(sink, name)
    local thing = double:state()[PLACES[sink][1]][key_of(sink, name) .. PENDING[sink]]
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
end)
