local child = require "child"
local edit = require "host.edit"
local process = require "host.process"

-- A program that reads lines until there are no more, and says what it read.
local READ = [[
  local edit, sys, term = require "host.edit", require "host.sys", require "host.term"
  sys.catch_interrupts()
  local editor <close> = assert(edit.open())
  local calls = {}
  local function is_complete(text)
    if text == "fails" then error("no such thing") end
    return not text:find "^do" or text:find "end$" ~= nil
  end
  local function complete(before, after)
    calls[#calls + 1] = before .. "|" .. after
    if before == "fail" then error("no such thing") end
    if before == "list" then term.write("out", "\nlist lisp\n") return nil, 0, true end
    if before == "GRA" then return "graph", 3 end
    if before == "ü" then return "ber", 0 end
    return "ph", 0
  end
  while true do
    local line, why = editor:read("> ", complete, is_complete)
    if line == "calls" then line = table.concat(calls, " ") end
    if line then editor:remember(line) end
    term.write("out", ("[%s]%s\n"):format(line or "none", why or ""))
    if why == "end" then return 0 end
    sys.forget_interrupts()
  end]]

local function read(steps)
  local place <close> = child.folder()
  local seen = child.play(place, steps, READ)
  assert.equal(0, seen.status, seen.shown)
  assert.is_true(seen.echo)
  return seen.shown
end

local function check(shown, text)
  assert(shown:find(text, 1, true), ("%q is not in\n%s"):format(text, shown))
end

describe("host.edit", function()
  it("reads lines until Ctrl-D, also where that was typed too early", function()
    local shown = read { "> ", "one\\n", "[one]", "^D" }
    check(shown, "[none]end")
    check(read { "", "^D" }, "[none]end")
  end)

  it("gives back to its caller when interrupted, and forgets the line", function()
    local shown = read { "> ", "half a li", "half a li", "^C", "[none]interrupted", "whole\\n", "[whole]", "^D" }
    check(shown, "[whole]")
  end)

  it("asks Lua to complete, inserts and takes away what that says, and survives its errors", function()
    local shown = read { "> ", "gra\t\\n", "[graph]", "GRA\t\\n", "[graph]", "fail\t\\n", "[fail]", "ü\t\\n", "[über]",
      "calls\\n", "gra| GRA| fail| ü|", "^D" }
    check(shown, "[gra| GRA| fail| ü|]")
  end)

  it("tells what stands after the cursor", function()
    check(read { "> ", "xy\27[D\t\\n", "[xphy]", "calls\\n", "x|y]", "^D" }, "[x|y]")
  end)

  it("shows the line again below what completion wrote", function()
    local shown = read { "> ", "list\t", "lisp", "\\n", "[list]", "^D" }
    check(shown, "list lisp")
    check(shown, "> list")
  end)

  it("recalls an entry, also of several lines, as one", function()
    local place <close> = child.folder()
    local body = READ:gsub("local calls = {}", 'local calls = {} editor:remember("a\\nb\\nc")')
    local seen = child.play(place, { "> ", "\27[A\\n", "[a", "^D" }, body)
    check(seen.shown:gsub("\r", ""), "[a\nb\nc]")
  end)

  it("begins a line in an entry that is not complete, and moves between its lines, then through the history", function()
    local up, down = "\27[A", "\27[B"
    local shown = read { "> ", "one\\n", "[one]", "do\\n", "do", "ab\\n", "ab", "end\\n", "[do", "fails\\n", "[fails]",
      up .. up .. up .. "X" .. up .. "Y" .. down .. "Z\\n", "[doY", up:rep(6) .. "!\\n", "[do", "^D" }
    shown = shown:gsub("\r", "")
    check(shown, "[do\nab\nend]")
    check(shown, "[doY\nabXZ\nend]")
    check(shown, "[do\nab!\nend]")
  end)

  it("edits characters, not bytes, without a locale", function()
    check(read { "> ", "häß漢x\27[D\127!\\n", "[häß!x]", "^D" }, "[häß!x]")
  end)

  it("is not to be had without a terminal, or with one that cannot move its cursor", function()
    local body = [[
      local editor, message = require "host.edit".open()
      require "host.term".write("out", ("%s %s\n"):format(editor, message))
      return 0]]
    local place <close> = child.folder()
    local piped <close> = assert(process.start(child.arguments(place, body)))
    local message = "nil cannot edit a line here: standard input and output are not a terminal whose cursor can be "
      .. "moved"
    assert.equal(message, piped:line(10))
    check(child.play(place, { TERM = "dumb" }, body).shown, message)
    assert.is_nil((edit.open()))
  end)
end)
