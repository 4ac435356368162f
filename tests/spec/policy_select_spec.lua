--- Whom a policy's selection means: what is added, and what is taken away by what it is.

local host_journal = require "host.journal"
local near_cloud = require "near_cloud"
local policy = require "policy"
local profile = require "profile.current"
local role_holders = require "entra.role_holders"
local secret = require "host.secret"
local select = require "policy.select"

local users = policy.users

describe("a selection of users", function()
  local cloud, journal

  before_each(function()
    cloud = near_cloud.new()
    journal = assert(host_journal.open(cloud.folder .. "/j", secret.generate(32), "login.example/contoso"))
  end)

  after_each(function()
    journal:close()
    cloud:__close()
  end)

  local function upn(name) return name .. "@" .. cloud.tenant.domain end

  local function meant(selection, federated)
    local names
    profile.use(cloud.profile)
    cloud:run(journal, function()
      names = {}
      local found = select.find_accounts(selection, federated or {}, role_holders.read_holders())
      for i, account in ipairs(found.accounts) do
        names[i] = account.upn:match("^[^@#]*")
      end
    end)
    table.sort(names)
    return table.concat(names, " ")
  end

  it("takes away what an account is", function()
    local all = users { upn = { upn "t0-anna", upn "sven", upn "dora", upn "gail_fabrikam.com#EXT#" } }
    assert.equal("dora gail_fabrikam.com sven t0-anna", meant(all))
    assert.equal("dora sven t0-anna", meant(all - policy.guests()))
    assert.equal("t0-anna", meant(all - policy.guests() - policy.synced() - policy.disabled()))
    assert.equal("t0-anna", meant(all - (policy.guests() + policy.synced() + policy.disabled())))
    assert.equal("", meant(all - policy.federated(), { [cloud.tenant.domain] = true }))
    assert.equal("dora gail_fabrikam.com sven t0-anna", meant(all - policy.guests() + all))
  end)

  it("finds people by attributes, quoted for Graph, and holds Graph's answer against them once more", function()
    local function change(name, properties) cloud.tenant:change(name, properties) end
    change("t0-anna", { department = "O'Brien & 100%", jobTitle = "Admin" })
    change("t0-boris", { department = "o'brien & 100%", jobTitle = "Operator" })
    change("t0-chen", { department = "O'Brien", jobTitle = "Admin" })
    cloud:wait(60) -- until everybody sees the changes
    local function of(where) return meant(users { where = where }) end
    assert.equal("t0-anna t0-boris", of { department = "O'Brien & 100%" })
    assert.equal("t0-anna", of { department = "O'Brien & 100%", jobTitle = "Admin" })
    assert.equal("t0-anna t0-boris t0-chen", of { department = { "O'Brien", "O'Brien & 100%" } })
    assert.equal("", of { department = "' or userType eq 'Guest" })
    assert.equal("dora t0-anna", meant(users { where = { accountEnabled = false }, upn = upn "t0-anna" }))
    assert.equal("t0-chen", meant(users { where = { jobTitle = "Admin" } } - users { where = { department =
      "O'Brien & 100%" } }))
    assert.equal("where department 'a' and jobTitle 'b' or 'c'",
      tostring(users { where = { jobTitle = { "b", "c" }, department = "a" } }))
    -- A filter that was not kept to selects nobody besides.
    local graph = require "graph"
    local before = graph.list
    local _ <close> = setmetatable({}, { __close = function() graph.list = before end })
    function graph.list(path, options)
      options.filter = nil
      return before(path, options)
    end
    assert.equal("t0-chen", of { department = "O'Brien" })
  end)

  it("refuses attributes that are none, and rules for everybody", function()
    for message, where in pairs {
      ["it has no attribute, so it would select everybody"] = {}, ["'Department' is no attribute of a user"] = {
        Department = "x" }, ["'a or b' is no attribute of a user"] = { ["a or b"] = "x" },
      ["department: it is an empty list"] = { department = {} },
      ["department: it is no text, no whole number, and neither true nor false"] = { department = { {} } },
      ["'1' is no attribute of a user"] = { "IT" },
    } do
      local ok, err = pcall(users, { where = where })
      assert.is_false(ok)
      assert.matches(message, tostring(err), 1, true)
    end
    local calls = select.needs(users { where = { city = "x" } })
    assert.equal("GET /users", calls[#calls])
  end)
end)
