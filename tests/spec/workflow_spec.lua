local agreed = require "workflow.agreed"
local fail = require "fail"
local fake = require "fake_door"
local resource = require "resource.new"
local show = require "workflow.print"
local stage = require "stage"
local task = require "task"
local time = require "time"
local workflow = require "workflow"
local workflow_run = require "workflow.run"

local step = workflow.step

-- A world of things by name; each change takes a moment to be seen.
local function world()
  local w = { things = {}, log = {}, reads = {}, lag = 0 }
  local Thing = resource.kind "thing"

  function Thing:read()
    w.reads[self.name] = (w.reads[self.name] or 0) + 1
    local there = w.things[self.name]
    if there and there.since + w.lag <= time.now() then return there.value end
  end

  local function write(thing, verb)
    table.insert(w.log, verb .. " " .. thing.name)
    if thing.refused then fail.raise { kind = "denied", what = verb .. " " .. thing.name, why = "not you" } end
    w.things[thing.name] = { since = time.now(), value = { size = thing.wanted.size, mine = true } }
    return w.things[thing.name].value
  end
  function Thing:create() return write(self, "create") end
  function Thing:update() return write(self, "update") end
  function Thing.ours(_, actual) return actual.mine == true, not actual.mine and "it is not marked" or nil end
  function Thing:key() return self.name end
  function Thing:delete()
    table.insert(w.log, "delete " .. self.name)
    w.things[self.name] = nil
  end

  function w.thing(name, size, more)
    local fields = { name = name, wanted = { size = size or 1 } }
    for key, value in pairs(more or {}) do fields[key] = value end
    return Thing(fields)
  end
  function w.put(name, value) w.things[name] = { since = 0, value = value } end
  return w
end

local clock

before_each(function() clock = fake.clock() end)

local function run(declaration, mode, options)
  local ears <close> = stage.ears()
  local result, status
  stage.run(function() result, status = workflow_run.run(declaration, mode, {}, options) end, clock)
  return result, status, ears
end

local function two_steps(w, more)
  return workflow.declare {
    id = "test/two", summary = "two things",
    steps = {
      step "First" (function(r, have) have.a = r:ensure(w.thing "a") end),
      step "Second" (function(r, have) have.b = r:ensure(w.thing("b", 2, { from = { have.a } })) end),
      more,
    },
  }
end

describe("what a script defines", function()
  it("has a key of its own on record, never that of a kind of the library's", function()
    local Owner = workflow.resource "owner" {
      read = function() end, key = function(self) return "owner/app-1/" .. self.name end,
    }
    assert.equal("of a script/owner/owner/app-1/sp-1", (Owner { name = "sp-1" }):key())
    assert.is_nil((workflow.resource "owner" { read = function() end } { name = "sp-1" }).key)
  end)

  it("is one line of a plan, whatever its name in the tenant", function()
    local forged = "a'\n  = application 'b'\r\n"
    local result = run(workflow.declare {
      id = "t", summary = "s",
      steps = { step "One" (function(r)
        r:change { kind = "k", name = forged, made = "x\ny", changes = { { member = "m", to = "p\nq" } }, act = print }
      end) },
    }, "plan")
    local text = require("workflow.print").text(result)
    assert(text:find("  + k 'a'   = application 'b'  '  x y\n      m: \"p q\"\n", 1, true), text)
  end)

  it("is a change that a plan counts", function()
    local asked = workflow.declare {
      id = "t", summary = "s",
      steps = { step "One" (function(r) r:change { kind = "k", name = "n", action = "none", act = print } end) },
    }
    local _, err = pcall(run, asked, "plan")
    assert(tostring(err):find("'none' is no change: give create, update or delete", 1, true), err)
  end)
end)

