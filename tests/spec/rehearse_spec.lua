--- What a rehearsal may say, and what its judge makes of what it is told.

local fail = require "fail"
local judge = require "rehearse.judge"
local print = require "rehearse.print"
local policy = require "policy"
local rehearse = require "rehearse"
local script = require "script.load"

local DAY = 86400

local function declare(fields, found)
  return script.check(found or { name = "policies/x_test", path = "x_test.lua", origin = "yours" }, rehearse(fields))
end

local function why(fields)
  local ok, failure = pcall(declare, fields)
  assert.is_false(ok)
  return tostring(failure)
end

describe("a rehearsal", function()
  it("is read as data, durations in seconds, events by time", function()
    local terms = declare {
      summary = "s", policy = "policies/x", over = "90d",
      events = { { at = "20d", fault = "* /** 503" }, { at = "1d", what = "w", act = function() end } },
    }.rehearsal
    assert.same({ 90 * DAY, 2 * DAY, { "policies/x" } }, { terms.over, terms.late, terms.policies })
    assert.same({ DAY, 20 * DAY }, { terms.events[1].at, terms.events[2].at })
  end)

  it("names the policy beside it by ./", function()
    local found = { name = "./deep/x_test.lua", path = "./deep/x_test.lua", origin = "path" }
    assert.same({ "./deep/x.lua" }, declare({ summary = "s", policy = "./x.lua" }, found).rehearsal.policies)
  end)

  it("is refused with the reason", function()
    local function with(event) return { summary = "s", policy = "x", over = "10d", events = { event } } end
    assert.truthy(why { summary = "s" }:find("policy", 1, true))
    assert.truthy(why(with { at = "1d" }):find("it has none, or several, of fault, resume and act", 1, true))
    assert.truthy(why(with { at = "1d", act = function() end }):find("act needs what", 1, true))
    assert.truthy(why(with { at = "11d", fault = "* /** 503" }):find("the rehearsal is over after 10 days", 1, true))
    assert.truthy(why(with { at = "soon", fault = "* /** 503" }):find("it is not of the form 180d", 1, true))
  end)
end)

