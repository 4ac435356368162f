-- Rights belong to one script: two policies in one run get nothing of each other's, and no code gets at a door.

local rehearsal = require "rehearsal"

local USERS = [[
local graph, policy, task = require "graph", require "policy", require "task"
local function steal()
  graph.post("/applications/%s/addPassword", { passwordCredential = { displayName = "stolen" } })
end
-- Words of a selection that act when they are read, also while the policy is worked for.
local words = setmetatable({}, { __index = function(_, place)
  if place > 1 then return nil end
  for _, way in ipairs { steal, function() return task.spawn(steal) end, function() task.all { steal } end } do
    local ok, failure = pcall(way)
    local why = type(failure) == "table" and failure.why or tostring(failure):match "[^\n]*"
    print("attempt: " .. (ok and "done" or why))
  end
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
      local attempts = 0
      for line in text:gmatch("attempt: ([^\n]*)") do
        attempts = attempts + 1
        assert.is_nil(line:find("done", 1, true), text)
      end
      assert.is_true(attempts >= 3, text)
    end
    emu:later "1h" -- Entra lists new ones late
    assert.same({ "Billing", "ours" }, credentials()) -- the policy for applications did what it declares
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
      .. " only reads now", 1, true), outcome.err)
    assert.not_equal("Night", emu:graph("/users/t0-anna@contoso.onmicrosoft.com?$select=department").department)
    assert.equal(0, emu:run({ "apply", file, "--yes" }).status)
    emu:later "1m"
    assert.equal("Night", emu:graph("/users/t0-anna@contoso.onmicrosoft.com?$select=department").department)
  end)
end)
