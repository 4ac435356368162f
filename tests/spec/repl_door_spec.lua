local contoso = require "contoso"
local door = require "repl.door"
local fail = require "fail"
local graph = require "graph"
local job = require "cli.workflow_command"
local log = require "log"
local term = require "host.term"

local GROUPS = "/v1.0/groups"

-- A tenant behind the prompt's door; what is answered to its questions, what it asked and said.
local function stage(settings, answers)
  local tenant = contoso.new()
  local self = { tenant = tenant, asked = {}, said = {} }
  local before = { is_interactive = job.is_interactive, read_line = term.read_line, error = log.error }
  job.is_interactive = function() return answers ~= nil end
  term.read_line = function(question)
    table.insert(self.asked, question)
    return table.remove(answers, 1)
  end
  log.error = function(text) table.insert(self.said, text) end
  self.behind = tenant.door
  self.door = door.new(tenant.door, settings)
  tenant.door = self.door
  self.behind:on("POST", GROUPS, { 201, {}, { id = "1" } })
  self.behind:on("GET", "/v1.0/users", { 200, {}, { value = {} } })
  return setmetatable(self, { __close = function()
    job.is_interactive, term.read_line, log.error = before.is_interactive, before.read_line, before.error
    tenant.door = self.behind
    tenant:close()
  end })
end

local function post(name) return graph.post("/groups", { displayName = name, password = "hunter2hunter2" }) end

describe("the prompt's door", function()
  it("lets reads through, and notes their paths", function()
    local here <close> = stage({}, {})
    here.tenant:run(graph.get, "/users")
    assert.same({ "/v1.0/users" }, here.door.paths)
    here.door:clear()
    assert.same({}, here.door.paths)
    assert.same({}, here.asked)
  end)

  it("refuses changes in a session that only reads, before anything is sent", function()
    local here <close> = stage({}, {})
    local failure = here.tenant:fails(post, "x")
    assert.equal("POST /v1.0/groups: it would change something, and this session only reads\n"
      .. "Leave with Ctrl-D, and start the prompt with --write: then it asks before each change.", tostring(failure))
    assert.equal(0, here.behind:count("POST", GROUPS))
  end)

  it("asks before a change, with its body and without its secrets", function()
    local here <close> = stage({ write = true }, { "y" })
    here.tenant:run(post, "x")
    assert.same({ "Send this? [y/N, all: whatever else this line changes] " }, here.asked)
    assert.equal("POST https://graph.example/v1.0/groups\n  {\n    \"displayName\": \"x\",\n"
      .. '    "password": "[secret]"\n  }', here.said[1])
    assert.equal(1, here.behind:count("POST", GROUPS))
  end)

  it("takes anything but a yes for a no", function()
    for _, answer in ipairs { "", "n", "yep" } do
      local here <close> = stage({ write = true }, { answer })
      assert.is_true(fail.is(here.tenant:fails(post, "x"), "refused"))
      assert.equal(0, here.behind:count("POST", GROUPS))
    end
    local here <close> = stage({ write = true }, {}) -- the end of input
    assert.matches("you said no", tostring(here.tenant:fails(post, "x")))
  end)

  it("asks for each change, until all is said; and anew for the next line", function()
    local here <close> = stage({ write = true }, { "y", "all", "n" })
    here.tenant:run(function()
      for _ = 1, 4 do post "x" end
    end)
    assert.equal(2, #here.asked)
    here.door:clear()
    here.tenant:fails(post, "x")
    assert.equal(3, #here.asked)
    assert.equal(4, here.behind:count("POST", GROUPS))
  end)

  it("asks once for what is sent again because it was refused for a while", function()
    local here <close> = stage({ write = true }, { "y" })
    here.behind:once("POST", GROUPS, { 429, { ["retry-after"] = "1" }, {} })
    here.tenant:run(post, "x")
    assert.equal(1, #here.asked)
    assert.equal(2, here.behind:count("POST", GROUPS))
  end)

  it("changes nothing without a terminal, unless --yes was said", function()
    local here <close> = stage({ write = true })
    assert.matches("there is no terminal to ask on\nTo make changes without asking: moonlatch repl %-%-write %-%-yes",
      tostring(here.tenant:fails(post, "x")))
    local sure <close> = stage({ write = true, yes = true })
    sure.tenant:run(post, "x")
    assert.same({}, sure.asked)
  end)

  it("shows requests with their times when asked to", function()
    local here <close> = stage({ trace = true }, {})
    here.tenant:run(graph.get, "/users", { top = 5 })
    assert.matches("^GET    /v1%.0/users%?%$top=5  200  %d+ ms  12 B$", here.said[#here.said])
    here.behind:once("GET", "/v1.0/users", function() return nil, "it broke", "cut" end)
    here.tenant:run(graph.get, "/users")
    assert.matches("^GET    /v1%.0/users  cut  %d+ ms$", here.said[#here.said - 1])
  end)
end)
