local child = require "child"
local journal = require "host.journal"
local process = require "host.process"
local secret = require "host.secret"
local sys = require "host.sys"

local KEY = secret.from("0123456789abcdef0123456789abcdef")
local BINDING = "login.microsoftonline.com/contoso.onmicrosoft.com"
-- What a child needs to open the same journal; arguments[1] is the folder.
local OPEN = [[
  local journal, secret = require "host.journal", require "host.secret"
  local sys, term = require "host.sys", require "host.term"
  local key = secret.from("0123456789abcdef0123456789abcdef")
  local j, message, kind = journal.open(arguments[1], key, "login.microsoftonline.com/contoso.onmicrosoft.com")
  if not j then term.write("out", kind .. ": " .. message .. "\n") return 9 end
]]

local function open(place)
  return assert(journal.open(place.path .. "/j", KEY, BINDING))
end

--- Change the database behind the journal's back.
local function tamper(place, statements)
  local script = [[
import hashlib, sqlite3, struct, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
def step(before, seq, time, kind, body):
    kind, body = kind.encode(), body.encode()
    data = before + struct.pack(">QdQ", seq, time, len(kind)) + kind + struct.pack(">Q", len(body)) + body
    return hashlib.sha256(data).digest()
database.create_function("step", 5, step)
database.executescript(sys.argv[2])
print("done")
]]
  local python <close> = assert(process.start { "/usr/bin/python3", "-c", script, place.path .. "/j/journal.db", statements })
  assert.equal("done", python:line(20))
end

--- What the database holds, as anybody may read it.
local function query(place, statement)
  local script = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])"
  local python <close> = assert(process.start { "/usr/bin/python3", "-c", script, place.path .. "/j/journal.db", statement })
  return python:line(20)
end

