local difference = require "script.difference"

describe("the difference of two texts", function()
  local function diff(before, after) return table.concat(difference.lines(before, after), "\n") end

  it("is nothing when there is none", function()
    assert.equal("", diff("a\nb\n", "a\nb\n"))
    assert.equal("", diff("", ""))
  end)

  it("is what was taken away and what was added, with two lines around", function()
    assert.equal(" a\n-b\n+B\n c", diff("a\nb\nc\n", "a\nB\nc\n"))
    assert.equal("…\n 2\n 3\n+new\n 4\n 5\n…", diff("1\n2\n3\n4\n5\n6\n", "1\n2\n3\nnew\n4\n5\n6\n"))
    assert.equal("-a\n b\n c\n…\n e\n f\n+g", diff("a\nb\nc\nd\ne\nf\n", "b\nc\nd\ne\nf\ng\n"))
    assert.equal("+a", diff("", "a"))
    assert.equal("-a", diff("a", ""))
  end)
end)