describe("what another run makes meanwhile", function()
  local function made_meanwhile(w, size, more)
    local thing = w.thing("a", 1, more)
    thing:fetch() -- read early, when nothing was there
    w.put("a", { size = size, mine = true })
    return run(workflow.declare {
      id = "t", summary = "s", steps = { step "One" (function(r) r:ensure(thing) end) },
    }, "apply", { journal = stage.journal() })
  end

  it("is looked for just before it is made, and found", function()
    local w = world()
    local result = made_meanwhile(w, 1)
    assert.same({}, w.log)
    assert.same({ create = 0, update = 0, delete = 0, none = 1 }, result.changes)
  end)

  it("is put right where it is not as it should be", function()
    local w = world()
    assert.same({ create = 0, update = 1, delete = 0, none = 0 }, made_meanwhile(w, 7).changes)
    assert.same({ "update a" }, w.log)
  end)

  -- A run that looks at a thing, waits, and ensures it; another run makes the thing before the look or after.
  local function looked(w, wait, when)
    local thing = w.thing("a", 1, { seen = function() return true end })
    local _, status = run(workflow.declare {
      id = "t", summary = "s", steps = { step "One" (function(r)
        r:ensure(w.thing "first")
        if when == "before" then w.put("a", { size = 1, mine = true }) end
        r:look(thing)
        r:look(thing)
        task.sleep(wait)
        if when == "after" then w.put("a", { size = 1, mine = true }) end
        r:ensure(thing)
      end) },
    }, "apply", { journal = stage.journal() })
    assert.equal(0, status)
  end

  it("is not looked for again within five seconds of a look under the lease", function()
    local w = world()
    looked(w, 5)
    assert.same({ "create first", "create a" }, w.log)
    assert.equal(1, w.reads.a)
    w = world()
    looked(w, 5, "before")
    assert.same({ "create first" }, w.log)
    assert.equal(1, w.reads.a)
    w = world()
    looked(w, 6, "after")
    assert.same({ "create first" }, w.log)
    assert.equal(2, w.reads.a)
  end)

  it("is not looked at while another process makes it", function()
    local w, journal = world(), stage.journal()
    journal:lease "make/a"
    local result = run(workflow.declare {
      id = "t", summary = "s", steps = { step "One" (function(r) r:look(w.thing "a") end) },
    }, "apply", { journal = journal })
    assert.equal("create thing 'a': another process holds it", tostring(result.failure):match "^[^\n]*")
  end)

  it("is not looked for where the far side takes only one of it anyway", function()
    local w = world()
    made_meanwhile(w, 1, { once = "its name" })
    assert.same({ "create a" }, w.log)
  end)
end)

describe("planning", function()
  it("changes nothing and says what would be", function()
    local w = world()
    local result, status = run(two_steps(w), "plan")
    assert.equal(3, status)
    assert.same({}, w.log)
    assert.same({ create = 2, update = 0, delete = 0, none = 0 }, result.changes)
  end)

  it("finds nothing to do when all is so", function()
    local w = world()
    w.put("a", { size = 1 })
    w.put("b", { size = 2 })
    local result, status = run(two_steps(w), "plan")
    assert.equal(0, status)
    assert.equal("Nothing to do: all is as it should be.", show.summary_line(result))
  end)

  it("does not read what stands on something unknown", function()
    local w = world()
    w.put("b", { size = 2 })
    local result = run(two_steps(w), "plan")
    assert.equal("create", result.steps[2].items[1].action)
  end)

  it("prints a difference one can read", function()
    local w = world()
    w.put("a", { size = 7 })
    local result = run(two_steps(w), "plan")
    assert.equal([[
First
  ~ thing 'a'
      size: 7 -> 1

Second
  + thing 'b'

Plan: 1 to create, 1 to change.]], show.text(result))
  end)
end)

