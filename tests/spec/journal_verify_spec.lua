local journals = require "journals"
local secret = require "host.secret"

describe("Journal:verify", function()
  -- What is done to the file, what is said, which record it is about, and whether writing is refused from then on.
  local matrix = {
    { "UPDATE audit SET body = '{\"text\":\"five\"}' WHERE seq = 6",
      "audit record 6 or a record before it was altered", 6 },
    { "UPDATE audit SET time = time + 1 WHERE seq = 2", "audit record 2 or a record before it was altered", 2 },
    { "UPDATE audit SET kind = 'other' WHERE seq = 8", "audit record 8 or a record before it was altered", 8 },
    { "DELETE FROM audit WHERE seq = 3", "audit record 3 is missing", 3 },
    { "DELETE FROM audit WHERE seq = 1", "audit record 1 is missing", 1 },
    { "UPDATE audit SET seq = seq + 100 WHERE seq >= 4; UPDATE audit SET seq = seq - 99 WHERE seq > 100;"
      .. "INSERT INTO audit SELECT 4, 1, 'note', '{}', step(hash, 4, 1.0, 'note', '{}') FROM audit WHERE seq = 3",
      "audit record 5 or a record before it was altered", 5, true },
    { "UPDATE audit SET seq = 100 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5;"
      .. "UPDATE audit SET seq = 5 WHERE seq = 100",
      "audit record 4 or a record before it was altered", 4 },
    { "DELETE FROM audit WHERE seq = 8", "the audit chain was cut off after record 7", 7, true },
    { "DELETE FROM audit; DELETE FROM records; DELETE FROM sealed",
      "the audit chain was cut off after record 0", 0, true },
    { "INSERT INTO audit SELECT 9, 1, 'note', '{}', step(hash, 9, 1.0, 'note', '{}') FROM audit WHERE seq = 8",
      "audit record 9 was added without the journal's key", 9, true },
    { "UPDATE audit SET body = '{}', hash = (SELECT step(hash, 8, 1007.0, 'note', '{}') FROM audit WHERE seq = 7)"
      .. " WHERE seq = 8",
      "audit record 8 and others were replaced", 8, true },
    { "UPDATE meta SET value = zeroblob(72) WHERE name = 'head'",
      "the head of the audit chain is not sealed by this key; the chain has 8 records", 8, true },
    { "DELETE FROM meta WHERE name = 'head'",
      "the head of the audit chain is not sealed by this key; the chain has 8 records", 8, true },
    { "UPDATE audit SET hash = zeroblob(5) WHERE seq = 5", "audit record 5 or a record before it was altered", 5 },
    { "UPDATE records SET state = 'closed' WHERE id = 'b'", "the record intent b differs from the audit chain", 2 },
    { "UPDATE records SET body = '{\"step\":3}' WHERE id = 'a'",
      "the record intent a differs from the audit chain", 3 },
    { "UPDATE records SET updated = 1 WHERE id = 'a'", "the record intent a differs from the audit chain", 3 },
    { "UPDATE records SET created = 1 WHERE id = 'a'", "the record intent a differs from the audit chain", 3 },
    { "INSERT INTO records VALUES (9, 'intent', 'c', 'closed', '{}', 1, 1, 2)",
      "the record intent c differs from the audit chain", 2 },
    { "DELETE FROM records WHERE id = 'a'", "the record intent a is missing, or is older than its audit record", 3 },
    { "UPDATE records SET state = 'intent', body = '{\"step\":1}', updated = 1000, seq = 1 WHERE id = 'a'",
      "the record intent a is missing, or is older than its audit record", 3 },
    { "UPDATE sealed SET value = zeroblob(40)", "the sealed value b differs from the audit chain", 5 },
    { "DELETE FROM sealed", "the sealed value b is missing, or is older than its audit record", 5 },
  }

  for _, case in ipairs(matrix) do
    it("finds: " .. case[2] .. " (" .. case[1]:sub(1, 60) .. ")", function()
      local place <close> = journals.folder()
      journals.fill(place)
      journals.tamper(place, case[1])
      local j <close> = journals.open(place)
      local count, message, seq = j:verify()
      assert.is_nil(count)
      assert.equal(("the journal in '%s/j' was altered: %s"):format(place.path, case[2]), message)
      assert.equal(case[3], seq)
      if not case[4] then return end
      assert.error_matches(function() j:put("k", "i", "s", {}, 0) end, "^the journal cannot be written: the end of its "
        .. "audit chain .*altered outside moonlatch$")
      assert.error_matches(function() j:get("k", "i") end, "^the journal cannot be written: ")
      assert.is_nil((j:commit()))
      assert.is_nil((j:verify()))
    end)
  end

  it("finds a sealed value that was forgotten and is back", function()
    local place <close> = journals.folder()
    do
      local j <close> = journals.open(place)
      local value <close> = secret.from("the first value")
      j:seal("id", value)
      assert.is_true(j:commit())
    end
    local kept = ("ATTACH '%s/kept.db' AS k; "):format(place.path)
    journals.tamper(place, kept .. "CREATE TABLE k.sealed AS SELECT * FROM main.sealed")
    do
      local j <close> = journals.open(place)
      j:forget("id")
      assert.is_true(j:commit())
    end
    journals.tamper(place, kept .. "INSERT INTO main.sealed SELECT * FROM k.sealed")
    local j <close> = journals.open(place)
    assert.equal(("the journal in '%s/j' was altered: the sealed value id was deleted, and is there again"):format(
      place.path), select(2, j:verify()))
  end)

  it("is content with an empty journal", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    assert.equal(0, j:verify())
    assert.equal(0, (j:head()))
    assert.same({}, j:history(10))
  end)
end)
