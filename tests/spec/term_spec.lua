local await = require "await"
local child = require "child"
local process = require "host.process"
local term = require "host.term"

--- What `body` writes to standard output when no terminal is there.
local function output(place, body, input)
  local words = table.concat(child.arguments(place, body), "' '")
  local shell <close> = assert(process.start({ "/bin/sh", "-c", ("%s '%s'"):format(input or "", words) }))
  local lines = {}
  for line in function() return shell:line(10) end do lines[#lines + 1] = line end
  return table.concat(lines, "\n"), shell:wait(5)
end

describe("host.term writing", function()
  it("redacts living secrets", function()
    local place <close> = child.folder()
    assert.equal("the password is [secret].", (output(place, [[
      local value = require "host.secret".from("hunter2hunter2")
      require "host.term".write("out", "the password is hunter2hunter2.\n")
      return 0]])))
  end)

  it("takes out what would steer the terminal, and keeps what is read", function()
    local place <close> = child.folder()
    assert.equal("a?]0;title?b\27[31mred\27[0m?[K ?[2J é 漢 🌙 ???x ?? tab\tend", (output(place, [[
      require "host.term".write("out", "a\27]0;title\7b\27[31mred\27[0m\27[K \27[2J é 漢 🌙 \u{202e}x \u{9b} tab\tend\n")
      return 0]])))
    assert.equal("cut ??", (output(place, [[require "host.term".write("out", "cut \xe6\xbc\n") return 0]])))
  end)

  it("lets no name that comes from elsewhere hide or turn round the line it stands in", function()
    local place <close> = child.folder()
    assert.equal("??[K+ '??[8mnothing' ?x\r", (output(place, [[
      require "host.term".write("out", "\r\27[K+ '\r\27[8mnothing' \rx\r\n")
      return 0]])))
    for _, point in ipairs { 0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068,
      0x2069 } do
      local text = utf8.char(point)
      assert.equal(("?"):rep(#text) .. "x", (output(place, ([[
        require "host.term".write("out", "\u{%x}x\n")
        return 0]]):format(point))))
    end
    assert.equal("?x?", (output(place, [[require "host.term".write("out", "\0x\0\n") return 0]])))
  end)

  it("keeps all of it as data for a program, and none for a terminal", function()
    local place <close> = child.folder()
    assert.equal("a\rb\u{202e}\27[2Jc\r", (output(place, [[
      require "host.term".write_data("a\rb\u{202e}\27[2Jc\r\n")
      return 0]])))
    local code = [[require "host.term".write_data("a\rb\u{202e}\27[2Jc\r\n") return 0]]
    assert.truthy(child.play(place, {}, code).shown:find("a?b????[2Jc", 1, true))
    assert.equal("\r\27[K", (output(place, [[require "host.term".clear() return 0]], "exec 2>&1;")))
  end)

  it("writes much to a slow reader", function()
    local place <close> = child.folder()
    local go = place.path .. "/go"
    assert(os.execute(("mkfifo '%s'"):format(go)))
    local words = table.concat(child.arguments(place, [[
      local sys, term = require "host.sys", require "host.term"
      term.write("err", sys.pid() .. "\n")
      term.write("out", ("x"):rep(1000000) .. "\n")
      return 0]]), "' '")
    local line = ("('%s' 2>&3 | (read line <'%s'; wc -c)) 3>&1"):format(words, go)
    local shell <close> = assert(process.start { "/bin/sh", "-c", line })
    local pid = tonumber(shell:line(await.PATIENCE))
    await.event("the pipe is full", function() return await.process(pid) == "S" end)
    io.open(go, "w"):close()
    assert.equal("1000001", shell:line(await.PATIENCE))
  end)

  local function status_without_reader(place, body)
    local words = table.concat(child.arguments(place, body), "' '")
    local line = ("'%s' | true; echo ${PIPESTATUS[0]}"):format(words)
    local shell <close> = assert(process.start { "/bin/bash", "-c", line })
    return shell:line(10)
  end

  it("ends the program by SIGPIPE when nobody reads any more", function()
    local place <close> = child.folder()
    assert.equal("141", status_without_reader(place, [[
      local sys, term = require "host.sys", require "host.term"
      for _ = 1, 6000 do term.write("out", "text\n") sys.sleep(10) end
      return 5]]))
  end)

  it("goes on without a reader while a journal is open", function()
    local place <close> = child.folder()
    assert.equal("5", status_without_reader(place, ([[
      local sys, term = require "host.sys", require "host.term"
      local key = require "host.secret".from(("k"):rep(32))
      local journal <close> = assert(require "host.journal".open("%s/state", key, "login/tenant"))
      local ok, message
      for _ = 1, 6000 do
        ok, message = term.write("out", "text\n")
        if not ok then break end
        sys.sleep(10)
      end
      assert(not ok and message == "cannot write to standard output: Broken pipe", message)
      return 5]]):format(place.path)))
  end)

  it("knows no terminal here", function()
    local place <close> = child.folder()
    assert.equal("false 80", (output(place, [[
      local term = require "host.term"
      term.write("out", tostring(term.is_terminal("out")) .. " " .. term.width() .. "\n")
      return 0]])))
    assert.has_error(function() term.write("log", "x") end, "bad argument #1 to 'write' (invalid option 'log')")
  end)
end)

