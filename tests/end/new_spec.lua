-- takes 15 s: some fifteen emulators
-- What `moonlatch new` writes runs as it is; and `moonlatch scripts test` tells what does not hold.

local json = require "host.json"
local moonlatch = require "moonlatch"

local NAMES = { script = "ours", step = "setup/ours", resource = "setup/thing", sink = "sinks/ours",
  notice = "notices/ours" }

-- A case that fails, and what is said of it.
local FAILING = {
  { "t:equal({ a = { 1 } }, { a = { 2 } }, 'lists')", 'lists: expected {"a":[1]}, but it is {"a":[2]}' },
  { "t:check(nil, 'there is one')", "not so: there is one" },
  { "t:has('abc', 'x')", '"x" is not in "abc"' },
  { "local x x.y = 1", "attempt to index a nil value (local 'x')" },
  { "t:run { config = '/etc/passwd' }", "the script declares none of that name" },
  { "t:file('reports', '../x')", "the script declares no such folder" },
  { "t.script = 'x'", "'test.bench' cannot be changed by a script (writing 'script')" },
  { "t:check(t.stage or t.services or t.config or t.args)", "it is nil" },
}

describe("what `new` writes", function()
  it("runs, with its tests, and is never written over something", function()
    local place <close> = moonlatch.place()
    for kind, name in pairs(NAMES) do
      local plain = name:match "[^/]+$"
      local outcome = place:run { "new", kind, plain }
      assert.same({ 0, "" }, { outcome.status, outcome.err })
      assert.truthy(outcome.out:find("scripts test " .. name, 1, true), outcome.out)
      outcome = place:run { "new", kind, plain }
      assert.equal(1, outcome.status)
      assert.matches(("fix: Nothing was overwritten. Choose another name: moonlatch new %s NAME"):format(kind),
        outcome.err, 1, true)
      outcome = place:run { "scripts", "test", name, "--json" }
      local document = assert(json.decode(outcome.out), outcome.err)
      assert.equal(0, outcome.status, outcome.out)
      assert.same({ name, 0, true }, { document.script, document.status, document.cases[1].holds })
    end
    local listed = place:run({ "scripts" }).out
    for _, name in pairs(NAMES) do assert.truthy(listed:find("\n" .. name .. " +yours ")) end
    assert.not_matches("_test", listed, 1, true)
    assert.not_matches("lib/thing", listed, 1, true)
  end)

  it("has tests that fail when the script is wrong", function()
    local place <close> = moonlatch.place()
    place:run { "new", "sink", "ours", "--scripts", place.path }
    local path = place.path .. "/sinks/ours.lua"
    local file <close> = assert(io.open(path))
    place:write("sinks/ours.lua", (file:read("a"):gsub("content = value, label = item.id", "content = value")))
    local outcome = place:run { "scripts", "test", "sinks/ours", "--scripts", place.path }
    assert.equal(1, outcome.status, outcome.out)
    assert.matches("\nsinks/ours: 1 case, 1 failed\n$", outcome.out)
  end)
end)

describe("`scripts test`", function()
  it("says of each case what does not hold, and where; a test can do no more than its script declares", function()
    local place <close> = moonlatch.place()
    local cases = {}
    for i, case in ipairs(FAILING) do
      cases[i] = ("{ what = 'case %d', run = function(t) %s end },\n"):format(i, case[1])
    end
    place:write("mine.lua", "return { summary = 'S', run = function() end }")
    place:write("mine_test.lua",
      ("return require 'test' { summary = 'S', cases = {\n%s} }"):format(table.concat(cases)))
    local outcome = place:run { "scripts", "test", "./mine.lua", "--json" }
    local document = assert(json.decode(outcome.out), outcome.err)
    assert.equal(1, outcome.status)
    for i, case in ipairs(FAILING) do
      local result = document.cases[i]
      assert.same({ false, case[2] }, { result.holds, result.why })
      if i <= 4 then assert.matches("mine_test.lua", result.where, 1, true) end
    end
  end)

  it("says what is wrong with a test, and when there is none", function()
    local place <close> = moonlatch.place()
    place:write("mine.lua", [[local peer = require "peer"
      return { summary = 'S', needs = { peers = { shelf = { "GET /x" } } }, run = function() end }]])
    local outcome = place:run { "scripts", "test", "./mine.lua" }
    assert.same({ 2, "error: test ./mine.lua\n  why: there is no test of it: ./mine_test.lua\n  fix: Write one; "
      .. "`moonlatch new script NAME` makes a script with a test beside it, to "
      .. "copy from.\n" }, { outcome.status, outcome.err })
    place:write("mine_test.lua", "return require 'test' { summary = 'S', cases = {} }")
    outcome = place:run { "scripts", "test", "./mine.lua" }
    assert.matches("why: there is none, so nothing is tested\n  fix: Write cases = ", outcome.err, 1, true)
    place:write("mine_test.lua", "return require 'test' { summary = 'S', cases = { { what = 'w', run = print } } }")
    outcome = place:run { "scripts", "test", "./mine.lua" }
    assert.equal(1, outcome.status)
    assert.matches("✗ w\n    test ./mine.lua: it calls the peer 'shelf', for which the test has no stand-in\n    "
      .. "Add one to the test: services = function() return { shelf = ", outcome.out, 1, true)
    assert.matches("Run `moonlatch scripts test` with the name", place:run({ "run", "./mine_test.lua" }).err, 1, true)
  end)
end)
