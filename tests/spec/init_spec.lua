-- takes 4 s: plays a person at a terminal
-- A first configuration, as a newcomer makes it.

local lfs = require "lfs"
local moonlatch = require "moonlatch"
local sys = require "host.sys"

describe("init", function()
  local place

  before_each(function() place = moonlatch.place() end)
  after_each(function() local _ <close> = place end)

  local FILE = "/.config/moonlatch/moonlatch.lua"

  -- A person at a terminal: status, and what was shown.
  local function play(steps, ...)
    local status, shown = place:talk({ "init", ... }, steps):gsub("\r", ""):match("^(%-?%d+)\n%l+\n(.*)$")
    return tonumber(status), shown
  end

  local function show(name)
    return place:run({ "-e", ("return require('profile.current').current().%s"):format(name) }, { inside = true }).out
  end

  it("asks for the tenant and where the key comes from, and takes Enter for what is proposed", function()
    local status, shown = play { "contoso.onmicrosoft.com: ", "fabrikam.com\\n", "[file]: ", "\\n",
      "[neither]: ", "\\n" }
    assert.equal(0, status, shown)
    assert.matches("\nWhere is the key that seals the journal and the secrets%?\n"
      .. "  1  keyring +the keyring of your desktop %(Secret Service%) %(not%s+here:.-%)\n  2  file +", shown)
    assert.is_truthy(shown:gsub("%s+", " "):find(place.path .. FILE .. ": the configuration. Read it. " .. place.path
      .. "/.config/moonlatch/fabrikam.key: the key. Keep a copy, apart from the journal. ", 1, true), shown)
    assert.equal("fabrikam.com\n", show "tenant")
    assert.equal("file\n", show "key.from")
  end)

  it("takes the number of a choice as well as its name, and refuses what is none", function()
    local status, shown = play({ "[file]: ", "4\\n", "[neither]: ", "3\\n" }, "--tenant", "fabrikam.com")
    assert.equal(0, status, shown)
    assert.matches("The key is not made yet%. Root makes it once, on the machine of the service, .-:\n"
      .. "  openssl rand %-hex 32 >/etc/credstore/fabrikam%.key\n"
      .. "and in the unit of the service:\n  LoadCredential=fabrikam%.key:/etc/credstore/fabrikam%.key\n", shown)
    assert.equal("credentials_directory\n", show "key.from")
    local outcome = place:run { "init", "--tenant", "x.com", "--key", "purse", "--config", "other.lua" }
    assert.equal("error: choose where the key comes from\n  why: 'purse' is not one of the choices\n"
      .. "  fix: Choose one of keyring, file, passphrase, credentials_directory: moonlatch init --key file.\n",
      outcome.err)
  end)

  it("leaves a key alone that a passphrase or a platform gives, also beside what is sealed with it", function()
    for key, said in pairs { ['from = "mounted", path = "volume/key"'] = "mounted",
      ['from = "passphrase", fd = 3'] = "passphrase" } do
      local config = place:write("by-hand.lua", ([[return { profiles = { x = { tenant = "x.com", state = "state",
        key = { %s } } } }]]):format(key))
      place:write("state/journal.db", "sealed")
      place:write("state/passphrase.json", "{}")
      local outcome = place:run { "init", "--config", config }
      assert.equal(1, outcome.status, said)
      assert.truthy(outcome.err:find("why: it exists already: ", 1, true), outcome.err)
    end
  end)

  it("writes comments, every setting it was given, and nothing it would refuse itself", function()
    local outcome = place:run { "init", "--tenant", "fabrikam.com", "--cloud", "gcc_high", "--client-id", "app-1",
      "--devolutions", "https://dvls.fabrikam.com", "--profile", "prod" }
    assert.equal(0, outcome.status, outcome.err)
    local text = assert(sys.read(place.path .. FILE, 65536))
    assert.matches("It was written without looking at the\n%-%- tenant", text)
    assert.equal("https://login.microsoftonline.us\n", show "login")
    assert.equal("app-1\n", show "sign_in.client_id")
    assert.equal("https://dvls.fabrikam.com\n", show "devolutions.server")
    assert.equal("sealed\n", show "devolutions.app_secret.from")
    -- What is commented out works too, once it is not.
    for line in text:gmatch("\n +%-%- ([%l_]+ = [^\n]+)") do
      local body = line:gsub(",? ?%-%-.*", "")
      local value = body:find("client_id", 1, true) == 1 and "sign_in = { " .. body .. " }" or body
      local config = place:write("try.lua", ("return { profiles = { x = { tenant = 'x.com', %s } } }"):format(value))
      local tried = place:run({ "-e", "return require('profile.current').current().name", "--config", config },
        { inside = true })
      assert.equal("x\n", tried.out, line .. "\n" .. tried.err)
    end
  end)

  it("makes the key that a profile written by hand names, once", function()
    local config = place:write("mine.lua",
      [[return { profiles = { x = { tenant = "x.com", state = "state", key = { from = "file", path = "x.key" } } } }]])
    local outcome = place:run { "init", "--config", config }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    assert.equal(43, sys.stat(place.path .. "/x.key").size)
    assert.matches("why: it exists already", place:run({ "init", "--config", config }).err)
    place:write("state/journal.db", "")
    sys.remove(place.path .. "/x.key")
    outcome = place:run { "init", "--config", config }
    assert.equal(1, outcome.status)
    assert.matches("why: .*/state/journal%.db was sealed with another key\n"
      .. "  fix: Bring that key back%. Only if the key is lost for good", outcome.err)
    assert.is_nil(sys.stat(place.path .. "/x.key"))
  end)

  local function init(...) return place:run { "init", "--key", "file", ... } end

  it("knows an address of Devolutions Cloud, and takes any other for a server's", function()
    assert.equal(0, init("--tenant", "a.com", "--devolutions", "https://a.devolutions.app/").status)
    assert.equal("https://a.devolutions.app\n", show "devolutions.cloud")
    for url, member in pairs {
      ["https://b.devolutions.xyz"] = "cloud", ["https://devolutions.app"] = "server",
      ["https://dvls.devolutions.app.contoso.com"] = "server", ["https://a.b.devolutions.app"] = "server",
    } do
      local config = place.path .. "/" .. url:gsub("%W", "") .. ".lua"
      assert.equal(0, init("--tenant", "a.com", "--devolutions", url, "--config", config).status)
      local code = "return require('profile.current').current().devolutions." .. member
      local told = place:run({ "-e", code, "--config", config }, { inside = true })
      assert.equal(url .. "\n", told.out, told.err)
    end
  end)

  it("asks which Devolutions it is, and for its address", function()
    local status, shown = play({ "[file]: ", "\\n", "[neither]: ", "cloud\\n",
      "contoso.devolutions.app: ", "fabrikam.devolutions.app\\n" }, "--tenant", "fabrikam.com")
    assert.equal(0, status, shown)
    assert.matches("Which Devolutions manages the privileged accounts%?\n  1  cloud    Devolutions Cloud "
      .. "%(https://contoso%.devolutions%.app%)\n  2  server   Devolutions Server %(https://dvls%.contoso%.com%)\n"
      .. "  3  neither  none of them, or not yet\n", shown)
    assert.equal("https://fabrikam.devolutions.app\n", show "devolutions.cloud")
  end)

  it("refuses an address that is not of the Devolutions that was chosen", function()
    local status, shown = play({ "[file]: ", "\\n", "[neither]: ", "2\\n",
      "dvls.contoso.com: ", "https://fabrikam.devolutions.app\\n" }, "--tenant", "fabrikam.com")
    assert.equal(2, status, shown)
    assert.truthy(shown:find("take 'https://fabrikam.devolutions.app' as the address", 1, true), shown)
    assert.truthy(shown:find("why: it is an address of Devolutions Cloud\n", 1, true), shown)
    assert.is_nil(sys.stat(place.path .. FILE))
  end)

  describe("with a configuration that is there", function()
    local MINE = [==[
-- mine: { profiles = {
local shared = { from = "file", path = "x.key" } --[[ profiles = { ]]
return {
  default = "x", -- "profiles = {"
  profiles = { -- the tenants
    x = { tenant = "x.com", state = "state", key = shared }, -- the first
  }, -- and no more
}
]==]

    local function text() return assert(sys.read(place.path .. "/mine.lua", 65536)) end

    it("adds a profile, and touches nothing else", function()
      local config = place:write("mine.lua", MINE)
      local outcome = init("--tenant", "fabrikam.com", "--config", config)
      assert.equal(0, outcome.status, outcome.err)
      local login = "\nNext:\n  moonlatch login --for setup/entra-pam-provider --profile fabrikam --config " .. config
      assert.truthy(outcome.out:find(login, 1, true), outcome.err .. outcome.out)
      local from = text():find('    ["fabrikam"] = {', 1, true)
      local _, to = text():find("\n    },\n", 1, true)
      assert.equal(MINE, text():sub(1, from - 1) .. text():sub(to + 1))
      assert.truthy(text():find("profiles = { -- the tenants\n    [\"fabrikam\"] = {", 1, true))
      local code = "return require('profile.current').current().tenant"
      local told = place:run({ "-e", code, "--config", config, "--profile", "fabrikam" }, { inside = true })
      assert.equal("fabrikam.com\n", told.out, told.err)
      assert.is_nil(sys.stat(config .. ".before"))
      assert.equal(43, sys.stat(place.path .. "/fabrikam.key").size)
    end)

    it("never replaces a profile of that name", function()
      local config = place:write("mine.lua", MINE)
      local outcome = init("--tenant", "x.com", "--config", config)
      assert.equal(1, outcome.status)
      assert.equal(("error: add the profile 'x' to %s\n  why: there is a profile of that name\n"
        .. "  fix: Nothing was changed. Choose another name: moonlatch init --tenant TENANT --profile "
        .. "NAME\n"):format(config), outcome.err)
      assert.equal(MINE, text())
    end)

    it("gives the lines to paste where the place is not certain", function()
      for _, shape in ipairs {
        "local all = { x = { tenant = 'x.com' } } return { profiles = all }",
        "local it = { profiles = { x = { tenant = 'x.com' } } } return it",
        "return { ['profiles'] = { x = { tenant = 'x.com' } } }",
        "local x = { tenant = 'x.com' } x.x = x return { profiles = { x = x } }",
      } do
        local config = place:write("mine.lua", shape)
        local outcome = init("--tenant", "fabrikam.com", "--config", config)
        assert.equal(1, outcome.status, shape)
        assert.truthy(outcome.err:find("the file is not of the form return { profiles = { … } }, so the position of a "
          .. "new profile is not certain\n"
          .. "  fix: Nothing was changed. Insert the lines above into its profiles by hand.\n", 1, true))
        assert.truthy(outcome.out:find('    ["fabrikam"] = {\n      tenant = "fabrikam.com"', 1, true), outcome.out)
        assert.equal(shape, text())
      end
    end)

    it("names no profile, and so no key, after another folder", function()
      place:write("mine.lua", MINE)
      for _, name in ipairs { "../x", "a/b", "", ".x", "a\nb", "-x" } do
        local outcome = init("--tenant", "fabrikam.com", "--config", place.path .. "/mine.lua", "--profile=" .. name)
        assert.equal(2, outcome.status, name)
        assert.truthy(outcome.err:find("the name may not have special characters\n"
          .. "  fix: Choose a name of letters, digits, _, - and . for --profile: moonlatch init --profile contoso.\n",
          1, true), outcome.err)
      end
      assert.equal(MINE, text())
    end)

    it("keeps the mode of the file, and the link that leads to it", function()
      local config = place:write("mine.lua", MINE)
      lfs.mkdir(place.path .. "/kept")
      assert(os.rename(config, place.path .. "/kept/moonlatch.lua"))
      assert(lfs.link("kept/moonlatch.lua", config, true))
      assert(os.execute(("chmod 644 '%s/kept/moonlatch.lua'"):format(place.path)))
      local outcome = init("--tenant", "fabrikam.com", "--config", config)
      assert.equal(0, outcome.status, outcome.err)
      assert.equal("kept/moonlatch.lua", lfs.symlinkattributes(config, "target"))
      assert.equal(420, sys.stat(place.path .. "/kept/moonlatch.lua").mode) -- 0644
      assert.matches('%["fabrikam"%]', text())
    end)

    it("keeps the old text beside the new one when something is in the way", function()
      local config = place:write("mine.lua", MINE)
      place:write("mine.lua.before", "somebody's")
      local outcome = init("--tenant", "fabrikam.com", "--config", config)
      assert.equal(1, outcome.status)
      assert.truthy(outcome.err:find("mine.lua.before' exists already and is not replaced", 1, true), outcome.err)
      assert.equal(MINE, text())
    end)
  end)
end)
