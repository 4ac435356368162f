--- The texts that `moonlatch new` writes besides policies: a script, a step, a resource, a sink, a notice, each with a
--- test. Each runs as it is.

local M = {}

---@class test.template
---@field files { path: string, text: string }[] below the folder of scripts; "@NAME@" stands for the name
---@field next manual.row[] a command without the program's name, and what it does

local SCRIPT = [[
--- @NAME@: list the accounts of guests. Run it: moonlatch run @NAME@ --emulator

local graph = require "graph"
local report = require "report"

return {
  summary = "List the accounts of guests",

  -- Each argument is an option: --domain. A duration, a number or a list has another type.
  args = { domain = { type = "string", help = "only guests whose address ends with this" } },

  -- Every call that the script makes. The gate refuses all others. `scopes` is what a person signs in for.
  needs = { graph = { "GET /users" }, scopes = { "User.Read.All" } },

  run = function(args)
    local rows = {}
    for user in graph.list("/users", {
      select = { "displayName", "mail" }, filter = graph.filter("userType eq %s", "Guest"),
    }) do
      local mail = tostring(user.mail)
      if not args.domain or mail:sub(-#args.domain) == args.domain then
        rows[#rows + 1] = { name = user.displayName, mail = mail }
      end
    end
    report.table(rows, { "name", "mail" }) -- a table; with --json one document
    return 0 -- the exit status
  end,
}
]]

local SCRIPT_TEST = [[
--- Tries @NAME@ on an emulated tenant: moonlatch scripts test @NAME@

local test = require "test"

return test {
  summary = "what @NAME@ lists",

  -- Each case has a tenant of its own.
  cases = {
    { what = "lists guests, and nobody else", run = function(t)
      local outcome = t:run()
      t:equal(0, outcome.status)
      for _, row in ipairs(outcome.result) do t:check(row.name ~= "Adele Arden", "a member is not listed") end
    end },
    { what = "lists only the guests of a domain", run = function(t)
      t:equal({}, t:run({ domain = "@nowhere.example" }).result)
    end },
    { what = "fails in words when Graph is away", run = function(t)
      t:fault "graph GET /users 403"
      local outcome = t:run()
      t:equal(1, outcome.status)
      t:equal("denied", outcome.failure.kind)
    end },
  },
}
]]

local STEP = [[
--- @NAME@: our set-up of the Entra ID PAM provider, with a step of our own.
-- Look first: moonlatch plan setup/@NAME@ --emulator

local graph = require "graph"
local original = require "@BUNDLED@"
local workflow = require "workflow"

-- `plan`, `apply`, `verify` and `destroy` all run a step; only the acting is switched on or off. `run` acts and notes,
-- `have` is what earlier steps found, `args` are the arguments.
local our_step = workflow.step "Our group" (function(run, have, args)
  local group = graph.first("/groups", {
    filter = graph.filter("displayName eq %s", args.group), select = { "id" }, what = "find our group",
  })
  have.our_group = group -- for later steps
  run:note(group and "the group '%s' exists" or "there is no group '%s' yet", args.group)
end)

return original
  :extend {
    summary = "Our Entra ID PAM provider",
    args = { group = { type = "string", default = "PAM managed tier 0", help = "name of our group" } },
    needs = { graph = { "GET /groups" } },
  }
  :after("Sign in", our_step)
]]

local STEP_TEST = [[
--- Tries setup/@NAME@ on an emulated tenant: moonlatch scripts test setup/@NAME@

local test = require "test"

return test {
  summary = "what our step says",
  cases = {
    { what = "finds the group", run = function(t)
      local outcome = t:plan()
      t:equal(3, outcome.status) -- something is to be done
      t:has(outcome.notes["Our group"], "exists")
    end },
    { what = "says when there is none", run = function(t)
      t:has(t:plan({ group = "Nobody" }).notes["Our group"], "there is no group 'Nobody' yet")
    end },
  },
}
]]

local RESOURCE = [[
--- A resource: a group that our scripts make. `run:ensure(group(name))` reads it, compares, and acts on the difference.

local graph = require "graph"
local workflow = require "workflow"

local MARK = "Made by our scripts."

local Group = workflow.resource "group" {
  -- The same text for the same thing, in every run.
  key = function(self) return "our/@NAME@/" .. self.name end,

  -- What is there now; nil when there is nothing.
  read = function(self)
    return graph.first("/groups", {
      filter = graph.filter("displayName eq %s", self.name), select = { "id", "displayName", "description" },
      what = ("find the group '%s'"):format(self.name),
    })
  end,

  create = function(self)
    return graph.post("/groups", {
      displayName = self.name, description = self.wanted.description, securityEnabled = true,
      mailEnabled = false, mailNickname = "@NAME@",
    }, { what = ("create the group '%s'"):format(self.name) })
  end,

  -- Called when a member of `wanted` differs from `actual`.
  update = function(self, actual)
    graph.patch(graph.path("/groups/{id}", actual.id), self.wanted, { what = ("change '%s'"):format(self.name) })
  end,

  delete = function(self, actual)
    graph.delete(graph.path("/groups/{id}", actual.id), { what = ("delete '%s'"):format(self.name) })
  end,

  -- `destroy` removes only what is proven ours.
  ours = function(_, actual)
    return (actual.description or ""):find(MARK, 1, true) ~= nil, "its description says that our scripts made it"
  end,
}

return function(name) return Group { name = name, wanted = { description = MARK } } end
]]

local RESOURCE_JOB = [[
--- @NAME@: a job that ensures the resource in lib/@NAME@.lua. Look first: moonlatch plan setup/@NAME@ --emulator

local group = require "@MODULE@"
local workflow = require "workflow"

return workflow.declare {
  id = "setup/@NAME@",
  summary = "Make our group",
  args = { name = { type = "string", default = "Our group", help = "name of the group" } },
  needs = {
    graph = { "GET /groups", "POST /groups", "PATCH /groups/{id}", "DELETE /groups/{id}" },
    scopes = { "Group.ReadWrite.All" },
  },
  steps = {
    workflow.step "Group" (function(run, have, args) have.group = run:ensure(group(args.name)) end),
  },
}
]]

local RESOURCE_TEST = [[
--- Tries setup/@NAME@ on an emulated tenant: moonlatch scripts test setup/@NAME@

local test = require "test"

local function groups(t)
  return t:graph("/groups", { filter = "displayName eq 'Our group'", select = { "id" } }).value
end

return test {
  summary = "the life of the resource",
  cases = {
    { what = "is made once, and removed", run = function(t)
      t:equal(3, t:plan().status)
      t:equal({}, groups(t), "a plan makes nothing")
      t:equal(0, t:apply().status)
      t:equal(1, #groups(t))
      t:equal(0, t:apply().status)
      t:equal(1, #groups(t), "a second run makes no second group")
      t:equal(0, t:verify().status)
      t:equal(0, t:destroy().status)
      t:equal({}, groups(t))
    end },
    { what = "is made once although the answer is lost", run = function(t)
      t:fault "graph POST /groups drop-after"
      t:apply()
      t:apply()
      t:equal(1, #groups(t))
    end },
  },
}
]]

local SINK = [[
--- @NAME@: a sink, where policies store new secrets: sink = policy.sink("sinks/@NAME@", { box = "{id}" }).
-- Its service stands in the profile: peers = { ["@NAME@"] = { url = "https://…", credential = { … } } }

local peer = require "peer"

-- The path of a box, with {id}, {name}, {policy} and {slot} filled in. A name may be any text: peer.path escapes it.
local function box_path(args, item) return peer.path("/boxes/{box}", (args.box:gsub("{([%w_]+)}", item))) end

return {
  summary = "Store secrets at our service",
  args = {
    peer = { type = "string", default = "@NAME@", help = "the name that the profile gives the service" },
    box = { type = "string", required = true, help = "name of the box; {id} and {slot} are filled in" },
  },

  -- `secrets`: where a secret may stand in what is sent. `answers`: where it comes back.
  needs = { peers = { ["{peer}"] = {
    { "GET /boxes/{box}", answers = { "content" } }, { "PUT /boxes/{box}", secrets = { "content" } },
    "DELETE /boxes/{box}",
  } } },
  can = { read_back = true },

  where = function(args, item) return "the box " .. args.box:gsub("{([%w_]+)}", item) end,

  -- What is stored: the value, whose it is, and our marker. Nil: nothing.
  read = function(args, item)
    local answer = peer[args.peer]:get(box_path(args, item), { missing = "nil", what = "read a box" })
    local box = answer and answer.body
    return box and { value = box.content, id = box.label, marker = box.note }
  end,

  -- `before` is what `read` returned. The script never sees the text of the value.
  store = function(args, item, value)
    peer[args.peer]:put(box_path(args, item), { content = value, label = item.id, note = item.marker },
      { what = "store into a box" })
  end,

  remove = function(args, item)
    peer[args.peer]:delete(box_path(args, item), { missing = "nil", what = "remove a box" })
  end,
}
]]

local SINK_TEST = [[
--- Tries sinks/@NAME@ at a stand-in of its service: moonlatch scripts test sinks/@NAME@
-- At the real service: moonlatch rehearse sink sinks/@NAME@ --with box=trial

local test = require "test"

return test {
  summary = "the contract of a sink",

  -- A stand-in answers with a status and a body. Each case gets new ones.
  services = function()
    local boxes = {}
    return { ["@NAME@"] = function(request)
      local box = request.path:match "^/boxes/(.+)$"
      if request.method == "PUT" then boxes[box] = request.body
      elseif request.method == "DELETE" then boxes[box] = nil
      elseif boxes[box] then return 200, boxes[box]
      else return 404, { message = "there is no such box" } end
      return 204
    end }
  end,

  cases = {
    { what = "stores, reads back and removes, also when requests and answers are lost", run = function(t)
      local outcome = t:rehearse { box = "{id}-{slot}" }
      for _, one in ipairs(outcome.result.results or {}) do
        t:check(one.holds ~= false, one.check .. ": " .. tostring(one.why))
      end
      t:equal(0, outcome.status)
    end },
  },
}
]]

local TELLER = [[
--- @NAME@: tell somebody what rules for notices hand to it. The rules are in notices/@NAME@.lua.
-- Its service stands in the profile: peers = { ["@NAME@"] = { url = { from = "sealed" } } }, then
-- `moonlatch login --secret peer-@NAME@`. A notice holds no secret. Names in it may be written by anybody.

local peer = require "peer"

return {
  summary = "Tell our service",
  args = { peer = { type = "string", default = "@NAME@", help = "the name that the profile gives the service" } },
  needs = { peers = { ["{peer}"] = { "POST /" } } },

  -- Raises when it could not tell: the notice then stays in the journal, and the next look tries it again.
  tell = function(notice, args)
    peer[args.peer]:post("/", { id = notice.id, title = notice.title, text = notice.text },
      { what = "send a notice", repeatable = true })
  end,
}
]]

local RULES = [[
--- @NAME@: what is told, and when. Look once: moonlatch notify notices/@NAME@

local notice = require "notice"

return notice {
  summary = "Tell us what expires and what fails",
  rules = {
    {
      to = "notify/@NAME@",
      what = {
        expiring = { first = { "30d", "7d", "1d" } }, -- told at each of these spans before it, and at the date
        rotation = { again = "1d" }, -- told again each day while it stays
        doctor = { least = "critical" }, -- what does not work; warnings are left out
      },
      digest = "1h", -- at most one notice an hour
      -- quiet = "22:00-07:00 Europe/Paris",
    },
  },
}
]]

local NOTICE_TEST = [[
--- Tries notices/@NAME@ with a stand-in of the service: moonlatch scripts test notices/@NAME@

local test = require "test"

return test {
  summary = "what arrives",
  services = function()
    return { ["@NAME@"] = function() return 200, { ok = true } end }
  end,

  cases = {
    { what = "a test notice arrives once", run = function(t)
      t:equal(0, t:notify().status)
      t:equal(1, #t.requests)
      t:equal("POST", t.requests[1].method)
      t:check(t.requests[1].body.title, "it has a title")
    end },
  },
}
]]

---@type table<string, test.template>
M.kinds = {
  script = {
    files = { { path = "@NAME@.lua", text = SCRIPT }, { path = "@NAME@_test.lua", text = SCRIPT_TEST } },
    next = { { "scripts test @NAME@", "run its test" }, { "run @NAME@ --emulator", "run it on an emulated tenant" } },
  },
  step = {
    files = { { path = "setup/@NAME@.lua", text = STEP }, { path = "setup/@NAME@_test.lua", text = STEP_TEST } },
    next = { { "scripts test setup/@NAME@", "run its test" },
      { "plan setup/@NAME@ --emulator", "see what it would do" } },
  },
  resource = {
    files = {
      { path = "lib/@NAME@.lua", text = RESOURCE }, { path = "setup/@NAME@.lua", text = RESOURCE_JOB },
      { path = "setup/@NAME@_test.lua", text = RESOURCE_TEST },
    },
    next = { { "scripts test setup/@NAME@", "run its test" },
      { "plan setup/@NAME@ --emulator", "see what it would do" } },
  },
  sink = {
    files = { { path = "sinks/@NAME@.lua", text = SINK }, { path = "sinks/@NAME@_test.lua", text = SINK_TEST } },
    next = { { "scripts test sinks/@NAME@", "run its test" },
      { "rehearse sink sinks/@NAME@ --with box=trial", "try it at the service of the profile" } },
  },
  notice = {
    files = {
      { path = "notify/@NAME@.lua", text = TELLER }, { path = "notices/@NAME@.lua", text = RULES },
      { path = "notices/@NAME@_test.lua", text = NOTICE_TEST },
    },
    next = { { "scripts test notices/@NAME@", "run its test" },
      { "notify notices/@NAME@ --test", "send a test notice from the profile" } },
  },
}

local ORIGINAL = "bundled." .. "setup.entra-pam-provider"

local function fill(text, name)
  local values = { NAME = name, BUNDLED = ORIGINAL, MODULE = "lib." .. name }
  return (text:gsub("@(%u+)@", values))
end

--- The template of a kind, with the name filled in.
---@param kind "script"|"step"|"resource"|"sink"|"notice"
---@param name string
---@return test.template
function M.of(kind, name)
  local template, made = M.kinds[kind], { files = {}, next = {} }
  for i, file in ipairs(template.files) do
    made.files[i] = { path = fill(file.path, name), text = fill(file.text, name) }
  end
  for i, row in ipairs(template.next) do made.next[i] = { fill(row[1], name), row[2] } end
  return made
end

return M
