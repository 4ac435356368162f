local await = require "await"
local child_process = require "child"
local process = require "host.process"
local secret = require "host.secret"
local sys = require "host.sys"

local function start(...)
  return assert(process.start({ ... }))
end

local function exists(pid)
  return sys.stat("/proc/" .. pid) ~= nil
end

describe("host.process", function()
  it("gives a program's output line by line", function()
    local child <close> = start("/usr/bin/printf", "one\\n\\nthree\\nlast")
    assert.equal("one", child:line(5))
    assert.equal("", child:line(5))
    assert.equal("three", child:line(5))
    assert.equal("last", child:line(5))
    local line, why = child:line(5)
    assert.is_nil(line)
    assert.equal("end", why)
    assert.equal(0, child:wait(5))
    assert.equal(0, child:wait(0))
  end)

  it("waits for a line no longer than it is told", function()
    local child <close> = start("/bin/sh", "-c", "echo first; exec sleep 20")
    assert.equal("first", child:line(5))
    local before = sys.monotonic()
    local line, why = child:line(0.1)
    assert.is_nil(line)
    assert.equal("timeout", why)
    assert.is_nil(child:wait(0.1))
    local took = sys.monotonic() - before
    assert.is_true(took >= 0.2 and took < 2)
    child:kill("KILL")
  end)

  it("gives a long line whole", function()
    local child <close> = start("/bin/sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo after")
    assert.equal(("x"):rep(300000), child:line(5))
    assert.equal("after", child:line(5))
  end)

  it("passes arguments as they are: no shell reads them", function()
    local child <close> = start("/bin/echo", "$HOME; `id` *", "", "two words")
    assert.equal("$HOME; `id` *  two words", child:line(5))
  end)

  it("hands on two variables and no descriptor of ours", function()
    local child <close> = start("/usr/bin/env")
    local lines = {}
    for line in function() return child:line(5) end do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({ "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin" }, lines)
    local file <close> = assert(io.open("/dev/null")) -- not close-on-exec
    local other <close> = start("/bin/cat")
    local open <close> = start("/bin/ls", "/proc/self/fd")
    local seen = {}
    for line in function() return open:line(5) end do seen[#seen + 1] = line end
    assert.equal("0 1 2 3", table.concat(seen, " ")) -- 3: ls reading the folder
    assert.is_true(io.type(file) == "file" and other:pid() > 0)
  end)

  it("gives a secret on standard input, and then its end", function()
    local value <close> = secret.from("correct horse battery")
    local child <close> = assert(process.start({ "/usr/bin/sha256sum" }, value))
    assert.equal("9028ea0d15decaa35b2da21c0290af3b1a5ba0a30a591906f89b5074e209ea72", (child:line(5):gsub("%s.*", "")))
  end)

  it("does not mind a program that ends without reading it", function()
    local value <close> = secret.from(("x"):rep(4096))
    local child <close> = assert(process.start({ "/bin/false" }, value))
    assert.equal(1, child:wait(5))
  end)

  it("takes a program's output as a secret", function()
    local child <close> = start("/usr/bin/printf", "correct horse\\nbattery\\n")
    local value <close> = child:secret(5)
    assert.is_true(secret.equals(value, secret.from("correct horse\nbattery")))
    assert.equal("a [secret]", secret.redact("a correct horse\nbattery"))
    local rest, why = child:secret(5)
    assert.same({ nil, "empty" }, { rest, why })
  end)

  it("takes no secret that is nothing, comes too late, or does not end", function()
    local silent <close> = start("/bin/echo")
    assert.same({ nil, "empty" }, { silent:secret(5) })
    local slow <close> = start("/bin/sh", "-c", "printf half; exec sleep 20")
    assert.same({ nil, "timeout" }, { slow:secret(0.1) })
    local endless <close> = start("/usr/bin/yes")
    assert.same({ nil, "too long" }, { endless:secret(5) })
  end)

  it("keeps what a program complains of, when asked to", function()
    local value <close> = secret.from("hunter2hunter2")
    local line = "echo out; echo 'no such h''unter2hunter2' >&2; exit 3"
    local child <close> = assert(process.start({ "/bin/sh", "-c", line }, nil, nil, "kept"))
    assert.equal(3, child:wait(5))
    assert.equal("no such [secret]\n", child:complaint())
    assert.equal("out", child:line(5))
    local quiet <close> = start("/bin/true")
    assert.is_nil(quiet:complaint())
    assert.equal(14, #value)
    assert.has_error(function() process.start({ "/bin/true" }, nil, nil, "lost") end)
  end)

  it("hands on the variables that are named, and no others", function()
    local child <close> = assert(process.start({ "/usr/bin/env" }, nil, { "HOME", "NO_SUCH_VARIABLE" }))
    local lines = {}
    for line in function() return child:line(5) end do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({ "HOME=" .. os.getenv "HOME", "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin" }, lines)
    assert.has_error(function() process.start({ "/bin/true" }, nil, { 7 }) end,
      "bad argument #3 to 'start' (a name is not a string)")
  end)

  it("refuses a secret as an argument", function()
    local value <close> = secret.from("hunter2hunter2")
    assert.has_error(function() process.start({ "/bin/echo", "-p=hunter2hunter2" }) end,
      "bad argument #1 to 'start' (a secret must not be an argument: every user could read it)")
    assert.equal(14, #value)
  end)

  it("refuses what is no argument list", function()
    assert.has_error(function() process.start({ "echo" }) end,
      "bad argument #1 to 'start' (the program's absolute path expected first)")
    assert.has_error(function() process.start({}) end, "bad argument #1 to 'start' (a list of arguments expected)")
    assert.has_error(function() process.start({ "/bin/echo", 7 }) end,
      "bad argument #1 to 'start' (an argument is not a string)")
    assert.has_error(function() process.start({ "/bin/echo", "a\0b" }) end,
      "bad argument #1 to 'start' (an argument has a NUL character)")
    assert.has_error(function() process.start("/bin/echo") end)
  end)

  it("says why a program does not start", function()
    local child, message = process.start({ "/nowhere/program" })
    assert.is_nil(child)
    assert.equal("cannot start '/nowhere/program': No such file or directory", message)
  end)

  it("tells how a program ended", function()
    local failed <close> = start("/bin/sh", "-c", "exit 7")
    assert.equal(7, failed:wait(5))
    local killed <close> = start("/bin/sleep", "20")
    killed:kill("TERM")
    assert.equal(128 + 15, killed:wait(5))
    killed:kill("KILL")
  end)

  it("ends a program that reads its input by closing it", function()
    local file = os.tmpname()
    local child = start("/bin/sh", "-c", "trap 'echo signal >>$0' TERM; echo ready; cat; echo input >>$0", file)
    local pid = child:pid()
    assert.equal("ready", child:line(await.PATIENCE))
    child:close()
    child:close()
    assert.is_false(exists(pid))
    assert.equal("input\n", sys.read(file, 100))
    assert(os.remove(file))
    assert.has_error(function() child:pid() end, "calling 'pid' on bad self (child is closed)")
  end)

  it("ends one that does not listen, with what it started, and reaps it", function()
    local child = start("/bin/sh", "-c", "trap '' TERM; sleep 30 & echo $!; while :; do wait; sleep 1; done")
    local pid, grandchild = child:pid(), tonumber(child:line(5))
    child:close()
    assert.is_false(exists(pid))
    await.event("the grandchild ends", function() return (await.process(grandchild) or "Z") == "Z" end)
  end)

  it("is reaped by the collector too", function()
    local pid = start("/bin/cat"):pid()
    collectgarbage()
    collectgarbage()
    assert.is_false(exists(pid))
  end)

  it("runs many side by side", function()
    local children = {}
    for i = 1, 50 do children[i] = start("/bin/echo", tostring(i)) end
    for i, child in ipairs(children) do
      assert.equal(tostring(i), child:line(5))
      assert.equal(0, child:wait(5))
      child:close()
    end
  end)
end)

describe("a pager", function()
  it("needs a terminal", function()
    local status, message = process.page({ "/usr/bin/more" }, "text")
    assert.is_nil(status)
    assert.equal("a pager needs a terminal", message)
  end)

  it("is one of the host's own, starts nothing else, and shows no secret", function()
    if not sys.stat("/usr/bin/less") then return pending("less is not installed") end
    local place <close> = child_process.folder()
    local touched = place.path .. "/touched"
    local played = child_process.play(place, { "line 1", "!touch " .. touched .. "\n", "", "q", "", "q" }, [[
      local process, secret, term = require "host.process", require "host.secret", require "host.term"
      local value = secret.from "hunter2hunter2"
      local _, message = process.page({ "/bin/cat" }, "x")
      term.write("out", message .. "\n")
      local lines = { "line 1 hunter2hunter2" }
      for i = 2, 200 do lines[i] = "line " .. i end
      local status = process.page({ "/usr/bin/less" }, table.concat(lines, "\n"))
      term.write("out", "left with " .. status .. "\n")
      return 0
    ]])
    assert.truthy(played.shown:find("cannot start '/bin/cat': it is none of the programs", 1, true), played.shown)
    assert.truthy(played.shown:find("line 1 [secret]", 1, true), played.shown)
    assert.truthy(played.shown:find("left with 0", 1, true), played.shown)
    assert.is_nil(sys.stat(touched))
  end)
end)
