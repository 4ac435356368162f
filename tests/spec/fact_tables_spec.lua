local data = require "base.fact_tables"

describe("fact_tables", function()
  it("reads a table that travels in the binary", function()
    local rows = data.rows("scripts/emulator/data/roles.tsv")
    assert.equals(141, #rows)
    assert.same({ "d2562ede-74db-457e-a7b6-544e236ebb61", "AI Administrator" }, rows[1])
  end)

  it("has an empty field for a dash", function()
    local rows = data.rows("scripts/emulator/data/permissions.tsv")
    local seen = false
    for _, row in ipairs(rows) do
      assert.equals(4, #row)
      seen = seen or row[2] == ""
    end
    assert.is_true(seen)
  end)

  it("says which table is missing", function()
    assert.error_matches(function() data.rows("nowhere.tsv") end, 'there is no table "nowhere%.tsv" in the binary')
  end)
end)
