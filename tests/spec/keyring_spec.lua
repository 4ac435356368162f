-- The desktop's keyring: gnome-keyring on a bus of its own, and libsecret's client.

local moonlatch = require "moonlatch"

local function has(...)
  for _, program in ipairs { ... } do
    if not os.execute(("command -v %s >/dev/null 2>&1"):format(program)) then return false end
  end
  return true
end

-- The keyring is unlocked by "pw"; $1 is run in the session besides, with the program as the rest.
local SESSION = [['printf %s pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
first=$1; shift; eval "$first" >/dev/null 2>&1; "$@"']]

local KEY = "return #require('profile.current').key()"

describe("the keyring", function()
  if not has("secret-tool", "gnome-keyring-daemon", "dbus-run-session") then
    pending("was not tried: install libsecret-tools, gnome-keyring and dbus")
    return
  end

  local place

  before_each(function()
    place = moonlatch.place()
    place:write("run/.keep", "")
  end)
  after_each(function() local _ <close> = place end)

  local function run(words, first)
    local outcome = place:run(words, {
      env = { "XDG_RUNTIME_DIR=" .. place.path .. "/run" },
      before = { "dbus-run-session", "--", "sh", "-c", SESSION, "sh", ("'%s'"):format(first or ":") },
      inside = true,
    })
    outcome.err = outcome.err:gsub("dbus%-daemon[^\n]*\n", ""):gsub("discover_other_daemon: %d", "")
      :gsub("\n%([^\n]*Gtk%-WARNING[^\n]*\n", "")
    return outcome
  end

  local function make()
    local outcome = run { "init", "--tenant", "contoso.com", "--key", "keyring" }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    assert.is_truthy(outcome.out:find("The key is in your keyring (application=moonlatch "
      .. "name='key login.microsoftonline.com/contoso.com').", 1, true), outcome.out)
  end

  it("holds the key that init made, for the runs that follow", function()
    make()
    local outcome = run { "-e", KEY }
    assert.same({ 0, "43\n" }, { outcome.status, outcome.out }, outcome.err)
    assert.matches("error: make a first configuration\n  why: it exists already", run({ "init" }).err)
  end)

  it("that is locked says so", function()
    make()
    local outcome = run({ "-e", KEY }, "secret-tool lock")
    assert.equal(1, outcome.status, outcome.out)
    assert.matches("^error: read the journal's key from the keyring %(key login%.microsoftonline%.com/contoso%.com%)\n"
      .. "  why: the keyring is locked, and was not unlocked\n"
      .. "  fix: Unlock the keyring and run the same command again", outcome.err)
  end)

  it("that lost the key says how to make one, unless something is sealed already", function()
    make()
    local clear = "secret-tool clear application moonlatch"
    assert.equal("error: read the journal's key from the keyring (key login.microsoftonline.com/contoso.com)\n"
      .. "  why: the keyring holds nothing for application=moonlatch name=key login.microsoftonline.com/contoso.com\n"
      .. "  fix: Make the first key: moonlatch init. If there was a key before, bring that one back instead.\n",
      run({ "-e", KEY }, clear).err)
    assert.equal(0, run({ "init" }).status)
    assert.equal("43\n", run({ "-e", KEY }).out)

    place:write(".local/state/moonlatch/login.microsoftonline.com/contoso.com/journal.db", "")
    assert.matches("why: .*/journal%.db was sealed with another key\n  fix: Bring that key back%.",
      run({ "init" }, clear).err)
  end)

  it("takes the secrets of a profile too", function()
    local config = place:write("other.lua", [[return { profiles = { contoso = { tenant = "contoso.com",
      sign_in = { method = "client_secret", client_id = "app-1", secret = { from = "keyring", name = "mine" } } } } }]])
    local look = "local p = require('profile.current') return "
      .. "#p.secret(p.current().sign_in.secret, 'the client secret')"
    assert.matches("fix: Store it: moonlatch login %-%-secret client%-secret\n$",
      run({ "-e", look, "--config", config }).err)
    local put = run({ "login", "--secret", "client-secret", "--fd", "3", "--config", config },
      "printf %s s3cret >~/s; exec 3<~/s")
    assert.equal("the client secret to sign in with is kept: the keyring (mine)\n", put.out, put.err)
    assert.equal("6\n", run({ "-e", look, "--config", config }).out)
  end)

  it("that nobody serves says so", function()
    local outcome = place:run({ "init", "--tenant", "contoso.com", "--key", "keyring" },
      { env = { "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere/bus" } })
    assert.equal(1, outcome.status)
    assert.matches("^error: make a key in the keyring %(profile 'contoso' in .*%)\n"
      .. "  why: the keyring said: Could not connect: No such file or directory\n"
      .. '  fix: Unlock the keyring%. On a machine without a desktop, write key = { from = "file", path = "…" } in '
      .. 'the profile%.\n$', outcome.err)
  end)
end)