describe("applying", function()
  it("acts on the difference only, and then finds nothing to do", function()
    local w = world()
    w.put("a", { size = 1 })
    local result, status, ears = run(two_steps(w), "apply")
    assert.equal(0, status)
    assert.same({ "create b" }, w.log)
    assert.same({ "First", "  = thing 'a'", "Second", "  + thing 'b'" }, ears.said)
    assert.equal("Done: 1 created.", show.summary_line(result))
    result = run(two_steps(w), "apply")
    assert.same({ "create b" }, w.log)
    assert.equal("Nothing to do: all was as it should be.", show.summary_line(result))
  end)

  it("waits until what it changed can be seen, but goes on meanwhile", function()
    local w = world()
    w.lag = 3
    local began, second_at, settled_at
    local declaration = workflow.declare {
      id = "t", summary = "s", steps = {
        step "First" (function(r)
          began = time.now()
          r:ensure(w.thing "a")
        end),
        step "Second" (function() second_at = time.now() end),
        step "Third" { settled = true, function() settled_at = time.now() end },
      },
    }
    run(declaration, "apply")
    assert.equal(began, second_at)
    assert.is_true(settled_at - began >= 3)
  end)

  it("gives up when a change never shows, and says that it was done", function()
    local w = world()
    w.lag = 1e6
    local result, status = run(two_steps(w), "apply")
    assert.equal(1, status)
    assert.equal("transient", result.failure.kind)
    assert.equal("wait until thing 'a' can be seen everywhere: "
      .. "the change was made, but it is not visible after 120 seconds\n"
      .. "Entra has not replicated it yet. Run the same command again in a few minutes; it goes on from here.",
      tostring(result.failure))
  end)

  it("does independent things side by side and finishes what it began", function()
    local w = world()
    local declaration = workflow.declare {
      id = "t", summary = "s", steps = {
        step "Both" (function(r) r:all { w.thing("x", 1, { refused = true }), w.thing "y" } end),
        step "Never" (function() error "not reached" end),
      },
    }
    local result, status = run(declaration, "apply")
    assert.equal(1, status)
    assert.same({ "create x", "create y" }, w.log)
    assert.equal("Both", result.failure.step)
    assert.equal("failed", result.steps[1].state)
    assert.is_false(result.steps[1].items[1].done)
    assert.is_true(result.steps[1].items[2].done)
  end)

  it("calls what must come before the first change once, and never without one", function()
    local w, count = world(), 0
    local function declaration()
      return workflow.declare {
        id = "t", summary = "s", steps = {
          step "Before" (function(r) r:before_change(function() count = count + 1; task.sleep(1) end) end),
          step "Both" (function(r) r:all { w.thing "x", w.thing "y" } end),
        },
      }
    end
    run(declaration(), "plan")
    assert.equal(0, count)
    run(declaration(), "apply")
    assert.equal(1, count)
    run(declaration(), "apply")
    assert.equal(1, count)
  end)

  it("stops before the first change when what must come before fails", function()
    local w = world()
    local declaration = workflow.declare {
      id = "t", summary = "s", steps = {
        step "Only" (function(r)
          r:before_change(function() fail.raise { kind = "journal", what = "begin", why = "no room" } end)
          r:all { w.thing "x", w.thing "y" }
        end),
      },
    }
    local result, status = run(declaration, "apply")
    assert.equal(1, status)
    assert.same({}, w.log)
    assert.equal("journal", result.failure.kind)
  end)
end)

