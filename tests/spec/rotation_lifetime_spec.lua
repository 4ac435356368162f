--- How long credentials live, and from when they are replaced.

local lifetime = require "journal.lifetime"

local DAY = 86400

local function row(fields) return { created = 0, body = fields } end

describe("a credential is replaced", function()
  it("30 days before its end, or a third of its life where that is less; as was asked for, where it was", function()
    assert.equal(30 * DAY, lifetime.renew_before(nil, 180 * DAY))
    assert.equal(20 * DAY, lifetime.renew_before(nil, 60 * DAY))
    assert.equal(10 * DAY, lifetime.renew_before(nil, 30 * DAY))
    assert.equal(45 * DAY, lifetime.renew_before(45 * DAY, 60 * DAY))
  end)

  it("by the length of its own life, which may be another than a new one gets", function()
    local short = row { lifetime = 30 * DAY, made_at = 0, ends = 30 * DAY }
    assert.is_nil(lifetime.why_due(short, { lifetime = 180 * DAY }, 19 * DAY))
    assert.equal("the one in use expires in 10 days", lifetime.why_due(short, { lifetime = 180 * DAY }, 20 * DAY))
    local found = row { made_at = 100 * DAY, ends = 160 * DAY } -- of which only Entra's dates are known
    assert.equal(140 * DAY, lifetime.due_at(found, {}))
    assert.equal("until 1970-06-10; renewed 20 days before", lifetime.validity_text(found, {}))
  end)

  it("not before it begins", function()
    local args = { lifetime = 20 * DAY, renew_before = 30 * DAY }
    local ok, failure = pcall(lifetime.check_arguments, "client secret", args)
    assert.is_false(ok)
    assert.equal("it would live 20 days and be renewed 30 days before it expires", failure.why)
    lifetime.check_arguments("client secret", { lifetime = 20 * DAY })
    lifetime.check_arguments("client secret", { renew_before = 30 * DAY })
  end)
end)
