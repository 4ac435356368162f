--- Names in one text: what is printed for a command line is read as the same names.

local name_list = require "base.name_list"

describe("a list of names", function()
  it("is read as the names it was written of", function()
    for _, list in ipairs {
      {}, { "a" }, { "a", "b" }, { "Tier 0, EU", "Tier 1" }, { [[Entra\Tier0]], [[ends\]], "c" },
      { [[\,]], [[,\]], [[\\]] },
      { "O'Neil, Großmann", "a,b,,c" },
    } do
      assert.same(list, name_list.read(name_list.text(list)))
    end
  end)
end)
