local history = require "repl.history"
local moonlatch = require "moonlatch"
local secret = require "host.secret"
local sys = require "host.sys"

describe("the history", function()
  it("keeps no secret: neither a living one nor what is written as one", function()
    local value <close> = secret.from "correct-horse-battery"
    assert.equal('print("[secret]")', history.mask_secrets 'print("correct-horse-battery")')
    assert.is_truthy(value)
    for text, want in pairs {
      ['x = { password = "abc" }'] = 'x = { password = "[secret]" }',
      ["f{ newPassword='abc', a='b' }"] = "f{ newPassword='[secret]', a='b' }",
      ['t["clientSecret"] = "abc"'] = 't["clientSecret"] = "[secret]"',
      ['s = secret.from "abc"'] = 's = secret.from "[secret]"',
      ['s = secret.from("abc")'] = 's = secret.from("[secret]")',
      ["s = secret.from [[abc]]"] = "s = secret.from [[[secret]]]",
      ['{ password = "", b = 1 }'] = '{ password = "[secret]", b = 1 }',
      ['graph.get("/users", { filter = "displayName eq \'x\'" })'] =
        'graph.get("/users", { filter = "displayName eq \'x\'" })',
    } do
      assert.equal(want, history.mask_secrets(text))
    end
  end)

  local function with_home(fn)
    local place <close> = moonlatch.place()
    local getenv = sys.getenv
    sys.getenv = function(name) return name == "HOME" and place.path or nil end
    local ok, err = pcall(fn, place.path .. "/.local/state/moonlatch/history")
    sys.getenv = getenv
    assert(ok, err)
  end

  it("is a private file with an entry a line, whatever lines it has", function()
    with_home(function(path)
      assert(history.add "one")
      assert(history.add "for i = 1, 2 do\n  print(\"a\\n\")\nend")
      assert(history.add "for i = 1, 2 do\n  print(\"a\\n\")\nend")
      assert.equal(384, sys.stat(path).mode & 511)
      assert.same({ "one", "for i = 1, 2 do\n  print(\"a\\n\")\nend" }, history.load())
      assert.equal("one\nfor i = 1, 2 do\\n  print(\"a\\\\n\")\\nend\n", sys.read(path, 1000))
    end)
  end)

  it("forgets the oldest of a thousand, and reads only what is private", function()
    with_home(function(path)
      local lines = {}
      for i = 1, 1200 do lines[i] = "line " .. i end
      assert(history.add "first")
      assert(sys.write(path, table.concat(lines, "\n") .. "\n", "replace"))
      assert(history.add "last")
      local entries = history.load()
      assert.same({ 1000, "line 202", "last" }, { #entries, entries[1], entries[1000] })
      os.execute(("chmod 666 '%s'"):format(path))
      assert.same({}, history.load())
    end)
  end)

  it("is not there without a home", function()
    local getenv = sys.getenv
    sys.getenv = function() return nil end
    local path, entries = history.path(), history.load()
    sys.getenv = getenv
    assert.is_nil(path)
    assert.same({}, entries)
  end)
end)
