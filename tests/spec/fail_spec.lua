local fail = require "fail"

describe("a failure", function()
  it("reads as what, why and what to do", function()
    local failure = fail.new {
      kind = "denied", what = "create application 'X'", why = "the admin lacks a role", fix = "Activate it in PIM.",
    }
    assert.equal("create application 'X': the admin lacks a role\nActivate it in PIM.", tostring(failure))
    assert.equal("read: gone", tostring(fail.new { kind = "missing", what = "read", why = "gone" }))
  end)

  it("is recognised, by kind too, and nothing else is", function()
    local ok, failure = pcall(fail.raise, { kind = "missing", what = "read", why = "gone", status = 404 })
    assert.is_false(ok)
    assert.is_true(fail.is(failure))
    assert.is_true(fail.is(failure, "missing"))
    assert.is_false(fail.is(failure, "denied"))
    assert.is_false(fail.is("missing"))
    assert.is_false(fail.is(nil))
    assert.equal(404, failure.status)
  end)

  it("insists on a known kind and on what and why", function()
    assert.has_error(function() fail.new { kind = "oops", what = "a", why = "b" } end, 'unknown kind of failure "oops"')
    assert.has_error(function() fail.new { kind = "denied", what = "a" } end, "a failure needs why")
  end)

  it("can be caught by kind, other errors going on", function()
    local function raise(kind) fail.raise { kind = kind, what = "w", why = "y" } end
    local value, failure = fail.catch("missing", raise, "missing")
    assert.is_nil(value)
    assert.is_true(fail.is(failure, "missing"))
    assert.same({ 1, 2 }, { fail.catch("missing", function() return 1, 2 end) })
    local _, other = pcall(fail.catch, "missing", raise, "denied")
    assert.is_true(fail.is(other, "denied"))
    local _, text = pcall(fail.catch, "missing", error, "a bug", 0)
    assert.equal("a bug", text)
  end)
end)

describe("the table of kinds", function()
  local kinds = require "fail.kinds"

  it("has each kind that the comments name, and no other", function()
    local sys, named = require "host.sys", {}
    for kind in sys.embedded("stdlib/fail.lua"):gmatch('\n%-%-%-| "([%l_]+)"') do named[#named + 1] = kind end
    table.sort(named)
    assert.same(named, require("base.sets").sorted(kinds.kinds))
  end)

  it("says of each kind of transport which failure it is, why, and what to do", function()
    for name, transport in pairs(kinds.transports) do
      assert(kinds.kinds[transport.kind], name)
      assert(transport.cause and transport.fix, name)
    end
  end)

  it("does not say of one kind both that it was refused and that it may have been carried out", function()
    for name, kind in pairs(kinds.kinds) do
      assert(not (kind.not_carried_out and (kind.may_have_changed or kind.passes_by_itself)), name)
    end
  end)
end)

describe("a failure", function()
  it("refuses a member that is misspelt, so that no fix is lost", function()
    local ok, failure = pcall(require("fail").raise, { kind = "denied", what = "do it", why = "no", fxi = "Ask." })
    assert.same({ false, "usage", "it has no option 'fxi'" }, { ok, failure.kind, failure.why })
  end)
end)
