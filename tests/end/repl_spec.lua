-- takes 6 s: plays a person at a terminal
-- The prompt as a person meets it, and as a pipe does, on the emulator. The screens are kept in tests/screens.

local await = require "await"
local json = require "host.json"
local moonlatch = require "moonlatch"
local rehearsal = require "rehearsal"
local screen = require "screen"
local sys = require "host.sys"

local PROMPT = "\nemulator>"

describe("the prompt", function()
  local cloud

  lazy_setup(function() cloud = rehearsal.new() end)
  lazy_teardown(function()
    local _ <close> = cloud
  end)

  describe("for a pipe", function()
    local function run(input, ...)
      local place <close> = moonlatch.place()
      return place:run({ "repl", "--config", cloud.config, ... }, { input = input })
    end

    it("shows what each line gives, and ends with 1 when any failed", function()
      local outcome = run '1 + 1\nfor i = 1, 2 do\nprint(i)\nend\nlocal x = "kept"\nx, nil\n-- nothing\n"last"'
      assert.same({ 0, "2\n1\n2\nkept\nnil\nlast\n", "" }, { outcome.status, outcome.out, outcome.err })
      outcome = run "grap\n1\nx = = 1\ngraph.lst()\nhelp 40x\nerror 'own'"
      assert.equal("1\n", outcome.out)
      assert.equal(1, outcome.status)
      assert.equal([[
error: read the name 'grap'
  why: there is nothing of that name
  fix: Did you mean 'graph'?
error: read what was typed
  why: line 1: unexpected symbol near '='
  fix: Correct the Lua code. Type help() for what there is.
error: run what was typed
  why: line 1: attempt to call a nil value (field 'lst')
  fix: Did you mean graph.list?
error: help "40x"
  why: there is no help of that name
  fix: Did you mean help "400"?
error: run what was typed
  why: line 1: own
]], outcome.err)
    end)

    it("waits in its calls, and keeps names and the sign-in from line to line", function()
      local outcome = run([[
users = graph.list("/users", { top = 2, select = { "displayName" } })
users().displayName
users().displayName
users().displayName
task.sleep(5)
#graph.all("/groups")
last > 0]])
      assert.equal(0, outcome.status, outcome.err)
      assert.matches("signed in as adele@contoso%.onmicrosoft%.com %(person%)\nAdele Arden\nPriya Raman\nArno Visser\n"
        .. "%d+\ntrue\n$", outcome.out)
    end)

    it("gives one document with --json", function()
      local outcome = run('graph.get("/me", { select = "userPrincipalName" }).userPrincipalName\n{ a = 1 }', "--json")
      assert.same({ "adele@contoso.onmicrosoft.com", { a = 1 } }, json.decode(outcome.out))
    end)

    it("changes nothing without --write, nothing unasked without --yes", function()
      local line = 'graph.delete("/applications/x")'
      assert.matches("why: it would change something, and this session only reads\n", run(line).err)
      assert.matches("why: it would change something, and there is no terminal to ask on\n", run(line, "--write").err)
      assert.matches("Graph said: 40%d", run(line, "--write", "--yes").err)
    end)

    it("guesses the path that was meant, and explains failures", function()
      local outcome = run 'graph.get "/usrs"\nexplain(last)\nhelp "AADSTS7000215"\ntrace on\ngraph.get "/me".id'
      assert.matches('\n  fix: Did you mean "/users"%?', outcome.err)
      assert.matches("kind +refused", outcome.out)
      assert.matches("AADSTS7000215\n  why: the client secret is not valid\n", outcome.out)
      assert.matches("GET    /v1%.0/me  200  %d+ ms  %d+ B\n", outcome.err)
      assert.is_nil(outcome.err:find("eyJ", 1, true))
    end)

    it("is there without a configuration, until a call needs one", function()
      local place <close> = moonlatch.place()
      local outcome = place:run({ "repl" }, { input = "1 + 1\ngraph.get '/me'" })
      assert.equal("2\n", outcome.out)
      assert.matches("^error: read the configuration .*\n  fix: Make a first one: moonlatch init%.", outcome.err)
      outcome = place:run({ "repl", "--profile", "contoso" }, { input = "1 + 1" })
      assert.same({ 1, "" }, { outcome.status, outcome.out })
    end)

    it("filters, sorts, picks columns and saves, of the last result or of a list; _ is the last result", function()
      local config, reports = sys.read(cloud.config, 65536), assert(sys.temporary "reports")
      local _ <close> = setmetatable({}, { __close = function() sys.remove_tree(reports) end })
      config = config:gsub("    sign_in = sign_in,", ("%%0 folders = { reports = %q },"):format(reports))
      local path = cloud.config:gsub("moonlatch.lua$", "reports.lua")
      assert(sys.write(path, config, "replace"))
      local place <close> = moonlatch.place()
      local function session(input, ...)
        return place:run({ "repl", "--quiet", "--config", path, ... }, { input = input })
      end
      local outcome = session([[
list = { { n = "b", i = 1 }, { n = "A", i = 2 }, { i = 3 }, { n = "ab", i = 10 } }
#where(list, { n = "a*" })
#where(list, function(row) return row.i > 2 end)
where(graph.list("/users"), { userPrincipalName = "adele*" })
columns "displayName"
_[1].displayName
sort(list, "n")[1].n .. sort(list, "-i")[1].i
columns(sort(list, "-i"), "i, n")
save reports/list.csv
save(last, "list.json")
]], "--write", "--yes")
      assert.matches("A10\n", outcome.out)
      assert.matches("^2\n2\n", outcome.out)
      assert.matches("displayName\nAdele Arden\n1 item\nAdele Arden\n", outcome.out)
      assert.matches("\n i  n\n10  ab\n 3\n 2  A\n 1  b\n4 items\nreports/list.csv: 26 bytes\n", outcome.out)
      assert.equal("i,n\r\n10,ab\r\n3,\r\n2,A\r\n1,b\r\n", sys.read(reports .. "/list.csv", 1000))
      assert.equal(4, #json.decode(sys.read(reports .. "/list.json", 1000)))
      outcome = session('save({ {} }, "x.csv")\nsave "nowhere/x.csv"\nsave({ {} }, "x.txt")\nwhere(5)\nsort { 1 }')
      for _, text in ipairs {
        "write 'x.csv' in the folder 'reports'\n  why: it would change something, and this session only reads",
        "why: its ending says no format\n  fix: Name a file .csv or .json.",
        "where(…)\n  why: this is no list of records",
      } do
        assert.matches(text, outcome.err, 1, true)
      end
    end)

    it("runs commands that only read, and keeps variables and the private emulator", function()
      local place <close> = moonlatch.place()
      local outcome = place:run({ "repl", "--emulator", "--quiet" }, { seconds = 120, input = [[
x = graph.get("/organization").value[1].id
whoami
plan setup/entra-pam-provider --name "Our PAM"
plan nothing
scripts copy discover
x == graph.get("/organization").value[1].id
plan = 5
plan
doctor and 1
]] })
      assert.matches("^adele@contoso.onmicrosoft.com %(person%)\n", outcome.out)
      assert.matches("application 'Our PAM'", outcome.out, 1, true)
      assert.matches("Plan: 9 to create.\ntrue\n5\n1\n$", outcome.out)
      assert.matches("error: find the script 'nothing'", outcome.err, 1, true)
      assert.is_nil(sys.stat(place.path .. "/.config/moonlatch/scripts/discover.lua")) -- to copy is no reading
    end)

    it("names the permission that a change lacks, and the way to it", function()
      local outcome = run('graph.post("/groups", { displayName = "x" })\nexplain(last)\n'
        .. 'sign_in Group.ReadWrite.All\ngraph.post("/groups", { displayName = "x", mailNickname = "x", '
        .. 'mailEnabled = false, securityEnabled = true }).displayName', "--write", "--yes")
      assert.matches("why: Group.ReadWrite.All was not consented to the client that you signed in with. Graph said: ",
        outcome.err, 1, true)
      assert.matches('At this prompt: sign_in "Group.ReadWrite.All"\n', outcome.err, 1, true)
      assert.matches("\nx\n$", outcome.out)
    end)

    it("finds modules of a person, and loads them anew", function()
      local place <close> = moonlatch.place()
      place:write("own/lib/names.lua", "return { first = 'Ada' }")
      local outcome = place:run({ "repl", "--scripts", place.path .. "/own" }, { input = [[
names = require "names"
names.first
reload "names"
rawequal(names, require "names"), rawequal(names, last)
]] })
      assert.same({ 0, "Ada\nfirst  Ada\ntrue\ntrue\n" }, { outcome.status, outcome.out })
      assert.matches("error: require 'nowhere' in line 1 of prompt\n  why: there is no such module: it is no "
        .. "interface, and none of these files: [^\n]*/%.config/moonlatch/scripts/nowhere%.lua, ",
        place:run({ "repl" }, { input = "x = require 'nowhere'" }).err)
    end)

    it("says what needs saying of any topic", function()
      local outcome = run([[
help()
help(graph)
help(graph.list)
help "graph.batch"
help(devolutions)
help(json.decode)
help "host.secret"
help(secret.generate(20))
help "/users"
help "403"
help "setup/entra-pam-provider"
help "plan"
help(explain)
help(where)
?
?graph.list
? save
graph
]])
      assert.same({ 0, "" }, { outcome.status, outcome.err })
    end)
  end)

  describe("for a person", function()
    local function start(size, ...)
      return screen.open(size, { "repl", "--config", cloud.config, ... })
    end

    local function person(name, fn)
      it(name, function()
        if not screen.there() then return pending("tmux is not installed") end
        fn()
      end)
    end

    person("says where, as whom and what it may, and completes", function()
      local window <close> = start { 80, 24 }
      window:wait(PROMPT)
      window:type "gra"
      window:press "Tab"
      window:wait "> graph"
      window:type "."
      window:press "Tab"
      window:wait "\nemulator> graph%."
      window:type 'get("/use'
      window:press "Tab"
      window:wait '"/users'
      window:type '", { select = { "displayN'
      window:press "Tab"
      window:wait "displayName"
      window:enter('", "id" }, top = 3 })', PROMPT)
      window:type 'graph.get "/users/'
      window:press "Tab"
      window:wait '"/users/'
      window:check "completion"
    end)

    person("shows a table that fits 80 columns, a screen at a time", function()
      local window <close> = start { 80, 16 }
      window:wait(PROMPT)
      window:enter('graph.get("/users", { top = 30 })', "lines 1%-15")
      window:check "table-80"
      window:press "Space"
      window:wait "lines 16%-30"
      window:press "q"
      window:wait(PROMPT)
      window:enter 'graph.get "/users/adele@contoso.onmicrosoft.com"'
      window:check "object-80"
    end)

    person("shows more of it in 140", function()
      local window <close> = start { 140, 24 }
      window:wait(PROMPT)
      window:enter('graph.get("/users", { top = 12 })', PROMPT)
      window:check "table-140"
    end)

    person("takes several lines as one entry of the history", function()
      local window <close> = start { 80, 24 }
      window:wait(PROMPT)
      window:go "for i = 1, 2 do"
      window:go "  print(i, \"häß\")"
      window:enter("end", PROMPT)
      window:press "Up"
      window:wait "end"
      window:press "Enter"
      window:wait(PROMPT)
      window:enter('password = "hunter2hunter2"', PROMPT)
      window:press "C-r"
      window:type "pass"
      window:wait "bck:pass"
      window:press "C-c"
      window:wait(PROMPT)
      window:check "several-lines"
      local kept = sys.read(window.place.path .. "/.local/state/moonlatch/history", 10000)
      assert.equal('for i = 1, 2 do\\n  print(i, "häß")\\nend\npassword = "[secret]"\n', kept)
    end)

    person("keeps nothing that was typed where a secret was asked for", function()
      local config = sys.read(cloud.config, 65536):gsub('from = "file", path = "devolutions.secret"', 'from = "prompt"')
      local path = cloud.config:gsub("moonlatch.lua$", "asking.lua")
      assert(sys.write(path, config, "replace"))
      local window <close> = screen.open({ 80, 24 }, { "repl", "--config", path })
      window:wait(PROMPT)
      window:enter("devolutions.vaults()", "Server:")
      window:type "hunter2hunter2"
      window:press "Enter"
      local shown = window:wait(PROMPT)
      assert.is_nil(shown:find("hunter2", 1, true))
      window:enter("x = 'hunter2hunter2'", PROMPT) -- the same again, and now in the open
      local kept = sys.read(window.place.path .. "/.local/state/moonlatch/history", 10000)
      assert.is_nil(kept:find("hunter2", 1, true), kept)
      assert.truthy(kept:find("devolutions.vaults", 1, true), kept)
    end)

    person("stops a call at Ctrl-C, not the session, and leaves at Ctrl-D", function()
      local window <close> = start { 80, 24 }
      window:wait(PROMPT)
      window:go 'print "begun" while true do end'
      window:wait "\nbegun"
      window:press "C-c"
      window:wait(PROMPT)
      window:go 'print "begun" task.map({1, 2}, 2, function() repeat pcall(error) until nil end)'
      window:wait "\nbegun"
      window:press "C-c"
      window:wait(PROMPT)
      cloud:control("POST", "/faults", { rule = "GET /organization hold-before" })
      window:enter 'graph.get("/me").displayName'
      window:go 'graph.get "/organization"'
      await.event("the request is held", function() return cloud:control("GET", "/faults").faults[1].hits == 1 end)
      window:press "C-c"
      window:wait(PROMPT)
      window:type "half a line"
      window:wait "half a line"
      window:press "C-c"
      window:wait(PROMPT)
      window:enter('"still here"', PROMPT)
      window:press "C-d"
      window:wait "left with 0"
      window:check "interrupts"
    end)

    person("asks before a change, in full and without its secrets", function()
      local window <close> = start({ 80, 24 }, "--write")
      window:wait "\nemulator!>"
      window:enter('graph.post("/groups", { displayName = "x", password = "hunter2hunter2" })', "changes%]")
      window:enter("n", "\nemulator!>")
      window:check "write"
    end)

    person("helps", function()
      local window <close> = start { 80, 40 }
      window:wait(PROMPT)
      window:press "C-l"
      window:enter("help(task.map)", PROMPT)
      window:check "help-function"
      window:press "C-l"
      window:wait "emulator>"
      window:enter("help 401", PROMPT)
      window:check "help-401"
    end)

    it("works under script", function()
      local place <close> = moonlatch.place()
      local outcome = place:run({ "repl", "--config", cloud.config }, {
        input = "1 + 1\n", env = { "TERM=xterm" }, before = { "sh", "-c", "'exec script -qec \"$*\" /dev/null'", "sh" },
      })
      assert.matches("\n2\r\n", outcome.out .. outcome.err)
    end)

    person("works where the cursor cannot be moved", function()
      local window <close> = screen.open({ 80, 16 }, { "repl", "--config", cloud.config }, { "TERM=dumb" })
      window:wait(PROMPT)
      window:enter("1 +", "%.%.%.")
      window:enter("1", PROMPT)
      window:type "half"
      window:wait "half"
      window:press "C-c"
      window:wait(PROMPT)
      window:press "C-d"
      window:wait "left with 0"
      window:check "dumb"
    end)
  end)
end)
