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
end)
