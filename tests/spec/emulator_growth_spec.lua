--- What a rotation costs the emulator does not depend on how many there were.

local growth = require "growth"

local function assert_constant(first, last)
  assert.is_true(last <= 1.1 * first, ("%.1f hundred steps, at first %.1f"):format(last, first))
end

describe("a rotation costs the emulator as much as the first did", function()
  it("when thousands of passwords lie in a vault", function()
    assert_constant(growth.first_and_last(3000, growth.passwords(2000)))
  end)

  it("when an application had many secrets before", function()
    assert_constant(growth.first_and_last(1000, growth.client_secrets(20)))
  end)
end)
