-- Permissions as a person meets them: what a script needs, a copy that needs more, and a refusal that says why.

local json = require "host.json"
local moonlatch = require "moonlatch"
local process = require "host.process"

local RESET = [[
local graph = require "graph"
return {
  summary = "Set a password",
  needs = { graph = { "PATCH /users/{id}#passwordProfile", "PATCH /users/{id}#department" },
    scopes = { "User-PasswordProfile.ReadWrite.All", "User.Read.All", "RoleManagement.Read.Directory",
      "Group.Read.All" } },
  args = { user = { type = "string", required = true, help = "whose" } },
  run = function(args)
    graph.patch(graph.path("/users/{id}", args.user),
      { passwordProfile = { password = "Correct-Horse-9", forceChangePasswordNextSignIn = false } })
  end,
}]]

local COPY = [[
return {
  summary = "The setup, and something besides",
  needs = { graph = { "GET /organization", "DELETE /users/{id}" } },
  run = function() print "ran" end,
}]]

describe("moonlatch permissions", function()
  local place
  before_each(function() place = moonlatch.place() end)
  after_each(function() place:__close() end)

  it("name the services, programs and folders that a script may reach besides", function()
    local file = place:write("mine.lua", [[
      return { summary = "Store a value", run = function() end, needs = {
        graph = { "GET /users" }, run = { "tell" }, devolutions = { "entries:read" },
        peers = { vault = { { "POST /v1/{path+}", secrets = { "data.*" }, answers = { "auth" } } } },
      } }]])
    local outcome = place:run { "permissions", file, "--offline" }
    assert.equal(0, outcome.status, outcome.err)
    assert.is_truthy(outcome.out:find("Besides Graph\n  devolutions: entries:read\n  peers.vault: POST /v1/{path+} "
      .. "(secrets data.*; answers auth)\n  run: tell\n", 1, true), outcome.out)
    local document = assert(json.decode(place:run({ "permissions", file, "--offline", "--json" }).out))
    assert.equal("run: tell", document.others[3])
  end)

  it("are asked for by what a script needs, and what it does not declare is refused with the line to add", function()
    local file = place:write("mine.lua", [[
      local graph = require "graph"
      return {
        summary = "Change whom it may",
        needs = { graph = { "PATCH /users/{id}#department" } },
        run = function()
          graph.patch("/users/uma@contoso.onmicrosoft.com", { department = "Night" })
          graph.delete("/users/uma@contoso.onmicrosoft.com")
        end,
      }]])
    local outcome = place:run { "run", file, "--emulator" }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find('error: DELETE /users/uma@contoso.onmicrosoft.com\n  why: the script does not say '
      .. 'that it needs this call (DELETE /users/uma@contoso.onmicrosoft.com is not declared: if it is meant, add '
      .. '"DELETE /users/{id}" to needs.graph of ' .. file .. ')', 1, true), outcome.err)
  end)

  it("prints the least a script needs", function()
    local outcome = place:run { "permissions", "setup/entra-pam-provider", "--offline" }
    assert.equal(0, outcome.status, outcome.err)
    assert.matches("\nAs an application\n  AppRoleAssignment%.ReadWrite%.All\n      POST ", outcome.out)
    assert.matches("\nWeakest directory roles of that person\n  Cloud Application Administrator\n      GET ",
      outcome.out)
    assert.matches("\nNot compared with what we have: %-%-offline\n$", outcome.out)
    outcome = place:run { "permissions", "setup/entra-pam-provider" }
    assert.matches("\nNot compared with what we have: there is no profile\n$", outcome.out)
  end)

  it("has the permission for Entra's logs where they are read, and not with --no-evidence", function()
    for _, script in ipairs { "policies/pam-provider-secret", "policies/tier0-users", "setup/entra-pam-provider" } do
      local with = place:run { "permissions", script, "--offline" }
      assert.truthy(with.out:find("AuditLog.Read.All", 1, true), script)
      local without = place:run { "permissions", script, "--offline", "--no-evidence" }
      assert.same({ 0, nil }, { without.status, without.out:find("AuditLog.Read.All", 1, true) })
    end
  end)

  it("says what we lack, and that something is to be done", function()
    local outcome = place:run { "permissions", "setup/entra-pam-provider", "--emulator", "--json" }
    assert.equal(3, outcome.status, outcome.err)
    local told = assert(json.decode(outcome.out))
    assert.equal("delegated", told.held.kind)
    assert.equal("adele@contoso.onmicrosoft.com", told.held.who)
    assert.same({}, told.held.roles.missing)
    assert.truthy(table.concat(told.held.difference.missing, " "):find("RoleManagement.ReadWrite.Directory", 1, true))
  end)

  it("has a place for what a copy needs beyond the bundled script, asked once", function()
    place:write(".config/moonlatch/scripts/setup/entra-pam-provider.lua", COPY)
    local refused = place:run { "run", "setup/entra-pam-provider", "--yes" }
    assert.equal(1, refused.status)
    assert.matches("needs more than the bundled script of its name:\n  %+ graph: DELETE /users/{id}\n", refused.out)
    assert.matches("fix: Read the needs listed above", refused.err)
    local accepted = place:run { "permissions", "setup/entra-pam-provider", "--accept" }
    assert.equal(0, accepted.status, accepted.err)
    assert.matches("Accepted%.\n$", accepted.out)
    local ran = place:run { "run", "setup/entra-pam-provider" }
    assert.equal(0, ran.status, ran.err)
    assert.equal("ran\n", ran.out)
    place:write(".config/moonlatch/scripts/setup/entra-pam-provider.lua", (COPY:gsub("DELETE", "PATCH")))
    assert.equal(1, place:run({ "run", "setup/entra-pam-provider" }).status)
  end)

  it("asks at a terminal", function()
    place:write(".config/moonlatch/scripts/setup/entra-pam-provider.lua", COPY)
    local shown = place:talk({ "run", "setup/entra-pam-provider" }, { "Let it? [y/N]", "y\n" })
    assert.matches("ran", shown)
    assert.equal("ran\n", place:run({ "run", "setup/entra-pam-provider" }).out)
  end)

  it("leaves a copy alone that needs no more", function()
    place:write(".config/moonlatch/scripts/setup/entra-pam-provider.lua", (COPY:gsub(", \"DELETE.-\"", "")))
    assert.equal("ran\n", place:run({ "run", "setup/entra-pam-provider" }).out)
  end)
end)

describe("a refusal of Graph", function()
  it("says that the target has stronger roles than we have, after asking the tenant", function()
    local place <close> = moonlatch.place()
    local script = place:write("reset.lua", RESET)
    local folder = place.path .. "/emulator"
    local emulator <close> = assert(process.start { os.getenv "MOONLATCH", "emulator", "--private", "--lag", "0",
      "--interval", "1", "--approve", "arno", "--directory", folder })
    assert(emulator:line(20))
    local config = folder .. "/moonlatch.lua"
    local outcome = place:run { "run", script, "--config", config, "--user", "adele@contoso.onmicrosoft.com",
      "--verbose" }
    assert.equal(1, outcome.status)
    assert.matches("why: adele@contoso%.onmicrosoft%.com has stronger roles than we have: Global Administrator "
      .. "%(active%)%. Our directory roles: Application Administrator%. Graph said: 403 Authorization_RequestDenied",
      outcome.err)
    assert.matches("fix: Assign us a role that may reset it", outcome.err)
    outcome = place:run { "run", script, "--config", config, "--user", "uma@contoso.onmicrosoft.com" }
    assert.matches("why: a directory role is missing: Helpdesk Administrator would do%. "
      .. "Yours: Application Administrator", outcome.err)
  end)
end)
