-- All that a script can reach, walked as a script can: no native handle, no coroutine, function or object of the
-- library as it is, and no table that the library or another script reads and it can write.

local border = require "script.border"
local contoso = require "contoso"
local fail = require "fail"
local gate = require "host.gate"
local interfaces = require "script.interfaces"
local needs_of_expiry = require("expiry.in_tenant").NEEDS
local refusals = require "policy.refusals"
local sandbox = require "script.sandbox"
local script_load = require "script.load"
local secret = require "host.secret"
local walk = require "walk"
local workflow_run = require "workflow.run"

local tenant

-- What a script has at hand: its modules, what they give, what fails, and what a step is given.
local SCRIPT = [[
local all = {}
local function keep(...)
  local values = table.pack(...)
  for i = 1, values.n do all[#all + 1] = values[i] end
  return ...
end
for _, name in ipairs(names) do keep(require(name)) end
local fail, graph, json, policy = require "fail", require "graph", require "json", require "policy"
local folder, notice, peer, program = require "folder", require "notice", require "peer", require "program"
local secret, task, time, workflow = require "secret", require "task", require "time", require "workflow"

local function try(fn, ...) keep(select(2, pcall(fn, ...))) end

keep(graph.get("/users/1"))
for user in keep(graph.list "/users") do keep(user) break end
keep(graph.list "/users")
keep(graph.all "/users", graph.first "/users", graph.count "/users", graph.now())
keep(graph.batch { { method = "GET", path = "/users/1" } })
keep(graph.filter("a eq %s", "b"), graph.path("/users/{id}", "1"))
try(graph.get, "/denied")
try(graph.get, "/nowhere")
try(graph.get, 1)
try(graph.get, setmetatable({}, {}))
try(graph.list("/denied"))
try(fail.raise, { kind = "usage", what = "a", why = "b", cause = { 1, { 2 } } })
keep(fail.new { kind = "usage", what = "a", why = "b" })
keep(fail.catch("usage", fail.raise, { kind = "usage", what = "a", why = "b" }))
keep(select(2, xpcall(graph.get, keep, "/denied")))
local co = coroutine.create(function() graph.get "/users/1" end)
keep(select(2, coroutine.resume(co)))
keep(coroutine.running())
try(coroutine.wrap(function() graph.get "/denied" end))
keep(json.decode '[{"a":[]}]', json.array {}, json.null)

local selection = policy.users { group = "x" } - policy.guests()
keep(selection, policy.handover(), policy.devolutions.server { vault = "v" }, policy.applications { owned = true })
keep(policy { summary = "s", select = selection, every = "1d", sink = policy.devolutions.server {} })
try(function() return selection - 1 end)
try(function() selection.kind = "users" end)
try(function() return selection < selection end)

local child = task.spawn(function() return selection, print, { 1 } end)
keep(child, child:wait())
try(function() task.spawn(error, fail.new { kind = "usage", what = "a", why = "b" }):wait() end)
keep(task.map({ 1 }, 1, function(n) return { n, child } end))
keep(task.all { function() return child end })
keep(task.each({ 1, 2 }, 1, function(n) if n == 1 then graph.get "/denied" end return selection end))
keep(task.within(9, function() return child end))

keep(peer.vault, peer.names(), peer.path("/v1/{name}", "a"), peer.vault:get "/v1/x")
try(function() return peer.valut end)
try(peer.vault.get, {}, "/v1/x")
try(peer.vault.get, peer.vault, "/v1/denied")
try(function() peer.vault.get = print end)
local value = keep(secret.generate(16))
keep(secret.base64(value), secret.unbase64(secret.base64(value)))
try(secret.unbase64, value)
try(folder.read, "reports", "x")
try(folder.write, "reports", "x", value)
try(program.run, "tell", {})
keep(notice { summary = "s", rules = { { to = "notify/mail", what = { doctor = {} } } } })
local function keep_all(...)
  keep(...)
  return "the place"
end

local Thing = workflow.resource "thing" { read = function(self) return keep(self) and { id = "1" } end }
local job = workflow.declare {
  id = "job", summary = "s",
  steps = { workflow.step "one" (function(run, have, args)
    keep(run, have, args, run.args)
    have.child = keep(run:meanwhile(function() return run end))
    keep(have.child:wait())
    have.thing = keep(run:ensure(Thing { name = "x", wanted = { id = "1" } }))
    have.plan = keep(run:change { kind = "k", name = "n", act = function() return run end })
    try(run.ensure, run, 1)
    try(function() run.mode = "apply" end)
    try(function() rawset(run, "mode", "apply") end)
  end) },
}
keep(Thing, job, job:extend { summary = "t" }, job:with { one = workflow.step "one" (print) }, job.steps)
return all, job, {
  { summary = "s", tell = keep_all }, { summary = "s", where = keep_all, store = keep_all, can = {} },
}]]

-- Call the functions of a script that tells, and of a sink, with tables that the library reads.
local function call_declared_functions(own, files)
  for _, file in ipairs(files) do
    local value = own:callback(function() return file end)()
    local declaration = script_load.check({ name = "mine", path = "mine.lua" }, value)
    for _, name in ipairs { "tell", "where", "store" } do
      if declaration[name] then declaration[name](refusals.REASONS, needs_of_expiry, secret.generate(16)) end
    end
  end
end

local function script(names)
  local globals, own = sandbox.globals()
  local env = setmetatable({ names = names }, { __index = globals })
  local chunk, files = assert(load(SCRIPT, "@mine.lua", "t", env)), nil
  local samples, job = tenant:run(function()
    local samples, job
    samples, job, files = chunk()
    workflow_run.run(border.library_value_of(job), "plan", { name = "x" }, { profile = { secret = {} } })
    call_declared_functions(own, files)
    return samples, job
  end)
  assert(#samples > 110, #samples)
  return globals, samples, own, job
end

local function reply(status, code) return { status, {}, { error = { code = code, message = "no" } } } end

local function walk_of(names)
  local globals, samples = script(names)
  return walk.from(globals, { _G = globals, samples = samples })
end

describe("a script", function()
  before_each(function()
    tenant = contoso.new()
    tenant.door:on("GET", "/v1.0/users/{id}", { 200, {}, { id = "1" } })
    tenant.door:on("GET", "/v1.0/users", { 200, {}, { value = { { id = "1" }, { id = "2" } } } })
    tenant.door:on("GET", "/v1.0/users/$count", { 200, {}, 2 })
    tenant.profile.peers = { vault = { name = "vault", url = "https://vault.example" } }
    tenant.door:on("GET", "/v1/x", { 200, {}, { data = { "a", { b = 1 } } } })
    tenant.door:on("GET", "/v1/denied", reply(403, "denied"))
    tenant.door:on("GET", "/v1.0/denied", reply(403, "Authorization_RequestDenied"))
    tenant.door:on("GET", "/v1.0/nowhere", reply(404, "Request_ResourceNotFound"))
    local answers = { { id = "1", status = 200, body = { id = "1" } } }
    tenant.door:on("POST", "/v1.0/$batch", { 200, {}, { responses = answers } })
  end)
  after_each(function() tenant:close() end)

  it("reaches nothing of the library but views, faces, failures of its own and plain values", function()
    local walked = walk_of(interfaces.names())
    assert.equal("", walk.text(walked.findings))
  end)

  it("shares no table with another script", function()
    assert.equal("", walk.text(walk.shared(walk_of(interfaces.names()), walk_of(interfaces.names()))))
  end)

  it("has copies of Lua's libraries, not the program's", function()
    local globals = sandbox.globals()
    for _, name in ipairs { "string", "table", "math", "utf8", "coroutine" } do
      assert.not_equal(_G[name], globals[name])
      assert.equal(globals[name], globals.require(name))
    end
  end)
end)

-- The walk itself: would it find what it is for?
describe("the walk", function()
  before_each(function() tenant = contoso.new() end)
  after_each(function() tenant:close() end)

  local time = require "time"

  local function found(value)
    local globals = sandbox.globals()
    return walk.text(walk.from(globals, { it = value }).findings)
  end

  -- Require an interface that has a member more.
  local function with_member(value)
    time.added = value
    local ok, err = pcall(sandbox.globals().require, "time")
    time.added = nil
    return ok, err
  end

  it("finds a handle, which the border does not let through either when somebody adds it to an interface", function()
    local door <close> = gate.door "real"
    assert.equal("it.deep: a native handle: host.gate.door", found { deep = door })
    for _, value in ipairs { door, { deep = door }, coroutine.create(print) } do
      local ok, err = with_member(value)
      assert.is_false(ok)
      assert.matches("^the library would hand [%w.]+ to a script: please report this$", err)
    end
  end)

  it("finds a coroutine, an object and a function of the library", function()
    assert.equal("it: a coroutine", found(coroutine.create(print)))
    assert.equal("it: a function as the library has it", found(require("http.client").poll))
    assert.equal("", found(fail.new { kind = "usage", what = "a", why = "b" }))
    local selection = require("policy").users { group = "x" }
    assert.matches("it: an object as the library has it", found(selection))
  end)

  it("finds a table that the library reads", function()
    local table_of_library = require("policy.refusals").REASONS
    assert.equal("it: a table that the library reads, and a script can write", found(table_of_library):match "[^\n]*$")
  end)
end)
