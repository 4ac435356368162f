-- What `moonlatch scripts lint` remarks on, and what it leaves alone.

local json = require "host.json"
local lint = require "script.lint"
local moonlatch = require "moonlatch"
local script = require "script.load"
local sys = require "host.sys"

local folder

local function look(text)
  local path = folder .. "/made.lua"
  assert(sys.write(path, text, "replace"))
  return lint.look(path)
end

local function remarks_of(text)
  local result, list = look(text), {}
  assert.is_nil(result.failure)
  for i, remark in ipairs(result.remarks) do
    assert.matches("^%u.*%.$", remark.fix)
    list[i] = remark.where .. ": " .. remark.why
  end
  return table.concat(list, "\n")
end

local POLICY = [[
local policy = require "policy"
local users = policy.users
return policy { summary = "S", sink = policy.devolutions.server {}, %s }
]]
local GOOD = { select = 'users { group = "x" }', every = '"30d"', jitter = '"3d"', never = '{ "a@b.test" }' }

local function policy_remarks(changes)
  local members = {}
  for name, value in pairs(GOOD) do members[name] = value end
  for name, value in pairs(changes) do members[name] = value end
  local parts = {}
  for name, value in pairs(members) do parts[#parts + 1] = ("%s = %s"):format(name, value) end
  return remarks_of(POLICY:format(table.concat(parts, ", ")))
end

describe("scripts lint", function()
  before_each(function() folder = assert(sys.temporary "lint") end)
  after_each(function() sys.remove_tree(folder) end)

  it("remarks on what a policy probably does not mean", function()
    assert.equal("", policy_remarks {})
    for part, changes in pairs {
      ["never: nobody is named"] = { never = "{}" }, ["jitter: accounts that"] = { jitter = '"0s"' },
      ["password.length: 12 characters"] = { password = "{ length = 12 }" },
      ["limits.canary: no change"] = { limits = "{ canary = 0 }" },
      ["limits.stop_on_failure: after"] = { limits = "{ stop_on_failure = false }" },
      ["window: between two windows more than 6 hours"] = { every = '"6h"', jitter = '"0s"',
        window = '"02:00-04:00 Europe/Paris"' },
      ["select: a guest among"] = { select = 'users { role = "Reader" } - policy.synced()' },
      ["select: an account synced"] = { select = 'users { where = { city = "x" } }', accept = '{ "guest" }' },
      ["select: `where` behind -"] = { select = 'users { group = "x" } - users { where = { city = "x" } }' },
    } do
      local said = policy_remarks(changes)
      assert.equal(part, said:sub(1, #part))
      assert.is_nil(said:find("\n", 1, true), said)
    end
    for _, select in ipairs {
      'users { group = "x" } - users { upn = "a@b.test" }',
      '(users { where = { city = "x" } } - users { group = "g" }) - (policy.guests() + policy.synced())',
    } do
      assert.equal("", policy_remarks { select = select, never = "{}" })
    end
    assert.equal("lifetime: a secret expires 10 days after its successor was made, before its grace of 20 days is "
      .. "over", remarks_of [[local policy = require "policy"
        return policy { summary = "S", sink = policy.handover {}, select = policy.applications { owned = true },
          every = "90d", lifetime = "100d", grace = "20d" }]])
  end)

  it("remarks on calls that are in the file and not declared, and on needs without a known permission", function()
    assert.equal(([[
needs.graph: the call 'GET /users/$count' is in the file, and not declared: it would be refused
needs.graph: the call 'PATCH /users/{id}' is in the file, and not declared: it would be refused
needs.graph: it is not known which permission 'GET /unheard/of' needs, so a person is not asked for it]]),
      remarks_of [[
local graph = require "graph"
-- graph.get "/commented"
return { summary = "S", needs = {
  graph = { "GET /users/{id}", "GET /groups/{id}/owners", "GET /unheard/of", "GET /applications(appId)" },
  when = { all = { graph = { "GET /users" } } },
}, args = { all = { type = "boolean", help = "h" } }, run = function()
  graph.get("/users/5") graph.get(graph.path("/groups/{id}/owners", "5")) graph.list("/users", {})
  graph.count "/users" graph.patch(graph.path("/users/{id}", "5"), {}) graph.get "/applications(appId='x')"
end }]])
  end)

  it("remarks on no bundled script's calls", function()
    for _, name in ipairs(script.names()) do
      for _, remark in ipairs(script.find(name).origin == "bundled" and lint.look(name).remarks or {}) do
        assert.not_equal("needs.graph", remark.where, name .. ": " .. remark.why)
      end
    end
  end)

  it("has the exit status 1 for what does not load, 3 for remarks, 0 for neither; and one document", function()
    local place <close> = moonlatch.place()
    place:write("s/good.lua", "return { summary = 'S', run = function() end }")
    place:write("s/lib/module.lua", "return {}")
    local function run(...) return place:run { "scripts", "lint", "--scripts", place.path .. "/s", ... } end
    assert.same({ 0, "good: nothing to remark\n" }, { run().status, run().out })
    place:write("s/policies/p.lua", POLICY:format 'select = users { group = "x" }, every = "30d", jitter = "1d"')
    local outcome = run()
    assert.equal(3, outcome.status)
    assert.matches("\npolicies/p\n  ! never: nobody is named.*\n    Name these accounts: never = ", outcome.out)
    assert.equal(0, run("good").status)
    place:write("s/bad.lua", "return {")
    outcome = run "--json"
    assert.equal(1, outcome.status)
    local document = json.decode(outcome.out)
    assert.same({ "bad", "good", "policies/p" }, { document.scripts[1].name, document.scripts[2].name,
      document.scripts[3].name })
    assert.matches("unexpected symbol near <eof>", document.scripts[1].failure.why)
    assert.equal("never", document.scripts[3].remarks[1].where)
  end)
end)
