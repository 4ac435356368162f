--- rotation: what is done for a policy is done with the rights of its own file, on an emulated tenant.

local host_journal = require "host.journal"
local near_cloud = require "near_cloud" -- before what is found by its path
local oauth = require "oauth.sign_in"
local policy = require "policy"
local profile = require "profile.current"
local rights = require "task.rights"
local rotate = require "rotate.policies"
local script = require "script.load"
local secret = require "host.secret"
local stage = require "stage"

local KEY = secret.from "0123456789abcdef0123456789abcdef"

describe("a run of several policies", function()
  local cloud, journal, ears, app

  before_each(function()
    cloud = near_cloud.new()
    app = cloud.tenant:add_app { name = "Billing", days = 20 }
    cloud.tenant.applications:change(app.id, { _owners = { [cloud.app.principal] = true } }, 0)
    cloud:wait(60)
    journal = assert(host_journal.open(cloud.folder .. "/j", KEY, "login.example/contoso"))
    ears = stage.ears()
  end)

  after_each(function()
    journal:close()
    cloud:__close()
    getmetatable(ears).__close()
  end)

  local function terms_of(name, fields)
    fields.summary, fields.every = name, "30d"
    fields.sink = policy.devolutions.server { vault = "Privileged", path = name }
    return script.check({ name = name, path = name .. ".lua" }, policy(fields)).policy
  end

  it("does for each what its own file may do, whoever comes first", function()
    local people = terms_of("people", { select = policy.users { upn = "t0-chen@contoso.onmicrosoft.com" } })
    local apps = terms_of("apps", { select = policy.applications { client_id = app.appId }, lifetime = "90d" })
    profile.use(cloud.profile)
    cloud:run(journal, function()
      local before = rights.use { own = { name = "own" }, look = { name = "look" } }
      local _ <close> = setmetatable({}, { __close = function() rights.use(before) end })
      rotate.once({ people, apps }, {
        journal = journal, profile = cloud.profile, rights = { people = { name = "people" }, apps = { name = "apps" } },
      })
    end)
    oauth.sign_out()
    local seen = {}
    for _, request in ipairs(cloud.requests) do
      local what = request.path:match("/oauth2/") and "sign-in" or request.path:match("/api/v1/login$") and "login"
        or request.method == "PATCH" and request.path:match("/users/") and "password"
        or request.path:match("addPassword$") and "client secret"
        or request.path:match("^/v1.0/applications") and "look"
      if what then
        seen[what] = seen[what] or {}
        seen[what][request.rights or "none"] = true
      end
      assert.truthy(request.rights, request.path)
    end
    assert.same({ own = true }, seen["sign-in"])
    assert.same({ own = true }, seen.login)
    assert.same({ people = true }, seen.password)
    assert.same({ apps = true }, seen["client secret"])
    assert.same({ apps = true }, seen.look)
  end)
end)

describe("an application that was made an owner a moment ago", function()
  local contoso = require "contoso"
  local json = require "host.json"
  local rights_check = require "rotation.rights_check"
  local tenant
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  local OWNERS = "/v1.0/applications/a/owners"
  local ME = { kind = "app", oid = "me", name = "Rotator", roles = { "Application.ReadWrite.OwnedBy" } }
  local function answer(...) return { 200, {}, { value = json.array { ... } } } end
  local function why()
    return tenant:run(rights_check.why_not_changeable, { id = "a", displayName = "Billing" }, ME)
  end

  it("is not refused because one read came too early", function()
    tenant.door:once("GET", OWNERS, answer())
    tenant.door:on("GET", OWNERS, answer { id = "me" })
    assert.is_nil(why())
    assert.equal(6, tenant:passed())
  end)

  it("is refused when a later read does not show it either", function()
    tenant.door:on("GET", OWNERS, answer { id = "somebody" })
    assert.matches("^Rotator does not own it", why())
    assert.equal(2, tenant.door:count("GET", OWNERS))
  end)
end)
