--- The emulator outlives 20,000 rotations of passwords and of client secrets, and
--- answers the last as it did the first.

local growth = require "growth"

require("host.secret").room(16) -- as the command does

local COUNT = 20000

local function assert_constant(first, last)
  assert.is_true(last <= 1.1 * first, ("%.1f hundred steps, at first %.1f"):format(last, first))
end

describe("the 20,000th rotation", function()
  it("of a password", function() assert_constant(growth.first_and_last(COUNT, growth.passwords(COUNT))) end)

  it("of a client secret", function() assert_constant(growth.first_and_last(COUNT, growth.client_secrets(100))) end)
end)
