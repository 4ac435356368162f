local layout = require "terminal.layout"

describe("layout", function()
  it("knows how wide a text is", function()
    for text, width in pairs {
      [""] = 0, abc = 3, ["häß"] = 3,
      ["漢字"] = 4, ["🌙"] = 2, ["e\u{301}"] = 1, ["\27[31mred\27[0m"] = 3, ["\xff\xfe"] = 2,
      ["ที่อยู่"] = 3, ["हिन्दी"] = 5, ["✅"] = 2, ["⌚"] = 2, ["☎️"] = 1, ["\27[31"] = 4, ["a\0b"] = 3,
    } do
      assert.equal(width, layout.width(text), text)
    end
  end)

  it("cuts and pads by columns", function()
    assert.equal("abcdef", layout.cut("abcdef", 6))
    assert.equal("abcd…", layout.cut("abcdef", 5))
    assert.equal("漢…", layout.cut("漢字漢", 4))
    assert.equal("✅…", layout.cut("✅✅", 3))
    assert.equal("", layout.cut("", 0))
    assert.equal("漢字 ", layout.pad("漢字", 5))
    assert.equal("  12", layout.pad("12", 4, true))
  end)

  it("breaks lines between words, indented like the first, never within one", function()
    assert.same({ "  one two", "  three" }, layout.wrap("  one two three", 10))
    assert.same({ "why: one", "     two" }, layout.wrap("why: one two", 9, 5))
    assert.same({ "a", "incomprehensibilities", "b" }, layout.wrap("a incomprehensibilities b", 8))
    assert.same({ "  + one two", "      incomprehensible", "          three" },
      layout.wrap("  + one two incomprehensible three", 23, 8)) -- whole, where the indent leaves too little space
    assert.same({ "     one", "incomprehensible" }, layout.wrap("     one incomprehensible", 10, 2))
    assert.same({ "" }, layout.wrap("", 8))
    assert.same({ "a  b" }, layout.wrap("a  b", 8))
  end)

  it("fits what stands beside a name into its own column, and leaves what fits", function()
    assert.equal("  --name TEXT  what it is and\n               is not",
      layout.fit("  --name TEXT  what it is and is not", 30))
    assert.equal("ok  all\n  why: one\n       two", layout.fit("ok  all\n  why: one two", 10))
    assert.equal("a wide name  then\n    more", layout.fit("a wide name  then more", 18))
    assert.equal("\27[1mok  \27[0m  all of\n      it", layout.fit("\27[1mok  \27[0m  all of it", 12))
    assert.equal("short", layout.fit("short", 10))
    assert.equal("a  b\n  # begin\n  init --a b\nc", layout.fit("a  b\n  init --a b  # begin\nc", 18)) -- a command
  end)

  it("wraps a command so that a shell reads it as one, after what it does", function()
    assert.equal("  init  # begin", layout.command("  init  # begin", 15))
    assert.equal("  # begin\n  init --a b", layout.command("  init --a b  # begin", 18))
    assert.equal("  # begin with\n    this\n  init --a \\\n      bcdef",
      layout.command("  init --a bcdef  # begin with this", 14))
    assert.equal("  init --a \\\n      'b c d' e", layout.command("  init --a 'b c d' e", 19))
    assert.equal("  init \\\n  --abc", layout.command("  init --abc", 9))
  end)

  it("sets words in columns, read downwards", function()
    assert.same({ "a    ccc", "bb   d" }, layout.columns({ "a", "bb", "ccc", "d" }, 9))
    assert.same({ "a", "bb" }, layout.columns({ "a", "bb" }, 1))
  end)
end)
