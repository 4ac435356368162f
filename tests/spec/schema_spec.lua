local fail = require "fail"
local nearest = require "base.nearest"
local schema = require "base.schema"

local rule = {
  type = "table",
  members = {
    name = { type = "string", required = true },
    color = { type = "string", choices = { "red", "green" }, default = "red" },
    count = { type = "integer" },
    parts = { type = "table", each = { type = { "string", "boolean" } } },
    inner = { type = "table", default = {}, members = { deep = { type = "number" } } },
    even = { type = "integer", check = function(value) if value % 2 == 1 then return "it is odd" end end },
  },
}

local function refusal(value)
  local ok, failure = pcall(schema.check, "x.lua", "top", value, rule)
  assert.is_false(ok)
  assert.is_true(fail.is(failure, "config"))
  return tostring(failure)
end

describe("schema", function()
  it("accepts what fits and fills in defaults, each time anew", function()
    local first, second = { name = "n" }, { name = "m" }
    schema.check("x.lua", "top", first, rule)
    schema.check("x.lua", "top", second, rule)
    assert.same({ name = "n", color = "red", inner = {} }, first)
    assert.not_equal(first.inner, second.inner)
    local full = { name = "n", count = 1, parts = { "a", true }, inner = { deep = 1.5 }, even = 2 }
    schema.check("x.lua", "top", full, rule)
  end)

  it("names file, member and expected type", function()
    assert.equal("x.lua: top: a table is needed, but it is a number\nWrite { … } as top in x.lua.", refusal(1))
    assert.equal('x.lua: top.name: it is missing; a string is needed\nAdd name = "…" to top in x.lua.', refusal {})
    assert.equal('x.lua: top.name: a string is needed, but it is a boolean\nWrite "…" as top.name in x.lua.',
      refusal { name = true })
    assert.equal("x.lua: top.count: an integer is needed, but it is a number\nWrite 1 as top.count in x.lua.",
      refusal { name = "", count = 1.5 })
    assert.equal("x.lua: top.parts[2]: a string or boolean is needed, but it is a table\n"
      .. 'Write "…" as top.parts[2] in x.lua.', refusal { name = "", parts = { "a", {} } })
    assert.equal("x.lua: top.inner.deep: a number is needed, but it is a string\nWrite 1 as top.inner.deep in x.lua.",
      refusal { name = "", inner = { deep = "1" } })
    assert.equal("x.lua: top.even: it is odd\nCorrect top.even in x.lua, then run the same command again.",
      refusal { name = "", even = 3 })
    assert.equal("x.lua", (function()
      local _, failure = pcall(schema.check, "x.lua", "", 1, rule)
      return failure.what
    end)())
  end)

  it("guesses what was meant", function()
    assert.equal('x.lua: top.nmae: there is no such member\nDid you mean "name"?', refusal { nmae = "" })
    assert.equal('x.lua: top.color: "gren" is none of "red", "green"\nDid you mean "green"? Write it as top.color in '
      .. 'x.lua.',
      refusal { name = "", color = "gren" })
    assert.equal("x.lua: top.something: there is no such member\nLeave it out of top in x.lua, or use one of color, "
      .. "count, even, inner, name, parts.",
      refusal { name = "", something = 1 })
    assert.equal("x.lua: top[1]: there is no such member\nLeave it out of top in x.lua, or use one of color, count, "
      .. "even, inner, name, parts.",
      refusal { "stray", name = "" })
  end)
end)

describe("nearest", function()
  it("finds what is one or two edits away, and nothing further", function()
    assert.equal("description", nearest("decsription", { "description", "name" }))
    assert.equal("verify", nearest("VERIFY", { verify = 1, apply = 1 }))
    assert.equal("apply", nearest("aply", { "verify", "apply" }))
    assert.is_nil(nearest("zebra", { "verify", "apply" }))
    assert.is_nil(nearest("x", {}))
  end)
end)
