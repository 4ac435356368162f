-- The border between a script and the library, attacked: each test is a script that tries to reach or change what is
-- not its own.

local contoso = require "contoso"
local fail = require "fail"
local sandbox = require "script.sandbox"
local script = require "script.load"

local tenant

-- Another script, with surroundings of its own.
local function new_script()
  local globals = sandbox.globals()
  return function(code, ...) return assert(load(code, "@mine.lua", "t", globals))(...) end, globals
end

local function run(code, ...) return new_script()(code, ...) end

local function refused(code, message, ...)
  local ok, err = pcall(new_script(), code, ...)
  assert(not ok, code)
  assert(tostring(err):find(message, 1, true), ("%s\n-> %s"):format(code, tostring(err)))
end

local function load_text(text, path)
  return script.check({ name = "mine", path = path or "mine.lua" },
    script.chunk({ name = "mine", path = path or "mine.lua", origin = "path", text = text })())
end

local POLICY = [[
local policy = require "policy"
%s
return policy {
  summary = "S", select = policy.users { group = "all" } - policy.users { upn = "breakglass@x.test" },
  every = "30d", sink = policy.devolutions.server { vault = "V" },
}]]

describe("require", function()
  it("gives interfaces only", function()
    for _, name in ipairs {
      "http.client", "oauth.sign_in", "session.open", "rotation.command", "sink.entry", "profile.current", "graph.call",
      "journal.commit", "task.scheduler", "script.sandbox", "script.border", "base.class", "host.gate", "host.secret",
      "command.apply", "policy.select", "resource.new", "machine.secret_file", "time.clock", "log.output", "debug",
      "io", "os", "package", "_G", "http", "session", "base",
    } do
      refused("require(...)", ("scripts may not require '%s'"):format(name), name)
    end
  end)

  it("refuses what is no name, however it looks", function()
    for _, name in ipairs {
      "session\0", "graph\0", "graph.call\0x", "../graph", "..", "graph..call", "graph/call", "./graph", "/etc/passwd",
      "", ".", "graph.", ".graph", " graph", "graph ", "graph\n", "gr\u{430}ph", "json\u{200b}", "-graph",
    } do
      refused("require(...)", "is no name of a module", name)
    end
    refused("require(setmetatable({}, { __tostring = function() return 'graph' end }))", "require needs the name")
    refused("require 'Graph'", "require 'Graph' in line 1 of mine.lua: there is no such module")
  end)

  it("gives Lua's libraries as the script's own copies", function()
    run "require('string').format = nil; require('table').concat = nil; math.floor = nil; coroutine.yield = nil"
    assert(string.format and table.concat and math.floor and coroutine.yield)
    assert.is_true(run "return require('string') == string and string.dump == nil")
  end)
end)

describe("a module that a script requires", function()
  local WAYS = {
    "local m = ...; m.get = print", "local m = ...; m.new_name = 1", "rawset(..., 'get', print)",
    "table.insert(..., print)", "setmetatable(..., {})", "getmetatable(...).__index = {}",
    "table.sort(..., function() return true end)", "next(...).x = 1",
  }

  it("cannot be changed, by any way of writing", function()
    local attack, globals = new_script()
    local graph = globals.require "graph"
    local get, real = graph.get, require("graph").get
    for _, way in ipairs(WAYS) do pcall(attack, way, graph) end
    for name in globals.pairs(graph) do assert.not_equal("new_name", name) end
    assert.same({ get, real }, { graph.get, require("graph").get })
    assert.is_nil(globals.rawget(graph, "get"))
    refused("require('graph').get = print", "mine.lua:1: 'graph' cannot be changed by a script (writing 'get')")
    refused("require('policy').devolutions.server = print", "'policy.devolutions' cannot be changed by a script")
    refused("rawset(require 'graph', 'get', print)", "what belongs to the library cannot be changed by a script")
  end)

  it("is another for each script, also where it is only walked over", function()
    local one, two = new_script(), new_script()
    assert.not_equal(one "return require 'graph'", two "return require 'graph'")
    one "for name, fn in pairs(require 'time') do end local f, s = pairs(require 'time') s.duration = nil"
    assert.equal(90, one "return require('time').duration '90s'")
    assert.equal(90, two "return require('time').duration '90s'")
  end)
end)

