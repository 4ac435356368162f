-- Programs and folders of a script: by the names that the profile gives them, and as far as the script declares them.

local rehearsal = require "rehearsal"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("what a script reaches beside the services", function()
  local emu, path

  before_each(function()
    emu = rehearsal.new()
    path = emu.place.path
    assert(os.execute(("mkdir -m 700 '%s/reports' && mkdir -m 777 '%s/open' && mkdir -m 700 '%s/other'"):format(path,
      path, path)))
    emu.place:write("tell", "#!/bin/sh\nprintf '%s\\n' \"$@\" >>'" .. path .. "/told'\nprintf '%s' \"$*\"\ncat\n"
      .. "exit ${3:-0}\n")
    emu.place:write("long", "#!/bin/sh\nhead -c 2000000 /dev/zero\n")
    emu:configure(function(text)
      local more = ([[programs = { tell = { "/bin/sh", "%s/tell", "first" }, long = { "/bin/sh", "%s/long" },
        wait = { "/bin/sleep", "60" }, gone = { "/no/such/program" } },
        folders = { reports = "%s/reports", open = "%s/open", missing = "%s/missing" }, ]])
        :format(path, path, path, path, path)
      return (text:gsub("emulator = { clock", (more:gsub("%%", "%%%%")) .. "%0"))
    end)
  end)

  after_each(function() getmetatable(emu).__close(emu) end)

  local function script(needs, body)
    return emu.place:write("mine.lua", ([[
      local folder, program = require "folder", require "program"
      return { summary = "S", needs = { %s }, run = function() %s end }
    ]]):format(needs, body))
  end

  local function assert_said(outcome, words)
    assert.truthy((outcome.out .. outcome.err):find(words, 1, true), outcome.out .. outcome.err)
  end

  local function kinds()
    local list = {}
    for line in emu:run({ "journal", "history" }).out:gmatch("[^\n]+") do
      list[#list + 1] = line:match("run%.%a+") or line:match("file%.%a+")
    end
    return list
  end

  describe("by a program", function()
    it("that the profile names and it declares: run without a shell, on record before and after", function()
      local file = script('run = { "tell" }', [[
        local result = program.run("tell", { "two words; $HOME" }, { input = "and input" })
        print(result.status, result.output)
      ]])
      local outcome = emu:run { "run", file }
      assert.same({ 0, "0\tfirst two words; $HOMEand input\n" }, { outcome.status, outcome.out })
      assert.equal("first\ntwo words; $HOME\n", read(path .. "/told"))
      assert.same({ "run.start", "run.done" }, kinds())
      outcome = emu:run { "run", script('run = { "tell" }', 'print(program.run("tell", { "x", "7" }).status)') }
      assert.equal("7\n", outcome.out)
      assert.same({ "run.start", "run.done", "run.start", "run.failed" }, kinds())
    end)

    it("and by no other", function()
      local outcome = emu:run { "run", script('run = { "long" }', 'program.run("tell")') }
      assert.equal(1, outcome.status)
      assert_said(outcome, path
        .. "/mine.lua may not run the program 'tell': if it is meant, add \"tell\" to needs.run")
      outcome = emu:run { "run", script('run = { "unknown" }', 'program.run("unknown")') }
      assert_said(outcome, "names no program 'unknown'")
      outcome = emu:run { "run", script('run = { "tell" }', 'program.run("/usr/bin/touch", { "x" })') }
      assert_said(outcome, "may not run the program '/usr/bin/touch'")
      outcome = emu:run { "run", script('run = { "gone" }', 'program.run("gone")') }
      assert_said(outcome, "cannot start '/no/such/program': No such file or directory")
      assert.is_nil(io.open(path .. "/told"))
    end)

    it("that ends in time and says little enough", function()
      local outcome = emu:run { "run", script('run = { "wait" }', 'program.run("wait", {}, { timeout = 0.3 })') }
      assert_said(outcome, "run the program 'wait'")
      assert_said(outcome, "it did not end within 0.3 seconds")
      outcome = emu:run { "run", script('run = { "long" }', 'program.run("long")') }
      assert_said(outcome, "it wrote more than 1024 KiB")
      outcome = emu:run { "run", script('run = { "tell" }', 'program.run("tell", {}, { inptu = "x" })') }
      assert_said(outcome, "it has no option 'inptu'")
    end)

    it("but typed code only with --write", function()
      local code = 'require("program").run("tell", { "typed" })'
      local outcome = emu:run { "-e", code }
      assert.equal(1, outcome.status)
      assert_said(outcome, "may not run the program 'tell', because it may only read: --write lifts that")
      assert.is_nil(io.open(path .. "/told"))
      assert.equal(0, emu:run({ "-e", code, "--write" }).status)
      assert.equal("first\ntyped\n", read(path .. "/told"))
      local bare = emu.place:write("bare.lua", code)
      assert_said(emu:run { "run", bare }, "because it may only read")
      assert_said(emu:run({ "repl", "--quiet" }, { input = code .. "\n" }), "this session only reads")
      assert.equal("first\ntyped\n", read(path .. "/told"))
    end)

    it("and not in a plan, which says when a program is no border", function()
      local file = emu.place:write("steps.lua", [[
        local program, workflow = require "program", require "workflow"
        return { summary = "S", id = "x", needs = { run = { "tell" } },
          steps = { workflow.step "One" (function() program.run("tell", { "planned" }) end) } }
      ]])
      local outcome = emu:run { "plan", file }
      assert_said(outcome, file .. " may not run the program 'tell', because it may only read at this point")
      assert_said(outcome, "the program 'tell' is /bin/sh, which can run any other program: `needs` does not limit a "
        .. "script that may run it")
      assert.is_nil(io.open(path .. "/told"))
    end)
  end)

  describe("by a folder", function()
    it("that the profile names and it declares: whole files that only their owner reads", function()
      local file = script('files = { "reports" }', [[
        folder.write("reports", "a.csv", "one")
        folder.write("reports", "a.csv", "two")
        folder.write("reports", "b.csv", "")
        print(folder.read("reports", "a.csv"), folder.read("reports", "c.csv"),
          table.concat(folder.list "reports", " "))
      ]])
      local outcome = emu:run { "run", file }
      assert.same({ 0, "two\tnil\ta.csv b.csv\n" }, { outcome.status, outcome.out .. outcome.err })
      local line = ("stat -c %%a '%s'/reports/*; ls -A '%s/reports' | wc -l"):format(path, path)
      local pipe <close> = assert(io.popen(line))
      assert.equal("600\n600\n2\n", pipe:read "a")
      assert.same({}, kinds()) -- they hold no secret
    end)

    it("and nothing beside it", function()
      assert(os.execute(("ln -s '%s/other' '%s/reports/link'; ln -s '%s/other/x' '%s/reports/file'; "
        .. "echo secret >'%s/other/x'"):format(path, path, path, path, path)))
      for name, why in pairs {
        ["../other/x"] = "it must not begin with a dot", [".hidden"] = "it must not begin with a dot",
        [".."] = "it must not begin with a dot", [""] = "it must have 1 to 200 bytes",
        ["link/x"] = "it must not have a slash", ["/etc/passwd"] = "it must not have a slash",
        ["a\\nb"] = "or a control character", ["a\\0b"] = "or a control character",
        [("x"):rep(201)] = "it must have 1 to 200 bytes",
      } do
        local code = ('folder.read("reports", "%s")'):format(name)
        local outcome = emu:run { "run", script('files = { "reports" }', code) }
        assert.equal(1, outcome.status)
        assert_said(outcome, why)
      end
      assert_said(emu:run { "run", script('files = { "reports" }', 'folder.read("reports", "file")') },
        "it is a symbolic link")
      local outcome = emu:run { "run", script('files = { "reports" }', 'folder.write("reports", "file", "over")') }
      assert.equal(0, outcome.status, outcome.err)
      assert.equal("secret\n", read(path .. "/other/x")) -- the link was replaced, not followed
      assert_said(emu:run { "run", script('files = { "reports" }', 'print(table.concat(folder.list "reports"))') },
        "file\n")
    end)

    it("that is the owner's alone", function()
      assert_said(emu:run { "run", script('files = { "open" }', 'folder.write("open", "a", "x")') },
        "other users may write to it; run chmod go-w on it")
      assert_said(emu:run { "run", script('files = { "missing" }', 'folder.list "missing"') },
        "No such file or directory")
      assert(os.execute(("ln -s '%s/reports' '%s/missing'"):format(path, path)))
      assert_said(emu:run { "run", script('files = { "missing" }', 'folder.list "missing"') },
        "it is not a folder, or it is a symbolic link")
      assert_said(emu:run { "run", script('files = { "open" }', 'folder.read("reports", "100%.csv")') },
        "read '100%.csv' in the folder 'reports'")
      assert_said(emu:run { "run", script('files = { "open" }', 'folder.write("reports", "a", "x")') },
        "may not write to the folder 'reports': if it is meant, add \"reports\" to needs.files")
    end)

    it("but typed code only with --write", function()
      local code = 'require("folder").write("reports", "a", "x")'
      assert_said(emu:run { "-e", code }, "may not write to the folder 'reports', because it may only read")
      assert_said(emu:run { "-e", 'require("folder").list "reports"' }, "may not read the folder 'reports'")
      assert.equal(0, emu:run({ "-e", code, "--write" }).status)
      assert.equal("x", read(path .. "/reports/a"))
    end)

    it("with no secret in it", function()
      local code = 'require("folder").write("reports", "a", require("secret").generate(20))'
      assert_said(emu:run { "-e", code, "--write" }, "a secret goes to the sinks of its policy only, not to a file")
      code = 'require("program").run("tell", {}, { input = require("secret").generate(20) })'
      assert_said(emu:run { "-e", code, "--write" }, "a secret goes to the sinks of its policy only, not to a program")
      code = 'require("program").run("tell", { require("secret").generate(20) })'
      assert_said(emu:run { "-e", code, "--write" }, "a secret must not be an argument")
    end)
  end)
end)