describe("steps beside each other", function()
  -- A step that ensures a thing after some seconds.
  local function slow(w, name, seconds, more)
    return function(r)
      r:note("begin %s", name)
      task.sleep(seconds)
      w.log[#w.log + 1] = "at " .. name
      if more then more(r) end
      r:ensure(w.thing(name))
    end
  end

  local function three(w, more)
    return workflow.declare {
      id = "t", summary = "s", steps = {
        step "One" (slow(w, "a", 3, more and more.a)),
        step "Two" { beside = true, slow(w, "b", 1, more and more.b) },
        step "Three" { beside = true, slow(w, "c", 2) },
        step "Four" (function(r) r:ensure(w.thing "d") end),
      },
    }
  end

  it("make their changes side by side, and tell them in their order", function()
    local w = world()
    local result, status, ears = run(three(w), "apply")
    assert.equal(0, status)
    assert.equal(3, clock.passed)
    assert.same({ "at b", "create b", "at c", "create c", "at a", "create a", "create d" }, w.log)
    local told = table.concat(ears.said, "\n")
    assert.matches("^One\n  · begin a\n  %+ thing 'a'.*\nTwo\n  · begin b\n  %+ thing 'b'.*\nThree\n  · begin c\n"
      .. "  %+ thing 'c'.*\nFour\n  %+ thing 'd'", told)
    for i, name in ipairs { "a", "b", "c", "d" } do
      assert.equal(name, result.steps[i].items[1].name)
      assert.same(i < 4 and { "begin " .. name } or {}, result.steps[i].notes)
    end
  end)

  it("go one after the other in a plan, which changes nothing", function()
    local w = world()
    run(three(w), "plan")
    assert.equal(6, clock.passed)
    assert.same({ "at a", "at b", "at c" }, w.log)
  end)

  it("are all finished when one fails, and the run ends with that one", function()
    local w = world()
    local result, status, ears = run(three(w, {
      b = function() fail.raise { kind = "denied", what = "make b", why = "not you" } end,
    }), "apply")
    assert.equal(1, status)
    assert.same({ "at b", "at c", "create c", "at a", "create a" }, w.log)
    assert.equal("Two", result.failure.step)
    assert.same({ "done", "failed", "done" },
      { result.steps[1].state, result.steps[2].state, result.steps[3].state })
    assert.equal(3, #result.steps)
    assert.matches("Three\n  · begin c\n  %+ thing 'c'", table.concat(ears.said, "\n"))
  end)

  it("wait for a person each by its own name", function()
    local w = world()
    local function ask(what) return function(r) r:await { what = what } end end
    local result = run(three(w, { a = ask "look at a", b = ask "look at b" }), "apply")
    assert.same({ "Two", "One" }, { result.waiting[1].step, result.waiting[2].step })
    assert.same({ "waiting", "waiting", "done" },
      { result.steps[1].state, result.steps[2].state, result.steps[3].state })
  end)

  it("cannot wait for what they are beside", function()
    local ok, err = pcall(function() return step "Two" { beside = true, settled = true, function() end } end)
    assert.is_false(ok)
    assert.equal("declare the step 'Two': it is `settled`, which waits for the step before, and `beside`, which does "
      .. "not\nRemove `settled` or `beside` from the step.", tostring(err))
  end)

  it("stay beside in a copy of the job", function()
    local w = world()
    local copy = three(w):with { Two = step "Two" { beside = true, slow(w, "x", 1) } }
    run(copy, "apply")
    assert.equal(3, clock.passed)
  end)
end)

describe("waiting for a person", function()
  local function declaration(w)
    return workflow.declare {
      id = "t", summary = "s", steps = {
        step "Ask" (function(r)
          r:await { what = "grant consent", why = "Only an admin may.", how = { "open the portal" } }
        end),
        step "Roles" (function(r) r:ensure(w.thing "role") end),
        step "Secret" { settled = true, function(r) r:ensure(w.thing "secret") end },
      },
    }
  end

  it("goes on with what does not need firm ground, and ends with 1", function()
    local w = world()
    local result, status = run(declaration(w), "apply")
    assert.equal(1, status)
    assert.same({ "create role" }, w.log)
    assert.equal(2, #result.steps)
    assert.equal([[
Not done yet, it waits for a person; so far: 1 created.

Waiting for a person:
  ! Ask: grant consent
      Only an admin may.
      1. open the portal]], show.text(result))
  end)

  it("is something to do in a plan and drift in verify", function()
    local w = world()
    w.put("role", { size = 1 })
    w.put("secret", { size = 1 })
    local result, status = run(declaration(w), "plan")
    assert.equal(3, status)
    assert.equal("Nothing to do here: what is left waits for a person, as said above.", show.summary_line(result))
    assert.equal(3, select(2, run(declaration(w), "verify")))
  end)
end)

describe("destroying", function()
  it("walks back over what is provably ours and lists the rest", function()
    local w = world()
    w.put("a", { size = 1, mine = true })
    w.put("b", { size = 2, mine = false })
    local third = step "Third" (function(r) r:ensure(w.thing("c", 1)) end)
    local result, status = run(two_steps(w, third), "destroy")
    assert.equal(0, status)
    assert.same({ "delete a" }, w.log)
    assert.same({ { step = "Second", kind = "thing", name = "b", why = "it is not marked" } }, result.left)
    assert.equal("Left alone:\n  · thing 'b': it is not marked\n\nDone: 1 removed.", show.text(result))
  end)

  it("takes the last made first", function()
    local w = world()
    run(two_steps(w), "apply")
    w.log = {}
    run(two_steps(w), "destroy")
    assert.same({ "delete b", "delete a" }, w.log)
  end)

  it("only says what would go when dry", function()
    local w = world()
    run(two_steps(w), "apply")
    w.log = {}
    local result, status = run(two_steps(w), "destroy", { dry = true })
    assert.equal(3, status)
    assert.same({}, w.log)
    assert.equal("Plan: 2 to remove.", show.summary_line(result))
  end)

  it("is not done while a person has to do something", function()
    local declaration = workflow.declare { id = "t", summary = "s", steps = { step "Provider" (function(r)
      r:await { what = "remove the provider" }
    end) } }
    local result, status = run(declaration, "destroy")
    assert.equal(1, status)
    assert.equal("Nothing of ours is left to remove here; the rest waits for a person, as said below.",
      show.summary_line(result))
    assert.equal(1, select(2, run(declaration, "destroy", { dry = true })))
  end)

  it("makes durable what was put on record, whatever comes of it", function()
    local journal = stage.journal()
    local function put(mode, more)
      local declaration = workflow.declare {
        id = "t", summary = "s", steps = { step "X" (function(r)
          r.journal:put("adopted", "a", "adopted", {}, 1)
          if more then more() end
        end) },
      }
      local before = journal.commits
      local result = run(declaration, mode, { journal = journal })
      return journal.commits - before, result.failure and result.failure.kind
    end
    assert.same({ 1 }, { put "apply" })
    assert.same({ 1 }, { put "destroy" })
    assert.same({ 1, "denied" },
      { put("apply", function() fail.raise { kind = "denied", what = "x", why = "y" } end) })
    journal.full = true
    assert.same({ 1, "journal" }, { put "apply" })
  end)

  it("tells nothing there from nothing of ours", function()
    local w = world()
    local function said(options)
      local result, status = run(two_steps(w), "destroy", options)
      assert.equal(0, status)
      return show.summary_line(result)
    end
    assert.equal("Nothing of ours is there to remove.", said { dry = true })
    assert.equal("Nothing of ours is left to remove.", said {})
    w.put("a", { size = 1 })
    assert.equal("Nothing here can be proven ours.", said { dry = true })
  end)

  it("removes from an adopted thing what the journal says was added, and nothing else", function()
    local ownership = require "resource.ownership"
    local w, journal = world(), stage.journal()
    local host = { id = "h", adopted = true }
    local function on_host(name)
      local function ours(thing, _, r) return ownership.is_ours_on_host(r, thing) end
      return w.thing(name, 1, { host = host, ours = ours })
    end
    local declaration = workflow.declare {
      id = "t", summary = "s",
      steps = { step "On it" (function(r) r:all { on_host "added", on_host "there" } end) },
    }
    w.put("there", { size = 1 })
    run(declaration, "apply", { journal = journal })
    assert.same({ "create added" }, w.log)
    local result = run(declaration, "destroy", { journal = journal })
    assert.same({ "create added", "delete added" }, w.log)
    assert.equal("the application was adopted, and the journal does not say that this was added here",
      result.left[1].why)
    assert.equal("removed", journal:get("added", "added").state)
  end)
end)

describe("a copy with other steps", function()
  local function names(declaration)
    local list = {}
    for i, one in ipairs(declaration.steps) do list[i] = one.name end
    return table.concat(list, ",")
  end

  it("replaces, leaves out and adds by name, and leaves the original alone", function()
    local w = world()
    local original = two_steps(w)
    local called
    local copy = original:with { ["Second"] = step "anything" (function() called = true end) }
    assert.equal("First,Second", names(copy))
    run(copy, "plan")
    assert.is_true(called)
    assert.equal("First", names(original:with { ["Second"] = false }))
    assert.equal("First,Mail,Second", names(original:after("First", step "Mail" (function() end))))
    assert.equal("First,Second", names(original))
    assert.equal("test/two", copy.id)
  end)

  it("knows only the steps there are", function()
    local ok, err = pcall(function() two_steps(world()):with { ["Thrid"] = false } end)
    assert.is_false(ok)
    assert.equal("change the step 'Thrid': there is no step of that name\nName one of its steps: 'First', 'Second'.",
      tostring(err))
  end)

  it("adds arguments and needs", function()
    local original = two_steps(world())
    original.needs = { graph = { "GET /a" } }
    local copy = original:extend {
      args = { mail = { type = "string", help = "h" } }, needs = { graph = { "POST /b" } },
    }
    assert.same({ "GET /a", "POST /b" }, copy.needs.graph)
    assert.same({ "GET /a" }, original.needs.graph)
    assert.equal("string", copy.args.mail.type)
  end)

  it("refuses steps that are none where they are declared", function()
    assert.has_error(function() workflow.declare { steps = { function() end } } end,
      'steps[1] is not a step: write step "its name" (function(run, have, args) … end)')
  end)
end)

describe("the result as a table", function()
  it("has everything but secrets and unknowns", function()
    local json = require "host.json"
    local w = world()
    w.put("a", { size = 7 })
    local result = run(two_steps(w), "plan")
    local text = json.encode(show.json(result))
    local back = json.decode(text)
    assert.equal("plan", back.mode)
    assert.equal(3, back.status)
    assert.equal("size", back.steps[1].items[1].changes[1].member)
    assert.same(json.array {}, back.waiting)
  end)

  it("names the failure and the step it came from", function()
    local w = world()
    local declaration = workflow.declare {
      id = "t", summary = "s",
      steps = { step "X" (function(r) r:ensure(w.thing("x", 1, { refused = true })) end) },
    }
    local result = run(declaration, "apply")
    local failure = show.json(result).failure
    assert.same({ "denied", "X", "create x", "not you" }, { failure.kind, failure.step, failure.what, failure.why })
  end)

  it("says that the same command goes on where something passes, or is settled by looking", function()
    local again = "Run the same command again: it reads the present state, and goes on from there."
    local function fix_of(mode, fields)
      fields.what, fields.why = "do it", "it went wrong"
      local declaration = workflow.declare {
        id = "t", summary = "s", steps = { step "X" (function() fail.raise(fields) end) },
      }
      return run(declaration, mode).failure.fix
    end
    assert.equal(again, fix_of("apply", { kind = "unknown_outcome", fix = "Look before doing it again." }))
    assert.equal("Check the network. " .. again, fix_of("destroy", { kind = "network", fix = "Check the network." }))
    assert.equal("Run the same command again later.",
      fix_of("apply", { kind = "transient", resumes = true, fix = "Run the same command again later." }))
    assert.equal("Ask.", fix_of("apply", { kind = "denied", fix = "Ask." }))
    assert.equal("Check.", fix_of("plan", { kind = "network", fix = "Check." }))
  end)

  it("lets errors that are no failures through", function()
    local declaration = workflow.declare {
      id = "t", summary = "s", steps = { step "X" (function() error "a bug" end) },
    }
    assert.has_error(function() run(declaration, "plan") end)
  end)
end)

describe("the changes that a person agreed to", function()
  it("are made, and no others: a thing that differs since is left as it is", function()
    local w = world()
    w.put("b", { size = 2, mine = true })
    local plan = run(two_steps(w), "plan")
    w.put("b", { size = 9, mine = true })
    local result, status = run(two_steps(w), "apply", { agreed = agreed.of(plan) })
    assert.same({ "create a" }, w.log)
    assert.same({ 1, "conflict", "update thing 'b'" }, { status, result.failure.kind, result.failure.what })
    assert.equal("the tenant has changed since the plan was made, which has no such change", result.failure.why)
    assert.matches("^This change was not made%. Look at the plan anew: .*plan test/two", result.failure.fix)
  end)

  it("are not made with another value than the plan showed", function()
    local w = world()
    w.put("a", { size = 5, mine = true })
    local plan = run(two_steps(w), "plan")
    w.put("a", { size = 6, mine = true })
    local _, status = run(two_steps(w), "apply", { agreed = agreed.of(plan) })
    assert.same({ 1, {} }, { status, w.log })
    assert.equal(0, select(2, run(two_steps(w), "apply", { agreed = agreed.of((run(two_steps(w), "plan"))) })))
  end)

  it("are made once each", function()
    local w, again = world(), false
    local function make(r)
      r:change { kind = "note", name = "n", act = function() table.insert(w.log, "n") end }
    end
    local declaration = workflow.declare {
      id = "test/once", summary = "a thing, and perhaps another of the same name",
      steps = { step "One" (make), step "Two" (function(r) if again then make(r) end end) },
    }
    local plan = run(declaration, "plan")
    again = true
    local _, status = run(declaration, "apply", { agreed = agreed.of(plan) })
    assert.same({ 1, { "n" } }, { status, w.log })
  end)

  it("are the only removals of a destroy", function()
    local w = world()
    w.put("a", { size = 1, mine = true })
    local dry = run(two_steps(w), "destroy", { dry = true })
    w.put("b", { size = 2, mine = true })
    local _, status = run(two_steps(w), "destroy", { agreed = agreed.of(dry) })
    assert.same({ 1, {} }, { status, w.log })
  end)
end)
