--- Values that the journal keeps outside its chain: sealed, replaceable, and in every copy of the journal.

local child = require "child"
local journal = require "host.journal"
local journals = require "journals"
local secret = require "host.secret"

local NEW = secret.from(("new key "):rep(5))

-- A journal with one record, and two kept values.
local function fill(place)
  local j <close> = journals.open(place)
  j:put("made", "one", "made", {}, 1000)
  j:keep("evidence/a", { uses = { { address = "203.0.113.88", count = 2 } } })
  j:keep("evidence/b", { at = 1.5 })
  j:keep("other", {})
  assert(j:commit())
end

describe("a value that is kept outside the chain", function()
  it("is there after a commit, can be replaced and dropped, and adds nothing to the chain", function()
    local place <close> = journals.folder()
    fill(place)
    local j <close> = journals.open(place)
    assert.same({ uses = { { address = "203.0.113.88", count = 2 } } }, j:kept "evidence/a")
    assert.same({ "evidence/a", "evidence/b" }, j:kept_names "evidence/")
    assert.same({}, j:kept_names "evidence/%")
    local seq = j:head()
    j:keep("evidence/a", { uses = {} })
    j:keep("evidence/b", nil)
    assert(j:commit())
    assert.equal(seq, (j:head()))
    assert.same({ uses = {} }, j:kept "evidence/a")
    assert.same({ nil, nil }, { j:kept "evidence/b" })
    assert.same({ "evidence/a", "other" }, j:kept_names "")
    assert.equal(seq, j:verify())
  end)

  it("is lost without a commit, and the records with it are, too", function()
    local place <close> = journals.folder()
    fill(place)
    do
      local j <close> = journals.open(place)
      j:keep("evidence/a", { uses = {} })
      j:put("made", "two", "made", {}, 1001)
    end
    local j <close> = journals.open(place)
    assert.equal(1, #j:kept("evidence/a").uses)
    assert.is_nil(j:get("made", "two"))
  end)

  it("refuses a secret, a name that is none, and what is no table", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local value <close> = secret.from "kept-secret-value-1"
    local function refused(what, name, body)
      assert.error_matches(function() j:keep(name, body) end, what, 1, true)
    end
    refused("it has a secret: seal the secret (journal:seal) and record its id", "n", { a = value })
    refused("it has a secret: seal the secret (journal:seal) and record its id", "n", { a = "kept-secret-value-1" })
    refused("1 to 512 bytes expected", "", {})
    refused("it has a control character", "a\0b", {})
    refused("table expected, got string", "n", "text")
  end)

  it("cannot be read or made without the journal's key", function()
    local place <close> = journals.folder()
    fill(place)
    assert.equal("0", journals.query(place,
      "SELECT count(*) FROM kept WHERE instr(value, '203.0.113') OR instr(value, CAST('203.0.113' AS BLOB))"))
    journals.tamper(place, "UPDATE kept SET value = (SELECT value FROM kept WHERE name = 'evidence/b')"
      .. " WHERE name = 'evidence/a'")
    local j <close> = journals.open(place)
    assert.same({ nil,
      "what is kept under 'evidence/a' cannot be opened: it was altered or moved from another record" },
      { j:kept "evidence/a" })
    assert.same({ at = 1.5 }, j:kept "evidence/b")
    local count, message = j:verify()
    assert.is_nil(count)
    assert.truthy(message:find("was altered: what is kept under 'evidence/a' was altered", 1, true))
    j:keep("evidence/a", {})
    assert(j:commit())
    assert.equal(1, j:verify())
  end)

  it("of a planted name that SQLite cuts differs from no other", function()
    local place <close> = journals.folder()
    fill(place)
    journals.tamper(place, "INSERT INTO kept VALUES ('evidence/a' || char(0) || 'x', x'02')")
    local j <close> = journals.open(place)
    local count, message = j:verify()
    assert.is_nil(count)
    assert.truthy(message:find("what is kept after 'evidence/a' cannot be read", 1, true), message)
  end)
end)

describe("values outside the chain follow the journal", function()
  it("to a new key, which drops one that was altered", function()
    local place <close> = journals.folder()
    fill(place)
    journals.tamper(place, "UPDATE kept SET value = x'0200' WHERE name = 'evidence/b'")
    assert.equal(0, journal.rekey(place.path .. "/j", journals.KEY, NEW, journals.BINDING, 4000))
    local j <close> = assert(journal.open(place.path .. "/j", NEW, journals.BINDING))
    assert.equal("203.0.113.88", j:kept("evidence/a").uses[1].address)
    assert.same({ "evidence/a", "other" }, j:kept_names "")
    assert.truthy(j:verify())
  end)

  it("into a backup, and back with it", function()
    local place <close> = journals.folder()
    fill(place)
    do
      local j <close> = journals.open(place)
      assert(j:backup(place.path .. "/copy"))
      j:keep("evidence/a", { uses = {} })
      assert(j:commit())
    end
    do
      local copy <close> = assert(journal.read(place.path .. "/copy", journals.KEY, journals.BINDING))
      assert.same({ at = 1.5 }, copy:kept "evidence/b")
      assert.equal(1, copy:verify())
    end
    assert(journal.restore(place.path .. "/j", place.path .. "/copy", journals.KEY, journals.BINDING, 5000, false,
      true))
    local j <close> = journals.open(place)
    assert.equal(1, #j:kept("evidence/a").uses)
  end)

  it("not into a segment, and stay when the journal is compacted", function()
    local place <close> = journals.folder()
    fill(place)
    local j <close> = journals.open(place)
    j:put("made", "two", "made", {}, 3000)
    assert(j:commit())
    local moved = assert(j:compact(2000, 3001, {}))
    assert.same({ at = 1.5 }, j:kept "evidence/b")
    assert.truthy(j:verify())
    local segment <close> = assert(journal.read(place.path .. "/j/" .. moved.segment, journals.KEY, journals.BINDING))
    assert.same({}, segment:kept_names "")
    assert.is_nil((segment:kept "evidence/b"))
  end)

  it("and are missing in a journal of the version before, which opens, is read and is brought up to date", function()
    local place <close> = journals.folder()
    do
      local j <close> = journals.open(place)
      j:put("made", "one", "made", {}, 1000)
      assert(j:commit())
      assert(j:backup(place.path .. "/j/old"))
    end
    for _, name in ipairs { "journal.db", "old" } do
      journals.tamper(place, "DROP TABLE kept; PRAGMA user_version = 1", name)
    end
    local copy <close> = assert(journal.read(place.path .. "/j/old", journals.KEY, journals.BINDING))
    assert.same({}, copy:kept_names "")
    assert.is_nil((copy:kept "evidence/a"))
    assert.equal(1, copy:verify())
    local j <close> = journals.open(place)
    j:keep("evidence/a", { n = 1 })
    assert(j:commit())
    assert.same({ n = 1 }, j:kept "evidence/a")
    assert.equal(1, j:verify())
  end)

  it("and break nothing when the process is killed while it keeps values", function()
    local place <close> = journals.folder()
    local writer <close> = child.start(place, journals.OPEN .. [[
      for i = 1, math.huge do
        j:keep("evidence/a", { n = i, same = i })
        j:keep("evidence/b", { n = i })
        assert(j:commit())
        if i == 20 then term.write("out", "ready\n") end
      end]], place.path .. "/j")
    assert.equal("ready", writer:line(10))
    writer:kill("KILL")
    assert.is_truthy(writer:wait(10))
    local j <close> = journals.open(place)
    local a, b = j:kept "evidence/a", j:kept "evidence/b"
    assert.is_true(a.n >= 20 and a.n == a.same and a.n == b.n)
    assert.truthy(j:verify())
  end)
end)
