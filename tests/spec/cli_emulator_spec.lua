-- takes 6 s: each case starts an emulator and runs the program
local await = require "await"
local json = require "host.json"
local moonlatch = require "moonlatch"
local process = require "host.process"
local sys = require "host.sys"

-- Commands against the emulator they start themselves, as a newcomer runs them.
describe("a command with --emulator", function()
  local function run(words, options)
    local place <close> = moonlatch.place()
    return place:run(words, options)
  end

  it("signs in and says as whom", function()
    local outcome = run { "whoami", "--emulator", "--json" }
    assert.equal(0, outcome.status, outcome.err)
    local who = assert(json.decode(outcome.out))
    assert.same({ "user", "adele@contoso.onmicrosoft.com", { "Directory.Read.All" }, {} },
      { who.kind, who.name, who.scopes, who.roles })
  end)

  it("lets code of a line read, and not write unless told to", function()
    local names = "for user in require('graph').list('/users') do print(user.userPrincipalName) return end"
    local outcome = run { "-e", names, "--emulator", "--quiet" }
    assert.matches("^[%w._-]+@contoso.onmicrosoft.com\n$", outcome.out)
    assert.equal(0, outcome.status)

    local post = "require('graph').post('/groups', { displayName = 'x' })"
    outcome = run { "-e", post, "--emulator" }
    assert.equal(1, outcome.status)
    assert.matches("error: POST /groups\n  why: .*this code may only read: %-%-write lifts that", outcome.err)
    outcome = run { "-e", post, "--emulator", "--write" }
    assert.is_nil(outcome.err:find("may only read", 1, true), outcome.err)
  end)

  it("has no folder for a script, and says how the script is tried", function()
    local place <close> = moonlatch.place()
    place:write("file.lua", [[local folder = require "folder"
      return { summary = "S", needs = { files = { "reports" } },
        run = function() folder.write("reports", "a", "b") end }]])
    local outcome = place:run { "run", "./file.lua", "--emulator" }
    assert.equal(1, outcome.status)
    assert.matches("why: the profile emulator names no folder 'reports'\n  fix: The private emulator of --emulator has "
      .. "none. The test of the script gets what it needs: moonlatch scripts test SCRIPT.", outcome.err, 1, true)
  end)

  it("gives a script just what it declared", function()
    local place <close> = moonlatch.place()
    place:write("look.lua", [[
      local graph = require "graph"
      return {
        summary = "Look",
        needs = { graph = { "GET /organization" }, scopes = { "Organization.Read.All", "User.Read.All" } },
        args = { users = { type = "boolean", default = false, help = "also undeclared users" } },
        run = function(args)
          require("report").table(graph.all("/organization"), { "displayName" })
          if args.users then graph.all("/users") end
        end,
      }]])
    local outcome = place:run { "run", "./look.lua", "--emulator" }
    assert.equal(0, outcome.status, outcome.err)
    assert.matches("^DISPLAYNAME\nContoso\n$", outcome.out)
    outcome = place:run { "run", "./look.lua", "--users", "--emulator" }
    assert.equal(1, outcome.status)
    assert.matches("the script does not say that it needs this call", outcome.err)
    outcome = place:run { "run", "./look.lua", "--emulator", "--json" }
    assert.same({ { displayName = "Contoso" } }, json.decode(outcome.out))
  end)

  it("plans the setup", function()
    local outcome = run { "plan", "setup/entra-pam-provider", "--emulator", "--json" }
    assert.equal(3, outcome.status, outcome.err)
    assert.equal(0, assert(json.decode(outcome.out)).changes.delete)
  end)

  it("says with --quiet what it changed, and nothing of what it found", function()
    local outcome = run { "apply", "setup/entra-pam-provider", "--emulator", "--yes", "--quiet" }
    assert.equal(0, outcome.status, outcome.err)
    assert.matches("^  %+ application 'Devolutions PAM'", outcome.out)
    assert.matches("\nDone: 9 created%.\n$", outcome.out)
    for line in outcome.out:gmatch("\n(  [^\n]+)") do assert.is_truthy(line:find "^  [+~] ", line) end
    assert.matches("^Signing in to 'contoso.onmicrosoft.com' through [^\n]+\n  Application%.ReadWrite%.All, [^\n]+\n"
      .. "To sign in, open [^\n]+ and enter this code:\n\n    %w+   %(an emulator: [^\n]+\n\n$", outcome.err)
  end)

  it("plans with --quiet only what would change", function()
    local outcome = run { "plan", "setup/entra-pam-provider", "--emulator", "--quiet" }
    assert.equal(3, outcome.status, outcome.err)
    local plan = outcome.out
    assert.matches("^App registration\n  %+ application 'Devolutions PAM'", plan)
    assert.matches("\n\nPlan: 9 to create%.\n$", plan)
    assert.is_nil(plan:find("·", 1, true) or plan:find("\nSign in", 1, true))
  end)

  it("leaves nothing of the emulator behind", function()
    local outcome = run({ "-e", "require('profile.current').current().file", "--emulator" }, { inside = true })
    local folder = assert(outcome.out:match("^(/.*)/moonlatch.lua\n$"), outcome.err)
    assert.is_nil(sys.stat(folder))
  end)

  it("ends the emulator also when it is killed itself", function()
    local child = assert(process.start {
      os.getenv "MOONLATCH", "--stdlib", moonlatch.INSIDE, "--emulator", "-e",
      "print(require('profile.current').current().file) require('task').sleep(0.9)",
    })
    local file = assert(child:line(20))
    child:kill("KILL")
    child:wait(10)
    await.event("the emulator removes its files", function() return not sys.stat(file) end)
  end)
end)
