local fake = require "fake_tenant"
local json = require "json"
local refused = fake.refused
local secret = require "host.secret"

local DENIED = "Insufficient privileges to complete the operation."

describe("the emulated Graph", function()
  local world

  before_each(function() world = fake.new() end)

  describe("sets passwords", function()
    local RESET = "User-PasswordProfile.ReadWrite.All"

    local function reset(who, target, value, flags)
      local profile = {
        password = secret.from(value or "Correct-Horse-7-Battery"),
        forceChangePasswordNextSignIn = false,
      }
      for name, flag in pairs(flags or {}) do
        profile[name] = flag
      end
      return world:ask(who, "PATCH", "/users/" .. world.tenant.ids[target], { passwordProfile = profile })
    end

    local function app(roles, permissions)
      return world.tenant:add_app { name = "App", roles = roles, permissions = permissions }
    end

    it("with a role alone, or with the permission besides: a switch", function()
      local role_only, both = app({ "Helpdesk Administrator" }, {}), app({ "Helpdesk Administrator" }, { RESET })
      assert.equals(204, (reset(role_only, "uma")))
      assert.equals(204, (reset(both, "uma")))
      world.tenant:set_flag("reset_needs_permission", true)
      refused(403, "Authorization_RequestDenied", DENIED, reset(role_only, "uma"))
      assert.equals(204, (reset(both, "uma")))
    end)

    it("of people without a role with the permission alone, or not: a switch", function()
      local permitted = app({}, { RESET })
      assert.equals(204, (reset(permitted, "uma")))
      assert.equals(403, (reset(permitted, "t0-anna")))
      world.tenant:set_flag("reset_needs_role", true)
      assert.equals(403, (reset(permitted, "uma")))
    end)

    it("by the matrix", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local all = app({ "Privileged Authentication Administrator" }, { RESET })
      local reach = { uma = true, ["t0-chen"] = true, ["t0-boris"] = true, ["t0-dana"] = true, ["t0-anna"] = false,
        ["t0-emil"] = false, adele = false, henry = true }
      for target, reached in pairs(reach) do
        assert.equals(reached and 204 or 403, (reset(helpdesk, target)), target)
        assert.equals(204, (reset(all, target)), target)
      end
    end)

    it("not of members of a restricted unit", function()
      local all = app({ "Privileged Authentication Administrator" }, { RESET })
      world.tenant:add_unit { name = "Restricted", restricted = true, members = { "uma" } }
      assert.equals(403, (reset(all, "uma")))
      local _, user = world:ask("priya", "GET", "/users/" .. world.tenant.ids.uma .. "?$select=isManagementRestricted")
      assert.is_true(user.isManagementRestricted)
    end)

    it("of members of a unit that the role is scoped to, if they hold none", function()
      local unit = world.tenant:add_unit { name = "Unit", members = { "uma", "t0-boris" } }
      local scoped = app({ "Directory Readers" }, {})
      world.tenant:assign_role(scoped.appId, "Helpdesk Administrator", { scope = "/administrativeUnits/" .. unit })
      assert.equals(204, (reset(scoped, "uma")))
      assert.equals(403, (reset(scoped, "t0-boris")))
      assert.equals(403, (reset(scoped, "t0-chen")))
      world.tenant:remove_role(scoped.appId, "Directory Readers")
      assert.equals(403, (reset(scoped, "uma")))
    end)

    it("by a person with the scope and the role", function()
      local who = world:claims("henry", { scp = RESET })
      assert.equals(204, (reset(who, "uma")))
      assert.equals(403, (reset("henry", "uma")))
      assert.equals(403, (reset(world:claims("uma", { scp = RESET }), "dora")))
    end)

    it("and the date of the change follows", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local function changed()
        local _, user = world:ask("priya", "GET",
          ("/users/%s?$select=lastPasswordChangeDateTime,passwordProfile"):format(world.tenant.ids.uma))
        return user.lastPasswordChangeDateTime, user.passwordProfile
      end
      assert.equals("2021-01-02T00:00:00Z", (changed()))
      reset(helpdesk, "uma")
      assert.equals("2021-01-02T00:00:00Z", (changed()))
      world:wait(5)
      local at, profile = changed()
      assert.equals("2026-11-18T11:06:40Z", at)
      assert.same({ password = json.null, forceChangePasswordNextSignIn = false,
        forceChangePasswordNextSignInWithMfa = false }, profile)
      assert.is_true(world.tenant:check_password("uma", secret.from("Correct-Horse-7-Battery")))
      assert.is_false(world.tenant:check_password("uma", secret.from("something else")))
    end)

    it("that are strong enough", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local weak = "The specified password does not comply with password complexity requirements. "
        .. "Please provide a different password."
      for _, value in ipairs { "Ab1-xyz", "onlylowercaseletters", "lowerUPPER", ("aB1"):rep(86) } do
        refused(400, "Request_BadRequest", weak, reset(helpdesk, "uma", value))
      end
      world.tenant:change("uma", { passwordPolicies = "DisableStrongPassword" })
      assert.equals(204, (reset(helpdesk, "uma", "onlylowercaseletters")))
    end)

    it("of synced people not, or only in the cloud: a switch", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      refused(400, "Request_BadRequest", "Unable to update the specified properties for on-premises mastered Directory "
        .. "Sync objects or objects currently undergoing migration.", reset(helpdesk, "sven"))
      world.tenant:set_flag("synced_reset", "cloud")
      assert.equals(204, (reset(helpdesk, "sven")))
      assert.equals(400, (reset(helpdesk, "gail")))
    end)

    it("and nothing else with that permission", function()
      local helpdesk = app({ "Helpdesk Administrator" }, { RESET })
      local path = "/users/" .. world.tenant.ids.uma
      assert.equals(403, (world:ask(helpdesk, "PATCH", path, { jobTitle = "x" })))
      assert.equals(403, (world:ask(helpdesk, "PATCH", path, { accountEnabled = false })))
      local writer = app({}, { "User.ReadWrite.All" })
      assert.equals(204, (world:ask(writer, "PATCH", path, { jobTitle = "x" })))
      assert.equals(204, (world:ask(writer, "PATCH", path, { accountEnabled = false })))
      assert.equals(403, (reset(writer, "uma")))
    end)
  end)

  it("revokes sessions with a value", function()
    local app = world.tenant:add_app { name = "App", permissions = { "User.RevokeSessions.All" } }
    local status, body = world:ask(app, "POST", ("/users/%s/revokeSignInSessions"):format(world.tenant.ids.uma))
    assert.equals(200, status)
    assert.is_true(body.value)
  end)
end)
