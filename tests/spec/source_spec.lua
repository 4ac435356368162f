-- Where a profile's secrets come from, as a person meets it.

local moonlatch = require "moonlatch"
local secret = require "host.secret"

local CONFIG = [[return { profiles = { contoso = {
  tenant = "contoso.onmicrosoft.com", state = "state", key = { from = "file", path = "key" },
  sign_in = { method = "client_secret", client_id = "app-1", secret = { %s } },
} } }]]

local VALUE = "s3cret-value-1-of-35-bytes-in-total"

-- The secret's size, asked for twice, and whether it is the right one.
local LOOK = [[
local profile, crypto = require "profile.current", require "base.crypto"
local source = profile.current().sign_in.secret
local one, two = profile.secret(source, "the client secret"), profile.secret(source, "the client secret")
return #one, one:equals(two), crypto.fingerprint(one, "x")]]

local PROOF = "35\ntrue\n" .. (function()
  local crypto = require "host.crypto"
  return crypto.fingerprint(secret.from(VALUE), "x")
end)() .. "\n"

describe("a secret of a profile", function()
  local place

  before_each(function()
    place = moonlatch.place()
    place:write("key", secret.generate(43))
  end)
  after_each(function() local _ <close> = place end)

  local function look(source, options)
    local config = place:write("moonlatch.lua", CONFIG:format(source))
    options = options or {}
    options.inside = true
    return place:run({ "-e", LOOK, "--config", config }, options)
  end

  local function gives(source, options)
    local outcome = look(source, options)
    assert.equal(PROOF, outcome.out, outcome.err)
  end

  -- Three lines of a failure, with the home named HOME.
  local function refused(source, options)
    local outcome = look(source, options)
    assert.equal(1, outcome.status, outcome.out)
    return (outcome.err:gsub(place.path:gsub("%p", "%%%0"), "HOME"))
  end

  it("comes from a file that is private", function()
    place:write("secret", VALUE .. "\n")
    gives 'from = "file", path = "secret"'
    os.execute(("chmod 644 '%s/secret'"):format(place.path))
    assert.equal("error: read the client secret from HOME/secret\n"
      .. "  why: refused 'HOME/secret': other users may read it; run chmod 600 on it\n"
      .. "  fix: Close the file to other users: chmod 600 'HOME/secret'\n",
      refused 'from = "file", path = "secret"')
    os.execute(("rm '%s/secret'; ln -s key '%s/secret'"):format(place.path, place.path))
    assert.equal("error: read the client secret from HOME/secret\n"
      .. "  why: cannot open 'HOME/secret': it is a symbolic link\n"
      .. "  fix: Name the file itself, because others can change what a link leads to. "
      .. 'In a volume of Kubernetes, all files are links: use from = "mounted".\n',
      refused 'from = "file", path = "secret"')
    os.execute(("rm '%s/secret'"):format(place.path))
    assert.equal("error: read the client secret from HOME/secret\n"
      .. "  why: cannot open 'HOME/secret': No such file or directory\n"
      .. "  fix: Store it: moonlatch login --secret client-secret\n", refused 'from = "file", path = "secret"')
  end)

  it("is the same whatever an editor or a shell adds to its file", function()
    for _, content in ipairs { VALUE .. "\r\n", VALUE .. "\n\n", "\239\187\191" .. VALUE, VALUE .. "\r\n\r\n" } do
      place:write("secret", content)
      gives 'from = "file", path = "secret"'
    end
    gives('from = "environment", name = "ML_SECRET"', { env = { "ML_SECRET=" .. VALUE .. "\r" } })
  end)

  it("is refused with the byte that cannot belong to it", function()
    local wide = "\255\254" .. VALUE:gsub(".", "%0\0")
    for content, why in pairs {
      [wide] = "it begins with the byte order mark of UTF-16; save it as UTF-8",
      [wide:sub(3)] = "byte 2 is NUL, as in UTF-16 (0x00)",
      [VALUE .. " "] = "byte 36 is a blank at one end (0x20)",
      [" " .. VALUE .. "\n"] = "byte 1 is a blank at one end (0x20)",
      ["a\r\n" .. VALUE] = "byte 2 is a line end, and more follows (0x0D)",
      [VALUE .. "\t\n"] = "byte 36 is a tabulator (0x09)", ["a\27" .. VALUE] = "byte 2 is a control character (0x1B)",
    } do
      place:write("secret", content)
      assert.equal("error: read the client secret from HOME/secret\n  why: no secret in 'HOME/secret': " .. why .. "\n"
        .. "  fix: Store the value alone, as UTF-8 text: printf %s VALUE > FILE. If the character belongs to it, use "
        .. 'from = "sealed" and `moonlatch login --secret`.\n', refused 'from = "file", path = "secret"')
    end
  end)

  it("comes from a volume that a platform mounts, with the links and modes that it has there", function()
    place:write("volume/..2026_11_30/client-secret", VALUE)
    assert(os.execute(("cd '%s/volume' && ln -s ..2026_11_30 ..data && ln -s ..data/client-secret client-secret")
      :format(place.path)))
    for _, mode in ipairs { "644", "440", "400" } do
      assert(os.execute(("chmod %s '%s/volume/..data/client-secret'"):format(mode, place.path)))
      gives 'from = "mounted", path = "volume/client-secret"'
    end
    assert(os.execute(("chmod 664 '%s/volume/..data/client-secret'"):format(place.path)))
    assert.equal("error: read the client secret from HOME/volume/client-secret\n"
      .. "  why: refused 'HOME/volume/client-secret': other users may write to it; run chmod go-w on it\n"
      .. "  fix: Mount it read-only; others may read it, but nobody else may write to it.\n",
      refused 'from = "mounted", path = "volume/client-secret"')
    assert.matches("Check that the volume is mounted there", refused 'from = "mounted", path = "volume/other"')
  end)

  it("comes from a variable, which is gone once it was read", function()
    gives('from = "environment", name = "ML_SECRET"', { env = { "ML_SECRET=" .. VALUE } })
    assert.equal("error: read the client secret from the variable ML_SECRET\n  why: it is not set, or empty\n"
      .. "  fix: Set the variable ML_SECRET for this command. Better, because every process of yours can read the "
      .. 'environment: name another source in the profile, such as { from = "sealed" }.\n',
      refused 'from = "environment", name = "ML_SECRET"')
  end)

  it("comes from a descriptor, read once and kept", function()
    place:write("secret", VALUE)
    local config = place:write("moonlatch.lua", CONFIG:format 'from = "fd", fd = 3')
    local line = ("exec 3<'%s/secret'; exec \"$@\""):format(place.path)
    local outcome = place:run({ "-e", LOOK, "--config", config },
      { before = { "sh", "-c", "'" .. line:gsub("'", "'\\''") .. "'", "sh" }, inside = true })
    assert.equal(PROOF, outcome.out, outcome.err)
    assert.equal("error: read the client secret from file descriptor 3\n"
      .. "  why: cannot read the secret from file descriptor 3: Bad file descriptor\n"
      .. "  fix: Open the file for it: add 3<FILE to the same command.\n", refused 'from = "fd", fd = 3')
  end)

  it("comes from the service manager's credentials", function()
    local folder = place:write("credentials/secret", VALUE):match "^(.*)/"
    local env = { "CREDENTIALS_DIRECTORY=" .. folder }
    gives('from = "credentials_directory", name = "secret"', { env = env })
    os.execute(("chmod 440 '%s/secret'"):format(folder)) -- what an access list looks like
    gives('from = "credentials_directory", name = "secret"', { env = env })
    os.execute(("chmod 444 '%s/secret'"):format(folder))
    assert.matches("other users may read it", refused('from = "credentials_directory", name = "secret"', { env = env }))
    assert.equal("error: read the client secret from the credential other\n"
      .. "  why: cannot open 'HOME/credentials/other': No such file or directory\n"
      .. "  fix: Add LoadCredential=other:/path (or LoadCredentialEncrypted=) to the service's unit, "
      .. "then restart the service.\n",
      refused('from = "credentials_directory", name = "other"', { env = env }))
    assert.equal("error: read the client secret from the credential secret\n"
      .. "  why: CREDENTIALS_DIRECTORY is not set: systemd sets it for a service that has credentials\n"
      .. "  fix: For a service, add LoadCredential=secret:/path to its unit. "
      .. "To act by hand with the credentials of the installed units: sudo moonlatch-operator, then what follows "
      .. "`moonlatch`.\n",
      refused 'from = "credentials_directory", name = "secret"')
  end)

  it("is asked for at the terminal, and nowhere else", function()
    assert.equal("error: read the client secret from the terminal\n"
      .. "  why: cannot ask for a secret: there is no terminal\n"
      .. "  fix: Without a terminal, name another source in the profile: { from = \"file\", path = \"…\" }.\n",
      refused('from = "prompt"', { before = { "setsid", "-w" } }))
  end)

  it("says what a keyring is missing", function()
    local installed = os.execute "test -x /usr/bin/secret-tool"
    local why = installed
      and "there is no session bus to find a keyring by: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR "
        .. "leads to one"
      or "the program secret-tool, which talks to keyrings, is not installed (Debian: libsecret-tools)"
    assert.equal("error: read the client secret from the keyring "
      .. "(client-secret login.microsoftonline.com/contoso.onmicrosoft.com)\n  why: " .. why .. "\n"
      .. "  fix: Unlock the keyring and run the same command again. A service needs "
      .. 'from = "credentials_directory" in the profile, a machine without a desktop from = "file".\n',
      refused 'from = "keyring"')
  end)

  it("is kept sealed, once it was put there", function()
    assert.equal("error: read the client secret from what is kept sealed\n  why: nothing is kept there yet\n"
      .. "  fix: Store it: moonlatch login --secret client-secret\n", refused 'from = "sealed"')
    place:write("secret", VALUE)
    local config, shell = place.path .. "/moonlatch.lua", ("'exec 3<%s/secret; exec \"$@\"'"):format(place.path)
    local login = { "login", "--secret", "client-secret", "--fd", "3", "--config", config }
    local outcome = place:run(login, { before = { "sh", "-c", shell, "sh" } })
    assert.equal(("the client secret to sign in with is kept: %s/state/client-secret.sealed\n"):format(place.path),
      outcome.out, outcome.err)
    gives 'from = "sealed"'
    local text = assert(io.open(place.path .. "/state/client-secret.sealed")):read "a"
    assert.is_nil(text:find(VALUE, 1, true))

    place:write("key", secret.generate(43))
    assert.matches("error: open the secret in HOME/state/client%-secret%.sealed\n"
      .. "  why: cannot open the sealed value: it was sealed with another key .*\n"
      .. "  fix: Bring back the key or the file that was used before. If it is lost, put the secret there anew: "
      .. "moonlatch login %-%-secret client%-secret\n$", refused 'from = "sealed"')
  end)

  it("is put in its place only where Moonlatch may write that place", function()
    local config = place:write("moonlatch.lua", CONFIG:format 'from = "environment", name = "X"')
    local function put(name) return place:run { "login", "--secret", name, "--config", config }.err end
    assert.equal("error: store the client secret to sign in with\n"
      .. "  why: the profile 'contoso' takes it from the variable X, which Moonlatch does not write\n"
      .. '  fix: Write a source into sign_in.secret of the profile that Moonlatch can write, such as '
      .. '{ from = "sealed" } (or "keyring", "file"); then run the same command again.\n',
      put "client-secret")
    assert.matches("why: the profile 'contoso' names no source for it\n", put "devolutions-secret")
    assert.matches("why: there is no such secret\n"
      .. "  fix: Name one of client%-secret, certificate%-passphrase, devolutions%-secret, proxy%-password: "
      .. "moonlatch login %-%-secret client%-secret\n", put "password")
  end)
end)
