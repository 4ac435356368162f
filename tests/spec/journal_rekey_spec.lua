-- takes 7 s: a key made of a passphrase takes half a second each time
--- Another key for a journal and for the sealed files beside it.

local journal = require "host.journal"
local journals = require "journals"
local moonlatch = require "moonlatch"
local secret = require "host.secret"
local sys = require "host.sys"

local NEW = secret.from(("new key "):rep(5))

local function rekey(place, old, new)
  local count, message, kind = journal.rekey(place.path .. "/j", old or journals.KEY, new or NEW, journals.BINDING,
    4000)
  return count, message and message:gsub(place.path:gsub("%p", "%%%0"), "/P"), kind
end

describe("a journal under another key", function()
  it("opens with that one alone, with all it held, and says so in its chain", function()
    local place <close> = journals.folder()
    journals.fill(place)
    assert.equal(1, rekey(place))
    local _, message, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
    assert.equal("key", kind)
    assert.truthy(message:find("the key does not open the journal", 1, true))
    local j <close> = assert(journal.open(place.path .. "/j", NEW, journals.BINDING))
    assert.equal(10, j:verify())
    local value <close> = assert(j:unseal("b"))
    assert.equal(15, #value)
    local history = j:history(2)
    assert.same({ "journal.seal", "journal.rekey" }, { history[1].kind, history[2].kind })
    assert.matches("^%x%x%x%x%x%x%x%x$", history[2].body.key)
    j:put("k", "i", "s", {}, 5000)
    assert(j:commit())
    assert.equal(11, j:verify())
  end)

  it("is done once: again does nothing, and back works too", function()
    local place <close> = journals.folder()
    journals.fill(place)
    assert.equal(1, rekey(place))
    assert.equal(0, rekey(place))
    assert.equal(1, rekey(place, NEW, journals.KEY))
    local j <close> = journals.open(place)
    assert.equal(12, j:verify())
  end)

  it("is refused with keys that are neither, while others work, and of what is not sound", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local other <close> = secret.from(("other "):rep(8))
    assert.equal("key", select(3, rekey(place, other, NEW)))
    do
      local j <close> = journals.open(place)
      assert.equal("busy", select(3, rekey(place)))
      assert.equal(8, j:verify())
    end
    journals.tamper(place, "UPDATE sealed SET value = CAST(substr(value, 1, 5) || zeroblob(40) AS BLOB)")
    local _, message, kind = rekey(place)
    assert.same({ "io", "the journal cannot be written: the value sealed under 'b' cannot be opened: it "
      .. "was altered or moved from another record" }, { kind, message })
    local j <close> = journals.open(place)
    assert.is_truthy(j)
  end)

  it("is nothing where there is no journal, and refused where it was taken away", function()
    local place <close> = journals.folder()
    assert.equal(0, rekey(place))
    journals.fill(place)
    assert(sys.remove(place.path .. "/j/journal.db"))
    assert.equal("gone", select(3, rekey(place)))
  end)
end)

describe("moonlatch journal rekey", function()
  local place

  before_each(function()
    place = moonlatch.place()
    journals.fill(place)
    journals.profile(place, 'sign_in = { method = "client_secret", client_id = "x", secret = { from = "sealed" } },')
    place:write("secret", "the client's secret")
    local shell = ("'exec 3<%s/secret; exec \"$@\"'"):format(place.path)
    local outcome = place:run({ "login", "--secret", "client-secret", "--fd", "3" },
      { before = { "sh", "-c", shell, "sh" } })
    assert.equal(0, outcome.status, outcome.err)
  end)
  after_each(function() local _ <close> = place end)

  local function with_new_key()
    local config = place.path .. "/.config/moonlatch/moonlatch.lua"
    local text = assert(sys.read(config, 10000))
    assert(sys.write(config, (text:gsub('/key"', '/new.key"')), "replace"))
  end

  local function run(...) return place:run { "journal", ... } end

  it("makes the new key, and seals the journal and the sealed files under it", function()
    with_new_key()
    local outcome = run("rekey", "--old-key", "file:" .. place.path .. "/key", "--yes")
    assert.equal("", outcome.err)
    assert.matches("^made: the new key, in [^\n]+/new%.key\nThe journal and the sealed files open with the new key "
      .. "alone %(sealed anew: 1 value, 1 file%)%.\nBackups made before need the old key", outcome.out)
    assert.matches("^10 records", run("verify").out)
    outcome = run("rekey", "--old-key", "file:" .. place.path .. "/key", "--yes")
    assert.matches("%(sealed anew: 0 values, 0 files%)", outcome.out)
  end)

  it("goes on where it was stopped between the journal and the files, which say so meanwhile", function()
    local file = place.path .. "/j/client-secret.sealed"
    local kept = assert(sys.read(file, 10000))
    with_new_key()
    assert.equal(0, run("rekey", "--old-key", "file:" .. place.path .. "/key", "--yes").status)
    assert.is_true(kept ~= sys.read(file, 10000))
    assert(sys.write(file, kept, "replace"))
    local outcome = place:run { "whoami" }
    assert.truthy(outcome.err:find("If `moonlatch journal rekey` was stopped, run it again", 1, true), outcome.err)
    outcome = run("rekey", "--old-key", "file:" .. place.path .. "/key", "--yes")
    assert.matches("%(sealed anew: 0 values, 1 file%)", outcome.out)
  end)

  it("says what is wrong with a lock that cannot be opened, and tells nobody to wait for it", function()
    with_new_key()
    local lock = place.path .. "/j/client-secret.lock"
    assert(sys.remove(lock) ~= false and sys.mkdir(lock))
    local outcome = run("rekey", "--old-key", "file:" .. place.path .. "/key", "--yes")
    assert.equal(1, outcome.status)
    assert.matches("error: seal client%-secret under another key\n  why: [^\n]*client%-secret%.lock[^\n]*\n"
      .. "  fix: Make sure that the folder [^\n]+/j exists, that the user [^\n]+ may write to it, and that its disk "
      .. "has room%. Then run the same command again%.\n$", outcome.err)
    assert(sys.remove_tree(lock))
    assert.equal(0, run("rekey", "--old-key", "file:" .. place.path .. "/key", "--yes").status)
  end)

  it("refuses what does not tell the two keys", function()
    local function refused(status, why, ...)
      local outcome = run("rekey", "--yes", ...)
      assert.equal(status, outcome.status)
      assert.truthy(outcome.err:find("why: " .. why, 1, true), outcome.err)
    end
    local old = "file:" .. place.path .. "/key"
    refused(2, "the old key is not named")
    refused(2, "'purse:x' does not name a key", "--old-key", "purse:x")
    refused(2, "the old key and the one that the profile names are the same", "--old-key", old)
    local missing = place.path .. "/missing"
    assert.equal(("error: read the old key from %s\n  why: cannot open '%s': No such file or directory\n"
      .. "  fix: Name the source that holds it.\n"):format(missing, missing),
      run("rekey", "--yes", "--old-key", "file:" .. missing).err)
    with_new_key()
    place:write("wrong", ("w"):rep(40))
    refused(1, "cannot open", "--old-key", "file:" .. place.path .. "/wrong")
    assert.is_nil(sys.stat(place.path .. "/new.key")) -- none is made for a wrong old one
    local outcome = run("rekey", "--old-key", old)
    assert.equal(2, outcome.status) -- nobody to ask
    assert.equal(0, run("rekey", "--old-key", old, "--yes").status)
  end)

  -- A person at a terminal: status, and what was shown.
  local function play(steps, ...)
    local status, shown = place:talk({ "journal", ... }, steps):gsub("\r", ""):match("^(%-?%d+)\n%l+\n(.*)$")
    return tonumber(status), shown
  end

  it("follows a profile from a file to a passphrase, to another one, and back", function()
    local config = place.path .. "/.config/moonlatch/moonlatch.lua"
    local text = assert(sys.read(config, 10000))
    assert(sys.write(config, (text:gsub('key = {[^}]*}', 'key = { from = "passphrase" }')), "replace"))
    local file = "file:" .. place.path .. "/key"
    local status, shown = play({ "characters or more: ", "correct horse battery\\n", "once more: ",
      "correct horse battery\\n", "'contoso': ", "correct horse battery\\n" }, "rekey", "--old-key", file, "--yes")
    assert.equal(0, status, shown)
    assert.matches("%(sealed anew: 1 value, 1 file%)", (shown:gsub("%s+", " ")))
    status, shown = play({ "'contoso': ", "correct horse battery\\n",
      "characters or more: ", "another horse battery\\n", "once more: ", "another horse battery\\n",
      "'contoso': ", "another horse battery\\n" }, "rekey", "--old-key", "passphrase", "--yes")
    assert.equal(0, status, shown)
    assert.matches("The parameters of the old passphrase are in passphrase%-%x+%.json",
      (shown:gsub("%s+", " ")))
    assert.is_nil(sys.stat(place.path .. "/j/passphrase.old.json"))
    assert(sys.write(config, text, "replace"))
    status, shown = play({ "'contoso': ", "another horse battery\\n" }, "rekey", "--old-key", "passphrase", "--yes")
    assert.equal(0, status, shown)
    assert.is_nil(sys.stat(place.path .. "/j/passphrase.json"))
    assert.matches("^14 records", run("verify").out)
  end)
end)
