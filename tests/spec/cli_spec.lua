-- takes 8 s: runs the program a hundred times
local await = require "await"
local json = require "host.json"
local moonlatch = require "moonlatch"
local process = require "host.process"
local sys = require "host.sys"

local SCRIPT = [[
return {
  summary = "Say something",
  args = { word = { type = "string", default = "hello", help = "what to say" },
    times = { type = "integer", default = 1, help = "how often" } },
  run = function(args) for _ = 1, args.times do print(args.word) end end,
}]]

describe("the command line", function()
  local function run(words, options)
    local place <close> = moonlatch.place()
    place:write("say.lua", SCRIPT)
    return place:run(words, options)
  end

  local function check(words, status, out, err)
    local outcome = run(words)
    local said = ("%s\n-> %d\n%s%s"):format(table.concat(words, " "), outcome.status, outcome.out, outcome.err)
    assert.equal(status, outcome.status, said)
    if out then assert.equal(out, outcome.out, said) end
    if err then assert.equal(err, outcome.err, said) end
    return outcome
  end

  it("writes one document with --json, whatever a command or a script says", function()
    for _, words in ipairs { { "run", "./say.lua" }, { "-e", "print 'x'" }, { "--version" }, { "help", "plan" },
      { "scripts" }, { "scripts", "copy", "discover" }, { "completion", "bash" } } do
      table.insert(words, "--json")
      local outcome = run(words)
      local document = json.decode(outcome.out)
      assert.equal("table", type(document), table.concat(words, " "))
      assert.equal(document.error and 2 or 0, outcome.status)
    end
    assert.equal('{\n  "status": 0\n}\n', check({ "run", "./say.lua", "--json" }, 0, nil, "hello\n").out)
  end)

  describe("-e", function()
    it("runs code, shows what it gives, and needs nothing for it", function()
      check({ "-e", "" }, 0, "", "")
      check({ "-e", "1 + 1" }, 0, "2\n", "")
      check({ "-e", "print('a', nil) return 'b', { 3 }" }, 0, "a\tnil\nb\n[\n  3\n]\n", "")
      check({ "-e", "-- a comment" }, 0, "", "")
      check({ "-e", "print { name = 'Adele', roles = { 'a', 'b' }, secret = { x = 1 } }" }, 0,
        "name    Adele\nroles   a, b\nsecret  {1 member}\n", "")
      check({ "-e", "print('users', { { n = 1 }, { n = 2 } })" }, 0, "users\nn\n1\n2\n2 items\n", "")
      check({ "--json", "-e", "{ a = 1 }" }, 0, '{\n  "a": 1\n}\n', "")
      check({ "-e", "require('task').sleep(0.01) return 'slept'" }, 0, "slept\n", "")
    end)

    it("loads neither argparse nor the network nor the database", function()
      local place <close> = moonlatch.place()
      local trace = place.path .. "/trace"
      place:run({ "-e", "" }, { before = { "strace", "-f", "--seccomp-bpf", "-e", "trace=openat", "-o", trace } })
      local names = {}
      for line in io.lines(trace) do names[#names + 1] = line end
      assert.is_nil(table.concat(names, "\n"):find("openssl.cnf", 1, true))
    end)

    it("is a mistake with a message, without a traceback unless asked for", function()
      check({ "-e", "nothing()" }, 1, "",
        "error: run line 1 of the code after -e\n  why: reads the undeclared global 'nothing'\n"
        .. "  fix: Declare it before that line: local nothing = …; for a module: local nothing = require \"nothing\". "
        .. "The same command with --verbose shows the calls that led there.\n")
      assert.matches("stack traceback:", check({ "-e", "error('x')", "--verbose" }, 1).err)
      check({ "-e", "1 +" }, 2, "", "error: read the code of -e\n  why: -e:1: unexpected symbol near <eof>\n"
        .. "  fix: Correct the Lua code after -e, in quotes of the shell: moonlatch -e 'print(1 + 1)'\n")
      assert.matches("why: %-e needs code", check({ "-e" }, 2).err)
    end)

    it("is told with its place in the author's file, why and what to do, and no line of the library", function()
      local place <close> = moonlatch.place()
      local calls = "The same command with --verbose shows the calls that led there."
      for code, said in pairs {
        ["local t return t.x"] = "run line 1 of ./m.lua\n  why: attempt to index a nil value (local 't')\n"
          .. "  fix: 't' is nil there: check its name, and whether it may be missing. " .. calls,
        ["y = 1"] = "run line 1 of ./m.lua\n  why: writes the undeclared global 'y'\n"
          .. "  fix: Declare it first, outside the function: local y. " .. calls,
        ["require('report').table(nil, 5)"] = "run line 1 of ./m.lua\n  why: attempt to index a number value\n"
          .. "  fix: Correct that line. " .. calls,
        ["error('mine')"] = "run line 1 of ./m.lua\n  why: mine\n  fix: Correct that line. " .. calls,
        ["error { code = 5 }"] = 'run a script\n  why: it raised a table: {"code":5}\n  fix: Raise a text, error("…"), '
          .. "or a failure, fail.raise { … }: these say where they come from.",
      } do
        place:write("m.lua", ("return { summary = 'S', run = function() %s end }"):format(code))
        local outcome = place:run { "run", "./m.lua" }
        assert.same({ 1, ("error: %s\n"):format(said) }, { outcome.status, outcome.err })
        local document = json.decode(place:run({ "run", "./m.lua", "--json" }).out)
        assert.matches(said:match "^[^\n]+", document.error.what, 1, true)
        assert.truthy(document.error.why and document.error.fix)
      end
      local mistake = require "report.mistake"
      local library = debug.getinfo(mistake.failure, "S").short_src:match "^(.*)report/mistake%.lua$"
      local trace = ("\nstack traceback:\n\t[C]: in ?\n\t%sx.lua:3: in f"):format(library)
      local failure = mistake.failure(library .. "y.lua:9: broken" .. trace)
      assert.same({ "broken", "this is a mistake in Moonlatch, and not in what you wrote" },
        { failure.what, failure.why })
    end)

    it("has no doors to the machine", function()
      for _, code in ipairs {
        "io", "os", "debug", "load", "require 'host.sys'", "require 'command.apply'", "require 'session.open'",
        "require 'io'",
      } do
        assert.equal(1, run({ "-e", code }).status, code)
      end
    end)

    it("says what a profile is missing, only when one is needed", function()
      local outcome = check({ "-e", "require('graph').get('/organization')" }, 1, "")
      assert.matches("^error: read the configuration /.*/%.config/moonlatch/moonlatch%.lua\n  why: .*\n"
        .. "  fix: Make a first one: moonlatch init%. To try Moonlatch without one, "
          .. "add %-%-emulator to the command%.\n$", outcome.err)
    end)
  end)

  describe("help", function()
    it("is given for all, with examples, on standard output", function()
      local out = check({ "--help" }, 0, nil, "").out
      for _, word in ipairs { "plan", "apply", "verify", "destroy", "run", "scripts", "init", "login",
        "logout", "whoami", "journal" } do
        assert.matches("\n  " .. word .. " +%l", out)
      end
      assert.matches("\nExamples:\n  moonlatch plan", out)
      check({ "--version" }, 0, "moonlatch " .. sys.version() .. "\n", "")
    end)

    it("is shown for no words at all, with the exit status of a wrong command line", function()
      assert.equal(check({ "--help" }, 0, nil, "").out, check({}, 2, nil, "").out)
    end)

    it("says once what holds for all commands: common options, exit statuses, files, environment", function()
      local out = check({ "help" }, 0, nil, "").out
      assert.matches("\nOptions of every command:\n      %-%-profile NAME    use this profile", out)
      assert.matches("\nExit status:\n  0   done", out)
      assert.matches("\nFiles:\n  ~/%.config/moonlatch/moonlatch%.lua   the configuration", out)
      assert.matches("\nEnvironment:\n  HOME  ", out)
      local rotate = check({ "help", "rotate" }, 0, nil, "").out
      assert.equal(check({ "rotate", "--help" }, 0, nil, "").out, rotate)
      assert.not_matches("use this profile of the configuration", rotate, 1, true)
      assert.matches("\nOptions of every command %(`moonlatch help` describes them%):\n  %-%-profile NAME, ", rotate)
      check({ "help", "rotat" }, 2, "", "error: read the command line\n  why: there is no command 'rotat'\n"
        .. "  fix: Did you mean 'rotate'? Then type: moonlatch rotate\n")
    end)

    it("is given for each command", function()
      for _, word in ipairs { "plan", "apply", "verify", "destroy", "run", "scripts", "init", "login",
        "logout", "whoami", "journal" } do
        local out = check({ word, "--help" }, 0, nil, "").out
        assert.matches("^Usage: moonlatch " .. word .. " ", out)
        assert.matches("\nExamples:\n  moonlatch ", out)
      end
      assert.matches("^Usage: moonlatch %-e CODE %[options%]\n", check({ "-e", "1", "--help" }, 0, nil, "").out)
    end)

    it("offers --write to what declares nothing, and to nothing else", function()
      for _, words in ipairs { { "-e", "1" }, { "run" }, { "repl" } } do
        words[#words + 1] = "--help"
        assert.matches("\n      %-%-write  ", check(words, 0, nil, "").out)
      end
      assert.not_matches("--write  ", check({ "plan", "--help" }, 0, nil, "").out, 1, true)
      check({ "rotate", "x", "--write" }, 2, "", "error: read the command line\n  why: unknown option '--write'\n"
        .. "  fix: Correct the option: `moonlatch rotate --help` lists all options.\n")
    end)

    it("is given for a script, from its declaration", function()
      local out = check({ "run", "./say.lua", "-h" }, 0, nil, "").out
      assert.matches("^Usage: moonlatch run %./say%.lua %[%-%-name value …%]\n\nSay something\n", out)
      assert.matches("\n  %-%-times N    how often %(1%)\n", out)
    end)
  end)

  describe("usage errors", function()
    it("end with 2 and three lines, and guess what was meant", function()
      check({ "--yes" }, 2, "", "error: read the command line\n  why: a command is missing\n"
        .. "  fix: Choose a command of those that `moonlatch --help` lists.\n")
      check({ "plann" }, 2, "", "error: read the command line\n  why: there is no command 'plann'\n"
        .. "  fix: Did you mean 'plan'? Then type: moonlatch plan\n")
      check({ "plan" }, 2, "", "error: read the command line\n  why: SCRIPT is missing\n"
        .. "  fix: Add it: `moonlatch plan --help` shows the usage and examples.\n")
      check({ "--emulatr", "scripts" }, 2, "", "error: read the command line\n  why: unknown option '--emulatr'\n"
        .. "  fix: Did you mean '--emulator'?\n")
      check({ "run", "./say.lua", "--wrod", "x" }, 2, "", "error: read the arguments of './say.lua'\n"
        .. "  why: it has no argument --wrod\n  fix: Did you mean --word?\n")
      check({ "run", "./say.lua", "--times", "x" }, 2, "", "error: read the argument --times 'x'\n"
        .. "  why: it needs a whole number\n  fix: Write it like this: --times 5\n")
      check({ "apply", "./say.lua", "--yes" }, 2, "", "error: apply ./say.lua\n"
        .. "  why: it has no steps\n  fix: Run it with the command for its kind: moonlatch run ./say.lua\n")
    end)

    it("include --emulator beside --profile or --config", function()
      for _, option in ipairs { "--profile", "--config" } do
        check({ "whoami", "--emulator", option, "x" }, 2, "", ("error: read the command line\n"
          .. "  why: --emulator and %s exclude each other\n"
          .. "  fix: Leave out --emulator or %s: a private emulator has a profile of its own.\n")
          :format(option, option))
      end
      assert.equal(2, run({ "-e", "", "--emulator", "--profile", "x" }).status)
    end)

    it("are a document with --json, whatever else is wrong", function()
      local outcome = check({ "plann", "--json" }, 2)
      assert.same({ kind = "usage", what = "read the command line", why = "there is no command 'plann'",
        fix = "Did you mean 'plan'? Then type: moonlatch plan" }, json.decode(outcome.out).error)
      assert.matches("^error: read the command line\n", outcome.err)
    end)
  end)

  describe("run", function()
    it("runs a script with its arguments, options before and after", function()
      check({ "--quiet", "run", "./say.lua", "--times", "2", "--word=--verbose" }, 0, "--verbose\n--verbose\n", "")
    end)

    it("runs a bare file, with the words that follow", function()
      local place <close> = moonlatch.place()
      place:write("bare.lua", "print(...) return 3")
      local outcome = place:run { "run", "./bare.lua", "one", "--two" }
      assert.same({ 3, "one\t--two\n", "" }, { outcome.status, outcome.out, outcome.err })
    end)

    it("never finds a script in the current directory by name", function()
      check({ "run", "say" }, 2, "", "error: find the script 'say'\n  why: no script has this name\n"
        .. "  fix: To run the file here, write ./say.lua.\n")
    end)
  end)

  it("lists, shows and copies scripts; a copy is found first", function()
    local place <close> = moonlatch.place()
    place:write("more/talk/say.lua", SCRIPT)
    local outcome = place:run { "scripts", "--scripts", place.path .. "/more" }
    assert.matches("\ntalk/say +folder +Say something\n", outcome.out)
    place:write("more/lib/names.lua", "return { first = 'Ada' }")
    place:write("more/talk/words.lua", "return function() return require('names').first end")
    place:write("more/talk/hi.lua",
      "local w = require 'words' return { summary = 'S', run = function() print(w()) end }")
    local listed = place:run { "scripts", "--scripts", place.path .. "/more" }
    assert.same({ 0, "" }, { listed.status, listed.err })
    assert.not_matches("names", listed.out, 1, true)
    assert.not_matches("talk/words", listed.out, 1, true)
    assert.matches("\ntalk/hi +folder +S\n", listed.out)
    assert.equal("Ada\n", place:run({ "run", "talk/hi", "--scripts", place.path .. "/more" }).out)
    outcome = place:run { "run", "talk/words", "--scripts", place.path .. "/more" }
    assert.same({ 1, ("error: load the script %s/more/talk/words.lua\n  why: it is a module for other scripts: it "
      .. 'returns no declaration\n  fix: Require it in a script: require "talk.words".\n'):format(place.path) },
      { outcome.status, outcome.err })
    assert.equal(SCRIPT, place:run({ "scripts", "show", "talk/say", "--scripts", place.path .. "/more" }).out)
    outcome = place:run { "scripts", "copy", "talk/say", "--scripts", place.path .. "/more" }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    assert.equal("hello\n", place:run({ "run", "talk/say" }).out)
    outcome = place:run { "scripts", "copy", "talk/say", "--scripts", place.path .. "/more" }
    assert.equal(1, outcome.status)
    assert.matches("Edit that file; or move it away first, for a new copy.", outcome.err)
    assert.matches("fix: Did you mean 'show'%? The actions are list, show NAME, copy NAME, diff NAME, keep "
      .. "NAME, test NAME and lint %[NAME%]%.\n$",
      place:run({ "scripts", "shwo" }).err)
    assert.matches("why: NAME is missing\n", place:run({ "scripts", "diff" }).err)
  end)

  it("lists scripts that cannot be loaded with what is wrong, however wrong they are", function()
    local bad = {
      loop = { "while true do end", "it does not end: it was stopped after ten million instructions" },
      catches = { "while true do pcall(function() while true do end end) end", "it does not end: .*" },
      coroutine = { "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "it does not end: .*" },
      pattern = { "('a'):rep(30000):find(('.-'):rep(20) .. 'b')", "it does not end" },
      text = { "local s = ('x'):rep(1 << 30)", "it needs more memory than it may use" },
      growth = { "local t, s = {}, 'x' while true do s = s .. s end", "it needs more memory than it may use" },
      index = { "return setmetatable({}, { __index = function() while true do end end })",
        "a table with a metatable cannot be handed to the library: .*" },
      finalizer = { "setmetatable({}, { __gc = function() while true do end end })", ".*__gc is not for scripts: .*" },
      depth = { "local function f() return f() + 1 end return f()", ".*stack overflow.*" },
      syntax = { "return {", ".*unexpected symbol near <eof>" },
      empty = { "", ".*" },
    }
    local place <close> = moonlatch.place()
    place:write("more/good.lua", SCRIPT)
    for name, case in pairs(bad) do place:write(("more/bad-%s.lua"):format(name), case[1]) end
    local outcome = place:run { "scripts", "--scripts", place.path .. "/more" }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    assert.matches("\ngood +folder +Say something\n", outcome.out)
    for name, case in pairs(bad) do
      assert.matches(("\nbad%%-%s +folder +does not load: %s\n"):format(name, case[2]), outcome.out)
    end
    outcome = place:run { "plan", place.path .. "/more/bad-text.lua" }
    assert.same({ 1, "error: load the script " .. place.path .. "/more/bad-text.lua\n"
      .. "  why: it needs more memory than it may use\n"
      .. "  fix: Correct the file: it only describes the script, and work belongs in `run` or in a step.\n" },
      { outcome.status, outcome.err })
  end)

  describe("a copy of a bundled script", function()
    local NAME = "rehearse/advance"

    local function said(place, ...)
      local outcome = place:run { ... }
      return outcome.out, outcome.err, outcome.status
    end

    -- As when a later version of the program brings another original.
    local function age(place)
      local path = place.path .. "/.config/moonlatch/scripts/.originals"
      local text = sys.read(path, 1000):gsub("\t%x+\t[%d.]+", "\t" .. ("0"):rep(64) .. "\t0.0.9")
      assert(sys.write(path, text, "replace"))
    end

    it("is said to be used, and warned about once the original has changed", function()
      local place <close> = moonlatch.place()
      local file = place.path .. "/.config/moonlatch/scripts/" .. NAME .. ".lua"
      assert.equal(0, select(3, said(place, "scripts", "copy", NAME)))
      assert(sys.write(file, sys.read(file, 10000) .. "-- mine\n", "replace"))
      local aside = ("script: %s (yours: %s), instead of the bundled one\n"):format(NAME, file)
      local _, err = said(place, "scripts", "show", NAME)
      assert.equal(aside, err)
      assert.equal("", select(2, said(place, "scripts", "show", NAME, "--bundled")))
      age(place)
      _, err = said(place, "scripts", "show", NAME)
      assert.equal(aside .. ("warning: the bundled %s has changed since you copied it (moonlatch 0.0.9). "
        .. "See how: moonlatch scripts diff %s\n"):format(NAME, NAME), err)
      assert.equal("warning: ", select(2, said(place, "run", NAME, "--emulator", "--quiet")):match("^warning: "))
      assert.matches("\n" .. NAME .. " +yours, the bundled one has changed ", (said(place, "scripts")))
    end)

    it("is compared with the original, and kept as it is", function()
      local place <close> = moonlatch.place()
      local file = place.path .. "/.config/moonlatch/scripts/" .. NAME .. ".lua"
      assert.matches("why: you have no copy of it\n  fix: Make a copy first: moonlatch scripts copy " .. NAME,
        select(2, said(place, "scripts", "diff", NAME)))
      said(place, "scripts", "copy", NAME)
      assert.equal("They are the same.\n", (said(place, "scripts", "diff", NAME)))
      assert(sys.write(file, "-- mine\n" .. sys.read(file, 10000), "replace"))
      age(place)
      local out = said(place, "scripts", "diff", NAME)
      assert.matches("^%- the bundled one\n%+ .*advance%.lua\n%+%-%- mine\n .*\n…\n$", out)
      assert.equal(0, select(3, said(place, "scripts", "keep", NAME)))
      assert.is_nil(select(2, said(place, "scripts", "show", NAME)):find("warning", 1, true))
    end)

    it("is also the one that a command of that name runs", function()
      local place <close> = moonlatch.place()
      said(place, "scripts", "copy", "doctor")
      local _, err = said(place, "doctor", "--wrong")
      assert.matches("^script: doctor %(yours: ", err)
    end)
  end)

  it("has no help that points at itself", function()
    local out = check({ "doctor", "--help" }, 0).out
    assert.matches("^Usage: moonlatch doctor %[%-%-name value …%]\n", out)
    assert.matches("\nOptions of every command %(`moonlatch help` describes them%):\n  %-%-profile NAME, ", out)
    assert.is_nil(out:find("Options of the command itself", 1, true))
    assert.matches("\nOptions of the command itself: moonlatch plan %-%-help\n$",
      check({ "plan", "setup/entra-pam-provider", "--help" }, 0).out)
  end)

  it("ends with three lines, whatever is wrong", function()
    for _, words in ipairs {
      { "plan", "./nothing.lua" }, { "run", "./say.lua", "--times", "x" }, { "journal", "lst" }, { "whoami" },
      { "whoami", "--config", "nothing.lua" }, { "emulator", "--users", "x" }, { "journal", "show" }, { "rotate" },
      { "init", "--tenant", "not a tenant" }, { "login", "--secret", "nothing" }, { "repl", "extra" }, { "doctr" },
    } do
      local outcome = run(words)
      assert.matches("^error: [^\n]+\n  why: [^\n]+\n  fix: [^\n]+\n$", outcome.err, table.concat(words, " "))
    end
  end)

  it("knows which action of a command was meant", function()
    local there = "The actions are list, show ID, history %[COUNT%], verify %[FILE%], confirm ID, [^\n]+ and "
      .. "[^\n]+%.\n$"
    local outcome = run { "journal", "lst" }
    assert.equal(2, outcome.status)
    assert.matches("^error: journal lst\n  why: there is no such action\n  fix: Did you mean 'list'%? " .. there,
      outcome.err)
    assert.matches("^error: journal show\n  why: ID is missing\n  fix: " .. there, run({ "journal", "show" }).err)
  end)

  describe("init", function()
    it("makes a configuration that works, and a key that only its owner reads", function()
      local place <close> = moonlatch.place()
      local folder = place.path .. "/.config/moonlatch/"
      local outcome = place:run { "init", "--tenant", "Contoso.onmicrosoft.com" }
      assert.same({ 0, "" }, { outcome.status, outcome.err })
      assert.same({ 384, 43 }, { sys.stat(folder .. "contoso.key").mode & 511, sys.stat(folder .. "contoso.key").size })
      assert.equal(384, sys.stat(folder .. "moonlatch.lua").mode & 511)
      local show = "local p = require('profile.current').current() return p.name, p.tenant, p.key.path, p.state"
      assert.equal(("contoso\ncontoso.onmicrosoft.com\n%scontoso.key\n%s/.local/state/moonlatch/%s\n"):format(folder,
        place.path, "login.microsoftonline.com/contoso.onmicrosoft.com"),
        place:run({ "-e", show }, { inside = true }).out)
      outcome = place:run { "init" }
      assert.equal(1, outcome.status)
      assert.matches("why: it exists already: .*\n  fix: To add a profile to it: moonlatch init %-%-tenant TENANT",
        outcome.err)
      outcome = place:run { "init", "--tenant", "other.onmicrosoft.com" }
      assert.equal(0, outcome.status, outcome.err)
      assert.equal("other.onmicrosoft.com\n",
        place:run({ "-e", "return require('profile.current').current().tenant", "--profile", "other" },
          { inside = true }).out)
    end)

    it("asks nobody without a terminal, and writes nothing that is wrong", function()
      local place <close> = moonlatch.place()
      assert.matches("fix: Name your tenant by its domain: moonlatch init %-%-tenant contoso.onmicrosoft.com\n$",
        place:run({ "init" }).err)
      local outcome = place:run { "init", "--tenant", "contoso.com", "--cloud", "globl" }
      assert.matches('Did you mean "global"%?', outcome.err)
      assert.is_nil(sys.stat(place.path .. "/.config"))
    end)
  end)

  describe("Ctrl-C", function()
    it("ends a wait cleanly", function()
      local child <close> = assert(process.start {
        os.getenv "MOONLATCH", "-e", "print 'ready' require('task').sleep(600)",
      })
      assert.equal("ready", child:line(await.PATIENCE))
      await.event("the program waits", function() return await.process(child:pid()) == "S" end)
      child:kill("INT")
      assert.equal(1, child:wait(await.PATIENCE))
    end)
  end)
end)

describe("output", function()
  -- Run with standard output led elsewhere; the status and what stands on standard error.
  local function led(where, words)
    local place <close> = moonlatch.place()
    local err = place.path .. "/err"
    local line = ("HOME='%s' '%s' %s %s 2>'%s'"):format(place.path, os.getenv "MOONLATCH", words, where, err)
    local pipe <close> = assert(io.popen("bash -c 'set -o pipefail; " .. line:gsub("'", "'\\''") .. "; echo $?'"))
    local status = tonumber(pipe:read("a"):match("(%d+)%s*$"))
    local file <close> = assert(io.open(err))
    return status, file:read("a")
  end

  -- Each command that prints results, as far as it gets without a terminal or a second machine.
  local PRINTING = {
    "--help", "--version", "plan --help", "scripts", "scripts --json", "scripts show discover", "permissions discover",
    "-e 'print(1)'", "-e '{ 1 }'", "-e 1 --json", "discover --emulator", "discover --emulator --format csv",
    "discover --emulator --format json", "discover --emulator --json", "doctor --emulator", "whoami --emulator",
    "journal --emulator", "plan setup/entra-pam-provider --emulator", "plan policies/tier0-users --emulator --json",
  }

  it("that a full disk did not take fails the command", function()
    for _, words in ipairs(PRINTING) do
      local status, err = led(">/dev/full", words)
      assert.equal(1, status, words)
      assert.equal("error: show the result\n  why: cannot write to standard output: No space left on device\n"
        .. "  fix: Make room where the output goes, then run the same command again: the changes stay, and are on "
        .. "record.\n",
        err:match("error: .*"))
    end
  end)

  it("that nobody reads any more ends a command that only reads, as SIGPIPE does", function()
    for _, words in ipairs { "scripts", "-e 'while true do print(1) end'", "discover --emulator --all --format csv" } do
      assert.same({ 141, "" }, { led("| head -c 0", words) })
    end
  end)

  it("that nobody reads any more does not keep a command from changing what it was told to", function()
    assert.same({ 0, "" }, { led("| head -c 0", "rotate policies/tier0-users --emulator --yes") })
  end)
end)