describe("an object of the library", function()
  local OBJECTS = {
    selection = "require('policy').users { group = 'x' }", sink = "require('policy').handover()",
    form = "require('policy') {}", task = "require('task').spawn(print)", array = "require('json').array {}",
    declaration = "require('workflow').declare { steps = {} }", text = "'text'",
    failure = "require('fail').new { kind = 'usage', what = 'a', why = 'b' }", module = "require 'task'",
    resource = "require('entra.application') { name = 'n', workflow = 'w' }",
  }

  it("has a metatable that gives its name or nothing", function()
    for name, code in pairs(OBJECTS) do
      local meta = run(("return getmetatable(%s)"):format(code))
      assert(not meta or type(meta) == "string", name)
      if name ~= "text" then refused(("setmetatable(%s, {})"):format(code), "cannot change a protected metatable") end
    end
  end)

  it("shows what its class opens, and cannot be written, not even raw", function()
    for _, name in ipairs { "selection", "sink", "form", "task", "declaration", "resource" } do
      refused(("local o = %s; o.x = 1"):format(OBJECTS[name]), "cannot be changed by a script (writing 'x')")
      refused(("rawset(%s, 'x', 1)"):format(OBJECTS[name]), "what belongs to the library")
      assert.is_nil(run(("local o = %s; return next(o) or o.__index or o.fields or o.co or o.kind_of or o.read")
        :format(OBJECTS[name])), name)
    end
  end)

  it("cannot be made to exclude nobody in another policy", function()
    load_text(POLICY:format [[
      local selection = policy.users { group = "x" }
      pcall(function() getmetatable(selection).__sub = function(left) return left end end)
      pcall(function() selection.__sub = function(left) return left end end)
      pcall(function() policy.users = function() return selection end end)
      pcall(rawset, selection, "operator", "+")]])
    assert.equal("group 'all' - upn 'breakglass@x.test'", tostring(load_text(POLICY:format "").policy.select))
  end)
end)

