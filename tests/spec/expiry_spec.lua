--- expiry: what the journal says of dates, in worlds that would make it lie.

local on_record = require "expiry.on_record"
local look = require "expiry.look"
local rotations = require "journal.rotations"
local stage = require "stage"

local NOW, DAY = 1796000000, 86400
local journal

local function made(key_id, state, more)
  local body = { application = "obj-1", app_id = "app-1", name = "Our app", workflow = "policies/ours", key_id = key_id,
    ends = NOW + 90 * DAY, grace = 7 * DAY }
  for name, value in pairs(more or {}) do body[name] = value end
  local rows = rotations.client_secrets
  local row = rows:new(journal, body)
  rows:put(journal, row, state)
  return row
end

local function uses()
  local list = {}
  for i, item in ipairs(on_record.read(journal)) do list[i] = item.kind .. " " .. item.key_id .. ": " .. item.use end
  return list
end

describe("the dates on record", function()
  before_each(function() journal = stage.journal() end)

  it("name the command of the policy that replaces a secret", function()
    made("k1", "confirmed", { confirmed_at = NOW })
    assert.equal("Replace it: moonlatch rotate policies/ours --now 'Our app'", on_record.read(journal)[1].fix)
  end)

  it("leave out a secret that was removed, and keep one that expired in the consumer's hands", function()
    made("k1", "closed", { confirmed_at = NOW, why = "destroyed" })
    assert.same({}, uses())
    journal = stage.journal()
    made("k2", "closed", { confirmed_at = NOW, why = "it has expired", ends = NOW - DAY })
    assert.same({ "client secret k2: in use" }, uses())
  end)

  it("do not mix the applications", function()
    made("k1", "confirmed", { confirmed_at = NOW })
    made("k2", "handed_over", { app_id = "app-2", where = "journal" })
    assert.same({ "client secret k1: in use", "client secret k2: waiting", "hand-over k2: to confirm" }, uses())
  end)

  it("have no hand-over of a secret that nobody proved, and say when a date is not on record", function()
    made("k1", "known", { ends = false })
    journal.rows[journal.order[1]].body.ends = nil
    assert.same({ "client secret k1: waiting" }, uses())
    local calendar = look.look(journal, { sign_in = { method = "managed_identity" } }, { offline = true })
    assert.equal("when the client secret k1 of 'Our app', waiting, expires",
      (calendar.unknown[1].what:gsub("…", "")))
    assert.equal("its expiry date is not on record", calendar.unknown[1].why)
    assert.same({}, look.until_moment(calendar, math.huge))
  end)

  it("stay one line whatever a name holds", function()
    made("k1", "confirmed", { confirmed_at = NOW, name = "a\r\nBEGIN:VEVENT\27[2J" })
    local calendar = look.look(journal, { sign_in = { method = "managed_identity" } }, { offline = true })
    assert.equal("the client secret …k1 of 'a  BEGIN:VEVENT [2J', in use", look.words(calendar.items[1]))
    assert.is_nil(look.calendar_text(calendar):find("\r\nBEGIN:VEVENT\27", 1, true))
    local _, count = look.calendar_text(calendar):gsub("\r\nBEGIN:VEVENT\r\n", "")
    assert.equal(1, count)
  end)
end)
