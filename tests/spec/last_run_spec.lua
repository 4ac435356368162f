--- The record of each policy's last run, where one of them cannot be opened.

local findings = require "notice.findings"
local last_run = require "journal.last_run"

-- A journal that keeps two records, and cannot open the second.
local function journal()
  return {
    kept_names = function() return { "last run/policies/one", "last run/policies/two" } end,
    kept = function(_, name)
      if name == "last run/policies/one" then
        return { policy = "policies/one", at = 1, changed = 0, problems = {}, count = 0 }
      end
      return nil, "it cannot be opened"
    end,
    list = function() return {} end,
  }
end

describe("a last run that cannot be opened", function()
  it("is named beside those that can", function()
    local runs, unread = last_run.all(journal())
    assert.same({ 1, "policies/one", { "policies/two" } }, { #runs, runs[1].policy, unread })
  end)

  it("is unknown, and no success", function()
    local look = findings.new()
    findings.add_rotations(look, journal())
    assert.equal(1, #look.findings)
    assert.equal("it is not known how the last run of policies/two ended", look.findings[1].title)
    assert.matches("journal verify", look.findings[1].fix, 1, true)
    assert.is_true(look.unseen.journal)
  end)
end)
