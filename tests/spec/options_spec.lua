-- What a public function is told is read once, and what it does not know is refused.

local fail = require "fail"
local graph = require "graph"
local options = require "base.options"
local program = require "program"
local text = require "graph.text"

local read = options.of("graph.count", { filter = "string|table", top = "integer", what = "string", any = "any" })

local function refusal(fn, ...)
  local ok, failure = pcall(fn, ...)
  assert.is_false(ok)
  assert(fail.is(failure, "usage"), tostring(failure))
  return failure
end

describe("an option", function()
  it("that is misspelt is refused, with the function, the place in the script and what was meant", function()
    local failure = refusal(read, { filtr = "accountEnabled eq true" })
    assert.matches("^call graph%.count in .*options_spec%.lua:%d+$", failure.what)
    assert.equal("it has no option 'filtr'", failure.why)
    assert.equal("Did you mean 'filter'?", failure.fix)
  end)

  it("that is like none is refused with those there are", function()
    assert.equal("Use one of its options: any, filter, top, what.", refusal(read, { zzzzz = 1 }).fix)
    assert.equal("it has no option '1'", refusal(read, { "filter" }).why)
  end)

  it("of another type is refused, with the types it may have", function()
    local failure = refusal(read, { filter = 3 })
    assert.equal("its option 'filter' is a number", failure.why)
    assert.equal("Give it as a string or table.", failure.fix)
    assert.equal("its option 'top' is a number that is not whole", refusal(read, { top = 1.5 }).why)
    assert.equal("Give it as an integer.", refusal(read, { top = 1.5 }).fix)
    assert.equal("its options are a string", refusal(read, "filter").why)
  end)

  it("is read once and past metatables, so that what was checked is what is used", function()
    local reads = 0
    local given = setmetatable({ what = "x" }, {
      __index = function() reads = reads + 1 return "filter" end,
      __pairs = function() reads = reads + 1 return next, {} end,
    })
    local copy = read(given)
    assert.same({ what = "x" }, copy)
    assert.is_nil(getmetatable(copy))
    assert.equal(0, reads)
    given.what = "y"
    assert.equal("x", copy.what)
    refusal(read, setmetatable({ filtr = "x" }, { __pairs = function() return next, {} end }))
  end)

  it("may be left out, all of them too", function()
    assert.same({}, read())
    assert.same({}, read {})
    assert.same({ any = false }, read { any = false })
  end)
end)

describe("graph", function()
  it("counts nobody when the filter is misspelt", function()
    local failure = refusal(graph.count, "/users", { filtr = "accountEnabled eq true" })
    assert.matches("^call graph%.count", failure.what)
    assert.equal("Did you mean 'filter'?", failure.fix)
  end)

  it("refuses what is misspelt in a part of a batch, and in what is expanded", function()
    assert.equal("it has no option 'selct'", refusal(graph.batch, { { path = "/users/1", selct = { "id" } } }).why)
    assert.equal("it has no option 'filtr'", refusal(text.expand, { memberOf = { filtr = "x eq 1" } }).why)
  end)

  it("that stands where all of them should is refused", function()
    local failure = refusal(program.run, "tell", {}, "and input")
    assert.same({ "its options are a string", "Give them as a table." }, { failure.why, failure.fix })
  end)

  it("keeps from scripts what only the library may say of a call", function()
    for name, value in pairs {
      credential = {}, note = "x", once = true, ready = function() end, sending = function() end,
    } do
      assert.equal(("it has no option '%s'"):format(name), refusal(graph.get, "/users", { [name] = value }).why)
    end
  end)
end)
