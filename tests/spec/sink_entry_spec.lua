--- sink.entry: the entry of a client secret, on an emulated Devolutions Server.

local near_cloud = require "near_cloud" -- before what is found by its path
local oauth = require "oauth.sign_in"
local profile = require "profile.current"
local secret = require "host.secret"
local sink = require "sink"
local stage = require "stage"
local workflow = require "workflow"
local workflow_run = require "workflow.run"

local cloud, journal, ears

local function declaration()
  return workflow.declare {
    id = "test", summary = "s", steps = {
      workflow.step "Entry" (function(run, have)
        have.entry = sink.entry(run, { name = "PAM" })
        have.entry:opened()
      end),
      workflow.step "Store" (function(run, have)
        have.entry:hold {
          tenant = "t-1", client_id = "c-1", value = secret.from "the-value-made-here", application = "PAM",
          marker = "ml:0a0b0c0d:1",
        }
        run:ensure(have.entry)
      end),
    },
  }
end

local function apply()
  local result, status
  profile.use(cloud.profile)
  cloud:run(nil, function()
    oauth.sign_in(cloud.profile)
    result, status = workflow_run.run(declaration(), "apply", {}, { journal = journal, profile = cloud.profile })
  end)
  oauth.sign_out()
  return result, status
end

-- What another installation does; `seconds` from now.
local function made_by_another(seconds)
  local server = cloud.server
  local now = server.now() + (seconds or 0)
  server.entries[server:vault_id "Privileged"]:add {
    id = "another", name = "PAM", path = "", type = "Credential", subType = "AzureServicePrincipal", created = now,
    modified = now, description = "kept by Moonlatch (ml:99999999:2).", tags = { "moonlatch-test" },
    data = { tenantId = "t-1", clientId = "c-1", clientSecret = secret.from "the-value-made-elsewhere" },
  }
end

local function remove_of_another()
  local entries = cloud.server.entries[cloud.server:vault_id "Privileged"]
  if entries:get "another" then entries:remove "another" end
end

-- At the moment when this call has, or has not yet, been carried out.
local function when(method, ending, moment, act)
  local done = false
  cloud.meet = function(request, at)
    if done or at ~= moment or request.method ~= method or not request.name:find(ending) then return nil end
    done = true
    act()
  end
end

local function ids()
  local list = {}
  for i, entry in ipairs(cloud:entries().PAM or {}) do list[i] = entry.id end
  return list
end

describe("the entry of a client secret", function()
  before_each(function()
    cloud, journal, ears = near_cloud.new(), stage.journal(), stage.ears()
    cloud.server.flags.date_layout = "%sZ"
  end)
  after_each(function()
    local _ <close> = cloud
    local _ <close> = ears
  end)

  it("is made once", function()
    assert.equal(0, select(2, apply()))
    assert.equal(0, select(2, apply()))
    assert.equal(1, #ids())
  end)

  it("is looked for again just before it is made", function()
    local looks = 0
    cloud.meet = function(request, at)
      if at ~= "applied" or request.method ~= "GET" or not request.name:find("/entry$") then return end
      looks = looks + 1
      if looks == 2 then made_by_another(-1) end -- the first two are those of opening it
    end
    local result, status = apply()
    assert.equal(0, status)
    assert.same({ create = 0, update = 1, delete = 0, none = 0 }, result.changes)
    assert.same({ "another" }, ids())
  end)

  it("is listed once after it was made, and again where that failed", function()
    for refused, expected in pairs { [false] = 1, [true] = 2 } do
      local lists, made = 0, false
      cloud.meet = function(request, at)
        if at == "applied" and request.method == "POST" and request.name:find "/entry$" then made = true end
        if not made or at ~= "before" or request.method ~= "GET" or not request.name:find "/entry$" then return nil end
        lists = lists + 1
        return refused and lists == 1 and 403 or nil
      end
      assert.equal(0, select(2, apply()))
      assert.equal(expected, lists)
      cloud.meet = nil
      local entries = cloud.server.entries[cloud.server:vault_id "Privileged"]
      entries:remove(ids()[1])
    end
  end)

  for title, seconds in pairs { ["earlier"] = -5, ["in the same second"] = 0 } do
    it("is removed again when another installation made the same " .. title, function()
      when("POST", "/entry$", "before", function() made_by_another(seconds) end)
      local result, status = apply()
      assert.equal(1, status)
      assert.equal("create Devolutions entry 'PAM': another run made an entry of the same name (another) at the same "
        .. "time, so the entry made here was removed\nRun the same command again: it goes on with the other entry. The "
        .. "client secret made here is kept in the journal.", tostring(result.failure))
      assert.same({ "another" }, ids())
    end)
  end

  it("is removed when it cannot be told which is the older one", function()
    cloud.server.flags.date_layout = "%s"
    when("POST", "/entry$", "before", function() made_by_another(5) end)
    assert.equal(1, select(2, apply()))
    assert.same({ "another" }, ids())
  end)

  it("stays when it is the older one, once the other has given way", function()
    when("POST", "/entry$", "applied", function()
      made_by_another(5)
      local looks = 0
      cloud.meet = function(request, at)
        if at == "applied" and request.method == "GET" and request.name:find("/entry$") then looks = looks + 1 end
        if looks == 3 then remove_of_another() end
      end
    end)
    assert.equal(0, select(2, apply()))
    assert.equal(1, #ids())
    assert.is_nil(ids()[1]:find "another")
  end)

  it("that is the older one is not said to be done while the other stays", function()
    when("POST", "/entry$", "applied", function() made_by_another(5) end)
    local result, status = apply()
    assert.equal(1, status)
    assert.equal("create Devolutions entry 'PAM': another run made an entry of the same name later (another), and did "
      .. "not delete it\nDelete the entry that is not used, then run the same command again.", tostring(result.failure))
    assert.equal(2, #ids())
  end)

  it("is not made while another run on this machine does", function()
    local vault = cloud.server:vault_id "Privileged"
    journal.leases[("make/entry/%s//pam"):format(vault)] = true
    local result, status = apply()
    assert.equal(1, status)
    assert.equal("create Devolutions entry 'PAM': another process holds it\n"
      .. "Wait until the other process has ended, then run the same command again.", tostring(result.failure))
    assert.same({}, ids())
  end)
end)