describe("its judge", function()
  local now, terms, stage, self

  before_each(function()
    now = 1795000000
    local declared = policy {
      summary = "p", select = policy.users { group = "g" }, every = "30d", never = { "never@x" },
      limits = { max_changes = 1 }, sink = policy.devolutions.server { path = "p" },
    }
    terms = script.check({ name = "policies/p", path = "p.lua" }, declared).policy
    stage = { touched = {}, now = function() return now end, faults = function() return {} end }
    self = judge.new(declare({ summary = "s", policy = "policies/p" }).rehearsal, { terms }, stage)
    self:begin(now)
    self.records = 7
  end)

  local function run(what, held, more)
    local found = { terms = terms, entries = {}, is_open = true }
    for name, value in pairs(more or {}) do found[name] = value end
    for name, word in pairs(what) do table.insert(found.entries, { name = name, what = word, why = "because" }) end
    self:note({ found }, nil, held)
  end

  local function stored(name, in_force, pending)
    return { name = name, kind = "password", pending = pending or false, in_force = in_force }
  end

  -- The texts of what does not hold.
  local function broken()
    local list = {}
    local outcome = self:finish(now)
    for _, verdict in ipairs(outcome.verdicts) do
      if not verdict.holds then list[#list + 1] = verdict.what .. ": " .. verdict.why end
    end
    return table.concat(list, "\n"), outcome
  end

  it("is content when all is well, and its report says so", function()
    run({ ["anna@x"] = "changed" }, { stored("anna@x", true) })
    now = now + 29 * DAY
    run({ ["anna@x"] = "changed" }, { stored("anna@x", true) })
    local text, outcome = broken()
    assert.equal("", text)
    local report = print.text(outcome, 3)
    assert.truthy(report:find("anna@x  2 changes, 29 days apart\n", 1, true), report)
    assert.truthy(report:find("2026-11-18 11:06  anna changed\n", 1, true), report)
    assert.truthy(report:find("ok  a stored value was in force at each comparison (2 times)", 1, true), report)
  end)

  it("is not content when nobody was looked at, nor when the last run failed; equal failures are told once", function()
    local ending = "in the end nobody has failed, is refused or stopped, or waits for a person: "
    local failed = ending .. "the last run failed: use the peer 'shelf': there is none"
    local nobody = "nobody was looked at: no run found an account or an application"
    local failure = fail.new { kind = "config", what = "use the peer 'shelf'", why = "there is none" }
    for _ = 1, 3 do self:note(nil, failure, {}) end
    local text, outcome = broken()
    assert.equal(failed .. ", " .. nobody, text)
    assert.equal(1, #outcome.story)
    local held = { stored("anna@x", true) }
    run({ ["anna@x"] = "changed" }, held)
    assert.equal("", (broken()))
    self:note(nil, failure, held)
    assert.equal(failed, (broken()))
  end)

  it("sees what is lost, but not what is pending, nor what somebody else set", function()
    run({ ["anna@x"] = "changed", ["boris@x"] = "wait" }, { stored("anna@x", false), stored("anna@x", true, true) })
    assert.equal("", broken())
    stage.touched["anna"] = true
    run({ ["anna@x"] = "wait" }, { stored("anna@x", false) })
    assert.equal("", broken())
    stage.touched["anna"] = nil
    run({ ["anna@x"] = "wait" }, { stored("anna@x", false) })
    assert.equal("a stored value was in force at each comparison (2 times): anna@x on 2026-11-18", broken())
  end)

  it("does not count as lateness what a person takes to look", function()
    local kept = { stored("anna@x", true) }
    run({ ["anna@x"] = "changed" }, kept)
    now = now + 29 * DAY
    run({ ["anna@x"] = "stop" }, kept)
    now = now + 4 * DAY
    run({ ["anna@x"] = "changed" }, kept)
    assert.equal("", broken())
    now = now + 29 * DAY
    run({ ["anna@x"] = "stop" }, kept)
    now = now + 4 * DAY
    run({ ["anna@x"] = "wait" }, kept)
    now = now + 4 * DAY
    run({ ["anna@x"] = "changed" }, kept)
    assert.equal("each account is changed at least every 30 days, and 2 days late at most: anna after 33 days",
      (broken()))
  end)

  it("does not count as lateness the days that the policy excepts", function()
    local kept = { stored("anna@x", true) }
    terms.except = "2026-12-10..2026-12-31"
    terms.window = require("policy.window").parse(nil, terms.except)
    run({ ["anna@x"] = "changed" }, kept)
    now = now + 52 * DAY
    run({ ["anna@x"] = "changed" }, kept)
    now = now + 33 * DAY
    run({ ["anna@x"] = "wait" }, kept)
    assert.equal("each account is changed at least every 30 days, and 2 days late at most, excepted days aside: "
      .. "anna after 33 days", (broken()))
  end)

  it("holds a refusal against the policy, unless it is expected", function()
    local kept = { stored("anna@x", true) }
    local function refuse(code)
      run({ ["anna@x"] = "changed" }, kept)
      self:note({ { terms = terms, is_open = true, entries = {
        { name = "guest@x", what = "refuse", why = "it is a guest", code = code },
      } } }, nil, kept)
      return (broken())
    end
    assert.equal("in the end nobody has failed, is refused or stopped, or waits for a person: guest (refused)",
      refuse "guest")
    terms.accept = { guest = true }
    assert.equal("", refuse "guest")
    assert.equal("in the end nobody has failed, is refused or stopped, or waits for a person: guest (refused)",
      refuse "entry")
  end)

  it("sees who is late, stopped, never to be touched, beyond a limit or outside the window", function()
    run({ ["anna@x"] = "changed", ["never@x"] = "changed" }, { stored("anna@x", true), stored("never@x", true) },
      { is_open = false })
    now = now + 40 * DAY
    run({ ["anna@x"] = "stop" }, { stored("anna@x", true), stored("never@x", true) })
    self.records, self.broken = nil, "record 3 was changed"
    assert.equal(table.concat({
      "each account is changed at least every 30 days, and 2 days late at most: anna after 40 days, "
        .. "never after 40 days",
      "no run changes more than 1: one changed 2", "never@x is never touched: it was changed",
      "nothing is changed outside the window: 2026-11-18T11:06:40Z",
      "in the end nobody has failed, is refused or stopped, or waits for a person: anna (stopped)",
      "the journal's chain of 0 records is unbroken: record 3 was changed",
    }, "\n"), (broken()))
  end)
end)