describe("host.term reading", function()
  it("takes lines of a pipe, without a prompt", function()
    local place <close> = child.folder()
    local text = output(place, [[
      local term = require "host.term"
      while true do
        local line = term.read_line("> ")
        if not line then break end
        term.write("out", "<" .. line .. ">\n")
      end
      return 0]], "printf 'one\\n\\nthree' |")
    assert.equal("<one>\n<>\n<three>", text)
  end)

  it("prompts a person", function()
    local place <close> = child.folder()
    local seen = child.play(place, { "name? ", "Ada\\n", "again? ", "^D" }, [[
      local term = require "host.term"
      term.write("out", "hello " .. term.read_line("name? ") .. "\n")
      assert(term.is_terminal("in") and term.read_line("again? ") == nil)
      return 3]])
    assert.equal(3, seen.status)
    assert.truthy(seen.shown:find("hello Ada", 1, true))
  end)

  it("ends at an interrupt that is caught", function()
    local place <close> = child.folder()
    local seen = child.play(place, { "name? ", "^C" }, [[
      local sys, term = require "host.sys", require "host.term"
      sys.catch_interrupts()
      assert(term.read_line("name? ") == nil and sys.interrupts() == 1)
      return 4]])
    assert.equal(4, seen.status)
  end)

  it("takes a secret without showing it, and puts the echo back", function()
    local place <close> = child.folder()
    local seen = child.play(place, { "password: ", "swordfish-42\\n", "really: ", "visible\\n" }, [[
      local secret, term = require "host.secret", require "host.term"
      local value = assert(term.read_secret("password: "))
      assert(secret.equals(value, secret.from("swordfish-42")))
      term.read_line("really: ")
      return 0]])
    assert.equal(0, seen.status)
    assert.is_true(seen.echo)
    assert.is_nil(seen.shown:find("swordfish", 1, true))
    assert.truthy(seen.shown:find("visible", 1, true))
  end)

  it("puts the echo back when it is interrupted, caught or not", function()
    local place <close> = child.folder()
    local caught = child.play(place, { "password: ", "^C" }, [[
      local sys, term = require "host.sys", require "host.term"
      sys.catch_interrupts()
      local value, message = term.read_secret("password: ")
      assert(value == nil and message == "no secret was read: Ctrl-C was pressed" and sys.interrupts() == 1, message)
      return 6]])
    assert.equal(6, caught.status)
    assert.is_true(caught.echo)
    local died = child.play(place, { "password: ", "^C" }, [[require "host.term".read_secret("password: ") return 0]])
    assert.equal(-2, died.status)
    assert.is_true(died.echo)
  end)

  it("knows that nothing was entered", function()
    local place <close> = child.folder()
    for keys, reason in pairs { ["\\n"] = "nothing was typed before Enter", ["^D"] = "nothing was typed" } do
      local seen = child.play(place, { "password: ", keys }, ([[
        local value, message, kind = require "host.term".read_secret("password: ")
        assert(value == nil and kind == "empty" and message == "no secret was read: %s", message)
        return 7]]):format(reason))
      assert.equal(7, seen.status)
    end
  end)

  it("asks for no secret without a terminal", function()
    local place <close> = child.folder()
    local words = child.arguments(place, [[
      local secret, term = require "host.secret", require "host.term"
      local value, message = term.read_secret("password: ")
      term.write("out", tostring(value) .. " " .. message .. "\n")
      value, message = term.reveal("heading", secret.from("swordfish-42"))
      term.write("out", tostring(value) .. " " .. message .. "\n")
      return 0]])
    local apart <close> = assert(process.start({ "/usr/bin/setsid", "-w", table.unpack(words) }))
    assert.equal("nil cannot ask for a secret: there is no terminal",
      apart:line(10))
    assert.equal("nil cannot show a secret: there is no terminal whose screen can be cleared", apart:line(10))
  end)
end)

describe("host.term.reveal", function()
  local body = [[
    local secret, sys, term = require "host.secret", require "host.sys", require "host.term"
    sys.catch_interrupts()
    local ok, message = term.reveal("The client secret", secret.from("swordfish-42"))
    term.write("out", tostring(ok) .. " " .. tostring(message) .. "\n")
    return 0]]

  it("shows a secret on another screen and clears it", function()
    local place <close> = child.folder()
    local seen = child.play(place, { "Press Enter", "\\n" }, body)
    assert.equal(0, seen.status)
    assert.is_true(seen.echo)
    local screen, rest = seen.shown:match("\27%[%?1049h\27%[2J\27%[H(.-)\27%[2J\27%[H\27%[%?1049l(.*)")
    assert.truthy(screen:find("The client secret", 1, true))
    assert.truthy(screen:find("swordfish-42", 1, true))
    assert.truthy(rest:find("true nil", 1, true))
    assert.is_nil(rest:find("swordfish", 1, true))
  end)

  it("clears it when interrupted", function()
    local place <close> = child.folder()
    local seen = child.play(place, { "Press Enter", "^C" }, body)
    assert.truthy(seen.shown:find("\27[?1049l", 1, true))
    assert.truthy(seen.shown:find("nil not confirmed: Ctrl-C was pressed", 1, true))
    assert.is_true(seen.echo)
  end)

  it("is refused where nothing can be cleared", function()
    local place <close> = child.folder()
    local seen = child.play(place, { TERM = "dumb" }, body)
    assert.truthy(seen.shown:find("cannot show a secret: there is no terminal whose screen can be cleared", 1, true))
    assert.is_nil(seen.shown:find("swordfish", 1, true))
  end)
end)
