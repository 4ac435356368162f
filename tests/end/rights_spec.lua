-- Rights belong to one script: two policies in one run get nothing of each other's, and no code gets at a door.

local rehearsal = require "rehearsal"

-- The attempts of a policy, of which the other policy of the run may do each: while the file is loaded, and by a task
-- that would go on while the policies are worked for.
local USERS = [[
local graph, policy, task = require "graph", require "policy", require "task"
local function steal()
  graph.post("/applications/%s/addPassword", { passwordCredential = { displayName = "stolen" } })
end
local function attempt(when, way)
  local ok, failure = pcall(way)
  local why = type(failure) == "table" and failure.why or tostring(failure):match "[^\n]*"
  print("attempt " .. when .. ": " .. (ok and "done" or why))
end
attempt("at once", steal)
attempt("in a coroutine", function() coroutine.wrap(steal)() end)
attempt("in tasks", function() task.all { steal } end)
attempt("later", function() task.spawn(steal) end)
attempt("later by a coroutine", function() coroutine.wrap(function() task.spawn(steal) end)() end)
return policy {
  summary = "one account", select = policy.users { upn = "%s" }, every = "30d",
  sink = policy.devolutions.server { vault = "Privileged", path = "Tier0" },
}
]]

-- Words of a selection that act when they are read.
local ACTING_WORDS = [[
local graph, policy = require "graph", require "policy"
local words = setmetatable({}, { __index = function(_, place)
  if place > 1 then return nil end
  print("attempt: " .. tostring(pcall(graph.post, "/applications/%s/addPassword", {})))
  return "%s"
end })
return policy {
  summary = "one account", select = policy.users { upn = words }, every = "30d",
  sink = policy.devolutions.server { vault = "Privileged", path = "Tier0" },
}
]]

local APPLICATIONS = [[
local policy = require "policy"
return policy {
  summary = "one application", select = policy.applications { client_id = %q },
  every = "30d", lifetime = "90d", sink = policy.handover {},
}
]]

local NO_TASK = "a script starts no task while its file is loaded: start it in a step, or in run"
local NO_PROFILE = "no session is open: a file that is loaded may call no service"
local REFUSED = {
  ["at once"] = NO_PROFILE, ["in a coroutine"] = NO_PROFILE,
  ["in tasks"] = "this call waits, so it must run directly inside a task",
  later = NO_TASK, ["later by a coroutine"] = NO_TASK,
}

describe("the rights of a script", function()
  local emu, app

  before_each(function()
    emu = rehearsal.new()
    app = emu:admin("add_app", { name = "Billing", days = 3650 })
  end)

  after_each(function() getmetatable(emu).__close(emu) end)

  local function credentials()
    local names = {}
    for _, one in ipairs(emu:graph("/applications/" .. app.id .. "?$select=passwordCredentials").passwordCredentials) do
      names[#names + 1] = one.displayName:match("^ml:") and "ours" or one.displayName
    end
    table.sort(names)
    return names
  end

  it("are not those of another policy of the same run, though that one works meanwhile", function()
    local users = emu.place:write("users.lua", USERS:format(app.id, "t0-anna@contoso.onmicrosoft.com"))
    local applications = emu.place:write("applications.lua", APPLICATIONS:format(app.appId))
    for _, order in ipairs { { users, applications }, { applications, users } } do
      local outcome = emu:run { "rotate", order[1], order[2], "--yes" }
      local text = outcome.out .. outcome.err
      assert.equal(1, outcome.status, text) -- the client secret waits for a person
      local attempts = {}
      for when, why in text:gmatch "attempt ([%w ]+): ([^\n]*)" do
        attempts[when] = (attempts[when] or 0) + 1
        assert.equal(REFUSED[when], (why:gsub("^%S+:%d+: ", "")), text)
      end
      for when in pairs(REFUSED) do assert.is_true((attempts[when] or 0) >= 1, when .. "\n" .. text) end
    end
    emu:later "1h" -- Entra lists new ones late
    assert.same({ "Billing", "ours" }, credentials()) -- the policy for applications did what it declares
  end)

  it("are not lent to words that act when they are read: such words are refused when the file is loaded", function()
    local users = emu.place:write("users.lua", ACTING_WORDS:format(app.id, "t0-anna@contoso.onmicrosoft.com"))
    local applications = emu.place:write("applications.lua", APPLICATIONS:format(app.appId))
    local outcome = emu:run { "rotate", applications, users, "--yes" }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("a table with a metatable cannot be handed to the library", 1, true), outcome.err)
    assert.is_nil((outcome.out .. outcome.err):find("attempt", 1, true))
    assert.same({ "Billing" }, credentials())
  end)

  it("only read in a plan, whatever a step does", function()
    local file = emu.place:write("eager.lua", [[
      local graph, workflow = require "graph", require "workflow"
      return {
        summary = "Changes while it is planned", id = "eager",
        needs = { graph = { "PATCH /users/{id}#department" } },
        steps = { workflow.step "Department" (function()
          graph.patch("/users/t0-anna@contoso.onmicrosoft.com", { department = "Night" })
        end) },
      }
    ]])
    local outcome = emu:run { "plan", file }
    assert.equal(1, outcome.status)
    assert.truthy(outcome.err:find("PATCH /users/t0-anna@contoso.onmicrosoft.com would change something, and " .. file
      .. " may only read at this point", 1, true), outcome.err)
    assert.not_equal("Night", emu:graph("/users/t0-anna@contoso.onmicrosoft.com?$select=department").department)
    assert.equal(0, emu:run({ "apply", file, "--yes" }).status)
    emu:later "1m"
    assert.equal("Night", emu:graph("/users/t0-anna@contoso.onmicrosoft.com?$select=department").department)
  end)
end)
