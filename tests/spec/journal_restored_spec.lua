--- The installations a journal was, and what a restored one knows of itself.

local journal = require "host.journal"
local journals = require "journals"

describe("a journal's installations", function()
  it("are its own alone, until it is restored", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    assert.same({ j:installation() }, j:installations())
    assert.is_nil(j:restored_at())
  end)

  it("are its new one and the former ones, newest first, once it is committed", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local ids
    do
      local j <close> = journals.open(place)
      ids = { j:installation() }
      j:mark_restored(2000)
    end
    for at = 1, 2 do
      local j <close> = journals.open(place)
      assert.same(ids, j:installations())
      j:mark_restored(2000.25 + at)
      assert.is_true(j:commit())
      table.insert(ids, 1, j:installation())
      assert.same(ids, j:installations())
    end
    local j <close> = journals.open(place)
    assert.same(ids, j:installations())
    assert.equal(3, #ids)
    assert.is_true(ids[1] ~= ids[2] and ids[2] ~= ids[3] and ids[1] ~= ids[3])
    assert.equal(ids[1], j:installation())
    assert.equal(2002.25, j:restored_at())
    assert.equal(10, j:verify())
    local last = j:history(1)[1]
    assert.same({ "journal.restore", 2002.25, { installation = ids[1], replaces = false } },
      { last.kind, last.time, last.body })
    local value <close> = assert(j:unseal("b"))
    assert.equal(15, #value)
  end)

  it("stay as they are when it replaces the one it was made of", function()
    local place <close> = journals.folder()
    journals.fill(place)
    local own
    do
      local j <close> = journals.open(place)
      own = j:installations()
      j:mark_restored(3000, true)
      assert.is_true(j:commit())
    end
    local j <close> = journals.open(place)
    assert.same(own, j:installations())
    assert.equal(3000.0, j:restored_at())
    assert.equal(9, j:verify())
  end)

  it("cannot be planted, taken away or put in another order by whoever has no key", function()
    for _, ids in ipairs {
      "value || 'deadbeef'", "'deadbeef' || value", "substr(value, 1, 8)", "substr(value, 9, 8)",
      "substr(value, 9, 8) || substr(value, 1, 8)", "substr(value, 1, 15)", "zeroblob(16)", "zeroblob(4096)",
    } do
      local place <close> = journals.folder()
      journals.fill(place)
      do
        local j <close> = journals.open(place)
        j:mark_restored(2000)
        assert.is_true(j:commit())
      end
      journals.tamper(place, ("UPDATE meta SET value = CAST(%s AS BLOB) WHERE name = 'installation'"):format(ids))
      local none, _, kind = journal.open(place.path .. "/j", journals.KEY, journals.BINDING)
      assert.is_nil(none, ids)
      assert.equal("damaged", kind)
    end
  end)

  it("are so many at most, and then it says so", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    for at = 1, 63 do j:mark_restored(at) end
    assert.equal(64, #j:installations())
    assert.has_error(function() j:mark_restored(64) end, "the journal cannot be written: it was restored too often: "
      .. "give the profile another state folder")
  end)

  it("are marked with a moment", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    assert.error_matches(function() j:mark_restored(0) end, "a time after 1970 expected")
    assert.error_matches(function() j:mark_restored(0 / 0) end, "a time expected")
  end)
end)
