--- Users and groups of the emulated Graph: made, changed, deleted, brought back.

local fake = require "fake_tenant"
local refused = fake.refused
local secret = require "host.secret"

local DENIED = "Insufficient privileges to complete the operation."
local SCOPES = "User.ReadWrite.All Group.ReadWrite.All Directory.Read.All"
local UPN = "kim@contoso.onmicrosoft.com"

local function kim(more)
  local body = {
    accountEnabled = true, displayName = "Kim", mailNickname = "kim", userPrincipalName = UPN,
    passwordProfile = { password = secret.from "Correct-Horse-7-Battery", forceChangePasswordNextSignIn = true },
  }
  for name, value in pairs(more or {}) do body[name] = value end
  return body
end

describe("the emulated Graph", function()
  local world

  before_each(function() world = fake.new() end)

  -- A person with every scope that matters here, or an app; and then a while passes.
  local function ask(who, ...)
    local caller = type(who) == "string" and world:claims(who, { scp = SCOPES }) or who
    local status, body, headers = world:ask(caller, ...)
    world:wait()
    return status, body, headers
  end

  describe("users", function()
    it("are made, found, deleted and restored", function()
      local status, made, headers = ask("adele", "POST", "/users", kim())
      assert.equals(201, status)
      assert.equals("Kim", made.displayName)
      assert.is_nil(made.passwordProfile)
      assert.truthy(headers.Location:find("/" .. made.id .. "/Microsoft.DirectoryServices.User", 1, true))
      local _, found = ask("adele", "GET", "/users/" .. UPN
        .. "?$select=id,userType,passwordProfile,accountEnabled")
      assert.same({ made.id, "Member", true, true },
        { found.id, found.userType, found.accountEnabled, found.passwordProfile.forceChangePasswordNextSignIn })

      assert.equals(204, (ask("adele", "DELETE", "/users/" .. UPN)))
      assert.equals(404, (ask("adele", "GET", "/users/" .. UPN)))
      local _, deleted = ask("adele", "GET", "/directory/deletedItems/microsoft.graph.user?$select=id")
      assert.same({ made.id }, { deleted.value[1].id })
      local restore = ("/directory/deletedItems/%s/restore"):format(made.id)
      assert.equals(200, (ask("adele", "POST", restore, {})))
      assert.equals(200, (ask("adele", "GET", "/users/" .. UPN)))
    end)

    it("get another name, if it is in our domain and nobody else's", function()
      local uma = "/users/" .. world.tenant.ids.uma
      for name, status in pairs { ["uma.k@contoso.onmicrosoft.com"] = 204, ["uma@fabrikam.com"] = 400,
        ["HENRY@contoso.onmicrosoft.com"] = 400, uma = 400, ["UMA.K@contoso.onmicrosoft.com"] = 204 } do
        assert.equal(status, (ask("adele", "PATCH", uma, { userPrincipalName = name })), name)
      end
    end)

    it("need what Graph asks for, in our domain, and a name of their own", function()
      local function refuse(message, more, without)
        local body = kim(more)
        if without then body[without] = nil end
        refused(400, "Request_BadRequest", message, ask("adele", "POST", "/users", body))
      end
      refuse("A value is required for property 'mailNickname' of resource 'User'.", nil, "mailNickname")
      refuse("A value is required for property 'passwordProfile' of resource 'User'.", nil, "passwordProfile")
      refuse("Invalid property 'shoeSize'.", { shoeSize = 42 })
      refuse("Property userPrincipalName is invalid.", { userPrincipalName = "kim" })
      refuse("The domain portion of the userPrincipalName property is invalid. You must use one of the verified "
        .. "domain names in your organization.", { userPrincipalName = "kim@fabrikam.com" })
      refuse("The specified password does not comply with password complexity requirements. Please provide a "
        .. "different password.", { passwordProfile = { password = secret.from "kim" } })
      local taken = "Another object with the same value for property userPrincipalName already exists."
      refuse(taken, { userPrincipalName = "UMA@contoso.onmicrosoft.com" })
      local _, answer = ask("adele", "POST", "/users", kim { userPrincipalName = "UMA@contoso.onmicrosoft.com" })
      assert.same({ { code = "ObjectConflict", message = taken, target = "userPrincipalName" } }, answer.error.details)
    end)

    it("are made and deleted by those who may: by role, and by whom it is about", function()
      refused(403, "Authorization_RequestDenied", DENIED, ask("uma", "POST", "/users", kim()))
      local app = world.tenant:add_app { name = "App", permissions = { "User.ReadWrite.All" } }
      assert.equals(201, (ask(app, "POST", "/users", kim())))
      assert.equals(204, (ask(app, "DELETE", "/users/" .. UPN)))
      assert.equals(403, (ask(app, "DELETE", "/users/" .. world.tenant.ids.adele)))
      local reader = world.tenant:add_app { name = "Reader", permissions = { "User.Read.All" } }
      assert.equals(403, (ask(reader, "POST", "/users", kim())))
      assert.equals(403, (ask("henry", "DELETE", "/users/" .. world.tenant.ids["t0-anna"])))
    end)

    it("of a crowd can go, too, and are counted", function()
      world = fake.new { users = 50 }
      local ADA = "/users?$filter=startsWith(mailNickname,'ada.')&$select=id,mailNickname"
      local _, page = ask("adele", "GET", ADA)
      local one = page.value[1]
      assert.truthy(one.mailNickname:find "^ada%.")
      local function count()
        local _, number = ask("adele", "GET", "/users/$count", nil, { consistencylevel = "eventual" })
        return tonumber(number)
      end
      local before = count()
      assert.equals(204, (ask("adele", "DELETE", "/users/" .. one.id)))
      assert.equals(before - 1, count())
      _, page = ask("adele", "GET", ADA)
      for _, user in ipairs(page.value) do assert.are_not.equal(one.id, user.id) end
    end)
  end)

  describe("groups", function()
    local GROUP = { displayName = "Night shift", mailEnabled = false, mailNickname = "night", securityEnabled = true }

    it("are made, changed, deleted and restored", function()
      local status, made = ask("adele", "POST", "/groups", GROUP)
      assert.equals(201, status)
      assert.equals(204, (ask("adele", "PATCH", "/groups/" .. made.id, { description = "by night" })))
      local reference = { ["@odata.id"] = "https://graph.microsoft.com/v1.0/directoryObjects/" .. world.tenant.ids.uma }
      assert.equals(204, (ask("adele", "POST", ("/groups/%s/members/$ref"):format(made.id), reference)))
      local _, groups = ask("adele", "GET", "/users/" .. world.tenant.ids.uma .. "/memberOf?$select=description")
      local names = {}
      for _, group in ipairs(groups.value) do names[group.description or ""] = true end
      assert.is_true(names["by night"])
      local _, owners = ask("adele", "GET", ("/groups/%s/owners?$select=id"):format(made.id))
      assert.equals(world.tenant.ids.adele, owners.value[1].id)

      assert.equals(204, (ask("adele", "DELETE", "/groups/" .. made.id)))
      assert.equals(404, (ask("adele", "GET", "/groups/" .. made.id)))
      local _, deleted = ask("adele", "GET", "/directory/deletedItems/microsoft.graph.group?$select=displayName")
      assert.equals("Night shift", deleted.value[1].displayName)
      assert.equals(200, (ask("adele", "POST", ("/directory/deletedItems/%s/restore"):format(made.id), {})))
      assert.equals(200, (ask("adele", "GET", "/groups/" .. made.id)))
    end)

    it("need what Graph asks for, and a role where they can hold roles", function()
      refused(400, "Request_BadRequest", "A value is required for property 'mailEnabled' of resource 'Group'.",
        ask("adele", "POST", "/groups", { displayName = "x", mailNickname = "x", securityEnabled = true }))
      local powerful = { isAssignableToRole = true }
      for name, value in pairs(GROUP) do powerful[name] = value end
      assert.equals(201, (ask("uma", "POST", "/groups", GROUP)))
      refused(403, "Authorization_RequestDenied", DENIED, ask("uma", "POST", "/groups", powerful))
      assert.equals(403, (ask("uma", "DELETE", "/groups/" .. world.tenant.ids.tier0)))
    end)
  end)

  it("orders a list page by page, up and down", function()
    world = fake.new { users = 60 }
    local function names(path)
      local _, page = ask("adele", "GET", path)
      local list = {}
      for i, user in ipairs(page.value) do list[i] = user.displayName:lower() end
      return list, page["@odata.nextLink"]
    end
    local all = names "/users?$orderby=displayName&$select=displayName&$top=500"
    for i = 2, #all do assert(all[i - 1] <= all[i], all[i]) end
    local first, link = names "/users?$orderby=displayName&$select=displayName&$top=10"
    local second = names(link:match "/v1%.0(/.*)$")
    assert.same({ table.unpack(all, 1, 10) }, first)
    assert.same({ table.unpack(all, 11, 20) }, second)
    local down = names "/users?$orderby=displayName%20desc&$select=displayName&$top=500"
    assert.equals(all[1], down[#down])
  end)
end)