describe("a value that a script hands over", function()
  before_each(function()
    tenant = contoso.new()
    tenant.door:on("GET", "/v1.0/users", { 200, {}, { value = { { id = "1" }, { id = "2" } } } })
    tenant.door:on("GET", "/v1.0/users/{id}", { 200, {}, { id = "1" } })
    tenant.door:on("PATCH", "/v1.0/users/{id}", { 204, {}, "" })
    tenant.door:on("GET", "/v1.0/denied",
      { 403, {}, { error = { code = "Authorization_RequestDenied", message = "" } } })
  end)
  after_each(function() tenant:close() end)

  it("is read without its metamethods: a table with a metatable is refused", function()
    local code = [[
      local asked = 0
      local function ask() asked = asked + 1 return "x" end
      local tricky = setmetatable({}, { __index = ask, __pairs = ask, __len = ask, __tostring = ask, __call = ask })
      local ok, err = pcall(require("graph").get, "/users/1", tricky)
      local ok2 = pcall(require("graph").patch, "/users/1", { deep = { tricky } })
      local ok3 = pcall(require("policy").users, { group = tricky })
      return asked, ok or ok2 or ok3, err]]
    local asked, ok, err = tenant:run(new_script(), code)
    assert.same({ 0, false }, { asked, ok })
    assert.equal("a table with a metatable cannot be handed to the library: pass a plain table", err)
    assert.equal(0, tenant.door:count("PATCH", "/v1.0/users/{id}"))
  end)

  it("is not the item that a loop over a list hands back", function()
    local kinds = tenant:run(new_script(), [[
      local kinds = {}
      for user in require("graph").list("/users") do
        setmetatable(user, { __index = { kind = "user " .. user.id } })
        kinds[#kinds + 1] = user.kind
      end
      return table.concat(kinds, ", ")]])
    assert.equal("user 1, user 2", kinds)
  end)

  it("counts as it was handed over: what is changed in it later changes nothing", function()
    local terms = load_text [[
      local policy = require "policy"
      local never, fields = { "breakglass@x.test" }, { max_changes = 1 }
      local mine = policy { summary = "S", select = policy.users { group = "all" }, every = "30d", never = never,
        limits = fields, sink = policy.devolutions.server { vault = "V" } }
      never[1], fields.max_changes = nil, 1000
      return mine]].policy
    assert.same({ { "breakglass@x.test" }, 1 }, { terms.never, terms.limits.max_changes })
  end)

  it("comes back as the same table where the library gave it, and is copied where the script made it", function()
    local got, own = {}, { by = "the library" }
    local module = { read = function() return own end, replace = function(entry) got[#got + 1] = entry end }
    package.loaded["entra.admin"], module = module, package.loaded["entra.admin"]
    local made = run [[
      local admin, made = require "entra.admin", { deep = {} }
      admin.replace(admin.read())
      admin.replace(made)
      return made]]
    package.loaded["entra.admin"] = module
    assert.equal(own, got[1])
    assert.not_equal(made, got[2])
    assert.equal(made.deep, got[2].deep)
  end)

  it("gets no metatable once the library may keep it", function()
    local own = { by = "the library" }
    local module = { read = function() return own end, replace = function(_) end }
    package.loaded["entra.admin"], module = module, package.loaded["entra.admin"]
    for _, code in ipairs {
      "setmetatable(require('entra.admin').read(), { __newindex = print })",
      "local mine = { deep = {} } require('entra.admin').replace(mine) setmetatable(mine.deep, { __eq = print })",
    } do
      refused(code, "a table that the library has, too, cannot get a metatable")
    end
    package.loaded["entra.admin"] = module
    assert.equal(1, run "return setmetatable({}, { __index = { a = 1 } }).a")
  end)

  it("may be nested or lead back to itself, and is refused where it has no end", function()
    refused([[
      local deep = {}
      for _ = 1, 100000 do deep = { deep } end
      require("policy") { summary = deep }]], "nested too deep")
    refused("require('policy').users(coroutine.create(print))", "a coroutine cannot be handed to the library")
    refused([[
      local round = {}
      round.round = round
      require("policy").users { group = round }]], "group")
  end)

  it("is no run of the library's, whatever it says it is", function()
    for _, call in ipairs {
      "require('entra.admin').sign_in", "require('rotation').client_secret", "require('certificate').ensure",
      "require('sink').entry", "require('entra.consent').ensure",
    } do
      refused(call .. "({ mode = 'apply', profile = { login = 'https://evil.test' }, have = {} }, {})",
        "the first argument has to be the run that the step got")
    end
  end)

  it("as a file's declaration is a plain table", function()
    local ok, failure = pcall(load_text, "return setmetatable({ summary = 'S' }, { __index = { run = print } })")
    assert.is_false(ok)
    assert.matches("a table with a metatable cannot be handed to the library", tostring(failure))
  end)
end)

describe("an error", function()
  before_each(function()
    tenant = contoso.new()
    tenant.door:on("GET", "/v1.0/denied",
      { 403, {}, { error = { code = "Authorization_RequestDenied", message = "" } } })
  end)
  after_each(function() tenant:close() end)

  it("that a script catches is its own copy", function()
    local failure = fail.new { kind = "denied", what = "a", why = "b", cause = { deep = { 1 } } }
    local caught = {}
    for i, code in ipairs {
      "local raise = ... local ok, err = pcall(raise) return err",
      "local raise = ... local ok, err = xpcall(raise, function(err) return err end) return err",
      "local raise = ... local ok, err = coroutine.resume(coroutine.create(raise)) return err",
      "local raise = ... local ok, err = pcall(coroutine.wrap(raise)) return err",
    } do
      caught[i] = run(code, function() error(failure, 0) end)
      assert.is_true(fail.is(caught[i], "denied"))
      caught[i].kind, caught[i].cause.deep[1] = "missing", 2
    end
    assert.same({ "denied", 1 }, { failure.kind, failure.cause.deep[1] })
  end)

  it("that a variable is closed with is a copy, too", function()
    local failure = fail.new { kind = "denied", what = "a", why = "b", cause = { deep = { 1 } } }
    local closed_with = tenant:run(new_script(), [[
      local raise = ...
      local child, got = require("task").spawn(raise), nil
      pcall(function()
        local _ <close> = setmetatable({}, { __close = function(_, err) got = err end })
        child:wait()
      end)
      return got]], function() error(failure, 0) end)
    assert.is_true(fail.is(closed_with, "denied"))
    closed_with.kind, closed_with.cause.deep[1] = "missing", 2
    assert.same({ "denied", 1 }, { failure.kind, failure.cause.deep[1] })
  end)

  it("that a script raises says what it said then, in words", function()
    local _, err = pcall(load_text, [[
      local fail = require "fail"
      local mine = fail.new { kind = "denied", what = "a", why = "b" }
      mine.why = setmetatable({}, { __concat = function() return "forged" end })
      mine.kind, mine.handle = "no kind", print
      error(mine, 0)]])
    assert.is_true(fail.is(err, "refused"))
    assert.equal("a: it raised a failure that says nothing", tostring(err))
    assert.is_nil(err.handle)
  end)

  it("is no way to act in the library: its metamethods are not called there", function()
    local sink = load_text [[
      local called = false
      local function raise()
        if called then return "called" end
        error(setmetatable({}, { __tostring = function() called = true return "forged" end }))
      end
      return { summary = "S", where = raise, store = raise, can = {} }]]
    local ok, err = pcall(sink.where)
    assert.is_false(ok)
    assert.matches("^a script raised a table that has a metatable: raise a text, or a failure with fail.raise\n",
      tostring(err))
    assert.is_false((pcall(sink.where)))
  end)

  it("is handled when all that it came through has been left", function()
    local code = [[
      local graph, task = require "graph", require "task"
      local left
      xpcall(task.within, function() left = task.left() end, 5, graph.get, "/denied")
      return left]]
    assert.equal(math.huge, tenant:run(new_script(), code))
  end)
end)

describe("a coroutine", function()
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  it("of the library is not shown to the script that it runs", function()
    local co, is_main = tenant:run(new_script(), "return coroutine.running()")
    assert.same({ nil, true }, { co, is_main })
    local child = tenant:run(new_script(), "return require('task').spawn(coroutine.running):wait()")
    assert.is_nil(child)
    assert.is_true(run [[
      local co
      co = coroutine.create(function() return coroutine.running() == co end)
      return select(2, coroutine.resume(co))]])
  end)

  it("of the script's works as ever", function()
    assert.same({ 1, 2, 3 }, { run [[
      local next_one = coroutine.wrap(function(a) local b = coroutine.yield(a) return coroutine.yield(b) end)
      return next_one(1), next_one(2), next_one(3)]] })
    refused("coroutine.wrap(function() error 'mine' end)()", "mine.lua:1: mine")
  end)
end)

describe("a finaliser", function()
  it("is not for scripts, for nobody says when it runs", function()
    refused("setmetatable({}, { __gc = print })", "__gc is not for scripts: use a variable with <close>, and __close")
    assert.equal(1, run [[
      local n = 0
      do local _ <close> = setmetatable({}, { __close = function() n = n + 1 end }) end
      return n]])
  end)
end)

describe("a script's function", function()
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  local workflow_run = require "workflow.run"

  -- Plan a job whose step is the script's; what the script wrote into `have`.
  local function plan(text, path, expected)
    local declaration = load_text(text, path)
    local _, status = tenant:run(workflow_run.run, declaration, "plan", {}, { profile = { name = "p" } })
    assert.equal(expected or 0, status)
  end

  it("never gets the run itself, by whatever detour the function reaches the library", function()
    local TRICKS = [[
      local task, workflow = require "task", require "workflow"
      local function evil(run)
        if run and (run.journal or run.profile or run.hooks) then error "the run itself" end
        return run
      end
      return workflow.declare { id = "x", summary = "S", steps = {
        workflow.step "direct" (evil),
        workflow.step "wrapped" (function(run)
          local child = run:meanwhile(function() return evil end)
          child:wait()(run)
          local again = run:change { kind = "k", name = "n", action = "update", act = evil }
          pcall(evil, again)
          task.all { function() return evil end }(run)
          task.map({ 1 }, 1, function() return evil end)[1](run)
          task.spawn(function() return evil end):wait()(run)
          task.spawn(function() return run end):wait()
          evil(task.spawn(function() return run end):wait())
          evil(select(2, pcall(error, run)))
          evil(task.within(9, function() return run end))
          evil(run:meanwhile(function() return run end):wait())
          evil(run:meanwhile(function() return { run } end):wait()[1])
        end),
      } }]]
    for _, path in ipairs { "mine.lua", "stdlib/evil.lua", SOURCE .. "/stdlib/evil.lua" } do
      plan(TRICKS, path, 3) -- it plans a change
    end
  end)

  it("of a sink, or one that tells, gets copies: the library's tables stay as they are", function()
    local GREEDY = [[
      local function take(...)
        for _, given in ipairs { ... } do
          for name in pairs(given) do given[name] = true end
          given.linked, given.items = true, { title = "all is well" }
        end
        return "the place"
      end
      return { summary = "S", args = {}, %s }]]
    local sink = load_text(GREEDY:format
      "can = { read_back = true }, where = take, read = take, store = take, remove = take")
    local given = { { path = "a" }, { id = "1", more = { "x" } }, { marker = "m" } }
    for _, name in ipairs { "where", "read", "store", "remove" } do
      assert.equal("the place", sink[name](table.unpack(given)))
      assert.same({ { path = "a" }, { id = "1", more = { "x" } }, { marker = "m" } }, given, name)
    end
    local notice = { title = "a secret expires", items = { { title = "a" } } }
    load_text(GREEDY:format "tell = take").tell(notice, {})
    assert.same({ title = "a secret expires", items = { { title = "a" } } }, notice)
  end)

  it("of a resource gets a face of it, which it cannot change, and defines no metamethod", function()
    plan [[
      local workflow = require "workflow"
      local Thing = workflow.resource "thing" {
        read = function(self)
          assert(self.name == "n" and self.wanted.size == 1 and self:twice(2) == 4)
          assert(not pcall(function() self.name = "other" end) and not pcall(rawset, self, "name", "other"))
          self.wanted.size = 2 -- of a copy
          return { size = 1 }
        end,
        twice = function(_, n) return 2 * n end,
      }
      return workflow.declare { id = "x", summary = "S", steps = { workflow.step "one" (function(run)
        local fields = { name = "n", wanted = { size = 1 } }
        local thing = Thing(fields)
        fields.name = "other"
        assert(getmetatable(fields) == nil and run:ensure(thing).size == 1)
      end) } }]]
    for _, name in ipairs { "__index", "__gc", "__close", "__name" } do
      refused("require('workflow').resource 'x' { [...] = print, read = print }", "is no name for a method", name)
    end
    refused("require('workflow').resource 'x' {}", "a resource needs the method read")
  end)

  it("is called as it is by what only hands it on", function()
    assert.same({ 2, 4 }, tenant:run(new_script(), [[
      return require("task").map({ 1, 2 }, 2, function(n) return 2 * n end)]]))
    assert.is_true(tenant:run(new_script(), [[
      local item = setmetatable({}, { __index = { own = true } })
      local same = require("task").map({ item }, 1, function(one) return one end)[1]
      return same == item and getmetatable(same) ~= nil and same.own]]))
  end)
end)

describe("what a mistake says", function()
  it("names the script's line, not the border's", function()
    for code, message in pairs {
      ["require('workflow').declare { steps = { 1 } }"] = "mine.lua:1: steps[1] is not a step",
      ["require('fail').new { kind = 'odd' }"] = "mine.lua:1: unknown kind of failure",
      ["require('task').sleep(1)"] = "mine.lua:1: this call waits, so it must run directly inside a task",
      ["local p = require 'policy' local _ = p.users { upn = 'x' } - 1"] = "mine.lua:1: a selection is added to",
      ["require('policy').users {}"] = "mine.lua:1: users{} selects nobody",
    } do
      refused(code, message)
    end
  end)

end)
