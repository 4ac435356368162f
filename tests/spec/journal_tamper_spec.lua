-- takes 6 s: a journal is opened after each of some hundred changes to its file
--- What is noticed when a journal is opened: that it is gone, emptied, older than it was,
--- or holds what moonlatch did not put there.

local child = require "child"
local journal = require "host.journal"
local journals = require "journals"
local sys = require "host.sys"

local function shell(line, ...) assert(os.execute(line:format(...))) end

-- Why it cannot be opened, and the kind.
local function refusal(place)
  local none, message, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
  assert(none == nil, "it was opened")
  local told = message:gsub(place.path:gsub("%p", "%%%0"), "/P")
  return told, kind
end

describe("a journal that was taken away", function()
  local function check(name, evidence, how, take)
    it(("%s is noticed beside %s"):format(name, evidence), function()
      local place <close> = journals.folder()
      journals.fill(place)
      do
        local j <close> = journals.open(place)
        local lease <close> = assert(j:lease("user anna"))
        assert.is_truthy(lease)
      end
      for _, sign in ipairs { "journal.mark", "leases" } do
        if sign ~= evidence then assert(sys.remove(place.path .. "/j/" .. sign)) end
      end
      if not sys.stat(place.path .. "/j/" .. evidence) then
        assert(sys.write(place.path .. "/j/" .. evidence, "x", "new"))
      end
      take(place)
      local before = table.concat(sys.list(place.path .. "/j"), " ")
      local message, kind = refusal(place)
      assert.equal(("cannot open the journal in '/P/j': journal.db %s, and '%s' beside it shows that there was a "
        .. "journal")
        :format(how, evidence), message)
      assert.equal("gone", kind)
      assert.equal(before, table.concat(sys.list(place.path .. "/j"), " "))
      assert.equal("gone", select(2, refusal(place))) -- and once more: nothing was made in its place
    end)
  end

  local function remove(place) assert(sys.remove(place.path .. "/j/journal.db")) end
  for _, evidence in ipairs { "journal.mark", "leases", "writes-app", "1-8.segment", "journal.db-wal" } do
    check("and removed", evidence, "is gone", remove)
  end
  local function empty(place) shell(": >'%s/j/journal.db'", place.path) end
  for _, evidence in ipairs { "journal.mark", "leases" } do check("and emptied", evidence, "is empty", empty) end

  it("table by table is noticed", function()
    local place <close> = journals.folder()
    journals.fill(place)
    journals.tamper(place, "DELETE FROM audit; DELETE FROM records; DELETE FROM sealed; DELETE FROM meta")
    local message, kind = refusal(place)
    assert.equal("cannot open the journal in '/P/j': journal.db was emptied, and 'journal.mark' beside it shows that "
      .. "there was a journal", message)
    assert.equal("gone", kind)
  end)

  it("and replaced by an empty database is noticed", function()
    local place <close> = journals.folder()
    journals.fill(place)
    remove(place)
    shell("python3 -c \"import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('VACUUM')\" '%s/j/journal.db'"
      .. " && chmod 600 '%s/j/journal.db'", place.path, place.path)
    assert.equal("gone", select(2, refusal(place)))
  end)

  it("with its whole folder begins anew", function()
    local place <close> = journals.folder()
    journals.fill(place)
    assert(sys.remove_tree(place.path .. "/j"))
    local j <close> = journals.open(place)
    assert.equal(0, j:verify())
  end)

  it("is not imagined where other files lay first", function()
    local place <close> = journals.folder()
    assert(sys.mkdir(place.path .. "/j"))
    for _, name in ipairs { "sign-in-0123.sealed", "sign-in-0123.lock", "passphrase.json" } do
      assert(sys.write(place.path .. "/j/" .. name, "x", "new"))
    end
    local j <close> = journals.open(place)
    assert.equal(0, j:verify())
  end)
end)

