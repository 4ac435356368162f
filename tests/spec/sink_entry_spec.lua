--- sink.entry: the entry of a client secret, on an emulated Devolutions Server.

local near_cloud = require "near_cloud" -- before what is found by its path
local oauth = require "oauth.sign_in"
local profile = require "profile.current"
local secret = require "host.secret"
local sink = require "sink"
local stage = require "stage"
local time = require "time"
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

local function vault() return cloud.server.entries[cloud.server:vault_id "Privileged"] end

local LEASE = "PAM (being written)"

-- The lease entry of a run that began to write the same entry, seconds ago.
local function leased_by(marker, seconds, id)
  local now = cloud.server.now() - (seconds or 0)
  vault():add {
    id = id or "lease", name = LEASE, path = "", type = "Credential", subType = "Default", created = now,
    modified = now, tags = { "moonlatch-write-lease" },
    description = ("Since %s Moonlatch (%s) writes the entry 'PAM' in this folder, and deletes this one when it is "
      .. "done."):format(time.iso(now), marker),
    data = { domain = "", username = "lease", password = secret.from "worthless" },
  }
end

local function leases()
  local list = {}
  for i, entry in ipairs(cloud:entries()[LEASE] or {}) do list[i] = entry.id end
  return list
end

-- Do something after so many listings of lease entries.
local function at_look(number, act)
  local looks = 0
  cloud.meet = function(request, at)
    local is_look = at == "applied" and request.method == "GET" and request.query.name == LEASE
    looks = looks + (is_look and 1 or 0)
    if is_look and looks == number then act() end
  end
end

local BUSY = "write the entry 'PAM': another run is writing it: the entry 'PAM (being written)' (lease) says so\nRun "
  .. "the same command again in five minutes: by then the other run has ended, or its entry counts no more."
local LOWER, HIGHER, OWN = "ml:00000000:1", "ml:99999999:2", "ml:0a0b0c0d:0"

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

  it("leaves no lease entry behind", function()
    apply()
    assert.same({}, leases())
  end)

  it("is left alone when another installation has made the same after the last look", function()
    when("POST", "/entry$", "before", function() made_by_another(0) end)
    local result, status = apply()
    assert.equal(0, status) -- what lies there belongs to nobody's rotation here, so it is brought to what is wanted
    assert.same({ "another" }, ids())
    assert.equal(1, result.changes.create)
  end)

  it("that another one makes without a lease, meanwhile, is told of: nothing is said to be done", function()
    local posts = 0
    cloud.meet = function(request, at)
      if at ~= "before" or request.method ~= "POST" or not request.name:find "/entry$" then return end
      posts = posts + 1
      if posts == 2 then made_by_another(0) end -- the first is the lease entry
    end
    local result, status = apply()
    assert.equal(1, status)
    assert.matches("2 entries in the vault 'Privileged' have this name and the tag 'moonlatch%-test'",
      tostring(result.failure))
    assert.same({}, leases())
  end)

  for title, marker in pairs { lower = LOWER, higher = HIGHER } do
    it("is written when another run, of a " .. title .. " marker, has ended", function()
      leased_by(marker)
      at_look(4, function() vault():remove "lease" end)
      assert.equal(0, select(2, apply()))
      assert.equal(1, #ids())
      assert.same({}, leases())
    end)

    it("is not written while another run, of a " .. title .. " marker, writes it", function()
      leased_by(marker)
      local result, status = apply()
      assert.equal(1, status)
      assert.equal(BUSY, tostring(result.failure))
      assert.same({}, ids())
      assert.same({ "lease" }, leases())
    end)
  end

  it("is written beside a person's entry that only has the name of a lease entry, and leaves that one", function()
    leased_by(LOWER, 7200, "theirs")
    vault():get("theirs").tags = {}
    assert.equal(0, select(2, apply()))
    assert.same({ "theirs" }, leases())
  end)

  it("is written over another machine's lease entry of which nothing can come any more, and not before", function()
    leased_by(LOWER, 200)
    assert.equal(1, select(2, apply()))
    vault():remove "lease"
    leased_by(LOWER, 271)
    assert.equal(0, select(2, apply()))
    assert.equal(1, #ids())
    assert.same({}, leases())
  end)

  it("waits until nothing can be carried out any more that a run of this machine has sent", function()
    leased_by(OWN, 10)
    local began = cloud.server.now()
    assert.equal(0, select(2, apply()))
    local waited = cloud.server.now() - began
    assert.is_true(waited >= 230 and waited < 240, tostring(waited))
    assert.same({}, leases())
  end)

  it("is not written when the lease became old before the request could leave", function()
    local begun = false
    cloud.meet = function(request, at)
      if at == "applied" and request.query.name == LEASE then begun = true end
      if begun and at == "applied" and request.query.name == "PAM" then cloud:wait(91) end
    end
    local result, status = apply()
    assert.equal(1, status)
    assert.equal("write the entry 'PAM': Devolutions Server did not answer within the 90 seconds for which this run "
      .. "may write it\nRun the same command again when it answers faster.", tostring(result.failure))
    assert.same({}, ids())
    assert.same({}, leases())
  end)

  it("keeps its lease entry while it is not known what became of the write", function()
    apply()
    local changed = vault():get(ids()[1])
    changed.data.clientId = "c-2"
    cloud.meet = function(request) return request.method == "PUT" and "before" or nil end
    local result, status = apply()
    assert.equal(1, status)
    assert.equal("unknown_outcome", result.failure.kind)
    assert.equal(1, #leases())
    cloud.meet = nil
    assert.equal(0, select(2, apply()))
    assert.same({}, leases())
  end)

  it("gives its lease entry back when the write was refused", function()
    local posts = 0
    cloud.meet = function(request, at)
      if at ~= "before" or request.method ~= "POST" or not request.name:find "/entry$" then return end
      posts = posts + 1
      return posts == 2 and "403" or nil
    end
    assert.equal(1, select(2, apply()))
    assert.same({}, leases())
  end)

  it("is not written while the vault does not list the lease entry", function()
    cloud.meet = function(request, at)
      if at == "before" and request.method == "GET" and request.query.name == LEASE then
        for _, id in ipairs(leases()) do vault():remove(id) end
      end
    end
    local result, status = apply()
    assert.equal(1, status)
    assert.equal("write the entry 'PAM': the vault does not list the entry 'PAM (being written)' that was made just "
      .. "now\nRun the same command again: it reads the present state, and goes on from there.",
      tostring(result.failure))
    assert.same({}, ids())
  end)

  it("is written when the answer to the lease entry was lost", function()
    local done = false
    cloud.meet = function(request, at)
      if done or at ~= "before" or request.method ~= "POST" or not request.name:find "/entry$" then return end
      done = true
      return "after"
    end
    assert.equal(0, select(2, apply()))
    assert.equal(1, #ids())
    assert.same({}, leases())
  end)

  it("is not made while another run on this machine does", function()
    journal.leases[("make/entry/%s//pam"):format(cloud.server:vault_id "Privileged")] = true
    local result, status = apply()
    assert.equal(1, status)
    assert.equal("create Devolutions entry 'PAM': another process holds it\n"
      .. "Wait until the other process has ended, then run the same command again.", tostring(result.failure))
    assert.same({}, ids())
  end)
end)
