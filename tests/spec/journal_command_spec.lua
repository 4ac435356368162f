--- `moonlatch journal backup`, `restore` and `verify FILE`, as a person runs them.

local journals = require "journals"
local moonlatch = require "moonlatch"
local sys = require "host.sys"

local place

local function run(...) return place:run({ "journal", ... }) end

local function plain(text) return (text:gsub(place.path:gsub("%p", "%%%0"), "/P")) end

local function succeed(...)
  local outcome = run(...)
  assert.equal("", outcome.err)
  assert.equal(0, outcome.status)
  return plain(outcome.out)
end

local function refused(...)
  local outcome = run(...)
  assert.equal(1, outcome.status, outcome.out)
  assert.is_nil(outcome.err:find("traceback", 1, true))
  return plain(outcome.err)
end

describe("moonlatch journal", function()
  before_each(function()
    place = moonlatch.place()
    journals.profile(place)
    journals.fill(place)
  end)
  after_each(function() local _ <close> = place end)

  it("backup says where the chain ends, and verify looks at the file", function()
    local file = place.path .. "/backup"
    local said = succeed("backup", file)
    local head = said:match("^/P/backup holds the journal up to (8:%x+), and is verified%.\n")
    assert.is_truthy(head, said)
    assert.equal(("8 records, unbroken; the last is %s\n"):format(head), succeed("verify", file))
    assert.equal(0, run("verify", file, "--head", head).status)
    assert.truthy(refused("verify", file, "--head", "8:abcd"):find("record 8 is not the one it was", 1, true))
    assert.equal("error: back the journal up to /P/backup\n  why: cannot make '/P/backup': it exists already and is "
      .. "not replaced\n  fix: Name a file that does not exist: moonlatch journal backup FILE. A backup is "
      .. "never replaced.\n",
      refused("backup", file))
  end)

  it("verify of a file that is none, or altered, says what is wrong", function()
    local file = place:write("backup", "none")
    assert.truthy(refused("verify", file):find("why: cannot open the journal in '/P/backup': ", 1, true))
    assert.equal("error: verify /P/none\n  why: cannot open the journal in '/P/none': unable to open database file (No "
      .. "such file or directory)\n  fix: Make sure that your user may use the file that the message names and that "
      .. "its disk has room; then run the same command again.\n", refused("verify", place.path .. "/none"))
  end)

  it("restore puts a backup in the place of a journal that is lost, and says what comes next", function()
    local file = place.path .. "/backup"
    succeed("backup", file)
    assert(sys.remove(place.path .. "/j/journal.db"))
    local lost = refused "list"
    assert.truthy(lost:find("why: cannot open the journal in '/P/j': journal.db is gone, and 'journal.mark' beside it "
      .. "shows that there was a journal\n  fix: Bring a backup back: moonlatch journal restore FILE. ", 1, true), lost)
    assert.equal(2, run("restore", file).status) -- nobody to ask
    local said = succeed("restore", file, "--yes")
    assert.matches("^The journal in /P/j is that of /P/backup now; it ends with 9:%x+%.\nIts installation id is %x+; "
      .. "it knows what its former one marked as its own%.\nWhat was changed after the backup was made is not in it%. "
      .. "The next runs take over what the sinks hold before they make anything new%. Look first: "
      .. "moonlatch plan POLICY%. Then: moonlatch rotate POLICY%.\n$", said)
    assert.matches("^9 records, unbroken", succeed "verify")
  end)

  it("restore leaves a living journal alone unless told so, and keeps the id that is to be replaced", function()
    local file = place.path .. "/backup"
    succeed("backup", file)
    assert.equal("error: restore /P/backup to /P/j\n  why: there is already a journal in '/P/j': one that ends with "
      .. "record 8\n  fix: Restore a backup only when the journal is lost: records made after the backup are not in "
      .. "it. To restore it nevertheless, add --set-aside, which moves the present journal aside.\n",
      refused("restore", file, "--yes"))
    local said = succeed("restore", file, "--yes", "--set-aside", "--replaces")
    assert.matches("\nIt keeps its installation id %x+: the one it was made of must never run again%.\nWhat was there "
      .. "before lies in /P/j/journal%.db%.before%-1%. Keep it until nothing in it is in force any more%.\n", said)
    assert.matches("^8 records, unbroken", succeed("verify", place.path .. "/j/journal.db.before-1"))
  end)

  it("restore asks a person, who may say no", function()
    local file = place.path .. "/backup"
    succeed("backup", file)
    local shown = place:talk({ "journal", "restore", file, "--set-aside" }, { "[y/N] ", "n\\n" }):gsub("%s+", " ")
    assert.truthy(shown:find("the journal of login.microsoftonline.com/contoso.onmicrosoft.com? [y/N]", 1, true), shown)
    assert.truthy(shown:find("Nothing was changed.", 1, true))
    assert.matches("^8 records, unbroken", succeed "verify")
  end)

  it("refuses an older copy that was put there by hand, and takes it as a restore", function()
    local file = place.path .. "/backup"
    succeed("backup", file)
    do
      local j <close> = journals.open(place)
      j:audit("note", {}, 1)
      assert(j:commit())
    end
    assert(os.execute(("cp '%s' '%s/j/journal.db'"):format(file, place.path)))
    assert.truthy(refused "verify":find("is not the one that was used last: record 9 is missing", 1, true))
    succeed("restore", file, "--yes", "--set-aside")
    assert.matches("^9 records, unbroken", succeed "verify")
  end)
end)