--- All bytes of all files in the journal's folder.
local function bytes(place)
  local parts = {}
  for _, name in ipairs(assert(sys.list(place.path .. "/j"))) do
    local file <close> = assert(io.open(place.path .. "/j/" .. name, "rb"))
    parts[#parts + 1] = file:read("a")
  end
  return table.concat(parts)
end

--- A journal with something of everything: audit records 1 to 8.
local function filled(place)
  local j <close> = open(place)
  local old <close> = secret.from("old value of it")
  local new <close> = secret.from("new value of it")
  j:put("intent", "a", "intent", { step = 1 }, 1000)
  j:put("intent", "b", "intent", { step = 1 }, 1001)
  j:put("intent", "a", "sent", { step = 2 }, 1002)
  j:seal("a", old)
  j:seal("b", new)
  j:audit("note", { text = "six" }, 1005)
  j:forget("a")
  j:audit("note", { text = "eight" }, 1007)
  assert(j:commit())
end

describe("host.journal", function()
  it("lives in private files in a private folder", function()
    local place <close> = child.folder()
    local j <close> = open(place)
    assert(j:commit())
    assert.equal(tonumber("700", 8), sys.stat(place.path .. "/j").mode)
    for _, name in ipairs(sys.list(place.path .. "/j")) do
      assert.equal(tonumber("600", 8), sys.stat(place.path .. "/j/" .. name).mode, name)
    end
    assert.truthy(j:installation():find("^%x%x%x%x%x%x%x%x$"))
  end)

  it("keeps what is committed, and nothing else", function()
    local place <close> = child.folder()
    do
      local j <close> = open(place)
      j:put("intent", "one", "intent", { name = "Ünï", list = {}, n = 9007199254740993, nested = { x = 1.5 } }, 1000.25)
      j:put("made", "one", "made", {}, 1001)
      assert.is_true(j:commit())
      j:put("intent", "one", "sent", { step = 2 }, 1002)
      j:put("intent", "two", "intent", {}, 1003)
      assert.equal("sent", j:get("intent", "one").state)
    end
    local j <close> = open(place)
    local row = j:get("intent", "one")
    assert.same({ "intent", "one", "intent", 1000.25, 1000.25 }, { row.kind, row.id, row.state, row.created, row.updated })
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
    assert.equal(4, j:verify())
  end)

  it("puts everything on record, oldest first", function()
    local place <close> = child.folder()
    filled(place)
    local j <close> = open(place)
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
    local place <close> = child.folder()
    local clock <close> = assert(sys.clock(place.path .. "/clock", true))
    clock:advance(1e6)
    local j <close> = assert(journal.open(place.path .. "/j", KEY, BINDING, clock))
    local value <close> = secret.random(16)
    j:seal("x", value)
    assert.is_true(math.abs(j:history(1)[1].time - sys.time() - 1e6) < 10)
  end)

  it("refuses what cannot be put", function()
    local place <close> = child.folder()
    local j <close> = open(place)
    assert.has_error(function() j:put("k", "", "s", {}, 0) end, "bad argument #2 to 'put' (1 to 512 bytes expected)")
    assert.has_error(function() j:put("k", "a\nb", "s", {}, 0) end, "bad argument #2 to 'put' (control character in it)")
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
    local place <close> = child.folder()
    local value <close> = secret.from("correct horse battery staple")
    do
      local j <close> = open(place)
      j:seal("rotation-1", value)
      j:seal("rotation-1", value)
      assert.is_true(j:commit())
      local all = bytes(place)
      assert.truthy(all:find("rotation-1", 1, true))
      for _, form in ipairs { "correct horse", "battery staple", "correct%20horse", "Y29ycmVjdCBob3Jz", "636f727265637420" } do assert.is_nil(all:find(form, 1, true), form) end
    end
    local j <close> = open(place)
    local back <close> = assert(j:unseal("rotation-1"))
    assert.is_true(back:equals(value))
    local nothing, message = j:unseal("rotation-2")
    assert.is_nil(nothing)
    assert.is_nil(message)
    assert.is_nil(bytes(place):find("0123456789abcdef", 1, true))
    assert.equal(1, j:verify())
  end)

  it("are not replaced by others under the same id", function()
    local place <close> = child.folder()
    local j <close> = open(place)
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
    assert.is_true(back:equals(two))
    assert.equal(3, j:verify())
  end)

  it("are wiped from the files when they are forgotten", function()
    local place <close> = child.folder()
    do
      local j <close> = open(place)
      local value <close> = secret.random(200)
      j:seal("id", value)
      assert.is_true(j:commit())
    end
    local sealed = query(place, "SELECT hex(value) FROM sealed"):gsub("%x%x", function(byte)
      return string.char(tonumber(byte, 16))
    end)
    assert.equal(229, #sealed)
    assert.truthy(bytes(place):find(sealed:sub(30, 60), 1, true))
    do
      local j <close> = open(place)
      j:forget("id")
      assert.is_true(j:commit())
    end
    assert.is_nil(bytes(place):find(sealed:sub(30, 60), 1, true))
  end)

  it("are refused in records, as values and as text", function()
    local place <close> = child.folder()
    local j <close> = open(place)
    local value <close> = secret.from("hunter2hunter2")
    local short <close> = secret.from("abc")
    local why = "holds a secret: seal it (journal:seal) and record its id"
    for _, body in ipairs { { x = value }, { { deep = { value } } }, { x = short }, { x = "the hunter2hunter2 thing" },
      { ["hunter2hunter2"] = 1 }, { x = "aHVudGVyMmh1bnRlcjI=" } } do
      assert.has_error(function() j:put("k", "i", "s", body, 0) end, "bad argument #4 to 'put' (" .. why .. ")")
      assert.has_error(function() j:audit("k", body, 0) end, "bad argument #2 to 'audit' (" .. why .. ")")
    end
    assert.has_error(function() j:put("k", "hunter2hunter2", "s", {}, 0) end, "bad argument #2 to 'put' (" .. why .. ")")
    assert.has_error(function() j:seal("hunter2hunter2", value) end, "bad argument #1 to 'seal' (" .. why .. ")")
    assert.is_true(j:commit())
    assert.is_nil(bytes(place):find("hunter2", 1, true))
  end)

  it("do not open in another row, nor after a change", function()
    local place <close> = child.folder()
    do
      local j <close> = open(place)
      local one <close> = secret.from("the first value")
      local two <close> = secret.from("the other value")
      j:seal("one", one)
      j:seal("two", two)
      assert.is_true(j:commit())
    end
    tamper(place, [[
      CREATE TABLE t AS SELECT id, value FROM sealed;
      UPDATE sealed SET value = (SELECT value FROM t WHERE t.id <> sealed.id);
      DROP TABLE t;]])
    local j <close> = open(place)
    for _, id in ipairs { "one", "two" } do
      local value, message = j:unseal(id)
      assert.is_nil(value)
      assert.equal(("the value sealed under '%s' does not open: it was altered or moved from another record. "
        .. "Nothing of it can be trusted; run: moonlatch journal verify"):format(id), message)
    end
    local count, message, seq = j:verify()
    assert.is_nil(count)
    assert.equal(("the journal in '%s' was altered: the sealed value one differs from the audit chain"):format(
      place.path .. "/j"), message)
    assert.equal(1, seq)
    j:close()
    tamper(place, "UPDATE sealed SET value = zeroblob(7) WHERE id = 'one'")
    local again <close> = open(place)
    assert.truthy(select(2, again:unseal("one")):find("does not open", 1, true))
    local other <close> = secret.from("yet another value")
    assert.error_matches(function() again:seal("one", other) end, "does not open: it was altered")
  end)
end)

describe("a journal's key and binding", function()
  it("must be the ones it was made with", function()
    local place <close> = child.folder()
    filled(place)
    local wrong <close> = secret.from("another key that is long enough!!")
    local none, message, kind = journal.open(place.path .. "/j", wrong, BINDING)
    assert.is_nil(none)
    assert.equal("key", kind)
    assert.equal(("the key does not open the journal in '%s': it was made with another one. Find that key: what it "
      .. "sealed exists nowhere else. Only if the key is lost for good, give the profile another state folder"):format(
      place.path .. "/j"), message)
    none, message, kind = journal.open(place.path .. "/j", KEY, "login.microsoftonline.com/fabrikam.onmicrosoft.com")
    assert.is_nil(none)
    assert.equal("binding", kind)
    assert.equal(("the journal in '%s' belongs to %s, not to login.microsoftonline.com/fabrikam.onmicrosoft.com: "
      .. "give this profile a state folder of its own"):format(place.path .. "/j", BINDING), message)
    local j <close> = open(place)
    assert.equal(8, j:verify())
  end)

  it("are checked as arguments", function()
    local place <close> = child.folder()
    local short <close> = secret.from("short")
    assert.has_error(function() journal.open(place.path, short, BINDING) end,
      "bad argument #2 to 'open' (a key of at least 32 bytes expected)")
    assert.has_error(function() journal.open(place.path, KEY, "") end,
      "bad argument #3 to 'open' ('<login host>/<tenant>' expected)")
    assert.has_error(function() journal.open(place.path, "key", BINDING) end)
  end)

  it("cannot be got round by taking out the check record", function()
    local place <close> = child.folder()
    filled(place)
    tamper(place, "DELETE FROM meta WHERE name = 'check'")
    local none, message, kind = journal.open(place.path .. "/j", KEY, BINDING)
    assert.is_nil(none)
    assert.equal("damaged", kind)
    assert.truthy(message:find("the record that checks its key is gone", 1, true))
  end)

  it("hold for the installation's id too", function()
    local place <close> = child.folder()
    filled(place)
    tamper(place, "UPDATE meta SET value = CAST('00000000' AS BLOB) WHERE name = 'installation'")
    assert.equal("key", select(3, journal.open(place.path .. "/j", KEY, BINDING)))
  end)
end)

describe("Journal:verify", function()
  -- What is done to the file, what is said, which record it is about, and whether writing is refused from then on.
  local matrix = {
    { "UPDATE audit SET body = '{\"text\":\"five\"}' WHERE seq = 6", "audit record 6 was altered, or what stood before it", 6 },
    { "UPDATE audit SET time = time + 1 WHERE seq = 2", "audit record 2 was altered, or what stood before it", 2 },
    { "UPDATE audit SET kind = 'other' WHERE seq = 8", "audit record 8 was altered, or what stood before it", 8 },
    { "DELETE FROM audit WHERE seq = 3", "audit record 3 is missing", 3 },
    { "DELETE FROM audit WHERE seq = 1", "audit record 1 is missing", 1 },
    { "UPDATE audit SET seq = seq + 100 WHERE seq >= 4; UPDATE audit SET seq = seq - 99 WHERE seq > 100;"
      .. "INSERT INTO audit SELECT 4, 1, 'note', '{}', step(hash, 4, 1.0, 'note', '{}') FROM audit WHERE seq = 3",
      "audit record 5 was altered, or what stood before it", 5, true },
    { "UPDATE audit SET seq = 100 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 100",
      "audit record 4 was altered, or what stood before it", 4 },
    { "DELETE FROM audit WHERE seq = 8", "the audit chain was cut off after record 7", 7, true },
    { "DELETE FROM audit; DELETE FROM records; DELETE FROM sealed", "the audit chain was cut off after record 0", 0, true },
    { "INSERT INTO audit SELECT 9, 1, 'note', '{}', step(hash, 9, 1.0, 'note', '{}') FROM audit WHERE seq = 8",
      "audit record 9 was added without the journal's key", 9, true },
    { "UPDATE audit SET body = '{}', hash = (SELECT step(hash, 8, 1007.0, 'note', '{}') FROM audit WHERE seq = 7) WHERE seq = 8",
      "audit record 8 and others were written anew", 8, true },
    { "UPDATE meta SET value = zeroblob(72) WHERE name = 'head'",
      "the head of the audit chain is not sealed by this key; the chain has 8 records", 8, true },
    { "DELETE FROM meta WHERE name = 'head'",
      "the head of the audit chain is not sealed by this key; the chain has 8 records", 8, true },
    { "UPDATE audit SET hash = zeroblob(5) WHERE seq = 5", "audit record 5 was altered, or what stood before it", 5 },
    { "UPDATE records SET state = 'closed' WHERE id = 'b'", "the record intent b differs from the audit chain", 2 },
    { "UPDATE records SET body = '{\"step\":3}' WHERE id = 'a'", "the record intent a differs from the audit chain", 3 },
    { "UPDATE records SET updated = 1 WHERE id = 'a'", "the record intent a differs from the audit chain", 3 },
    { "UPDATE records SET created = 1 WHERE id = 'a'", "the record intent a differs from the audit chain", 3 },
    { "INSERT INTO records VALUES (9, 'intent', 'c', 'closed', '{}', 1, 1, 2)", "the record intent c differs from the audit chain", 2 },
    { "DELETE FROM records WHERE id = 'a'", "the record intent a is missing or was put back to an older state", 3 },
    { "UPDATE records SET state = 'intent', body = '{\"step\":1}', updated = 1000, seq = 1 WHERE id = 'a'",
      "the record intent a is missing or was put back to an older state", 3 },
    { "UPDATE sealed SET value = zeroblob(40)", "the sealed value b differs from the audit chain", 5 },
    { "DELETE FROM sealed", "the sealed value b is missing or was put back to an older one", 5 },
  }

  for _, case in ipairs(matrix) do
    it("finds: " .. case[2] .. " (" .. case[1]:sub(1, 60) .. ")", function()
      local place <close> = child.folder()
      filled(place)
      tamper(place, case[1])
      local j <close> = open(place)
      local count, message, seq = j:verify()
      assert.is_nil(count)
      assert.equal(("the journal in '%s/j' was altered: %s"):format(place.path, case[2]), message)
      assert.equal(case[3], seq)
      if not case[4] then return end
      assert.error_matches(function() j:put("k", "i", "s", {}, 0) end,
        "^journal cannot be written: the end of its audit chain .*altered outside moonlatch. Run: moonlatch journal verify$")
      assert.error_matches(function() j:get("k", "i") end, "^journal cannot be written: ")
      assert.is_nil((j:commit()))
      assert.is_nil((j:verify()))
    end)
  end

  it("finds a sealed value that was forgotten and is back", function()
    local place <close> = child.folder()
    do
      local j <close> = open(place)
      local value <close> = secret.from("the first value")
      j:seal("id", value)
      assert.is_true(j:commit())
    end
    tamper(place, "CREATE TABLE kept AS SELECT * FROM sealed")
    do
      local j <close> = open(place)
      j:forget("id")
      assert.is_true(j:commit())
    end
    tamper(place, "INSERT INTO sealed SELECT * FROM kept; DROP TABLE kept")
    local j <close> = open(place)
    assert.equal(("the journal in '%s/j' was altered: the sealed value id was dropped, and is there again"):format(
      place.path), select(2, j:verify()))
  end)

  it("is content with an empty journal", function()
    local place <close> = child.folder()
    local j <close> = open(place)
    assert.equal(0, j:verify())
    assert.equal(0, (j:head()))
    assert.same({}, j:history(10))
  end)
end)

describe("a journal's folder", function()
  it("is refused when others may enter it, or it is no folder", function()
    local place <close> = child.folder()
    filled(place)
    assert(os.execute(("chmod 750 '%s/j'"):format(place.path)))
    local none, message, kind = journal.open(place.path .. "/j", KEY, BINDING)
    assert.is_nil(none)
    assert.equal("io", kind)
    assert.equal(("cannot open the journal in '%s/j': others may enter it; run: chmod -R go= on it"):format(place.path), message)
    assert(os.execute(("chmod 700 '%s/j'; chmod 644 '%s/j/journal.db'"):format(place.path, place.path)))
    assert.equal("io", select(3, journal.open(place.path .. "/j", KEY, BINDING)))
    assert(sys.write(place.path .. "/file", "x", "new"))
    assert.equal(("cannot open the journal in '%s/file': Not a directory"):format(place.path),
      select(2, journal.open(place.path .. "/file", KEY, BINDING)))
    assert(sys.mkdir(place.path .. "/linked"))
    assert(os.execute(("ln -s ../j/journal.db '%s/linked/journal.db'"):format(place.path)))
    assert.equal(("cannot open the journal in '%s/linked': journal.db is not a file"):format(place.path),
      select(2, journal.open(place.path .. "/linked", KEY, BINDING)))
  end)

  it("may be reached through a link", function()
    local place <close> = child.folder()
    filled(place)
    assert(os.execute(("ln -s j '%s/way'"):format(place.path)))
    local j <close> = assert(journal.open(place.path .. "/way", KEY, BINDING))
    assert.equal(8, j:verify())
  end)

  it("with a damaged file is not taken for an empty one", function()
    local place <close> = child.folder()
    filled(place)
    local path = place.path .. "/j/journal.db"
    local file <close> = assert(io.open(path, "r+b"))
    local size = file:seek("end")
    file:seek("set", 4096 + 8)
    file:write(("\255"):rep(size - 4096 - 8))
    file:close()
    local none, message, kind = journal.open(place.path .. "/j", KEY, BINDING)
    assert.is_nil(none)
    assert.equal("damaged", kind)
    assert.truthy(message:find(("cannot open the journal in '%s/j': "):format(place.path), 1, true))
    assert(os.remove(path))
    assert(sys.write(path, ("no database at all "):rep(100), "new"))
    assert.equal("damaged", select(3, journal.open(place.path .. "/j", KEY, BINDING)))
  end)

  it("of a newer version is left alone", function()
    local place <close> = child.folder()
    filled(place)
    tamper(place, "PRAGMA user_version = 99")
    assert.equal(("cannot open the journal in '%s/j': a newer moonlatch made it; use that one"):format(place.path),
      select(2, journal.open(place.path .. "/j", KEY, BINDING)))
  end)
end)

describe("leases", function()
  it("are held once, also within a process", function()
    local place <close> = child.folder()
    local j <close> = open(place)
    local lease <close> = assert(j:lease("user anna"))
    local other <close> = assert(j:lease("user bert"))
    local none, message = j:lease("user anna")
    assert.is_nil(none)
    assert.equal("'user anna' is being worked on by another moonlatch on this machine: wait for it, or stop it", message)
    lease:close()
    lease:close()
    local again <close> = assert(j:lease("user anna"))
    assert.is_true(again ~= other)
  end)

  it("keep other processes out, and die with theirs", function()
    local place <close> = child.folder()
    local j <close> = open(place)
    local holder <close> = child.start(place, OPEN .. [[
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

describe("two processes", function()
  it("make one journal together", function()
    local place <close> = child.folder()
    local writers = {}
    for i = 1, 3 do
      writers[i] = child.start(place, OPEN .. [[
        for n = 1, 50 do
          j:put("work", arguments[2] .. "-" .. n, "done", { n = n }, n)
          local ok, why = j:commit()
          if not ok then term.write("out", why .. "\n") return 8 end
        end
        return 0]], place.path .. "/j", tostring(i))
    end
    for _, writer in ipairs(writers) do
      assert.equal(0, writer:wait(60), writer:line(0))
      writer:close()
    end
    local j <close> = open(place)
    assert.equal(150, #j:list("work"))
    assert.equal(150, j:verify())
  end)

  it("wait for each other only so long, and the one that waited in vain goes on", function()
    local place <close> = child.folder()
    local j <close> = open(place)
    local holder <close> = child.start(place, OPEN .. [[
      j:put("work", "theirs", "done", {}, 1)
      term.write("out", "held\n")
      term.read_line("")
      assert(j:commit())
      return 0]], place.path .. "/j")
    assert.equal("held", holder:line(10))
    assert.has_error(function() j:put("work", "ours", "done", {}, 1) end,
      ("journal cannot be written: another moonlatch has been writing to '%s/j' for more than 5 seconds. Wait for it, or stop it")
      :format(place.path))
    holder:kill("TERM")
    assert.is_truthy(holder:wait(10))
    j:put("work", "ours", "done", {}, 1)
    assert.is_true(j:commit())
    assert.equal(1, j:verify())
  end)
end)

describe("a crash", function()
  it("in the middle of a transaction leaves what was committed", function()
    local place <close> = child.folder()
    local victim <close> = child.start(place, OPEN .. [[
      local value = secret.from("a value in force")
      j:put("intent", "one", "sent", {}, 1)
      j:seal("one", value)
      assert(j:commit())
      j:put("intent", "one", "closed", {}, 2)
      j:put("intent", "two", "intent", {}, 2)
      j:forget("one")
      term.write("out", "open\n")
      term.read_line("")
      return 0]], place.path .. "/j")
    assert.equal("open", victim:line(10))
    victim:kill("KILL")
    assert.equal(128 + 9, victim:wait(10))
    local j <close> = open(place)
    assert.equal("sent", j:get("intent", "one").state)
    assert.is_nil(j:get("intent", "two"))
    local value <close> = assert(j:unseal("one"))
    assert.equal(16, value:size())
    assert.equal(2, j:verify())
  end)

  it("at any moment loses nothing that was acknowledged", function()
    local place <close> = child.folder()
    local acknowledged, round = 0, 0
    repeat
      round = round + 1
      local victim <close> = child.start(place, OPEN .. [[
        for n = tonumber(arguments[2]) + 1, 1000000 do
          j:put("work", tostring(n), "done", { text = ("x"):rep(200) }, n)
          assert(j:commit())
          term.write("out", n .. "\n")
        end]], place.path .. "/j", tostring(acknowledged))
      assert.truthy(victim:line(10))
      sys.sleep(7 * round)
      victim:kill("KILL")
      assert.equal(128 + 9, victim:wait(10))
      for line in function() return victim:line(1) end do acknowledged = tonumber(line) end
      local j <close> = open(place)
      local count = #j:list("work")
      assert.is_true(count == acknowledged or count == acknowledged + 1, count .. " kept, " .. acknowledged .. " acknowledged")
      assert.equal(count, j:verify())
      acknowledged = count
    until round == 8
  end)
end)

describe("a commit", function()
  it("is on the disk before anything is done about it", function()
    local place <close> = child.folder()
    local trace = place.path .. "/trace"
    if not os.execute(("strace -o '%s' true 2>/dev/null"):format(trace)) then return pending("needs strace") end
    local words = child.arguments(place, OPEN .. [[
      for n = 1, 20 do
        j:put("work", tostring(n), "sent", {}, n)
        assert(j:commit())
        term.write("out", "sent\n")
      end
      return 0]], place.path .. "/j")
    local traced <close> = assert(process.start { "/usr/bin/strace", "-f", "-qq", "-o", trace, "-e",
      "trace=pwrite64,fdatasync,fsync,write", table.unpack(words) })
    assert.is_truthy(traced:wait(30))
    local sent, unsynced = 0, 0
    for line in io.lines(trace) do
      if line:find("pwrite64(", 1, true) then unsynced = unsynced + 1 end
      if line:find("sync(", 1, true) then unsynced = 0 end
      if line:find('write(1, "sent', 1, true) then
        sent = sent + 1
        assert.equal(0, unsynced)
      end
    end
    assert.equal(20, sent)
  end)
end)

describe("a full disk", function()
  -- Put until it fails, then see that nothing goes any more; prints what was acknowledged and the reason.
  local FILL = OPEN .. [[
    local committed, ok, why = 0
    for n = 1, 2000 do
      ok, why = pcall(j.put, j, "work", tostring(n), "done", { text = ("x"):rep(2000) }, n)
      if ok then ok, why = j:commit() end
      if not ok then break end
      committed = n
    end
    term.write("out", committed .. "\n" .. tostring(why) .. "\n")
    local commit, message = j:commit()
    assert(commit == nil and message == why)
    for _, call in ipairs { "put", "audit", "get", "list", "seal", "unseal", "forget" } do
      local done, reason = pcall(j[call], j, "a", "b", "c", {}, 0)
      assert(not done and reason == why, call .. ": " .. tostring(reason))
    end
    return 0]]

  local function check(place, runner, reason)
    local words = child.arguments(place, FILL, place.path .. "/j")
    local all = table.move(words, 1, #words, #runner + 1, table.move(runner, 1, #runner, 1, {}))
    local filler <close> = assert(process.start(all))
    local committed, why = tonumber(filler:line(60)), filler:line(10)
    assert.equal(0, filler:wait(10))
    assert.is_true(committed > 0 and committed < 2000)
    assert.equal(("journal cannot be written: %s, in '%s/j'. What was not yet committed is not kept and nothing more is sent. "
      .. "%s, then run it again: it goes on from the last commit"):format(reason[1], place.path, reason[2]), why)
    return committed
  end

  it("is said at the limit of a file's size, and nothing is half done", function()
    local place <close> = child.folder()
    local runner = { "/usr/bin/prlimit", "--fsize=300000", "/usr/bin/env", "--ignore-signal=XFSZ" }
    local committed = check(place, runner, { "disk I/O error", "See to that disk" })
    local j <close> = open(place)
    assert.equal(committed, #j:list("work"))
    assert.equal(committed, j:verify())
    j:put("work", "more", "done", {}, 0)
    assert.is_true(j:commit())
  end)

  local function can_mount(place)
    return os.execute(("unshare -m mount -t tmpfs tmpfs '%s' 2>/dev/null"):format(place.path))
  end

  it("is said when the disk is full", function()
    local place <close> = child.folder()
    if not can_mount(place) then return pending("needs the right to mount a small disk") end
    local script = ([[mkdir -m 700 "$0" && mount -t tmpfs -o size=400k,mode=700 tmpfs "$0" && shift 0 && exec "$@"]])
    check(place, { "/usr/bin/unshare", "-m", "/bin/sh", "-c", script, place.path .. "/j" },
      { "database or disk is full", "Make room on that disk" })
  end)

  it("is said when the disk cannot be written", function()
    local place <close> = child.folder()
    if not can_mount(place) then return pending("needs the right to mount a small disk") end
    filled(place)
    local words = child.arguments(place, OPEN .. [[
      local ok, why = pcall(j.put, j, "k", "i", "s", {}, 0)
      term.write("out", tostring(ok) .. ": " .. tostring(why) .. "\n")
      return 0]], place.path .. "/j")
    local script = [[mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"]]
    local reader <close> = assert(process.start { "/usr/bin/unshare", "-m", "/bin/sh", "-c", script, place.path .. "/j",
      table.unpack(words) })
    local line = reader:line(10)
    assert.truthy(line:find("readonly database", 1, true) or line:find("unable to open database file", 1, true), line)
    local j <close> = open(place)
    assert.equal(8, j:verify())
  end)
end)
