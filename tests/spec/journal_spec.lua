local child = require "child"
local journal = require "host.journal"
local journals = require "journals"
local process = require "host.process"
local secret = require "host.secret"
local sys = require "host.sys"

describe("host.journal", function()
  it("lives in private files in a private folder", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    assert(j:commit())
    assert.equal(tonumber("700", 8), sys.stat(place.path .. "/j").mode)
    for _, name in ipairs(sys.list(place.path .. "/j")) do
      assert.equal(tonumber("600", 8), sys.stat(place.path .. "/j/" .. name).mode, name)
    end
    assert.truthy(j:installation():find("^%x%x%x%x%x%x%x%x$"))
  end)

  it("keeps what is committed, and nothing else", function()
    local place <close> = journals.folder()
    do
      local j <close> = journals.open(place)
      j:put("intent", "one", "intent", { name = "Ünï", list = {}, n = 9007199254740993, nested = { x = 1.5 } }, 1000.25)
      j:put("made", "one", "made", {}, 1001)
      assert.is_true(j:commit())
      j:put("intent", "one", "sent", { step = 2 }, 1002)
      j:put("intent", "two", "intent", {}, 1003)
      assert.equal("sent", j:get("intent", "one").state)
    end
    local j <close> = journals.open(place)
    local row = j:get("intent", "one")
    assert.same({ "intent", "one", "intent" }, { row.kind, row.id, row.state })
    assert.same({ 1000.25, 1000.25 }, { row.created, row.updated })
    assert.equal(9007199254740993, row.body.n)
    assert.equal("Ünï", row.body.name)
    assert.is_nil(j:get("intent", "two"))
    assert.is_nil(j:get("other", "one"))
    j:put("intent", "one", "sent", { step = 2 }, 1002)
    j:put("intent", "two", "intent", {}, 900)
    assert.is_true(j:commit())
    row = j:get("intent", "one")
    assert.same({ "sent", 2, 1000.25, 1002.0 }, { row.state, row.body.step, row.created, row.updated })
    local ids = {}
    for i, one in ipairs(j:list("intent")) do ids[i] = one.id end
    assert.same({ "one", "two" }, ids)
    assert.equal(3, #j:list())
    assert.equal(1, #j:list("intent", "sent"))
    assert.equal(2, #j:list(nil, "sent"))
    assert.equal(4, j:verify())
  end)

  it("puts everything on record, oldest first", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local j <close> = journals.open(place)
    local history = j:history(100)
    local kinds = {}
    for i, entry in ipairs(history) do
      assert.equal(i, entry.seq)
      kinds[i] = entry.kind
    end
    assert.same({ "journal.put", "journal.put", "journal.put", "journal.seal", "journal.seal", "note", "journal.forget",
      "note" }, kinds)
    assert.same({ kind = "intent", id = "a", state = "sent", created = 1000.0, body = { step = 2 } }, history[3].body)
    assert.equal("eight", j:history(1)[1].body.text)
    assert.equal(1007.0, j:history(1)[1].time)
    local seq, hash = j:head()
    assert.equal(8, seq)
    assert.truthy(hash:find("^" .. ("%x"):rep(64) .. "$"))
    assert.equal(8, j:verify())
    j:audit("note", {}, 1008)
    assert.equal(9, (j:head()))
    assert.equal(9, j:verify())
  end)

  it("dates its own records by the emulator's clock, if it is given one", function()
    local place <close> = journals.folder()
    local clock <close> = assert(sys.clock(place.path .. "/clock", true))
    clock:advance(1e6)
    local j <close> = assert(journal.open(place.path .. "/j", journals.KEY, journals.BINDING, clock))
    local value <close> = secret.random(16)
    j:seal("x", value)
    assert.is_true(math.abs(j:history(1)[1].time - sys.time() - 1e6) < 10)
  end)

  it("refuses what cannot be put", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    assert.has_error(function() j:put("k", "", "s", {}, 0) end, "bad argument #2 to 'put' (1 to 512 bytes expected)")
    assert.has_error(function() j:put("k", "a\nb", "s", {}, 0) end,
      "bad argument #2 to 'put' (it has a control character)")
    assert.has_error(function() j:put("k", "i", "s", "text", 0) end)
    assert.has_error(function() j:put("k", "i", "s", {}, 0 / 0) end, "bad argument #5 to 'put' (a time expected)")
    assert.has_error(function() j:put("k", "i", "s", { print }, 0) end)
    assert.has_error(function() j:audit("journal.put", {}, 0) end,
      "bad argument #1 to 'audit' (kinds that begin with 'journal.' are the journal's own)")
    assert.equal(0, (j:head()))
    j:close()
    j:close()
    assert.has_error(function() j:commit() end, "calling 'commit' on bad self (journal is closed)")
  end)
end)

describe("a journal's secrets", function()
  it("are held sealed, and come back", function()
    local place <close> = journals.folder()
    local value <close> = secret.from("correct horse battery staple")
    do
      local j <close> = journals.open(place)
      j:seal("rotation-1", value)
      j:seal("rotation-1", value)
      assert.is_true(j:commit())
      local all = journals.bytes(place)
      assert.truthy(all:find("rotation-1", 1, true))
      local forms = { "correct horse", "battery staple", "correct%20horse", "Y29ycmVjdCBob3Jz", "636f727265637420" }
      for _, form in ipairs(forms) do
        assert.is_nil(all:find(form, 1, true), form)
      end
    end
    local j <close> = journals.open(place)
    local back <close> = assert(j:unseal("rotation-1"))
    assert.is_true(secret.equals(back, value))
    local nothing, message = j:unseal("rotation-2")
    assert.is_nil(nothing)
    assert.is_nil(message)
    assert.is_nil(journals.bytes(place):find("0123456789abcdef", 1, true))
    assert.equal(1, j:verify())
  end)

  it("are not replaced by others under the same id", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local one <close> = secret.from("the first value")
    local two <close> = secret.from("the second value")
    j:seal("id", one)
    assert.has_error(function() j:seal("id", two) end,
      "another value is sealed under 'id': it is not replaced; seal under an id of its own")
    j:forget("id")
    j:forget("id")
    assert.is_nil((j:unseal("id")))
    j:seal("id", two)
    assert.is_true(j:commit())
    local back <close> = assert(j:unseal("id"))
    assert.is_true(secret.equals(back, two))
    assert.equal(3, j:verify())
  end)

  it("are wiped from the files when they are forgotten", function()
    local place <close> = journals.folder()
    do
      local j <close> = journals.open(place)
      local value <close> = secret.random(200)
      j:seal("id", value)
      assert.is_true(j:commit())
    end
    local sealed = journals.query(place, "SELECT hex(value) FROM sealed"):gsub("%x%x", function(byte)
      return string.char(tonumber(byte, 16))
    end)
    assert.equal(233, #sealed)
    assert.truthy(journals.bytes(place):find(sealed:sub(30, 60), 1, true))
    do
      local j <close> = journals.open(place)
      j:forget("id")
      assert.is_true(j:commit())
    end
    assert.is_nil(journals.bytes(place):find(sealed:sub(30, 60), 1, true))
  end)

  it("are refused in records, as values and as text", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local value <close> = secret.from("hunter2hunter2")
    local short <close> = secret.from("abc")
    local why = "it has a secret: seal the secret (journal:seal) and record its id"
    for _, body in ipairs { { x = value }, { { deep = { value } } }, { x = short }, { x = "the hunter2hunter2 thing" },
      { ["hunter2hunter2"] = 1 }, { x = "aHVudGVyMmh1bnRlcjI=" } } do
      assert.has_error(function() j:put("k", "i", "s", body, 0) end, "bad argument #4 to 'put' (" .. why .. ")")
      assert.has_error(function() j:audit("k", body, 0) end, "bad argument #2 to 'audit' (" .. why .. ")")
    end
    assert.has_error(function() j:put("k", "hunter2hunter2", "s", {}, 0) end,
      "bad argument #2 to 'put' (" .. why .. ")")
    assert.has_error(function() j:seal("hunter2hunter2", value) end, "bad argument #1 to 'seal' (" .. why .. ")")
    assert.is_true(j:commit())
    assert.is_nil(journals.bytes(place):find("hunter2", 1, true))
  end)

  it("do not open in another row, nor after a change", function()
    local place <close> = journals.folder()
    do
      local j <close> = journals.open(place)
      local one <close> = secret.from("the first value")
      local two <close> = secret.from("the other value")
      j:seal("one", one)
      j:seal("two", two)
      assert.is_true(j:commit())
    end
    journals.tamper(place, [[
      CREATE TABLE t AS SELECT id, value FROM sealed;
      UPDATE sealed SET value = (SELECT value FROM t WHERE t.id <> sealed.id);
      DROP TABLE t;]])
    local j <close> = journals.open(place)
    for _, id in ipairs { "one", "two" } do
      local value, message = j:unseal(id)
      assert.is_nil(value)
      assert.equal(("the value sealed under '%s' cannot be opened: it was altered or moved from another record. "
        .. "Nothing of it can be trusted"):format(id), message)
    end
    local count, message, seq = j:verify()
    assert.is_nil(count)
    assert.equal(("the journal in '%s' was altered: the sealed value one differs from the audit chain"):format(
      place.path .. "/j"), message)
    assert.equal(1, seq)
    j:close()
    journals.tamper(place, "UPDATE sealed SET value = zeroblob(7) WHERE id = 'one'")
    local again <close> = journals.open(place)
    assert.truthy(select(2, again:unseal("one")):find("cannot be opened", 1, true))
    local other <close> = secret.from("yet another value")
    assert.error_matches(function() again:seal("one", other) end, "cannot be opened: it was altered")
  end)
end)

describe("a journal's key and binding", function()
  it("must be the ones it was made with", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local wrong <close> = secret.from("another key that is long enough!!")
    local none, message, kind = journal.open(place.path .. "/j", wrong, journals.BINDING)
    assert.is_nil(none)
    assert.equal("key", kind)
    assert.equal(("the key does not open the journal in '%s': it was made with another one. Find that key: what it "
      .. "sealed exists nowhere else. Only if the key is lost for good, give the profile another state folder"):format(
      place.path .. "/j"), message)
    none, message, kind = journal.open(place.path .. "/j", journals.KEY,
      "login.microsoftonline.com/fabrikam.onmicrosoft.com")
    assert.is_nil(none)
    assert.equal("binding", kind)
    assert.equal(("the journal in '%s' belongs to %s, not to %s"):format(place.path .. "/j", journals.BINDING,
      "login.microsoftonline.com/fabrikam.onmicrosoft.com"), message)
    local j <close> = journals.open(place)
    assert.equal(8, j:verify())
  end)

  it("are checked as arguments", function()
    local place <close> = journals.folder()
    local short <close> = secret.from("short")
    assert.has_error(function() journal.open(place.path, short, journals.BINDING) end,
      "bad argument #2 to 'open' (a key of at least 32 bytes expected)")
    assert.has_error(function() journal.open(place.path, journals.KEY, "") end,
      "bad argument #3 to 'open' ('<login host>/<tenant>' expected)")
    assert.has_error(function() journal.open(place.path, "key", journals.BINDING) end)
  end)

  it("cannot be got round by taking out the check record", function()
    local place <close> = journals.folder()
    journals.fill(place)
    journals.tamper(place, "DELETE FROM meta WHERE name = 'check'")
    local none, message, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
    assert.is_nil(none)
    assert.equal("damaged", kind)
    assert.truthy(message:find("the record that checks its key is gone", 1, true))
  end)

  it("hold for the installation's id too", function()
    local place <close> = journals.folder()
    journals.fill(place)
    journals.tamper(place, "UPDATE meta SET value = CAST('00000000' AS BLOB) WHERE name = 'installation'")
    local _, message, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
    assert.equal("damaged", kind)
    assert.truthy(message:find("the record of its owner was altered", 1, true), message)
  end)
end)

describe("a journal's folder", function()
  it("is refused when others may enter it, or it is no folder", function()
    local place <close> = journals.folder()
    journals.fill(place)
    assert(os.execute(("chmod 750 '%s/j'"):format(place.path)))
    local none, message, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
    assert.is_nil(none)
    assert.equal("io", kind)
    assert.equal(("cannot open the journal in '%s/j': other users may enter it; run chmod -R go= on it"):format(
      place.path), message)
    assert(os.execute(("chmod 700 '%s/j'; chmod 644 '%s/j/journal.db'"):format(place.path, place.path)))
    assert.equal("io", select(3, journal.open(place.path .. "/j", journals.KEY, journals.BINDING)))
    assert(sys.write(place.path .. "/file", "x", "new"))
    assert.equal(("cannot open the journal in '%s/file': Not a directory"):format(place.path),
      select(2, journal.open(place.path .. "/file", journals.KEY, journals.BINDING)))
    assert(sys.mkdir(place.path .. "/linked"))
    assert(os.execute(("ln -s ../j/journal.db '%s/linked/journal.db'"):format(place.path)))
    assert.equal(("cannot open the journal in '%s/linked': journal.db is not a file"):format(place.path),
      select(2, journal.open(place.path .. "/linked", journals.KEY, journals.BINDING)))
  end)

  it("may be reached through a link", function()
    local place <close> = journals.folder()
    journals.fill(place)
    assert(os.execute(("ln -s j '%s/way'"):format(place.path)))
    local j <close> = assert(journal.open(place.path .. "/way", journals.KEY, journals.BINDING))
    assert.equal(8, j:verify())
  end)

  it("with a damaged file is not taken for an empty one", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local path = place.path .. "/j/journal.db"
    local file <close> = assert(io.open(path, "r+b"))
    local size = file:seek("end")
    file:seek("set", 4096 + 8)
    file:write(("\255"):rep(size - 4096 - 8))
    file:close()
    local none, message, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
    assert.is_nil(none)
    assert.equal("damaged", kind)
    assert.truthy(message:find(("cannot open the journal in '%s/j': "):format(place.path), 1, true))
    assert(os.remove(path))
    assert(sys.write(path, ("no database at all "):rep(100), "new"))
    assert.equal("damaged", select(3, journal.open(place.path .. "/j", journals.KEY, journals.BINDING)))
  end)

  it("of a newer version is left alone", function()
    local place <close> = journals.folder()
    journals.fill(place)
    journals.tamper(place, "PRAGMA user_version = 99")
    assert.equal(("cannot open the journal in '%s/j': a newer version of Moonlatch made it"):format(place.path),
      select(2, journal.open(place.path .. "/j", journals.KEY, journals.BINDING)))
    assert.equal("newer", select(3, journal.open(place.path .. "/j", journals.KEY, journals.BINDING)))
  end)
end)

describe("leases", function()
  it("are held once, also within a process", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local lease <close> = assert(j:lease("user anna"))
    local other <close> = assert(j:lease("user bert"))
    local none, message, kind = j:lease("user anna")
    assert.is_nil(none)
    assert.equal("busy", kind)
    assert.equal("'user anna' is being worked on by another moonlatch on this machine: wait for it, or stop it",
      message)
    lease:close()
    lease:close()
    local again <close> = assert(j:lease("user anna"))
    assert.is_true(again ~= other)
  end)

  it("are not called busy when their file cannot be opened", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local path = place.path .. "/j/leases"
    for why, make in pairs {
      ["Is a directory"] = function() assert(sys.mkdir(path)) end,
      ["Too many levels of symbolic links"] = function() assert(os.execute(("ln -s /nowhere '%s'"):format(path))) end,
    } do
      make()
      assert.same({ nil, ("the lock file '%s' cannot be opened: %s"):format(path, why), "journal" },
        { j:lease("user anna") })
      assert(sys.remove_tree(path))
    end
    local lease <close> = assert(j:lease("user anna"))
    assert.is_truthy(lease)
  end)

  it("are not called busy when no more files may be opened", function()
    local place <close> = journals.folder()
    local arguments = child.arguments(place, journals.OPEN .. [[
      local held = {}
      while true do -- until the last descriptor is taken
        local lock = sys.lock(arguments[1] .. "/lock")
        if not lock then break end
        held[#held + 1] = lock
        sys.remove(arguments[1] .. "/lock")
      end
      local _, message, kind = j:lease("user anna")
      term.write("out", kind .. ": " .. message .. "\n")
      return 0]], place.path .. "/j")
    local limited = { "/usr/bin/prlimit", "--nofile=64", table.unpack(arguments) }
    local holder <close> = assert(process.start(limited))
    assert.equal(("journal: the lock file '%s/j/leases' cannot be opened: Too many open files"):format(place.path),
      holder:line(20))
  end)

  it("keep other processes out, and die with theirs", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local holder <close> = child.start(place, journals.OPEN .. [[
      local lease = assert(j:lease("user anna"))
      term.write("out", "held\n")
      term.read_line("")
      return lease and 0]], place.path .. "/j")
    assert.equal("held", holder:line(10))
    assert.is_nil((j:lease("user anna")))
    holder:kill("KILL")
    assert.is_truthy(holder:wait(10))
    local lease <close> = assert(j:lease("user anna"))
    assert.is_truthy(lease)
  end)
end)
