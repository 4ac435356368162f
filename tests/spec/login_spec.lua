-- takes 5 s: runs the program two dozen times
-- login, whoami and logout as a person runs them, at an emulator that stays.

local json = require "host.json"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

describe("a person", function()
  local scene

  before_each(function() scene = rehearsal.new("--lag", "0", "--users", "0", "--interval", "1") end)
  after_each(function() local _ <close> = scene end)

  local function run(...) return scene:run { ... } end

  local ASKED = "To sign in, open "

  -- The output of a command that succeeds, and where it asks a person to sign in.
  local function done(...)
    local outcome = run(...)
    assert.equal(0, outcome.status, outcome.out .. outcome.err)
    local rest = outcome.err:gsub("^Signing in to [^\n]+\n  [^\n]+\n", "")
      :gsub("^" .. ASKED .. "[^\n]+\n\n    %w+[^\n]*\n\n", "")
    assert.equal("", rest)
    return outcome.out, outcome.err
  end

  -- The files that keep sign-ins.
  local function sealed()
    local list = {}
    for _, name in ipairs(sys.list(scene:state()) or {}) do
      if name:find("%.sealed$") then list[#list + 1] = name end
    end
    return list
  end

  it("signs in once and stays signed in, until logging out", function()
    assert.matches("^" .. ASKED, (select(2, done "whoami")))
    assert.same({}, sealed())

    local out, asked = done "login"
    assert.matches("^" .. ASKED, asked)
    assert.matches("^signed in to %x+%-[%x-]+ as adele@contoso%.onmicrosoft%.com\n"
      .. "kept, sealed, in /[^\n]+/state/sign%-in%-%x+%.sealed\n`moonlatch logout` forgets it%.\n$", out)
    assert.equal(1, #sealed())

    for _ = 1, 2 do
      out = done "whoami"
      assert.matches("^adele@contoso%.onmicrosoft%.com %(person%)\n  tenant      %x+%-[%x-]+ "
        .. "%(contoso%.onmicrosoft%.com%)\n  object id   [%x-]+\n"
        .. "  scopes      Directory%.Read%.All\n  roles       Global Administrator\n"
        .. "  token       until %d+%-%d%d%-%d%dT[%d:]+Z, in 60 minutes\n"
        .. "  kept        since %d[%dT:-]+Z, sealed in /[^\n]+\n  profile     emulator %(/[^\n]+%)\n$", out)
    end
    assert.equal("Contoso\n", done("-e", "require('graph').first('/organization').displayName"))

    out = done "logout"
    assert.matches("^signed out: the sign%-in of adele@contoso%.onmicrosoft%.com is forgotten %(/[^\n]+%)\n"
      .. "What stays valid:\n  %- access tokens that were issued", out)
    assert.matches("\nTo end all sign%-ins of adele@contoso.onmicrosoft.com: Entra admin center > Users", out)
    assert.same({}, sealed())
    assert.equal("Nothing was kept, so there is nothing to forget.\n", done "logout")
    assert.matches("^" .. ASKED, (select(2, done "whoami")))
  end)

  it("is told as a document with --json", function()
    local who = assert(json.decode(run("login", "--json").out))
    assert.same({ "adele@contoso.onmicrosoft.com", "user" }, { who.name, who.kind })
    assert.matches("/state/sign%-in%-%x+%.sealed$", who.kept)
    who = assert(json.decode((done("whoami", "--json"))))
    assert.is_string(who.expires)
    assert.is_string(who.kept)
    assert.same({}, who.left_behind)
    assert.equal("adele@contoso.onmicrosoft.com", json.decode((done("logout", "--json"))).forgotten)
  end)

  it("is shown a consent that setup left behind, and where to take it back", function()
    local LEFT = [[

Left behind: Microsoft Graph Command Line Tools has consent%s to change the tenant, with
  AppRoleAssignment.ReadWrite.All Application.ReadWrite.All RoleManagement.ReadWrite.Directory
%s program that you sign in to as this client%s, as far as your roles reach.
If nobody needs it any more, take it back:
  Entra admin center > Enterprise applications > Microsoft Graph Command Line Tools > Permissions
]]
    assert.matches("signed in to", done("login", "--for", "setup/entra-pam-provider"))
    local out = done "whoami" -- which may not read the consents, and so tells of its own token
    assert.is_truthy(out:find(LEFT:format("", "Any", " may use that"), 1, true), out)
    done "logout"
    out = done "whoami"
    assert.is_truthy(out:find(LEFT:format(" for you", "You may use that, and any", ""), 1, true), out)
    done("login", "--for", "setup/entra-pam-provider")
    assert.equal(3, run("plan", "setup/entra-pam-provider").status)
  end)

  it("hears what to do when the sign-in does not cover what a script needs", function()
    done "login"
    local outcome = run("plan", "setup/entra-pam-provider")
    assert.equal(1, outcome.status)
    assert.matches("error: .*: renew the sign%-in kept for adele@contoso%.onmicrosoft%.com\n"
      .. "  why: nobody has consented to the permissions that are asked for%. .*\n"
      .. "  fix: Sign in with what is needed: moonlatch login %-%-for SCRIPT%.\n$", outcome.err)
  end)

  it("is asked again when the sign-in that was kept is over, and unattended runs say so", function()
    done "login"
    scene:later "2s" -- their times are whole seconds
    scene:control("POST", "/graph/v1.0/users/adele@contoso.onmicrosoft.com/revokeSignInSessions")
    local outcome = run "whoami"
    assert.equal(1, outcome.status, outcome.out)
    assert.matches("^error: renew the sign%-in kept for adele@contoso%.onmicrosoft%.com\n"
      .. "  why: the sign%-in is not valid any more: .*\n"
      .. "  fix: Sign in again: moonlatch login%.\n$", outcome.err)
    assert.matches("signed in to", done "login")
    done "whoami"
    scene:later "91d"
    assert.matches("fix: Sign in again: moonlatch login%.\n$", run("whoami").err)
  end)

  it("signs in anew at a terminal when the sign-in that was kept is over, and stays signed in", function()
    done "login"
    scene:later "91d"
    local shown = scene:talk({ "whoami", "--no-color" }, {}):gsub("\r", "")
    assert.matches("^0\n", shown)
    local words = shown:gsub("%s+", " ")
    assert.is_truthy(words:find("warning: the sign-in kept for adele@contoso.onmicrosoft.com does not serve any more: "
      .. "the sign-in is not valid any more: ", 1, true), shown)
    assert.matches("\nTo sign in, open ", shown)
    assert.equal("", (select(2, done "whoami")))
  end)

  it("reads the code on the terminal also where all output leads elsewhere, and files do not get it", function()
    local shown = scene:talk({ "whoami", "--no-color" }, {}, {
      before = { "/bin/sh", "-c", 'exec "$@" >told 2>remarks', "sh" },
    }):gsub("\r", "")
    local code = shown:match("^0\non\n.*" .. ASKED .. "%S+ and enter this code:\n\n    (%w+)[^\n]*\n\n$")
    assert(code, shown)
    local function read(name) return assert(sys.read(scene.place.path .. "/" .. name, 65536)) end
    assert.matches("^adele@contoso%.onmicrosoft%.com %(person%)\n", read "told")
    assert.is_nil((read "told" .. read "remarks"):find(code, 1, true))
  end)

  it("who is an application proves itself anew each time, with a secret that is kept sealed", function()
    local file = scene.place.path .. "/made"
    scene:configure(function(text)
      return (text:gsub("devolutions = devolutions", 'devolutions = { cloud = "https://contoso.devolutions.app" }'))
    end)
    local applied = run("apply", "setup/entra-pam-provider", "--yes", "--quiet", "--secret-file",
      file)
    assert(sys.stat(file), applied.out .. applied.err)
    local client
    for _, application in ipairs(scene:graph "/applications") do
      client = application.displayName == "Devolutions PAM" and application.appId or client
    end
    scene:configure(function(text)
      return (text:gsub("local device = %b{}", ('local device = { method = "client_secret", client_id = "%s", '
        .. 'secret = { from = "sealed" } }'):format(client)))
    end)
    local outcome = scene:run({ "login" }, { before = { "setsid", "-w" } })
    assert.equal("error: ask for the client secret to sign in with\n"
      .. "  why: cannot ask for a secret: there is no terminal\n"
      .. "  fix: Without a terminal: moonlatch login --secret client-secret --fd 3 3<file\n", outcome.err)
    assert.matches("why: %-%-fd is given without %-%-secret\n", run("login", "--fd", "3").err)

    local wrong = scene:talk({ "login", "--no-color" }, { "to sign in with: ", "not-the-secret\\n" })
    assert.matches("error: sign in to 'contoso.onmicrosoft.com' as application " .. client,
      (wrong:gsub("%s+", " ")), 1, true)
    local shown = scene:talk({ "login" }, { "to sign in with: ", assert(io.open(file)):read("l") .. "\\n" })
    assert.matches("\nsigned in to [%x-]+ as Devolutions PAM\n"
      .. "The sign%-in is not kept: an application signs in again each time%.\n", (shown:gsub("\r", "")))
    assert.matches("^Devolutions PAM %(application%)\n", done "whoami")
    assert.matches("^the client%-secret is forgotten%. It stays valid where it was made%.\n",
      done("logout", "--secrets"))
    assert.matches("fix: Store it: moonlatch login %-%-secret client%-secret\n$", run("whoami").err)
  end)

  it("cannot log in to what is gone when the command ends", function()
    for _, command in ipairs { "login", "logout" } do
      local outcome = scene.place:run { command, "--emulator" }
      assert.equal(2, outcome.status)
      assert.matches(("moonlatch %s %%-%%-config FILE, with the file that it print"):format(command), outcome.err)
    end
  end)

  it("cannot stay signed in without a key, and hears so before signing in", function()
    local text = assert(sys.read(scene.config, 65536))
    local config = scene.config:gsub("moonlatch%.lua$", "no-key.lua")
    assert(sys.write(config, (text:gsub("key = {[^}]*},", "")), "new"))
    local outcome = scene.place:run { "login", "--config", config }
    assert.equal(1, outcome.status)
    assert.equal("", outcome.out)
    assert.matches("why: the profile names no key, and there is no silent default\n", outcome.err)
    assert.equal(0, scene.place:run({ "whoami", "--config", config }).status)
  end)
end)
