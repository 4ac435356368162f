-- A first configuration, as a newcomer makes it.

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
    return place:run({ "-e", ("return require('profile').current().%s"):format(name) }).out
  end

  it("asks for the tenant and where the key comes from, and takes Enter for what is proposed", function()
    local status, shown = play { "(contoso.onmicrosoft.com): ", "fabrikam.com\\n", "[file]: ", "\\n" }
    assert.equal(0, status, shown)
    assert.matches("\nWhere does the key come from that seals what is kept here%?\n"
      .. "  1  keyring +your desktop's keyring %(Secret Service%) %(not here: [^\n]+%)\n  2  file +", shown)
    assert.is_truthy(shown:find(place.path .. FILE .. "\n" .. place.path
      .. "/.config/moonlatch/fabrikam.key: the key. Keep a copy, apart from the journal.\n", 1, true), shown)
    assert.equal("fabrikam.com\n", show "tenant")
    assert.equal("file\n", show "key.from")
  end)

  it("takes the number of a choice as well as its name, and refuses what is none", function()
    local status, shown = play({ "[file]: ", "4\\n" }, "--tenant", "fabrikam.com")
    assert.equal(0, status, shown)
    assert.matches("The key is not made yet; it is root's to make, once, on the machine of the service:\n"
      .. "  openssl rand %-hex 32 >/etc/credstore/fabrikam%.key .*\n"
      .. "and in the unit of the service: LoadCredential=fabrikam%.key:/etc/credstore/fabrikam%.key\n", shown)
    assert.equal("credentials_directory\n", show "key.from")
    local outcome = place:run { "init", "--tenant", "x.com", "--key", "purse", "--config", "other.lua" }
    assert.equal("error: choose where the key comes from\n  why: 'purse' is no such place\n"
      .. "  fix: There are keyring, file, passphrase, credentials_directory.\n", outcome.err)
  end)

  it("writes comments, every setting it was given, and nothing it would refuse itself", function()
    local outcome = place:run { "init", "--tenant", "fabrikam.com", "--cloud", "gcc_high", "--client-id", "app-1",
      "--devolutions", "https://dvls.fabrikam.com", "--profile", "prod" }
    assert.equal(0, outcome.status, outcome.err)
    local text = assert(sys.read(place.path .. FILE, 65536))
    assert.matches("Nothing in it was\n%-%- checked against the tenant", text)
    assert.equal("https://login.microsoftonline.us\n", show "login")
    assert.equal("app-1\n", show "sign_in.client_id")
    assert.equal("https://dvls.fabrikam.com\n", show "devolutions.server")
    assert.equal("sealed\n", show "devolutions.app_secret.from")
    -- What is commented out works too, once it is not.
    for line in text:gmatch("\n +%-%- ([%l_]+ = [^\n]+)") do
      local body = line:gsub(",? ?%-%-.*", "")
      local value = body:find("client_id", 1, true) == 1 and "sign_in = { " .. body .. " }" or body
      local config = place:write("try.lua", ("return { profiles = { x = { tenant = 'x.com', %s } } }"):format(value))
      local tried = place:run { "-e", "return require('profile').current().name", "--config", config }
      assert.equal("x\n", tried.out, line .. "\n" .. tried.err)
    end
  end)

  it("makes the key that a profile written by hand names, once", function()
    local config = place:write("mine.lua",
      [[return { profiles = { x = { tenant = "x.com", state = "state", key = { from = "file", path = "x.key" } } } }]])
    local outcome = place:run { "init", "--config", config }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    assert.equal(43, sys.stat(place.path .. "/x.key").size)
    assert.matches("why: there is one already", place:run({ "init", "--config", config }).err)
    place:write("state/journal.db", "")
    sys.remove(place.path .. "/x.key")
    outcome = place:run { "init", "--config", config }
    assert.equal(1, outcome.status)
    assert.matches("why: .*/state/journal%.db was sealed with another one\n"
      .. "  fix: Bring that key back%. Only if it is lost for good", outcome.err)
    assert.is_nil(sys.stat(place.path .. "/x.key"))
  end)
end)
