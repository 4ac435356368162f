local fail = require "fail"
local lua_file = require "base.lua_file"
local moonlatch = require "moonlatch"

local function evaluate(text) return lua_file.evaluate(text, "x.lua", { one = 1 }) end

local function refusal(text)
  local ok, failure = pcall(evaluate, text)
  assert.is_false(ok)
  assert.is_true(fail.is(failure, "config"))
  return tostring(failure)
end

describe("a Lua file", function()
  it("gives its value, with the names it was given only", function()
    assert.same({ 3 }, evaluate "return { one + 2 }")
    assert.equal("load the file x.lua: x.lua:1: attempt to call a nil value (global 'print')\n"
      .. "Write plain values only, without loops and calls of functions.", refusal "print(1)")
    assert.matches("^load the file x.lua: x.lua:2: unexpected symbol near '!'\nCorrect the line named.$",
      refusal "return {\n!")
  end)

  it("may begin with a byte order mark and a line for the shell, which count as a line", function()
    assert.same({ 3 }, evaluate "\239\187\191return { one + 2 }")
    assert.same({ 3 }, evaluate "\239\187\191#!/usr/bin/moonlatch\nreturn { one + 2 }")
    assert.matches("x.lua:2: unexpected symbol", refusal "#!/usr/bin/moonlatch\n!")
  end)

  it("in another encoding is refused with its name or its line", function()
    assert.equal("load the file x.lua: the file is UTF-16\nSave the file as UTF-8.", refusal "\255\254r\0e\0")
    assert.equal("load the file x.lua: line 2: the byte 0xE9 is not UTF-8\nSave the file as UTF-8.",
      refusal "return {\n'caf\xE9' }")
    assert.equal("load the file x.lua: the file is compiled Lua\nName the file with the source text.",
      refusal(string.dump(function() end)))
  end)

  it("runs only so many instructions, in only so much memory", function()
    assert.equal("load the file x.lua: it does not end: it was stopped after ten million instructions\n"
      .. "Write plain values only, without loops and calls of functions.", refusal "while true do end")
    for _, text in ipairs { "local s = ('x'):rep(1 << 30)", "local s = 'x' while true do s = s .. s end" } do
      assert.matches("^load the file x.lua: it needs more memory than it may use\n", refusal(text))
    end
  end)

  it("with a byte order mark is read as configuration, policy and script", function()
    local place <close> = moonlatch.place()
    local script = place:write("a.lua", "\239\187\191return { summary = 'x', run = function() print 'read' end }")
    local config = place:write("moonlatch.lua", "\239\187\191return { profiles = { x = { tenant = 'contoso.com' } } }")
    assert.equal("read\n", place:run({ "run", script, "--emulator" }).out)
    assert.matches("why: there is no such profile",
      place:run({ "whoami", "--config", config, "--profile", "y" }).err)
  end)
end)