describe("a journal that is not the one used last", function()
  -- Copy the journal, or bring the copy back.
  local function copy(place, from, to)
    shell("rm -f '%s/%s/journal.db-wal' && cp '%s/%s/journal.db' '%s/%s/journal.db'", place.path, to, place.path, from,
      place.path, to)
  end

  local function with_copy()
    local place = journals.folder()
    journals.fill(place)
    shell("mkdir '%s/kept'", place.path)
    copy(place, "j", "kept")
    return place
  end

  local function add(place, text)
    local j <close> = journals.open(place)
    j:audit("note", { text = text }, 2000)
    assert(j:commit())
  end

  it("is refused: an older copy", function()
    local place <close> = with_copy()
    add(place, "nine")
    copy(place, "kept", "j")
    local message, kind = refusal(place)
    assert.equal("the journal in '/P/j' is not the one that was used last: record 9 is missing, so it is an older "
      .. "copy, and values that it does not have may be in force", message)
    assert.equal("older", kind)
  end)

  it("is refused: a copy that went another way", function()
    local place <close> = with_copy()
    add(place, "nine")
    shell("cp '%s/j/journal.mark' '%s/kept/'", place.path, place.path)
    assert(sys.remove(place.path .. "/j/journal.mark"))
    copy(place, "kept", "j")
    add(place, "another nine")
    add(place, "and ten")
    shell("cp '%s/kept/journal.mark' '%s/j/'", place.path, place.path)
    assert.truthy(refusal(place):find("record 9 is a different one, so the two journals diverged before it", 1, true))
  end)

  it("is refused: one of before it was restored, and another installation's", function()
    local place <close> = with_copy()
    do
      local j <close> = journals.open(place)
      j:mark_restored(2000)
      assert(j:commit())
    end
    copy(place, "kept", "j")
    assert.truthy(refusal(place):find("another journal, or one from before a restore", 1, true))
    local other <close> = journals.folder()
    journals.fill(other)
    shell("cp '%s/j/journal.db' '%s/j/journal.db'", other.path, place.path)
    assert.truthy(refusal(place):find("another journal, or one from before a restore", 1, true))
  end)

  it("is told by a mark that follows each run, and by none when there is none", function()
    local place <close> = journals.folder()
    local function mark() return sys.read(place.path .. "/j/journal.mark", 1000) end
    journals.fill(place)
    local first = mark()
    assert.truthy(first:find("^moonlatch journal 0000000000000000008 %x+ %x+ %x+\n$"), first)
    add(place, "nine")
    assert.truthy(mark():find("^moonlatch journal 0000000000000000009 "))
    assert.equal(#first, #mark())
    shell("printf '%%s' '%s' >'%s/j/journal.mark'", first, place.path) -- an older mark does no harm
    add(place, "ten")
    shell(": >'%s/j/journal.mark'", place.path) -- what a crash may leave
    add(place, "eleven")
    assert.truthy(mark():find("^moonlatch journal 0000000000000000011 "))
    assert(sys.remove(place.path .. "/j/journal.mark"))
    do
      local j <close> = journals.open(place)
      assert.equal(11, j:verify())
    end
    assert.truthy(mark():find("^moonlatch journal 0000000000000000011 "))
  end)

  it("is told by verify when the mark was altered, and the mark is left as it is", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local path = place.path .. "/j/journal.mark"
    for _, text in ipairs { "moonlatch journal 7", ("x"):rep(5000), (sys.read(path, 1000):gsub("8 ", "7 ", 1)) } do
      assert(sys.write(path, text, "replace"))
      add(place, "more")
      local j <close> = journals.open(place)
      local none, message = j:verify()
      assert.is_nil(none)
      assert.truthy(message:find("the file journal.mark beside the journal was altered", 1, true), message)
      assert.equal(text, sys.read(path, 10000))
    end
  end)
end)

describe("what moonlatch did not put into a journal", function()
  local planted = {
    ["trigger 'quiet'"] = "CREATE TRIGGER quiet AFTER INSERT ON audit BEGIN DELETE FROM sealed; END",
    ["view 'looks'"] = "CREATE VIEW looks AS SELECT * FROM records",
    ["index 'short'"] = "CREATE INDEX short ON records (state)",
    ["table 'more'"] = "CREATE TABLE more (x)",
    ["table 'sealed'"] = "DROP TABLE sealed; CREATE TABLE sealed (id TEXT PRIMARY KEY, value BLOB, seq INTEGER)",
  }
  for what, statements in pairs(planted) do
    it("is refused: the " .. what, function()
      local place <close> = journals.folder()
      journals.fill(place)
      journals.tamper(place, statements)
      local message, kind = refusal(place)
      assert.equal(("cannot open the journal in '/P/j': journal.db has the %s, which moonlatch did not make: somebody "
        .. "added it, so nothing in the file can be trusted"):format(what), message)
      assert.equal("damaged", kind)
    end)
  end
end)

describe("a folder in which a journal is made", function()
  it("gives no false alarm, wherever that was stopped", function()
    if not os.execute("strace -o /dev/null true 2>/dev/null") then return pending("needs strace") end
    local body = journals.OPEN .. "j:close() return 0"
    local process = require "host.process"
    for _, call in ipairs { "openat", "pwrite64", "fdatasync", "ftruncate", "unlink", "mkdir", "flock" } do
      for at = 1, 24 do
        local place <close> = journals.folder()
        local run <close> = assert(process.start(child.traced({ "-o", "/dev/null", "-e", "trace=" .. call, "-e",
          ("inject=%s:signal=KILL:when=%d"):format(call, at) }, child.arguments(place, body, place.path .. "/j"))))
        local whole = run:wait(30) == 0
        local j <close> = journals.open(place)
        assert.equal(0, j:verify())
        if whole then break end
      end
    end
  end)
end)
