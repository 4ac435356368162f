--- rotation.in_use: which client secret the consumer has, in every order of events; taking a confirmation back; what a
--- compacted journal still knows.

local by_word = require "rotation.confirm_and_retire"
local client_secret = require "rotation.client_secret"
local in_use = require "journal.in_use"
local journals = require "journals"
local let_go = require "rotation.retirement"
local profile = require "profile.current"
local segments = require "command.journal_segments"
local store = require "journal.rotations"

local NOW = 1800000000
local rows = store.client_secrets

describe("the client secret in use", function()
  local place, journal

  before_each(function()
    place = journals.folder()
    journal = journals.open(place)
    profile.use { name = "contoso", state = place.path .. "/j" }
  end)

  after_each(function()
    journal:close()
    local _ <close> = place
  end)

  -- One that was handed over.
  local function made(key_id)
    local row = rows:new(journal, { app_id = "app", application = "object", name = "PAM", key_id = key_id,
      ends = NOW + 86400, grace = 7 * 86400 })
    rows:put(journal, row, "handed_over", { stored_at = NOW })
    return row
  end

  local function use()
    local found = in_use.sort(rows:all(journal, "app"))
    return found.has and found.has.body.key_id, found.waiting and found.waiting.body.key_id, #found.retiring
  end

  it("is not known before somebody says so", function()
    made "one"
    assert.same({ nil, "one", 0 }, { use() })
  end)

  it("stays what was confirmed while a newer one waits, and when it is closed as expired", function()
    local one = made "one"
    by_word.confirm(journal, one.id)
    made "two"
    assert.same({ "one", "two", 0 }, { use() })
    rows:close(journal, rows:get(journal, one.id), "it has expired")
    assert.same({ "one", "two", 0 }, { use() })
  end)

  it("is the one that was confirmed last, though the clock was set back between", function()
    local one, two = made "one", made "two"
    by_word.confirm(journal, one.id)
    local row = rows:get(journal, one.id)
    rows:put(journal, row, row.state, { confirmed_at = NOW + 10 * 365 * 86400 })
    by_word.confirm(journal, two.id)
    assert.same({ "two", nil, 1 }, { use() })
  end)

  it("is the older one when a person confirms that one after the newer", function()
    local one, two = made "one", made "two"
    by_word.confirm(journal, two.id)
    assert.equal("retiring", rows:get(journal, one.id).state)
    by_word.take_back(journal, two.id)
    by_word.confirm(journal, one.id)
    assert.same({ "one", nil, 1 }, { use() })
  end)

  it("is again the one before when a confirmation is taken back", function()
    local one, two = made "one", made "two"
    by_word.confirm(journal, one.id)
    local three = made "three"
    by_word.confirm(journal, three.id)
    assert.same({ "three", nil, 2 }, { use() })
    by_word.take_back(journal, three.id)
    assert.same({ "one", "three", 1 }, { use() })
    local again = rows:get(journal, one.id)
    assert.same({ "confirmed", nil, nil }, { again.state, again.body.retire_at, again.body.why })
    assert.equal("retiring", rows:get(journal, two.id).state)
  end)

  it("refuses to take back what no person confirmed", function()
    local one = made "one"
    local ok, err = pcall(by_word.take_back, journal, one.id)
    assert.falsy(ok)
    assert.equal("take back the confirmation of " .. one.body.marker, err.what)
    assert.equal("neither a person nor Entra's log confirmed it, or a newer credential has replaced it", err.why)
    let_go.confirm(journal, client_secret, rows:get(journal, one.id), "read back from the vault")
    assert.falsy((pcall(by_word.take_back, journal, one.id)))
  end)

  it("is known to a journal that was compacted", function()
    local one = made "one"
    by_word.confirm(journal, one.id)
    rows:close(journal, rows:get(journal, one.id), "it has expired")
    local lost = made "lost"
    rows:close(journal, rows:get(journal, lost.id), "refused")
    made "two"
    segments.compact(journal, nil, { before = "2126-01-01", yes = true })
    assert.same({ "one", "two", 0 }, { use() })
    assert.is_nil(rows:get(journal, lost.id), "what nobody has goes")
  end)
end)
