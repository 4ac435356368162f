--- A disk that is full while something is put on record: what a person sees, and what comes after.

local rehearsal = require "rehearsal"

describe("a full disk", function()
  -- Files may grow to so many KiB, as on a disk that is full then; the run with it, and one without.
  local function check(words, sizes)
    local said = 0
    for _, size in ipairs(sizes) do
      local emu <close> = rehearsal.new()
      local outcome = emu:run(words, { before = { "prlimit", "--fsize=" .. size * 1024 } })
      local shown = outcome.out .. outcome.err
      assert.is_nil(shown:find("traceback", 1, true), shown)
      assert.is_nil(shown:find("attempt to", 1, true), shown)
      if outcome.status ~= 0 then
        assert.matches("error: [^\n]+\n  why: .+\n  fix: ", shown)
        assert.matches("on record", shown)
        assert.matches("run the same command again", (shown:gsub("%s+", " ")))
        said = said + 1
      end
      outcome = emu:run { "journal", "verify" }
      assert.equal(0, outcome.status, outcome.err)
    end
    assert.is_true(said > 0, "nothing was refused")
  end

  it("is told in three lines by a rotation, wherever it stands", function()
    check({ "rotate", "policies/tier0-users", "--yes", "--quiet" }, { 44, 60, 100 })
  end)

  it("is told in three lines by a setup, wherever it stands", function()
    check({ "apply", "setup/entra-pam-provider", "--yes", "--quiet" }, { 44, 60, 80 })
  end)
end)
