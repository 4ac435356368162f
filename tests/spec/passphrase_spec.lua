-- takes 8 s: a key made of a passphrase takes half a second each time
-- A key made of a passphrase: chosen once, asked for after that.

local json = require "host.json"
local moonlatch = require "moonlatch"
local sys = require "host.sys"

local CONFIG = [[return { profiles = { contoso = { tenant = "contoso.com", state = "state",
  key = { from = "passphrase"%s } } } }]]
local SHOW = "return require('base.crypto').fingerprint(require('profile.current').key(), 'x')"

describe("a passphrase", function()
  local place

  before_each(function() place = moonlatch.place() end)
  after_each(function() local _ <close> = place end)

  -- With the passphrase on descriptor 3.
  local function run(words, passphrase)
    place:write("passphrase", passphrase or "")
    local shell = ("'exec 3<%s/passphrase; exec \"$@\"'"):format(place.path)
    return place:run(words, { before = { "sh", "-c", shell, "sh" }, inside = true })
  end

  -- A person at a terminal: status, and what was shown.
  local function play(steps, words)
    local status, shown = place:talk(words, steps, { inside = true }):gsub("\r", ""):match("^(%-?%d+)\n%l+\n(.*)$")
    return tonumber(status), shown
  end

  local function config(more)
    return place:write("moonlatch.lua", CONFIG:format(more or ""))
  end

  it("is chosen at the terminal, twice, and never shown", function()
    local word = "correct horse battery"
    local status, shown = play({ "[neither]: ", "\\n", "characters or more: ", word .. "\\n",
      "once more: ", word .. "\\n" }, { "init", "--tenant", "contoso.com", "--key", "passphrase" })
    assert.equal(0, status, shown)
    assert.is_nil(shown:find("battery", 1, true))
    assert.matches("The key is derived from your passphrase, with the parameters in .*/contoso%.com/passphrase%.json%.",
      (shown:gsub("%s+", " ")))

    status, shown = play({ "'contoso': ", "wrong\\n", "once more", "", "'contoso': ", word .. "\\n" }, { "-e", SHOW })
    assert.equal(0, status, shown)
    assert.matches("warning: that is not the passphrase; once more\n", shown)
    assert.matches("\n%x%x%x%x%x%x%x%x\n?$", shown)
  end)

  it("that differs the second time is refused, with nothing written", function()
    local status, shown = play({ "[neither]: ", "\\n",
      "characters or more: ", "correct horse battery\\n", "once more: ", "another\\n" },
      { "init", "--tenant", "contoso.com", "--key", "passphrase" })
    assert.equal(1, status)
    assert.matches("why: the two are not the same\n  fix: Nothing was written%. Run the same command again", shown)
    assert.is_nil(sys.stat(place.path .. "/.config"))
  end)

  it("comes by a descriptor where nobody sits, and always makes the same key", function()
    local file = config ", fd = 3"
    assert.matches("why: no passphrase was chosen on this machine, .*\n"
      .. "  fix: To choose one: moonlatch init %-%-profile contoso%.", run({ "-e", SHOW, "--config", file }, "x").err)
    local made = run({ "init", "--config", file }, "correct horse battery\n")
    assert.same({ 0, "" }, { made.status, made.err })

    local one = run({ "-e", SHOW, "--config", file }, "correct horse battery")
    assert.matches("^%x%x%x%x%x%x%x%x\n$", one.out, one.err)
    assert.equal(one.out, run({ "-e", SHOW, "--config", file }, "correct horse battery\n").out)
    local wrong = run({ "-e", SHOW, "--config", file }, "correct horse batteri")
    assert.matches("^error: make the key of the passphrase %(.*/state/passphrase%.json%)\n"
      .. "  why: that is not the passphrase\n  fix: Run the same command again, and type the passphrase", wrong.err)

    local path = place.path .. "/state/passphrase.json"
    local found = json.decode(assert(sys.read(path, 4096)))
    assert.same({ "scrypt", 17 }, { found.kdf, found.work })
    for _, change in ipairs { { work = 21 }, { work = 10 }, { salt = "AAAAAAAAAAAAAAAAAAAAAA==" }, { salt = "" } } do
      local altered = json.decode(json.encode(found))
      for name, value in pairs(change) do altered[name] = value end
      assert(sys.write(path, json.encode(altered), "replace"))
      assert.equal(1, run({ "-e", SHOW, "--config", file }, "correct horse battery").status)
    end
    found.work = 21
    assert(sys.write(path, json.encode(found), "replace"))
    assert.matches("why: a work factor of 2^21 is refused: it may be 2^20 at most",
      run({ "-e", SHOW, "--config", file }, "correct horse battery").err, 1, true)
  end)

  it("that is short is refused, and none is asked for without a terminal", function()
    local short = run({ "init", "--config", config ", fd = 3" }, "secret")
    assert.matches("why: it has 6 characters; 12 are the least", short.err)
    assert.is_nil(sys.stat(place.path .. "/state"))
    local alone = place:run({ "init", "--config", config() }, { before = { "setsid", "-w" } })
    assert.matches('fix: Without a terminal, write key = { from = "credentials_directory"',
      alone.err, 1, true)
  end)
end)
