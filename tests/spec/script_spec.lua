local fail = require "fail"
local folders = require "script.folders"
local script = require "script.load"
local sys = require "host.sys"

local folder

local function write(name, text)
  local path = folder .. "/" .. name .. ".lua"
  assert(sys.mkdir(path:match("^(.*)/")))
  assert(sys.write(path, text, "replace"))
  return path
end

local function refusal(fn, ...)
  local ok, failure = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(fail.is(failure), tostring(failure))
  return (tostring(failure):gsub(folder:gsub("%p", "%%%0"), "DIR")), failure.kind
end

local RUN = "run = function() end"

-- Load a script whose declaration has these members.
local function load_body(body)
  return script.load(write("made", ("return { summary = 'S', %s }"):format(body)))
end

describe("script", function()
  before_each(function() folder = assert(sys.temporary "script") end)
  after_each(function()
    folders.use(nil)
    sys.remove_tree(folder)
  end)

  describe("find", function()
    it("looks into the folder that was given first, and says so", function()
      write("setup/mine", "return 1")
      folders.use(folder)
      local found = script.find "setup/mine"
      assert.equal("folder", found.origin)
      assert.equal(("setup/mine (--scripts: %s/setup/mine.lua)"):format(folder), script.describe(found))
      assert.is_true(table.concat(script.names(), " "):find("setup/mine", 1, true) ~= nil)
    end)

    it("takes paths as paths, and never looks into the current directory", function()
      local path = write("here", "return 1")
      assert.equal("path", script.find(path).origin)
      assert.equal(path, script.describe(script.find(path)))
      for _, name in ipairs { "./none", "none.lua" } do
        assert.equal(("find the script '%s': there is no such file\n"
          .. "Correct the path; or name one of the scripts that `moonlatch scripts` lists."):format(name),
          (refusal(script.find, name)))
      end
      for _, name in ipairs { "", "a/../b", "..", "a//b", "setup/", "a b", "-x", "setup/../../etc/passwd" } do
        local _, kind = refusal(script.find, name)
        assert.equal("usage", kind)
      end
    end)

    it("guesses what was meant", function()
      write("setup/mine", "return 1")
      folders.use(folder)
      assert.equal("find the script 'setup/mien': no script has this name\nDid you mean 'setup/mine'?",
        (refusal(script.find, "setup/mien")))
    end)

    it("refuses a file that others may write", function()
      local path = write("open", "return 1")
      os.execute(("chmod 666 '%s'"):format(path))
      assert.matches("^read the script DIR/open.lua: .*\nLet only its owner write it, because a script "
        .. "acts in your name: chmod go%-w 'DIR/open.lua'$", (refusal(script.find, path)))
    end)
  end)

  describe("load", function()
    it("gives the declaration, not having run it", function()
      local declaration, found = load_body "run = function() error('ran') end"
      assert.equal("S", declaration.summary)
      assert.same({}, declaration.args)
      assert.same({}, declaration.needs)
      assert.equal(folder .. "/made.lua", found.path)
    end)

    it("names file, field and expected type of what is wrong", function()
      for body, message in pairs {
        ["summary = 1, " .. RUN] = "DIR/made.lua: summary: a string is needed, but it is a number",
        ["sumary = 'x', " .. RUN] = 'DIR/made.lua: sumary: there is no such member\nDid you mean "summary"?',
        [""] = "DIR/made.lua: it has none, or several, of run, steps, tell and store",
        [RUN .. ", steps = {}"] = "DIR/made.lua: it has none, or several, of run, steps, tell and store",
        ["run = 1"] = "DIR/made.lua: run: a function is needed, but it is a number",
        ["args = { Name = { type = 'string', help = '' } }, " .. RUN] =
          "DIR/made.lua: args: 'Name' cannot be the name of an argument",
        ["args = { json = { type = 'string', help = '' } }, " .. RUN] =
          "DIR/made.lua: args: 'json' is an option of the command itself",
        ["args = { n = { type = 'string' } }, " .. RUN] =
          "DIR/made.lua: args.n.help: it is missing; a string is needed",
        ["args = { n = { type = 'int', help = '' } }, " .. RUN] =
          'DIR/made.lua: args.n.type: "int" is none of "string", "integer", "boolean", "duration", "file", "folder", '
          .. '"path", "list"\nDid you mean "integer"? Write it as args.n.type in DIR/made.lua.',
        ["args = { n = { type = 'integer', help = '', default = '1' } }, " .. RUN] =
          "DIR/made.lua: args.n: its default is not an integer",
        ["args = { n = { type = 'duration', help = '', default = 'soon' } }, " .. RUN] =
          "DIR/made.lua: args.n: it is not of the form 180d, 7d12h, 30m or 45s",
        ["args = { n = { type = 'string', help = '', default = '1', required = true } }, " .. RUN] =
          "DIR/made.lua: args.n: it is required and has a default",
        ["needs = { graph = { 'users' } }, " .. RUN] =
          'DIR/made.lua: needs.graph[1]: "users" is not of the form "GET /users/{id}"',
        ["needs = { grph = {} }, " .. RUN] = 'DIR/made.lua: needs.grph: there is no such member\nDid you mean "graph"?',
      } do
        local text, kind = refusal(load_body, body)
        assert.equal(message, message:find("\n", 1, true) and text or text:match "^[^\n]*")
        assert.matches("\n%u", text) -- each has a fix
        assert.equal("config", kind)
      end
      assert.equal("DIR/other.lua: a table is needed, but it is nil\nLet DIR/other.lua return { … }.",
        (refusal(script.load, write("other", ""))))
    end)

    it("starts no task: it would run later, beside other scripts", function()
      local ok, err = pcall(script.load_found, { name = "mine", path = "mine.lua", origin = "path",
        text = "require('task').spawn(print)" })
      assert.is_false(ok)
      assert.matches("a script starts no task while its file is loaded: start it in a step, or in run", err.why)
    end)

    it("says where a script breaks", function()
      assert.equal("load the script DIR/b.lua: DIR/b.lua:2: unexpected symbol near '!'\nCorrect the line named.",
        (refusal(script.load, write("b", "\n!"))))
      assert.equal("load the script DIR/c.lua: DIR/c.lua:1: reads the undeclared global 'nothing'\nDeclare it before "
        .. 'that line: local nothing = …; for a module: local nothing = require "nothing".',
        (refusal(script.load, write("c", "return nothing"))))
      assert.matches("the file is compiled Lua", (refusal(script.load, write("d", string.dump(function() end)))))
    end)
  end)

  describe("what a script needs", function()
    local function wrong_with(needs)
      return (refusal(load_body, ("needs = { %s }, %s"):format(needs, RUN)):gsub("^DIR/made.lua: ", ""))
    end

    it("has a grammar, and what is near to it is named", function()
      for needs, message in pairs {
        ['graph = { "get /users" }'] =
          'needs.graph[1]: "get /users": "get" is no method that can be declared; did you '
          .. 'mean "GET"?',
        ['graph = { "PACTH /users" }'] =
          'needs.graph[1]: "PACTH /users": "PACTH" is no method that can be declared; did '
          .. 'you mean "PATCH"?',
        ['graph = { "GET users/{id}" }'] =
          'needs.graph[1]: "GET users/{id}": a call\'s path begins with /; did you mean '
          .. '"/users/{id}"?',
        ['graph = { "GET /users/" }'] =
          'needs.graph[1]: "GET /users/": it has an empty segment: remove a slash; did '
          .. 'you mean "/users"?',
        ['graph = { "GET /users/:id" }'] =
          'needs.graph[1]: "GET /users/:id": a path is written as the service writes '
          .. 'it, with {name} for what differs; did you mean "/users/{id}"?',
        ['graph = { "GET /v1.0/users" }'] = 'needs.graph[1]: "GET /v1.0/users": a path is written without the '
          .. 'service\'s version; did you mean "/users"?',
        ['graph = { "GET /users/{id" }'] =
          'needs.graph[1]: "GET /users/{id": a placeholder is a whole segment, {name} '
          .. 'for one or {name+} for several, with a name of letters, digits, "_" and "-"',
        ['graph = { "GET /users?x=1" }'] =
          'needs.graph[1]: "GET /users?x=1": a path may not have spaces, a query, "%", '
          .. '"\\" or characters beyond ASCII',
        ['graph = { "PATCH /users/{id}#" }'] = 'needs.graph[1]: "PATCH /users/{id}#" is not of the form '
          .. '"PATCH /users/{id}#member,member"',
        ['graph = { { "GET /users", secrets = { "x" } } }'] = "needs.graph[1]: a call of Graph is a text: "
          .. "Moonlatch knows which of its members hold secrets",
        ['devolutions = { "entries:wirte" }'] = 'needs.devolutions[1]: "entries:wirte" is none of "vaults:read", '
          .. '"entries:read", "entries:write"\nDid you mean '
          .. '"entries:write"? Write it as needs.devolutions[1] in DIR/made.lua.',
        ['run = { "/bin/sh" }'] = 'needs.run[1]: "/bin/sh" is a path; programs and folders are named in the profile',
        ['files = { ".." }'] = 'needs.files[1]: ".." is no name: letters, digits, - and _',
        ['file = { "x" }'] = 'needs.file: there is no such member\nDid you mean "files"?',
        ['peers = { vault = { "GET /v1/{path+}/{x}" } }'] =
          'needs.peers.vault[1]: "GET /v1/{path+}/{x}": only literal '
          .. 'segments may follow {name+}',
        ['peers = { vault = { "GET /v1/x#a" } }'] = 'needs.peers.vault[1]: "GET /v1/x#a": #member is for Graph only',
        ['peers = { vault = { { "POST /v1/x", secret = { "a" } } } }'] = "needs.peers.vault[1]: there is no member "
          .. 'secret; did you mean "secrets"?',
        ['peers = { vault = { { "POST /v1/x", secrets = { "a..b" } } } }'] =
          'needs.peers.vault[1]: secrets[1]: "a..b" is '
          .. 'no place: "data.password", or "data.*" for each member of data',
        ['peers = { vault = { { secrets = { "a" } } } }'] = "needs.peers.vault[1]: it does not begin with the call",
        ['when = { x = { graph = { "GET" } } }'] =
          'needs.when.x.graph[1]: "GET" is not of the form "GET /users/{id}"',
      } do
        local text = wrong_with(needs)
        assert.equal(message, message:find("\n", 1, true) and text or text:match "^[^\n]*")
      end
    end)

    it("may name programs, folders and other services", function()
      local declaration = load_body([[args = { tell = { type = "boolean", help = "" } }, needs = {
          run = { "tell" }, files = { "reports" }, when = { tell = { run = { "mail" } } },
          peers = { vault = { "GET /v1/sys/health",
            { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" }, answers = { "data.data.*", "auth.token" } } } },
        }, ]] .. RUN)
      local needs = require "permissions.needs"
      local lines = needs.lines(declaration.needs)
      table.sort(lines)
      assert.same({
        "files: reports", "peers.vault: GET /v1/sys/health",
        "peers.vault: POST /v1/{mount}/data/{path+} (secrets data.*; answers data.data.*, auth.token)",
        "run: mail (with --tell)", "run: tell",
      }, lines)
      assert.same({ "tell", "mail" }, script.needs(declaration, { tell = true }).run)
      assert.same({ "tell" }, script.needs(declaration, {}).run)
      assert.same({ method = "POST", path = "/v1/{mount}/data/{path+}", secrets = { "data.*" },
        answers = { "data.data.*", "auth.token" } }, needs.call(declaration.needs.peers.vault[2]))
      assert.same({ method = "PATCH", path = "/users/{id}", members = { "mail", "city" } },
        needs.call "PATCH /users/{id}#mail,city")
    end)

    it("is more with the arguments that say so, and only then", function()
      local declaration = load_body("args = { prove_on = { type = 'string', help = '' } }, "
        .. "needs = { graph = { 'GET /x' }, when = { prove_on = { graph = { 'PATCH /y#z' } } } }, " .. RUN)
      assert.same({ "GET /x" }, script.needs(declaration, {}).graph)
      assert.same({ "GET /x", "PATCH /y#z" }, script.needs(declaration, { prove_on = "u" }).graph)
      assert.same({ "GET /x" }, declaration.needs.graph)
      declaration = load_body("args = { deep = { type = 'boolean', help = '' } }, needs = { graph = { 'GET /x' }, "
        .. "scopes = { 'A' }, when = { deep = { graph = { 'GET /beta/y' }, scopes = { 'B' } } } }, " .. RUN)
      local deep = script.needs(declaration, { deep = true })
      assert.same({ { "GET /x", "GET /beta/y" }, { "A", "B" } }, { deep.graph, deep.scopes })
      assert.same({ "A" }, script.needs(declaration, {}).scopes)
      assert.truthy((refusal(load_body, "needs = { when = { x = { graph = { 'nothing' } } } }, " .. RUN))
        :find('needs.when.x.graph[1]: "nothing" is not of the form', 1, true))
    end)
  end)

  describe("what a script sees", function()
    local function run(text)
      return script.chunk(script.find(write("seen", text)))()
    end

    it("is the language, without doors to the machine", function()
      for _, name in ipairs {
        "io", "os", "debug", "load", "loadstring", "dofile", "loadfile", "collectgarbage", "package", "arg",
      } do
        assert.error_matches(function() run("return " .. name) end, "reads the undeclared global '" .. name .. "'")
      end
      assert.is_nil(run "return string.dump")
      assert.error_matches(function() run "x = 1" end, "writes the undeclared global 'x'")
      assert.equal("ok", run "local t = setmetatable({}, { __index = function() return 'ok' end }) return t.x")
    end)

    it("cannot change the library's strings and functions for others", function()
      run "string.format, math.floor, table.concat = nil, nil, nil"
      assert.is_function(string.format)
      assert.is_nil(run "return getmetatable('')")
    end)

    it("has the library, but not what runs it", function()
      assert.equal(90, run "return require('time').duration '90s'")
      for name, hint in pairs {
        ["host.sys"] = "", ["host.json"] = "; the interface is 'json'", ["host.gate"] = "",
        ["command.apply"] = "", cli = "; the interface is 'log'", ["oauth.sign_in"] = "; the interface is 'graph'",
        session = "; the interface is 'graph'", ["graph.call"] = "; the interface is 'graph'", ["base.class"] = "",
        io = "", os = "", debug = "", ["profile.check"] = nil, argparse = "",
      } do
        assert.error_matches(function() run(("require '%s'"):format(name)) end,
          (("scripts may not require '%s'%s"):format(name, hint):gsub("[.%-]", "%%%0")))
      end
      folders.use(nil)
      local text = refusal(run, "\nrequire 'lib.nowhere'")
      assert.equal("require 'lib.nowhere' in line 2 of DIR/seen.lua: there is no such module: it is no interface, and "
        .. "none of these files: DIR/lib/nowhere.lua, DIR/lib/lib/nowhere.lua, OWN/lib/nowhere.lua, "
        .. "OWN/lib/lib/nowhere.lua\nCorrect the name, or write the module into one of these files.",
        (text:gsub(folders.own():gsub("%p", "%%%0"), "OWN")))
      assert.matches("\nDid you mean 'graph'%?$", (refusal(run, "require 'grahp'")))
      write("lib/surnames", "return 1")
      assert.matches("\nDid you mean 'surnames'%?$", (refusal(run, "require 'surname'")))
    end)

    it("finds modules in its folder, then in the folders of scripts, each time also in lib", function()
      write("all/both", "return 'all'")
      folders.use(folder .. "/all")
      write("all/lib/deep/other", "return { 'all/lib', require 'both' }")
      write("all/here/lib/both", "return 'here/lib'")
      local mine = write("all/here/mine", "return { require 'both', table.unpack(require 'deep.other') }")
      for _, name in ipairs { mine, "here/mine" } do
        assert.same({ "here/lib", "all/lib", "here/lib" }, script.chunk(script.find(name))())
      end
      write("all/here/both", "return 'here'")
      assert.same({ "here", "all/lib", "here" }, script.chunk(script.find "here/mine")())
      assert.equal("all", script.chunk(script.find(write("all/other", "return require 'both'")))())
      assert.equal("all/lib", script.chunk(script.find(write("all/third", "return require 'lib.deep.other'")))()[1])
    end)

    it("cannot have the name of a module of the library, nor of a room of it", function()
      for _, name in ipairs { "graph", "lib/graph", "fail", "session", "entra/admin", "host/sys" } do
        write(name, "return 'mine'")
      end
      assert.not_equal("mine", run "return require 'graph'")
      assert.not_equal("mine", run "return require 'entra.admin'")
      assert.equal("mine", run "return require 'lib.graph'")
      for _, name in ipairs { "session", "host.sys" } do
        assert.error_matches(function() run(("require '%s'"):format(name)) end, "scripts may not require")
      end
    end)

    it("is refused when the file can be written by others", function()
      os.execute(("chmod 666 '%s'"):format(write("names", "return 1")))
      assert.matches("^read the script DIR/names.lua: .*chmod go%-w", (refusal(run, "require 'names'")))
    end)

    it("finds scripts beside it, once each, in the same surroundings", function()
      folders.use(folder)
      write("parts/counter", [[
        local n = 0
        return { next = function() n = n + 1 return n end, os = pcall(function() return os end) }]])
      assert.equal(2, run [[
        require("parts.counter").next()
        return require("parts.counter").next()]])
      assert.is_false(run [[return require("parts.counter").os]])
      write("parts/a", "return require 'parts.b'")
      write("parts/b", "return require 'parts.a'")
      assert.error_matches(function() run "require 'parts.a'" end, "'parts.a' requires itself through other modules")
    end)
  end)

  describe("arguments", function()
    local declaration

    before_each(function()
      declaration = load_body([[args = {
        name = { type = "string", default = "Devolutions PAM", help = "the application's name" },
        count = { type = "integer", help = "how many" },
        jit_elevation = { type = "boolean", default = true, help = "allow it" },
        renew_before = { type = "duration", default = "30d", help = "when to renew" },
        managed = { type = "list", help = "who is managed" },
        color = { type = "string", choices = { "red", "green" }, help = "which" },
        input = { type = "file", help = "a file" },
        output = { type = "path", help = "a path" },
        below = { type = "folder", help = "a folder in a vault" },
      }, id = "made", ]] .. RUN)
    end)

    local function read(...) return script.arguments(declaration, { ... }) end

    it("take their defaults", function()
      assert.same({ name = "Devolutions PAM", jit_elevation = true, renew_before = 30 * 86400, managed = {} }, read())
    end)

    it("are read by type, with or without =, with - or _", function()
      local file = write("input", "")
      assert.same({
        name = "--odd", count = -3, jit_elevation = false, renew_before = 3600, managed = { "a", "b", "c" },
        color = "red", input = file, output = "/nowhere/x", below = "Entra\\Tier0",
      }, read("--name=--odd", "--count", "-3", "--no-jit-elevation", "--renew_before", "1h", "--managed", "a, b",
        "--managed=c", "--color", "red", "--input", file, "--output", "/nowhere/x",
        "--below", "\\Entra\\Tier0\\"))
      assert.is_false(read("--jit-elevation", "false").jit_elevation)
      assert.is_false(read("--jit-elevation=no").jit_elevation)
      assert.is_true(read("--jit-elevation", "--count", "1").jit_elevation)
    end)

    it("hold every name there is in a list", function()
      assert.same({ "Tier 0, EU", "a\\b", "c" }, read("--managed", [[Tier 0\, EU, a\\b]], "--managed", "c").managed)
      assert.same({ [[Entra\Tier0]] }, read("--managed", [[Entra\Tier0]]).managed)
    end)

    it("do not leak from one reading into the next", function()
      read().managed[1] = "x"
      assert.same({}, read().managed)
    end)

    it("are refused, saying what and why, before anything is done", function()
      for message, words in pairs {
        ["read the arguments of 'made': it has no argument --nmae\nDid you mean --name?"] = { "--nmae", "x" },
        ["read the arguments of 'made': it has no argument --zebra\nLeave it out, or use one of its arguments: "
          .. "--below, --color, --count, "
          .. "--input, --jit-elevation, --managed, --name, --output, --renew-before."] = { "--zebra" },
        ["read the arguments of 'made': 'stray' belongs to no argument\nWrite arguments as --name value."] =
          { "stray" },
        ["read the argument --below 'Entra/Tier0': folders are separated by \\\nWrite it as "
          .. "\"Entra\\\\Tier0\" or [[Entra\\Tier0]] in a file, 'Entra\\Tier0' in a shell."] =
          { "--below", "Entra/Tier0" },
        ["read the argument --count '1.5': it needs a whole number\nWrite it like this: --count 5"] = {
          "--count", "1.5" },
        ["read the argument --count: no value follows it\nWrite it like this: --count 5"] = {
          "--count", "--name", "x" },
        ["read the argument --renew-before 'soon': it needs a duration, of the form 180d, 7d12h, 30m or 45s\n"
          .. "Write it like this: --renew-before 180d"] =
          { "--renew-before", "soon" },
        ["read the argument --color 'gren': it is none of: red, green\nDid you mean 'green'?"] = { "--color", "gren" },
        ["read the argument --input '/nowhere': there is no such file\nWrite it like this: --input FILE"] =
          { "--input", "/nowhere" },
        ["read the argument --jit-elevation 'maybe': it needs true or false\nWrite it like this: --jit-elevation "
          .. "true"] =
          { "--jit-elevation=maybe" },
        ["read the argument --name: it was given twice\nLeave out one of the two --name."] = {
          "--name", "a", "--name", "b" },
        ["read the argument --name: no value follows it\nWrite it like this: --name TEXT"] = { "--name" },
      } do
        local text, kind = refusal(script.arguments, declaration, words)
        assert.equal(message, text)
        assert.equal("usage", kind)
      end
      declaration = load_body("id = 'x', args = { who = { type = 'string', help = 'Whom.', required = true } },"
        .. RUN)
      assert.equal("read the arguments of 'x': --who is missing\nWhom.", (refusal(read)))
    end)

    it("are explained by the declaration", function()
      local found = { name = "setup/made" }
      local help = script.help(declaration, found, "apply")
      assert.matches("^Usage: moonlatch apply setup/made %[%-%-name value …%]\n\nS\n\nArguments:\n", help)
      assert.matches("\n  %-%-color TEXT         which: red, green\n", help)
      assert.matches("\n  %-%-renew%-before TIME  when to renew %(30d%)\n", help)
      assert.matches("\n  %-%-jit%-elevation      allow it %(yes; %-%-no%-… says no%)\n", help)
      assert.matches("\nExamples:\n  moonlatch apply setup/made\n", help)
      assert.matches("\nOptions of the command itself: moonlatch apply %-%-help$", help)
    end)
  end)
end)
